import type { AuditReporter } from "../events/audit_event.ts";
import type { Clock } from "../_internal/clock.ts";
import { callOf, everyCall, guard } from "./_guarded_call.ts";
import type { Permit } from "./semaphore.ts";

/** Work that goes on although nobody waits for it any more. */
export interface OrphanedWork {
  /** What it was called. */
  readonly operation: string | undefined;
  /** How long it had run when it was found, in milliseconds. */
  readonly afterMs: number;
  /** Resolves with how long it ran, in milliseconds, when it has really ended; never rejects. */
  readonly ended: Promise<number>;
}

/** Options of {@linkcode withDeadline}. */
export interface DeadlineOptions {
  /** How long the call may take, in milliseconds; 0 is over before it begins. */
  readonly timeoutMs: number;
  /** Ends the call, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
  /** The clock that measures. @default {the clock of the machine} */
  readonly clock?: Clock | undefined;
  /** What errors and records call it, such as `file.read`. @default {undefined} */
  readonly operation?: string | undefined;
  /** Is told of orphans, as `runtime.orphan`. @default {undefined} */
  readonly reporter?: AuditReporter | undefined;
  /**
   * A permit that the call takes over and gives back. Do not declare it with `using`, which would give it
   * back at the deadline. @default {undefined}
   */
  readonly permit?: Pick<Permit, "release"> | undefined;
  /** Whether the permit is kept until the work has really ended, or until the caller has its answer. @default {"end"} */
  readonly releaseAt?: "end" | "deadline" | undefined;
  /** Called once for work that ignores its signal. What it throws is dropped. @default {undefined} */
  readonly onOrphan?: ((orphan: OrphanedWork) => void) | undefined;
}

/**
 * Calls, and answers at the deadline even when the work does not.
 *
 * At the deadline the caller gets the error `timeout`, and the signal that `fn` was given is aborted with that
 * same error. When `signal` is aborted the caller gets its reason, and so does `fn`. A call that is given the
 * signal of another one shares its deadline: the sooner holds, and the error is of the one that was over.
 * An asynchronous call is late by at most 10 ms, and never early; what has ended first counts as in time.
 *
 * JavaScript cannot be stopped from outside. Work that ignores its signal goes on as an orphan: it is counted
 * ({@linkcode orphans}), reported, and keeps its permit, so that a flood of slow calls cannot have more running
 * than there are permits. Work that never lets go of the thread delays the deadline, too: that takes a process.
 *
 * A pending deadline keeps the program alive. Once the call has ended, no timer and no listener is left.
 *
 * @example
 * ```ts
 * import { SecurityError, withDeadline } from "@bartizan/security";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * assertEquals(await withDeadline(() => Promise.resolve("in time"), { timeoutMs: 1000 }), "in time");
 * await assertRejects(
 *   () =>
 *     withDeadline(
 *       (signal) => new Promise((_, reject) => signal.onabort = () => reject(signal.reason)),
 *       { timeoutMs: 20, operation: "notes.read" },
 *     ),
 *   SecurityError,
 *   "No result within 20 ms",
 * );
 * ```
 *
 * @param fn What to call, with a signal that is aborted when nobody waits any more.
 * @param options The time, the signal, and what becomes of an orphan.
 * @returns What `fn` returns.
 * @throws {SecurityError} `timeout`, at the deadline.
 * @throws {TypeError} If an option is of the wrong type.
 * @throws {RangeError} If `timeoutMs` is negative or no finite number.
 * @throws The reason of the signal, if it is aborted, without a call if it was before.
 */
export function withDeadline<T>(
  fn: (signal: AbortSignal) => T | PromiseLike<T>,
  options: DeadlineOptions,
): Promise<T> {
  return guard(fn, options);
}

/**
 * How long the call that made a signal may still take: what to give to a library that has its own timeout.
 *
 * @example
 * ```ts
 * import { remainingMs, withDeadline } from "@bartizan/security";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const left = await withDeadline((signal) => remainingMs(signal), { timeoutMs: 500 });
 * assert(left !== undefined && left <= 500);
 * assertEquals(remainingMs(new AbortController().signal), undefined);
 * ```
 *
 * @param signal The signal that {@linkcode withDeadline} gave to its function.
 * @returns The time until the soonest of the deadlines around it, in milliseconds and at least 0; `undefined`
 * for a signal that no call has made.
 */
export function remainingMs(signal: AbortSignal): number | undefined {
  const call = callOf(signal);
  if (call === undefined) return undefined;
  let leftMs = call.deadlineMs - call.clock.monotonicMs();
  for (let outer = call.outer; outer !== undefined; outer = outer.outer) {
    // One that has ended ends nobody any more.
    if (outer.isWaiting) leftMs = Math.min(leftMs, outer.deadlineMs - outer.clock.monotonicMs());
  }
  return Math.max(0, leftMs);
}

/**
 * How many orphans there are: work that has not ended, though its caller was answered at a deadline or an abort.
 *
 * @example
 * ```ts
 * import { orphans } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(orphans(), 0);
 * ```
 *
 * @returns The number, for the whole program.
 */
export function orphans(): number {
  return everyCall.orphans;
}
