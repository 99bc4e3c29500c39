import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import type { AuditReporter } from "../events/audit_event.ts";
import { SecurityError } from "../errors.ts";
import { type CallTally, guard, newTally } from "./_guarded_call.ts";
import type { AcquireOptions, Permit } from "./semaphore.ts";
import { requiredInteger } from "./_waiting_line.ts";
import type { OrphanedWork } from "./with_deadline.ts";

/** Options of {@linkcode DeadlinePolicy}. */
export interface DeadlinePolicyOptions {
  /** How long an operation may take of which nothing else is said, in milliseconds. */
  readonly defaultMs: number;
  /** How long operations may take by name, in milliseconds. @default {{}} */
  readonly perOperation?: Readonly<Record<string, number>>;
  /** Is told of orphans, as `runtime.orphan`. @default {undefined} */
  readonly reporter?: AuditReporter;
  /** The clock that measures. @default {the clock of the machine} */
  readonly clock?: Clock;
  /**
   * Where each operation gets a permit; waiting for it counts as time of the operation.
   * @default {undefined}
   */
  readonly semaphore?: PermitSource;
  /** Whether permits are kept until the work has really ended, or until the caller has its answer. @default {"end"} */
  readonly releaseAt?: "end" | "deadline";
  /** Called once for work that ignores its signal. What it throws is dropped. @default {undefined} */
  readonly onOrphan?: (orphan: OrphanedWork) => void;
}

/** Where permits come from: a `Semaphore`, or one key of a `KeyedSemaphore`. */
export interface PermitSource {
  /**
   * Takes a permit, and waits for it if need be.
   *
   * @param options How to wait.
   * @returns The permit.
   */
  acquire(options: AcquireOptions): Promise<Permit>;
}

/** What became of the calls of a {@linkcode DeadlinePolicy}. */
export interface DeadlineStats {
  /** Calls whose work has not ended, orphans included. */
  readonly running: number;
  /** Calls that were over at their deadline, with a permit or without. */
  readonly timeouts: number;
  /** Work that has not ended, though its caller was answered. */
  readonly orphans: number;
  /** All work so far that was reported as orphaned. */
  readonly orphaned: number;
}

const PURPOSE = "create a deadline policy";

/**
 * Deadlines by operation, in one place, with what {@linkcode withDeadline} does for each call.
 *
 * @example
 * ```ts
 * import { DeadlinePolicy, Semaphore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const deadlines = new DeadlinePolicy({
 *   defaultMs: 5000,
 *   perOperation: { "file.read": 500 },
 *   semaphore: new Semaphore({ permits: 16 }),
 * });
 * assertEquals(deadlines.timeoutMs("file.read"), 500);
 * assertEquals(await deadlines.run("file.list", () => Promise.resolve(["a.md"])), ["a.md"]);
 * assertEquals(deadlines.stats(), { running: 0, timeouts: 0, orphans: 0, orphaned: 0 });
 * ```
 */
export class DeadlinePolicy {
  readonly #defaultMs: number;
  readonly #perOperation: ReadonlyMap<string, number>;
  readonly #reporter: AuditReporter | undefined;
  readonly #clock: Clock;
  readonly #semaphore: PermitSource | undefined;
  readonly #releaseAt: "end" | "deadline";
  readonly #onOrphan: ((orphan: OrphanedWork) => void) | undefined;
  readonly #tally: CallTally = newTally();

  /**
   * Makes a policy.
   *
   * @param options The times, and what becomes of orphans.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If a time is no integer from 1 on.
   */
  constructor(options: DeadlinePolicyOptions) {
    const { defaultMs, perOperation = {}, reporter, clock = systemClock, semaphore } = options;
    const { releaseAt = "end", onOrphan } = options;
    this.#defaultMs = requiredInteger(PURPOSE, "defaultMs", defaultMs, 1);
    this.#perOperation = new Map(
      Object.entries(perOperation).map(([operation, timeMs]) => [
        operation,
        integerOption(PURPOSE, `perOperation.${operation}`, timeMs, {
          otherwise: this.#defaultMs,
          least: 1,
        }),
      ]),
    );
    if (releaseAt !== "end" && releaseAt !== "deadline") {
      throw wrongOption(PURPOSE, "releaseAt", '"end" or "deadline"', releaseAt);
    }
    if (semaphore !== undefined && typeof semaphore?.acquire !== "function") {
      throw wrongOption(PURPOSE, "semaphore", "a semaphore", semaphore);
    }
    this.#reporter = reporter;
    this.#clock = clock;
    this.#semaphore = semaphore;
    this.#releaseAt = releaseAt;
    this.#onOrphan = onOrphan;
  }

  /**
   * How long an operation may take.
   *
   * @param operation Its name.
   * @returns The time, in milliseconds.
   */
  timeoutMs(operation: string): number {
    return this.#perOperation.get(operation) ?? this.#defaultMs;
  }

  /**
   * Calls with the deadline of an operation, and with a permit if there is a semaphore.
   *
   * @param operation The name of the operation.
   * @param fn What to call, with a signal that is aborted when nobody waits any more.
   * @param options The signal that ends the call.
   * @returns What `fn` returns.
   * @throws {SecurityError} `timeout`, at the deadline, and what the semaphore refuses with.
   * @throws The reason of the signal, if it is aborted.
   */
  async run<T>(
    operation: string,
    fn: (signal: AbortSignal) => T | PromiseLike<T>,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const timeoutMs = this.timeoutMs(operation);
    const startMs = this.#clock.monotonicMs();
    const permit = await this.#permit({ signal, timeoutMs });
    return await guard(
      fn,
      {
        timeoutMs,
        signal,
        clock: this.#clock,
        operation,
        reporter: this.#reporter,
        permit,
        releaseAt: this.#releaseAt,
        onOrphan: this.#onOrphan,
      },
      this.#tally,
      startMs,
    );
  }

  async #permit(options: AcquireOptions): Promise<Permit | undefined> {
    if (this.#semaphore === undefined) return undefined;
    try {
      return await this.#semaphore.acquire(options);
    } catch (error) {
      if (error instanceof SecurityError && error.code === "timeout") this.#tally.timeouts++;
      throw error;
    }
  }

  /**
   * What became of the calls of this policy.
   *
   * @returns The numbers, as they are now.
   */
  stats(): DeadlineStats {
    return { ...this.#tally };
  }
}
