import { SecurityError } from "../errors.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import type { Clock } from "../_internal/clock.ts";
import { degraded, ruleOf, withoutStore } from "./_gcra.ts";
import type { LimitReports } from "./_limit_reports.ts";
import { MemoryRateStore } from "./memory_rate_store.ts";
import type { RateDecision, RateRule } from "./rate_store.ts";

/** What a limiter does while its shared store gives no answer. */
export type UnavailableAction = "closed" | "local" | "open";

/** How long a store must not have failed before it is said to be back: one that wavers fills no log. */
const STEADY_MS = 1000;
const RETRY_AFTER_MS = 1000;
/** How long requests wait for an audit trail to say that the store is away: it may hang as well. */
const RECORD_WAIT_MS = 1000;

/** That the store went away, on its way to the audit trail. */
interface AwayRecord {
  /** Settles when it is done, cannot be, or takes too long. */
  readonly wait: Promise<void>;
  /** Whether it was recorded. */
  isDone: boolean;
}

/** Decides in the place of a shared store, and reports when it goes away and when it is back. */
export class UnavailablePolicy {
  readonly #action: UnavailableAction;
  readonly #rules: readonly RateRule[];
  readonly #localRules: readonly RateRule[];
  readonly #local: MemoryRateStore | undefined;
  readonly #clock: Clock;
  readonly #reports: LimitReports;
  #isAway = false;
  #failedAtMs = 0;
  #record: AwayRecord = { wait: Promise.resolve(), isDone: false };

  constructor(
    action: UnavailableAction,
    rules: readonly RateRule[],
    divisor: number,
    clock: Clock,
    reports: LimitReports,
  ) {
    const share = (count: number) => Math.max(1, Math.floor(count / divisor));
    this.#action = action;
    this.#rules = rules;
    this.#localRules = rules.map(({ name, requests, windowMs, burst }) =>
      ruleOf(name, share(requests), windowMs, share(burst))
    );
    this.#local = action === "local" ? new MemoryRateStore({ clock }) : undefined;
    this.#clock = clock;
    this.#reports = reports;
  }

  /** Whether the store is said to be away. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Notes that the store has answered. */
  answered(): void {
    if (!this.#isAway || this.#clock.monotonicMs() - this.#failedAtMs < STEADY_MS) return;
    this.#isAway = false;
    this.#reports.report({
      kind: "runtime.limit",
      operation: "store",
      outcome: "success",
      severity: "notice",
      details: { policy: this.#action },
    });
  }

  /**
   * Decides.
   *
   * @param key The key.
   * @param cost What was asked for.
   * @param cause What the store has thrown.
   * @param signal Ends the wait for the record.
   * @returns The decision.
   */
  async decide(
    key: string,
    cost: number,
    cause: unknown,
    signal: AbortSignal | undefined,
  ): Promise<RateDecision> {
    this.#failedAtMs = this.#clock.monotonicMs();
    if (!this.#isAway) {
      this.#isAway = true;
      this.#record = this.#startRecord(cause);
    }
    const refused = withoutStore(this.#rules, false, retryAfterMs(cause));
    if (this.#action === "closed") return refused;
    // To go on without the store is what has to be recorded; what cannot be must not happen.
    if (!this.#record.isDone) {
      await answerWithin(() => this.#record.wait, { signal });
      if (!this.#record.isDone) return refused;
    }
    if (this.#action === "open") return withoutStore(this.#rules, true, 0);
    if (this.#local === undefined) return refused;
    // A share may be less than what one request costs.
    if (this.#localRules.some(({ burst }) => cost > burst)) return refused;
    return degraded(this.#local.consume(key, this.#localRules, cost));
  }

  /** One wait for all: after it those that come are refused at once, until the record is done. */
  #startRecord(cause: unknown): AwayRecord {
    const wait = new Promise<void>((resolve) => {
      // Who is refused anyway does not wait.
      const timer = this.#action === "closed"
        ? undefined
        : this.#clock.setTimer(resolve, RECORD_WAIT_MS, { keepAlive: true });
      const end = () => {
        timer?.cancel();
        resolve();
      };
      this.#reports.recorded({
        kind: "runtime.limit",
        operation: "store",
        outcome: "error",
        code: "limiter-unavailable",
        reason: describe(cause),
        details: { policy: this.#action },
      }).then(() => record.isDone = true, () => {
        // The next one tries again.
        if (this.#record === record) this.#isAway = false;
      }).finally(end);
    });
    const record: AwayRecord = { wait, isDone: false };
    return record;
  }
}

function retryAfterMs(cause: unknown): number {
  const wait = cause instanceof SecurityError ? cause.details.retryAfterMs : undefined;
  return typeof wait === "number" ? wait : RETRY_AFTER_MS;
}

function describe(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
  return inner instanceof Error ? `${inner.name}: ${inner.message}` : "the store gave no answer";
}
