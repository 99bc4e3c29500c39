import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertThrows,
  fail,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import {
  KvReplayStore,
  type KvReplayStoreOptions,
  type ReplayKv,
  type ReplayKvTransaction,
} from "../../src/dpop/kv_replay_store.ts";
import { randomReplayKey, testReplayContract } from "./_replay_contract.ts";

const NOW = 1_700_000_000;
const KEY = "n4bQgYhMfWWaL-qgxVrQFa";
const hasDenoKv = typeof Deno.openKv === "function";
if (!hasDenoKv) console.log("ignored: tests of Deno KV (--unstable-kv is not set)");

type ClosableKv = ReplayKv & { close(): void };

/** Opens the database of the npm package, which is native code and does not run everywhere. */
async function openNpmKv(): Promise<ClosableKv | undefined> {
  try {
    const { openKv } = await import("@deno/kv");
    return await openKv(":memory:");
  } catch (error) {
    console.log(`ignored: tests of @deno/kv (${error instanceof Error ? error.message : error})`);
    return undefined;
  }
}

const npmKv = await openNpmKv();
npmKv?.close();

const DATABASES: readonly [string, () => Promise<ClosableKv | undefined>, boolean][] = [
  ["Deno.openKv", () => Deno.openKv(":memory:"), hasDenoKv],
  ["@deno/kv", openNpmKv, npmKv !== undefined],
];

for (const [name, open, available] of DATABASES) {
  testReplayContract(`KvReplayStore (${name})`, async () => {
    const kv = await open();
    assert(kv !== undefined);
    return { store: new KvReplayStore(kv, { timeoutMs: 5000 }), close: () => kv.close() };
  }, { ignore: !available });

  Deno.test({
    name: `add() refuses once the database was closed (${name})`,
    ignore: !available,
    async fn() {
      const kv = await open();
      assert(kv !== undefined);
      const store = new KvReplayStore(kv, { timeoutMs: 1000 });
      assert(await store.add(KEY, NOW + 360, { nowSeconds: NOW }));
      kv.close();
      assertEquals(await outcome(store.add(KEY, NOW + 360, { nowSeconds: NOW })), UNAVAILABLE);
      assertEquals(await outcome(store.add("new", NOW + 360, { nowSeconds: NOW })), UNAVAILABLE);
    },
  });
}

Deno.test({
  name: "add() remembers in a file, after it was closed and opened again",
  ignore: !hasDenoKv,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "bartizan-kv-" });
    try {
      const answers: boolean[] = [];
      for (let opened = 0; opened < 2; opened++) {
        const kv = await Deno.openKv(`${dir}/kv`);
        const store = new KvReplayStore(kv, { timeoutMs: 5000 });
        answers.push(await store.add(KEY, NOW + 360, { nowSeconds: NOW }));
        kv.close();
      }
      assertEquals(answers, [true, false]);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test({
  name: "control: two steps, a look-up and then a write, accept a proof twice",
  ignore: !hasDenoKv,
  async fn() {
    const kv = await Deno.openKv(":memory:");
    const key = ["dpop", randomReplayKey()];
    const inTwoSteps = async () => {
      if ((await kv.get(key)).versionstamp !== null) return false;
      await kv.set(key, 1);
      return true;
    };
    const accepted = await Promise.all([inTwoSteps(), inTwoSteps(), inTwoSteps()]);
    kv.close();
    assert(accepted.filter(Boolean).length > 1);
  },
});

const UNAVAILABLE = "replay-store-unavailable";

async function outcome(add: Promise<boolean>): Promise<boolean | string> {
  try {
    return await add;
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    return String(error.code);
  }
}

/** A database of which the test says what committing does. */
function fake(commit: () => Promise<unknown>): { kv: ReplayKv; steps: unknown[] } {
  const steps: unknown[] = [];
  const transaction: ReplayKvTransaction = {
    check(...args) {
      steps.push(["check", ...args]);
      return this;
    },
    set(...args) {
      steps.push(["set", ...args]);
      return this;
    },
    commit: () => commit() as Promise<{ ok: boolean }>,
  };
  return { kv: { atomic: () => transaction }, steps };
}

Deno.test("add() sets a key that is not there, for a duration in milliseconds", async () => {
  const { kv, steps } = fake(() => Promise.resolve({ ok: true }));
  const store = new KvReplayStore(kv, { prefix: "proofs" });
  assert(await store.add(KEY, NOW + 360.2, { nowSeconds: NOW }));
  assertEquals(steps, [
    ["check", { key: ["proofs", KEY], versionstamp: null }],
    ["set", ["proofs", KEY], 1, { expireIn: 361_000 }],
  ]);
});

Deno.test("add() answers false for what has expired, and asks nothing", async () => {
  const { kv, steps } = fake(() => Promise.resolve({ ok: true }));
  assertEquals(await new KvReplayStore(kv).add(KEY, NOW - 1, { nowSeconds: NOW }), false);
  assertEquals(steps, []);
});

Deno.test("add() takes an entry that has expired and is still there as seen", async () => {
  const { kv } = fake(() => Promise.resolve({ ok: false }));
  assertEquals(await new KvReplayStore(kv).add(KEY, NOW + 1, { nowSeconds: NOW }), false);
});

Deno.test("add() refuses every answer but the documented ones", async () => {
  for (const answer of [undefined, null, true, "ok", {}, { ok: 1 }, { ok: "true" }, { ok: null }]) {
    const store = new KvReplayStore(fake(() => Promise.resolve(answer)).kv);
    assertEquals(await outcome(store.add(KEY, NOW + 1, { nowSeconds: NOW })), UNAVAILABLE);
  }
});

Deno.test("add() tries again while another process writes the same file", async () => {
  const locked = () => Promise.reject(new TypeError("database is locked"));
  const answers = [locked, locked, () => Promise.resolve({ ok: true })];
  const { kv, steps } = fake(() => answers.shift()?.() ?? fail("a transaction too many"));
  assert(await new KvReplayStore(kv, { timeoutMs: 5000 }).add(KEY, NOW + 1, { nowSeconds: NOW }));
  assertEquals(steps.length, 6);
});

Deno.test("add() refuses when the database fails, or does not answer in time", async () => {
  const databases: ReplayKv[] = [
    fake(() => Promise.reject(new Error("database is locked"))).kv,
    fake(() => new Promise(() => {})).kv,
    {
      atomic() {
        throw new TypeError("Key too large for write");
      },
    },
  ];
  for (const kv of databases) {
    const store = new KvReplayStore(kv, { timeoutMs: 20 });
    const start = performance.now();
    assertEquals(await outcome(store.add(KEY, NOW + 1, { nowSeconds: NOW })), UNAVAILABLE);
    assertLess(performance.now() - start, 1000);
  }
});

Deno.test("add() rejects with the reason of the signal", async () => {
  const reason = new Error("the request has ended");
  const store = new KvReplayStore(fake(() => new Promise(() => {})).kv);
  const controller = new AbortController();
  const adding = store.add(KEY, NOW + 1, { nowSeconds: NOW, signal: controller.signal });
  controller.abort(reason);
  const [result] = await Promise.allSettled([adding]);
  assert(result.status === "rejected");
  assertEquals(result.reason, reason);
});

Deno.test("KvReplayStore() refuses options that cannot be meant", () => {
  const { kv } = fake(() => Promise.resolve({ ok: true }));
  const cases: [KvReplayStoreOptions, typeof TypeError | typeof RangeError, string][] = [
    [{ timeoutMs: 0 }, RangeError, "'timeoutMs'"],
    [{ timeoutMs: 1.5 }, RangeError, "'timeoutMs'"],
    // Callers without types.
    [{ prefix: null as unknown as string }, TypeError, "'prefix'"],
  ];
  for (const [options, kind, message] of cases) {
    assertThrows(() => new KvReplayStore(kv, options), kind, message);
  }
  for (const none of [undefined, null, {}]) {
    assertThrows(() => new KvReplayStore(none as unknown as ReplayKv), TypeError, "'kv'");
  }
});
