import { SecurityError } from "../errors.ts";
import type { RedisCommand } from "../_internal/redis_command.ts";
import { evalRedis, replyText, sendRedis } from "../_internal/redis_send.ts";
import { BUCKET_SCRIPT, BUCKET_SCRIPT_SHA1, bucketPlace } from "./_redis_script.ts";
import {
  askStore,
  checkInteger,
  checkSharedOptions,
  lifetimeSeconds,
  unavailable,
} from "./_shared_store.ts";
import type { ReplayAddOptions, ReplayStore } from "./replay_store.ts";

export type { RedisCommand };

/** Options of {@linkcode RedisReplayStore}. */
export interface RedisReplayStoreOptions {
  /** What the names of the keys begin with. @default {"dpop:"} */
  readonly prefix?: string;
  /** How long to wait for an answer, in milliseconds. @default {500} */
  readonly timeoutMs?: number;
  /** `plain` is one key a proof, `bucketed` many proofs a key, in less memory. @default {"plain"} */
  readonly mode?: "plain" | "bucketed";
  /**
   * Number of buckets, from 1 to 16,777,216: about a fiftieth of the proofs that live at once.
   * @default {16_384}
   */
  readonly shards?: number;
}

/**
 * Remembers proofs in Redis or Valkey, for any number of machines, through the client that you have.
 *
 * Every proof is one atomic command on one key, in one round trip, with a deadline of the store's own: the
 * clients wait for ever by default. What is not clearly new is refused: a timeout, an error, a reply
 * that is not the documented one. A command that arrives after its timeout burns that one proof, nothing else.
 *
 * - `plain` sends `SET prefix+key 1 NX EX seconds`, and takes 72 bytes a proof by `MEMORY USAGE`.
 * - `bucketed` keeps proofs in sorted sets by a script (`EVALSHA`, and once `EVAL` where the server does not
 *   know it yet). With 16 to 100 in a bucket a proof takes about 20 bytes, with 8 less than 30; beyond that
 *   range it takes about as much as in `plain`, and nothing else changes. It needs Redis 5 or later, or Valkey, and
 *   `zset-max-listpack-entries` of 128, the default. A proof is known by its bucket and 64 bits more: one in
 *   10^17 is taken for another, and refused.
 *
 * All verifiers must use the same `prefix`, `mode` and `shards`: one that looks elsewhere does not see what
 * the others have accepted. They need the same `maxAgeSeconds` and `maxFutureSeconds`, too: a proof is
 * remembered for the window of the one that accepted it, and a verifier with a longer window would accept it
 * again after that. What the server needs:
 *
 * - `maxmemory-policy noeviction`: with any other policy a flood makes it forget living proofs, which may
 *   then be replayed. A full server refuses (`replay-store-full`).
 * - `appendonly yes` and `appendfsync always`, if it may restart within the lifetime of a proof: what it
 *   forgets in a restart is accepted once more. `everysec` forgets up to a second or two.
 * - Replication is asynchronous: a failover may forget what the old primary had not passed on, and so may a
 *   cluster. Commands have to go to the primary.
 * - Its clock has to go at the right speed, not to agree with anybody's: lifetimes are durations. A verifier
 *   whose clock goes back by more than `maxFutureSeconds` takes for young what was forgotten in time.
 *
 * In a cluster each command has one key, and keys are spread over all slots unless `prefix` has a hash tag.
 * Let the client drop what it cannot send (`disableOfflineQueue` of `redis`; `enableOfflineQueue: false`
 * and `maxRetriesPerRequest` of `ioredis`), or its queue grows for as long as the server is away. A client
 * that sends a command again after a lost connection may be told that its own proof was seen before; that is
 * a refusal too.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-11.1 | RFC 9449, section 11.1}
 *
 * @example With any client
 * ```ts
 * import { RedisReplayStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // const command = fromRedis(client), or fromIoredis(client), or fromIovalkey(client), or any function:
 * const seen = new Set<string>();
 * const command = (_name: string, key = "") =>
 *   Promise.resolve(seen.has(key) ? null : (seen.add(key), "OK"));
 *
 * const store = new RedisReplayStore(command);
 * const inSixMinutes = Math.floor(Date.now() / 1000) + 360;
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", inSixMinutes), true);
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", inSixMinutes), false);
 * ```
 */
export class RedisReplayStore implements ReplayStore {
  readonly #command: RedisCommand;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #bucketed: boolean;
  readonly #shards: number;

  /**
   * Makes a store; nothing is sent yet.
   *
   * @param command Sends a command to Redis.
   * @param options Names, deadline and mode.
   * @throws {TypeError} If `command` is no function, `prefix` no string or `mode` unknown.
   * @throws {RangeError} If `timeoutMs` or `shards` is no integer in its range.
   */
  constructor(command: RedisCommand, options: RedisReplayStoreOptions = {}) {
    const { prefix = "dpop:", timeoutMs = 500, mode = "plain", shards = 16_384 } = options;
    if (typeof command !== "function") {
      throw new TypeError(
        `Cannot make a RedisReplayStore as 'command' must be a function: current value is ${command}`,
      );
    }
    checkSharedOptions("RedisReplayStore", prefix, timeoutMs);
    if (mode !== "plain" && mode !== "bucketed") {
      throw new TypeError(
        `Cannot make a RedisReplayStore as 'mode' must be "plain" or "bucketed": current value is ${mode}`,
      );
    }
    checkInteger("RedisReplayStore", "shards", shards, 2 ** 24);
    this.#command = command;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
    this.#bucketed = mode === "bucketed";
    this.#shards = shards;
  }

  /**
   * Adds a key if it is not there yet.
   *
   * @param key Any string; 22 characters of base64url take the memory that is promised.
   * @param expiresAtSeconds When it may be forgotten, in seconds since the epoch.
   * @param options The abort signal and the verifier's time. There is no quota by `jkt`.
   * @returns Whether it was new; `false` also, without asking, for what has expired.
   * @throws {SecurityError} `replay-store-full` when the server has no memory left, else
   * `replay-store-unavailable`.
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
    return await askStore(
      async (signal) => {
        try {
          return this.#bucketed
            ? await this.#addToBucket(key, lifetime, signal)
            : await this.#addKey(key, lifetime, signal);
        } catch (error) {
          throw isOutOfMemory(error) ? full(error) : error;
        }
      },
      this.#timeoutMs,
      options,
    );
  }

  async #addKey(key: string, lifetime: number, signal: AbortSignal): Promise<boolean> {
    const name = this.#prefix + key;
    const words = ["SET", name, "1", "NX", "EX", String(lifetime)] as const;
    return isNew(await sendRedis(this.#command, words, { signal }), "OK", null);
  }

  async #addToBucket(key: string, lifetime: number, signal: AbortSignal): Promise<boolean> {
    const { bucket, member } = bucketPlace(key, this.#shards);
    const args = ["1", this.#prefix + bucket.toString(36), member, String(lifetime)];
    return isNew(await evalRedis(this.#command, SCRIPT, args, { signal }), "1", "0");
  }
}

const SCRIPT = { text: BUCKET_SCRIPT, sha1: BUCKET_SCRIPT_SHA1 };

/** Reads a reply; one that is neither is no answer, such as `QUEUED` of a client within MULTI. */
function isNew(reply: unknown, fresh: string, seen: string | null): boolean {
  const text = replyText(reply);
  if (text === fresh) return true;
  if (text === seen) return false;
  throw unavailable(new TypeError("Redis answered neither that it was new nor that it was seen"));
}

/** Redis 7 begins with the code, and Redis 6 with a word on the script that was refused. */
function isOutOfMemory(error: unknown): boolean {
  return messageOf(error).includes("OOM command not allowed");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

function full(cause: unknown): SecurityError {
  return new SecurityError("replay-store-full", "The replay store is full", { cause });
}
