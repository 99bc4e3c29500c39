import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";
import {
  RateLimiter,
  type RateLimiterOptions,
  type RateLimitOptions,
} from "../../src/runtime/rate_limiter.ts";
import { RedisRateStore, type RedisRateStoreOptions } from "../../src/runtime/redis_rate_store.ts";

/** A key. */
export const ALICE = RateKey.principal("alice");
/** Limits whose debts last as long as a test. */
export const HOUR = [{ requests: 10, windowMs: 3_600_000 }];

/** Makes a limiter on a Redis store, which waits long, and what it reports. */
export function redisLimiter(
  command: RedisCommand,
  limits: readonly RateLimitOptions[] = HOUR,
  options: Partial<RateLimiterOptions> = {},
  storeOptions: RedisRateStoreOptions = {},
): { limiter: RateLimiter; store: RedisRateStore; events: AuditEventInput[] } {
  const events: AuditEventInput[] = [];
  const store = new RedisRateStore(command, { timeoutMs: 5000, ...storeOptions });
  const reporter = { report: (event: AuditEventInput): void => void events.push(event) };
  return { limiter: new RateLimiter({ limits, store, reporter, ...options }), store, events };
}
