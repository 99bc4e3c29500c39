/**
 * The way that every operation takes: not closed, not aborted, within the rate, a permit, the work, the
 * errors in this layer's words, the audit event, the permit back.
 *
 * @module
 */

import { type FileErrorCode, SecurityError } from "../errors.ts";
import type { AuditEventInput, AuditOutcome } from "../events/audit_event.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import { fileError, fromSystemError, reasonOf } from "./_errors.ts";
import type { ReleasePermits } from "./_permits.ts";
import { isPromiseLike, recordsOf, unrecorded, untilAborted } from "./_records.ts";

/** What an audit event calls an operation: `file.<name>`. */
export type FileOperation =
  | "validate"
  | "open"
  | "read"
  | "write"
  | "mkdir"
  | "remove"
  | "rename"
  | "copy"
  | "stat"
  | "list"
  | "walk";

/** How an operation is run. */
export interface RunSettings<T> {
  /** It changes something, so the reporter is asked first whether it could record that. */
  readonly changes?: boolean;
  /** Lets go of a result that could not be recorded and is not handed out. */
  readonly discard?: (result: T) => void;
}

/** Longest path or principal that an event repeats, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 1024;

/** What is shared is not made anew by every operation (bench/files_bench.ts, "heap"). */
export const NO_OPTIONS: OperationOptions = Object.freeze({});
const NO_SETTINGS: RunSettings<unknown> = Object.freeze({});

/** An operation while it runs; the caller of {@linkcode run} need not know more than `check()`. */
export class Operation {
  readonly context: FileContext;
  readonly kind: FileOperation;
  readonly options: OperationOptions;
  /** The signal of the caller, if any; read once, so that what was checked is what is used. */
  readonly caller: AbortSignal | undefined;
  /** What the event names: the client's words until the canonical path is known. */
  resource: string;
  /** Which operation it is within its kind, where the kind has several. */
  within: string | undefined;
  /** What the event says besides; made when needed. */
  details: Record<string, unknown> | undefined;
  readonly #startedMs: number;
  readonly #principal: string | undefined;
  #begun = false;
  #reported = false;

  /**
   * Opens and asks nothing yet.
   *
   * @throws {TypeError} If the options, the signal or the principal are none: found later, when a file is
   * open already, that would leave it open for ever.
   */
  constructor(
    context: FileContext,
    kind: FileOperation,
    input: string,
    options: OperationOptions = NO_OPTIONS,
  ) {
    if (typeof options !== "object" || options === null) {
      throw new TypeError("'options' must be an object");
    }
    this.context = context;
    this.kind = kind;
    this.options = options;
    this.resource = input;
    const { signal, principal } = this.options;
    // The getter refuses what only has the prototype.
    if (
      signal !== undefined &&
      !(signal instanceof AbortSignal && typeof signal.aborted === "boolean")
    ) {
      throw new TypeError("'signal' must be an AbortSignal");
    }
    if (principal !== undefined && typeof principal !== "string") {
      throw new TypeError("'principal' must be a string");
    }
    this.caller = signal;
    this.#principal = principal;
    this.#startedMs = context.reporter === undefined ? 0 : performance.now();
  }

  /** Throws when the validator was closed or the caller gave up; to be called after every await. */
  check(): void {
    const { caller } = this;
    if (caller !== undefined && caller.aborted) throw caller.reason;
    if (this.context.closed) throw fileError("closed");
  }

  /** What ends a wait of this operation: the caller's signal or the end of the validator. */
  signal(): AbortSignal {
    const { caller, context: { closing } } = this;
    return caller === undefined ? closing : AbortSignal.any([caller, closing]);
  }

  /** Counts the operation against the rate, and asks the reporter when it changes something. */
  async begin(changes: boolean): Promise<void> {
    this.check();
    this.context.limits.rate.take();
    if (!changes) return;
    await this.#ask();
    this.check();
  }

  /** Asks the reporter. One that never answers holds up neither an abort nor `close()`. */
  async #ask(): Promise<void> {
    const { reporter, limits, closing } = this.context;
    if (reporter?.ready === undefined) return;
    // Whoever waits here is counted by no other limit yet.
    const leave = limits.asking.tryHold();
    if (leave === undefined) {
      throw fileError("too-many-operations", { reason: "too many wait for the reporter" });
    }
    try {
      let ready: unknown;
      try {
        ready = reporter.ready();
      } catch (cause) {
        throw unrecorded(cause);
      }
      if (!isPromiseLike(ready)) return;
      const answer = Promise.resolve(ready).catch((cause) => {
        throw unrecorded(cause);
      });
      await (this.caller === undefined
        ? untilAborted(answer, closing)
        : untilAborted(answer, this.caller, closing));
    } finally {
      leave();
    }
  }

  /**
   * Counts a file that stays open while the caller is waited for, to be called before it is opened: a
   * client that opens streams and never reads, or begins uploads and never sends, holds no permit, and
   * would take every descriptor of the process.
   *
   * @returns What ends it, once, however often it is called.
   * @throws {SecurityError} `too-many-operations`; there is no wait, since nothing might ever end it.
   */
  keepOpen(): ReleasePermits {
    const release = this.context.limits.openFiles.tryHold();
    if (release !== undefined) return release;
    throw fileError("too-many-operations", { reason: "too many streams and uploads are open" });
  }

  /** Does a piece of work under a permit; whoever waits for its caller does that between two of them. */
  async step<T>(work: () => T | Promise<T>): Promise<T> {
    const { operations } = this.context.limits;
    this.check();
    if (!operations.tryAcquire()) {
      await operations.acquire(1, this.signal());
    }
    const leave = this.context.enter();
    try {
      this.check();
      this.#begun = true;
      return await work();
    } finally {
      leave();
      operations.release();
    }
  }

  /** The error as the caller gets it: the reason of its own signal, its own mistake, or one of this layer. */
  explain(thrown: unknown): unknown {
    if (this.#isAbort(thrown) || isMistake(thrown)) return thrown;
    return fromSystemError(thrown);
  }

  #isAbort(thrown: unknown): boolean {
    const { caller } = this;
    return caller !== undefined && caller.aborted && thrown === caller.reason;
  }

  /**
   * Records how the operation ended, once; rejects with `audit-unavailable` when that fails.
   *
   * `close()` waits for the record (see `_records.ts`). The caller waits until it gives up: then an
   * operation that was done rejects with the reason of its signal, one that failed with its own error,
   * and the record is made all the same.
   */
  async report(error?: unknown): Promise<void> {
    const { reporter } = this.context;
    if (reporter === undefined || this.#reported) return;
    this.#reported = true;
    // Refused before anything was attempted: whoever closed the validator has closed its log as well. Once
    // something was done, closing in the right moment must not keep it out of the log.
    if (!this.#begun && error instanceof SecurityError && error.code === "closed") return;
    let made: unknown;
    try {
      made = reporter.report(this.#event(error));
    } catch (cause) {
      throw unrecorded(cause);
    }
    if (!isPromiseLike(made)) return;
    const recorded = recordsOf(this.context).wait(made);
    const { caller } = this;
    if (caller === undefined) return await recorded;
    try {
      await untilAborted(recorded, caller);
    } catch (thrown) {
      if (error === undefined || !this.#isAbort(thrown)) throw thrown;
    }
  }

  #reasonOf(error: unknown): string {
    if (error instanceof SecurityError) return reasonOf(error);
    return this.#isAbort(error) ? "aborted by the caller" : String(error);
  }

  #event(error: unknown): AuditEventInput {
    const principal = this.#principal;
    const refused = error instanceof SecurityError ? error : undefined;
    return {
      kind: `file.${this.kind}`,
      outcome: error === undefined ? "success" : outcomeOf(refused),
      ...(this.within === undefined ? {} : { operation: this.within }),
      resource: clip(this.resource),
      durationMs: performance.now() - this.#startedMs,
      // Whoever called said who it is; what a client claims is no option.
      ...(principal === undefined
        ? {}
        : { principal: clip(principal), principalConfidence: "verified" as const }),
      ...(refused === undefined ? {} : { code: refused.code }),
      ...(error === undefined ? {} : { reason: this.#reasonOf(error) }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/**
 * An argument that makes no sense; no client brought it. Deno makes a TypeError of EINVAL as well, whose
 * message names canonical paths: only what has no code is a mistake.
 */
function isMistake(thrown: unknown): boolean {
  return (thrown instanceof TypeError || thrown instanceof RangeError) && !("code" in thrown);
}

/**
 * Runs an operation from beginning to end.
 *
 * Where nobody listens and a permit is free, a piece of work that does not wait is done without any
 * detour (bench/files_bench.ts).
 */
export function run<T>(
  context: FileContext,
  kind: FileOperation,
  input: string,
  options: OperationOptions | undefined,
  work: (operation: Operation, input: string) => T | Promise<T>,
  settings: RunSettings<T> = NO_SETTINGS,
): Promise<T> {
  if (typeof input !== "string") return rejectInput();
  let operation: Operation;
  try {
    operation = new Operation(context, kind, input, options);
  } catch (mistake) {
    return Promise.reject(mistake);
  }
  const { operations, rate } = context.limits;
  if (context.reporter !== undefined || !operations.tryAcquire()) {
    return runRecorded(operation, input, work, settings);
  }
  const leave = context.enter();
  let waits = false;
  try {
    operation.check();
    rate.take();
    const result = work(operation, input);
    if (!(result instanceof Promise)) return Promise.resolve(result);
    waits = true;
    return runWaiting(operation, result, leave);
  } catch (thrown) {
    return Promise.reject(operation.explain(thrown));
  } finally {
    if (!waits) {
      leave();
      operations.release();
    }
  }
}

/** Waits for a piece of work that nobody listens to. */
async function runWaiting<T>(
  operation: Operation,
  work: Promise<T>,
  leave: () => void,
): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    throw operation.explain(thrown);
  } finally {
    leave();
    operation.context.limits.operations.release();
  }
}

/** The rejection of a path that is no string: a mistake of the caller's, not a client's. */
export function rejectInput(): Promise<never> {
  return Promise.reject(new TypeError("A path must be a string"));
}

async function runRecorded<T>(
  operation: Operation,
  input: string,
  work: (operation: Operation, input: string) => T | Promise<T>,
  settings: RunSettings<T>,
): Promise<T> {
  let result: T;
  // Between the work and its record nothing else would keep `close()`, and then the log, from closing.
  const leave = operation.context.enter();
  try {
    try {
      await operation.begin(settings.changes === true);
      result = await operation.step(() => work(operation, input));
    } catch (thrown) {
      const error = operation.explain(thrown);
      await operation.report(error);
      throw error;
    }
    try {
      await operation.report();
    } catch (error) {
      settings.discard?.(result);
      throw error;
    }
    return result;
  } finally {
    leave();
  }
}

/** Codes that are not a refusal by policy; everything else is. */
const OUTCOMES: ReadonlyMap<string, AuditOutcome> = new Map<FileErrorCode, AuditOutcome>([
  ["not-found", "failure"],
  ["already-exists", "failure"],
  ["not-a-file", "failure"],
  ["not-a-directory", "failure"],
  ["directory-not-empty", "failure"],
  ["symlink-loop", "failure"],
  ["name-too-long", "failure"],
  ["access-denied", "failure"],
  ["not-utf8", "failure"],
  ["no-space", "error"],
  ["too-many-open-files", "error"],
  ["io-error", "error"],
  ["permission-missing", "error"],
  ["protection-unavailable", "error"],
  ["root-moved", "error"],
  ["audit-unavailable", "error"],
  ["closed", "error"],
]);

function outcomeOf(error: SecurityError | undefined): AuditOutcome {
  if (error === undefined) return "failure";
  return OUTCOMES.get(error.code) ?? "denied";
}

function clip(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH - 1)}…` : text;
}
