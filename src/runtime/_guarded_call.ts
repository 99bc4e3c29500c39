import { type Clock, systemClock } from "../_internal/clock.ts";
import { wrongOption } from "../_internal/options.ts";
import { SecurityError } from "../errors.ts";
import { Given } from "./_given.ts";
import { follow, type SignalFollower, unfollow } from "./_parent_signals.ts";
import { TICK_MS, wheelOf, WheelTimer } from "./_timer_wheel.ts";
import { checkDuration, checkSignal } from "./_waiting_line.ts";
import type { DeadlineOptions } from "./with_deadline.ts";

const PURPOSE = "call with a deadline";

/** What is counted of many calls. */
export interface CallTally {
  /** Calls whose work has not ended, orphans included. */
  running: number;
  /** Calls that were over at their deadline. */
  timeouts: number;
  /** Work that has not ended, though its caller has an answer. */
  orphans: number;
  /** All work that was reported as orphaned. */
  orphaned: number;
}

/**
 * Makes a tally.
 *
 * @returns One of nothing.
 */
export function newTally(): CallTally {
  return { running: 0, timeouts: 0, orphans: 0, orphaned: 0 };
}

/** What is counted of all calls of this program. */
export const everyCall: CallTally = newTally();

/** How a call is made. */
interface CallPlan extends DeadlineOptions {
  readonly clock: Clock;
  /** When the time began to run, on the clock's monotonic time. */
  readonly startMs: number;
  /** Counts the call, beside {@linkcode everyCall}. */
  readonly tally: CallTally | undefined;
}

/** A signal that was made for a call. */
class GuardedSignal extends Given {
  readonly #call: Guard;

  constructor(signal: AbortSignal, call: Guard) {
    super(signal);
    this.#call = call;
  }

  static callOf(signal: AbortSignal): Guard | undefined {
    return #call in signal ? signal.#call : undefined;
  }
}

/** What a call knows of those around it. */
interface Guard {
  readonly outer: Guard | undefined;
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly isWaiting: boolean;
  expire(): void;
}

/**
 * The call that a signal was made for.
 *
 * @param signal Any signal.
 * @returns The call, if it was made by one.
 */
export function callOf(signal: AbortSignal): Guard | undefined {
  return GuardedSignal.callOf(signal);
}

/** One call with a deadline, from its beginning to the end of its work. */
class GuardedCall<T> extends WheelTimer implements Guard, SignalFollower {
  readonly outer: Guard | undefined;
  readonly clock: Clock;
  readonly deadlineMs: number;
  earlier: SignalFollower | undefined;
  later: SignalFollower | undefined;
  readonly #plan: CallPlan;
  readonly #controller = new AbortController();
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;
  /** Whether the caller still waits. */
  isWaiting = true;
  #hasEnded = false;
  #hasPermit: boolean;
  #whyOrphaned = "";
  #tellEnd: ((durationMs: number) => void) | undefined;

  constructor(plan: CallPlan, resolve: (value: T) => void, reject: (reason: unknown) => void) {
    super();
    const { timeoutMs, signal, permit, clock, startMs, tally } = plan;
    this.#plan = plan;
    this.clock = clock;
    this.deadlineMs = startMs + timeoutMs;
    this.outer = signal && callOf(signal);
    this.#hasPermit = permit !== undefined;
    this.#resolve = resolve;
    this.#reject = reject;
    everyCall.running++;
    if (tally !== undefined) tally.running++;
    new GuardedSignal(this.#controller.signal, this);
  }

  /** Begins the work. */
  run(fn: (signal: AbortSignal) => T | PromiseLike<T>): void {
    const { timeoutMs, signal, clock, startMs } = this.#plan;
    if (signal !== undefined) follow(signal, this);
    let result: T | PromiseLike<T>;
    try {
      result = fn(this.#controller.signal);
      if (isPromiseLike(result)) {
        // Both are always handled: an orphan that fails later ends no program.
        Promise.resolve(result).then(this.#fulfilled, this.#rejected);
        if (this.isWaiting) wheelOf(clock).add(this, startMs, timeoutMs);
        return;
      }
    } catch (error) {
      return this.#rejected(error);
    }
    this.#fulfilled(result);
  }

  due(): void {
    if (this.isWaiting) this.expire();
    else if (!this.#hasEnded) this.#reportOrphan();
  }

  expire(): void {
    // Who falls due in the same tick has no order; the error has to be of the one that was over first.
    const first = overFirst(this);
    if (first !== this) {
      first.expire();
      if (!this.isWaiting) return;
    }
    countTimeout(this.#plan.tally);
    this.#whyOrphaned = "timeout";
    this.#abandon(timeoutOf(this.#plan));
  }

  aborted(reason: unknown): void {
    this.#whyOrphaned = "aborted";
    this.#abandon(reason);
  }

  /** Answers the caller without waiting for the work. */
  #abandon(reason: unknown): void {
    this.#answered();
    this.#reject(reason);
    if (this.#plan.releaseAt === "deadline") this.#release();
    this.#count(1);
    // Work that listens has a tick to end, so that the trail only names what does not.
    const { clock } = this;
    wheelOf(clock).add(this, clock.monotonicMs(), TICK_MS);
    abortInTurn(this.#controller, reason);
  }

  readonly #fulfilled = (value: T): void => {
    if (this.#ended(false)) this.#resolve(value);
  };

  readonly #rejected = (error: unknown): void => {
    if (this.#ended(true)) this.#reject(error);
  };

  /** Notes that the work has ended; tells whether the caller still waits for it. */
  #ended(hasFailed: boolean): boolean {
    const { clock, isWaiting } = this;
    const { tally, startMs } = this.#plan;
    this.#hasEnded = true;
    everyCall.running--;
    if (tally !== undefined) tally.running--;
    if (isWaiting) {
      this.#answered();
    } else {
      wheelOf(clock).remove(this);
      this.#count(-1);
      if (this.#tellEnd !== undefined) {
        const durationMs = clock.monotonicMs() - startMs;
        this.#report(durationMs, hasFailed ? "failed" : "succeeded");
        this.#tellEnd(durationMs);
      }
    }
    this.#release();
    return isWaiting;
  }

  #answered(): void {
    const { signal } = this.#plan;
    this.isWaiting = false;
    wheelOf(this.clock).remove(this);
    if (signal !== undefined) unfollow(signal, this);
  }

  #release(): void {
    if (!this.#hasPermit) return;
    this.#hasPermit = false;
    giveBack(this.#plan.permit);
  }

  #count(by: number): void {
    everyCall.orphans += by;
    if (this.#plan.tally !== undefined) this.#plan.tally.orphans += by;
  }

  #reportOrphan(): void {
    const { operation, onOrphan, clock, startMs, tally } = this.#plan;
    const afterMs = clock.monotonicMs() - startMs;
    everyCall.orphaned++;
    if (tally !== undefined) tally.orphaned++;
    const ended = new Promise<number>((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#report(afterMs, "running");
    try {
      const told: unknown = onOrphan?.({ operation, afterMs, ended });
      if (isPromiseLike(told)) Promise.resolve(told).catch(() => {});
    } catch {
      // The deadlines of all others are on the same wheel.
    }
  }

  /** The caller has an answer: there is nobody left to be told that this cannot be recorded. */
  #report(durationMs: number, state: "running" | "succeeded" | "failed"): void {
    const { operation, reporter, timeoutMs } = this.#plan;
    if (reporter === undefined) return;
    const isOver = state !== "running";
    try {
      const reported = reporter.report({
        kind: "runtime.orphan",
        outcome: "error",
        severity: isOver ? "notice" : "error",
        ...(operation !== undefined && { operation }),
        ...(this.#whyOrphaned === "timeout" && { code: "timeout" }),
        reason: isOver ? "Orphaned work has ended" : "Work goes on though its caller was answered",
        durationMs,
        details: { state, after: this.#whyOrphaned, timeoutMs },
      });
      reported?.catch(() => {});
    } catch {
      // As above.
    }
  }
}

/**
 * Calls with a deadline; `withDeadline()` says how.
 *
 * @param fn What to call.
 * @param options The time, the signal, and what becomes of an orphan.
 * @param tally Counts the call, beside {@linkcode everyCall}.
 * @param startMs When the time began to run, if that was before.
 * @returns What `fn` returns.
 */
export function guard<T>(
  fn: (signal: AbortSignal) => T | PromiseLike<T>,
  options: DeadlineOptions,
  tally?: CallTally,
  startMs?: number,
): Promise<T> {
  const { clock = systemClock, timeoutMs, signal, operation, reporter, permit } = options;
  const { releaseAt = "end", onOrphan } = options;
  let plan: CallPlan;
  try {
    if (typeof fn !== "function") throw wrongOption(PURPOSE, "fn", "a function", fn);
    checkDuration(PURPOSE, "timeoutMs", timeoutMs);
    if (releaseAt !== "end" && releaseAt !== "deadline") {
      throw wrongOption(PURPOSE, "releaseAt", '"end" or "deadline"', releaseAt);
    }
    checkSignal(PURPOSE, signal);
    if (signal?.aborted) throw signal.reason;
    const nowMs = clock.monotonicMs();
    startMs ??= nowMs;
    // deno-fmt-ignore
    plan = { clock, timeoutMs, signal, operation, reporter, permit, releaseAt, onOrphan, startMs, tally };
    if (startMs + timeoutMs <= nowMs) {
      countTimeout(tally);
      throw timeoutOf(plan);
    }
  } catch (error) {
    giveBack(permit);
    return Promise.reject(error);
  }
  return new Promise((resolve, reject) => new GuardedCall<T>(plan, resolve, reject).run(fn));
}

/** A permit of one's own that throws must not keep others on the wheel from their deadlines. */
function giveBack(permit: CallPlan["permit"]): void {
  try {
    permit?.release();
  } catch {
    // It is as good as given back: nobody else could do it.
  }
}

/** Of the calls around a call that is over, the outermost whose deadline came no later. */
function overFirst(call: Guard): Guard {
  let first = call;
  for (let { outer } = first; outer?.isWaiting; { outer } = first) {
    if (outer.clock !== call.clock || outer.deadlineMs > first.deadlineMs) break;
    first = outer;
  }
  return first;
}

interface Abort {
  readonly controller: AbortController;
  readonly reason: unknown;
}

const aborts: Abort[] = [];
let isAborting = false;

/** Calls within calls abort one another; without a list, hundreds of levels would be more than the stack holds. */
function abortInTurn(controller: AbortController, reason: unknown): void {
  aborts.push({ controller, reason });
  if (isAborting) return;
  isAborting = true;
  for (let next = aborts.shift(); next !== undefined; next = aborts.shift()) {
    next.controller.abort(next.reason);
  }
  isAborting = false;
}

function countTimeout(tally: CallTally | undefined): void {
  everyCall.timeouts++;
  if (tally !== undefined) tally.timeouts++;
}

function timeoutOf({ timeoutMs, operation }: DeadlineOptions): SecurityError {
  return new SecurityError("timeout", `No result within ${timeoutMs} ms`, {
    details: operation === undefined ? { timeoutMs } : { timeoutMs, operation },
  });
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
