import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { KeyedSemaphore, type KeyedSemaphoreOptions } from "../../src/runtime/keyed_semaphore.ts";
import { type Permit, Semaphore } from "../../src/runtime/semaphore.ts";

async function refusal(promise: Promise<unknown>): Promise<SecurityError> {
  const error = await assertRejects(() => promise);
  assertInstanceOf(error, SecurityError);
  return error;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}

/** Serves all who wait, one after the other, and tells in which order. */
async function orderOf(
  keys: readonly string[],
  acquire: (key: string) => Promise<Permit>,
): Promise<string[]> {
  const held = await acquire("first");
  const order: string[] = [];
  const all = keys.map(async (key) => {
    using _permit = await acquire(key);
    order.push(key);
  });
  held.release();
  await Promise.all(all);
  return order;
}

const flood = [...Array.from({ length: 1000 }, () => "mallory"), "alice", "bob", "alice"];

Deno.test("KeyedSemaphore serves a key's one operation next to another's thousand", async () => {
  const semaphore = new KeyedSemaphore({
    permitsPerKey: 4,
    totalPermits: 1,
    maxQueuePerKey: 1000,
    maxQueue: 2000,
  });
  const order = await orderOf(flood, (key) => semaphore.acquire(key));
  assertEquals(order.slice(0, 6), ["mallory", "alice", "bob", "mallory", "alice", "mallory"]);
  assertEquals(order.length, flood.length);
  assertEquals(semaphore.stats, { keys: 0, inUse: 0, queued: 0 });
});

Deno.test("control: first come, first served lets a flood of one starve the others", async () => {
  const semaphore = new Semaphore({ permits: 1, maxQueue: 2000 });
  const order = await orderOf(flood, () => semaphore.acquire());
  assertEquals(order.indexOf("alice"), 1000);
});

Deno.test("KeyedSemaphore lets nobody wait for a key that has reached its own limit", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 1, totalPermits: 2 });
  const mallory = await semaphore.acquire("mallory");
  const queued = semaphore.acquire("mallory");
  const alice = await semaphore.acquire("alice");
  assertEquals(semaphore.stats, { keys: 2, inUse: 2, queued: 1 });
  const bob = semaphore.acquire("bob");
  alice.release();
  (await bob).release();
  mallory.release();
  (await queued).release();
  assertEquals(semaphore.stats, { keys: 0, inUse: 0, queued: 0 });
});

Deno.test("KeyedSemaphore serves a key in the order of its own calls", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 1, totalPermits: 1 });
  const held = await semaphore.acquire("x");
  const order: string[] = [];
  const all = ["a1", "a2", "b1", "a3", "b2", "c1"].map(async (name) => {
    using _permit = await semaphore.acquire(name.slice(0, 1));
    order.push(name);
  });
  held.release();
  await Promise.all(all);
  assertEquals(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
});

Deno.test("KeyedSemaphore serves a key again as soon as there is a permit for it", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 2, totalPermits: 2 });
  const held = [await semaphore.acquire("bob"), await semaphore.acquire("bob")];
  const waiting = [semaphore.acquire("alice"), semaphore.acquire("alice")];
  held.forEach((permit) => permit.release());
  const permits = await Promise.all(waiting);
  assertEquals(semaphore.stats, { keys: 1, inUse: 2, queued: 0 });
  permits.forEach((permit) => permit.release());
});

Deno.test("KeyedSemaphore leaves out of the round who has given up", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 1, totalPermits: 1 });
  const held = await semaphore.acquire("x");
  const controller = new AbortController();
  const gone = semaphore.acquire("a", { signal: controller.signal });
  const stays = semaphore.acquire("b");
  controller.abort();
  await assertRejects(() => gone, DOMException);
  assertEquals(semaphore.stats, { keys: 2, inUse: 1, queued: 1 });
  held.release();
  (await stays).release();
  assertEquals(semaphore.stats, { keys: 0, inUse: 0, queued: 0 });
});

Deno.test("KeyedSemaphore bounds the waiters of a key, all waiters, and the keys", async () => {
  const limits = { permitsPerKey: 1, maxQueuePerKey: 2, maxQueue: 3, maxKeys: 3 };
  const cases: [string, string[], string, Record<string, number>][] = [
    ["of a key", ["a", "a", "a"], "a", { queuedOfKey: 2, queued: 2 }],
    ["in all", ["a", "a", "a", "b", "b"], "b", { queuedOfKey: 1, queued: 3 }],
    ["keys", ["a", "b", "c"], "d", { keys: 3 }],
  ];
  for (const [name, before, last, details] of cases) {
    const semaphore = new KeyedSemaphore(limits);
    const all = before.map((key) => semaphore.acquire(key));
    const error = await refusal(semaphore.acquire(last));
    assertEquals([error.code, error.details], ["queue-full", details], name);
    assertEquals(semaphore.tryAcquire(last), undefined, name);
    for (const permit of all) (await permit).release();
    (await semaphore.acquire(last)).release();
    assertEquals(semaphore.stats, { keys: 0, inUse: 0, queued: 0 }, name);
  }
});

Deno.test("KeyedSemaphore keeps nothing of a million keys that came and went, nor of those refused", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 1, totalPermits: 1, maxQueue: 1 });
  for (let at = 0; at < 1e6; at++) semaphore.tryAcquire(`key ${at}`)!.release();
  assertEquals(semaphore.stats.keys, 0);
  using _held = await semaphore.acquire("x");
  const waiting = semaphore.acquire("y");
  for (let at = 0; at < 1000; at++) {
    assertEquals(semaphore.tryAcquire(`key ${at}`), undefined);
    assertEquals((await refusal(semaphore.acquire(`key ${at}`))).code, "queue-full");
    assertEquals(
      (await refusal(semaphore.acquire(`key ${at}`, { timeoutMs: 0 }))).code,
      "queue-full",
    );
  }
  assertEquals(semaphore.stats, { keys: 2, inUse: 1, queued: 1 });
  semaphore.close();
  assertEquals((await refusal(waiting)).code, "closed");
  assertEquals(semaphore.stats, { keys: 1, inUse: 1, queued: 0 });
});

Deno.test("KeyedSemaphore takes every string for a key, and nothing else", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 1 });
  for (const key of ["", "__proto__", "constructor", "\u0000", "ä"]) {
    const held = await semaphore.acquire(key);
    assertEquals(semaphore.tryAcquire(key), undefined);
    held.release();
  }
  for (const key of [undefined, 1, {}, null] as unknown as string[]) {
    await assertRejects(() => semaphore.acquire(key), TypeError, "key");
    assertThrows(() => semaphore.tryAcquire(key), TypeError, "key");
  }
  assertEquals(semaphore.stats.keys, 0);
});

Deno.test("KeyedSemaphore refuses limits that are none", () => {
  const wrong: Partial<Record<keyof KeyedSemaphoreOptions, unknown>>[] = [
    { permitsPerKey: undefined },
    { permitsPerKey: 0 },
    { permitsPerKey: NaN },
    { totalPermits: 0 },
    { totalPermits: Infinity },
    { maxQueuePerKey: -1 },
    { maxQueue: NaN },
    { maxKeys: 0 },
    { maxKeys: "many" },
  ];
  for (const options of wrong) {
    const all = { permitsPerKey: 1, ...options } as KeyedSemaphoreOptions;
    const error = assertThrows(() => new KeyedSemaphore(all));
    assert(error instanceof TypeError || error instanceof RangeError);
    assert(error.message.includes(`'${Object.keys(options)[0]}'`));
  }
});

Deno.test("KeyedSemaphore gives up in time and leaves no key behind", async () => {
  const semaphore = new KeyedSemaphore({ permitsPerKey: 1, totalPermits: 1 });
  using _held = await semaphore.acquire("x");
  assertEquals((await refusal(semaphore.acquire("y", { timeoutMs: 5 }))).code, "timeout");
  assertEquals((await refusal(semaphore.acquire("y", { timeoutMs: 0 }))).code, "timeout");
  await settle();
  assertEquals(semaphore.stats, { keys: 1, inUse: 1, queued: 0 });
});
