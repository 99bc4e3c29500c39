import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { readRecord } from "../../src/events/_chain.ts";
import { jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import {
  event,
  followChain,
  kindsOf,
  linesOf,
  recordsOf,
  segmentsIn,
  withFolder,
} from "./_sink_events.ts";

Deno.test("jsonLinesSink() throws when an option is wrong", () =>
  withFolder((folder) => {
    const path = `${folder}/audit.jsonl`;
    const wrong: readonly [Record<string, unknown>, typeof TypeError | typeof RangeError][] = [
      [{ path: "" }, TypeError],
      [{ path: 1 }, TypeError],
      [{ path: `${path}\0` }, TypeError],
      [{ durability: "always" }, TypeError],
      [{ durabilty: "fsync" }, TypeError],
      [{ onSinkFailure: "refuse" }, TypeError],
      [{ chain: { sign: true } }, TypeError],
      [{ rotate: {} }, TypeError],
      [{ rotate: { maxAge: 1 } }, TypeError],
      [{ onSigterm: "ignore" }, TypeError],
      [{ flushIntervalMs: 0 }, RangeError],
      [{ flushIntervalMs: NaN }, RangeError],
      [{ flushIntervalMs: Infinity }, RangeError],
      [{ queue: { maxRecords: -1 } }, RangeError],
      [{ queue: { maxBytes: "1" } }, TypeError],
      [{ queue: { maxWaiting: 0.5 } }, RangeError],
      [{ coalesce: { perWindow: 0 } }, RangeError],
      [{ coalesce: { windowMs: 2 ** 31 } }, RangeError],
      [{ coalesce: { maxKeys: 0 } }, RangeError],
      [{ rotate: {} }, TypeError],
      [{ rotate: { maxBytes: 10 } }, RangeError],
      [{ rotate: { maxBytes: 10_000, keep: 0 } }, RangeError],
      [{ rotate: { maxBytes: 10_000, maxAgeMs: -1 } }, RangeError],
      [{ chain: { checkpointEveryRecords: 0 } }, RangeError],
    ];
    for (const [options, type] of wrong) {
      assertThrows(() => jsonLinesSink({ path, ...options } as never), type);
    }
    assertEquals(Array.from(Deno.readDirSync(folder)).length, 0);
  }));

Deno.test("jsonLinesSink() writes records in one spelling, with numbers of its own", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path });
    await sink.write(event({ seq: 99, principal: "bob\nINFO \u202e\x9b[2J" }));
    await sink.close();
    const [start, line] = linesOf(path);
    assertEquals(JSON.parse(start!).kind, "audit.start");
    const record = JSON.parse(line!);
    assertEquals(record.seq, 2);
    assertEquals(record.writer, sink.writer);
    assertEquals(record.principal, "bob\nINFO \u202e\x9b[2J");
    assert(/^[\x20-\x7e]+$/.test(line!));
    assertEquals(Object.keys(record), Object.keys(record).sort());
    assertEquals("prev" in record, false);
  }));

Deno.test("jsonLinesSink() chains records when asked to", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, chain: {} });
    await Promise.all(Array.from({ length: 100 }, () => sink.write(event())));
    await sink.close();
    assertEquals(followChain([path]).length, 101);
  }));

Deno.test("jsonLinesSink() keeps buffered records in memory for the interval, and no longer", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const clock = new VirtualClock();
    const sink = jsonLinesSink({ path, durability: "buffered", flushIntervalMs: 50, clock });
    assertEquals(sink.write(event()), undefined);
    clock.advance(49);
    assertEquals(kindsOf(path), ["audit.start"]);
    clock.advance(1);
    assertEquals(kindsOf(path), ["audit.start", "file.read"]);
    assertEquals(clock.timers, 0);
    await sink.close();
  }));

Deno.test("jsonLinesSink() writes at once when 64 KiB are buffered", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, durability: "buffered", clock: new VirtualClock() });
    for (let number = 0; number < 1_000; number++) sink.write(event());
    assert(sink.stats().queued < 200);
    assert(sink.stats().written > 800);
    await sink.close();
    assertEquals(recordsOf(path).length, 1_001);
  }));

Deno.test("jsonLinesSink() has a record in the file when write has settled", () =>
  withFolder(async (folder) => {
    for (const durability of ["write", "fsync"] as const) {
      const path = `${folder}/${durability}.jsonl`;
      const sink = jsonLinesSink({ path, durability });
      await sink.write(event({ id: "safe" }));
      assertEquals(recordsOf(path).at(-1)?.id, "safe");
      await sink.close();
    }
  }));

Deno.test("jsonLinesSink() writes a record that is longer than its buffers", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, chain: {} });
    const sizes = [261_000, 90_000, 10, 250_000, 10, 131_000, 131_000];
    await Promise.all(
      sizes.map((size) => sink.write(event({ details: { text: "é".repeat(size) } }))),
    );
    await sink.close();
    const lengths = followChain([path]).slice(1).map(({ details }) =>
      (details.text as string).length
    );
    assertEquals(lengths, sizes);
  }));

for (const chain of [undefined, {}]) {
  const what = chain === undefined ? "numbers" : "the chain";
  Deno.test(`jsonLinesSink() goes on with ${what} after a restart`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const options = { path, ...(chain === undefined ? {} : { chain }) };
      for (let run = 0; run < 3; run++) {
        const sink = jsonLinesSink(options);
        await sink.write(event());
        await sink.close();
      }
      const records = recordsOf(path);
      assertEquals(records.map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
      assertEquals(new Set(records.map(({ writer }) => writer)).size, 3);
      const starts = records.filter(({ kind }) => kind === "audit.start");
      assertEquals(starts.map(({ details }) => details.continues), [false, true, true]);
      assertEquals(starts.map(({ details }) => details.cause), ["created", "opened", "opened"]);
      if (chain !== undefined) followChain([path]);
    }));
}

/** What is left of the last line, and what the next start says of it. */
const TORN: readonly (readonly [string, (text: string) => string, string[]])[] = [
  ["half a line", (text) => `${text}{"correlationId":"ha`, ["opened", "torn-line"]],
  ["a line without its line feed", (text) => text.slice(0, -1), ["opened"]],
  ["half of two lines", (text) => `${text}{"code":"ha\n{"code":`, ["opened", "torn-line"]],
  ["nothing but half a line", () => '{"correlationId":', ["unreadable-tail", "torn-line"]],
  ["half a character", (text) => `${text}{"correlationId":"\xc3`, ["opened", "torn-line"]],
];

for (const [name, tear, says] of TORN) {
  Deno.test(`jsonLinesSink() goes on when a crash has left ${name}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const first = jsonLinesSink({ path, chain: {} });
      await first.write(event());
      await first.close();
      const left = tear(Deno.readTextFileSync(path));
      Deno.writeFileSync(path, Uint8Array.from(left, (char) => char.charCodeAt(0)));
      const sink = jsonLinesSink({ path, chain: {} });
      await sink.write(event());
      await sink.close();
      const records = followChain([path]);
      const own = records.filter(({ writer }) => writer === sink.writer);
      assertEquals(own.slice(0, -1).map(({ details }) => details.cause), says);
      assertEquals(own[0]!.details.continues, says[0] === "opened");
      assertEquals((await verifyAuditLog([path])).failure, undefined);
      assertEquals(linesOf(path).filter((line) => line.endsWith("ha")).length <= 1, true);
    }));
}

Deno.test("jsonLinesSink() begins a new chain, and says so, when the end was changed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const first = jsonLinesSink({ path, chain: {} });
    await first.write(event());
    await first.close();
    const text = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(path, text.replace('"alice"', '"bob"'));
    const sink = jsonLinesSink({ path, chain: {} });
    await sink.close();
    const { seq, details } = readRecord(linesOf(path)[0]!)!;
    const { cause, continues, previous } = details;
    assertEquals({ seq, cause, continues, previous }, {
      seq: 1,
      cause: "created",
      continues: false,
      previous: "not-chained",
    });
    // What was changed can still be looked at.
    const [aside] = segmentsIn(folder);
    assertEquals(Deno.readTextFileSync(aside!), text.replace('"alice"', '"bob"'));
  }));

Deno.test("jsonLinesSink() reads no more than the end of a large log when it starts", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const first = jsonLinesSink({ path, chain: {}, durability: "buffered" });
    const big = event({ details: { text: "x".repeat(60_000) } });
    for (let number = 0; number < 100; number++) first.write(big);
    await first.close();
    await jsonLinesSink({ path, chain: {} }).close();
    assertEquals(followChain([path]).length, 102);
  }));

Deno.test("jsonLinesSink() takes a file of its own when another sink writes the log", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const one = jsonLinesSink({ path, chain: {} });
    const two = jsonLinesSink({ path, chain: {} });
    const own = `${folder}/audit.${two.writer}.jsonl`;
    assertEquals(one.stats().path, path);
    assertEquals(two.stats().path, own);
    await Promise.all([one, two].map((sink) => sink.write(event())));
    await one.close();
    await two.write(event());
    await two.close();
    assertEquals(followChain([path]).map(({ kind }) => kind), ["audit.start", "file.read"]);
    const report = await verifyAuditLog([path, own]);
    assertEquals([report.failure, report.chains.length], [undefined, 2]);
    const records = followChain([own]);
    assertEquals(records.map(({ seq }) => seq), [1, 2, 3]);
    assertEquals(records[0]!.details.cause, "in-use");
    // Now it is free again.
    const three = jsonLinesSink({ path, chain: {} });
    assertEquals(three.stats().path, path);
    await three.close();
  }));

Deno.test("jsonLinesSink() takes a file of its own even when the lock was deleted", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const one = jsonLinesSink({ path });
    Deno.removeSync(`${path}.lock`);
    const two = jsonLinesSink({ path });
    assertNotEquals(two.stats().path, path);
    await one.close();
    await two.close();
  }));

Deno.test("Deno.FsFile lets two writers of one path fork a chain", () =>
  withFolder((folder) => {
    const path = `${folder}/bare.jsonl`;
    const open = () => Deno.openSync(path, { append: true, create: true });
    using one = open();
    using two = open();
    const line = (seq: number) => new TextEncoder().encode(`{"seq":${seq}}\n`);
    one.writeSync(line(1));
    two.writeSync(line(1));
    assertEquals(linesOf(path), ['{"seq":1}', '{"seq":1}']);
  }));

const MOVES: readonly (readonly [string, (path: string) => void])[] = [
  ["moved away", (path) => Deno.renameSync(path, `${path}.moved`)],
  ["deleted", (path) => Deno.removeSync(path)],
  ["replaced", (path) => {
    Deno.renameSync(path, `${path}.moved`);
    Deno.writeTextFileSync(path, "", { mode: 0o600 });
  }],
];

for (const [name, move] of MOVES) {
  Deno.test(`jsonLinesSink() goes on in a new file when the log was ${name}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const sink = jsonLinesSink({ path, chain: {} });
      await sink.write(event());
      move(path);
      await sink.write(event({ id: "after" }));
      await sink.close();
      const records = recordsOf(path);
      assertEquals(records.map(({ seq }) => seq), [3, 4]);
      assertEquals(records[0]!.details.cause, "file-moved");
      assertEquals(records[1]!.id, "after");
      const paths = name === "deleted" ? [path] : [`${path}.moved`, path];
      // Who deletes a file leaves a hole that the verifier finds.
      const { failure } = await verifyAuditLog(paths);
      assertEquals(failure?.cause, name === "deleted" ? "pruned" : undefined);
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    }));
}

Deno.test("jsonLinesSink() writes nothing through a link that replaced the log", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path });
    await sink.write(event());
    Deno.writeTextFileSync(`${folder}/victim`, "precious\n", { mode: 0o600 });
    Deno.renameSync(path, `${path}.moved`);
    Deno.symlinkSync(`${folder}/victim`, path);
    await assertRejects(async () => await sink.write(event()), SecurityError);
    assertEquals(Deno.readTextFileSync(`${folder}/victim`), "precious\n");
    Deno.removeSync(path);
    await sink.write(event({ id: "after" }));
    await sink.close();
    const [start, gap, after] = recordsOf(path);
    assertEquals([start!.details.cause, gap!.details.cause, gap!.details.count], [
      "file-moved",
      "write-failed",
      1,
    ]);
    assertEquals(after!.id, "after");
  }));

Deno.test("jsonLinesSink() tells of a log that was cut or written by others", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, chain: {} });
    await sink.write(event());
    const text = Deno.readTextFileSync(path);
    Deno.truncateSync(path, text.length - 10);
    await sink.write(event({ id: "two" }));
    Deno.writeTextFileSync(path, "foreign", { append: true });
    await sink.write(event({ id: "three" }));
    await sink.close();
    const own = linesOf(path).flatMap((line) => readRecord(line) ?? []);
    const causes = own.flatMap(({ kind, details }) => kind === "audit.gap" ? [details.cause] : []);
    assertEquals(causes, ["file-truncated", "foreign-bytes"]);
    // The record that was cut is gone, whatever the sink says of it.
    assertEquals((await verifyAuditLog([path])).failure?.cause, "edited");
  }));

Deno.test("close() is harmless twice, and writes reject after it", () =>
  withFolder(async (folder) => {
    const clock = new VirtualClock();
    const sink = jsonLinesSink({ path: `${folder}/audit.jsonl`, clock, durability: "buffered" });
    sink.write(event());
    await Promise.all([sink.close(), sink.close()]);
    assertEquals(clock.timers, 0);
    const error = assertThrows(() => sink.write(event()));
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "closed");
    await assertRejects(() => sink.ready(), SecurityError);
  }));

Deno.test("jsonLinesSink() is closed by await using", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    {
      await using sink = jsonLinesSink({ path, durability: "buffered" });
      sink.write(event());
    }
    assertEquals(kindsOf(path), ["audit.start", "file.read"]);
    await jsonLinesSink({ path }).close();
    assertEquals(segmentsIn(folder), [path]);
  }));

Deno.test("flush() brings everything to the disk whatever was promised", () =>
  withFolder(async (folder) => {
    for (const durability of ["buffered", "write", "fsync"] as const) {
      const sink = jsonLinesSink({ path: `${folder}/${durability}.jsonl`, durability });
      const { syncs } = sink.stats();
      const write = sink.write(event());
      await sink.flush();
      await write;
      const { queued, written, syncs: now } = sink.stats();
      assertEquals({ queued, written, syncs: now - syncs }, { queued: 0, written: 2, syncs: 1 });
      await sink.close();
    }
  }));

Deno.test("jsonLinesSink() leaves timers and checkpoints a turn in a loop of awaited writes", () =>
  withFolder(async (folder) => {
    const { signer } = await generateAuditLogKeys("test.example");
    const path = `${folder}/audit.jsonl`;
    await using sink = jsonLinesSink({ path, chain: { signer, checkpointEveryRecords: 20 } });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const until = performance.now() + 300;
    while (performance.now() < until) await sink.write(event());
    clearInterval(timer);
    assertGreater(turns, 2);
    assertGreater(kindsOf(path).filter((kind) => kind === "audit.checkpoint").length, 2);
  }));
