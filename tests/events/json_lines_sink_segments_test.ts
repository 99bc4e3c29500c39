import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import { type LogFileOps, systemFileOps } from "../../src/events/_log_file_ops.ts";
import { type JsonLinesSink, jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import { event, followChain, recordsOf, segmentsIn, withFolder } from "./_sink_events.ts";

const MAX_BYTES = 4_096;
const LATER = Date.UTC(2100, 0) / 1000;

const { signer, verifierKey } = await generateAuditLogKeys("test.example");

async function rotate(sink: JsonLinesSink, times: number): Promise<void> {
  const { rotations } = sink.stats();
  while (sink.stats().rotations < rotations + times) await sink.write(event());
}

/** Gives the file of a log the name of a segment, as a crash within a rotation leaves it. */
function leaveSegmentsOnly(path: string): void {
  const { seq } = recordsOf(path)[0]!;
  const number = `${seq}`.padStart(12, "0");
  Deno.renameSync(path, path.replace(".jsonl", `.${number}.${crypto.randomUUID()}.jsonl`));
}

for (const chain of [undefined, {}, { signer }]) {
  const how = chain === undefined ? "no chain" : "signer" in chain ? "a signer" : "a chain";
  Deno.test(`jsonLinesSink() deletes the oldest records when the clock was set back, with ${how}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const options = {
        path,
        rotate: { maxBytes: MAX_BYTES, keep: 3 },
        ...(chain === undefined ? {} : { chain }),
      };
      const before = jsonLinesSink(options);
      await rotate(before, 3);
      await before.close();
      // By the time of their last change, what comes from here on is older than all that is there.
      for (const segment of segmentsIn(folder)) Deno.utimeSync(segment, LATER, LATER);
      const sink = jsonLinesSink(options);
      await rotate(sink, 8);
      await sink.close();
      const segments = segmentsIn(folder);
      assertEquals(segments.length, 4);
      const records = segments.flatMap(recordsOf);
      const [first] = records;
      for (let at = 0; at < records.length; at++) assertEquals(records[at]!.seq, first!.seq + at);
      if (chain === undefined) return;
      const keys = "signer" in chain ? [verifierKey] : [];
      assertEquals((await verifyAuditLog(segments, { keys })).failure, undefined);
    }));

  Deno.test(`jsonLinesSink() follows the last segment when the clock was set back, with ${how}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const options = {
        path,
        rotate: { maxBytes: MAX_BYTES },
        ...(chain === undefined ? {} : { chain }),
      };
      const before = jsonLinesSink(options);
      await rotate(before, 3);
      await before.close();
      const { seq } = recordsOf(path).at(-1)!;
      Deno.utimeSync(segmentsIn(folder)[0]!, LATER, LATER);
      leaveSegmentsOnly(path);
      await jsonLinesSink(options).close();
      assertEquals(recordsOf(path)[0]!.seq, seq + 1);
      if (chain === undefined) return;
      const keys = "signer" in chain ? [verifierKey] : [];
      assertEquals((await verifyAuditLog(segmentsIn(folder), { keys })).failure, undefined);
    }));
}

Deno.test("jsonLinesSink() follows the last segment when a crash cut the first line after it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const options = { path, chain: {}, rotate: { maxBytes: MAX_BYTES } };
    const before = jsonLinesSink(options);
    await rotate(before, 2);
    await before.close();
    leaveSegmentsOnly(path);
    Deno.writeTextFileSync(path, '{"correlationId":"c', { mode: 0o600 });
    const sink = jsonLinesSink(options);
    await rotate(sink, 1);
    await sink.close();
    const segments = segmentsIn(folder);
    const starts = followChain(segments).filter(({ kind }) => kind === "audit.start");
    assertEquals(starts.map(({ details }) => details.continues), [false, true]);
    // A torn line is no reason to misplace the segment.
    const names = segments.slice(0, -1).map((segment) => Number(segment.split(".").at(-3)));
    assertEquals(names.at(-1), starts[1]!.seq);
    assertEquals((await verifyAuditLog(segments)).failure, undefined);
  }));

Deno.test("jsonLinesSink() knows where it stands when an earlier chain had more records", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const options = { path, chain: {}, rotate: { maxBytes: MAX_BYTES } };
    const before = jsonLinesSink(options);
    await rotate(before, 5);
    for (let number = 0; number < 3; number++) await before.write(event());
    await before.close();
    // The end was changed by somebody, so that a chain begins anew.
    const changedEnd = Deno.readTextFileSync(path).replace(/"alice"(?!.*\n.)/s, '"bob"');
    Deno.writeTextFileSync(path, changedEnd);
    const changed = jsonLinesSink(options);
    await rotate(changed, 2);
    await changed.close();
    const { seq } = recordsOf(path).at(-1)!;
    assertLess(seq, recordsOf(segmentsIn(folder).at(-2)!)[0]!.seq);
    leaveSegmentsOnly(path);
    const sink = jsonLinesSink({ ...options, rotate: { ...options.rotate, keep: 3 } });
    await sink.write(event());
    assertEquals(recordsOf(path)[0]!.seq, seq + 1);
    await rotate(sink, 8);
    await sink.close();
    const left = segmentsIn(folder).flatMap(recordsOf);
    const own = left.filter(({ writer }) => writer === sink.writer).map(({ seq }) => seq);
    for (let at = 1; at < own.length; at++) assertEquals(own[at], own[at - 1]! + 1);
    // What belongs to the chain before is evidence.
    assertEquals(left.filter(({ seq, writer }) => seq === 1 && writer === before.writer).length, 1);
  }));

Deno.test("jsonLinesSink() never deletes segments that do not lead to its log", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const options = { path, chain: {}, rotate: { maxBytes: MAX_BYTES, keep: 2 } };
    const planted = [0, 7, 10 ** 9].map((number) =>
      `${folder}/audit.${`${number}`.padStart(12, "0")}.${crypto.randomUUID()}.jsonl`
    );
    const sink = jsonLinesSink(options);
    for (const name of planted) Deno.writeTextFileSync(name, "");
    await rotate(sink, 4);
    await sink.close();
    const own = segmentsIn(folder).filter((segment) => !planted.includes(segment));
    assertEquals(own.length, 3);
    for (const name of planted) assertEquals(Deno.readTextFileSync(name), "");
  }));

/** The calls that bring something to the disk, and those that make it necessary. */
function recorded(calls: string[], ops = systemFileOps()): LogFileOps {
  const names = new Map<number, string>();
  const inodes = new Map<string, number>();
  const say = (what: string, descriptor: number) => calls.push(`${what} ${names.get(descriptor)}`);
  return {
    ...ops,
    open(path, purpose) {
      const descriptor = ops.open(path, purpose);
      const { ino } = ops.status(descriptor);
      if (!inodes.has(`${ino}`)) inodes.set(`${ino}`, inodes.size + 1);
      names.set(descriptor, `${inodes.get(`${ino}`)}`);
      return descriptor;
    },
    async sync(descriptor) {
      say("sync", descriptor);
      await ops.sync(descriptor);
    },
    syncNow(descriptor) {
      say("sync", descriptor);
      ops.syncNow(descriptor);
    },
    async syncFolder(path) {
      calls.push("sync folder");
      await ops.syncFolder(path);
    },
    syncFolderNow(path) {
      calls.push("sync folder");
      ops.syncFolderNow(path);
    },
    rename(from, to) {
      calls.push("rename");
      ops.rename(from, to);
    },
  };
}

for (const durability of ["buffered", "write", "fsync"] as const) {
  Deno.test(`jsonLinesSink() brings segments and their names to the disk under ${durability}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const calls: string[] = [];
      const rotation = { maxBytes: MAX_BYTES };
      const sink = makeFileSink({ path, durability, rotate: rotation }, recorded(calls));
      assert(calls.includes("sync folder"), "the name of the log");
      calls.length = 0;
      while (sink.stats().rotations === 0) {
        await sink.write(event());
        if (durability === "buffered") await sink.flush();
      }
      await sink.flush();
      assertEquals(calls.filter((call) => call === "rename").length, 1);
      const synced = new Set(calls.filter((call) => /^sync [0-9]/.test(call)));
      assertEquals(synced.size, 2, "the segment and the log");
      assertGreater(calls.lastIndexOf("sync folder"), calls.indexOf("rename"));
      await sink.close();
    }));
}

Deno.test("flush() rejects when a segment did not reach the disk, and tells later", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const ops = systemFileOps();
    let isBroken = false;
    const broken: LogFileOps = {
      ...ops,
      async sync(descriptor) {
        if (isBroken) throw new Error("EIO: i/o error");
        await ops.sync(descriptor);
      },
    };
    const clock = new VirtualClock();
    const sink = makeFileSink({ path, clock, chain: {}, rotate: { maxBytes: MAX_BYTES } }, broken);
    isBroken = true;
    await rotate(sink, 1);
    isBroken = false;
    const failed = await sink.flush().then(() => false, () => true);
    assertEquals(failed, true);
    await sink.write(event());
    await sink.close();
    const gaps = followChain(segmentsIn(folder)).filter(({ kind }) => kind === "audit.gap");
    assertEquals(gaps.map(({ details }) => details.cause), ["sync-failed"]);
  }));

Deno.test("jsonLinesSink() has on the disk what a checkpoint covers before it is published", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const calls: string[] = [];
    const published = Promise.withResolvers<void>();
    const sink = makeFileSink({
      path,
      chain: {
        signer,
        onCheckpoint: () => {
          calls.push("published");
          published.resolve();
        },
      },
    }, recorded(calls));
    await sink.write(event());
    await published.promise;
    const before = calls.slice(0, calls.indexOf("published"));
    assertEquals(before.filter((call) => /^sync [0-9]/.test(call)).length, 1);
    await sink.close();
  }));

for (const isTaken of [true, false]) {
  const what = isTaken ? "and taken by another" : "and nobody has it";
  Deno.test(`jsonLinesSink() does not fork when its lock was deleted ${what}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const ops = systemFileOps();
      const options = { path, chain: {}, rotate: { maxBytes: MAX_BYTES } };
      const others: JsonLinesSink[] = [];
      const racing: LogFileOps = {
        ...ops,
        rename(from, to) {
          ops.rename(from, to);
          // Somebody starts while there is no file under the name.
          if (others.length === 0) others.push(jsonLinesSink(options));
        },
      };
      const clock = new VirtualClock();
      const sink = makeFileSink({ ...options, clock }, racing);
      Deno.removeSync(`${path}.lock`);
      if (isTaken) others.push(jsonLinesSink(options));
      for (let number = 0; number < 30; number++) await sink.write(event());
      assertEquals(sink.stats().rotations > 0, !isTaken);
      assertEquals(sink.stats().path, path);
      for (const other of others) {
        await other.write(event());
        await other.close();
      }
      // The lock is free again, and so the log can be rotated.
      clock.advance(1_000);
      await rotate(sink, 1);
      await sink.close();
      const names = Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`);
      const { failure, chains } = await verifyAuditLog(
        names.filter((name) => name.endsWith(".jsonl")),
      );
      assertEquals([failure, chains.length], [undefined, 2]);
    }));
}
