import { assert, assertEquals, assertInstanceOf, assertLess, assertRejects } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { type LogFileOps, systemFileOps } from "../../src/events/_log_file_ops.ts";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import type { JsonLinesSinkOptions } from "../../src/events/json_lines_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import { event, followChain, linesOf, recordsOf, withFolder } from "./_sink_events.ts";

/** A disk that a test can fill or break. */
class Disk {
  /** Bytes that still fit. */
  room = Infinity;
  /** Whether syncs fail. */
  isBroken = false;
  /** Most bytes of one write. */
  most = Infinity;
  /** What a sync waits for. */
  gate: Promise<void> | undefined;
  readonly ops: LogFileOps;

  constructor() {
    const ops = systemFileOps();
    this.ops = {
      ...ops,
      write: (descriptor, bytes, start, length) => {
        const count = Math.min(length, this.room, this.most);
        if (count > 0) ops.write(descriptor, bytes, start, count);
        this.room -= count;
        // Like node:fs of Deno, which does not tell what it has written before it failed.
        if (this.room === 0 && count < length) {
          throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
        }
        return count;
      },
      sync: async (descriptor) => {
        await this.gate;
        if (this.isBroken) throw new Error("EIO: i/o error");
        await ops.sync(descriptor);
      },
      syncNow: (descriptor) => {
        if (this.isBroken) throw new Error("EIO: i/o error");
        ops.syncNow(descriptor);
      },
    };
  }
}

interface Bench {
  readonly disk: Disk;
  readonly clock: VirtualClock;
  readonly path: string;
  readonly open: (options?: Partial<JsonLinesSinkOptions>) => ReturnType<typeof makeFileSink>;
}

/** Runs a test with a disk, and sees to it that no timer is left. */
function withDisk(test: (bench: Bench) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const clock = new VirtualClock();
    const disk = new Disk();
    const path = `${folder}/audit.jsonl`;
    const open = (options: Partial<JsonLinesSinkOptions> = {}) =>
      makeFileSink({ path, chain: {}, clock, ...options }, disk.ops);
    await test({ disk, clock, path, open });
    assertEquals(clock.timers, 0);
  });
}

async function unavailable(promise: void | Promise<void>): Promise<void> {
  const error = await assertRejects(async () => await promise);
  assertInstanceOf(error, SecurityError);
  assertEquals(error.code, "audit-unavailable");
}

/** Causes and counts of the gaps that a log tells of. */
function gapsOf(path: string): [unknown, unknown][] {
  return linesOf(path).flatMap((line): [unknown, unknown][] => {
    try {
      const { kind, details } = JSON.parse(line);
      return kind === "audit.gap" ? [[details.cause, details.count]] : [];
    } catch {
      return [];
    }
  });
}

for (const durability of ["write", "fsync"] as const) {
  Deno.test(`jsonLinesSink() rejects under ${durability} when the disk is full, and tells later`, () =>
    withDisk(async ({ disk, clock, path, open }) => {
      const sink = open({ durability });
      await sink.write(event({ id: "before" }));
      disk.room = 100;
      const lost = [1, 2, 3].map((number) => sink.write(event({ id: `lost-${number}` })));
      for (const promise of lost) await unavailable(promise);
      clock.advance(10_000);
      await unavailable(sink.write(event({ id: "lost-4" })));
      assertEquals(sink.stats().failing, true);
      await unavailable(sink.ready());
      disk.room = Infinity;
      await sink.write(event({ id: "after" }));
      await sink.ready();
      const { lost: count, failing } = sink.stats();
      assertEquals({ count, failing }, { count: 4, failing: false });
      await sink.close();
      const records = followChain([path]);
      assertEquals(records.filter(({ kind }) => kind === "file.read").map(({ id }) => id), [
        "before",
        "after",
      ]);
      assertEquals(gapsOf(path).filter(([, count]) => count), [["write-failed", 4]]);
      const gap = records.find(({ details }) => details.cause === "write-failed");
      const { firstTime, lastTime } = gap!.details as Record<string, string>;
      assertEquals(Date.parse(lastTime!) - Date.parse(firstTime!), 10_000);
      // The line that was cut short was taken back, and is told of as well.
      assertEquals(gapsOf(path).some(([cause]) => cause === "torn-line"), true);
      assertEquals(linesOf(path).length, records.length);
    }));
}

Deno.test("jsonLinesSink() keeps what is buffered while the disk is full, and loses what does not fit", () =>
  withDisk(async ({ disk, clock, path, open }) => {
    const sink = open({ durability: "buffered", queue: { maxRecords: 5, maxWaiting: 2 } });
    disk.room = 700;
    const kept: Promise<void>[] = [];
    for (let number = 1; number <= 5; number++) {
      assertEquals(sink.write(event({ id: `e-${number}` })), undefined);
    }
    clock.advance(100);
    assertEquals(sink.stats().failing, true);
    const inFile = 5 - sink.stats().queued;
    assertEquals(inFile, 1);
    assertEquals(sink.write(event({ id: "e-6" })), undefined);
    for (const number of [7, 8]) {
      const waits = sink.write(event({ id: `e-${number}` }));
      assertInstanceOf(waits, Promise);
      kept.push(waits);
    }
    await unavailable(sink.write(event({ id: "e-9" })));
    await unavailable(sink.ready());
    disk.room = Infinity;
    clock.advance(1_000);
    await Promise.all(kept);
    assertEquals(sink.stats().queued, 0);
    await sink.ready();
    await sink.close();
    const ids = followChain([path]).filter(({ kind }) => kind === "file.read").map(({ id }) => id);
    assertEquals(ids, [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `e-${number}`));
    assertEquals(new Map(gapsOf(path)), new Map([["torn-line", 0], ["queue-full", 1]]));
  }));

Deno.test("jsonLinesSink() loses no line when writes are short", () =>
  withDisk(async ({ disk, path, open }) => {
    disk.most = 7;
    const sink = open();
    await sink.write(event({ id: "one" }));
    await sink.close();
    assertEquals(followChain([path]).map(({ kind }) => kind), ["audit.start", "file.read"]);
  }));

Deno.test("jsonLinesSink() knows what is in the file wherever a write is cut short", () =>
  withDisk(async ({ disk, path, open }) => {
    const sink = open();
    let inFile = 0;
    // Two lines a turn, cut at every place in steps that have no common divisor with their length.
    for (let room = 0; room < 900; room += 13) {
      disk.room = room;
      const settled = await Promise.allSettled([sink.write(event()), sink.write(event())]);
      inFile += settled.filter(({ status }) => status === "fulfilled").length;
      disk.room = Infinity;
      await sink.write(event());
      inFile++;
    }
    await sink.close();
    const records = followChain([path]);
    assertEquals(records.filter(({ kind }) => kind === "file.read").length, inFile);
    const { written, lost } = sink.stats();
    assertEquals(written, records.length);
    assertEquals(lost + inFile, 3 * Math.ceil(900 / 13));
    assertEquals((await verifyAuditLog([path])).failure, undefined);
    assertEquals(gapsOf(path).reduce((sum, [, count]) => sum + (count as number), 0), lost);
  }));

Deno.test("jsonLinesSink() rejects when the data did not reach the disk, and tells later", () =>
  withDisk(async ({ disk, path, open }) => {
    const sink = open({ durability: "fsync" });
    disk.isBroken = true;
    await Promise.all([1, 2].map(() => unavailable(sink.write(event()))));
    await unavailable(sink.ready());
    await unavailable(sink.flush());
    disk.isBroken = false;
    await sink.write(event());
    assertEquals(sink.stats().lost, 2);
    await sink.close();
    assertEquals(gapsOf(path).at(-1), ["sync-failed", 2]);
    followChain([path]);
  }));

Deno.test("jsonLinesSink() shares one sync among all that came during the one before", () =>
  withDisk(async ({ disk, path, open }) => {
    const sink = open({ durability: "fsync" });
    const { syncs } = sink.stats();
    const first = Promise.withResolvers<void>();
    disk.gate = first.promise;
    let settled = 0;
    const writes = [sink.write(event())];
    await Promise.resolve();
    for (let number = 0; number < 199; number++) writes.push(sink.write(event()));
    for (const write of writes) (write as Promise<void>).then(() => settled++);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    assertEquals(settled, 0);
    first.resolve();
    await Promise.all(writes);
    assertEquals(sink.stats().syncs - syncs, 2);
    await sink.close();
    assertEquals(followChain([path]).length, 201);
  }));

Deno.test("jsonLinesSink() makes writers wait, and refuses when too many wait", () =>
  withDisk(async ({ disk, path, open }) => {
    const sink = open({ durability: "fsync", queue: { maxRecords: 10, maxWaiting: 5 } });
    const first = Promise.withResolvers<void>();
    disk.gate = first.promise;
    const writes = [sink.write(event())];
    await Promise.resolve();
    for (let number = 0; number < 15; number++) writes.push(sink.write(event()));
    assertEquals(sink.stats().queued, 15);
    await unavailable(sink.write(event()));
    await unavailable(sink.ready());
    assertEquals(sink.stats().queued, 15);
    first.resolve();
    await Promise.all(writes);
    await sink.ready();
    assertEquals(sink.stats().lost, 1);
    await sink.close();
    assertEquals(gapsOf(path), [["queue-full", 1]]);
    assertEquals(followChain([path]).length, 1 + 16 + 1);
  }));

Deno.test("jsonLinesSink() bounds the queue by bytes, too", () =>
  withDisk(async ({ disk, open }) => {
    const sink = open({ durability: "fsync", queue: { maxBytes: 100_000, maxWaiting: 1 } });
    const first = Promise.withResolvers<void>();
    disk.gate = first.promise;
    const big = event({ details: { text: "x".repeat(30_000) } });
    const writes = [sink.write(event())];
    await Promise.resolve();
    for (let number = 0; number < 4; number++) writes.push(sink.write(big));
    await unavailable(sink.write(big));
    first.resolve();
    await Promise.all(writes);
    await sink.close();
  }));

Deno.test("jsonLinesSink() stays within its memory at 50,000 events a second to a slow disk", () =>
  withDisk(async ({ disk, path, open }) => {
    const sink = open({ durability: "fsync", queue: { maxRecords: 2_000, maxWaiting: 100 } });
    const slow = Promise.withResolvers<void>();
    disk.gate = slow.promise;
    let refused = 0;
    const writes: (void | Promise<void>)[] = [];
    for (let number = 0; number < 50_000; number++) {
      writes.push((sink.write(event()) as Promise<void>).catch(() => void refused++));
      if (number % 100 === 0) await Promise.resolve();
      assertLess(sink.stats().queued, 2_101);
    }
    slow.resolve();
    await Promise.all(writes);
    assert(refused > 40_000);
    assertEquals(sink.stats().lost, refused);
    await sink.close();
    assertEquals(gapsOf(path), [["queue-full", refused]]);
    assertEquals(
      recordsOf(path).filter(({ kind }) => kind === "file.read").length,
      50_000 - refused,
    );
  }));

Deno.test("jsonLinesSink() refuses an event that is no JSON, and goes on", () =>
  withDisk(async ({ path, open }) => {
    const sink = open();
    const bad = sink.write(event({ details: { number: NaN } }));
    const good = sink.write(event({ id: "good" }));
    await unavailable(bad);
    await good;
    await sink.close();
    assertEquals(followChain([path]).some(({ id }) => id === "good"), true);
    assertEquals(gapsOf(path), [["write-failed", 1]]);
  }));

Deno.test("close() rejects and gives everything back when the disk stays full", () =>
  withDisk(async ({ disk, open }) => {
    const sink = open({ durability: "buffered" });
    disk.room = 0;
    sink.write(event());
    await unavailable(sink.close());
    assertEquals(sink.stats().lost, 1);
    disk.room = Infinity;
    await open().close();
  }));

Deno.test("Deno.FsFile leaves half a line that the next one is glued to when a write is cut short", () =>
  withFolder((folder) => {
    const path = `${folder}/bare.jsonl`;
    using file = Deno.openSync(path, { append: true, create: true });
    const line = new TextEncoder().encode('{"a":1}\n');
    file.writeSync(line.subarray(0, 4));
    file.writeSync(line);
    assertEquals(Deno.readTextFileSync(path), '{"a"{"a":1}\n');
  }));
