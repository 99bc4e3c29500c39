import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { encodeBase64Url } from "../../src/_internal/base64url.ts";
import { SecurityError } from "../../src/errors.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import { createKeyRotation } from "../../src/dpop/key_rotation.ts";
import type { StoredKey } from "../../src/dpop/key_store.ts";
import { type KeyKv, KvKeyStore } from "../../src/dpop/kv_key_store.ts";
import { overlaps, START_MS } from "./_rotation_fakes.ts";

const SECRET = new Uint8Array(32).fill(7);
const OTHER = new Uint8Array(32).fill(8);
const PREFIX = ["dpop-keys"];

async function newKey(alg: DpopAlg = "ES256"): Promise<StoredKey> {
  const pair = await generateDpopKeyPair(alg, { extractable: true });
  const { jkt, jwk } = await createDpopSigner(pair, { alg });
  const times = { createdAtMs: 1, signsFromMs: 2, retiresAtMs: 3, deletesAtMs: 4.5 };
  return { jkt, alg, jwk, privateKey: pair.privateKey, ...times };
}

async function withKv(work: (kv: Deno.Kv, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${folder}/keys.db`);
  try {
    await work(kv, folder);
  } finally {
    kv.close();
    await Deno.remove(folder, { recursive: true });
  }
}

async function rejectsInvalid(promise: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => promise, SecurityError);
  assertEquals(error.code, "key-invalid");
}

/** Whether one of the files of a database holds the bytes. */
function isOnDisk(folder: string, bytes: Uint8Array): boolean {
  const needle = new TextDecoder("latin1").decode(bytes);
  return [...Deno.readDirSync(folder)].some(({ name }) => {
    return new TextDecoder("latin1").decode(Deno.readFileSync(`${folder}/${name}`)).includes(
      needle,
    );
  });
}

/** The secret of a P-256 key in the forms in which it might be written down. */
async function forms(privateKey: CryptoKey): Promise<Readonly<Record<string, Uint8Array>>> {
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const { d = "" } = await crypto.subtle.exportKey("jwk", privateKey);
  const raw = pkcs8.slice(36, 68);
  assertEquals(encodeBase64Url(raw), d);
  return { raw, pkcs8, text: new TextEncoder().encode(d) };
}

Deno.test("KvKeyStore writes no private key into the file; a CryptoKey or JWK lies there in clear", async () => {
  const key = await newKey();
  const { raw, pkcs8, text } = await forms(key.privateKey);
  assert(raw !== undefined && pkcs8 !== undefined && text !== undefined);
  await withKv(async (kv, folder) => {
    const store = new KvKeyStore(kv, { sealKeys: [SECRET] });
    assert(await store.replace([key], null));
    assert(isOnDisk(folder, new TextEncoder().encode(key.jkt)), "the control of the search itself");
    for (const form of [raw, pkcs8, text]) assertFalse(isOnDisk(folder, form));
  });
  await withKv(async (kv, folder) => {
    await kv.set(["key"], key.privateKey);
    assert(isOnDisk(folder, raw));
  });
  await withKv(async (kv, folder) => {
    await kv.set(["key"], await crypto.subtle.exportKey("jwk", key.privateKey));
    assert(isOnDisk(folder, text));
  });
});

for (const alg of ["ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "RS256"] as const) {
  Deno.test(`KvKeyStore brings a key for ${alg} back, not extractable`, async () => {
    await withKv(async (kv) => {
      const key = await newKey(alg);
      const store = new KvKeyStore(kv, { sealKeys: [SECRET] });
      await store.replace([key], null);
      const set = await new KvKeyStore(kv, { sealKeys: [SECRET] }).load();
      const { privateKey, ...rest } = set.keys[0] ?? key;
      const { privateKey: _, ...expected } = key;
      assertEquals(rest, expected);
      assertEquals([privateKey.extractable, privateKey.usages], [false, ["sign"]]);
      // Which the halves must fit for.
      assertEquals((await createDpopSigner({ privateKey, jwk: rest.jwk }, { alg })).jkt, key.jkt);
    });
  });
}

Deno.test("KvKeyStore replaces the newest set only", async () => {
  await withKv(async (kv) => {
    const [a, b] = [newKey(), newKey()].map(() => new KvKeyStore(kv, { sealKeys: [SECRET] }));
    assert(a !== undefined && b !== undefined);
    const [one, two] = [await newKey(), await newKey()];
    assertEquals((await b.load()).version, null);
    assertEquals(await a.replace([one], null), true);
    assertEquals(await b.replace([two], null), false);
    const { keys, version } = await b.load();
    assertEquals(keys.map(({ jkt }) => jkt), [one.jkt]);
    assertEquals(await b.replace([...keys, two], version), true);
    assertEquals(await a.replace([], version), false);
    const both = await a.load();
    assertEquals(both.keys.map(({ jkt }) => jkt), [one.jkt, two.jkt]);
    assertEquals(await a.replace(both.keys.slice(1), both.version), true);
    assertEquals((await b.load()).keys.map(({ jkt }) => jkt), [two.jkt]);
    assertEquals((await Array.fromAsync(kv.list({ prefix: PREFIX }))).length, 2, "nothing is left");
  });
});

Deno.test("KvKeyStore seals again with the current secret, and does without the old one then", async () => {
  await withKv(async (kv) => {
    await new KvKeyStore(kv, { sealKeys: [OTHER] }).replace([await newKey()], null);
    const store = new KvKeyStore(kv, { sealKeys: [SECRET, OTHER] });
    const { keys, version } = await store.load();
    assertEquals(await store.replace(keys, version), true);
    assertEquals((await new KvKeyStore(kv, { sealKeys: [SECRET] }).load()).keys.length, 1);
    await rejectsInvalid(new KvKeyStore(kv, { sealKeys: [OTHER] }).load());
  });
});

Deno.test("KvKeyStore refuses what was changed in the database", async () => {
  const [one, two] = [await newKey(), await newKey()];
  type Entry = { jkt: string; alg: string; jwk: object; sealed: Uint8Array };
  const changes: Readonly<Record<string, (entry: Entry, other: Entry) => unknown>> = {
    "a bit of the ciphertext": (entry) => {
      const sealed = entry.sealed.slice();
      sealed[30] = (sealed[30] ?? 0) ^ 1;
      return { ...entry, sealed };
    },
    "a bit of the IV": (entry) => {
      const sealed = entry.sealed.slice();
      sealed[0] = (sealed[0] ?? 0) ^ 1;
      return { ...entry, sealed };
    },
    "cut short": (entry) => ({ ...entry, sealed: entry.sealed.slice(0, 5) }),
    "the algorithm": (entry) => ({ ...entry, alg: "ES384" }),
    "the public key": (entry, { jwk }) => ({ ...entry, jwk }),
    "the private key": (entry, { sealed }) => ({ ...entry, sealed }),
    "all of it": (_entry, other) => other,
    "the form": () => ({ jkt: one.jkt }),
    "nothing left": () => null,
  };
  for (const [what, change] of Object.entries(changes)) {
    await withKv(async (kv) => {
      await new KvKeyStore(kv, { sealKeys: [SECRET] }).replace([one, two], null);
      const read = async ({ jkt }: StoredKey) =>
        (await kv.get<Entry>([...PREFIX, "key", jkt])).value;
      const [entry, other] = [await read(one), await read(two)];
      assert(entry !== null && other !== null);
      await kv.set([...PREFIX, "key", one.jkt], change(entry, other));
      await assertRejects(
        () => new KvKeyStore(kv, { sealKeys: [SECRET] }).load(),
        SecurityError,
        undefined,
        what,
      );
    });
  }
});

Deno.test("KvKeyStore refuses a set that was moved, or that lost its index", async () => {
  await withKv(async (kv) => {
    await new KvKeyStore(kv, { sealKeys: [SECRET] }).replace([await newKey()], null);
    for await (const { key, value } of kv.list({ prefix: PREFIX })) {
      await kv.set(["elsewhere", ...key.slice(1)], value);
    }
    await rejectsInvalid(new KvKeyStore(kv, { sealKeys: [SECRET], prefix: ["elsewhere"] }).load());
    await kv.delete([...PREFIX, "set"]);
    await rejectsInvalid(new KvKeyStore(kv, { sealKeys: [SECRET] }).load());
  });
});

Deno.test("KvKeyStore refuses a key that it can neither export nor has sealed", async () => {
  await withKv(async (kv) => {
    const { privateKey } = await generateDpopKeyPair("ES256");
    const store = new KvKeyStore(kv, { sealKeys: [SECRET] });
    await rejectsInvalid(store.replace([{ ...await newKey(), privateKey }], null));
  });
});

Deno.test("KvKeyStore tries again while another process holds the file", async () => {
  await withKv(async (kv) => {
    let failures = 0;
    const locked = () => {
      if (++failures % 3 !== 0) throw new TypeError("database is locked");
    };
    const busy: KeyKv = {
      list(selector, options) {
        locked();
        return kv.list(selector, options);
      },
      atomic() {
        locked();
        return kv.atomic();
      },
    };
    const store = new KvKeyStore(busy, { sealKeys: [SECRET] });
    assertEquals(await store.replace([await newKey()], null), true);
    assertEquals((await store.load()).keys.length, 1);
    assertEquals(failures, 6);
  });
});

Deno.test("KvKeyStore says that the database is out of reach", async () => {
  const kv: KeyKv = {
    list() {
      throw new Error("connection refused");
    },
    atomic() {
      throw new Error("connection refused");
    },
  };
  const store = new KvKeyStore(kv, { sealKeys: [SECRET] });
  for (const promise of [store.load(), store.replace([], null)]) {
    const error = await assertRejects(() => promise, SecurityError);
    assertEquals(error.code, "key-store-unavailable");
  }
});

Deno.test("KvKeyStore refuses weak secrets and wrong options", () => {
  const kv = { list: () => [], atomic: () => ({}) } as unknown as KeyKv;
  const make = (options: unknown) => () =>
    new KvKeyStore(kv, options as { sealKeys: Uint8Array[] });
  assertThrows(make({ sealKeys: [] }), TypeError, "sealKeys");
  assertThrows(make({ sealKeys: ["secret"] }), TypeError, "sealKeys");
  assertThrows(make({ sealKeys: [SECRET, new Uint8Array(31)] }), RangeError, "31");
  assertThrows(make({ sealKeys: [SECRET], prefix: [] }), TypeError, "prefix");
  assertThrows(
    () => new KvKeyStore({} as KeyKv, { sealKeys: [SECRET] }),
    TypeError,
    "'kv'",
  );
});

Deno.test("createKeyRotation() keeps rotating in a KvKeyStore across restarts", async () => {
  await withKv(async (kv) => {
    let nowMs = START_MS;
    const seen = new Set<string>();
    for (let hour = 0; hour < 4; hour++) {
      await using rotation = await createKeyRotation({
        store: new KvKeyStore(kv, { sealKeys: [SECRET] }),
        rotateEverySeconds: 3600,
        overlapSeconds: 7200,
        now: () => nowMs,
      });
      const signer = await rotation.current();
      assertEquals(seen.has(signer.jkt), false);
      for (const jkt of [...seen].slice(-2)) assertEquals((await rotation.find(jkt))?.jkt, jkt);
      seen.add(signer.jkt);
      nowMs += 3_600_000;
    }
  });
});

Deno.test("createKeyRotation() elects one leader among three processes on one file", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/keys.db`;
  const script = new URL("./_key_rotation_process.ts", import.meta.url).pathname;
  const processes = Array.from({ length: 3 }, () => {
    const child = new Deno.Command("deno", {
      args: ["run", "--no-check", "--no-prompt", "--unstable-kv", "-R", "-W", script, path],
      stdin: "piped",
      stdout: "piped",
      signal: AbortSignal.timeout(60_000),
    }).spawn();
    const lines = linesOf(child.stdout);
    return { child, lines, input: child.stdin.getWriter() };
  });
  const answers = async () => {
    const results = await Promise.all(processes.map(({ lines }) => lines.next()));
    return new Set(results.map(({ value }) => value));
  };
  try {
    assertEquals(await answers(), new Set(["ready"]));
    const seen = new Set<unknown>();
    for (let round = 0; round < 6; round++) {
      const nowMs = START_MS + round * 3_600_000;
      await Promise.all(processes.map(({ input }) => {
        return input.write(new TextEncoder().encode(`${nowMs}\n`));
      }));
      const jkts = await answers();
      assertEquals(jkts.size, 1, `round ${round}: ${[...jkts]}`);
      for (const jkt of jkts) {
        assertFalse(seen.has(jkt));
        seen.add(jkt);
      }
    }
    for (const { child, input } of processes) {
      await input.close();
      assertEquals((await child.status).code, 0);
    }
    const kv = await Deno.openKv(path);
    const { keys } = await new KvKeyStore(kv, { sealKeys: [SECRET] }).load();
    kv.close();
    assertEquals(overlaps(keys), 0);
    assertEquals(new Set(keys.map(({ jkt }) => jkt)), new Set([...seen].slice(-3)));
  } finally {
    for (const { child, lines } of processes) {
      try {
        child.kill();
      } catch {
        // It has ended.
      }
      await child.status;
      await lines.return?.(undefined);
    }
    await Deno.remove(folder, { recursive: true });
  }
});

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
