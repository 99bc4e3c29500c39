import type { Clock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import { SecurityError } from "../errors.ts";
import { follow, type SignalFollower, unfollow } from "./_parent_signals.ts";
import { wheelOf, WheelTimer } from "./_timer_wheel.ts";

/** How to wait. */
export interface WaitOptions {
  /** Ends the wait, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Checks a duration: a limit that is no number, or never reached, would be none.
 *
 * @param purpose What cannot be done without it.
 * @param name The option.
 * @param value What was given.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is negative, NaN or infinite.
 */
export function checkDuration(purpose: string, name: string, value: unknown): void {
  if (typeof value !== "number") throw wrongOption(purpose, name, "a number", value);
  if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) return;
  throw new RangeError(
    `Cannot ${purpose}: '${name}' must be a finite number from 0 on: current value is ${value}`,
  );
}

/**
 * Reads an integer that has no default.
 *
 * @param purpose What cannot be done without it.
 * @param name The option.
 * @param value What was given.
 * @param least The least it may be.
 * @returns The integer.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is no integer, or too small.
 */
export function requiredInteger(
  purpose: string,
  name: string,
  value: unknown,
  least: number,
): number {
  if (value === undefined) throw wrongOption(purpose, name, "a number", value);
  return integerOption(purpose, name, value, { otherwise: least, least });
}

class Waiter<T> extends WheelTimer implements SignalFollower {
  earlier: SignalFollower | undefined;
  later: SignalFollower | undefined;
  ahead: Waiter<T> | undefined;
  behind: Waiter<T> | undefined;

  constructor(
    readonly line: WaitingLine<T>,
    readonly options: WaitOptions,
    readonly resolve: (value: T) => void,
    readonly reject: (reason: unknown) => void,
  ) {
    super();
  }

  due(): void {
    this.line.giveUp(this, timeoutOf(this.options));
  }

  aborted(reason: unknown): void {
    this.line.giveUp(this, reason);
  }
}

/** Those who wait for one thing, in the order in which they came; anybody may leave, in constant time. */
export class WaitingLine<T> {
  readonly #clock: Clock;
  readonly #left: (() => void) | undefined;
  #first: Waiter<T> | undefined;
  #last: Waiter<T> | undefined;
  #length = 0;

  /**
   * Makes an empty line.
   *
   * @param clock The clock of those who wait.
   * @param left Called when somebody has given up.
   */
  constructor(clock: Clock, left?: () => void) {
    this.#clock = clock;
    this.#left = left;
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /**
   * Joins the line.
   *
   * @param options How to wait; checked, and with a signal that is not aborted.
   * @returns What is handed over.
   */
  wait(options: WaitOptions): Promise<T> {
    if (options.timeoutMs === 0) return Promise.reject(timeoutOf(options));
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(this, options, resolve, reject);
      if (options.timeoutMs !== undefined) {
        wheelOf(this.#clock).add(waiter, this.#clock.monotonicMs(), options.timeoutMs);
      }
      if (options.signal !== undefined) follow(options.signal, waiter);
      waiter.ahead = this.#last;
      if (this.#last === undefined) this.#first = waiter;
      else this.#last.behind = waiter;
      this.#last = waiter;
      this.#length++;
    });
  }

  /**
   * Hands over to the first, who can then no longer give up.
   *
   * @param value What was waited for.
   */
  serve(value: T): void {
    const waiter = this.#first;
    if (waiter === undefined) return;
    this.#remove(waiter);
    waiter.resolve(value);
  }

  /**
   * Sends everybody away.
   *
   * @param makeReason Makes the reason for one of them.
   */
  dismiss(makeReason: () => unknown): void {
    for (let waiter = this.#first; waiter !== undefined; waiter = this.#first) {
      this.#remove(waiter);
      waiter.reject(makeReason());
    }
  }

  /** For waiters only: takes one out of the line. */
  giveUp(waiter: Waiter<T>, reason: unknown): void {
    this.#remove(waiter);
    waiter.reject(reason);
    this.#left?.();
  }

  #remove(waiter: Waiter<T>): void {
    const { ahead, behind, options } = waiter;
    if (ahead === undefined) this.#first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    this.#length--;
    if (options.timeoutMs !== undefined) wheelOf(this.#clock).remove(waiter);
    if (options.signal !== undefined) unfollow(options.signal, waiter);
  }
}

function timeoutOf({ timeoutMs }: WaitOptions): SecurityError {
  return new SecurityError("timeout", `No permit within ${timeoutMs} ms`, {
    details: { timeoutMs: timeoutMs ?? 0 },
  });
}

/**
 * Checks how somebody wants to wait, and whether it has ended before it began.
 *
 * @param options How to wait.
 * @returns A copy, which nobody changes.
 * @throws The reason of the signal, if it is aborted.
 */
export function checkWait({ signal, timeoutMs }: WaitOptions): WaitOptions {
  if (timeoutMs !== undefined) checkDuration("wait for a permit", "timeoutMs", timeoutMs);
  checkSignal("wait for a permit", signal);
  if (signal?.aborted) throw signal.reason;
  return { signal, timeoutMs };
}

/** Refuses what would only fail once somebody waits, with a timer that is set and a permit that is held. */
export function checkSignal(purpose: string, signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongOption(purpose, "signal", "an AbortSignal", signal);
  }
}

/** Refuses one more in a line that is full. */
export function queueFull(details: Readonly<Record<string, number>>): SecurityError {
  return new SecurityError("queue-full", "Too many operations are waiting", { details });
}

/** Refuses what comes after the end. */
export function closed(cause: unknown): SecurityError {
  return new SecurityError("closed", "No more operations are accepted", { cause });
}
