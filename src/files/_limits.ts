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
  /** Operations in a second. */
  readonly rate: OperationRate;
  /** Most entries of a `list` or `walk`. */
  readonly maxEntries: number;
}

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
  return {
    operations: new Permits(count(resources, "maxConcurrentOperations") ?? 64, { maxQueued }),
    bytes: new Permits(count(resources, "maxBytesInFlight") ?? 256 * MiB, { maxQueued }),
    rate: new OperationRate(count(resources, "maxOperationsPerSecond")),
    maxEntries: count(resources, "maxEntries") ?? 100_000,
  };
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
