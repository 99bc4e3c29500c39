/** Options of {@linkcode CircuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Failures in a row after which nobody asks any more. */
  readonly failures: number;
  /** The first pause, in milliseconds; it doubles with each further one. */
  readonly pauseMs: number;
  /** The longest pause, in milliseconds. */
  readonly maxPauseMs: number;
  /** A number from 0 to 1: machines must not all come back at once. */
  readonly random: () => number;
}

/**
 * Keeps from asking what does not answer: after some failures in a row there is a pause, and after that one
 * call at a time finds out whether it is back.
 *
 * Every call has a ticket. Calls that were under way together and fail, as when one packet was lost, are one
 * failure: after each, only those count that began later. Calls from before a pause do not end it.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  #ticket = 1;
  #failures = 0;
  #pauses = 0;
  #untilMs = -Infinity;
  #isProbing = false;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** Whether calls are kept back. */
  get isOpen(): boolean {
    return this.#pauses > 0;
  }

  /**
   * Asks to call.
   *
   * @param nowMs The time of a clock that does not go back.
   * @returns A ticket, or 0 when there must be no call.
   */
  enter(nowMs: number): number {
    if (this.#pauses === 0) return this.#ticket;
    if (nowMs < this.#untilMs || this.#isProbing) return 0;
    this.#isProbing = true;
    return this.#ticket;
  }

  /**
   * Tells when it is worth to ask again.
   *
   * @param nowMs The time.
   * @returns Milliseconds, at least 1.
   */
  pauseLeftMs(nowMs: number): number {
    return Math.max(1, Math.ceil(this.#untilMs - nowMs));
  }

  /**
   * Notes an answer.
   *
   * @param ticket The ticket of the call.
   */
  succeeded(ticket: number): void {
    if (this.isOpen && ticket !== this.#ticket) return;
    this.#failures = 0;
    this.#pauses = 0;
    this.#isProbing = false;
  }

  /**
   * Notes a failure.
   *
   * @param ticket The ticket of the call.
   * @param nowMs The time.
   */
  failed(ticket: number, nowMs: number): void {
    if (ticket !== this.#ticket) return;
    this.#ticket++;
    if (++this.#failures < this.#options.failures && !this.isOpen) return;
    const { pauseMs, maxPauseMs, random } = this.#options;
    const longestMs = Math.min(maxPauseMs, pauseMs * 2 ** Math.min(this.#pauses, 30));
    this.#pauses++;
    this.#isProbing = false;
    this.#untilMs = nowMs + longestMs * (1 + random()) / 2;
  }
}
