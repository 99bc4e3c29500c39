import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { assertFalse, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import { type PathLock, PathLocks, type ReleasePaths } from "../../src/files/_path_locks.ts";

const read = (path: string): PathLock => ({ path, exclusive: false });
const change = (path: string): PathLock => ({ path, exclusive: true });

/** Lets everything go on that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}

/** Takes locks that have to be free. */
function take(locks: PathLocks, ...paths: PathLock[]): ReleasePaths {
  const release = locks.acquire(paths);
  if (release instanceof Promise) throw new Error("The lock is not free");
  return release;
}

const PAIRS: readonly (readonly [PathLock, PathLock, boolean])[] = [
  [change("/a"), change("/a"), true],
  [change("/a"), read("/a"), true],
  [read("/a"), read("/a"), false],
  [change("/a"), change("/a/b"), true],
  [change("/a"), read("/a/b/c"), true],
  [change("/a/b"), read("/a"), false],
  [change("/a"), change("/b"), false],
  [change("/a"), change("/ab"), false],
  [change("/"), read("/a"), true],
  [change("C:\\a"), read("C:\\a\\b"), true],
  [change("C:\\a"), change("c:\\A"), true],
  [change("C:\\"), read("C:\\a"), true],
];

Deno.test("PathLocks know which locks conflict, whichever comes first", () => {
  for (const [a, b, conflict] of PAIRS) {
    for (const [first, second] of [[a, b], [b, a]] as const) {
      const locks = new PathLocks();
      take(locks, first);
      const result = locks.acquire([second]);
      const message = `${JSON.stringify(first)} ${JSON.stringify(second)}`;
      assertEquals(result instanceof Promise, conflict, message);
    }
  }
});

Deno.test("idle says whether something changes or is about to", async () => {
  const locks = new PathLocks();
  assertEquals(locks.idle, true);
  const reading = take(locks, read("/a"));
  assertEquals(locks.idle, true);
  const changing = locks.acquire([change("/a")]);
  assertEquals([locks.idle, locks.queued], [false, 1]);
  reading();
  (await changing)();
  assertEquals([locks.idle, locks.queued], [true, 0]);
});

Deno.test("acquire() lets no reader overtake a change that waits", async () => {
  const locks = new PathLocks();
  const order: string[] = [];
  const first = take(locks, read("/a"));
  const changing = Promise.resolve(locks.acquire([change("/a")])).then((release) => {
    order.push("change");
    return release;
  });
  const late = Promise.resolve(locks.acquire([read("/a")])).then((release) => {
    order.push("read");
    return release;
  });
  take(locks, read("/b"))();
  await settle();
  assertEquals(order, []);
  first();
  (await changing)();
  (await late)();
  assertEquals(order, ["change", "read"]);
});

Deno.test("acquire() takes all paths at once, so that two renames cannot block each other", async () => {
  const locks = new PathLocks();
  const there = take(locks, change("/a"), change("/b"));
  const back = locks.acquire([change("/b"), change("/a")]);
  assertInstanceOf(back, Promise);
  there();
  (await back)();
  // The same path twice, as in a rename to itself, is no conflict with oneself.
  take(locks, change("/a"), change("/a"))();
  assertEquals(locks.idle, true);
});

Deno.test("a release lets go once", async () => {
  const locks = new PathLocks();
  const first = take(locks, change("/a"));
  const second = locks.acquire([change("/a")]);
  first();
  const release = await second;
  first();
  assertInstanceOf(locks.acquire([change("/a")]), Promise);
  release();
});

Deno.test("acquire() rejects with the signal's reason, and those behind go on", async () => {
  const locks = new PathLocks();
  const reason = new Error("gave up");
  const controller = new AbortController();
  const reading = take(locks, read("/a"));
  const changing = Promise.resolve(locks.acquire([change("/a")], controller.signal));
  const late = Promise.resolve(locks.acquire([read("/a")]));
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => changing), reason);
  (await late)();
  reading();
  assertEquals([locks.idle, locks.queued], [true, 0]);
  assertStrictEquals(assertThrows(() => locks.acquire([read("/a")], controller.signal)), reason);
  take(locks, change("/"))();
});

Deno.test("acquire() keeps what was granted when the abort comes later", async () => {
  const locks = new PathLocks();
  const controller = new AbortController();
  const first = take(locks, change("/a"));
  const second = locks.acquire([change("/a")], controller.signal);
  first();
  controller.abort();
  const release = await second;
  assertFalse(locks.idle);
  release();
  assertEquals(locks.idle, true);
});

Deno.test("acquire() throws too-many-operations when the queue is full", async () => {
  const locks = new PathLocks({ maxQueued: 1 });
  const first = take(locks, change("/a"));
  const second = locks.acquire([change("/a")]);
  const error = assertThrows(() => locks.acquire([change("/a")]), SecurityError);
  assertEquals([error.code, locks.queued], ["too-many-operations", 1]);
  take(locks, change("/b"))();
  first();
  (await second)();
  assertEquals(locks.idle, true);
  assertThrows(() => new PathLocks({ maxQueued: NaN }), RangeError, "maxQueued");
});

Deno.test("PathLocks hold no two that conflict, keep the order and end, under any schedule", async () => {
  const lock = fc.record({
    path: fc.constantFrom("/a", "/a/b", "/a/b/c", "/a/d", "/e"),
    exclusive: fc.boolean(),
  });
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ acquire: fc.array(lock, { minLength: 1, maxLength: 2 }) }),
    },
    { weight: 3, arbitrary: fc.record({ release: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ abort: fc.nat() }) },
  );
  type Step = { acquire?: PathLock[]; release?: number; abort?: number };
  interface Asked {
    readonly locks: readonly PathLock[];
    readonly controller: AbortController;
    release?: ReleasePaths;
  }
  const below = (a: string, b: string) => a === b || b.startsWith(`${a}/`);
  const clash = (a: Asked, b: Asked) =>
    a.locks.some((x) =>
      b.locks.some((y) =>
        (x.exclusive && below(x.path, y.path)) || (y.exclusive && below(y.path, x.path))
      )
    );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps: readonly Step[]) => {
      const locks = new PathLocks();
      let asked: Asked[] = [];
      const drop = (one: Asked) => asked = asked.filter((other) => other !== one);
      /** Exactly those are held of which no earlier one is in the way. */
      const check = async () => {
        await settle();
        for (const [at, one] of asked.entries()) {
          const free = !asked.slice(0, at).some((earlier) => clash(earlier, one));
          assertEquals(one.release !== undefined, free);
        }
        const changes = asked.some((one) => one.locks.some((lock) => lock.exclusive));
        assertEquals(locks.idle, !changes);
        assertEquals(locks.queued, asked.filter((one) => one.release === undefined).length);
      };
      for (const { acquire, release, abort } of steps) {
        if (acquire !== undefined) {
          const one: Asked = { locks: acquire, controller: new AbortController() };
          asked.push(one);
          const result = locks.acquire(acquire, one.controller.signal);
          if (!(result instanceof Promise)) one.release = result;
          else result.then((release) => one.release = release, () => drop(one));
        } else if (release !== undefined) {
          const held = asked.filter((one) => one.release !== undefined);
          const one = held[release % Math.max(1, held.length)];
          if (one !== undefined) {
            drop(one);
            one.release?.();
            one.release?.();
          }
        } else if (abort !== undefined) {
          const waiting = asked.filter((one) => one.release === undefined);
          waiting[abort % Math.max(1, waiting.length)]?.controller.abort();
        }
        await check();
      }
      while (asked.length > 0) {
        const one = asked.find((one) => one.release !== undefined);
        if (one === undefined) throw new Error("Nobody can go on");
        drop(one);
        one.release?.();
        await check();
      }
    }),
    { seed: 4, numRuns: 3000 },
  );
});
