import type { Clock } from "../_internal/clock.ts";

/** How long there is. */
export interface TimeBox {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** What the wait is ended with when the time is over. */
  readonly timeout: () => Error;
}

/**
 * Calls other people's code, and waits until it is done or the time is over; what comes later is dropped.
 *
 * @param call Is called at once; its signal is aborted when nobody waits any more.
 * @param box How long there is.
 * @returns What the code returns.
 */
export function withinTime<T>(
  call: (signal: AbortSignal) => T | PromiseLike<T>,
  { clock, timeoutMs, timeout }: TimeBox,
): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    // While somebody waits, the program must not end as if nothing was to be done.
    const timer = clock.setTimer(
      () => {
        const error = timeout();
        reject(error);
        controller.abort(error);
      },
      timeoutMs,
      { keepAlive: true },
    );
    new Promise<T>((answer) => answer(call(controller.signal)))
      .finally(() => timer.cancel())
      .then(resolve, reject);
  });
}
