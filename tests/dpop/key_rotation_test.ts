import {
  assert,
  assertEquals,
  assertFalse,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLessOrEqual,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import {
  createKeyRotation,
  type KeyRotation,
  type KeyRotationOptions,
} from "../../src/dpop/key_rotation.ts";
import { MemoryKeyStore } from "../../src/dpop/memory_key_store.ts";
import {
  HOUR_MS,
  overlaps,
  settle,
  START_MS,
  VirtualClock,
  WatchedStore,
} from "./_rotation_fakes.ts";

const DAY_MS = 24 * HOUR_MS;
const HOURLY = {
  rotateEverySeconds: 3600,
  overlapSeconds: 7200,
  announceSeconds: 600,
  refreshSeconds: 60,
};

interface Machine {
  readonly clock: VirtualClock;
  readonly store: WatchedStore;
  readonly rotation: KeyRotation;
}

async function machine(
  options: KeyRotationOptions = {},
  store = new WatchedStore(),
  clock = new VirtualClock(),
): Promise<Machine> {
  const { now, timers } = clock;
  const rotation = await createKeyRotation({
    store,
    now,
    timers,
    random: () => 0.5,
    ...HOURLY,
    ...options,
  });
  return { clock, store, rotation };
}

async function phases(rotation: KeyRotation): Promise<readonly string[]> {
  return (await rotation.keys()).map(({ phase }) => phase);
}

function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  return assertRejects(() => promise, SecurityError).then((error) => {
    assertEquals(error.code, code);
  });
}

Deno.test("createKeyRotation() takes each key through its phases by timer alone", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const first = (await rotation.current()).jkt;
  assertEquals(await phases(rotation), ["signing"]);
  await clock.pass(51 * 60_000);
  await settle();
  assertEquals(await phases(rotation), ["signing", "announced"]);
  assertEquals((await rotation.current()).jkt, first);
  await clock.pass(9 * 60_000);
  assertEquals(await phases(rotation), ["retired", "signing"]);
  const second = (await rotation.current()).jkt;
  assertNotEquals(second, first);
  assertEquals((await rotation.find(first))?.jkt, first);
  await clock.pass(2 * HOUR_MS);
  assertEquals(await rotation.find(first), undefined);
  assertFalse((await rotation.jwks()).keys.some(({ kid }) => kid === first));
  await settle();
  assertFalse(store.history.at(-1)?.some(({ jkt }) => jkt === first));
});

Deno.test("createKeyRotation() makes one key a period over 50 periods, announced in full", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  for (let hour = 0; hour < 50; hour++) {
    await clock.pass(HOUR_MS);
    const { jkt } = await rotation.current();
    const signing = (await rotation.keys()).filter(({ phase }) => phase === "signing");
    assertEquals(signing.map((key) => key.jkt), [jkt]);
  }
  assertEquals(store.everStored.size, 51);
  for (const set of store.history) {
    assertEquals(overlaps(set), 0);
    assertLessOrEqual(set.length, 5);
    for (const { createdAtMs, signsFromMs } of set.slice(1)) {
      if (createdAtMs === START_MS) continue;
      assertGreaterOrEqual(signsFromMs - createdAtMs, 600_000);
    }
  }
  assertEquals(clock.pending, 1);
});

Deno.test("createKeyRotation() rotates on use when no timer fires for 10 periods", async () => {
  const { clock, rotation } = await machine();
  await using _ = rotation;
  const first = await rotation.current();
  clock.jump(10 * HOUR_MS);
  const second = await rotation.current();
  assertNotEquals(second.jkt, first.jkt);
  assertEquals(await phases(rotation), ["signing"]);
  assertEquals(await rotation.find(first.jkt), undefined);
  await rejectsWith("key-not-found", first.sign(new Uint8Array(1)));
});

Deno.test("createKeyRotation() does what is due in the background while a key still signs", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  clock.jump(52 * 60_000);
  const before = await rotation.current();
  assertEquals(
    (await rotation.jwks()).keys.length,
    2,
    "the announcement was waited for: stale copy",
  );
  clock.jump(8 * 60_000);
  assertNotEquals((await rotation.current()).jkt, before.jkt);
  assertEquals(store.everStored.size, 2);
});

Deno.test("createKeyRotation() lets one of three machines lead, and the others use its keys", async () => {
  const clock = new VirtualClock();
  const store = new WatchedStore();
  const three = await Promise.all([1, 2, 3].map(() => machine({}, store, clock)));
  for (let hour = 0; hour < 5; hour++) {
    const jkts = await Promise.all(
      three.map(async ({ rotation }) => (await rotation.current()).jkt),
    );
    assertEquals(new Set(jkts).size, 1);
    assertEquals(store.everStored.size, hour + 1);
    clock.jump(HOUR_MS);
  }
  for (const set of store.history) assertEquals(overlaps(set), 0);
  await Promise.all(three.map(({ rotation }) => rotation.close()));
});

Deno.test("createKeyRotation() has every machine publish a key before any signs with it, 30 s apart", async () => {
  const store = new WatchedStore();
  const clocks = [0, 30_000, -30_000].map((skewMs) => {
    const clock = new VirtualClock();
    clock.jump(skewMs);
    return clock;
  });
  const three = await Promise.all(clocks.map((clock) => machine({}, store, clock)));
  const isFirst = new Set([(await three[0]?.rotation.current())?.jkt]);
  let published: ReadonlySet<string>[] = [];
  for (let step = 0; step < 720; step++) {
    for (const { rotation } of three) {
      const { jkt } = await rotation.current();
      // As of 30 s ago: what a verifier with a copy of any machine's set knows by now.
      for (const known of published) assert(isFirst.has(jkt) || known.has(jkt), `step ${step}`);
    }
    published = [];
    for (const { rotation } of three) {
      published.push(new Set((await rotation.jwks()).keys.map(({ kid }) => kid)));
    }
    for (const clock of clocks) clock.jump(30_000);
  }
  assertEquals(store.everStored.size, 7);
  for (const set of store.history) assertEquals(overlaps(set), 0);
  await Promise.all(three.map(({ rotation }) => rotation.close()));
});

Deno.test("find() learns of the key that another machine has just made", async () => {
  const a = await machine();
  const b = await machine({}, a.store, a.clock);
  const { jkt } = await a.rotation.rotate();
  assertEquals((await b.rotation.find(jkt))?.jkt, jkt);
  assertEquals((await b.rotation.current()).jkt, jkt);
  await a.rotation.close();
  await b.rotation.close();
});

Deno.test("find() shares one reload between concurrent misses", async () => {
  const { store, rotation } = await machine();
  await using _ = rotation;
  const before = store.loads;
  const found = await Promise.all(Array.from({ length: 100 }, () => rotation.find("unknown")));
  assertEquals(new Set(found), new Set([undefined]));
  assertLessOrEqual(store.loads - before, 2);
});

Deno.test("current() returns the same signer for as long as the key signs", async () => {
  const { clock, rotation } = await machine();
  await using _ = rotation;
  const first = await rotation.current();
  for (let minute = 0; minute < 50; minute++) {
    clock.jump(60_000);
    assertStrictEquals(await rotation.current(), first);
  }
});

Deno.test("createKeyRotation() brings no deleted key back when the clock goes back", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const { jkt } = await rotation.current();
  await clock.pass(2.5 * HOUR_MS);
  await rotation.current();
  // Its end is seen, and cannot be written down.
  store.mode = "fails";
  clock.jump(HOUR_MS);
  assertEquals(await rotation.find(jkt).catch(() => undefined), undefined);
  clock.jump(-2 * HOUR_MS);
  store.mode = "works";
  assertEquals(await rotation.find(jkt), undefined);
  await rotation.current();
  await settle();
  assertEquals(await rotation.find(jkt), undefined);
  assertFalse(store.history.at(-1)?.some((key) => key.jkt === jkt), "it is removed for all");
});

Deno.test("createKeyRotation() makes no flood of keys when the clock goes back and forth", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  await clock.pass(3.2 * HOUR_MS);
  const before = store.everStored.size;
  const jumps = [-0.5, 0.5, -5, -30 * 24, 10, -10, -365 * 24];
  for (const hours of jumps) {
    clock.jump(hours * HOUR_MS);
    for (let use = 0; use < 5; use++) {
      await rotation.current();
      await settle();
    }
    const signing = (await rotation.keys()).filter(({ phase }) => phase === "signing");
    assertEquals(signing.length, 1);
    assertLessOrEqual((signing[0]?.retiresAtMs ?? Infinity) - clock.now(), 3 * HOUR_MS);
  }
  assertLessOrEqual(store.everStored.size - before, 2, "one for the 10 hours ahead");
  for (const set of store.history) assertEquals(overlaps(set), 0);
});

Deno.test("createKeyRotation() lets a retired key sign no more when the clock goes far back", async () => {
  const { clock, rotation } = await machine();
  await using _ = rotation;
  const { jkt: first } = await rotation.current();
  await clock.pass(1.5 * HOUR_MS);
  clock.jump(-1.7 * HOUR_MS);
  for (let step = 0; step < 20; step++) {
    assertNotEquals((await rotation.current()).jkt, first);
    await settle();
    clock.jump(0.1 * HOUR_MS);
  }
  assertEquals((await rotation.find(first))?.jkt, first);
});

Deno.test("current() signs with what is at hand while the store fails, until it retires", async () => {
  const errors: unknown[] = [];
  const { clock, store, rotation } = await machine({ onError: (error) => errors.push(error) });
  await using _ = rotation;
  const first = await rotation.current();
  store.mode = "fails";
  for (let minute = 0; minute < 59; minute++) {
    clock.jump(60_000);
    assertEquals((await rotation.current()).jkt, first.jkt);
    await settle();
  }
  clock.jump(60_000);
  await rejectsWith("key-store-unavailable", rotation.current());
  assertEquals((await rotation.find(first.jkt))?.jkt, first.jkt);
  clock.jump(2 * HOUR_MS);
  await rejectsWith("key-store-unavailable", rotation.find(first.jkt));
  await rejectsWith("key-not-found", first.sign(new Uint8Array(1)));
  assertGreaterOrEqual(errors.length, 2);
  assertInstanceOf(errors[0], SecurityError);
  store.mode = "works";
  assertNotEquals((await rotation.current()).jkt, first.jkt);
});

Deno.test("createKeyRotation() gives a store that hangs its time, once, and recovers by itself", async () => {
  const { clock, store, rotation } = await machine({ storeTimeoutMs: 20 });
  await using _ = rotation;
  const first = await rotation.current();
  store.mode = "hangs";
  clock.jump(5 * 60_000);
  assertEquals((await rotation.current()).jkt, first.jkt);
  const loads = store.loads;
  for (let use = 0; use < 50; use++) await rotation.current();
  assertEquals(store.loads, loads, "it is not asked with every use");
  clock.jump(2000);
  let isAnswered = false;
  const answer = rotation.current().then(() => isAnswered = true);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assertEquals([store.loads, isAnswered], [loads + 1, true], "asked again, and not waited for");
  await answer;
  await rejectsWith("key-store-unavailable", rotation.rotate());
  store.mode = "works";
  await clock.pass(10_000);
  assertGreaterOrEqual(store.loads, loads + 3);
  assertEquals((await rotation.current()).jkt, first.jkt);
});

Deno.test("current() looks again when the check under way saw the clock before a suspension", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const first = await rotation.current();
  clock.jump(55 * 60_000);
  const release = store.holdWrites();
  const before = rotation.current();
  await settle();
  clock.jump(10 * HOUR_MS);
  const after = rotation.current();
  release();
  const { jkt } = await after;
  assertNotEquals(jkt, first.jkt);
  assertEquals((await before).jkt, jkt);
});

Deno.test("createKeyRotation() rejects when the store is down from the start", async () => {
  for (const mode of ["fails", "hangs"] as const) {
    const store = new WatchedStore();
    store.mode = mode;
    const clock = new VirtualClock();
    await rejectsWith(
      "key-store-unavailable",
      createKeyRotation({ store, now: clock.now, timers: clock.timers, storeTimeoutMs: 20 }),
    );
    assertEquals(clock.pending, 0);
  }
});

Deno.test("retain() keeps a key as long as a token is bound to it, for all machines", async () => {
  const a = await machine();
  const b = await machine({}, a.store, a.clock);
  const { jkt } = await a.rotation.current();
  // The step is 60 seconds.
  const untilMs = Math.ceil((START_MS + 2 * DAY_MS) / 60_000) * 60_000 - 10_000;
  await a.rotation.retain(jkt, untilMs / 1000);
  const writes = a.store.history.length;
  await a.rotation.retain(jkt, untilMs / 1000 + 1);
  await a.rotation.retain(jkt, 1);
  await a.rotation.retain(jkt, untilMs / 1000 + 5);
  assertEquals(a.store.history.length, writes, "rounded up, and never brought forward");
  // b has not looked since, and its copy says that the key is over.
  a.clock.jump(DAY_MS);
  assertEquals((await b.rotation.find(jkt))?.jkt, jkt);
  await b.rotation.current();
  await settle();
  assertEquals((await a.rotation.find(jkt))?.jkt, jkt);
  a.clock.jump(untilMs - a.clock.now());
  assertEquals((await a.rotation.find(jkt))?.jkt, jkt);
  a.clock.jump(10_000);
  assertEquals(await b.rotation.find(jkt), undefined);
  assertEquals(await a.rotation.find(jkt), undefined);
  await a.rotation.close();
  await b.rotation.close();
});

Deno.test("retain() refuses a key that is gone and a time that is out of reach", async () => {
  const { clock, rotation } = await machine({ maxRetainSeconds: 86_400 });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const mostSeconds = (START_MS + HOUR_MS + DAY_MS) / 1000;
  await rotation.retain(jkt, mostSeconds);
  for (const untilSeconds of [mostSeconds + 3600, Infinity, NaN]) {
    await assertRejects(() => rotation.retain(jkt, untilSeconds), RangeError, "untilSeconds");
  }
  await rejectsWith("key-not-found", rotation.retain("unknown", START_MS / 1000));
  clock.jump(3 * DAY_MS);
  await rejectsWith("key-not-found", rotation.retain(jkt, clock.now() / 1000 + 1));
});

Deno.test("rotate() replaces the key at once and keeps the old one", async () => {
  const { store, rotation } = await machine();
  await using _ = rotation;
  const first = await rotation.current();
  const second = await rotation.rotate();
  assertNotEquals(second.jkt, first.jkt);
  assertStrictEquals(await rotation.current(), second);
  assertStrictEquals(await rotation.find(first.jkt), first);
  assertEquals(await phases(rotation), ["retired", "signing"]);
  for (const set of store.history) assertEquals(overlaps(set), 0);
});

Deno.test("rotate() lets an announced key take over", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  await clock.pass(55 * 60_000);
  const announced = (await rotation.keys())[1]?.jkt;
  assertEquals((await rotation.rotate()).jkt, announced);
  assertEquals(store.everStored.size, 2);
});

Deno.test("rotate() is done by one of many machines that do it at once", async () => {
  const a = await machine();
  const b = await machine({}, a.store, a.clock);
  const [one, other] = await Promise.all([a.rotation.rotate(), b.rotation.rotate()]);
  assertEquals(one.jkt, other.jkt);
  assertEquals(a.store.everStored.size, 2);
  await a.rotation.close();
  await b.rotation.close();
});

Deno.test("rotate() is refused when the set is full, and scheduled rotation goes on", async () => {
  const { clock, rotation } = await machine();
  await using _ = rotation;
  for (let turn = 1; turn < 128; turn++) await rotation.rotate();
  await rejectsWith("key-store-unavailable", rotation.rotate());
  const { jkt } = await rotation.current();
  clock.jump(HOUR_MS);
  assertNotEquals((await rotation.current()).jkt, jkt);
});

Deno.test("createKeyRotation() adds no key to a set of 256", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  for (let turn = 1; turn < 128; turn++) await rotation.rotate();
  const { keys, version } = await store.load();
  const more = await Promise.all(Array.from({ length: 128 }, async () => {
    const pair = await generateDpopKeyPair("ES256");
    const { jkt, jwk } = await createDpopSigner(pair);
    const [key] = keys;
    assert(key !== undefined);
    return { ...key, jkt, jwk, privateKey: pair.privateKey };
  }));
  await store.replace([...more, ...keys], version);
  const last = await rotation.current();
  clock.jump(55 * 60_000);
  assertStrictEquals(await rotation.current(), last);
  clock.jump(5 * 60_000);
  await rejectsWith("key-store-unavailable", rotation.current());
  clock.jump(2 * HOUR_MS);
  assertNotEquals((await rotation.current()).jkt, last.jkt);
});

Deno.test("revoke() deletes a key at once, and replaces the one that signs", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const first = await rotation.current();
  assertEquals(await rotation.revoke(first.jkt), true);
  assertEquals(await rotation.revoke(first.jkt), false);
  assertEquals(await rotation.find(first.jkt), undefined);
  await rejectsWith("key-not-found", first.sign(new Uint8Array(1)));
  assertNotEquals((await rotation.current()).jkt, first.jkt);
  await clock.pass(55 * 60_000);
  const [signing, announced] = await rotation.keys();
  await rotation.revoke(signing?.jkt ?? "");
  assertEquals((await rotation.current()).jkt, announced?.jkt);
  assertEquals(store.everStored.size, 3);
});

Deno.test("revoke() stops this process from using a key even if the store is down", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const first = await rotation.current();
  store.mode = "fails";
  await rejectsWith("key-store-unavailable", rotation.revoke(first.jkt));
  await rejectsWith("key-not-found", first.sign(new Uint8Array(1)));
  await rejectsWith("key-store-unavailable", rotation.current());
  store.mode = "works";
  clock.jump(60_000);
  assertNotEquals((await rotation.current()).jkt, first.jkt);
  assertFalse(store.history.at(-1)?.some(({ jkt }) => jkt === first.jkt));
});

Deno.test("revoke() reaches other machines when their copy is renewed", async () => {
  const a = await machine();
  const b = await machine({}, a.store, a.clock);
  const { jkt } = await a.rotation.current();
  await a.rotation.revoke(jkt);
  a.clock.jump(60_000);
  assertEquals(await b.rotation.find(jkt), undefined);
  assertEquals((await b.rotation.current()).jkt, (await a.rotation.current()).jkt);
  await a.rotation.close();
  await b.rotation.close();
});

Deno.test("jwks() holds public keys only, named by their thumbprints", async () => {
  const { rotation } = await machine({ alg: "Ed25519" });
  await using _ = rotation;
  const { jkt, jwk } = await rotation.current();
  assertEquals((await rotation.jwks()).keys, [{ ...jwk, kid: jkt, alg: "Ed25519", use: "sig" }]);
  assertFalse(JSON.stringify(await rotation.jwks()).includes('"d"'));
});

Deno.test("createKeyRotation() makes keys that cannot be taken out", async () => {
  const { store, rotation } = await machine();
  await using _ = rotation;
  assertEquals(store.history.flat().map(({ privateKey }) => privateKey.extractable), [false]);
});

Deno.test("createKeyRotation() works with durations that no timer can wait for", async () => {
  const { clock, rotation } = await machine({
    rotateEverySeconds: 10 * 365 * 86_400,
    overlapSeconds: 86_400,
  });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  await clock.pass(9 * 365 * DAY_MS);
  assertEquals((await rotation.current()).jkt, jkt);
  assert(clock.delays.every((delayMs) => delayMs >= 0 && delayMs < 2 ** 31), `${clock.delays}`);
  assertLessOrEqual(clock.delays.length, 400);
  await clock.pass(366 * DAY_MS);
  assertNotEquals((await rotation.current()).jkt, jkt);
});

Deno.test("createKeyRotation() reports each change, and makes none that cannot be recorded", async () => {
  const events: AuditEventInput[] = [];
  let isFull = false;
  const audit = {
    report: (event: AuditEventInput) => void events.push(event),
    ready() {
      if (isFull) throw new Error("disk full");
    },
  };
  const { store, rotation } = await machine({ audit });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  await rotation.retain(jkt, START_MS / 1000 + 86_400);
  await rotation.rotate();
  await rotation.revoke(jkt);
  assertEquals(events.map(({ operation }) => operation), [
    "schedule",
    "retain",
    "rotate",
    "revoke",
  ]);
  assertEquals(new Set(events.map(({ kind }) => kind)), new Set(["dpop.keys"]));
  assertEquals(events[0]?.details?.created, [jkt]);
  assertEquals(events[3]?.details?.deleted, [jkt]);
  isFull = true;
  const writes = store.history.length;
  await rejectsWith("audit-unavailable", rotation.rotate());
  assertEquals(store.history.length, writes);
});

Deno.test("close() stops the timer, all waiting and all signing", async () => {
  const controller = new AbortController();
  const { clock, store, rotation } = await machine({ signal: controller.signal });
  const signer = await rotation.current();
  store.mode = "hangs";
  const waiting = rotation.find("unknown");
  const refused = rejectsWith("closed", waiting);
  controller.abort();
  await refused;
  assertEquals(clock.pending, 0);
  await rejectsWith("closed", rotation.current());
  await rejectsWith("key-not-found", signer.sign(new Uint8Array(1)));
  await rotation.close();
});

Deno.test("createKeyRotation() keeps no process alive", async () => {
  const url = new URL("../../src/dpop/key_rotation.ts", import.meta.url);
  const code = `const { createKeyRotation } = await import("${url}"); ` +
    `const rotation = await createKeyRotation(); console.log((await rotation.current()).alg);`;
  const { code: exit, stdout } = await new Deno.Command("deno", {
    args: ["eval", code],
    cwd: new URL("../..", import.meta.url),
    signal: AbortSignal.timeout(30_000),
  }).output();
  assertEquals([exit, new TextDecoder().decode(stdout)], [0, "ES256\n"]);
});

Deno.test("createKeyRotation() refuses stored keys that are none", async () => {
  const { privateKey } = await generateDpopKeyPair("ES256");
  const good = await machine();
  const [key] = good.store.history[0] ?? [];
  assert(key !== undefined);
  await good.rotation.close();
  for (
    const bad of [
      { ...key, jkt: "A".repeat(43) },
      { ...key, privateKey },
      { ...key, alg: "ES384" as const },
      { ...key, deletesAtMs: NaN },
    ]
  ) {
    const store = new MemoryKeyStore();
    await store.replace([bad], null);
    const { now, timers } = new VirtualClock();
    await rejectsWith("key-invalid", createKeyRotation({ store, now, timers }));
  }
});

Deno.test("createKeyRotation() refuses wrong options", async () => {
  const wrong: readonly [Record<string, unknown>, typeof TypeError | typeof RangeError][] = [
    [{ rotateEvery: 5 }, TypeError],
    [{ store: {} }, TypeError],
    [{ alg: "HS256" }, TypeError],
    [{ now: 5 }, TypeError],
    [{ timers: {} }, TypeError],
    [{ audit: {} }, TypeError],
    [{ rotateEverySeconds: "1" }, TypeError],
    [{ rotateEverySeconds: 0 }, RangeError],
    [{ rotateEverySeconds: 1.5 }, RangeError],
    [{ rotateEverySeconds: Infinity }, RangeError],
    [{ overlapSeconds: -1 }, RangeError],
    [{ rotateEverySeconds: 10, overlapSeconds: 1001 }, RangeError],
    [{ rotateEverySeconds: 10, maxRetainSeconds: 1001 }, RangeError],
    [{ rotateEverySeconds: 10, announceSeconds: 6 }, RangeError],
    [{ announceSeconds: 60, refreshSeconds: 61 }, RangeError],
    [{ storeTimeoutMs: 2 ** 31 }, RangeError],
  ];
  for (const [options, kind] of wrong) {
    await assertRejects(
      () => createKeyRotation(options as KeyRotationOptions),
      kind,
      "Cannot rotate",
    );
  }
});
