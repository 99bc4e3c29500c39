/**
 * The bucketed mode of the Redis store: many proofs in one sorted set, whose compact form (a listpack)
 * needs 16 bytes for a member and a score that are integers.
 *
 * @module
 */

import { sha256 } from "../_internal/sha256.ts";

/**
 * `KEYS[1]` is the set, `ARGV[1]` the member, `ARGV[2]` its lifetime in seconds; answers 1 when it is new.
 *
 * Scores are times of the server, so that no verifier whose clock is fast removes what others need. ZADD
 * comes first: Redis lets a script that has written go on past `maxmemory`. Only ever longer does the whole
 * set live, and with a minute to spare, so that EXPIRE is rare.
 */
export const BUCKET_SCRIPT = `local now = tonumber(redis.call('TIME')[1])
local life = tonumber(ARGV[2]) + 1
local new = redis.call('ZADD', KEYS[1], 'NX', now + life, ARGV[1])
if new == 1 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('TTL', KEYS[1]) < life then redis.call('EXPIRE', KEYS[1], life + 60) end
end
return new`;

/** SHA-1 of the script, by which EVALSHA names it. */
export const BUCKET_SCRIPT_SHA1 = "ab5b788c872b76c8567ba646f4be33c3c5c8137d";

/** Where a proof lies in the bucketed mode. */
export interface BucketPlace {
  /** Number of the bucket. */
  readonly bucket: number;
  /** The member: 64 bits, as a decimal integer, which Redis keeps in 10 bytes. */
  readonly member: string;
}

/**
 * Finds the place of a proof. It depends on the key alone, not on the expiry: verifiers whose limits differ,
 * as during a deployment, have to look in the same place.
 *
 * @param key The replay key.
 * @param shards How many buckets there are.
 * @returns The place; bucket and member come from different bits.
 */
export function bucketPlace(key: string, shards: number): BucketPlace {
  const bits = new DataView(sha256(key).buffer);
  return { bucket: bits.getUint32(0) % shards, member: String(bits.getBigInt64(8)) };
}
