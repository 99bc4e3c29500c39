import { assertEquals, assertGreaterOrEqual, assertInstanceOf, assertNotEquals } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { createKeyRotation } from "../../src/dpop/key_rotation.ts";
import {
  HOUR_MS,
  machine,
  rejectsWith,
  settle,
  VirtualClock,
  WatchedStore,
} from "./_rotation_fakes.ts";

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
