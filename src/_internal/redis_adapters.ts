/**
 * Adapters of the clients for Redis and Valkey that people use. They are known by their shape alone: none is
 * imported.
 *
 * @module
 */

import type { RedisCommandOptions, RedisCommandWithOptions } from "./redis_command.ts";

/** What is used of a client of `redis`. */
export interface RedisClientLike {
  /** Whether there is a connection that commands are written to at once. @default {false} */
  readonly isReady?: boolean;
  /** Sends a command. */
  sendCommand(
    words: readonly string[],
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<unknown>;
}

/** What is used of a cluster of `redis`. */
export interface RedisClusterLike {
  /** The nodes by their addresses, which tells a cluster from a client. */
  readonly nodeByAddress: object;
  /** Sends a command to the node that has a key. */
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    words: string[],
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<unknown>;
}

/** What is used of a client or a cluster of `ioredis` or `iovalkey`. */
export interface IoredisLike {
  /** Sends a command. */
  call(command: string, ...args: string[]): Promise<unknown>;
}

/** Commands that have no key, or may go to any node. */
const KEYLESS: ReadonlySet<string> = new Set([
  ...["ACL", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "ECHO", "FLUSHALL"],
  ...["FLUSHDB", "INFO", "KEYS", "LATENCY", "PING", "PUBLISH", "SCAN", "SCRIPT", "TIME"],
]);
/** Commands whose key comes behind something else: the index of its number, or of itself. */
const NUMBERED: ReadonlySet<string> = new Set(["EVAL", "EVALSHA", "FCALL"]);

/**
 * Sends commands through a client or a cluster of `redis`, which is also the client for Valkey of the same
 * authors.
 *
 * When nobody waits any more, what waits for a connection is taken out of the client's queue. What was written
 * to a server that hangs cannot be, and rejects when the connection ends.
 *
 * @example
 * ```ts
 * import { fromRedis, RedisReplayStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // import { createClient } from "redis";
 * // const client = await createClient().connect();
 * const client = { sendCommand: (words: readonly string[]) => Promise.resolve(words[0] && "OK") };
 *
 * const store = new RedisReplayStore(fromRedis(client));
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", Date.now() / 1000 + 360), true);
 * ```
 *
 * @param client What `createClient()` or `createCluster()` has made.
 * @returns The function that stores take.
 * @throws {TypeError} If it is neither.
 */
export function fromRedis(client: RedisClientLike | RedisClusterLike): RedisCommandWithOptions {
  checkMethod("redis", client, "sendCommand");
  if (isCluster(client)) {
    return withOptions((words, signal) =>
      client.sendCommand(firstKey(words), false, words, abortable(signal))
    );
  }
  // What is written at once stands in no queue, and to be told of the signal costs the client half as much as
  // all that it does for a command (bench/runtime_redis_bench.ts).
  return withOptions((words, signal) =>
    client.sendCommand(words, client.isReady === true ? undefined : abortable(signal))
  );
}

/**
 * Sends commands through a client or a cluster of `ioredis`.
 *
 * It cannot take a command out of its queue: let it drop what it cannot send, with
 * `enableOfflineQueue: false` or `maxRetriesPerRequest`.
 *
 * @example
 * ```ts
 * import { fromIoredis, RedisReplayStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // import { Redis } from "ioredis";
 * // const client = new Redis({ maxRetriesPerRequest: 1 });
 * const client = { call: (name: string) => Promise.resolve(name === "SET" ? "OK" : null) };
 *
 * const store = new RedisReplayStore(fromIoredis(client));
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", Date.now() / 1000 + 360), true);
 * ```
 *
 * @param client What `new Redis()` or `new Cluster()` has made.
 * @returns The function that stores take.
 * @throws {TypeError} If it is neither.
 */
export function fromIoredis(client: IoredisLike): RedisCommandWithOptions {
  checkMethod("ioredis", client, "call");
  return withOptions((words) => client.call(...words));
}

/**
 * Sends commands through a client or a cluster of `iovalkey`.
 *
 * It cannot take a command out of its queue: let it drop what it cannot send, with
 * `enableOfflineQueue: false` or `maxRetriesPerRequest`.
 *
 * @example
 * ```ts
 * import { fromIovalkey, RedisReplayStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * // import { Redis } from "iovalkey";
 * // const client = new Redis({ maxRetriesPerRequest: 1 });
 * const client = { call: (name: string) => Promise.resolve(name === "SET" ? "OK" : null) };
 *
 * const store = new RedisReplayStore(fromIovalkey(client));
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", Date.now() / 1000 + 360), true);
 * ```
 *
 * @param client What `new Redis()` or `new Cluster()` has made.
 * @returns The function that stores take.
 * @throws {TypeError} If it is neither.
 */
export function fromIovalkey(client: IoredisLike): RedisCommandWithOptions {
  checkMethod("iovalkey", client, "call");
  return withOptions((words) => client.call(...words));
}

type Words = [command: string, ...args: string[]];

function withOptions(
  send: (words: Words, signal: AbortSignal | undefined) => Promise<unknown>,
): RedisCommandWithOptions {
  // No async function, which would cost each command some turns (bench/runtime_redis_bench.ts).
  const command = (...words: [string, ...(string | RedisCommandOptions)[]]): Promise<unknown> => {
    const last = words[words.length - 1];
    let signal: AbortSignal | undefined;
    if (typeof last === "object") {
      signal = last.signal;
      words.pop();
    }
    // The options stand behind all words, and have been taken away.
    return signal?.aborted === true ? Promise.reject(signal.reason) : send(words as Words, signal);
  };
  return Object.assign(command, { takesOptions: true } as const);
}

/** No options at all is what costs a client least. */
function abortable(signal: AbortSignal | undefined): { abortSignal: AbortSignal } | undefined {
  return signal === undefined ? undefined : { abortSignal: signal };
}

/** The key that says to which node of a cluster a command has to go. */
function firstKey([command, ...args]: Words): string | undefined {
  const name = command.toUpperCase();
  if (NUMBERED.has(name)) return args[1] === "0" ? undefined : args[2];
  if (name === "XREAD" || name === "XREADGROUP") {
    const at = args.findIndex((arg) => arg.toUpperCase() === "STREAMS");
    return at < 0 ? undefined : args[at + 1];
  }
  return KEYLESS.has(name) ? undefined : args[0];
}

function isCluster(client: RedisClientLike | RedisClusterLike): client is RedisClusterLike {
  return "nodeByAddress" in client;
}

function checkMethod(name: string, client: unknown, method: string): void {
  const found = typeof client === "object" && client !== null
    ? (client as Record<string, unknown>)[method]
    : undefined;
  if (typeof found === "function") return;
  throw new TypeError(
    `Cannot send commands through ${name}: the client must have a method '${method}': ` +
      `current value is ${typeof client}`,
  );
}
