import { SecurityError } from "../errors.ts";
import { EventMaker, type FixedFields } from "./_event_maker.ts";
import type { HashIdentifiersOptions } from "./_hashed_identifiers.ts";
import { type AuditLoggerOptions, readOptions } from "./_logger_options.ts";
import { Sanitizer } from "./_sanitize.ts";
import { type AuditSinkStats, Sinks } from "./_sinks.ts";
import type { AuditEventInput, AuditOutcome, AuditReporter } from "./audit_event.ts";

export type { AuditLoggerOptions, AuditSinkStats, HashIdentifiersOptions };

/** What a report may say beyond its kind and its outcome. */
export type AuditFields = Omit<AuditEventInput, "kind" | "outcome">;

/** What is fixed for all reports through {@linkcode AuditScope.with}. */
export type AuditScopeFields = FixedFields;

/** What a logger has done so far. */
export interface AuditLoggerStats {
  /** Events that every required sink took, and did not lose later. */
  readonly recorded: number;
  /** Events that not every required sink took or kept, or that could not even be made. */
  readonly lost: number;
  /** Texts and members in which a secret was found. */
  readonly redacted: number;
  /** What became of the events at each sink. */
  readonly sinks: readonly AuditSinkStats[];
}

/** Records what happens, with fields that are fixed. */
export interface AuditScope extends AuditReporter {
  /**
   * Records that an operation was done.
   *
   * @param kind Kind of event, such as `file.read`.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditReporter.report}.
   */
  success(kind: string, fields?: AuditFields): Promise<void>;
  /**
   * Records that a policy refused an operation.
   *
   * @param kind Kind of event.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditReporter.report}.
   */
  denied(kind: string, fields?: AuditFields): Promise<void>;
  /**
   * Records that what a caller brought did not hold.
   *
   * @param kind Kind of event.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditReporter.report}.
   */
  failure(kind: string, fields?: AuditFields): Promise<void>;
  /**
   * Records that this side could not do it.
   *
   * @param kind Kind of event.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditReporter.report}.
   */
  error(kind: string, fields?: AuditFields): Promise<void>;
  /**
   * The same, with further fields that are fixed; what a report says itself goes first.
   *
   * @param fields Such as the principal and the correlation id of one request.
   * @returns A reporter that shares everything with this one.
   */
  with(fields: AuditScopeFields): AuditScope;
}

const NO_FIELDS: FixedFields = Object.freeze({});

/**
 * The audit trail's entrance: makes a record of what a layer reports, and gives it to every sink.
 *
 * - Nothing that is reported makes it throw or run away: what cannot be read, written or ended becomes a
 *   stand-in such as `[circular]`, `[BigInt 12]` or `[unreadable]`, and what is too long ends with
 *   `…[+1234]`. A kind that is no dotted name becomes `invalid` and an unknown outcome `error`, with
 *   what was said in `details`.
 * - Secrets are replaced by `[redacted]`: by their name (`password`, `Set-Cookie`, `d` of a JWK …) in details,
 *   and by their shape in every text (JWTs, `Bearer …`, cookies, passwords in URLs, tokens that services mark,
 *   private keys). Shapes are a net, not a proof: list what may be kept in `allowDetails` where it matters.
 * - Of `principal`, the address of `source` and `resource` only what is sure to be a secret is redacted, and of
 *   URLs their query and password: `token=/../etc/shadow` may be the name of a file. Such a text has a digest,
 *   `[redacted 1f3a9c0b12ef]`, under a random key of the logger, so that two that differ stay apart.
 * - Each event gets an id, a number one higher than the last, the time it happened and the time it was
 *   recorded. The number does not follow the clock, so order survives a clock that jumps.
 * - Records are frozen and the logger's own: nothing that a caller or a sink does later changes them.
 *
 * A report returns nothing where every required sink took the event at once, and a promise otherwise. A
 * required sink that never answers holds its callers, no more than `maxPending`; other sinks get the event all the
 * same. What a sink or a callback reports while it handles a report is refused and counted as lost, as it would
 * never end. A sink that has waited before it reports is not recognized: where it awaits its own reports,
 * `maxPending` ends it; where it does not, nothing does.
 *
 * With `hashIdentifiers` only the fields `principal` and `source` are hashed: keep names out of `reason`,
 * `resource` and `details`.
 *
 * Texts of an event may be slices of longer ones, and keep those in memory as long as a sink keeps the event:
 * {@linkcode memorySink} copies them.
 *
 * @example
 * ```ts
 * import { AuditLogger, memorySink } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const sink = memorySink();
 * await using audit = new AuditLogger({ sinks: [sink] });
 * await audit.denied("file.read", { principal: "alice", resource: "../etc/passwd" });
 * await audit.failure("login", { reason: "sent Authorization: Basic YWxpY2U6c2VjcmV0" });
 *
 * assertEquals(sink.events.map(({ seq, kind }) => `${seq} ${kind}`), ["1 file.read", "2 login"]);
 * assertEquals(sink.events[1]?.reason, "sent Authorization: Basic [redacted]");
 * ```
 */
export class AuditLogger implements AuditScope {
  readonly #sinks: Sinks;
  readonly #sanitizer: Sanitizer;
  readonly #maker: EventMaker;
  readonly #refuses: boolean;
  #isReporting = false;
  #closing: Promise<void> | undefined;

  /**
   * Makes a logger; its sinks are its own from now on, and closed with it.
   *
   * @param options Where events go, and what they say.
   * @throws {TypeError} If an option is of the wrong type or unknown.
   * @throws {RangeError} If a number is no integer in its range.
   */
  constructor(options: AuditLoggerOptions) {
    const read = readOptions(options);
    this.#refuses = read.refuses;
    this.#sinks = new Sinks(read.sinks, read);
    this.#sanitizer = new Sanitizer(read, read.redact);
    this.#maker = new EventMaker(this.#sanitizer, read, this.#sinks.takePlain);
  }

  /**
   * Records an event.
   *
   * @param event What happened.
   * @returns Nothing where every required sink took it at once, otherwise a promise. With `refuse` it rejects
   * with the {@linkcode SecurityError} `audit-unavailable` when one did not, and with `closed` after `close`.
   */
  report(event: AuditEventInput): void | Promise<void> {
    return this.#report(event, NO_FIELDS);
  }

  /**
   * Records that an operation was done.
   *
   * @param kind Kind of event, such as `file.read`.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditLogger.report}.
   */
  success(kind: string, fields?: AuditFields): Promise<void> {
    return settled(this.#report(fields, NO_FIELDS, "success", kind));
  }

  /**
   * Records that a policy refused an operation.
   *
   * @param kind Kind of event.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditLogger.report}.
   */
  denied(kind: string, fields?: AuditFields): Promise<void> {
    return settled(this.#report(fields, NO_FIELDS, "denied", kind));
  }

  /**
   * Records that what a caller brought did not hold.
   *
   * @param kind Kind of event.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditLogger.report}.
   */
  failure(kind: string, fields?: AuditFields): Promise<void> {
    return settled(this.#report(fields, NO_FIELDS, "failure", kind));
  }

  /**
   * Records that this side could not do it.
   *
   * @param kind Kind of event.
   * @param fields What else is known.
   * @returns Settles like {@linkcode AuditLogger.report}.
   */
  error(kind: string, fields?: AuditFields): Promise<void> {
    return settled(this.#report(fields, NO_FIELDS, "error", kind));
  }

  /**
   * A reporter with fields that are fixed, such as those of one request; what a report says itself goes first.
   *
   * @param fields The fields.
   * @returns A reporter that shares everything with this logger.
   */
  with(fields: AuditScopeFields): AuditScope {
    const fixed: FixedFields = Object.freeze({ ...fields });
    const record = (outcome: AuditOutcome, kind: string, more?: AuditFields) =>
      settled(this.#report(more, fixed, outcome, kind));
    return Object.freeze({
      report: (event: AuditEventInput) => this.#report(event, fixed),
      ready: () => this.ready(),
      success: (kind: string, more?: AuditFields) => record("success", kind, more),
      denied: (kind: string, more?: AuditFields) => record("denied", kind, more),
      failure: (kind: string, more?: AuditFields) => record("failure", kind, more),
      error: (kind: string, more?: AuditFields) => record("error", kind, more),
      with: (more: AuditScopeFields) => this.with({ ...fixed, ...more }),
    });
  }

  /**
   * Tells whether an event could be recorded now.
   *
   * @returns Nothing, or a promise. With `refuse` it rejects with `audit-unavailable` when a required sink could
   * not take an event, and with `closed` after `close`; with `count` nothing is asked.
   */
  ready(): void | Promise<void> {
    if (!this.#refuses) return;
    if (this.#closing !== undefined) return Promise.reject(closed());
    const loss = this.#sinks.ready();
    if (loss === undefined) return;
    return loss instanceof Promise ? loss.then(refuse) : Promise.reject(unavailable(loss.cause));
  }

  /**
   * Waits until everything reported so far is as safe as the sinks make it, at most `flushTimeoutMs`.
   *
   * @returns Rejects with `audit-unavailable` when a required sink fails or is late, unless losses are only
   * counted.
   */
  async flush(): Promise<void> {
    const loss = await this.#sinks.flush();
    if (this.#refuses) refuse(loss);
  }

  /**
   * Flushes, and closes the sinks; what is reported from now on is refused. For both there is `flushTimeoutMs`; a
   * sink that is late is closed all the same, and told by its signal to be quick.
   *
   * @returns Rejects like {@linkcode AuditLogger.flush}; every sink has been closed then, too.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode AuditLogger.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Counts what was recorded and what was lost.
   *
   * @returns The counts since the logger was made.
   */
  stats(): AuditLoggerStats {
    return {
      recorded: this.#sinks.recorded,
      lost: this.#sinks.lost,
      redacted: this.#sanitizer.redacted,
      sinks: this.#sinks.stats(),
    };
  }

  #report(
    input: unknown,
    fixed: FixedFields,
    outcome?: AuditOutcome,
    kind?: unknown,
  ): void | Promise<void> {
    if (this.#closing !== undefined) return this.#lose(closed());
    // A callback or a sink that reports what it does would report for ever.
    if (this.#isReporting) return this.#lose(unavailable(new Error("reported while reporting")));
    this.#isReporting = true;
    try {
      const { plain, recorded } = this.#maker.make(input, fixed, kind, outcome);
      const loss = this.#sinks.write(plain, recorded);
      if (loss === undefined || !this.#refuses && !(loss instanceof Promise)) return;
      if (!(loss instanceof Promise)) return Promise.reject(unavailable(loss.cause));
      return loss.then(this.#refuses ? refuse : ignore);
    } catch (cause) {
      // Such as a stack that was all but full when the caller came here.
      return this.#lose(unavailable(cause));
    } finally {
      this.#isReporting = false;
    }
  }

  #lose(error: SecurityError): void | Promise<void> {
    this.#sinks.lose();
    if (!this.#refuses) return;
    const refusal = Promise.reject(error);
    // Callbacks and sinks do not await their own reports, which must not end the program.
    refusal.catch(ignore);
    return refusal;
  }

  async #close(): Promise<void> {
    const loss = await this.#sinks.close();
    if (this.#refuses) refuse(loss);
  }
}

function unavailable(cause: unknown): SecurityError {
  return new SecurityError("audit-unavailable", "The operation cannot be recorded", { cause });
}

function closed(): SecurityError {
  return new SecurityError("closed", "The audit trail is closed");
}

function refuse(loss: { readonly cause: unknown } | undefined): void {
  if (loss !== undefined) throw unavailable(loss.cause);
}

/** Not by an async function: its promise would be another one, whose rejection nobody has seen. */
function settled(answer: void | Promise<void>): Promise<void> {
  return answer ?? Promise.resolve();
}

function ignore(): void {}
