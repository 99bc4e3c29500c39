import { SecurityError } from "../errors.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { type IdbFactory, readRecord, replaceRecord } from "./_indexed_db.ts";
import type { KeySet, KeyStore, StoredKey } from "./key_store.ts";
import { MemoryKeyStore } from "./memory_key_store.ts";

/** Options of {@linkcode IndexedDbKeyStore}. */
export interface IndexedDbKeyStoreOptions {
  /** Name of the database; one for each rotation. @default {"dpop-keys"} */
  readonly name?: string;
  /**
   * What happens where there is no IndexedDB, or it refuses keys, as some browsers do in private mode: keys
   * in memory, which are lost when the page is left, or an error. @default {"memory"}
   */
  readonly fallback?: "memory" | "throw";
  /**
   * How long the first answer may take before it counts as refused, in milliseconds. @default {3000}
   */
  readonly openTimeoutMs?: number;
  /** IndexedDB. @default {the runtime's} */
  readonly indexedDB?: { open(name: string, version: number): unknown };
}

/**
 * Keeps the keys of a rotation in IndexedDB, for browsers: all tabs and workers of an origin share them, and
 * they outlive the page.
 *
 * The `CryptoKey`s are stored as they are, non-extractable: a script that was slipped into the page can sign
 * with them while it runs, but cannot carry them away. Whether the browser encrypts what it writes to disk
 * is up to the browser.
 *
 * Where IndexedDB is missing or refuses the first keys, the store falls back as told; `persistence` says
 * where keys lie. Once it has worked, a later failure is an error, since keys that suddenly were others
 * would not fit the tokens.
 *
 * @example In a browser
 * ```ts
 * import { IndexedDbKeyStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // Deno has no IndexedDB.
 * const store = new IndexedDbKeyStore({ fallback: "memory" });
 * assertEquals((await store.load()).keys, []);
 * assertEquals(store.persistence, "memory");
 * ```
 */
export class IndexedDbKeyStore implements KeyStore {
  /** Keys are cloned, not exported. */
  readonly needsExtractable = false;
  readonly #name: string;
  readonly #factory: IdbFactory | undefined;
  readonly #fallback: "memory" | "throw";
  readonly #openTimeoutMs: number;
  /** Where keys lie, once that is known. */
  #persistence: "indexed-db" | "memory" | undefined;
  readonly #memory = new MemoryKeyStore();

  /**
   * Makes a store.
   *
   * @param options Name of the database, and what to do without one.
   * @throws {TypeError} If an option is of the wrong kind.
   * @throws {RangeError} If `openTimeoutMs` is no integer from 1 to 2,147,483,647.
   */
  constructor(options: IndexedDbKeyStoreOptions = {}) {
    const { name = "dpop-keys", fallback = "memory", openTimeoutMs = 3000 } = options;
    if (typeof name !== "string") throw wrong("name", "a string", name);
    if (fallback !== "memory" && fallback !== "throw") {
      throw wrong("fallback", '"memory" or "throw"', fallback);
    }
    if (!(Number.isInteger(openTimeoutMs) && openTimeoutMs > 0 && openTimeoutMs < 2 ** 31)) {
      throw new RangeError(
        "Cannot make an IndexedDbKeyStore as 'openTimeoutMs' must be an integer from 1 to " +
          `2147483647: current value is ${openTimeoutMs}`,
      );
    }
    this.#name = name;
    this.#fallback = fallback;
    this.#openTimeoutMs = openTimeoutMs;
    this.#factory = "indexedDB" in options ? options.indexedDB : ofRuntime();
  }

  /** Where keys lie; `undefined` until IndexedDB has kept or refused some. */
  get persistence(): "indexed-db" | "memory" | undefined {
    return this.#persistence;
  }

  /**
   * Reads the set.
   *
   * @param options The abort signal.
   * @returns The keys and their version.
   * @throws {SecurityError} `key-store-unavailable`, or `key-invalid` when the database holds something else.
   */
  async load(options: { readonly signal?: AbortSignal } = {}): Promise<KeySet> {
    const record = await this.#use(
      (factory) => readRecord(factory, this.#name),
      options.signal,
    );
    if (this.#persistence === "memory") return await this.#memory.load();
    if (record === undefined) return { keys: [], version: null };
    if (!isRecord(record)) {
      throw new SecurityError("key-invalid", "The stored set of keys is not valid");
    }
    this.#persistence = "indexed-db";
    return { keys: record.keys, version: `${record.version}` };
  }

  /**
   * Replaces the set if its version is still the given one.
   *
   * @param keys The new keys, oldest first.
   * @param version The version that they replace.
   * @param options The abort signal.
   * @returns Whether they were stored.
   * @throws {SecurityError} `key-store-unavailable`.
   */
  async replace(
    keys: readonly StoredKey[],
    version: string | null,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const isReplaced = await this.#use((factory) => {
      const record = { version: Number(version ?? 0) + 1, keys };
      const expects = (old: unknown) =>
        version === (isRecord(old) ? `${old.version}` : old === undefined ? null : undefined);
      return replaceRecord(factory, this.#name, expects, record);
    }, options.signal);
    if (this.#persistence === "memory") return await this.#memory.replace(keys, version);
    if (isReplaced === true) this.#persistence = "indexed-db";
    return isReplaced === true;
  }

  /** Asks IndexedDB; a failure before it has ever worked may settle that memory is used. */
  async #use<T>(
    ask: (factory: IdbFactory) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T | undefined> {
    if (this.#persistence === "memory") return undefined;
    const isFirst = this.#persistence === undefined;
    const factory = this.#factory;
    try {
      if (factory === undefined) throw new TypeError("This runtime has no IndexedDB");
      // In some browsers, a database that is broken never answers.
      const limits = { signal, ...(isFirst && { timeoutMs: this.#openTimeoutMs }) };
      return await answerWithin(() => ask(factory), limits);
    } catch (cause) {
      signal?.throwIfAborted();
      // Another request may have been answered meanwhile, and settled it.
      const { persistence } = this;
      if (persistence === "memory") return undefined;
      if (persistence === "indexed-db" || this.#fallback === "throw") {
        throw new SecurityError("key-store-unavailable", "The keys are out of reach", { cause });
      }
      this.#persistence = "memory";
      return undefined;
    }
  }
}

/** Reading the property alone throws where storage is forbidden, as in a sandboxed frame. */
function ofRuntime(): IdbFactory | undefined {
  try {
    return (globalThis as { indexedDB?: IdbFactory }).indexedDB ?? undefined;
  } catch {
    return undefined;
  }
}

function isRecord(
  value: unknown,
): value is { readonly version: number; readonly keys: readonly StoredKey[] } {
  if (typeof value !== "object" || value === null) return false;
  const { version, keys } = value as Record<string, unknown>;
  return Number.isSafeInteger(version) && Array.isArray(keys);
}

function wrong(name: string, must: string, value: unknown): TypeError {
  return new TypeError(
    `Cannot make an IndexedDbKeyStore as '${name}' must be ${must}: current value is ${value}`,
  );
}
