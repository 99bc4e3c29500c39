import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { type LogFileOps, systemFileOps } from "../../src/events/_log_file_ops.ts";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import { Losses } from "../../src/events/_losses.ts";
import { type JsonLinesSink, jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import { SecurityError } from "../../src/errors.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import { event, followChain, linesOf, withFolder } from "./_sink_events.ts";

/** How much of a text goes into the file before the disk is full. */
type Cut = (text: string) => number;

/** A disk that is full again and again, and on which files can be cut, or not. */
function flapping(cut: Cut, canTruncate: boolean): { ops: LogFileOps; left: number } {
  const ops = systemFileOps();
  const disk = {
    left: 0,
    ops: {
      ...ops,
      write(descriptor: number, bytes: Uint8Array, start: number, length: number) {
        const text = new TextDecoder().decode(bytes.subarray(start, start + length));
        const count = disk.left > 0 ? cut(text) : length;
        if (count >= length) return ops.write(descriptor, bytes, start, length);
        disk.left--;
        if (count > 0) ops.write(descriptor, bytes, start, count);
        throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      },
      truncate(descriptor: number, size: number) {
        if (!canTruncate) throw Object.assign(new Error("EPERM"), { code: "EPERM" });
        ops.truncate(descriptor, size);
      },
    },
  };
  return disk;
}

/** The gap record as a whole, and half of what follows it. */
const afterGap: Cut = (text) => {
  const gap = text.indexOf('"audit.gap"');
  return gap === -1 ? 100 : text.indexOf("\n", gap) + 50;
};

const FLAPS: readonly (readonly [string, Cut, number, boolean])[] = [
  ["40 bytes, twenty times", () => 40, 20, true],
  ["nothing, twenty times", () => 0, 20, true],
  ["40 bytes twice, and cannot be cut", () => 40, 2, false],
  ["a gap and half a line", afterGap, 2, true],
  ["a gap and half a line, and cannot be cut", afterGap, 2, false],
];

async function attempt(sink: JsonLinesSink, clock: VirtualClock): Promise<void> {
  const written = Promise.resolve(sink.write(event())).catch(() => {});
  clock.advance(1_000);
  await sink.flush().catch(() => {});
  await written;
}

for (const durability of ["buffered", "write", "fsync"] as const) {
  for (const [name, cut, times, canTruncate] of FLAPS) {
    Deno.test(`jsonLinesSink() keeps its log in order under ${durability} when the disk takes ${name}`, () =>
      withFolder(async (folder) => {
        const path = `${folder}/audit.jsonl`;
        const clock = new VirtualClock();
        const disk = flapping(cut, canTruncate);
        const options = { path, durability, chain: {}, clock, coalesce: false } as const;
        const sink = makeFileSink(options, disk.ops);
        await sink.write(event());
        await sink.flush();
        disk.left = times;
        for (let time = 0; disk.left > 0; time++) {
          assert(time < 2 * times);
          await attempt(sink, clock);
        }
        await attempt(sink, clock);
        await attempt(sink, clock);
        await sink.close();
        assertEquals((await verifyAuditLog([path])).failure, undefined);
        const records = followChain([path]);
        const gaps = records.filter(({ kind }) => kind === "audit.gap");
        const causes = new Set(gaps.map(({ details }) => details.cause));
        const isTorn = cut("") > 0;
        assertEquals(causes.has("torn-line"), isTorn);
        if (canTruncate) assertEquals(linesOf(path).length, records.length);
        const lost = gaps.reduce((sum, { details }) => sum + (details.count as number), 0);
        assertEquals(lost, sink.stats().lost);
        assertEquals(clock.timers, 0);
      }));
  }
}

Deno.test("Losses forgets nothing that is added while a record is written", () => {
  const losses = new Losses();
  losses.add("torn-line", 0, 1);
  const [first] = losses.take(2);
  assertEquals(losses.isEmpty, true);
  losses.add("torn-line", 0, 3);
  first!.settled(true);
  assertEquals(losses.isEmpty, false);
  losses.add("write-failed", 2, 4);
  const taken = losses.take(5);
  losses.add("write-failed", 3, 6);
  for (const { settled } of taken) settled(false);
  const again = losses.take(7).map(({ event: { details = {} } }) => [
    details.cause,
    details.count,
    Date.parse(details.firstTime as string),
    Date.parse(details.lastTime as string),
  ]);
  assertEquals(again, [["write-failed", 5, 4, 6], ["torn-line", 0, 3, 3]]);
  assertEquals(losses.total, 5);
});

const TOO_LONG: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>])[] = [
  ["texts", { maxStringLength: 65_536 }, {
    resource: "\u200b".repeat(65_000),
    reason: "\u200b".repeat(65_000),
  }],
  ["details", { maxStringLength: 65_536, maxDetailsBytes: 1_048_576 }, {
    details: Object.fromEntries(
      Array.from({ length: 40 }, (_, number) => [`k${number}`, "x".repeat(40_000)]),
    ),
  }],
];

for (const [name, limits, fields] of TOO_LONG) {
  Deno.test(`jsonLinesSink() shortens a record with ${name} that are too long for the next start`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      for (const more of [fields, {}]) {
        const sink = jsonLinesSink({ path, chain: {} });
        const audit = new AuditLogger({ ...limits, sinks: [sink] });
        await audit.success("file.read");
        await audit.denied("file.read", { principal: "alice", ...more });
        await audit.close();
      }
      const records = followChain([path]);
      assertEquals(records.length, 6);
      const [long] = records.filter(({ outcome }) => outcome === "denied");
      assertEquals(long!.principal, "alice");
      assertEquals(long!.details.omitted, "details");
      assert((long!.details.bytes as number) > 512 * 1024);
      assert(linesOf(path).every((line) => line.length < 512 * 1024));
      const report = await verifyAuditLog([path], { maxLineBytes: 512 * 1024 });
      assertEquals([report.failure, report.chains.length], [undefined, 1]);
    }));
}

Deno.test("jsonLinesSink() refuses a record that stays too long, and goes on", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, chain: {} });
    const source = { address: "1".repeat(600_000), port: 1, confidence: "peer" } as const;
    const error = await assertRejects(async () => await sink.write(event({ source })));
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "audit-unavailable");
    await sink.write(event());
    await sink.close();
    const records = followChain([path]);
    assertEquals(records.map(({ kind }) => kind), ["audit.start", "audit.gap", "file.read"]);
    assertEquals(records[1]!.details.count, 1);
  }));
