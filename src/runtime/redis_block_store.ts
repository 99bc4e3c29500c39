import { SecurityError } from "../errors.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { RedisCommand } from "../_internal/redis_command.ts";
import { evalRedis, type RedisScript, replyText } from "../_internal/redis_send.ts";
import { MAX_BLOCK_MS, MAX_LEVEL, MAX_REASON } from "./_block_snapshot.ts";
import { CHANGES_SCRIPT, PUT_SCRIPT } from "./_block_scripts.ts";
import { placeOf } from "./_block_target.ts";
import type { BlockChanges, BlockStore, SharedBlock } from "./block_store.ts";

/** Options of {@linkcode RedisBlockStore}. */
export interface RedisBlockStoreOptions {
  /** What the names of the four keys begin with; they share a hash tag. @default {"blocks"} */
  readonly prefix?: string;
  /** How long to wait for an answer, in milliseconds. @default {500} */
  readonly timeoutMs?: number;
  /** How often a list asks for changes, in milliseconds. @default {1000} */
  readonly pollMs?: number;
  /** Most blocks that are kept; then the one goes that would have ended first. @default {100_000} */
  readonly capacity?: number;
}

const PURPOSE = "make a RedisBlockStore";
/** How many changes are asked for at once. */
const LIMIT = 500;
/** How long it is kept that a block was lifted: longer than any machine should fail to ask. */
const LIFTED_MS = 86_400_000;
const DECIMAL = /^[0-9]{1,15}$/;

/**
 * Shares blocks between machines by Redis or Valkey, through the client that you have.
 *
 * No request waits for Redis: each machine asks for changes every `pollMs`, so that what one blocks is blocked by
 * all of them `pollMs` later at the most. While Redis is away, each machine keeps what it knows, and sends what
 * it has blocked as soon as Redis is back; when Redis has lost its data, or comes back with older data, the
 * machines fill it again. A lifting that was lost with them is lost.
 *
 * Times are durations by the server's clock, so no machine's clock matters. The server should have
 * `maxmemory-policy noeviction`: with another policy it may forget blocks of which new machines then do not
 * hear. All four keys lie in one slot of a cluster. Whoever can write to this server can block anybody.
 *
 * @example
 * ```ts
 * import { BlockList, RedisBlockStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // With `redis`: const command = fromRedis(client);
 * const command = () => Promise.resolve(["", "0", "0"]);
 *
 * using blocks = new BlockList({ store: new RedisBlockStore(command, { pollMs: 500 }) });
 * await blocks.refresh();
 * assertEquals(blocks.isBlocked({ source: "203.0.113.7" }), undefined);
 * ```
 */
export class RedisBlockStore implements BlockStore {
  /** How often a list asks for changes, in milliseconds. */
  readonly pollMs: number;
  readonly #command: RedisCommand;
  readonly #keys: readonly string[];
  readonly #timeoutMs: number;
  readonly #capacity: number;
  /** How far this machine has seen the server count. */
  #seen = { epoch: "", version: 0 };

  /**
   * Makes a store; nothing is sent yet.
   *
   * @param command Sends a command to Redis.
   * @param options Names, times and capacity.
   * @throws {TypeError} If `command` is no function, or `prefix` no string.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(command: RedisCommand, options: RedisBlockStoreOptions = {}) {
    const { prefix = "blocks" } = options;
    if (typeof command !== "function") throw wrongOption(PURPOSE, "command", "a function", command);
    if (typeof prefix !== "string" || prefix === "" || /[{}]/.test(prefix)) {
      throw wrongOption(PURPOSE, "prefix", "a string without braces", prefix);
    }
    this.#command = command;
    this.#keys = ["meta", "records", "versions", "ends"].map((name) => `{${prefix}}:${name}`);
    const bounds = { least: 1, most: MAX_TIMEOUT_MS };
    this.#timeoutMs = integerOption(PURPOSE, "timeoutMs", options.timeoutMs, {
      otherwise: 500,
      ...bounds,
    });
    this.pollMs = integerOption(PURPOSE, "pollMs", options.pollMs, { otherwise: 1000, ...bounds });
    this.#capacity = integerOption(PURPOSE, "capacity", options.capacity, {
      otherwise: 100_000,
      least: 1,
      most: 5_000_000,
    });
  }

  /**
   * Adds a block, prolongs it or lifts it.
   *
   * @param id The name of the target.
   * @param block The block.
   * @param options The signal that ends the wait.
   * @throws {SecurityError} `limiter-unavailable`.
   */
  async put(
    id: string,
    { target, reason, level, remainingMs }: SharedBlock,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const isLifted = remainingMs === 0;
    const record = (isLifted ? "-" : "+") + JSON.stringify({ target, reason, level });
    const keptMs = String(isLifted ? LIFTED_MS : Math.ceil(remainingMs));
    const args = [
      ...[crypto.randomUUID(), id, record, keptMs, String(this.#capacity)],
      ...[this.#seen.epoch, String(this.#seen.version)],
    ];
    const reply = await this.#run(PUT_SCRIPT, args, signal);
    if (!Array.isArray(reply)) throw unavailable();
    this.#see(...reply.map(replyText));
  }

  /**
   * Asks what has changed.
   *
   * @param cursor Where the last answer ended.
   * @param options The signal that ends the wait.
   * @returns The changes, at most 500.
   * @throws {SecurityError} `limiter-unavailable`.
   */
  async changes(
    cursor: string | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<BlockChanges> {
    const [seenEpoch = "", seenVersion = "0"] = cursor?.split(" ") ?? [];
    const reply = await this.#run(CHANGES_SCRIPT, [seenEpoch, seenVersion, String(LIMIT)], signal);
    if (!Array.isArray(reply)) throw unavailable();
    const [first, second, more, ...records] = reply.map(replyText);
    const { epoch, version } = this.#see(first, second);
    const blocks: SharedBlock[] = [];
    let unreadable = 0;
    for (let at = 0; at + 1 < records.length; at += 2) {
      const block = readRecord(records[at], records[at + 1]);
      if (block === undefined) unreadable++;
      else blocks.push(block);
    }
    return {
      cursor: `${epoch} ${version}`,
      blocks,
      hasMore: more === "1",
      isReset: seenEpoch !== "" && (seenEpoch !== epoch || version < Number(seenVersion)),
      unreadable,
    };
  }

  #see(epoch?: string | null, text?: string | null): { epoch: string; version: number } {
    if (typeof epoch !== "string" || typeof text !== "string" || !DECIMAL.test(text)) {
      throw unavailable();
    }
    const now = { epoch, version: Number(text) };
    // What is less than it was stays known, until the next block tells the server.
    if (epoch !== this.#seen.epoch || now.version > this.#seen.version) this.#seen = now;
    return now;
  }

  async #run(script: RedisScript, args: readonly string[], signal: AbortSignal): Promise<unknown> {
    const words = [String(this.#keys.length), ...this.#keys, ...args];
    try {
      return await answerWithin(
        (signal) => evalRedis(this.#command, script, words, { signal }),
        { timeoutMs: this.#timeoutMs, signal },
      );
    } catch (cause) {
      throw unavailable(cause);
    }
  }
}

/** Reads a record; what is in there may have been written by anything. */
function readRecord(
  record: string | null | undefined,
  left: string | null | undefined,
): SharedBlock | undefined {
  if (typeof record !== "string" || typeof left !== "string" || !DECIMAL.test(left)) {
    return undefined;
  }
  try {
    const { target, reason, level } = JSON.parse(record.slice(1));
    placeOf(target, 128, { isKept: true });
    const isRight = typeof reason === "string" && reason.length <= MAX_REASON &&
      Number.isInteger(level) && level >= 0 && level <= MAX_LEVEL;
    if (!isRight) return undefined;
    const leftMs = Number(left);
    return record[0] === "+"
      ? { target, reason, level, remainingMs: Math.min(leftMs, MAX_BLOCK_MS) }
      : { target, reason, level, remainingMs: 0, liftedAgoMs: Math.max(0, LIFTED_MS - leftMs) };
  } catch {
    return undefined;
  }
}

function unavailable(cause?: unknown): SecurityError {
  return new SecurityError("limiter-unavailable", "The block store gave no usable answer", {
    cause,
  });
}
