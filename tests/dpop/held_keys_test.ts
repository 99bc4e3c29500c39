import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import { createKeyRotation } from "../../src/dpop/key_rotation.ts";
import type { KeyStore, StoredKey } from "../../src/dpop/key_store.ts";
import { MemoryKeyStore } from "../../src/dpop/memory_key_store.ts";
import { machine, rejectsWith, VirtualClock } from "./_rotation_fakes.ts";

Deno.test("createKeyRotation() makes keys that cannot be taken out", async () => {
  const { store, rotation } = await machine();
  await using _ = rotation;
  assertEquals(store.history.flat().map(({ privateKey }) => privateKey.extractable), [false]);
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

Deno.test("createKeyRotation() refuses a stored set that is none, and keeps what it has", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const { keys: [key], version } = await store.load();
  assert(key !== undefined);
  const extractable = await generateDpopKeyPair("ES256", { extractable: true });
  const { jwk, jkt: other } = await createDpopSigner(extractable);
  const bad: Readonly<Record<string, unknown>> = {
    "no list": {},
    "null": [null],
    "a number": [1],
    "no key": [{}],
    "a list": [[]],
    "twice the same": [key, key],
    "a known key without an end": [{ ...key, deletesAtMs: NaN }],
    "a known key that signs for ever": [{ ...key, retiresAtMs: Infinity }],
    "a key that can be taken out": [
      key,
      { ...key, jkt: other, jwk, privateKey: extractable.privateKey },
    ],
  };
  const inner = store.load.bind(store);
  for (const [what, keys] of Object.entries(bad)) {
    store.load = () => Promise.resolve({ keys: keys as readonly StoredKey[], version });
    await rejectsWith("key-invalid", rotation.rotate());
    const fresh = createKeyRotation({ store, now: clock.now, timers: clock.timers });
    await rejectsWith("key-invalid", fresh);
    assertEquals((await rotation.current()).jkt, jkt, what);
  }
  store.load = inner;
  assertNotEquals((await rotation.rotate()).jkt, jkt);
});

Deno.test("createKeyRotation() takes extractable keys from a store that writes them down", async () => {
  const inner = new MemoryKeyStore();
  const store: KeyStore = {
    needsExtractable: true,
    load: () => inner.load(),
    replace: (keys, version) => inner.replace(keys, version),
  };
  await using rotation = await createKeyRotation({ store });
  assertEquals((await inner.load()).keys.map(({ privateKey }) => privateKey.extractable), [true]);
  assertEquals((await rotation.keys()).length, 1);
});

Deno.test("jwks() publishes what was verified, whatever the store says of a known key later", async () => {
  const { clock, store, rotation } = await machine();
  await using _ = rotation;
  const { jkt, jwk } = await rotation.current();
  const { keys, version } = await store.load();
  const { jwk: forged } = await createDpopSigner(await generateDpopKeyPair("ES256"));
  await store.replace(keys.map((key) => ({ ...key, jwk: forged })), version);
  clock.jump(60_000);
  assertEquals((await rotation.jwks()).keys, [{ ...jwk, kid: jkt, alg: "ES256", use: "sig" }]);
});
