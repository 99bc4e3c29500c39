import { SecurityError } from "../errors.ts";
import { isDpopAlg } from "./_algs.ts";
import {
  checkIsNewer,
  digestOf,
  equals,
  type FoundIndex,
  nextIndex,
  parseIndex,
} from "./_kv_key_index.ts";
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
   * Secrets that seal the keys, the current one first: at least 32 random bytes each, used for this set alone,
   * and kept anywhere but in its database. An older one is needed until all was sealed again, which the next
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
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/**
 * Keeps the keys of a rotation in Deno KV, sealed.
 *
 * A `CryptoKey` that is put into Deno KV lies in the database in clear, even one that is not extractable.
 * Here private keys are encrypted before they are written (AES-256-GCM under a key derived from the
 * secret), together with the times of the key, and bound to its thumbprint, algorithm and place. So is the
 * list of the keys, with a random name of the set and a count of its changes.
 *
 * Who reads the database learns public keys. Who writes to it can make the set unreadable (`key-invalid`),
 * but cannot make a key, change one, prolong its life, take a single one away or put one back. What they can
 * put back is a whole older set, or one that the same secret sealed for the same place elsewhere. A store
 * that has read the set refuses it (`key-invalid`), as it does an emptied database, until it is made anew;
 * a store that has not cannot tell, and brings keys back that were revoked in the meantime. Once such a
 * store has changed the older set more often than the newer one was, others take it for the newest: revoke
 * the keys again then, or better use a new secret and another place.
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
  /** The newest index that was read. */
  #seen: FoundIndex | undefined;

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
   * @throws {SecurityError} `key-store-unavailable`, or `key-invalid` when something was changed, was sealed
   * by another secret, or is older than what was read before.
   */
  async load(options: { readonly signal?: AbortSignal } = {}): Promise<KeySet> {
    const seen = this.#seen;
    const entries = new Map<string, unknown>();
    let entry: KeyKvEntry | undefined;
    const { length } = this.#prefix;
    for (const one of await askKv(() => this.#read(), options.signal)) {
      // Anything else is of a store whose prefix begins like this one.
      const [kind, jkt] = one.key.slice(length);
      if (one.key.length === length + 1 && kind === INDEX) entry = one;
      if (one.key.length === length + 2 && kind === KEY && isThumbprint(jkt)) {
        entries.set(jkt, one.value);
      }
    }
    // Deleting the index would otherwise make a set that anybody may begin anew.
    if (entry === undefined) {
      checkIsNewer(undefined, seen);
      if (entries.size > 0) throw invalid();
      return { keys: [], version: null };
    }
    const sealed = entry.value;
    if (!(sealed instanceof Uint8Array)) throw invalid();
    const { id, count, entries: names } = parseIndex(
      await this.#sealer.openText(sealed, this.#indexPlace()),
    );
    const found: FoundIndex = { id, count, sealed, version: entry.versionstamp };
    checkIsNewer(found, seen);
    const opened = new Map<string, OpenedEntry>();
    for (const [jkt, digest] of names) {
      opened.set(jkt, await this.#open(jkt, digest, entries.get(jkt)));
    }
    // An answer that was long under way must not replace a newer one.
    if (this.#seen === undefined || count >= this.#seen.count) {
      this.#opened = opened;
      this.#found = [...entries.keys()];
      this.#seen = found;
    }
    return { keys: [...opened.values()].map(({ key }) => key), version: found.version };
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
    const seen = this.#seen;
    const found = this.#found;
    // Only the newest set counts on from itself.
    if (version !== (seen?.version ?? null)) return false;
    const values = await Promise.all(keys.map((key) => this.#seal(key)));
    const text = JSON.stringify(nextIndex(values, seen));
    const index = await this.#sealer.sealText(text, this.#indexPlace());
    // Written twice because the first answer was lost, it fails the second time, and the next load tells.
    const { ok } = await askKv(() => this.#write(values, found, index, version), options.signal);
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
    found: readonly string[],
    index: Uint8Array,
    version: string | null,
  ): Promise<{ readonly ok: boolean }> {
    const atomic = this.#kv.atomic();
    const names = values.map(({ jkt }) => jkt);
    atomic.check({ key: this.#indexPlace(), versionstamp: version });
    for (const jkt of found) {
      if (!names.includes(jkt)) atomic.delete(this.#place(jkt));
    }
    for (const value of values) atomic.set(this.#place(value.jkt), value);
    atomic.set(this.#indexPlace(), index);
    return atomic.commit();
  }

  #indexPlace(): readonly string[] {
    return [...this.#prefix, INDEX];
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

  async #open(jkt: string, digest: string, value: unknown): Promise<OpenedEntry> {
    if (!isSealedEntry(value) || value.jkt !== jkt) throw invalid();
    const { alg, sealed } = value;
    if (digestOf(sealed) !== digest) throw invalid();
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

function isThumbprint(value: unknown): value is string {
  return typeof value === "string" && THUMBPRINT.test(value);
}

function invalid(cause?: unknown): SecurityError {
  return new SecurityError("key-invalid", "The stored set of keys is not valid", { cause });
}

function unavailable(cause: unknown): SecurityError {
  return new SecurityError("key-store-unavailable", "The database of keys is out of reach", {
    cause,
  });
}
