import { SecurityError } from "../errors.ts";
import { isDpopAlg } from "./_algs.ts";
import { whenUnlocked } from "./_kv_lock.ts";
import { publicMembers } from "./_public_jwk.ts";
import { importPrivateKey, KeySealer, type SealedName } from "./_sealed_keys.ts";
import type { KeySet, KeyStore, StoredKey } from "./key_store.ts";
import { jwkThumbprint } from "./thumbprint.ts";

/** An entry of Deno KV, as far as {@linkcode KvKeyStore} reads it. */
export interface KeyKvEntry {
  /** Its key. */
  readonly key: readonly unknown[];
  /** Its value. */
  readonly value: unknown;
  /** Stands for this state of the entry. */
  readonly versionstamp: string;
}

/** A transaction of Deno KV, as far as {@linkcode KvKeyStore} uses it. */
export interface KeyKvAtomic {
  /** Makes the transaction fail unless the entry is in that state. */
  check(check: { readonly key: readonly string[]; readonly versionstamp: string | null }): unknown;
  /** Writes an entry. */
  set(key: readonly string[], value: unknown): unknown;
  /** Deletes an entry. */
  delete(key: readonly string[]): unknown;
  /** Runs the transaction. */
  commit(): Promise<{ readonly ok: boolean }>;
}

/** What {@linkcode KvKeyStore} needs of Deno KV: `Deno.openKv()`, or `openKv()` of `@deno/kv`. */
export interface KeyKv {
  /** Reads all entries with a prefix. */
  list(
    selector: { readonly prefix: readonly string[] },
    options: { readonly batchSize: number; readonly consistency: "strong" },
  ): AsyncIterable<KeyKvEntry>;
  /** Begins a transaction. */
  atomic(): KeyKvAtomic;
}

/** Options of {@linkcode KvKeyStore}. */
export interface KvKeyStoreOptions {
  /**
   * Secrets that seal the private keys, the current one first: at least 32 random bytes each, kept anywhere
   * but in this database. An older one is needed until each of its keys was sealed again, which the next
   * change of the set does.
   */
  readonly sealKeys: readonly Uint8Array[];
  /** Where the keys lie in the database; one place for each rotation. @default {["dpop-keys"]} */
  readonly prefix?: readonly string[];
}

/** Read at once, and therefore as of one moment: more than a set ever holds. */
const BATCH_SIZE = 500;
/** Names the entry whose version is the set's. */
const INDEX = "set";
const KEY = "key";

/**
 * Keeps the keys of a rotation in Deno KV, sealed.
 *
 * A `CryptoKey` that is put into Deno KV lies in the database in clear, even one that is not extractable.
 * Here private keys are encrypted before they are written (AES-256-GCM under a key derived from the
 * secret), together with the times of the key, and bound to its thumbprint, algorithm and place. Who reads
 * the database learns public keys; who writes to it can delete keys or bring an old state of the whole set
 * back, but cannot make a key, change one, or prolong its life.
 *
 * Keys come back non-extractable. In Deno, needs `--unstable-kv`.
 *
 * @example Rotate the keys of many machines
 * ```ts ignore
 * import { createKeyRotation, KvKeyStore } from "@bartizan/security";
 *
 * const kv = await Deno.openKv();
 * const sealKeys = [Uint8Array.fromBase64(Deno.env.get("DPOP_SEAL_KEY") ?? "")];
 * const rotation = await createKeyRotation({ store: new KvKeyStore(kv, { sealKeys }) });
 * ```
 */
export class KvKeyStore implements KeyStore {
  /** Keys are exported to be sealed. */
  readonly needsExtractable = true;
  readonly #kv: KeyKv;
  readonly #sealer: KeySealer;
  readonly #prefix: readonly string[];
  /** What lies in the database, by the keys that were made of it: they cannot be exported again. */
  readonly #sealed = new WeakMap<CryptoKey, Uint8Array>();
  /** The last set, by thumbprint: what has not changed is not opened again. */
  #opened: ReadonlyMap<string, OpenedEntry> = new Map();
  /** Thumbprints that the database had entries of. */
  #found: readonly string[] = [];

  /**
   * Makes a store.
   *
   * @param kv The database.
   * @param options The secrets and the place.
   * @throws {TypeError} If the database has no `list` and `atomic`, a secret is no `Uint8Array`, or `prefix`
   * is no list of strings.
   * @throws {RangeError} If a secret has fewer than 32 bytes.
   */
  constructor(kv: KeyKv, options: KvKeyStoreOptions) {
    const { sealKeys, prefix = ["dpop-keys"] } = options;
    if (typeof kv?.list !== "function" || typeof kv.atomic !== "function") {
      throw new TypeError("Cannot make a KvKeyStore as 'kv' must be a Deno KV database");
    }
    if (
      !Array.isArray(prefix) || !prefix.length || prefix.some((part) => typeof part !== "string")
    ) {
      throw new TypeError("Cannot make a KvKeyStore as 'prefix' must hold one string or more");
    }
    this.#kv = kv;
    this.#sealer = new KeySealer(sealKeys);
    this.#prefix = [...prefix];
  }

  /**
   * Reads the set.
   *
   * @param options The abort signal.
   * @returns The keys and their version.
   * @throws {SecurityError} `key-store-unavailable`, or `key-invalid` when one of the keys was changed or was
   * sealed by another secret.
   */
  async load(options: { readonly signal?: AbortSignal } = {}): Promise<KeySet> {
    const entries = new Map<string, unknown>();
    let index: KeyKvEntry | undefined;
    for (const entry of await askKv(() => this.#read(), options.signal)) {
      const [kind, jkt] = entry.key.slice(this.#prefix.length);
      if (kind === INDEX) index = entry;
      else if (kind === KEY) entries.set(String(jkt), entry.value);
    }
    // Deleting the index would otherwise make a set that anybody may begin anew.
    if (index === undefined) {
      if (entries.size > 0) throw invalid();
      return { keys: [], version: null };
    }
    const names = index.value;
    if (!Array.isArray(names)) throw invalid();
    const opened = new Map<string, OpenedEntry>();
    for (const jkt of names) {
      opened.set(jkt, await this.#open(jkt, entries.get(jkt)));
    }
    this.#opened = opened;
    this.#found = [...entries.keys()];
    return { keys: [...opened.values()].map(({ key }) => key), version: index.versionstamp };
  }

  /**
   * Replaces the set if its version is still the given one.
   *
   * @param keys The new keys, oldest first: extractable, or as `load` returned them.
   * @param version The version that they replace.
   * @param options The abort signal.
   * @returns Whether they were stored.
   * @throws {SecurityError} `key-store-unavailable`, or `key-invalid` for a key that can be exported as
   * little as found.
   */
  async replace(
    keys: readonly StoredKey[],
    version: string | null,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const values = await Promise.all(keys.map((key) => this.#seal(key)));
    // Written twice because the first answer was lost, it fails the second time, and the next load tells.
    const { ok } = await askKv(() => this.#write(values, version), options.signal);
    return ok;
  }

  async #read(): Promise<readonly KeyKvEntry[]> {
    const list = this.#kv.list(
      { prefix: this.#prefix },
      { batchSize: BATCH_SIZE, consistency: "strong" },
    );
    const entries: KeyKvEntry[] = [];
    for await (const entry of list) entries.push(entry);
    return entries;
  }

  #write(
    values: readonly SealedEntry[],
    version: string | null,
  ): Promise<{ readonly ok: boolean }> {
    const atomic = this.#kv.atomic();
    const index = [...this.#prefix, INDEX];
    const names = values.map(({ jkt }) => jkt);
    atomic.check({ key: index, versionstamp: version });
    for (const jkt of this.#found) {
      if (!names.includes(jkt)) atomic.delete(this.#place(jkt));
    }
    for (const value of values) atomic.set(this.#place(value.jkt), value);
    atomic.set(index, names);
    return atomic.commit();
  }

  #place(jkt: string): readonly string[] {
    return [...this.#prefix, KEY, jkt];
  }

  #name({ jkt, alg }: Pick<StoredKey, "jkt" | "alg">): SealedName {
    return { jkt, alg, place: this.#place(jkt) };
  }

  async #seal(key: StoredKey): Promise<SealedEntry> {
    const { jkt, alg, jwk, privateKey } = key;
    const name = this.#name(key);
    let pkcs8: Uint8Array<ArrayBuffer>;
    if (privateKey.extractable) {
      pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
    } else {
      const sealed = this.#sealed.get(privateKey);
      if (sealed === undefined) {
        throw new SecurityError("key-invalid", "A key that cannot be exported cannot be stored");
      }
      ({ pkcs8 } = await this.#sealer.open(sealed, name));
    }
    const sealed = await this.#sealer.seal(pkcs8, key, name);
    pkcs8.fill(0);
    return { jkt, alg, jwk, sealed };
  }

  async #open(jkt: unknown, value: unknown): Promise<OpenedEntry> {
    if (!isSealedEntry(value) || value.jkt !== jkt) throw invalid();
    const { alg, sealed } = value;
    const old = this.#opened.get(value.jkt);
    if (old !== undefined && old.key.alg === alg && equals(old.sealed, sealed)) return old;
    let jwk: StoredKey["jwk"];
    try {
      jwk = publicMembers(value.jwk, alg);
    } catch (cause) {
      throw invalid(cause);
    }
    // The name is authenticated, and stands for the public key.
    if (jwkThumbprint(jwk) !== jkt) throw invalid();
    const { pkcs8, ...times } = await this.#sealer.open(sealed, this.#name(value));
    const privateKey = await importPrivateKey(pkcs8, alg);
    this.#sealed.set(privateKey, sealed);
    return { sealed, key: { jkt: value.jkt, alg, jwk, privateKey, ...times } };
  }
}

/** What lies in the database for one key. */
interface SealedEntry {
  readonly jkt: string;
  readonly alg: StoredKey["alg"];
  readonly jwk: object;
  readonly sealed: Uint8Array;
}

interface OpenedEntry {
  readonly sealed: Uint8Array;
  readonly key: StoredKey;
}

/** Reads or writes, and names what goes wrong. */
async function askKv<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await whenUnlocked(work, signal);
  } catch (cause) {
    throw unavailable(cause);
  }
}

function isSealedEntry(value: unknown): value is SealedEntry {
  if (typeof value !== "object" || value === null) return false;
  const { jkt, alg, jwk, sealed } = value as Record<string, unknown>;
  return typeof jkt === "string" && isDpopAlg(alg) && typeof jwk === "object" && jwk !== null &&
    sealed instanceof Uint8Array;
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function invalid(cause?: unknown): SecurityError {
  return new SecurityError("key-invalid", "The stored set of keys is not valid", { cause });
}

function unavailable(cause: unknown): SecurityError {
  return new SecurityError("key-store-unavailable", "The database of keys is out of reach", {
    cause,
  });
}
