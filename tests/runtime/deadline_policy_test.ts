import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { DeadlinePolicy, type DeadlinePolicyOptions } from "../../src/runtime/deadline_policy.ts";
import { KeyedSemaphore } from "../../src/runtime/keyed_semaphore.ts";
import { Semaphore } from "../../src/runtime/semaphore.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { remainingMs } from "../../src/runtime/with_deadline.ts";

async function advance(clock: VirtualClock, byMs: number): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
  clock.advance(byMs);
  for (let turn = 0; turn < 20; turn++) await undefined;
}

/** The error that a promise is rejected with, which is one of ours. */
function errorOf(promise: Promise<unknown>): Promise<SecurityError> {
  return promise.then(() => {
    throw new Error("it was not rejected");
  }, (error) => {
    assertInstanceOf(error, SecurityError);
    return error;
  });
}

/** Never ends, and does not listen. */
const deaf = () => new Promise<never>(() => {});

Deno.test("DeadlinePolicy gives each operation its own time, and the others the default", async () => {
  const clock = new VirtualClock();
  const perOperation = { "file.read": 500, "file.list": 20 };
  const policy = new DeadlinePolicy({ defaultMs: 1000, perOperation, clock });
  perOperation["file.read"] = 1e9;
  const cases: [string, number][] = [
    ["file.read", 500],
    ["file.list", 20],
    ["other", 1000],
    // Not what every object has.
    ["constructor", 1000],
    ["__proto__", 1000],
    ["toString", 1000],
  ];
  for (const [operation, timeoutMs] of cases) {
    assertEquals(policy.timeoutMs(operation), timeoutMs);
    assertEquals(await policy.run(operation, (signal) => remainingMs(signal)), timeoutMs);
    const error = errorOf(policy.run(operation, deaf));
    await advance(clock, timeoutMs);
    assertEquals((await error).code, "timeout");
    assertEquals((await error).details, { timeoutMs, operation });
  }
  assertEquals(policy.stats(), { running: 6, timeouts: 6, orphans: 6, orphaned: 5 });
  // The last one has a moment left to listen.
  await advance(clock, 10);
  assertEquals(policy.stats().orphaned, 6);
});

Deno.test("DeadlinePolicy keeps the permits of orphans, so that no more run than there are permits", async () => {
  const clock = new VirtualClock();
  const semaphore = new Semaphore({ permits: 2, maxQueue: 10, clock });
  const events: AuditEventInput[] = [];
  const policy = new DeadlinePolicy({
    defaultMs: 100,
    clock,
    semaphore,
    reporter: { report: (event) => void events.push(event) },
  });
  let begun = 0;
  const ends: (() => void)[] = [];
  const work = () => {
    begun++;
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const errors = Array.from({ length: 6 }, () => errorOf(policy.run("slow", work)));
  await advance(clock, 100);
  for (const error of errors) assertEquals((await error).code, "timeout");
  assertEquals(begun, 2);
  assertEquals(semaphore.stats, { permits: 2, inUse: 2, queued: 0 });
  assertEquals(policy.stats(), { running: 2, timeouts: 6, orphans: 2, orphaned: 0 });
  await advance(clock, 20);
  assertEquals(events.map(({ kind, operation }) => [kind, operation]), [
    ["runtime.orphan", "slow"],
    ["runtime.orphan", "slow"],
  ]);
  ends.forEach((end) => end());
  await advance(clock, 0);
  assertEquals(policy.stats(), { running: 0, timeouts: 6, orphans: 0, orphaned: 2 });
  assertEquals([semaphore.stats.inUse, clock.timers, events.length], [0, 0, 4]);
});

Deno.test("DeadlinePolicy may give permits back at the deadline", async () => {
  const clock = new VirtualClock();
  const semaphore = new Semaphore({ permits: 1, clock });
  let told = 0;
  const policy = new DeadlinePolicy({
    defaultMs: 100,
    clock,
    semaphore,
    releaseAt: "deadline",
    onOrphan: () => told++,
  });
  const error = errorOf(policy.run("slow", deaf));
  await advance(clock, 110);
  await error;
  assertEquals(semaphore.stats.inUse, 0);
  await advance(clock, 20);
  assertEquals(told, 1);
});

Deno.test("DeadlinePolicy counts the wait for a permit as time of the operation", async () => {
  const clock = new VirtualClock();
  const keyed = new KeyedSemaphore({ permitsPerKey: 1, clock });
  const policy = new DeadlinePolicy({
    defaultMs: 100,
    clock,
    semaphore: { acquire: (options) => keyed.acquire("alice", options) },
  });
  const held = await keyed.acquire("alice");
  let left: number | undefined;
  const error = errorOf(policy.run("slow", (signal) => {
    left = remainingMs(signal);
    return deaf();
  }));
  await advance(clock, 60);
  held.release();
  await advance(clock, 39);
  assertEquals(left, 40);
  assertEquals(policy.stats().timeouts, 0);
  await advance(clock, 11);
  assertEquals((await error).details, { timeoutMs: 100, operation: "slow" });
});

Deno.test("DeadlinePolicy passes the signal on, and what the semaphore refuses with", async () => {
  const semaphore = new Semaphore({ permits: 1, maxQueue: 0 });
  const policy = new DeadlinePolicy({ defaultMs: 100, semaphore });
  const reason = new Error("gone");
  let calls = 0;
  const fn = () => calls++;
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(await assertRejects(() => policy.run("x", fn, { signal })), reason);
  const held = await semaphore.acquire();
  assertEquals((await errorOf(policy.run("x", fn))).code, "queue-full");
  held.release();
  semaphore.close();
  assertEquals((await errorOf(policy.run("x", fn))).code, "closed");
  assertEquals(calls, 0);
  assertEquals(policy.stats(), { running: 0, timeouts: 0, orphans: 0, orphaned: 0 });
});

Deno.test("DeadlinePolicy refuses times that are none", () => {
  const wrong: Record<string, unknown>[] = [
    { defaultMs: undefined },
    { defaultMs: 0 },
    { defaultMs: -1 },
    { defaultMs: NaN },
    { defaultMs: Infinity },
    { defaultMs: "5" },
    { perOperation: { "file.read": 0 } },
    { perOperation: { "file.read": NaN } },
    { perOperation: { "file.read": Infinity } },
    { perOperation: { "file.read": "500" } },
    { releaseAt: "never" },
    { semaphore: {} },
    { semaphore: null },
  ];
  for (const options of wrong) {
    const all = { defaultMs: 5, ...options } as unknown as DeadlinePolicyOptions;
    const error = assertThrows(() => new DeadlinePolicy(all));
    assert(error instanceof TypeError || error instanceof RangeError, String(error));
    assert(error.message.includes(Object.keys(options)[0]!), error.message);
  }
});
