/**
 * A rate check in Redis against the client's raw EVALSHA of the same script, 200 in flight, through every
 * client, on a redis-server of its own.
 *
 * All take turns in one process. Run with `deno task bench bench/runtime_redis_bench.ts`.
 */

import { RateKey } from "../src/runtime/rate_key.ts";
import { RateLimiter } from "../src/runtime/rate_limiter.ts";
import { RedisRateStore } from "../src/runtime/redis_rate_store.ts";
import { hasRedis, RedisServer } from "../tests/dpop/redis_server.ts";
import { CLIENTS, openClient } from "../tests/interop/redis_clients.ts";
import { benchOnce, formatTurns, takeTurns } from "./_turns.ts";

const IN_FLIGHT = 200;
const CHECKS = 2_000;
const LIMITS = [{ requests: 1_000_000, windowMs: 60_000 }];
const KEYS = Array.from({ length: 1_000 }, (_, at) => RateKey.principal(`user-${at}`));

/** Runs so many, with never more than so many under way. */
function flight(run: (key: RateKey) => Promise<unknown>): () => Promise<void> {
  return async () => {
    let next = 0;
    await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
      while (next < CHECKS) await run(KEYS[next++ % KEYS.length]!);
    }));
  };
}

if (hasRedis) {
  for (const name of CLIENTS) {
    benchOnce(`rate checks in Redis through ${name} (table below)`, async () => {
      await using server = await RedisServer.start();
      const client = await openClient(name, server);
      const store = (command: typeof client.lambda) =>
        new RateLimiter({
          limits: LIMITS,
          store: new RedisRateStore(command, { timeoutMs: 5_000 }),
        });
      const byAdapter = store(client.command);
      const byLambda = store(client.lambda);
      // What the library itself sends, but for the name of the key.
      let sent: string[] = [];
      await store((...words) => {
        sent = words;
        return client.lambda(...words);
      }).check(KEYS[0]!);
      const [, , count = "", sentKey = "", ...rest] = sent;
      const limit = sentKey.slice(sentKey.indexOf("}") + 1);
      const sha1 = String(await client.lambda("SCRIPT", "LOAD", sent[1] ?? ""));
      const turns = await takeTurns([
        {
          name: "raw EVALSHA",
          run: flight((key) =>
            client.lambda("EVALSHA", sha1, count, `raw:{${key}}${limit}`, ...rest)
          ),
        },
        { name: "RateLimiter.check()", run: flight((key) => byAdapter.check(key)) },
        { name: "RateLimiter.check(), no adapter", run: flight((key) => byLambda.check(key)) },
      ], { calls: 1, rounds: 31 });
      client.close();
      return formatTurns(
        `${name}, 200 in flight`,
        turns.map((turn) => ({ ...turn, micros: turn.micros / CHECKS })),
      );
    });
  }
}
