/**
 * RedisReplayStore against the bare command through the same client, on a redis-server of its own, and what
 * an entry takes in the server's memory.
 *
 * All take turns in one process; medians and ratios are printed. Run with `deno task bench`.
 */

import { RedisReplayStore } from "../src/dpop/redis_replay_store.ts";
import { hasRedis, RedisServer } from "../tests/dpop/redis_server.ts";
import { type OpenClient, openClient } from "../tests/interop/redis_clients.ts";

const ROUNDS = 60;
const ADDS_A_ROUND = 320;
const ENTRIES = 50_000;
const timeoutMs = 10_000;

/** 22 characters, as a verifier's are; which ones does not matter here. */
function newKey(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)))).slice(0, 22);
}

function expiry(): number {
  return Date.now() / 1000 + 360;
}

async function addAll(add: () => Promise<unknown>, count: number, atOnce: number): Promise<void> {
  for (let from = 0; from < count; from += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, add));
  }
}

/** Prints the median of each, in microseconds an add, and its ratio to the first. */
async function printTimes({ command }: OpenClient, atOnce: number): Promise<void> {
  const plain = new RedisReplayStore(command, { timeoutMs });
  const bucketed = new RedisReplayStore(command, { timeoutMs, mode: "bucketed" });
  const contestants: readonly [string, () => Promise<unknown>, number[]][] = [
    ["bare SET NX EX", () => command("SET", `bare:${newKey()}`, "1", "NX", "EX", "360"), []],
    ["plain", () => plain.add(newKey(), expiry()), []],
    ["bucketed", () => bucketed.add(newKey(), expiry()), []],
  ];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [, add, times] of contestants) {
      const start = performance.now();
      await addAll(add, ADDS_A_ROUND, atOnce);
      // The first rounds warm up.
      if (round >= ROUNDS / 6) times.push((performance.now() - start) * 1000 / ADDS_A_ROUND);
    }
  }
  let base: number | undefined;
  for (const [name, , times] of contestants) {
    const median = times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
    base ??= median;
    console.log(
      `${atOnce} at once, ${name}: ${median.toFixed(1)} µs an add, ${(median / base).toFixed(2)} x`,
    );
  }
}

async function printMemory({ command }: OpenClient): Promise<void> {
  for (const mode of ["plain", "bucketed"] as const) {
    await command("FLUSHALL");
    const before = await usedMemory(command);
    const store = new RedisReplayStore(command, { mode, shards: ENTRIES / 50, timeoutMs });
    await addAll(() => store.add(newKey(), expiry()), ENTRIES, 1000);
    const all = (await usedMemory(command) - before) / ENTRIES;
    const keys = await command("KEYS", "*");
    if (!Array.isArray(keys)) throw new TypeError("KEYS answered no list");
    const usages = await Promise.all(
      keys.map(async (key) => Number(await command("MEMORY", "USAGE", key, "SAMPLES", "0"))),
    );
    const usage = usages.reduce((sum, bytes) => sum + bytes, 0);
    console.log(
      `${mode}: ${(usage / ENTRIES).toFixed(1)} B an entry by MEMORY USAGE, ` +
        `${all.toFixed(1)} B of all the memory of the server`,
    );
  }
}

async function usedMemory(command: OpenClient["command"]): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(String(await command("INFO", "memory")))?.[1]);
}

if (hasRedis) {
  await using server = await RedisServer.start();
  const client = await openClient("ioredis", server);
  for (const atOnce of [1, 16]) await printTimes(client, atOnce);
  await printMemory(client);
  client.close();
}
