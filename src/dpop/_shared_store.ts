/**
 * What replay stores on other machines have in common: a lifetime that is counted by their clock, not by
 * ours, and a wait that ends.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { MAX_TIMEOUT_MS } from "../_internal/options.ts";
import type { ReplayAddOptions } from "./replay_store.ts";

/** Checks the options that shared stores have in common. */
export function checkSharedOptions(store: string, prefix: string, timeoutMs: number): void {
  if (typeof prefix !== "string") {
    throw new TypeError(
      `Cannot make a ${store} as 'prefix' must be a string: current value is ${String(prefix)}`,
    );
  }
  checkInteger(store, "timeoutMs", timeoutMs, MAX_TIMEOUT_MS);
}

/** Checks that an option is an integer from 1 to `max`. */
export function checkInteger(store: string, name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new RangeError(
      `Cannot make a ${store} as '${name}' must be an integer from 1 to ${max}: ` +
        `current value is ${String(value)}`,
    );
  }
}

/**
 * How long an entry has to stay. It is a duration, since the store's clock is not the verifier's: a moment
 * of ours may be long past over there.
 *
 * @param expiresAtSeconds When it may be forgotten.
 * @param nowSeconds The verifier's time.
 * @returns Whole seconds, rounded up and at least 1; 0 when the expiry has passed.
 */
export function lifetimeSeconds(
  expiresAtSeconds: number,
  nowSeconds: number = Date.now() / 1000,
): number {
  for (const [name, value] of Object.entries({ expiresAtSeconds, nowSeconds })) {
    if (!Number.isFinite(value)) {
      throw new RangeError(
        `Cannot add a proof as '${name}' must be a finite number: current value is ${
          String(value)
        }`,
      );
    }
  }
  if (expiresAtSeconds < nowSeconds) return 0;
  return Math.max(1, Math.ceil(expiresAtSeconds - nowSeconds));
}

/**
 * Asks a store within its time; whatever goes wrong is a refusal.
 *
 * @param ask Asks; its signal is aborted when nobody waits any more.
 * @param timeoutMs How long to wait.
 * @param options The caller's signal, whose reason is passed on as it is.
 * @returns The answer.
 */
export async function askStore<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  { signal }: ReplayAddOptions,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await answerWithin(ask, { timeoutMs, signal });
  } catch (cause) {
    if (signal?.aborted && cause === signal.reason) throw cause;
    if (cause instanceof SecurityError) throw cause;
    throw unavailable(cause);
  }
}

/** The refusal when there is no answer, or none that was understood. */
export function unavailable(cause: unknown): SecurityError {
  return new SecurityError("replay-store-unavailable", "The replay store gave no usable answer", {
    cause,
  });
}
