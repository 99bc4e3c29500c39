/**
 * What may run now, for how long, and with how much.
 *
 * - Who asks: {@linkcode createClientAddress} finds the client behind trusted proxies, {@linkcode BlockList} keeps
 *   out whom it must.
 * - How often: {@linkcode RateLimiter}, in memory or in Redis.
 * - How many at once: {@linkcode Semaphore}, {@linkcode KeyedSemaphore}.
 * - How long: {@linkcode withDeadline}, {@linkcode DeadlinePolicy}; {@linkcode runIsolated} for what does not listen.
 * - How much: {@linkcode readBounded}, {@linkcode limitBytes}, {@linkcode decompressBounded},
 *   {@linkcode parseJsonBounded}, {@linkcode ByteView}.
 *
 * What lasts is measured on a clock that never jumps; tests move a {@linkcode VirtualClock}.
 *
 * @module
 */

export {
  fromIoredis,
  fromIovalkey,
  fromRedis,
  type IoredisLike,
  type RedisClientLike,
  type RedisClusterLike,
} from "../_internal/redis_adapters.ts";
export type {
  RedisCommand,
  RedisCommandOptions,
  RedisCommandWithOptions,
} from "../_internal/redis_command.ts";
export { type BlockableAlert, blockAction, type BlockActionOptions } from "./block_action.ts";
export {
  type BackOffOptions,
  type Block,
  BlockList,
  type BlockListOptions,
  type BlockListSnapshot,
  type BlockOptions,
  type BlockQuery,
  type ViolationOptions,
} from "./block_list.ts";
export {
  type BlockChanges,
  type BlockStore,
  type BlockTarget,
  type SharedBlock,
} from "./block_store.ts";
export { ByteView, byteView } from "./byte_view.ts";
export {
  type ClientAddress,
  clientAddress,
  type ClientAddressOptions,
  type ConnectionInfo,
  createClientAddress,
  type ForwardingHeader,
  type RequestHeaders,
} from "./client_address.ts";
export {
  DeadlinePolicy,
  type DeadlinePolicyOptions,
  type DeadlineStats,
  type PermitSource,
} from "./deadline_policy.ts";
export {
  type CompressionFormat,
  decompressBounded,
  type DecompressBoundedOptions,
  decompressStreamBounded,
} from "./decompress_bounded.ts";
export {
  type IsolatePermissions,
  IsolatePool,
  type IsolatePoolOptions,
  type IsolatePoolStats,
  type IsolateRunOptions,
} from "./isolate_pool.ts";
export {
  KeyedSemaphore,
  type KeyedSemaphoreOptions,
  type KeyedSemaphoreStats,
} from "./keyed_semaphore.ts";
export { limitBytes } from "./limit_bytes.ts";
export {
  MemoryRateStore,
  type MemoryRateStoreOptions,
  type MemoryRateStoreStats,
} from "./memory_rate_store.ts";
export {
  parseJsonBounded,
  type ParseJsonBoundedOptions,
  type ParseJsonOptions,
  parseJsonText,
} from "./parse_json_bounded.ts";
export { RateKey, type RateKeys, type RateSourceOptions } from "./rate_key.ts";
export { type RateLimitHeaders, rateLimitHeaders } from "./rate_limit_headers.ts";
export {
  type RateCheckOptions,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimitOptions,
  type UnavailableAction,
} from "./rate_limiter.ts";
export {
  type RateConsumeOptions,
  type RateDecision,
  type RateRule,
  type RateStore,
} from "./rate_store.ts";
export { type BodyCarrier, readBounded, type ReadBoundedOptions } from "./read_bounded.ts";
export { RedisBlockStore, type RedisBlockStoreOptions } from "./redis_block_store.ts";
export { RedisRateStore, type RedisRateStoreOptions } from "./redis_rate_store.ts";
export { closeIsolated, runIsolated, type RunIsolatedOptions } from "./run_isolated.ts";
export {
  type AcquireOptions,
  type Permit,
  Semaphore,
  type SemaphoreOptions,
  type SemaphoreStats,
} from "./semaphore.ts";
export {
  type Clock,
  type ClockTimer,
  VirtualClock,
  type VirtualClockOptions,
} from "./virtual_clock.ts";
export {
  type DeadlineOptions,
  type OrphanedWork,
  orphans,
  remainingMs,
  withDeadline,
} from "./with_deadline.ts";
