/**
 * RateLimiter in memory against RateLimiterMemory of rate-limiter-flexible, with 1,000 and with 1,000,000 keys
 * that are in use, and what a key takes; and a flood of keys that are new while the store is full.
 *
 * All take turns in one process. Run with `deno task bench bench/runtime_rate_bench.ts`.
 */

import { RateLimiterMemory } from "rate-limiter-flexible";
import { MemoryRateStore } from "../src/runtime/memory_rate_store.ts";
import { RateKey } from "../src/runtime/rate_key.ts";
import { RateLimiter } from "../src/runtime/rate_limiter.ts";
import { benchOnce, formatTurns, takeTurns } from "./_turns.ts";

/** Limits that are never reached, and debts that last: each request is owed for two hours. */
const REQUESTS = 10;
const BURST = 100_000;
const WINDOW_MS = 86_400_000;

/** Takes a key after the other in an order that no cache likes. */
function walker(keys: readonly RateKey[]): () => RateKey {
  let at = 0;
  return () => {
    at += 7919;
    if (at >= keys.length) at %= keys.length;
    return keys[at]!;
  };
}

async function measure(count: number): Promise<string> {
  const keys = Array.from({ length: count }, (_, at) => RateKey.principal(`user-${at}`));
  const peer = new RateLimiterMemory({ points: BURST, duration: WINDOW_MS / 1000 });
  const store = new MemoryRateStore({ capacity: count });
  const limits = [{ requests: REQUESTS, windowMs: WINDOW_MS, burst: BURST }];
  const limiter = new RateLimiter({ limits, store });
  const two = new RateLimiter({
    limits: [{ name: "second", ...limits[0]! }, { name: "day", ...limits[0]! }],
    store: new MemoryRateStore({ capacity: count * 2 }),
  });
  for (const key of keys) {
    await peer.consume(key);
    limiter.checkSync(key);
    two.checkSync(key);
  }
  const flooded = new RateLimiter({ limits, store: new MemoryRateStore({ capacity: count / 2 }) });
  for (const key of keys) flooded.checkSync(key);
  let fresh = 0;
  if (store.stats.size !== count) throw new Error("not all keys are in use");
  const next = [walker(keys), walker(keys), walker(keys), walker(keys)] as const;
  const turns = await takeTurns([
    { name: "rate-limiter-flexible, memory", run: () => peer.consume(next[0]()) },
    { name: "RateLimiter.check()", run: () => limiter.check(next[1]()) },
    { name: "RateLimiter.checkSync()", run: () => limiter.checkSync(next[2]()) },
    { name: "RateLimiter.check(), two limits", run: () => two.check(next[3]()) },
    {
      name: "RateLimiter.check(), new key, full",
      run: () => flooded.check(RateKey.principal(`new-${fresh++}`)),
    },
  ], { calls: 2000, rounds: 31 });
  for (const key of keys) await peer.delete(key);
  const each = (store.stats.bytes / count).toFixed(0);
  return `${formatTurns(`one check, ${count} keys`, turns)}\n\n${each} B a key`;
}

for (const count of [1_000, 1_000_000]) {
  benchOnce(`rate limits of ${count} keys (table below)`, () => measure(count));
}
