import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { RATE_SCRIPT } from "../../src/runtime/_rate_script.ts";
import { MemoryRateStore } from "../../src/runtime/memory_rate_store.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";
import {
  RateLimiter,
  type RateLimiterOptions,
  type RateLimitOptions,
} from "../../src/runtime/rate_limiter.ts";
import { RedisRateStore, type RedisRateStoreOptions } from "../../src/runtime/redis_rate_store.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { hasRedis, RedisServer } from "../dpop/redis_server.ts";
import { CLIENTS, openClient, openCluster } from "../interop/redis_clients.ts";

const ignore = !hasRedis;
const ALICE = RateKey.principal("alice");
const HOUR = [{ requests: 10, windowMs: 3_600_000 }];

function make(
  command: RedisCommand,
  limits: readonly RateLimitOptions[] = HOUR,
  options: Partial<RateLimiterOptions> = {},
  storeOptions: RedisRateStoreOptions = {},
) {
  const events: AuditEventInput[] = [];
  const store = new RedisRateStore(command, { timeoutMs: 5000, ...storeOptions });
  const reporter = { report: (event: AuditEventInput): void => void events.push(event) };
  return { limiter: new RateLimiter({ limits, store, reporter, ...options }), store, events };
}

async function allowedOf(limiter: RateLimiter, count: number, key = ALICE): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: count }, () => limiter.check(key)));
  assert(decisions.every(({ isDegraded }) => !isDegraded), "Redis did not answer");
  return decisions.filter(({ allowed }) => allowed).length;
}

Deno.test({
  name: "RedisRateStore allows exactly 100 of what 8 processes ask for, whatever their clocks say",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    const script = new URL("_rate_race_child.ts", import.meta.url).href;
    const children = Array.from({ length: 8 }, (_, at) =>
      new Deno.Command("deno", {
        args: [
          ...["run", "-q", "--no-prompt", "--no-check", "--allow-read", "--allow-env"],
          ...["--allow-sys", "--allow-net=127.0.0.1", script],
          ...[CLIENTS[at % CLIENTS.length] ?? "redis", `${server.port}`, "200"],
          `${(at % 3 - 1) * 300_000}`,
        ],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn());
    const outputs = children.map((child) =>
      child.stdout.pipeThrough(new TextDecoderStream()).getReader()
    );
    for (const output of outputs) assertEquals((await output.read()).value, "ready\n");
    for (const { stdin } of children) {
      const writer = stdin.getWriter();
      await writer.write(new Uint8Array(1));
      await writer.close();
    }
    const counts = await Promise.all(outputs.map(async (output, at) => {
      const { value } = await output.read();
      await output.cancel();
      assert((await children[at]?.status)?.success);
      return Number(value);
    }));
    assertEquals(counts.reduce((sum, count) => sum + count, 0), 100);
  },
});

Deno.test({
  name: "control: to count and then to write allows more than the limit when callers race",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    let allowed = 0;
    await Promise.all(Array.from({ length: 50 }, async () => {
      if (Number(await client.command("GET", "count") ?? 0) >= 10) return;
      await client.command("INCR", "count");
      allowed++;
    }));
    assertGreater(allowed, 10);
  },
});

Deno.test({
  name: "RedisRateStore decides as MemoryRateStore does, limit by limit",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    // A day and more for a request: what passes meanwhile changes nothing but the last digits.
    const day = 86_400_000;
    const steps = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 });
    const limit = fc.record({
      requests: fc.integer({ min: 1, max: 9 }),
      burst: fc.integer({ min: 3, max: 9 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(limit, limit, steps, async (a, b, steps) => {
        const limits = [
          { name: "a", windowMs: 31 * day, ...a },
          { name: "b", windowMs: 97 * day + 1, ...b },
        ];
        const key = RateKey.of("run", `${run++}`);
        const redis = make(client.command, limits).limiter;
        const memory = new RateLimiter({ limits, clock: new VirtualClock() });
        for (const cost of steps) {
          const one = await redis.check(key, { cost });
          const other = await memory.check(key, { cost });
          assertEquals(
            [one.allowed, one.remaining, one.limit.name, one.code],
            [other.allowed, other.remaining, other.limit.name, other.code],
          );
          assert(Math.abs(one.resetMs - other.resetMs) < 30_000);
          assert(Math.abs(one.retryAfterMs - other.retryAfterMs) < 30_000);
        }
      }),
      { seed: 6, numRuns: 60 },
    );
  },
});

Deno.test({
  name: "RedisRateStore gives every key it writes an end of life, and lets the rate through",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const { limiter } = make(client.command, [
      { name: "a", requests: 20, windowMs: 400, burst: 4 },
      { name: "b", requests: 100, windowMs: 50_000 },
    ]);
    assertEquals(await allowedOf(limiter, 9), 4);
    assertEquals(await client.command("KEYS", "*").then((keys) => (keys as string[]).sort()), [
      "rate:{principal:5:alice}a",
      "rate:{principal:5:alice}b",
    ]);
    const left = Number(await client.command("PTTL", "rate:{principal:5:alice}b"));
    assert(left > 1_000 && left <= 2_001, `${left}`);
    const start = performance.now();
    let allowed = 4;
    while (performance.now() - start < 500) allowed += await allowedOf(limiter, 1);
    const most = 4 + Math.ceil((performance.now() - start + 50) / 20);
    assert(allowed > 8 && allowed <= most, `${allowed} of ${most}`);
    const later = performance.now() + 5_000;
    while (await client.command("EXISTS", "rate:{principal:5:alice}a") === 1) {
      assertLess(performance.now(), later);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
});

Deno.test({
  name: "RedisRateStore goes on when scripts were flushed, with one EVAL",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const names: string[] = [];
    const { limiter } = make((...words) => {
      names.push(words[0]);
      return client.command(...words);
    });
    assertEquals(await client.command("SCRIPT", "LOAD", RATE_SCRIPT.text), RATE_SCRIPT.sha1);
    assertEquals(await allowedOf(limiter, 1), 1);
    await client.command("SCRIPT", "FLUSH");
    assertEquals(await allowedOf(limiter, 1), 1);
    assertEquals(await allowedOf(limiter, 1), 1);
    assertEquals(names, ["EVALSHA", "EVALSHA", "EVAL", "EVALSHA"]);
  },
});

Deno.test({
  name:
    "RedisRateStore keeps no key locked out when the server's clock was set back, or limits changed",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const name = "rate:{principal:5:alice}default";
    const { limiter } = make(client.command);
    // What would be left behind by a clock that was ten years ahead.
    await client.command("SET", name, `${(Date.now() + 315_360_000_000) * 1000}:0`);
    const { allowed, retryAfterMs, resetMs } = await limiter.check(ALICE);
    assertEquals([allowed, retryAfterMs, resetMs], [false, 360_000, 3_600_000]);
    // Nor does what is none of ours count for something.
    await client.command("SET", name, "hello");
    assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
    await client.command("LPUSH", "rate:{principal:3:bob}default", "x");
    const bob = await limiter.check(RateKey.principal("bob"));
    assertEquals(bob.allowed, true, "MGET reads a list as nothing, and SET replaces it");
  },
});

Deno.test({
  name: "RedisRateStore counts keys of any characters by themselves",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    const client = await openClient("ioredis", server);
    try {
      const { limiter } = make(client.command, [{ requests: 1, windowMs: 3_600_000 }]);
      const values = ["a", "}", "{", "a}b", "{a}", "é", "\0", "x y", "#a", "x".repeat(500)];
      values.push("x".repeat(501), "\r\n", "日本");
      for (const value of values) {
        assertEquals(await allowedOf(limiter, 3, RateKey.of("k", value)), 1);
      }
      const keys = await client.command("KEYS", "*");
      assert(
        Array.isArray(keys) && keys.every((key) => /^rate:\{[^{}]{1,128}\}default$/.test(key)),
      );
      assertEquals(keys.length, values.length);
    } finally {
      client.close();
    }
  },
});

for (const name of CLIENTS) {
  Deno.test({
    name: `RedisRateStore keeps several limits of a key in one slot of a cluster, through ${name}`,
    ignore,
    async fn() {
      await using first = await RedisServer.startNode();
      await using second = await RedisServer.startNode();
      await RedisServer.join(first, second);
      const client = await openCluster(name, first);
      try {
        const { limiter } = make(client.command, [
          { name: "a", requests: 2, windowMs: 3_600_000 },
          { name: "b", requests: 5, windowMs: 3_600_000 },
        ]);
        for (let at = 0; at < 20; at++) {
          assertEquals(await allowedOf(limiter, 4, RateKey.of("k", `${at}`)), 2);
        }
        for (const node of [first, second]) {
          using direct = await node.connect();
          assertGreater(Number(await direct.command("DBSIZE")), 3);
        }
      } finally {
        client.close();
      }
    },
  });

  Deno.test({
    name: `RedisRateStore decides in time while ${name} waits for a frozen server, and recovers`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      const client = await openClient(name, server);
      try {
        const timeoutMs = 100;
        const store = { timeoutMs, pauseMs: 50, maxPauseMs: 50 };
        const closed = make(client.command, HOUR, {}, store);
        const local = make(client.command, HOUR, { onUnavailable: "local" }, store);
        const open = make(client.command, HOUR, { onUnavailable: "open" }, store);
        for (const { limiter } of [closed, local, open]) {
          assert((await limiter.check(ALICE)).allowed);
        }

        server.suspend();
        // The control: without the store's deadline there is no answer.
        let isAnswered = false;
        const bare = client.command("PING").then(() => isAnswered = true);
        const start = performance.now();
        const decisions = await Promise.all(
          [closed, local, open].flatMap(({ limiter }) =>
            Array.from({ length: 20 }, () => limiter.check(ALICE))
          ),
        );
        const elapsed = performance.now() - start;
        assertLess(elapsed, timeoutMs + 400);
        assertGreater(elapsed, timeoutMs - 20);
        assertEquals(isAnswered, false);
        const counts = [0, 20, 40].map((from) =>
          decisions.slice(from, from + 20).filter(({ allowed }) => allowed).length
        );
        assertEquals(counts, [0, 10, 20]);
        assert(decisions.every(({ isDegraded }) => isDegraded));
        assertEquals(decisions[0]?.code, "limiter-unavailable");
        assertEquals(decisions[39]?.code, "rate-limited");
        for (const { events, limiter, store } of [closed, local, open]) {
          assert(limiter.isDegraded && store.isPaused);
          const changes = events.filter(({ operation }) => operation === "store");
          assertEquals(changes.map(({ outcome, code }) => [outcome, code]), [
            ["error", "limiter-unavailable"],
          ]);
        }

        server.resume();
        await bare;
        const deadline = performance.now() + 10_000;
        for (const { limiter, events } of [closed, local, open]) {
          while (limiter.isDegraded) {
            assertLess(performance.now(), deadline, "did not recover");
            await limiter.check(RateKey.principal("probe"));
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          const changes = events.filter(({ operation }) => operation === "store");
          assertEquals(changes.map(({ outcome }) => outcome), ["error", "success"]);
        }
      } finally {
        server.resume();
        client.close();
      }
    },
  });

  Deno.test({
    name:
      `RedisRateStore survives a server that is killed, comes back and is flushed, through ${name}`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      const client = await openClient(name, server);
      try {
        const { limiter } = make(client.command, HOUR, {}, {
          timeoutMs: 200,
          pauseMs: 20,
          maxPauseMs: 50,
        });
        const comesBack = async () => {
          const deadline = performance.now() + 20_000;
          while ((await limiter.check(ALICE, { cost: 0 })).isDegraded) {
            assertLess(performance.now(), deadline, "did not recover");
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        };
        assertEquals(await allowedOf(limiter, 20), 10);
        const underWay = Array.from({ length: 50 }, () => limiter.check(ALICE));
        await server.kill();
        assert((await Promise.all(underWay)).every(({ allowed }) => !allowed));
        for (let at = 0; at < 10; at++) {
          assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
        }
        await server.restart();
        await comesBack();
        // It had written nothing down, and starts anew.
        assertEquals(await allowedOf(limiter, 20), 10);
        await client.command("FLUSHALL");
        await client.command("SCRIPT", "FLUSH");
        assertEquals(await allowedOf(limiter, 20), 10);
      } finally {
        client.close();
      }
    },
  });
}

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
    const { limiter } = make(() => Promise.resolve(reply));
    const { allowed, code } = await limiter.check(ALICE);
    assertEquals([reply, allowed, code], [reply, false, "limiter-unavailable"]);
  }
  const bytes = (text: string) => new TextEncoder().encode(text);
  const good: unknown[] = [[1, 0, 0], ["1", "0", "0"], [1n, 0n, 0n], ["1", "0", "0"].map(bytes)];
  for (const reply of good) {
    const { limiter } = make(() => Promise.resolve(reply));
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
    const { limiter } = make(command);
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
  const { limiter, events } = make(command, HOUR, { clock }, {
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
  // A probe whose caller goes away does not keep the others out.
  clock.advance(4000);
  holds = true;
  const controller = new AbortController();
  const probe = limiter.check(ALICE, { signal: controller.signal });
  assertEquals((await limiter.check(ALICE)).allowed, false);
  controller.abort(new Error("gone"));
  await assertRejects(() => probe, Error, "gone");
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
  const { limiter } = make(command, HOUR, { clock }, { clock, timeoutMs: 100 });
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
  const { limiter } = make(command, HOUR, {}, { timeoutMs: 20 });
  await limiter.check(ALICE);
  assertEquals(isDecided, false);
});

Deno.test("onUnavailable: 'local' divides limits by the number of processes, and keeps none open", async () => {
  const command = () => Promise.reject(new Error("away"));
  const { limiter } = make(command, HOUR, { onUnavailable: "local", localDivisor: 4 });
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
    const { limiter } = make(() => Promise.reject(new Error("away")), HOUR, {
      onUnavailable,
      reporter,
    });
    assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
    isFull = false;
    assertEquals((await limiter.check(ALICE)).allowed, true);
  }
});

Deno.test("enforce() throws limiter-unavailable, and says nothing of the server", async () => {
  const { limiter } = make(() => Promise.reject(new Error("10.0.0.7 refused")));
  const error = await assertRejects(() => limiter.enforce(ALICE));
  assertInstanceOf(error, SecurityError);
  assertEquals(error.code, "limiter-unavailable");
  assertEquals(error.details, { retryAfterMs: 1000, limit: "default" });
  assert(!error.message.includes("10.0.0.7"));
});

Deno.test("checkSync() throws with a shared store, and takes nothing", () => {
  let sent = 0;
  const { limiter } = make(() => Promise.resolve(sent++));
  assertThrows(() => limiter.checkSync(ALICE), TypeError, "shared");
  assertEquals(sent, 0);
});

Deno.test("check() passes on the reason of the signal, and does not count it as a failure", async () => {
  const { limiter, store } = make(() => new Promise(() => {}), HOUR, {}, { maxFailures: 1 });
  const controller = new AbortController();
  const check = limiter.check(ALICE, { signal: controller.signal });
  controller.abort(new Error("gone"));
  await assertRejects(() => check, Error, "gone");
  assertEquals([limiter.isDegraded, store.isPaused], [false, false]);
  await assertRejects(() => limiter.check(ALICE, { signal: controller.signal }), Error, "gone");
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
