import { assert, assertEquals, assertGreater, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { MemoryRateStore } from "../../src/runtime/memory_rate_store.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";
import { RateLimiter, type RateLimitOptions } from "../../src/runtime/rate_limiter.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

function make(capacity: number, requests: number, windowMs: number) {
  const clock = new VirtualClock();
  const store = new MemoryRateStore({ capacity, clock });
  const limiter = new RateLimiter({ limits: [{ requests, windowMs }], store, clock });
  const use = (name: string, count = 1) => {
    const key = RateKey.of("k", name);
    let allowed = 0;
    for (let at = 0; at < count; at++) if (limiter.checkSync(key).allowed) allowed++;
    return allowed;
  };
  return { clock, store, limiter, use };
}

Deno.test("MemoryRateStore stays limited in memory and just under a flood of 5,000,000 keys", () => {
  const capacity = 200_000;
  const { clock, store, use } = make(capacity, 100, 3_600_000);
  const blocked = Array.from({ length: 1_000 }, (_, at) => `blocked ${at}`);
  for (const name of blocked) assertEquals(use(name, 101), 100);
  const busy = Array.from({ length: 1_000 }, (_, at) => `busy ${at}`);
  for (const name of busy) assertEquals(use(name, 50), 50);
  const bytes = store.stats.bytes;
  assertLessOrEqual(bytes / capacity, 120);

  let served = 0;
  for (let at = 0; at < 5_000_000; at++) {
    served += use(`flood ${at}`);
    if (at % 50_000 === 0) clock.advance(10);
  }
  const { size, overflowed, forgotten, bytes: now } = store.stats;
  assertEquals([size, overflowed], [capacity, 0]);
  assertGreater(forgotten, 4_000_000);
  assertLessOrEqual(now / capacity, 120);
  // Nobody new was locked out: not by the table that is full, nor by what others did.
  assertEquals(served, 5_000_000);

  // Whoever was limited still is, and nothing is forgotten of those who had used more than the flood.
  assertEquals(blocked.reduce((sum, name) => sum + use(name, 2), 0), 0);
  for (const name of busy) assertEquals(use(name, 101), 50);
  // Newcomers are served by themselves.
  for (let at = 0; at < 200; at++) assertEquals(use(`newcomer ${at}`, 150), 100);

  // Afterwards all is as before.
  clock.advance(3_600_000);
  for (const name of blocked) assertEquals(use(name, 101), 100);
});

Deno.test("MemoryRateStore locks nobody new out when one request of each of 40 times its keys has come", () => {
  const { store, use } = make(2_000, 5, 86_400_000);
  for (let at = 0; at < 80_000; at++) assertEquals(use(`flood ${at}`), 1);
  for (let at = 0; at < 1_000; at++) assertEquals(use(`newcomer ${at}`, 9), 5);
  assertEquals(store.stats.overflowed, 0);
});

Deno.test("MemoryRateStore counts newcomers together when all others are at their limits", () => {
  const { clock, store, use } = make(2_000, 100, 3_600_000);
  for (let at = 0; at < 2_000; at++) assertEquals(use(`full ${at}`, 101), 100);
  let lucky = 0;
  for (let at = 0; at < 200; at++) {
    const allowed = use(`newcomer ${at}`, 150);
    assertLessOrEqual(allowed, 100);
    if (allowed > 10) lucky++;
    assertEquals(use(`newcomer ${at}`, 10), 0);
  }
  // Some of them share one of 1024 buckets.
  assertGreater(lucky, 140);
  assertGreater(store.stats.overflowed, 14_000);
  for (let at = 0; at < 2_000; at++) assertEquals(use(`full ${at}`, 2), 0);
  clock.advance(3_600_000);
  for (let at = 0; at < 200; at++) assertEquals(use(`newcomer ${at}`, 101), 100);
});

Deno.test("control: rate-limiter-flexible grows with every key", async () => {
  const peer = new RateLimiterMemory({ points: 100, duration: 3_600 });
  const storage = Reflect.get(Reflect.get(peer, "_memoryStorage"), "_storage");
  for (let at = 0; at < 20_000; at++) await peer.consume(`flood ${at}`);
  const held = storage instanceof Map ? storage.size : Object.keys(storage).length;
  for (let at = 0; at < 20_000; at++) await peer.delete(`flood ${at}`);
  assertEquals(held, 20_000);
});

Deno.test("MemoryRateStore never allows a key at its limit before its time, however full it is", () => {
  const steps = fc.array(
    fc.record({
      key: fc.integer({ min: 0, max: 30 }),
      count: fc.integer({ min: 1, max: 8 }),
      ms: fc.integer({ min: 0, max: 400 }),
    }),
    { minLength: 20, maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (steps) => {
      // Room for 4 of 31 keys; 5 a second.
      const { clock, store, limiter } = make(4, 5, 1_000);
      const until = new Map<number, number>();
      for (const { key, count, ms } of steps) {
        clock.advance(ms);
        const nowMs = clock.monotonicMs();
        for (let at = 0; at < count; at++) {
          const { allowed, remaining, retryAfterMs } = limiter.checkSync(RateKey.of("k", `${key}`));
          assert(!allowed || nowMs >= (until.get(key) ?? 0));
          if (allowed && remaining === 0) {
            until.set(key, nowMs + limiter.checkSync(RateKey.of("k", `${key}`)).retryAfterMs);
          } else if (!allowed) {
            until.set(key, nowMs + retryAfterMs);
          }
        }
        assertLessOrEqual(store.stats.size, 4);
      }
    }),
    { seed: 6, numRuns: 300 },
  );
});

Deno.test("MemoryRateStore stays as evenly full as a table that never was, under a long flood", () => {
  const { store, use } = make(1_000, 100, 3_600_000);
  for (let at = 0; at < 200_000; at++) use(`flood ${at}`);
  const { size, overflowed } = store.stats;
  assertEquals([size, overflowed], [1_000, 0]);
});

Deno.test("MemoryRateStore decides as with room for all, as long as there is room for the debts", () => {
  const steps = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 30 })),
    { minLength: 50, maxLength: 400 },
  );
  fc.assert(
    fc.property(steps, (steps) => {
      // A debt lasts 100 ms at most: what is paid back has to make room, and moves others.
      const small = make(100, 2, 100);
      const large = make(5_000, 2, 100);
      for (const [key, ms] of steps) {
        small.clock.advance(ms);
        large.clock.advance(ms);
        assertEquals(small.use(`${key}`), large.use(`${key}`));
      }
      assertEquals(small.store.stats.overflowed, 0);
    }),
    { seed: 7, numRuns: 200 },
  );
});

Deno.test("MemoryRateStore gives back what is owed no more, with a little work at a time", () => {
  const { clock, store, use } = make(1_000, 10, 1_000);
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < 900; at++) assertEquals(use(`${round} ${at}`), 1);
    clock.advance(1_000);
  }
  assertEquals(store.stats.overflowed, 0);
  assertLessOrEqual(store.stats.size, 1_000);
});

Deno.test("MemoryRateStore keeps the buckets of different limits apart", () => {
  const clock = new VirtualClock();
  const store = new MemoryRateStore({ capacity: 2, clock });
  const second = { name: "second", requests: 2, windowMs: 1_000 };
  const day = { name: "day", requests: 2, windowMs: 86_400_000 };
  const of = (...limits: RateLimitOptions[]) => new RateLimiter({ limits, store, clock });
  const limiter = of(second, day);
  const key = RateKey.of("k", "newcomer");
  for (const each of [RateKey.of("k", "first"), key]) {
    const allowed = [1, 2, 3].map(() => limiter.checkSync(each).allowed);
    assertEquals(allowed, [true, true, false]);
  }
  assertEquals(store.stats.overflowed, 4);
  clock.advance(1_000);
  assertEquals(of(second).checkSync(key, { cost: 0 }).remaining, 2);
  assertEquals(of(day).checkSync(key, { cost: 0 }).remaining, 0);
});

Deno.test("MemoryRateStore serves every key of any characters by itself", () => {
  const { use } = make(10_000, 1, 1_000);
  const names = [
    "",
    "a",
    "ab",
    "\0",
    "\0\0",
    "é",
    "日本",
    "a\u{1F600}",
    "x".repeat(15),
    "x".repeat(16),
  ];
  names.push("x".repeat(17), "x".repeat(33), `${"x".repeat(32)}y`, `日${"x".repeat(31)}`);
  names.push("\u0141", "A\u0001", "\u0100", "\u0001");
  for (const name of names) if (name !== "") assertEquals([name, use(name)], [name, 1]);
  for (const name of names) if (name !== "") assertEquals([name, use(name)], [name, 0]);
});

Deno.test("MemoryRateStore throws on options that are wrong", () => {
  for (const capacity of [0, -1, 1.5, NaN, Infinity, 2 ** 25]) {
    assertThrows(() => new MemoryRateStore({ capacity }), RangeError, "'capacity'");
  }
  assertThrows(
    () => new MemoryRateStore({ capacity: "1" as unknown as number }),
    TypeError,
    "'capacity'",
  );
  assert(new MemoryRateStore().stats.capacity === 100_000);
});
