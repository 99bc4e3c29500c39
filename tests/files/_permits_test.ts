import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import { OperationRate, Permits } from "../../src/files/_permits.ts";

/** Lets everything go on that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}

Deno.test("Permits refuse numbers out of range", () => {
  for (const max of [0, -1, NaN, 1.5, Infinity]) {
    assertThrows(() => new Permits(max), RangeError, "max");
  }
  for (const maxQueued of [-1, NaN, 0.5]) {
    assertThrows(() => new Permits(1, { maxQueued }), RangeError, "maxQueued");
  }
});

Deno.test("tryAcquire() takes what is free and no more", () => {
  const permits = new Permits(3);
  assertEquals([permits.tryAcquire(2), permits.tryAcquire(2), permits.tryAcquire()], [
    true,
    false,
    true,
  ]);
  assertEquals(permits.free, 0);
  permits.release(2);
  permits.release();
  assertEquals(permits.free, 3);
});

Deno.test("acquire() throws RangeError when there are never as many", async () => {
  const permits = new Permits(3);
  for (const weight of [4, -1, NaN, 0.5]) {
    assertThrows(() => permits.tryAcquire(weight), RangeError, "weight");
    assertThrows(() => permits.hold(weight), RangeError, "weight");
    await assertRejects(() => permits.acquire(weight), RangeError, "weight");
  }
});

Deno.test("release() throws RangeError when more is given back than is held", () => {
  const permits = new Permits(2);
  assertThrows(() => permits.release(), RangeError);
  permits.tryAcquire();
  assertThrows(() => permits.release(2), RangeError);
  permits.release();
  assertEquals(permits.free, 2);
});

Deno.test("hold() is synchronous when permits are free, and releases once", () => {
  const permits = new Permits(2);
  const first = permits.hold(1);
  const second = permits.hold(1);
  if (first instanceof Promise || second instanceof Promise) throw new Error("waited");
  first();
  first();
  assertEquals(permits.free, 1);
  second();
  assertEquals(permits.free, 2);
});

Deno.test("hold() waits in turn, and a small one does not overtake a large one", async () => {
  const permits = new Permits(2);
  const order: string[] = [];
  const release = await permits.hold(1);
  const large = Promise.resolve(permits.hold(2)).then((release) => {
    order.push("large");
    return release;
  });
  const small = Promise.resolve(permits.hold(1)).then((release) => {
    order.push("small");
    return release;
  });
  await settle();
  assertEquals([order, permits.tryAcquire(1), permits.queued], [[], false, 2]);
  release();
  (await large)();
  (await small)();
  assertEquals([order, permits.free, permits.queued], [["large", "small"], 2, 0]);
});

Deno.test("acquire() rejects with the signal's reason and takes nothing when it is aborted", async () => {
  const permits = new Permits(2);
  const reason = new Error("gave up");
  assertEquals(permits.tryAcquire(1), true);
  const controller = new AbortController();
  const large = permits.acquire(2, controller.signal);
  const small = permits.acquire(1);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => large), reason);
  // The large one was in the way of the small one, for which there was room all along.
  await small;
  permits.release(2);
  assertEquals([permits.free, permits.queued], [2, 0]);
});

Deno.test("acquire() rejects at once when the signal is aborted already", async () => {
  const permits = new Permits(1);
  const reason = new Error("gave up");
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(await assertRejects(() => permits.acquire(1, signal)), reason);
  assertStrictEquals(assertThrows(() => permits.hold(1, signal)), reason);
  assertEquals(permits.free, 1);
});

Deno.test("acquire() keeps what was granted when the abort comes later", async () => {
  const permits = new Permits(1);
  permits.tryAcquire();
  const controller = new AbortController();
  const waiting = permits.acquire(1, controller.signal);
  permits.release();
  controller.abort();
  await waiting;
  assertEquals(permits.free, 0);
  permits.release();
  assertEquals(permits.free, 1);
});

Deno.test("acquire() rejects with too-many-operations when the queue is full", async () => {
  const permits = new Permits(1, { maxQueued: 1 });
  permits.tryAcquire();
  const waiting = permits.acquire(1);
  const error = await assertRejects(() => permits.acquire(1), SecurityError);
  assertEquals([error.code, permits.queued], ["too-many-operations", 1]);
  permits.release();
  await waiting;
});

Deno.test("close() rejects who waits and who comes, and lets who holds release", async () => {
  const permits = new Permits(1);
  const release = await permits.hold(1);
  const waiting = [permits.acquire(1), permits.acquire(1)];
  permits.close();
  for (const one of [...waiting, permits.acquire(1)]) {
    assertEquals((await assertRejects(() => one, SecurityError)).code, "closed");
  }
  assertEquals([permits.tryAcquire(), permits.queued], [false, 0]);
  release();
  assertEquals(permits.free, 1);
});

Deno.test("Permits lose none and keep the order under any schedule", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ acquire: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 3, arbitrary: fc.record({ release: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ abort: fc.nat() }) },
    { weight: 1, arbitrary: fc.constant({ settle: true }) },
  );
  type Step = { acquire?: number; release?: number; abort?: number; settle?: boolean };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 24 }), async (steps: readonly Step[]) => {
      const permits = new Permits(4);
      const held: (() => void)[] = [];
      /** A model: who waits, in order, with what each wants. */
      const waiting: { id: number; weight: number; controller: AbortController }[] = [];
      let free = 4;
      const granted: number[] = [];
      const expected: number[] = [];
      /** Those without a promise see their grant sooner than those with one, whatever the order is. */
      const waited = new Set<number>();
      let aborted = 0;
      let id = 0;
      const grantModel = () => {
        while (waiting.length > 0 && waiting[0]!.weight <= free) {
          const next = waiting.shift()!;
          free -= next.weight;
          expected.push(next.id);
        }
      };
      const pending: Promise<void>[] = [];
      let heldWeight = 0;
      for (const { acquire, release, abort } of steps) {
        if (acquire !== undefined) {
          const me = id++;
          const controller = new AbortController();
          waiting.push({ id: me, weight: acquire, controller });
          grantModel();
          const got = (release: () => void) => {
            granted.push(me);
            heldWeight += acquire;
            held.push(() => {
              heldWeight -= acquire;
              release();
              release();
              free += acquire;
              grantModel();
            });
          };
          const result = permits.hold(acquire, controller.signal);
          if (result instanceof Promise) {
            waited.add(me);
            pending.push(result.then(got, () => void aborted++));
          } else got(result);
        } else if (release !== undefined) {
          held.splice(release % Math.max(1, held.length), 1)[0]?.();
        } else if (abort !== undefined) {
          const [one] = waiting.splice(abort % Math.max(1, waiting.length), 1);
          one?.controller.abort();
          grantModel();
        } else {
          await settle();
        }
        assertEquals(permits.free, free);
        assertEquals(permits.queued, waiting.length);
        assertEquals(heldWeight <= 4, true);
      }
      while (true) {
        await settle();
        if (held.length === 0) break;
        held.shift()?.();
      }
      await Promise.all(pending);
      assertEquals([permits.free, permits.queued], [4, 0]);
      const inTurn = (ids: number[]) => ids.filter((id) => waited.has(id));
      assertEquals(inTurn(granted), inTurn(expected));
      assertEquals(granted.toSorted(), expected.toSorted());
      assertEquals(granted.length + aborted, id);
    }),
    { seed: 4, numRuns: 10_000 },
  );
});

Deno.test("OperationRate lets a second's worth through at once and refuses the next", () => {
  for (const perSecond of [1, 3, 7, 1000]) {
    // Odd times and divisors: nothing may be lost to rounding.
    for (const start of [0, 0.1, 12_345.678, 86_400_000.3]) {
      let now = start;
      const rate = new OperationRate(perSecond, () => now);
      for (let taken = 0; taken < perSecond; taken++) rate.take();
      const error = assertThrows(() => rate.take(), SecurityError);
      assertEquals(error.code, "rate-limited");
      const { retryAfterMs } = error.details;
      assertEquals(retryAfterMs, Math.ceil(1000 / perSecond), `${perSecond} ${start}`);
      now += Number(retryAfterMs);
      rate.take();
      assertThrows(() => rate.take(), SecurityError);
    }
  }
});

Deno.test("OperationRate lets through no more than the burst and what the time has paid for", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { maxLength: 200 }),
      (perSecond, gaps) => {
        let now = 0;
        const rate = new OperationRate(perSecond, () => now);
        const times: number[] = [];
        for (const gap of gaps) {
          now += gap;
          try {
            rate.take();
            times.push(now);
          } catch {
            // Refused: what counts is what was let through.
          }
        }
        for (const [at, from] of times.entries()) {
          const seconds = (times.at(-1)! - from) / 1000;
          const most = perSecond + Math.ceil(seconds * perSecond);
          assertEquals(times.length - at <= most, true, `${times.length - at} > ${most}`);
        }
      },
    ),
    { seed: 4, numRuns: 2000 },
  );
});

Deno.test("OperationRate has no limit when there is none, and refuses one that is no number", () => {
  const rate = new OperationRate(undefined);
  for (let taken = 0; taken < 10_000; taken++) rate.take();
  for (const perSecond of [0, -1, NaN, Infinity, 0.5]) {
    assertThrows(() => new OperationRate(perSecond), RangeError, "maxOperationsPerSecond");
  }
});
