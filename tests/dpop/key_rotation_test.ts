import {
  assert,
  assertEquals,
  assertFalse,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { createKeyRotation, type KeyRotationOptions } from "../../src/dpop/key_rotation.ts";
import {
  DAY_MS,
  HOUR_MS,
  machine,
  overlaps,
  phases,
  rejectsWith,
  settle,
  START_MS,
  VirtualClock,
  WatchedStore,
} from "./_rotation_fakes.ts";

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

Deno.test("jwks() holds public keys only, named by their thumbprints", async () => {
  const { rotation } = await machine({ alg: "Ed25519" });
  await using _ = rotation;
  const { jkt, jwk } = await rotation.current();
  assertEquals((await rotation.jwks()).keys, [{ ...jwk, kid: jkt, alg: "Ed25519", use: "sig" }]);
  assertFalse(JSON.stringify(await rotation.jwks()).includes('"d"'));
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
