import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { MemoryRateStore } from "../../src/runtime/memory_rate_store.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";
import { RateLimiter } from "../../src/runtime/rate_limiter.ts";
import { RedisRateStore, type RedisRateStoreOptions } from "../../src/runtime/redis_rate_store.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { ALICE, HOUR, redisLimiter } from "./_redis_limiter.ts";

Deno.test("RedisRateStore takes nothing for a decision that is none", async () => {
  const replies: unknown[] = [
    ...[null, undefined, "OK", "QUEUED", 1, true, {}, [], [1], [1, 0], [1, 0, 0, 0], [
      "1",
      "x",
      "0",
    ]],
    ...[[1, -1, 0], [1, 0.5, 0], [1, NaN, 0], [2, 0, 0], [1, 2 ** 60, 0], [1, 0, 10], [0, 0, 0]],
    ...[[1, null, 0], [1, "", 0], [1, [], 0], [true, 0, 0], [1, 3_600_000_000, 0]],
  ];
  for (const reply of replies) {
    const { limiter } = redisLimiter(() => Promise.resolve(reply));
    const { allowed, code } = await limiter.check(ALICE);
    assertEquals([reply, allowed, code], [reply, false, "limiter-unavailable"]);
  }
  const bytes = (text: string) => new TextEncoder().encode(text);
  const good: unknown[] = [[1, 0, 0], ["1", "0", "0"], [1n, 0n, 0n], ["1", "0", "0"].map(bytes)];
  for (const reply of good) {
    const { limiter } = redisLimiter(() => Promise.resolve(reply));
    assertEquals((await limiter.check(ALICE)).remaining, 9);
  }
  const broken: RedisCommand[] = [
    () => Promise.reject(new Error("OOM command not allowed")),
    () => Promise.reject(undefined),
    () => {
      throw new Error("sync");
    },
  ];
  for (const command of broken) {
    const { limiter } = redisLimiter(command);
    assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
  }
});

Deno.test("RedisRateStore leaves a server alone that fails, and lets one call find out", async () => {
  const clock = new VirtualClock();
  let sent = 0;
  let isBack = false;
  const held: ((value: unknown) => void)[] = [];
  let holds = false;
  const command = () => {
    sent++;
    if (holds) return new Promise((resolve) => held.push(resolve));
    return isBack ? Promise.resolve([1, 0, 0]) : Promise.reject(new Error("away"));
  };
  const { limiter, events } = redisLimiter(command, HOUR, { clock }, {
    clock,
    timeoutMs: 100,
    maxFailures: 3,
    pauseMs: 1000,
    maxPauseMs: 4000,
    random: () => 1,
  });
  for (let at = 0; at < 50; at++) await limiter.check(ALICE);
  assertEquals(sent, 3);
  assertEquals((await limiter.check(ALICE)).retryAfterMs, 1000);
  // Pauses double up to the longest.
  for (const pauseMs of [1000, 2000, 4000, 4000]) {
    clock.advance(pauseMs - 1);
    await limiter.check(ALICE);
    const before = sent;
    clock.advance(1);
    await Promise.all(Array.from({ length: 20 }, () => limiter.check(ALICE)));
    assertEquals(sent, before + 1);
  }
  // A probe whose caller goes away keeps the others out until its deadline at most, and then is a failure.
  clock.advance(4000);
  holds = true;
  const controller = new AbortController();
  const probe = limiter.check(ALICE, { signal: controller.signal });
  assertEquals((await limiter.check(ALICE)).allowed, false);
  controller.abort(new Error("gone"));
  await assertRejects(() => probe, Error, "gone");
  clock.advance(99);
  assertEquals(clock.timers, 1);
  clock.advance(1);
  assertEquals(clock.timers, 0);
  clock.advance(4000);
  holds = false;
  isBack = true;
  assert((await limiter.check(ALICE)).allowed);
  assert((await limiter.check(ALICE)).allowed);
  clock.advance(1000);
  assert((await limiter.check(ALICE)).allowed);
  const changes = events.filter(({ operation }) => operation === "store");
  assertEquals(changes.map(({ outcome }) => outcome), ["error", "success"]);
  held[0]?.([1, 0, 0]);
  assertEquals(clock.timers, 0);
});

Deno.test("RedisRateStore has a deadline of its own, drops a late answer and leaves no timer", async () => {
  const clock = new VirtualClock();
  let answer: (value: unknown) => void = () => {};
  let signal: AbortSignal | undefined;
  const command = Object.assign(
    (...words: (string | { readonly signal?: AbortSignal | undefined })[]) => {
      const last = words.at(-1);
      signal = typeof last === "object" ? last.signal : undefined;
      return new Promise((resolve) => answer = resolve);
    },
    { takesOptions: true } as const,
  );
  const { limiter } = redisLimiter(command, HOUR, { clock }, { clock, timeoutMs: 100 });
  const check = limiter.check(ALICE);
  for (let at = 0; at < 20; at++) await undefined;
  assertEquals([clock.timers, signal?.aborted], [1, false]);
  clock.advance(100);
  assertEquals((await check).code, "limiter-unavailable");
  assertEquals([clock.timers, signal?.aborted], [0, true]);
  answer([1, 0, 0]);
  await undefined;
  assert(limiter.isDegraded);
});

Deno.test("control: rate limits by a client that waits for Redis are not decided at all", async () => {
  const command: RedisCommand = () => new Promise(() => {});
  let isDecided = false;
  command("EVALSHA").then(() => isDecided = true);
  const { limiter } = redisLimiter(command, HOUR, {}, { timeoutMs: 20 });
  await limiter.check(ALICE);
  assertEquals(isDecided, false);
});

Deno.test("onUnavailable: 'local' divides limits by the number of processes, and keeps none open", async () => {
  const command = () => Promise.reject(new Error("away"));
  const { limiter } = redisLimiter(command, HOUR, { onUnavailable: "local", localDivisor: 4 });
  const decisions = await Promise.all(Array.from({ length: 9 }, () => limiter.check(ALICE)));
  assertEquals(decisions.filter(({ allowed }) => allowed).length, 2);
  assertEquals(decisions[8]?.limit.requests, 2);
  assertEquals(
    (await limiter.check(RateKey.principal("bob"), { cost: 3 })).code,
    "limiter-unavailable",
  );
});

Deno.test("onUnavailable allows nothing while the change cannot be recorded", async () => {
  for (const onUnavailable of ["local", "open"] as const) {
    let isFull = true;
    const reporter = {
      report: () => isFull ? Promise.reject(new Error("full")) : Promise.resolve(),
    };
    const { limiter } = redisLimiter(() => Promise.reject(new Error("away")), HOUR, {
      onUnavailable,
      reporter,
    });
    assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
    isFull = false;
    assertEquals((await limiter.check(ALICE)).allowed, true);
  }
});

Deno.test("enforce() throws limiter-unavailable, and says nothing of the server", async () => {
  const { limiter } = redisLimiter(() => Promise.reject(new Error("10.0.0.7 refused")));
  const error = await assertRejects(() => limiter.enforce(ALICE));
  assertInstanceOf(error, SecurityError);
  assertEquals(error.code, "limiter-unavailable");
  assertEquals(error.details, { retryAfterMs: 1000, limit: "default" });
  assert(!error.message.includes("10.0.0.7"));
});

Deno.test("checkSync() throws with a shared store, and takes nothing", () => {
  let sent = 0;
  const { limiter } = redisLimiter(() => Promise.resolve(sent++));
  assertThrows(() => limiter.checkSync(ALICE), TypeError, "shared");
  assertEquals(sent, 0);
});

Deno.test("check() passes on the reason of the signal, which is no failure yet", async () => {
  const clock = new VirtualClock();
  let answer: (value: unknown) => void = () => {};
  const command = () => new Promise((resolve) => answer = resolve);
  const { limiter, store } = redisLimiter(command, HOUR, { clock }, { clock, maxFailures: 1 });
  const controller = new AbortController();
  const check = limiter.check(ALICE, { signal: controller.signal });
  controller.abort(new Error("gone"));
  await assertRejects(() => check, Error, "gone");
  assertEquals([limiter.isDegraded, store.isPaused], [false, false]);
  await assertRejects(() => limiter.check(ALICE, { signal: controller.signal }), Error, "gone");
  answer([1, 0, 0]);
  for (let at = 0; at < 10; at++) await undefined;
  assertEquals([store.isPaused, clock.timers], [false, 0]);
});

Deno.test("RedisRateStore leaves a server alone that hangs, however soon callers hang up", async () => {
  const clock = new VirtualClock();
  let sent = 0;
  const command = () => {
    sent++;
    return new Promise(() => {});
  };
  const { limiter, store } = redisLimiter(command, HOUR, { clock }, { clock, timeoutMs: 100 });
  for (let round = 0; round < 100; round++) {
    const controller = new AbortController();
    const check = limiter.check(ALICE, { signal: controller.signal }).catch(() => {});
    clock.advance(10);
    controller.abort();
    await check;
  }
  assertEquals(store.isPaused, true);
  assertLess(sent, 60);
  clock.advance(100);
  assertEquals(clock.timers, 0);
});

Deno.test("check() is decided while the store is away and the reporter hangs", async () => {
  for (const onUnavailable of ["closed", "local", "open"] as const) {
    const clock = new VirtualClock();
    const store = new RedisRateStore(() => Promise.reject(new Error("away")), { clock });
    let recorded: () => void = () => {};
    const reporter = {
      report: ({ operation }: AuditEventInput) =>
        operation === "store" ? new Promise<void>((resolve) => recorded = resolve) : undefined,
    };
    const limiter = new RateLimiter({ limits: HOUR, store, reporter, onUnavailable, clock });
    if (onUnavailable === "closed") {
      assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
      recorded();
      for (let at = 0; at < 10; at++) await undefined;
      assertEquals(clock.timers, 0);
      continue;
    }
    const controller = new AbortController();
    const impatient = limiter.check(ALICE, { signal: controller.signal });
    const patient = limiter.check(ALICE);
    for (let at = 0; at < 20; at++) await undefined;
    controller.abort(new Error("gone"));
    await assertRejects(() => impatient, Error, "gone");
    clock.advance(1000);
    assertEquals((await patient).code, "limiter-unavailable");
    // Nobody waits again, until it is recorded after all.
    assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
    recorded();
    for (let at = 0; at < 10; at++) await undefined;
    assertEquals((await limiter.check(ALICE)).allowed, true);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("RedisRateStore throws on options that are wrong", () => {
  const command = () => Promise.resolve();
  const cases: [unknown, typeof TypeError | typeof RangeError, string][] = [
    ...["timeoutMs", "maxFailures", "pauseMs", "maxPauseMs"].flatMap((name) =>
      [0, -1, NaN, Infinity, 2 ** 31].map((
        value,
      ): [unknown, typeof RangeError, string] => [{ [name]: value }, RangeError, `'${name}'`])
    ),
    [{ prefix: "{x}" }, TypeError, "'prefix'"],
    [{ prefix: 1 }, TypeError, "'prefix'"],
    [{ random: 1 }, TypeError, "'random'"],
  ];
  for (const [options, kind, message] of cases) {
    assertThrows(
      () => new RedisRateStore(command, options as RedisRateStoreOptions),
      kind,
      message,
    );
  }
  assertThrows(
    () => new RedisRateStore(undefined as unknown as RedisCommand),
    TypeError,
    "'command'",
  );
  assertEquals([new RedisRateStore(command).isShared, new MemoryRateStore().isShared], [
    true,
    false,
  ]);
});
