/**
 * A {@linkcode ResourcePolicy}, checked and made countable.
 *
 * @module
 */

import { OperationRate, Permits } from "./_permits.ts";
import { MiB, type ResourcePolicy } from "./policy.ts";

/** How the limits of a validator are counted; shared with its subroots. */
export interface Limits {
  /** One permit an operation that touches the disk. */
  readonly operations: Permits;
  /** One permit a byte in memory. */
  readonly bytes: Permits;
  /** One permit a file that stays open while its caller is waited for: a stream, an upload. */
  readonly openFiles: Permits;
  /** One permit a change that waits for the reporter to be ready. */
  readonly asking: Permits;
  /** Operations in a second. */
  readonly rate: OperationRate;
  /** Most entries of a `list` or `walk`. */
  readonly maxEntries: number;
}

/** Streams and uploads that may be open at once, however few operations may run. */
const LEAST_OPEN_FILES = 64;

const LEAST: Readonly<Record<keyof ResourcePolicy, number>> = {
  maxConcurrentOperations: 1,
  maxQueuedOperations: 0,
  maxOperationsPerSecond: 1,
  maxBytesInFlight: 1,
  maxEntries: 0,
};

/**
 * Checks the limits and makes the counters.
 *
 * @throws {TypeError} If an option is unknown or no number.
 * @throws {RangeError} If a limit is out of its range.
 */
export function makeLimits(resources: ResourcePolicy): Limits {
  for (const name of Object.keys(resources)) {
    if (!Object.hasOwn(LEAST, name)) {
      throw new TypeError(`'${name}' is not an option of 'resources'`);
    }
  }
  const maxQueued = count(resources, "maxQueuedOperations") ?? 10_000;
  const maxConcurrent = count(resources, "maxConcurrentOperations") ?? 64;
  return {
    operations: new Permits(maxConcurrent, { maxQueued }),
    bytes: new Permits(count(resources, "maxBytesInFlight") ?? 256 * MiB, { maxQueued }),
    openFiles: new Permits(atMost(Math.max(LEAST_OPEN_FILES, 4 * maxConcurrent))),
    // As many as may run and wait afterwards.
    asking: new Permits(atMost(maxConcurrent + maxQueued)),
    rate: new OperationRate(count(resources, "maxOperationsPerSecond")),
    maxEntries: count(resources, "maxEntries") ?? 100_000,
  };
}

function atMost(limit: number): number {
  return Math.min(limit, Number.MAX_SAFE_INTEGER);
}

function count(resources: ResourcePolicy, name: keyof ResourcePolicy): number | undefined {
  const value: unknown = resources[name];
  if (value === undefined) return undefined;
  if (typeof value !== "number") throw new TypeError(`'${name}' must be a number`);
  if (!Number.isSafeInteger(value) || value < LEAST[name]) {
    throw new RangeError(
      `'${name}' must be a whole number from ${LEAST[name]} on: current value is ${value}`,
    );
  }
  return value;
}
