/**
 * One of the processes that race: asks many times for one key, and prints how often it was allowed. Arguments:
 * client, port, requests to ask for, difference of its own clock.
 */

import { RateKey } from "../../src/runtime/rate_key.ts";
import { RateLimiter } from "../../src/runtime/rate_limiter.ts";
import { RedisRateStore } from "../../src/runtime/redis_rate_store.ts";
import { CLIENTS, openClient } from "../interop/redis_clients.ts";

const [name, port, count, skewMs] = Deno.args;
const now = Date.now;
Date.now = () => now() + Number(skewMs);
const client = await openClient(CLIENTS.find((known) => known === name) ?? "redis", {
  port: Number(port),
});
const limiter = new RateLimiter({
  limits: [{ requests: 100, windowMs: 3_600_000 }],
  store: new RedisRateStore(client.command, { timeoutMs: 30_000 }),
});
const key = RateKey.principal("everybody");

console.log("ready");
await Deno.stdin.read(new Uint8Array(1));

let allowed = 0;
await Promise.all(Array.from({ length: Number(count) }, async () => {
  const decision = await limiter.check(key);
  if (decision.isDegraded) throw new Error("no decision");
  if (decision.allowed) allowed++;
}));
client.close();
console.log(allowed);
