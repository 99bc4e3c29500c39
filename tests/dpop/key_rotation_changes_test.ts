import {
  assert,
  assertEquals,
  assertFalse,
  assertNotEquals,
  assertStrictEquals,
} from "@std/assert";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import { HOUR_MS, machine, overlaps, phases, rejectsWith } from "./_rotation_fakes.ts";

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

Deno.test("revoke() is for good in this process, even if the store brings the key back", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const { keys: old } = await store.load();
  await rotation.revoke(jkt);
  // This process sees a set without it before whoever writes to the store puts it back.
  clock.jump(60_000);
  await rotation.keys();
  const { keys, version } = await store.load();
  await store.replace([...old, ...keys], version);
  const other = await machine({}, store, clock);
  assertEquals((await other.rotation.find(jkt))?.jkt, jkt, "control: one that never knew takes it");
  await other.rotation.close();
  clock.jump(60_000);
  assertEquals(await rotation.find(jkt), undefined);
  assertFalse((await rotation.jwks()).keys.some(({ kid }) => kid === jkt));
  assertFalse(store.history.at(-1)?.some((key) => key.jkt === jkt), "and it is removed for all");
});
