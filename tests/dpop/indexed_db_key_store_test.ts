import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { IDBFactory } from "fake-indexeddb";
import { SecurityError } from "../../src/errors.ts";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import {
  IndexedDbKeyStore,
  type IndexedDbKeyStoreOptions,
} from "../../src/dpop/indexed_db_key_store.ts";
import { createKeyRotation } from "../../src/dpop/key_rotation.ts";
import type { StoredKey } from "../../src/dpop/key_store.ts";
import { settle } from "./_rotation_fakes.ts";

type Factory = NonNullable<IndexedDbKeyStoreOptions["indexedDB"]>;

async function newKey(): Promise<StoredKey> {
  const pair = await generateDpopKeyPair("ES256");
  const { jkt, jwk, alg } = await createDpopSigner(pair);
  const times = { createdAtMs: 1, signsFromMs: 2, retiresAtMs: 3, deletesAtMs: 4 };
  return { jkt, alg, jwk, privateKey: pair.privateKey, ...times };
}

/** IndexedDB that refuses, in the ways of browsers in private mode and sandboxed frames. */
const REFUSALS: Readonly<Record<string, Factory | undefined>> = {
  "is missing": undefined,
  "throws": {
    open() {
      throw new DOMException("The operation is insecure", "SecurityError");
    },
  },
  "reports an error": {
    open() {
      const request = { onerror: () => {}, error: new DOMException("", "InvalidStateError") };
      queueMicrotask(() => request.onerror());
      return request;
    },
  },
  "never answers": { open: () => ({}) },
};

Deno.test("IndexedDbKeyStore keeps keys that cannot be taken out, for the next page", async () => {
  const indexedDB = new IDBFactory();
  const key = await newKey();
  const store = new IndexedDbKeyStore({ indexedDB });
  assertEquals(await store.load(), { keys: [], version: null });
  assertEquals(store.persistence, undefined);
  assertEquals(await store.replace([key], null), true);
  assertEquals(store.persistence, "indexed-db");
  const next = new IndexedDbKeyStore({ indexedDB });
  const { keys: [found] } = await next.load();
  assert(found !== undefined);
  const { privateKey, jwk } = found;
  assertEquals([found.jkt, privateKey.extractable], [key.jkt, false]);
  assertEquals((await createDpopSigner({ privateKey, jwk })).jkt, key.jkt);
  assertEquals(next.persistence, "indexed-db");
});

Deno.test("IndexedDbKeyStore replaces the newest set only", async () => {
  const indexedDB = new IDBFactory();
  const [a, b] = [new IndexedDbKeyStore({ indexedDB }), new IndexedDbKeyStore({ indexedDB })];
  const [one, two] = [await newKey(), await newKey()];
  const results = await Promise.all([a.replace([one], null), b.replace([two], null)]);
  assertEquals(results.toSorted(), [false, true]);
  const { version } = await a.load();
  assertEquals(await b.replace([two], version), true);
  assertEquals(await a.replace([one], version), false);
  assertEquals(await a.replace([one], null), false);
  assertEquals((await a.load()).keys.map(({ jkt }) => jkt), [two.jkt]);
});

Deno.test("IndexedDbKeyStore keeps sets of different names apart", async () => {
  const indexedDB = new IDBFactory();
  await new IndexedDbKeyStore({ indexedDB, name: "a" }).replace([await newKey()], null);
  assertEquals((await new IndexedDbKeyStore({ indexedDB, name: "b" }).load()).keys, []);
});

for (const [what, refusing] of Object.entries(REFUSALS)) {
  Deno.test(`IndexedDbKeyStore falls back as told when IndexedDB ${what}`, async () => {
    const indexedDB = refusing as Factory;
    const store = new IndexedDbKeyStore({ indexedDB, openTimeoutMs: 20 });
    const key = await newKey();
    const { version } = await store.load();
    assertEquals(store.persistence, "memory");
    assertEquals(await store.replace([key], version), true);
    assertEquals((await store.load()).keys, [key]);
    const strict = new IndexedDbKeyStore({ indexedDB, openTimeoutMs: 20, fallback: "throw" });
    const error = await assertRejects(() => strict.load(), SecurityError);
    assertEquals(error.code, "key-store-unavailable");
    assertEquals(strict.persistence, undefined);
  });
}

Deno.test("IndexedDbKeyStore falls back when IndexedDB opens but can hold no key", async () => {
  const key = await newKey();
  // What cannot be cloned is refused like this; the private mode of some browsers refuses every key.
  const uncloneable = { ...key, privateKey: () => {} } as unknown as StoredKey;
  const store = new IndexedDbKeyStore({ indexedDB: new IDBFactory() });
  assertEquals(await store.replace([uncloneable], (await store.load()).version), true);
  assertEquals(store.persistence, "memory");
});

Deno.test("IndexedDbKeyStore does not fall back once it has worked", async () => {
  const real = new IDBFactory();
  let isBroken = false;
  const indexedDB: Factory = {
    open(name, version) {
      if (isBroken) throw new DOMException("The disk is full", "QuotaExceededError");
      return real.open(name, version);
    },
  };
  const store = new IndexedDbKeyStore({ indexedDB });
  await store.replace([await newKey()], null);
  isBroken = true;
  const error = await assertRejects(() => store.load(), SecurityError);
  assertEquals(error.code, "key-store-unavailable");
  assertEquals(store.persistence, "indexed-db");
  isBroken = false;
  assertEquals((await store.load()).keys.length, 1);
});

Deno.test("IndexedDbKeyStore does not fall back when it worked while a first request hung", async () => {
  const real = new IDBFactory();
  let opened = 0;
  const indexedDB: Factory = {
    open: (name, version) => ++opened === 1 ? {} : real.open(name, version),
  };
  const store = new IndexedDbKeyStore({ indexedDB, openTimeoutMs: 50 });
  const hanging = store.load();
  const key = await newKey();
  assertEquals(await store.replace([key], null), true);
  const error = await assertRejects(() => hanging, SecurityError);
  assertEquals(error.code, "key-store-unavailable");
  assertEquals(store.persistence, "indexed-db");
  assertEquals((await store.load()).keys.map(({ jkt }) => jkt), [key.jkt]);
});

Deno.test("IndexedDbKeyStore refuses a record that is no set of keys", async () => {
  const indexedDB = new IDBFactory();
  await new IndexedDbKeyStore({ indexedDB }).replace([], null);
  const database = await new Promise<{ transaction: CallableFunction; close(): void }>(
    (resolve) => {
      const request = indexedDB.open("dpop-keys", 1) as unknown as {
        result: { transaction: CallableFunction; close(): void };
        onsuccess: () => void;
      };
      request.onsuccess = () => resolve(request.result);
    },
  );
  database.transaction("sets", "readwrite").objectStore("sets").put({ keys: "none" }, "set");
  database.close();
  await settle();
  const store = new IndexedDbKeyStore({ indexedDB });
  const error = await assertRejects(() => store.load(), SecurityError);
  assertEquals(error.code, "key-invalid");
});

Deno.test("IndexedDbKeyStore refuses wrong options", () => {
  const make = (options: unknown) => () => new IndexedDbKeyStore(options as never);
  assertThrows(make({ name: 5 }), TypeError, "'name'");
  assertThrows(make({ fallback: "cookies" }), TypeError, "'fallback'");
  assertThrows(make({ openTimeoutMs: 0 }), RangeError, "'openTimeoutMs'");
});

Deno.test("createKeyRotation() shares its keys between two tabs", async () => {
  const indexedDB = new IDBFactory();
  const tabs = await Promise.all([1, 2].map(() => {
    return createKeyRotation({ store: new IndexedDbKeyStore({ indexedDB }) });
  }));
  const jkts = await Promise.all(tabs.map(async (tab) => (await tab.current()).jkt));
  assertEquals(new Set(jkts).size, 1);
  await Promise.all(tabs.map((tab) => tab.close()));
});
