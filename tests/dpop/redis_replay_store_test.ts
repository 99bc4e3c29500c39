import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import { BUCKET_SCRIPT, BUCKET_SCRIPT_SHA1, bucketPlace } from "../../src/dpop/_redis_script.ts";
import {
  RedisReplayStore,
  type RedisReplayStoreOptions,
} from "../../src/dpop/redis_replay_store.ts";
import { hasRedis, RedisServer } from "./redis_server.ts";
import { randomReplayKey, testReplayContract } from "./_replay_contract.ts";

const NOW = 1_700_000_000;
const KEY = "n4bQgYhMfWWaL-qgxVrQFa";
const MODES = ["plain", "bucketed"] as const;
const ignore = !hasRedis;

/** The outcome of an add: its answer, or the code of its refusal. */
async function outcome(add: Promise<boolean>): Promise<boolean | string> {
  try {
    return await add;
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    return String(error.code);
  }
}

/** Answers what the test says, and keeps what it was sent. */
function recorder(...replies: unknown[]): { command: RedisCommand; sent: string[][] } {
  const sent: string[][] = [];
  return {
    sent,
    command(...words) {
      const reply = replies[Math.min(sent.push(words), replies.length) - 1];
      return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
    },
  };
}

function never(): Promise<unknown> {
  return new Promise(() => {});
}

for (const mode of MODES) {
  testReplayContract(`RedisReplayStore (${mode})`, async () => {
    const server = await RedisServer.start();
    const client = await server.connect();
    return {
      store: new RedisReplayStore(client.command, { mode, timeoutMs: 5000 }),
      async close() {
        client[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }, { ignore });
}

Deno.test("add() sends one atomic command on one key, with a duration that was rounded up", async () => {
  const cases: [string, number, number][] = [
    ["360", NOW + 360, NOW],
    ["361", NOW + 360.2, NOW],
    ["360", NOW + 360, NOW + 0.8],
    ["1", NOW + 0.1, NOW],
    ["1", NOW, NOW],
  ];
  for (const [seconds, expires, nowSeconds] of cases) {
    const plain = recorder("OK");
    assert(await new RedisReplayStore(plain.command).add(KEY, expires, { nowSeconds }));
    assertEquals(plain.sent, [["SET", `dpop:${KEY}`, "1", "NX", "EX", seconds]]);

    const bucketed = recorder(1);
    const store = new RedisReplayStore(bucketed.command, {
      mode: "bucketed",
      prefix: "{p}",
      shards: 100,
    });
    assert(await store.add(KEY, expires, { nowSeconds }));
    const { bucket, member } = bucketPlace(KEY, 100);
    const words = [
      "EVALSHA",
      BUCKET_SCRIPT_SHA1,
      "1",
      `{p}${bucket.toString(36)}`,
      member,
      seconds,
    ];
    assertEquals(bucketed.sent, [words]);
  }
});

Deno.test("add() answers false for what has expired, and sends nothing", async () => {
  const { command, sent } = recorder("OK");
  const store = new RedisReplayStore(command);
  assertEquals(await store.add(KEY, NOW - 1, { nowSeconds: NOW }), false);
  assertEquals(sent, []);
});

Deno.test("add() reads the replies of every client, and refuses all others", async () => {
  const refused = "replay-store-unavailable";
  const bytes = (text: string) => new TextEncoder().encode(text);
  const cases: ["plain" | "bucketed", unknown, boolean | string][] = [
    ["plain", "OK", true],
    ["plain", bytes("OK"), true],
    ["plain", null, false],
    ...["ok", "OK ", "QUEUED", "", "1", 1, 0, true, false, undefined, {}, [], ["OK"], bytes("no")]
      .map((reply): ["plain", unknown, string] => ["plain", reply, refused]),
    ["bucketed", 1, true],
    ["bucketed", 1n, true],
    ["bucketed", "1", true],
    ["bucketed", bytes("1"), true],
    ["bucketed", 0, false],
    ["bucketed", 0n, false],
    ["bucketed", "0", false],
    ...["OK", "QUEUED", null, 2, -1, NaN, "", true, false, undefined, [1], new Error("no")]
      .map((reply): ["bucketed", unknown, string] => ["bucketed", reply, refused]),
  ];
  for (const [mode, reply, expected] of cases) {
    const store = new RedisReplayStore(recorder(reply).command, { mode });
    assertEquals(await outcome(store.add(KEY, NOW + 1, { nowSeconds: NOW })), expected);
  }
});

Deno.test("add() refuses what the command throws, and tells a full server apart", async () => {
  const cases: [unknown, string][] = [
    [
      new Error("OOM command not allowed when used memory > 'maxmemory'."),
      "replay-store-full",
    ],
    [
      new Error(
        "ERR Error running script: -OOM command not allowed when used memory > 'maxmemory'.",
      ),
      "replay-store-full",
    ],
    [
      new Error("READONLY You can't write against a read only replica."),
      "replay-store-unavailable",
    ],
    [new Error("NOAUTH Authentication required."), "replay-store-unavailable"],
    [new Error("NOSCRIPT No matching script."), "replay-store-unavailable"],
    ["a string", "replay-store-unavailable"],
    [undefined, "replay-store-unavailable"],
  ];
  for (const mode of MODES) {
    for (const [thrown, code] of cases) {
      const rejects = new RedisReplayStore(() => Promise.reject(thrown), { mode });
      assertEquals(await outcome(rejects.add(KEY, NOW + 1, { nowSeconds: NOW })), code);
      const throws = new RedisReplayStore(() => {
        throw thrown;
      }, { mode });
      assertEquals(await outcome(throws.add(KEY, NOW + 1, { nowSeconds: NOW })), code);
    }
  }
});

Deno.test("add() keeps the server's words out of its message", async () => {
  const secret = "WRONGPASS for user admin at 10.0.0.7";
  const store = new RedisReplayStore(() => Promise.reject(new Error(secret)));
  try {
    await store.add(KEY, NOW + 1, { nowSeconds: NOW });
    assert(false, "was accepted");
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    assertEquals(error.message, "The replay store gave no usable answer");
    assertEquals(error.details, {});
    assertInstanceOf(error.cause, Error);
    assertEquals(error.cause.message, secret);
  }
});

Deno.test("add() sends the script itself once the server does not know it, and within the deadline only", async () => {
  const { command, sent } = recorder(new Error("NOSCRIPT No matching script."), 1);
  const store = new RedisReplayStore(command, { mode: "bucketed" });
  assert(await store.add(KEY, NOW + 1, { nowSeconds: NOW }));
  assertEquals(sent.map(([name]) => name), ["EVALSHA", "EVAL"]);
  assertEquals(sent[1]?.slice(2), sent[0]?.slice(2));
  assertEquals(sent[1]?.[1], BUCKET_SCRIPT);

  const first = Promise.withResolvers<unknown>();
  const names: string[] = [];
  const slow = new RedisReplayStore((name) => {
    names.push(name);
    return first.promise;
  }, { mode: "bucketed", timeoutMs: 1 });
  assertEquals(
    await outcome(slow.add(KEY, NOW + 1, { nowSeconds: NOW })),
    "replay-store-unavailable",
  );
  first.reject(new Error("NOSCRIPT No matching script."));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(names, ["EVALSHA"]);
});

Deno.test("BUCKET_SCRIPT_SHA1 names BUCKET_SCRIPT", async () => {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(BUCKET_SCRIPT));
  assertEquals(
    BUCKET_SCRIPT_SHA1,
    Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  );
});

Deno.test("bucketPlace() spreads keys evenly, and members over 64 bits", () => {
  const counts = new Array<number>(64).fill(0);
  const members = new Set<string>();
  for (let at = 0; at < 6400; at++) {
    const { bucket, member } = bucketPlace(`key ${at}`, 64);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    members.add(member);
    assertEquals(String(BigInt.asIntN(64, BigInt(member))), member);
  }
  assertEquals(members.size, 6400);
  for (const count of counts) assertLess(Math.abs(count - 100), 50);
});

Deno.test("add() refuses in time when nobody answers, while the bare command waits for ever", async () => {
  for (const mode of MODES) {
    const store = new RedisReplayStore(never, { mode, timeoutMs: 20 });
    const start = performance.now();
    assertEquals(
      await outcome(store.add(KEY, NOW + 1, { nowSeconds: NOW })),
      "replay-store-unavailable",
    );
    assertLess(performance.now() - start, 1000);
  }
  const bare = await Promise.race([
    never(),
    new Promise((resolve) => setTimeout(() => resolve("still waiting"), 50)),
  ]);
  assertEquals(bare, "still waiting");
});

Deno.test("add() rejects with the signal's reason, and sends nothing when it was aborted before", async () => {
  const reason = new Error("the request has ended");
  const { command, sent } = recorder("OK");
  const before = new RedisReplayStore(command);
  const during = new RedisReplayStore(never);
  const controller = new AbortController();
  const adds = [
    before.add(KEY, NOW + 1, { nowSeconds: NOW, signal: AbortSignal.abort(reason) }),
    during.add(KEY, NOW + 1, { nowSeconds: NOW, signal: controller.signal }),
  ];
  controller.abort(reason);
  for (const result of await Promise.allSettled(adds)) {
    assert(result.status === "rejected");
    assertEquals(result.reason, reason);
  }
  assertEquals(sent, []);
});

Deno.test("RedisReplayStore() refuses options that cannot be meant", () => {
  const { command } = recorder("OK");
  const cases: [RedisReplayStoreOptions, typeof TypeError | typeof RangeError, string][] = [
    [{ timeoutMs: 0 }, RangeError, "'timeoutMs'"],
    [{ timeoutMs: NaN }, RangeError, "'timeoutMs'"],
    [{ timeoutMs: 2 ** 31 }, RangeError, "'timeoutMs'"],
    [{ shards: 0 }, RangeError, "'shards'"],
    [{ shards: 1.5 }, RangeError, "'shards'"],
    [{ shards: 2 ** 24 + 1 }, RangeError, "'shards'"],
    // Callers without types.
    [{ prefix: 1 as unknown as string }, TypeError, "'prefix'"],
    [{ mode: "hash" as "plain" }, TypeError, "'mode'"],
  ];
  for (const [options, kind, message] of cases) {
    assertThrows(() => new RedisReplayStore(command, options), kind, message);
  }
  assertThrows(
    () => new RedisReplayStore(undefined as unknown as RedisCommand),
    TypeError,
    "'command'",
  );
});

for (const mode of MODES) {
  Deno.test({
    name: `add() needs one round trip a proof (${mode})`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      using client = await server.connect();
      const store = new RedisReplayStore(client.command, { mode, timeoutMs: 5000 });
      assert(await store.add(randomReplayKey(), NOW + 360, { nowSeconds: NOW }));
      const before = client.sent;
      for (let at = 0; at < 20; at++) {
        assert(await store.add(randomReplayKey(), NOW + 360, { nowSeconds: NOW }));
      }
      assertEquals(client.sent - before, 20);
    },
  });

  Deno.test({
    name: `add() refuses while the server is full, and forgets nothing for it (${mode})`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      using client = await server.connect();
      const store = new RedisReplayStore(client.command, { mode, timeoutMs: 5000, shards: 1 });
      const options = { nowSeconds: NOW };
      assert(await store.add(KEY, NOW + 360, options));
      await client.command("CONFIG", "SET", "maxmemory", "1");
      for (let at = 0; at < 5; at++) {
        assertEquals(
          await outcome(store.add(randomReplayKey(), NOW + 360, options)),
          "replay-store-full",
        );
      }
      await client.command("CONFIG", "SET", "maxmemory", "0");
      assertEquals(await store.add(KEY, NOW + 360, options), false);
      assert(await store.add(randomReplayKey(), NOW + 360, options));
    },
  });
}

Deno.test({
  name: "control: two steps, a look-up and then a write, accept a proof twice",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const inTwoSteps = async () => {
      if (await client.command("EXISTS", KEY) !== 0) return false;
      return await client.command("SET", KEY, "1") === "OK";
    };
    assertEquals(await Promise.all([inTwoSteps(), inTwoSteps()]), [true, true]);
  },
});

Deno.test({
  name: "control: a server that evicts (allkeys-lru) forgets a living proof under a flood",
  ignore,
  async fn() {
    await using server = await RedisServer.start({
      args: ["--maxmemory-policy", "allkeys-lru", "--maxmemory", "2mb"],
    });
    using client = await server.connect();
    const store = new RedisReplayStore(client.command, { timeoutMs: 5000 });
    const options = { nowSeconds: NOW };
    // More than fit into its memory: whichever it evicts, some of them are forgotten.
    const keys = Array.from({ length: 20_000 }, randomReplayKey);
    const addAll = async () => {
      let accepted = 0;
      for (let from = 0; from < keys.length; from += 1000) {
        const adds = keys.slice(from, from + 1000).map((key) => store.add(key, NOW + 360, options));
        accepted += (await Promise.all(adds)).filter(Boolean).length;
      }
      return accepted;
    };
    assertEquals(await addAll(), keys.length);
    assertGreater(await addAll(), 0);
  },
});

Deno.test({
  name: "add() takes at most 120 bytes a proof by MEMORY USAGE, all of it below 150 (plain)",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const store = new RedisReplayStore(client.command, { timeoutMs: 5000 });
    const before = await usedMemory(client.command);
    await addMany(store, 20_000);
    const each = (await usedMemory(client.command) - before) / 20_000;
    const keys = await client.command("KEYS", "*");
    assert(Array.isArray(keys));
    assertEquals(keys.length, 20_000);
    for (const key of keys.slice(0, 200)) {
      const bytes = await client.command("MEMORY", "USAGE", key);
      assert(typeof bytes === "number" && bytes <= 120, `${bytes} bytes`);
    }
    assertLess(each, 150);
  },
});

Deno.test({
  name: "add() takes at most 30 bytes a proof by MEMORY USAGE, with 16 to 96 a bucket (bucketed)",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    for (const perBucket of [16, 48, 96]) {
      await client.command("FLUSHALL");
      const shards = 64;
      const store = new RedisReplayStore(client.command, {
        mode: "bucketed",
        shards,
        timeoutMs: 5000,
      });
      await addMany(store, perBucket * shards);
      let bytes = 0;
      for (let bucket = 0; bucket < shards; bucket++) {
        const key = `dpop:${bucket.toString(36)}`;
        const usage = await client.command("MEMORY", "USAGE", key, "SAMPLES", "0");
        if (typeof usage === "number") bytes += usage;
      }
      const each = bytes / (perBucket * shards);
      assert(each > 10 && each <= 30, `${each} bytes with ${perBucket} a bucket`);
    }
  },
});

Deno.test({
  name:
    "add() lets the server forget a proof when its lifetime is over, and not before (both modes)",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    using client = await server.connect();
    const lasting = new RedisReplayStore(client.command, {
      mode: "bucketed",
      shards: 1,
      timeoutMs: 5000,
    });
    const plain = new RedisReplayStore(client.command, { timeoutMs: 5000 });
    // The verifier's clock is a year behind: only the difference counts.
    assert(await plain.add(KEY, NOW + 2, { nowSeconds: NOW }));
    assert(await lasting.add(KEY, NOW + 2, { nowSeconds: NOW }));
    assert(await lasting.add("longer", NOW + 300, { nowSeconds: NOW }));
    assertEquals(await plain.add(KEY, NOW + 2, { nowSeconds: NOW }), false);
    assertEquals(await lasting.add(KEY, NOW + 2, { nowSeconds: NOW }), false);
    const life = await client.command("TTL", "dpop:0");
    assert(typeof life === "number" && life >= 300 && life <= 361, `${life}`);
    // A shorter life shortens nobody else's.
    assert(await lasting.add("shorter", NOW + 1, { nowSeconds: NOW }));
    const later = await client.command("TTL", "dpop:0");
    assert(typeof later === "number" && later >= 300, `${later}`);

    const deadline = Date.now() + 10_000;
    while (await client.command("EXISTS", `dpop:${KEY}`) === 1 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert(await plain.add(KEY, NOW + 2, { nowSeconds: NOW }));
    const { member } = bucketPlace(KEY, 1);
    let cleaners = 0;
    while (await client.command("ZSCORE", "dpop:0", member) !== null && Date.now() < deadline) {
      assert(await lasting.add(`cleaner ${cleaners++}`, NOW + 300, { nowSeconds: NOW }));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals(await client.command("ZSCORE", "dpop:0", member), null);
    assertEquals(await lasting.add("longer", NOW + 300, { nowSeconds: NOW }), false);
  },
});

async function addMany(store: RedisReplayStore, count: number): Promise<void> {
  for (let from = 0; from < count; from += 1000) {
    const length = Math.min(1000, count - from);
    const added = await Promise.all(
      Array.from(
        { length },
        (_, at) => store.add(randomReplayKey(), NOW + 300 + at % 60, { nowSeconds: NOW }),
      ),
    );
    assert(added.every((isNew) => isNew));
  }
}

async function usedMemory(command: RedisCommand): Promise<number> {
  const info = await command("INFO", "memory");
  assert(typeof info === "string");
  return Number(/used_memory:(\d+)/.exec(info)?.[1]);
}
