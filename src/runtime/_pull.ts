import { SecurityError } from "../errors.ts";
import { type Clock, type ClockTimer, systemClock } from "../_internal/clock.ts";
import { integerOption, MAX_TIMEOUT_MS } from "../_internal/options.ts";

/** How long reading may take, as options that were checked. */
export interface PullLimits {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** 0 for any. */
  readonly minBytesPerSecond: number;
  readonly clock: Clock;
}

/** A stream that has everything at once leaves the timers no turn: now and then it has to. */
const READS_A_LOOK = 64;
const TURN_MS = 20;

/** How often the speed is looked at. */
export const SPEED_WINDOW_MS = 5000;

/** Reads the bound of a number of bytes, which has no default. */
export function maxBytesOption(purpose: string, value: unknown): number {
  return integerOption(purpose, "maxBytes", value ?? NaN, { otherwise: 0, least: 0 });
}

/** Reads the time limit. */
export function timeoutOption(purpose: string, value: unknown): number {
  return integerOption(purpose, "timeoutMs", value, {
    otherwise: 30_000,
    least: 1,
    most: MAX_TIMEOUT_MS,
  });
}

/** The refusal of too much. */
export function tooLarge(maxBytes: number): SecurityError {
  return new SecurityError("too-large", `The input is larger than ${maxBytes} bytes`, {
    details: { maxBytes },
  });
}

/**
 * Reads a stream to its end and passes every chunk on, one after the other. When the time is over, the signal
 * aborted, the stream broken or a chunk refused, the stream is cancelled, and nobody waits for it: a stream
 * that never answers holds nobody up.
 *
 * @param stream The stream; it is locked while it is read, and free afterwards.
 * @param limits How long.
 * @param take Takes a chunk; what it throws ends the reading.
 */
export async function pull(
  stream: ReadableStream<Uint8Array>,
  { signal, timeoutMs, minBytesPerSecond, clock }: PullLimits,
  take: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const reader = stream.getReader();
  let stopped: { readonly reason: unknown } | undefined;
  let reject: ((reason: unknown) => void) | undefined;
  const stop = (reason: unknown) => {
    stopped ??= { reason };
    reject?.(stopped.reason);
  };
  // A promise of its own for every wait: one for all would gather a reaction with every chunk.
  const waitFor = <T>(promise: Promise<T>) =>
    new Promise<T>((resolve, rejectWait) => {
      reject = rejectWait;
      promise.then(resolve, rejectWait);
      if (stopped !== undefined) rejectWait(stopped.reason);
    });
  const late = () => {
    stop(
      new SecurityError("timeout", "The input did not arrive in time", { details: { timeoutMs } }),
    );
  };
  const abort = () => stop(signal?.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const timers = new Set<ClockTimer>([clock.setTimer(late, timeoutMs)]);
  let inWindow = 0;
  const watchSpeed = () => {
    const timer = clock.setTimer(() => {
      timers.delete(timer);
      // A client that sends a byte now and then keeps a connection and its memory for as long as it likes.
      if (inWindow * 1000 < minBytesPerSecond * SPEED_WINDOW_MS) return late();
      inWindow = 0;
      watchSpeed();
    }, SPEED_WINDOW_MS);
    timers.add(timer);
  };
  if (minBytesPerSecond > 0) watchSpeed();
  let turnMs = systemClock.monotonicMs();
  try {
    for (let reads = 1;; reads++) {
      const { done, value } = await waitFor(reader.read());
      if (done) break;
      if (reads % READS_A_LOOK === 0 && systemClock.monotonicMs() - turnMs > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve));
        turnMs = systemClock.monotonicMs();
      }
      const chunk: unknown = value;
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError("Cannot read a stream whose chunks are no Uint8Array");
      }
      inWindow += chunk.byteLength;
      const taken = take(chunk);
      if (taken !== undefined) await waitFor(taken);
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    for (const timer of timers) timer.cancel();
    signal?.removeEventListener("abort", abort);
    // A read that is still waiting is rejected by this.
    reader.releaseLock();
  }
}
