import { assert, assertEquals, assertInstanceOf, assertLess, assertRejects } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import { type LogFileOps, systemFileOps } from "../../src/events/_log_file_ops.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import type { JsonLinesSinkOptions } from "../../src/events/json_lines_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { event, followChain, kindsOf, recordsOf, withFolder } from "./_sink_events.ts";

/** Syncs that end when a test says so. */
class SlowDisk {
  /** Syncs that are under way. */
  readonly waiting: (() => void)[] = [];
  isSlow = false;
  begun = 0;
  ended = 0;
  readonly ops: LogFileOps;

  constructor() {
    const ops = systemFileOps();
    this.ops = {
      ...ops,
      sync: async (descriptor) => {
        this.begun++;
        if (this.isSlow) await new Promise<void>((resolve) => this.waiting.push(resolve));
        await ops.sync(descriptor);
        this.ended++;
      },
    };
  }
}

interface Bench {
  readonly disk: SlowDisk;
  readonly clock: VirtualClock;
  readonly path: string;
  readonly open: (options?: Partial<JsonLinesSinkOptions>) => ReturnType<typeof makeFileSink>;
}

function withDisk(test: (bench: Bench) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const [clock, disk, path] = [new VirtualClock(), new SlowDisk(), `${folder}/audit.jsonl`];
    await test({
      disk,
      clock,
      path,
      open: (options = {}) => makeFileSink({ path, clock, ...options }, disk.ops),
    });
    assertEquals(clock.timers, 0);
  });
}

/** Waits until something holds that depends on the system, such as the end of a sync. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !holds(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert(holds());
}

/** Lets go on what waits for nothing else. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

function unavailable(work: () => unknown): Promise<void> {
  return assertRejects(async () => {
    await work();
  }).then((error) => {
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "audit-unavailable");
  });
}

Deno.test("flush() waits for what was written before it, however much comes later", () =>
  withDisk(async ({ disk, open }) => {
    const sink = open({ durability: "fsync" });
    disk.isSlow = true;
    const writes = [sink.write(event())];
    await until(() => disk.waiting.length === 1);
    writes.push(sink.write(event({ id: "before" })));
    let isFlushed = false;
    const flushed = sink.flush().then(() => isFlushed = true);
    // There is always more in the queue when a sync ends.
    let syncs = 0;
    for (; !isFlushed && syncs < 10; syncs++) {
      writes.push(sink.write(event()));
      disk.waiting.shift()!();
      await until(() => disk.waiting.length === 1);
      writes.push(sink.write(event()));
      if (syncs === 0) assertEquals(isFlushed, false);
      await turns();
    }
    assertLess(syncs, 6);
    assertEquals(sink.stats().queued, 1);
    disk.isSlow = false;
    disk.waiting.shift()!();
    await Promise.all([flushed, ...writes]);
    await sink.close();
  }));

Deno.test("flush() shares a sync that is under way, and does not settle before it", () =>
  withDisk(async ({ disk, open }) => {
    const sink = open({ durability: "write" });
    await sink.write(event());
    disk.isSlow = true;
    let flushed = 0;
    const flushes = [1, 2, 3].map(() => sink.flush().then(() => flushed++));
    await until(() => disk.waiting.length === 1);
    await turns();
    assertEquals(flushed, 0);
    disk.isSlow = false;
    disk.waiting.shift()!();
    await Promise.all(flushes);
    assertEquals(disk.begun, 1);
    await sink.close();
  }));

Deno.test("flush() and close() wait once for a signer that hangs", () =>
  withDisk(async ({ clock, path, open }) => {
    const { signer } = await generateAuditLogKeys("log.example");
    let calls = 0;
    const hanging = () => {
      calls++;
      return new Promise<never>(() => {});
    };
    const sink = open({ durability: "fsync", chain: { signer: { ...signer, sign: hanging } } });
    await sink.write(event());
    await until(() => calls === 1);
    let flushed = 0;
    const flushes = Array.from({ length: 20 }, () => sink.flush().then(() => flushed++));
    await until(() => sink.stats().queued === 0);
    await turns();
    assertEquals(flushed, 0);
    clock.advance(5_000);
    await Promise.all(flushes);
    await sink.close();
    assertEquals(calls, 1);
    assertEquals(recordsOf(path).at(-1)!.details.cause, "checkpoint-failed");
  }));

Deno.test("flush() tries a signer again a while after it has failed", () =>
  withDisk(async ({ clock, path, open }) => {
    const { signer } = await generateAuditLogKeys("log.example");
    let fails = true;
    const sign: typeof signer.sign = (message, options) => {
      if (fails) throw new Error("out of reach");
      return signer.sign(message, options);
    };
    const sink = open({ chain: { signer: { ...signer, sign } } });
    await sink.flush();
    fails = false;
    clock.advance(9_999);
    await sink.flush();
    assertEquals(kindsOf(path).includes("audit.checkpoint"), false);
    clock.advance(1);
    await sink.flush();
    assertEquals(kindsOf(path).includes("audit.checkpoint"), true);
    await sink.close();
  }));

for (const durability of ["buffered", "write", "fsync"] as const) {
  Deno.test(`jsonLinesSink() brings data to the disk before a checkpoint is signed under ${durability}`, () =>
    withDisk(async ({ disk, open }) => {
      const { signer } = await generateAuditLogKeys("log.example");
      disk.isSlow = true;
      let signed = 0;
      const sign: typeof signer.sign = (message, options) => {
        signed++;
        return signer.sign(message, options);
      };
      const sink = open({ durability, chain: { signer: { ...signer, sign } } });
      const write = sink.write(event());
      const flushed = sink.flush();
      await until(() => disk.waiting.length === 1);
      await turns();
      assertEquals(signed, 0);
      disk.isSlow = false;
      disk.waiting.shift()!();
      await Promise.all([write, flushed]);
      assert(signed > 0);
      await sink.close();
    }));
}

Deno.test("jsonLinesSink() gives up a sync that hangs, begins no other, and recovers with it", () =>
  withDisk(async ({ disk, clock, path, open }) => {
    const sink = open({ durability: "fsync", chain: {} });
    disk.isSlow = true;
    const write = sink.write(event({ id: "unsure" }));
    await until(() => disk.waiting.length === 1);
    await sink.ready();
    const refused = unavailable(() => write);
    clock.advance(30_000);
    await refused;
    assertEquals(sink.stats().failing, true);
    const { begun } = disk;
    clock.advance(1_000);
    await unavailable(() => sink.ready());
    await unavailable(() => sink.write(event()));
    await unavailable(() => sink.flush());
    assertEquals(disk.begun, begun);
    disk.isSlow = false;
    disk.waiting.shift()!();
    await until(() => disk.ended === disk.begun);
    clock.advance(1_000);
    await sink.write(event({ id: "after" }));
    await sink.ready();
    await sink.close();
    const records = followChain([path]);
    assertEquals(records.at(-1)!.id, "after");
    const causes = records.map(({ details }) => details.cause);
    assert(causes.includes("sync-failed"));
  }));

Deno.test("close() ends when a sync hangs, and so do those who wait for it", () =>
  withDisk(async ({ disk, clock, open }) => {
    const sink = open({ durability: "fsync" });
    disk.isSlow = true;
    const refused = unavailable(() => sink.write(event()));
    await until(() => disk.waiting.length === 1);
    const closed = unavailable(() => sink.close());
    await turns();
    clock.advance(30_000);
    await Promise.all([refused, closed]);
    disk.waiting.shift()!();
    await until(() => disk.ended === disk.begun);
  }));

Deno.test("ready() says no when the queue is full by bytes", () =>
  withDisk(async ({ disk, open }) => {
    const sink = open({ durability: "fsync", queue: { maxBytes: 2_000, maxWaiting: 1 } });
    disk.isSlow = true;
    const writes = [sink.write(event())];
    await until(() => disk.waiting.length === 1);
    await sink.ready();
    for (let number = 0; number < 5; number++) writes.push(sink.write(event()));
    await unavailable(() => sink.write(event()));
    await unavailable(() => sink.ready());
    disk.isSlow = false;
    disk.waiting.shift()!();
    await Promise.all(writes);
    await sink.ready();
    await sink.close();
  }));
