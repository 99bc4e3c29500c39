/** Who can write to the database, and kept what was in it before. */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import type { StoredKey } from "../../src/dpop/key_store.ts";
import { type KeyKv, KvKeyStore } from "../../src/dpop/kv_key_store.ts";
import { machine, rejectsWith, settle } from "./_rotation_fakes.ts";

const SEAL = { sealKeys: [new Uint8Array(32).fill(7)] };
const PREFIX = ["dpop-keys"];
const INDEX = [...PREFIX, "set"];

type Dump = readonly { readonly key: Deno.KvKey; readonly value: unknown }[];

async function newKey(): Promise<StoredKey> {
  const pair = await generateDpopKeyPair("ES256", { extractable: true });
  const { jkt, alg, jwk } = await createDpopSigner(pair);
  const times = { createdAtMs: 1, signsFromMs: 2, retiresAtMs: 3, deletesAtMs: 4 };
  return { jkt, alg, jwk, privateKey: pair.privateKey, ...times };
}

async function dump(kv: Deno.Kv): Promise<Dump> {
  return await Array.fromAsync(kv.list({ prefix: PREFIX }));
}

async function restore(kv: Deno.Kv, entries: Dump): Promise<void> {
  for (const { key } of await dump(kv)) await kv.delete(key);
  for (const { key, value } of entries) await kv.set(key, value);
}

function isIndex({ key }: Dump[number]): boolean {
  return key.length === INDEX.length;
}

/** A store whose set was changed once: `first` was revoked, `second` is current. */
async function afterRevocation(kv: Deno.Kv) {
  const store = new KvKeyStore(kv, SEAL);
  const [first, second] = [await newKey(), await newKey()];
  await store.replace([first, second], null);
  const { keys, version } = await store.load();
  const before = await dump(kv);
  assert(await store.replace(keys.slice(1), version));
  await store.load();
  return { store, first, second, before };
}

async function jkts(store: KvKeyStore): Promise<readonly string[]> {
  return (await store.load()).keys.map(({ jkt }) => jkt);
}

Deno.test("KvKeyStore takes no revoked key back beside the current ones", async () => {
  using kv = await Deno.openKv(":memory:");
  const { store, first, second, before } = await afterRevocation(kv);
  const old = before.find(({ key }) => key.at(-1) === first.jkt);
  assert(old !== undefined);
  await kv.set(old.key, old.value);
  // It is in no list.
  assertEquals(await jkts(store), [second.jkt]);
  assertEquals(await jkts(new KvKeyStore(kv, SEAL)), [second.jkt]);
  const current = await dump(kv);
  const inClear = [first.jkt, second.jkt];
  for (const value of [inClear, before.find(isIndex)?.value]) {
    await restore(kv, current.map((entry) => isIndex(entry) ? { ...entry, value } : entry));
    await rejectsWith("key-invalid", store.load());
    await rejectsWith("key-invalid", new KvKeyStore(kv, SEAL).load());
  }
});

Deno.test("KvKeyStore takes no older set once it has read a newer one, nor an emptied database", async () => {
  using kv = await Deno.openKv(":memory:");
  const { store, first, second, before } = await afterRevocation(kv);
  const current = await dump(kv);
  await restore(kv, before);
  await rejectsWith("key-invalid", store.load());
  assertEquals(
    await jkts(new KvKeyStore(kv, SEAL)),
    [first.jkt, second.jkt],
    "one that has read nothing cannot tell, as its docs say",
  );
  await restore(kv, []);
  await rejectsWith("key-invalid", store.load());
  assertEquals(await store.replace([first], null), false);
  await restore(kv, current);
  assertEquals(await jkts(store), [second.jkt]);
});

Deno.test("KvKeyStore takes no other state with the same count", async () => {
  using kv = await Deno.openKv(":memory:");
  const { store, before } = await afterRevocation(kv);
  await restore(kv, before);
  const other = new KvKeyStore(kv, SEAL);
  const { keys, version } = await other.load();
  assert(await other.replace(keys, version));
  assertEquals((await other.load()).keys.length, 2);
  await rejectsWith("key-invalid", store.load());
});

Deno.test("KvKeyStore takes no entries of another database under the same secret", async () => {
  using kv = await Deno.openKv(":memory:");
  using elsewhere = await Deno.openKv(":memory:");
  const { store, second } = await afterRevocation(kv);
  // The same key was in both, as after a copy of the database.
  const other = new KvKeyStore(elsewhere, SEAL);
  await other.replace([second], null);
  for (let change = 0; change < 3; change++) {
    const { keys, version } = await other.load();
    assert(await other.replace(keys, version));
  }
  const [mine, theirs] = [await dump(kv), await dump(elsewhere)];
  await restore(kv, [...mine.filter(isIndex), ...theirs.filter((entry) => !isIndex(entry))]);
  await rejectsWith("key-invalid", store.load());
  await rejectsWith("key-invalid", new KvKeyStore(kv, SEAL).load());
  await restore(kv, theirs);
  await rejectsWith("key-invalid", store.load());
});

Deno.test("KvKeyStore keeps a set apart from those whose places begin like its own", async () => {
  using kv = await Deno.openKv(":memory:");
  const places = [[], ["key"], ["set"], ["key", "key"], ["key", "set"], ["set", "set"]];
  const stores = places.map((place) => {
    return new KvKeyStore(kv, { ...SEAL, prefix: [...PREFIX, ...place] });
  });
  const expected: string[][] = [];
  for (const store of stores) {
    const key = await newKey();
    const { version } = await store.load();
    assert(await store.replace([key], version));
    expected.push([key.jkt]);
  }
  for (const store of stores) {
    const { keys, version } = await store.load();
    assert(await store.replace(keys, version));
  }
  assertEquals(await Promise.all(stores.map(jkts)), expected);
});

Deno.test("KvKeyStore does not take an answer that was long under way for an attack", async () => {
  using kv = await Deno.openKv(":memory:");
  let held: Promise<void> | undefined;
  const slow: KeyKv = {
    async *list(selector, options) {
      const entries = await Array.fromAsync(kv.list(selector, options));
      await held;
      yield* entries;
    },
    atomic: () => kv.atomic(),
  };
  const store = new KvKeyStore(slow, SEAL);
  const [first, second] = [await newKey(), await newKey()];
  await store.replace([first], null);
  const { keys, version } = await store.load();
  const { promise, resolve } = Promise.withResolvers<void>();
  held = promise;
  const late = store.load();
  await settle();
  held = undefined;
  assert(await store.replace([...keys, second], version));
  assertEquals((await store.load()).keys.length, 2);
  resolve();
  const old = await late;
  assertEquals(old.keys.length, 1);
  assertEquals(await store.replace(old.keys, old.version), false);
  assertEquals((await store.load()).keys.length, 2);
});

Deno.test("createKeyRotation() neither signs with nor publishes a key that the database brings back", async () => {
  using kv = await Deno.openKv(":memory:");
  const { clock, rotation } = await machine({ store: new KvKeyStore(kv, SEAL) });
  await using _ = rotation;
  const first = await rotation.current();
  await rotation.rotate();
  const before = await dump(kv);
  await rotation.revoke(first.jkt);
  await restore(kv, before);
  clock.jump(60_000);
  await rejectsWith("key-invalid", rotation.find(first.jkt));
  await rejectsWith("key-not-found", first.sign(new Uint8Array(1)));
  assertFalse((await rotation.jwks()).keys.some(({ kid }) => kid === first.jkt));
  await assertRejects(() => rotation.rotate(), SecurityError);
});
