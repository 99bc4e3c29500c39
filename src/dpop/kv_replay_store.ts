import { whenUnlocked } from "./_kv_lock.ts";
import { askStore, checkSharedOptions, lifetimeSeconds, unavailable } from "./_shared_store.ts";
import type { ReplayAddOptions, ReplayStore } from "./replay_store.ts";

/** What {@linkcode KvReplayStore} needs of a transaction. */
export interface ReplayKvTransaction {
  /** Makes the transaction depend on a key not being there. */
  check(check: { readonly key: readonly string[]; readonly versionstamp: null }): this;
  /** Sets a key, to be removed after a time in milliseconds. */
  set(key: readonly string[], value: unknown, options: { readonly expireIn: number }): this;
  /** Does it all, or nothing of it. */
  commit(): Promise<{ readonly ok: boolean }>;
}

/** What {@linkcode KvReplayStore} needs of a database: `Deno.Kv`, and the `Kv` of `@deno/kv`, have it. */
export interface ReplayKv {
  /** Begins a transaction. */
  atomic(): ReplayKvTransaction;
}

/** Options of {@linkcode KvReplayStore}. */
export interface KvReplayStoreOptions {
  /** First part of the keys. @default {"dpop"} */
  readonly prefix?: string;
  /** How long to wait for an answer, in milliseconds. @default {500} */
  readonly timeoutMs?: number;
}

/**
 * Remembers proofs in Deno KV, for every isolate and machine that shares the database.
 *
 * A proof is one transaction, which sets the key `[prefix, key]` if nothing is there. What is not
 * clearly new is refused: a timeout, an error, an answer that is not the documented one.
 *
 * - Deno KV removes expired entries when it finds time, late but never early. One that is still there counts
 *   as seen.
 * - A database that is full, or over the limits of its service, refuses (`replay-store-unavailable`).
 * - It is written to disk, unless it was opened as `":memory:"`: then a restart forgets.
 * - The transaction goes to the primary region, wherever the verifier is; give it the time for that.
 * - Lifetimes are durations, counted from when the verifier asks. A verifier whose clock goes back by more than
 *   `maxFutureSeconds` takes for young what was forgotten in time.
 * - Verifiers that share a database need the same `prefix`, `maxAgeSeconds` and `maxFutureSeconds`: a proof is
 *   remembered for the window of the one that accepted it, and a verifier with a longer window would accept
 *   it again after that.
 *
 * Requires `--unstable-kv` in Deno. Elsewhere, open the database with `@deno/kv`.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-11.1 | RFC 9449, section 11.1}
 *
 * @example With a database
 * ```ts ignore
 * import { KvReplayStore } from "@bartizan/security";
 *
 * const store = new KvReplayStore(await Deno.openKv());
 * ```
 */
export class KvReplayStore implements ReplayStore {
  readonly #kv: ReplayKv;
  readonly #prefix: string;
  readonly #timeoutMs: number;

  /**
   * Makes a store on an open database, which stays yours to close.
   *
   * @param kv The database.
   * @param options Names and deadline.
   * @throws {TypeError} If `kv` is no database, or `prefix` no string.
   * @throws {RangeError} If `timeoutMs` is no integer in its range.
   */
  constructor(kv: ReplayKv, options: KvReplayStoreOptions = {}) {
    const { prefix = "dpop", timeoutMs = 500 } = options;
    if (typeof kv?.atomic !== "function") {
      throw new TypeError(
        `Cannot make a KvReplayStore as 'kv' must have a method 'atomic': current value is ${kv}`,
      );
    }
    checkSharedOptions("KvReplayStore", prefix, timeoutMs);
    this.#kv = kv;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Adds a key if it is not there yet.
   *
   * @param key Any string.
   * @param expiresAtSeconds When it may be forgotten, in seconds since the epoch.
   * @param options The abort signal and the verifier's time. There is no quota by `jkt`.
   * @returns Whether it was new; `false` also, without asking, for what has expired.
   * @throws {SecurityError} `replay-store-unavailable`: then the proof must be refused.
   * @throws {RangeError} If the expiry or the time is not a finite number.
   * @throws The reason of the signal, if it is aborted.
   */
  async add(
    key: string,
    expiresAtSeconds: number,
    options: ReplayAddOptions = {},
  ): Promise<boolean> {
    const lifetime = lifetimeSeconds(expiresAtSeconds, options.nowSeconds);
    if (lifetime === 0) return false;
    const name = [this.#prefix, key];
    return await askStore(
      async (signal) => {
        const commit = (): Promise<{ readonly ok?: unknown } | undefined> =>
          this.#kv.atomic()
            .check({ key: name, versionstamp: null })
            .set(name, 1, { expireIn: lifetime * 1000 })
            .commit();
        // If the first did write before it threw, the second finds its entry and refuses.
        const ok = (await whenUnlocked(commit, signal))?.ok;
        if (typeof ok !== "boolean") throw unavailable(new TypeError("commit() answered neither"));
        return ok;
      },
      this.#timeoutMs,
      options,
    );
  }
}
