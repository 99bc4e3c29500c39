import { SecurityError } from "../errors.ts";
import { encodeBase64Url } from "../_internal/base64url.ts";
import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { RedisCommand, RedisCommandOptions } from "../_internal/redis_command.ts";
import { isUnknownScript, type RedisWords, sendRedis } from "../_internal/redis_send.ts";
import { sha256 } from "../_internal/sha256.ts";
import { CircuitBreaker } from "./_circuit_breaker.ts";
import { type Deadlined, DeadlineQueue } from "./_deadline_queue.ts";
import { decide, newDebts } from "./_gcra.ts";
import { RATE_SCRIPT, readReply, ruleArguments } from "./_rate_script.ts";
import type { RateConsumeOptions, RateDecision, RateRule, RateStore } from "./rate_store.ts";

/** Options of {@linkcode RedisRateStore}. */
export interface RedisRateStoreOptions {
  /** What the names of the keys begin with; without braces. @default {"rate:"} */
  readonly prefix?: string;
  /** How long to wait for an answer, in milliseconds. @default {100} */
  readonly timeoutMs?: number;
  /** After how many failures in a row the server is left alone for a pause. @default {5} */
  readonly maxFailures?: number;
  /** The first pause, in milliseconds; it doubles with each further one. @default {1000} */
  readonly pauseMs?: number;
  /** The longest pause, in milliseconds. @default {30_000} */
  readonly maxPauseMs?: number;
  /** A number from 0 to 1, which shortens pauses to half at most. @default {Math.random} */
  readonly random?: () => number;
  /** The clock. @default {the clock of the machine} */
  readonly clock?: Clock;
}

const PURPOSE = "create a Redis rate store";
const RETRY_AFTER_MS = 1000;
/** What is sent as it is: short, and without what a cluster takes for a hash tag. */
const PLAIN_KEY = /^[A-Za-z0-9:._@/-]{1,128}$/;

/**
 * Remembers the debts of keys in Redis or Valkey, for any number of machines, through the client that you have.
 *
 * Every decision is one script, in one round trip, on keys in one slot of a cluster, and under the server's own
 * clock. It has a deadline of its own: the clients wait for ever by default. What is not clearly an answer is
 * none, and then the limiter's `onUnavailable` decides. A command that arrives after its deadline has taken
 * from the limit nevertheless. A client that sends a command again after a lost connection may take twice.
 *
 * After some failures in a row the server is left alone for a pause, as each request would otherwise wait for
 * the whole deadline; then one at a time finds out whether it is back. Requests that were under way together
 * are one failure. Who hangs up leaves its command under way until the deadline, to tell whether it is answered.
 *
 * - It needs Redis 5 or later, or Valkey, with `maxmemory-policy noeviction`: with any other, a flood makes it
 *   forget limited keys. Each key lives as long as its debt.
 * - What it forgets in a restart or a failover starts anew. Commands have to go to the primary.
 * - Keys are `prefix{key}name:requests:windowMs:burst`, as the limit has them; a key that is long or has
 *   unusual characters is hashed. Limiters with the same prefix share the limits that are the same in all that.
 *
 * @example
 * ```ts
 * import { RateKey, RateLimiter, RedisRateStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // const command = fromRedis(client), or fromIoredis(client), or fromIovalkey(client), or any function:
 * const command = (_name: string) => Promise.resolve([1, 0, 0]);
 *
 * const limiter = new RateLimiter({
 *   limits: [{ requests: 100, windowMs: 60_000 }],
 *   store: new RedisRateStore(command),
 *   onUnavailable: "local",
 * });
 * const { allowed, remaining } = await limiter.check(RateKey.principal("alice"));
 * assertEquals([allowed, remaining], [true, 99]);
 * ```
 */
export class RedisRateStore implements RateStore {
  /** It may be out of reach. */
  readonly isShared = true;
  readonly #command: RedisCommand;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #deadlines: DeadlineQueue;
  readonly #breaker: CircuitBreaker;
  readonly #debts = newDebts();
  readonly #after = newDebts();
  #lastRules: readonly RateRule[] | undefined;
  #lastArguments: readonly string[] = [];
  #lastIds: readonly string[] = [];

  /**
   * Makes a store; nothing is sent yet.
   *
   * @param command Sends a command to Redis.
   * @param options Names, deadline and pauses.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(command: RedisCommand, options: RedisRateStoreOptions = {}) {
    const { prefix = "rate:", random = Math.random, clock = systemClock } = options;
    if (typeof command !== "function") throw wrongOption(PURPOSE, "command", "a function", command);
    if (typeof prefix !== "string" || !/^[^{}]{0,128}$/.test(prefix)) {
      throw wrongOption(PURPOSE, "prefix", "a string of at most 128, without braces", prefix);
    }
    if (typeof random !== "function") throw wrongOption(PURPOSE, "random", "a function", random);
    const time = { least: 1, most: MAX_TIMEOUT_MS };
    const read = (
      name: "timeoutMs" | "maxFailures" | "pauseMs" | "maxPauseMs",
      otherwise: number,
    ) => integerOption(PURPOSE, name, options[name], { ...time, otherwise });
    this.#deadlines = new DeadlineQueue(clock, read("timeoutMs", 100));
    this.#breaker = new CircuitBreaker({
      failures: read("maxFailures", 5),
      pauseMs: read("pauseMs", 1000),
      maxPauseMs: read("maxPauseMs", 30_000),
      random,
    });
    this.#command = command;
    this.#prefix = prefix;
    this.#clock = clock;
  }

  /** Whether the server is left alone at the moment. */
  get isPaused(): boolean {
    return this.#breaker.isOpen;
  }

  /**
   * Takes from all limits of a key, or from none of them.
   *
   * @param key The key.
   * @param limits The limits, as `RateLimiter` has them.
   * @param cost How much to take; 0 takes nothing, and tells whether 1 could be taken.
   * @param options The signal.
   * @returns The decision.
   * @throws {SecurityError} `limiter-unavailable` when there was no answer in time, or none that was understood.
   */
  consume(
    key: string,
    limits: readonly RateRule[],
    cost: number,
    { signal }: RateConsumeOptions = {},
  ): Promise<RateDecision> {
    const nowMs = this.#clock.monotonicMs();
    const ticket = this.#breaker.enter(nowMs);
    if (ticket === 0) return Promise.reject(unavailable(this.#breaker.pauseLeftMs(nowMs)));
    return new Promise((resolve, reject) => {
      const call = new Call(this.#deadlines, signal, reject, (cause) => {
        reject(this.#failed(ticket, cause));
      });
      this.#deadlines.add(call, nowMs);
      const take = (reply: unknown) => {
        if (call.isOver) return;
        call.end();
        // A key that holds something else is that key's trouble: the server has answered.
        this.#breaker.succeeded(ticket);
        const decision = this.#read(reply, limits, cost);
        if (decision !== undefined) return resolve(decision);
        reject(unavailable(RETRY_AFTER_MS, new TypeError("Redis gave no decision")));
      };
      const words = this.#wordsOf(key, limits, cost);
      this.#send(words, call).then(take, (error) => {
        // A server forgets scripts when it restarts or is told to. EVAL makes it remember this one again.
        if (call.isOver || !isUnknownScript(error)) return call.stop(error);
        const [, , ...args] = words;
        const again: RedisWords = ["EVAL", RATE_SCRIPT.text, ...args];
        this.#send(again, call).then(take, (error) => call.stop(error));
      });
    });
  }

  #read(reply: unknown, limits: readonly RateRule[], cost: number): RateDecision | undefined {
    const allowed = readReply(reply, limits, this.#debts);
    if (allowed === undefined) return undefined;
    const decision = decide(limits, cost, this.#debts, this.#after);
    // Who disagrees about the arithmetic is not the script that was sent.
    return decision.allowed === allowed ? decision : undefined;
  }

  #failed(ticket: number, cause: unknown): SecurityError {
    const nowMs = this.#clock.monotonicMs();
    this.#breaker.failed(ticket, nowMs);
    const pauseMs = this.#breaker.isOpen ? this.#breaker.pauseLeftMs(nowMs) : RETRY_AFTER_MS;
    return unavailable(pauseMs, cause);
  }

  /** What a function of the user throws, rejects; nothing else is added on the way of every check. */
  #send(words: RedisWords, call: RedisCommandOptions): Promise<unknown> {
    try {
      return sendRedis(this.#command, words, call);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #wordsOf(key: string, limits: readonly RateRule[], cost: number): RedisWords {
    if (limits !== this.#lastRules) {
      this.#lastRules = limits;
      this.#lastArguments = ruleArguments(limits);
      this.#lastIds = limits.map(({ id }) => id);
    }
    // `#` is in no plain key, so that a hash is never taken for one.
    const tag = PLAIN_KEY.test(key) ? key : `#${encodeBase64Url(sha256(key).subarray(0, 18))}`;
    const start = `${this.#prefix}{${tag}}`;
    const words: [string, ...string[]] = ["EVALSHA", RATE_SCRIPT.sha1, String(limits.length)];
    for (const id of this.#lastIds) words.push(start + id);
    words.push(String(cost), ...this.#lastArguments);
    return words;
  }
}

/** A question that is under way: what is told to the client, and what must end in time. */
class Call implements Deadlined, RedisCommandOptions {
  dueMs = 0;
  isOver = false;
  readonly #deadlines: DeadlineQueue;
  readonly #outer: AbortSignal | undefined;
  readonly #hangUp: (reason: unknown) => void;
  readonly #fail: (cause: unknown) => void;
  #controller: AbortController | undefined;

  constructor(
    deadlines: DeadlineQueue,
    signal: AbortSignal | undefined,
    hangUp: (reason: unknown) => void,
    fail: (cause: unknown) => void,
  ) {
    this.#deadlines = deadlines;
    this.#outer = signal;
    this.#hangUp = hangUp;
    this.#fail = fail;
    signal?.addEventListener("abort", this);
  }

  /** Made only for a client that asks for it: it costs as much as all else here. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Ends it: nobody waits any more. */
  end(): void {
    this.isOver = true;
    this.#deadlines.ended();
    this.#outer?.removeEventListener("abort", this);
  }

  /**
   * Ends it without a decision, unless it has ended.
   *
   * @param cause Why.
   */
  stop(cause: unknown): void {
    if (this.isOver) return;
    this.end();
    this.#fail(cause);
  }

  expire(): void {
    const reason = new DOMException("Redis gave no answer in time", "TimeoutError");
    this.stop(reason);
    this.#controller?.abort(reason);
  }

  /**
   * The caller waits no more. The command goes on to its deadline: if it ended here, a server that hangs would
   * never be seen to fail by callers who are less patient, and commands would pile up in the client.
   */
  handleEvent(): void {
    this.#outer?.removeEventListener("abort", this);
    this.#hangUp(this.#outer?.reason);
  }
}

function unavailable(retryAfterMs: number, cause?: unknown): SecurityError {
  return new SecurityError("limiter-unavailable", "The rate limiter cannot decide at the moment", {
    details: { retryAfterMs },
    cause,
  });
}
