/**
 * Waiting for other people's code, which may never answer.
 *
 * @module
 */

/** How long there is to answer. */
export interface AnswerLimits {
  /** Time to answer, in milliseconds. @default {no limit} */
  readonly timeoutMs?: number;
  /** Ends the wait, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks, and waits until there is an answer, the time is over or the signal is aborted. A later answer, or a
 * later failure, is dropped.
 *
 * @param ask Asks; its signal is aborted when nobody waits any more.
 * @param limits The time and the signal.
 * @returns The answer.
 */
export async function answerWithin<T>(
  ask: (signal: AbortSignal) => T | PromiseLike<T>,
  { timeoutMs, signal }: AnswerLimits,
): Promise<T> {
  const controller = new AbortController();
  const answer = ask(controller.signal);
  // Who answers at once costs no timer, nor does an async function that had nothing to wait for: on the
  // way of every request, two timers cost as much as all checks together (bench/dpop_verifier_bench.ts).
  if (!isPromiseLike(answer)) return answer;
  const answered = Promise.resolve(answer);
  let isAnswered = false;
  const note = () => {
    isAnswered = true;
  };
  answered.then(note, note);
  await undefined;
  if (isAnswered) return await answered;
  return await new Promise<T>((resolve, reject) => {
    const stop = (reason: unknown) => {
      end();
      reject(reason);
      controller.abort(reason);
    };
    const abort = () => stop(signal?.reason);
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      stop(new DOMException(`No answer within ${timeoutMs} ms`, "TimeoutError"));
    }, timeoutMs);
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    signal?.addEventListener("abort", abort);
    answered.then(resolve, reject).finally(end);
    if (signal?.aborted) abort();
  });
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
