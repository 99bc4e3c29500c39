import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { MemoryRateStore } from "../../src/runtime/memory_rate_store.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";
import {
  RateLimiter,
  type RateLimiterOptions,
  type RateLimitOptions,
} from "../../src/runtime/rate_limiter.ts";
import type { RateRule } from "../../src/runtime/rate_store.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const ALICE = RateKey.principal("alice");
const BOB = RateKey.principal("bob");

function make(
  limits: readonly RateLimitOptions[],
  options: Partial<RateLimiterOptions> = {},
): { limiter: RateLimiter; clock: VirtualClock; events: AuditEventInput[] } {
  const clock = new VirtualClock();
  const events: AuditEventInput[] = [];
  const reporter = { report: (event: AuditEventInput): void => void events.push(event) };
  return { limiter: new RateLimiter({ limits, clock, reporter, ...options }), clock, events };
}

/** How many of so many requests are allowed at this moment. */
function allowedOf(limiter: RateLimiter, key: RateKey, count: number): number {
  let allowed = 0;
  for (let at = 0; at < count; at++) if (limiter.checkSync(key).allowed) allowed++;
  return allowed;
}

Deno.test("check() allows a burst at once and the steady rate afterwards, key by key", async () => {
  const { limiter, clock } = make([{ requests: 100, windowMs: 60_000, burst: 10 }]);
  assertEquals(allowedOf(limiter, ALICE, 100), 10);
  assertEquals(allowedOf(limiter, BOB, 100), 10);
  clock.advance(599);
  assertEquals(allowedOf(limiter, ALICE, 10), 0);
  clock.advance(1);
  assertEquals(allowedOf(limiter, ALICE, 10), 1);
  clock.advance(6_000);
  const { allowed, remaining, retryAfterMs, resetMs, limit, code } = await limiter.check(ALICE);
  assertEquals({ allowed, remaining, retryAfterMs, resetMs, code }, {
    allowed: true,
    remaining: 9,
    retryAfterMs: 0,
    resetMs: 600,
    code: undefined,
  });
  assertEquals([limit.name, limit.requests, limit.windowMs, limit.burst], [
    "default",
    100,
    60_000,
    10,
  ]);
});

Deno.test("check() lets no more than the limit through at the edge of a window", () => {
  const { limiter, clock } = make([{ requests: 100, windowMs: 60_000 }]);
  clock.advance(59_990);
  assertEquals(allowedOf(limiter, ALICE, 100), 100);
  clock.advance(20);
  assertEquals(allowedOf(limiter, ALICE, 100), 0);
});

Deno.test("control: a fixed window lets twice the limit through at its edge", async () => {
  const peer = new RateLimiterMemory({ points: 100, duration: 0.2 });
  const key = "alice";
  const allowed = async (count: number) => {
    let sum = 0;
    for (let at = 0; at < count; at++) await peer.consume(key).then(() => sum++, () => {});
    return sum;
  };
  try {
    // The window begins with the first request; then the edge is waited for.
    let sum = await allowed(1);
    const before = await peer.get(key);
    await new Promise((resolve) => setTimeout(resolve, (before?.msBeforeNext ?? 0) - 20));
    sum += await allowed(99);
    const first = performance.now();
    while ((await peer.get(key)) !== null) await new Promise((resolve) => setTimeout(resolve, 1));
    sum += await allowed(100);
    assertEquals(sum, 200);
    assert(performance.now() - first < 190, "199 of 200 came within less than a window");
  } finally {
    await peer.delete(key);
  }
});

Deno.test("check() never allows more than burst and rate give, in any span, with exact arithmetic", () => {
  const anything = fc.record({
    requests: fc.integer({ min: 1, max: 1009 }),
    windowMs: fc.integer({ min: 1, max: 100_000 }),
    burst: fc.integer({ min: 1, max: 20 }),
    steps: fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 25 })), {
      minLength: 1,
      maxLength: 60,
    }),
  });
  fc.assert(
    fc.property(anything, ({ requests, windowMs, burst, steps }) => {
      const { limiter, clock } = make([{ requests, windowMs, burst }]);
      // The same in rational numbers: the debt in parts of a request over windowMs.
      let debt = 0n;
      const one = BigInt(windowMs);
      const most = BigInt(burst) * one;
      for (const [ms, count] of steps) {
        clock.advance(ms);
        const paid = BigInt(ms) * BigInt(requests);
        debt = debt > paid ? debt - paid : 0n;
        for (let at = 0; at < count; at++) {
          const expected = debt + one <= most;
          const decision = limiter.checkSync(ALICE);
          assertEquals(decision.allowed, expected);
          if (expected) debt += one;
          assertEquals(decision.remaining, Number((most - debt) / one));
          const owed = (debt + BigInt(requests) - 1n) / BigInt(requests);
          assertEquals(decision.resetMs, Number(owed));
          const wait = (debt + one - most + BigInt(requests) - 1n) / BigInt(requests);
          if (!expected) assertEquals(decision.retryAfterMs, Number(wait));
        }
      }
    }),
    { seed: 6, numRuns: 100 },
  );
});

Deno.test("check() allows a refused request after retryAfterMs, and not a millisecond earlier", () => {
  for (const requests of [1, 3, 7, 60, 997]) {
    const { limiter, clock } = make([{ requests, windowMs: 60_000 }]);
    assertEquals(allowedOf(limiter, ALICE, requests + 1), requests);
    const { retryAfterMs } = limiter.checkSync(ALICE);
    clock.advance(retryAfterMs - 1);
    assertEquals(limiter.checkSync(ALICE).allowed, false);
    clock.advance(1);
    assertEquals(limiter.checkSync(ALICE).allowed, true);
  }
});

Deno.test("check() honours a window of 30 days to its end", () => {
  const days = 86_400_000;
  const { limiter, clock } = make([{ requests: 1, windowMs: 30 * days }]);
  assert(limiter.checkSync(ALICE).allowed);
  clock.advance(30 * days - 1);
  assertEquals(limiter.checkSync(ALICE).retryAfterMs, 1);
  clock.advance(1);
  assert(limiter.checkSync(ALICE).allowed);
});

Deno.test("control: a timer of more than 2^31 - 1 ms fires at once, and so a 30-day limit is forgotten", async () => {
  const peer = new RateLimiterMemory({ points: 1, duration: 30 * 86_400 });
  await peer.consume("alice");
  await new Promise((resolve) => setTimeout(resolve, 50));
  const again = await peer.consume("alice").then(() => true, () => false);
  await peer.delete("alice");
  assertEquals(again, true);
});

Deno.test("check() is not moved by a clock on the wall that jumps, nor by one that goes back", () => {
  const { limiter, clock } = make([{ requests: 10, windowMs: 60_000 }]);
  assertEquals(allowedOf(limiter, ALICE, 20), 10);
  for (const wallMs of [0, 4_000_000_000_000, 1_700_000_000_000]) {
    clock.setWall(wallMs);
    assertEquals(allowedOf(limiter, ALICE, 20), 0);
  }
  let nowMs = 1_000_000;
  const jumping = { ...clock, monotonicMs: () => nowMs, wallMs: () => 0, setTimer: clock.setTimer };
  const other = new RateLimiter({ limits: [{ requests: 10, windowMs: 60_000 }], clock: jumping });
  assertEquals(allowedOf(other, ALICE, 20), 10);
  nowMs = 0;
  assertEquals(allowedOf(other, ALICE, 20), 0);
  nowMs = 1_006_000;
  assertEquals(allowedOf(other, ALICE, 20), 1);
});

Deno.test("check() keeps several limits at once, and takes nothing when one refuses", () => {
  const { limiter, clock } = make([
    { name: "second", requests: 2, windowMs: 1_000 },
    { name: "day", requests: 5, windowMs: 86_400_000 },
  ]);
  assertEquals(limiter.checkSync(ALICE).limit.name, "second");
  assertEquals(allowedOf(limiter, ALICE, 50), 1);
  assertEquals(limiter.checkSync(ALICE).limit.name, "second");
  clock.advance(1_000);
  // The 49 refusals took nothing of the day.
  assertEquals(allowedOf(limiter, ALICE, 50), 2);
  clock.advance(1_000);
  assertEquals(allowedOf(limiter, ALICE, 50), 1);
  const decision = limiter.checkSync(ALICE);
  assertEquals([decision.limit.name, decision.allowed, decision.remaining], ["day", false, 0]);
  // And those took nothing of the second.
  clock.advance(86_400_000 / 5);
  const later = limiter.checkSync(ALICE, { cost: 0 });
  assertEquals([later.limit.name, later.remaining], ["day", 1]);
  assertEquals(limiter.limits.map(({ name }) => name), ["second", "day"]);
});

Deno.test("check() takes what a request costs, tells what is left for nothing, and rejects what never fits", async () => {
  const { limiter, events } = make([
    { name: "a", requests: 10, windowMs: 1_000 },
    { name: "b", requests: 100, windowMs: 1_000, burst: 8 },
  ]);
  assertEquals((await limiter.check(ALICE, { cost: 5 })).remaining, 3);
  assertEquals((await limiter.check(ALICE, { cost: 4 })).allowed, false);
  for (let at = 0; at < 3; at++) {
    const peek = await limiter.check(ALICE, { cost: 0 });
    assertEquals([peek.allowed, peek.remaining], [true, 3]);
  }
  assertEquals((await limiter.check(ALICE, { cost: 3 })).remaining, 0);
  events.length = 0;
  const none = await limiter.check(ALICE, { cost: 0 });
  assertEquals([none.allowed, none.remaining, none.code], [false, 0, "rate-limited"]);
  assertEquals(events, []);
  for (const cost of [9, -1, 1.5, NaN, Infinity, 2 ** 60]) {
    await assertRejects(() => limiter.check(ALICE, { cost }), RangeError, "'cost'");
    assertThrows(() => limiter.checkSync(ALICE, { cost }), RangeError, "'cost'");
  }
  const noKey = undefined as unknown as RateKey;
  await assertRejects(() => limiter.check(noKey), TypeError, "RateKey");
});

Deno.test("enforce() throws what a caller can answer with", async () => {
  const { limiter } = make([{ name: "x", requests: 1, windowMs: 10_000 }]);
  assertEquals((await limiter.enforce(ALICE)).allowed, true);
  const error = await assertRejects(() => limiter.enforce(ALICE), SecurityError);
  assertEquals(error.code, "rate-limited");
  assertEquals(error.details, { retryAfterMs: 10_000, limit: "x" });
});

Deno.test("enforce() refuses what a store refuses without a code", async () => {
  const consume = (_key: string, limits: readonly RateRule[]) => ({
    ...{ allowed: false, remaining: 0, retryAfterMs: 5, resetMs: 5 },
    ...{ limit: limits[0]!, limits, code: undefined, isDegraded: false },
  });
  for (const isShared of [false, true]) {
    const { limiter } = make([{ requests: 1, windowMs: 1_000 }], { store: { isShared, consume } });
    const error = await assertRejects(() => limiter.enforce(ALICE), SecurityError);
    assertEquals(error.code, "rate-limited");
  }
});

Deno.test("check() rejects with the reason of an aborted signal, and takes nothing", async () => {
  const { limiter } = make([{ requests: 1, windowMs: 10_000 }]);
  const signal = AbortSignal.abort(new Error("gone"));
  await assertRejects(() => limiter.check(ALICE, { signal }), Error, "gone");
  assert(limiter.checkSync(ALICE).allowed);
});

Deno.test("RateLimiter reports a flood of refusals once a window, with their number", () => {
  const { limiter, clock, events } = make([{ requests: 1, windowMs: 3_600_000 }], {
    reportEveryMs: 10_000,
  });
  const key = RateKey.composite(ALICE, RateKey.source("192.0.2.1"));
  assertEquals(allowedOf(limiter, key, 10_001), 1);
  assertEquals(events, [{
    kind: "runtime.limit",
    operation: "check",
    outcome: "denied",
    code: "rate-limited",
    principal: "alice",
    // Somebody at that address says so, whether or not it is alice.
    principalConfidence: "claimed",
    source: { address: "192.0.2.1", confidence: "forwarded" },
    resource: "source:9:192.0.2.1",
    details: { limit: "default", retryAfterMs: 3_600_000, suppressed: 0, degraded: false },
  }]);
  clock.advance(10_000);
  limiter.checkSync(key);
  assertEquals(events[1]?.details?.suppressed, 9_999);
  allowedOf(limiter, key, 5);
  limiter.close();
  assertEquals(events[2]?.details, { suppressed: 5 });
  limiter.close();
  assertEquals(events.length, 3);
});

Deno.test("RateLimiter reports whom it knows as verified only for a key of nothing else", () => {
  const source = RateKey.source("2001:db8::1");
  const tenant = RateKey.of("tenant", "source:9:192.0.2.1");
  const at = { address: "2001:db8::/64", confidence: "forwarded" } as const;
  const alice = { principal: "alice", principalConfidence: "claimed" } as const;
  const cases: [RateKey, Partial<AuditEventInput>][] = [
    [ALICE, { principal: "alice", principalConfidence: "verified" }],
    [RateKey.composite(ALICE), alice],
    [RateKey.composite(ALICE, source), { ...alice, resource: source, source: at }],
    [RateKey.composite(source, ALICE), { ...alice, resource: source, source: at }],
    [RateKey.composite(tenant, RateKey.composite(ALICE)), { ...alice, resource: tenant }],
    [RateKey.composite(tenant, source), { resource: tenant + source, source: at }],
    [source, { resource: source, source: at }],
    // What looks like an address within another kind is none.
    [tenant, { resource: tenant }],
  ];
  for (const [key, expected] of cases) {
    const { limiter, events } = make([{ requests: 1, windowMs: 3_600_000 }]);
    allowedOf(limiter, key, 2);
    const { kind: _k, operation: _o, outcome: _u, code: _c, details: _d, ...said } = events[0]!;
    assertEquals(said, expected);
  }
});

Deno.test("RateLimiter reports no more than so many refusals a window, of however many keys", () => {
  const { limiter, events } = make([{ requests: 1, windowMs: 3_600_000 }]);
  const count = 20_000;
  for (let at = 0; at < count; at++) allowedOf(limiter, RateKey.of("k", `${at}`), 2);
  const first = events.length;
  assert(first > 500 && first <= 1024, `${first} records`);
  limiter.close();
  assertEquals(events.at(-1)?.details?.suppressed, count - first);
});

Deno.test("check() refuses whoever is refused, also while the reporter fails", async () => {
  for (
    const report of [() => Promise.reject(new Error("full")), () => {
      throw new Error("full");
    }]
  ) {
    const { limiter } = make([{ requests: 1, windowMs: 1_000 }], { reporter: { report } });
    assert((await limiter.check(ALICE)).allowed);
    assertEquals((await limiter.check(ALICE)).code, "rate-limited");
  }
});

Deno.test("close() ends a limiter", async () => {
  const { limiter } = make([{ requests: 1, windowMs: 1_000 }]);
  limiter[Symbol.dispose]();
  const error = await assertRejects(() => limiter.check(ALICE), SecurityError);
  assertEquals(error.code, "closed");
});

Deno.test("RateLimiter throws on options that are wrong", () => {
  const good = { requests: 1, windowMs: 1 };
  const cases: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [{}, TypeError, "'limits'"],
    [{ limits: [] }, TypeError, "'limits'"],
    [{ limits: [null] }, TypeError, "'limits'"],
    [{ limits: Array(17).fill(good) }, TypeError, "'limits'"],
    [{ limits: [good, good] }, TypeError, "'name'"],
    [{ limits: [{ ...good, name: 'a"b' }] }, TypeError, "'name'"],
    [{ limits: [{ ...good, name: "" }] }, TypeError, "'name'"],
    [{ limits: [{ windowMs: 1 }] }, TypeError, "'requests'"],
    [{ limits: [{ requests: 1 }] }, TypeError, "'windowMs'"],
    ...["requests", "windowMs", "burst"].flatMap((name) =>
      [0, -1, NaN, Infinity, 1.5, 2 ** 52].map((
        value,
      ): [unknown, typeof RangeError, string] => [
        { limits: [{ ...good, [name]: value }] },
        RangeError,
        `'${name}'`,
      ])
    ),
    [
      { limits: [{ requests: 1, windowMs: 366 * 86_400_000, burst: 2 ** 26 }] },
      RangeError,
      "'burst'",
    ],
    [{ limits: [good], onUnavailable: "maybe" }, TypeError, "'onUnavailable'"],
    [{ limits: [good], localDivisor: 0 }, RangeError, "'localDivisor'"],
    [{ limits: [good], reportEveryMs: NaN }, RangeError, "'reportEveryMs'"],
    [{ limits: [good], reporter: {} }, TypeError, "'reporter'"],
    [{ limits: [good], store: {} }, TypeError, "'store'"],
  ];
  for (const [options, kind, message] of cases) {
    assertThrows(() => new RateLimiter(options as RateLimiterOptions), kind, message);
  }
});

Deno.test("RateLimiter shares limits of the same name and numbers on one store, and only those", () => {
  const clock = new VirtualClock();
  const store = new MemoryRateStore({ clock, capacity: 10 });
  const login = { requests: 2, windowMs: 1_000 };
  const of = (limit: RateLimitOptions) => new RateLimiter({ limits: [limit], store, clock });
  assertEquals(allowedOf(of(login), ALICE, 9), 2);
  assertEquals(allowedOf(of({ ...login, name: "default", burst: 2 }), ALICE, 9), 0);
  // What logins have used up is not refused where other limits hold.
  assertEquals(allowedOf(of({ ...login, requests: 3 }), ALICE, 9), 3);
  assertEquals(allowedOf(of({ ...login, windowMs: 2_000 }), ALICE, 9), 2);
  assertEquals(allowedOf(of({ ...login, burst: 1 }), ALICE, 9), 1);
  assertEquals(allowedOf(of({ ...login, name: "x" }), ALICE, 9), 2);
});
