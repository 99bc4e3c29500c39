import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import fc from "fast-check";
import { RATE_SCRIPT } from "../../src/runtime/_rate_script.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";
import { RateLimiter } from "../../src/runtime/rate_limiter.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { hasRedis, RedisServer } from "../dpop/redis_server.ts";
import { CLIENTS, openClient, openCluster } from "../interop/redis_clients.ts";
import { ALICE, HOUR, redisLimiter } from "./_redis_limiter.ts";

const ignore = !hasRedis;

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
        const redis = redisLimiter(client.command, limits).limiter;
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
    const { limiter } = redisLimiter(client.command, [
      { name: "a", requests: 20, windowMs: 400, burst: 4 },
      { name: "b", requests: 100, windowMs: 50_000 },
    ]);
    assertEquals(await allowedOf(limiter, 9), 4);
    assertEquals(await client.command("KEYS", "*").then((keys) => (keys as string[]).sort()), [
      "rate:{principal:5:alice}a:20:400:4",
      "rate:{principal:5:alice}b:100:50000:100",
    ]);
    const left = Number(await client.command("PTTL", "rate:{principal:5:alice}b:100:50000:100"));
    assert(left > 1_000 && left <= 2_001, `${left}`);
    const start = performance.now();
    let allowed = 4;
    while (performance.now() - start < 500) allowed += await allowedOf(limiter, 1);
    const most = 4 + Math.ceil((performance.now() - start + 50) / 20);
    assert(allowed > 8 && allowed <= most, `${allowed} of ${most}`);
    const later = performance.now() + 5_000;
    while (await client.command("EXISTS", "rate:{principal:5:alice}a:20:400:4") === 1) {
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
    const { limiter } = redisLimiter((...words) => {
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
  name: "RedisRateStore keeps no key locked out when the server's clock was set back",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const name = "rate:{principal:5:alice}default:10:3600000:10";
    const { limiter } = redisLimiter(client.command);
    // What would be left behind by a clock that was ten years ahead.
    await client.command("SET", name, `${(Date.now() + 315_360_000_000) * 1000}:0`);
    const { allowed, retryAfterMs, resetMs } = await limiter.check(ALICE);
    assertEquals([allowed, retryAfterMs, resetMs], [false, 360_000, 3_600_000]);
    // The refusal has written down what can be owed at most, with its end: it is paid back from now on.
    const left = Number(await client.command("PTTL", name));
    assert(left > 3_500_000 && left <= 3_600_001, `${left}`);
    assertLess(
      Number.parseInt(String(await client.command("GET", name))) / 1000,
      Date.now() + 3.6e6,
    );

    const fast = redisLimiter(client.command, [{ requests: 5, windowMs: 500 }]).limiter;
    const other = "rate:{principal:5:alice}default:5:500:5";
    for (const cost of [1, 0]) {
      await client.command("SET", other, `${(Date.now() + 86_400_000) * 1000}:0`, "PX", "86400000");
      const deadline = performance.now() + 2_000;
      while (!(await fast.check(ALICE, { cost })).allowed) {
        assertLess(performance.now(), deadline, "locked out");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  },
});

Deno.test({
  name: "RedisRateStore takes nothing of a key that holds something else, and serves the others",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const { limiter, store } = redisLimiter(client.command);
    const name = "rate:{principal:5:alice}default:10:3600000:10";
    const values = [["SET", name, "hello"], ["SET", name, "1:10"], ["LPUSH", name, "x"]] as const;
    for (const words of values) {
      await client.command("DEL", name);
      await client.command(...words);
      for (let at = 0; at < 10; at++) {
        assertEquals((await limiter.check(ALICE)).code, "limiter-unavailable");
      }
    }
    assertEquals(await client.command("LRANGE", name, "0", "-1"), ["x"]);
    assertEquals(store.isPaused, false);
    assertEquals(await allowedOf(limiter, 20, RateKey.principal("bob")), 10);
  },
});

Deno.test({
  name: "RedisRateStore takes a program that was busy for no failure of the server",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const { limiter, store } = redisLimiter(client.command, HOUR, {}, {
      timeoutMs: 50,
      maxFailures: 1,
    });
    assertEquals(await allowedOf(limiter, 1), 1);
    // The answers come while nobody reads.
    await client.command("CLIENT", "PAUSE", "20");
    const checks = Array.from({ length: 6 }, () => limiter.check(ALICE));
    await new Promise((resolve) => setTimeout(resolve, 0));
    const start = performance.now();
    while (performance.now() - start < 100);
    assertEquals((await Promise.all(checks)).map(({ code }) => code), Array(6).fill(undefined));
    assertEquals(store.isPaused, false);
  },
});

Deno.test({
  name: "RedisRateStore counts keys of any characters by themselves",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    const client = await openClient("ioredis", server);
    try {
      const { limiter } = redisLimiter(client.command, [{ requests: 1, windowMs: 3_600_000 }]);
      const values = ["a", "}", "{", "a}b", "{a}", "é", "\0", "x y", "#a", "x".repeat(500)];
      values.push("x".repeat(501), "\r\n", "日本");
      for (const value of values) {
        assertEquals(await allowedOf(limiter, 3, RateKey.of("k", value)), 1);
      }
      const keys = await client.command("KEYS", "*");
      assert(
        Array.isArray(keys) &&
          keys.every((key) => /^rate:\{[^{}]{1,128}\}default:1:3600000:1$/.test(key)),
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
        const { limiter } = redisLimiter(client.command, [
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
        const store = { timeoutMs, maxFailures: 1, pauseMs: 50, maxPauseMs: 50 };
        const closed = redisLimiter(client.command, HOUR, {}, store);
        const local = redisLimiter(client.command, HOUR, { onUnavailable: "local" }, store);
        const open = redisLimiter(client.command, HOUR, { onUnavailable: "open" }, store);
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
        const { limiter } = redisLimiter(client.command, HOUR, {}, {
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
