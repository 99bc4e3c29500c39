import { assert, assertEquals, assertGreater, assertLessOrEqual, assertMatch } from "@std/assert";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import { systemFileOps } from "../../src/events/_log_file_ops.ts";
import { type ChainOptions, jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import { event, followChain, recordsOf, segmentsIn, withFolder } from "./_sink_events.ts";

const MAX_BYTES = 8_192;

const { signer, verifierKey } = await generateAuditLogKeys("test.example");

for (const durability of ["buffered", "write", "fsync"] as const) {
  Deno.test(`jsonLinesSink() rotates by size, and chains over the segments, under ${durability}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      for (let run = 0; run < 2; run++) {
        await using sink = jsonLinesSink({
          path,
          durability,
          chain: {},
          rotate: { maxBytes: MAX_BYTES },
        });
        for (let turn = 0; turn < 5; turn++) {
          await Promise.all(Array.from({ length: 20 }, () => sink.write(event())));
          if (durability === "buffered") await sink.flush();
        }
        assertGreater(sink.stats().rotations, 3);
      }
      const segments = segmentsIn(folder);
      assertGreater(segments.length, 8);
      assertEquals(followChain(segments).length, 202);
      for (const segment of segments) {
        const { size, mode } = Deno.statSync(segment);
        assertLessOrEqual(size, MAX_BYTES);
        assertGreater(size, segment === path ? 0 : MAX_BYTES - 1_000);
        assertEquals(mode! & 0o777, 0o600);
        if (segment === path) continue;
        const { seq } = recordsOf(segment)[0]!;
        assertMatch(
          segment,
          new RegExp(`/audit\\.${`${seq}`.padStart(12, "0")}\\.[0-9a-f-]{36}\\.`),
        );
      }
    }));
}

for (const name of ["no file", "an empty file"]) {
  Deno.test(`jsonLinesSink() goes on with the last segment when a crash in a rotation left ${name}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const options = { path, chain: {}, rotate: { maxBytes: MAX_BYTES } };
      const sink = jsonLinesSink(options);
      while (sink.stats().rotations < 2) await sink.write(event());
      await sink.close();
      const { seq } = recordsOf(path)[0]!;
      Deno.renameSync(path, `${folder}/audit.${`${seq}`.padStart(12, "0")}.${sink.writer}.jsonl`);
      if (name !== "no file") Deno.writeTextFileSync(path, "", { mode: 0o600 });
      await using next = jsonLinesSink(options);
      while (next.stats().rotations < 1) await next.write(event());
      const segments = segmentsIn(folder);
      assertEquals(segments.length, 5);
      const starts = followChain(segments).filter(({ kind }) => kind === "audit.start");
      assertEquals(starts.map(({ details }) => details.continues), [false, true]);
      assertEquals((await verifyAuditLog(segments)).failure, undefined);
    }));
}

Deno.test("jsonLinesSink() rotates by age, that of a file from an earlier run included", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const options = { path, rotate: { maxBytes: 1_000_000, maxAgeMs: 60_000 } };
    const clock = new VirtualClock();
    const sink = jsonLinesSink({ ...options, clock });
    clock.advance(59_999);
    // The clock on the wall decides nothing within a run.
    clock.setWall(clock.wallMs() + 86_400_000);
    await sink.write(event());
    assertEquals(sink.stats().rotations, 0);
    clock.setWall(clock.wallMs() - 86_400_000);
    clock.advance(1);
    await sink.write(event({ recordedAt: new Date(clock.wallMs()).toISOString() }));
    assertEquals(sink.stats().rotations, 1);
    await sink.close();
    const later = new VirtualClock({ wallMs: clock.wallMs() + 60_000 });
    const next = jsonLinesSink({ ...options, clock: later });
    assertEquals(next.stats().rotations, 1);
    await next.close();
  }));

Deno.test("jsonLinesSink() writes a record that is longer than a segment into one of its own", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await using sink = jsonLinesSink({ path, chain: {}, rotate: { maxBytes: MAX_BYTES } });
    const big = event({ details: { text: "x".repeat(2 * MAX_BYTES) } });
    await Promise.all([sink.write(event()), sink.write(big), sink.write(event())]);
    const counts = segmentsIn(folder).map((segment) => recordsOf(segment).length);
    assertEquals(counts, [2, 1, 1]);
  }));

const CHAINS: readonly (ChainOptions | undefined)[] = [undefined, {}, { signer }];

for (const chain of CHAINS) {
  const how = chain === undefined ? "no chain" : chain.signer ? "a signer" : "no signer";
  Deno.test(`jsonLinesSink() deletes the oldest segments, and tells of it, with ${how}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const foreign = [
        "audit.jsonl.1",
        "audit.backup.jsonl",
        "audit.000000000001.jsonl",
        "audit.000000000001.not-a-writer.jsonl",
        "other.000000000001.6ba7b810-9dad-11d1-80b4-00c04fd430c8.jsonl",
      ];
      for (const name of foreign) Deno.writeTextFileSync(`${folder}/${name}`, "");
      const link = `${folder}/audit.000000000000.6ba7b810-9dad-11d1-80b4-00c04fd430c8.jsonl`;
      Deno.writeTextFileSync(`${folder}/victim`, "precious");
      Deno.symlinkSync(`${folder}/victim`, link);
      const sink = jsonLinesSink({
        path,
        ...(chain === undefined ? {} : { chain }),
        rotate: { maxBytes: MAX_BYTES, keep: 2 },
      });
      for (let number = 0; number < 200; number++) await sink.write(event());
      await sink.flush();
      const { rotations } = sink.stats();
      await sink.close();
      assertGreater(rotations, 5);
      for (const name of foreign) assert(Deno.statSync(`${folder}/${name}`).isFile, name);
      assert(Deno.lstatSync(link).isSymlink);
      assertEquals(Deno.readTextFileSync(`${folder}/victim`), "precious");
      const segments = segmentsIn(folder).filter((segment) => segment !== link)
        .filter((segment) => !foreign.some((name) => segment.endsWith(`/${name}`)));
      assertEquals(segments.length, 3);
      const records = segments.flatMap(recordsOf);
      const first = records[0]!;
      assertGreater(first.seq, 100);
      const prunes = records.filter(({ kind }) => kind === "audit.prune");
      assertGreater(prunes.length, 0);
      const { note, seq } = prunes.at(-1)!.details;
      const said = chain === undefined ? seq : Number((note as string).split("\n")[1]);
      assertEquals(said, first.seq - 1);
      if (chain !== undefined) {
        const keys = chain.signer === undefined ? [] : [verifierKey];
        const report = await verifyAuditLog(segments, { keys });
        assertEquals(report.failure, undefined);
        assertEquals(report.signedThrough > first.seq, chain.signer !== undefined);
        // Without the segment that tells of it, the beginning is missing.
        const kept = segments.filter((segment) =>
          !recordsOf(segment).some(({ kind }) => kind === "audit.prune")
        );
        if (kept.length > 0) {
          assert((await verifyAuditLog(kept, { keys })).failure !== undefined);
        }
      }
      for (let at = 1; at < records.length; at++) {
        assertEquals(records[at]!.seq, first.seq + at);
        assertEquals(records[at]!.prev, records[at - 1]!.hash);
      }
    }));
}

Deno.test("jsonLinesSink() deletes nothing when the record of it cannot be signed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const broken = {
      ...signer,
      sign(): never {
        throw new Error("no key");
      },
    };
    const sink = jsonLinesSink({
      path,
      chain: { signer: broken },
      rotate: { maxBytes: MAX_BYTES, keep: 1 },
    });
    for (let number = 0; number < 100; number++) await sink.write(event());
    await sink.close();
    const segments = segmentsIn(folder);
    assertEquals(segments.length, sink.stats().rotations + 1);
    const gaps = followChain(segments).filter(({ kind }) => kind === "audit.gap");
    assertEquals(gaps.map(({ details }) => [details.cause, details.count]), [
      ["checkpoint-failed", 0],
    ]);
  }));

Deno.test("jsonLinesSink() never writes over a file when it rotates", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, rotate: { maxBytes: MAX_BYTES } });
    const taken = `${folder}/audit.000000000001.${sink.writer}.jsonl`;
    Deno.writeTextFileSync(taken, "precious");
    while (sink.stats().rotations === 0) await sink.write(event());
    await sink.close();
    assertEquals(Deno.readTextFileSync(taken), "precious");
    assertEquals(segmentsIn(folder).length, 3);
  }));

Deno.test("jsonLinesSink() goes on in the same file when it cannot be renamed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const clock = new VirtualClock();
    let isDenied = true;
    const ops = systemFileOps();
    const rename = (from: string, to: string) => {
      if (isDenied) throw new Deno.errors.PermissionDenied("rename");
      ops.rename(from, to);
    };
    const rotate = { maxBytes: MAX_BYTES };
    const sink = makeFileSink({ path, clock, chain: {}, rotate }, { ...ops, rename });
    for (let number = 0; number < 50; number++) await sink.write(event());
    assertEquals(sink.stats().rotations, 0);
    isDenied = false;
    clock.advance(1_000);
    await sink.write(event());
    assertEquals(sink.stats().rotations, 1);
    await sink.close();
    assertEquals(followChain(segmentsIn(folder)).length, 52);
  }));

Deno.test("jsonLinesSink() makes checkpoints when they are due, when it rotates and when it is closed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const clock = new VirtualClock();
    const notes: string[] = [];
    const sink = jsonLinesSink({
      path,
      clock,
      chain: {
        signer,
        checkpointEveryRecords: 10,
        checkpointEverySeconds: 5,
        onCheckpoint: (note) => void notes.push(note),
      },
      rotate: { maxBytes: 1_000_000, maxAgeMs: 100_000 },
    });
    const count = () => recordsOf(path).filter(({ kind }) => kind === "audit.checkpoint").length;
    await sink.flush();
    const atStart = count();
    for (let number = 0; number < 30; number++) await sink.write(event());
    await sink.flush();
    const byRecords = count() - atStart;
    assertGreater(byRecords, 1);
    const flushed = count();
    await sink.flush();
    assertEquals(count(), flushed, "nothing was unsealed");
    await sink.write(event());
    clock.advance(5_000);
    // The signer answers within some turns of the event loop.
    while (count() === flushed) await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(count(), flushed + 1);
    await sink.write(event());
    await sink.close();
    assertEquals(count(), flushed + 2);
    assertEquals(recordsOf(path).at(-1)!.kind, "audit.checkpoint");
    assertEquals(clock.timers, 0);
    assertEquals(notes.length, count());
    const report = await verifyAuditLog([path], {
      keys: [verifierKey],
      checkpoint: notes.at(-1)!,
    });
    assertEquals(report.failure, undefined);
    assertEquals(report.checkpoints, notes.length);
  }));

Deno.test("RotatingFileHandler of @std/log drops the oldest records and tells nobody", () =>
  withFolder(async (folder) => {
    const { Logger, RotatingFileHandler } = await import("@std/log");
    const filename = `${folder}/bare.log`;
    const handler = new RotatingFileHandler("INFO", {
      filename,
      maxBytes: 200,
      maxBackupCount: 1,
    });
    handler.setup();
    const logger = new Logger("bare", "INFO", { handlers: [handler] });
    for (let number = 0; number < 100; number++) logger.info(`event ${number}`);
    handler.destroy();
    const text = Deno.readTextFileSync(`${filename}.1`) + Deno.readTextFileSync(filename);
    assertEquals(text.includes("event 1\n"), false);
    assertEquals(/drop|gap|delet|rotat/i.test(text), false);
  }));
