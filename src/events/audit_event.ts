/**
 * What happened, as every layer reports it and every sink receives it.
 *
 * A layer depends on the one-method {@linkcode AuditReporter} only; loggers, sinks, metrics and
 * alerts stand behind it.
 *
 * @module
 */

/**
 * How an operation ended.
 *
 * - `success`: it was done.
 * - `denied`: a policy refused it; nothing is broken.
 * - `failure`: what the caller brought did not hold, such as a forged token or a malformed request.
 * - `error`: this side could not do it, such as with a full disk or a store out of reach.
 */
export type AuditOutcome = "success" | "denied" | "failure" | "error";

/** How much attention an event deserves, in the words of RFC 5424. */
export type AuditSeverity = "info" | "notice" | "warning" | "error" | "critical";

/** Where a request came from, and how sure that is. */
export interface AuditSource {
  /** IP address, Unix socket path or name of the peer. */
  readonly address: string;
  /** Port of the peer; absent where there is none. */
  readonly port?: number;
  /**
   * - `peer`: the other end of the connection.
   * - `forwarded`: said by a proxy that the configuration trusts.
   * - `claimed`: said by the client, and worth no more than that.
   */
  readonly confidence: "peer" | "forwarded" | "claimed";
}

/** What a layer says about an operation. */
export interface AuditEventInput {
  /** Kind of event, dotted and stable, such as `file.read` or `dpop.verify`. */
  readonly kind: string;
  /** How the operation ended. */
  readonly outcome: AuditOutcome;
  /** When it ended, in milliseconds since the epoch. @default {the time of the report} */
  readonly timeMs?: number;
  /** How much attention it deserves. @default {what defaultSeverity() says of the outcome} */
  readonly severity?: AuditSeverity;
  /** On whose behalf. @default {undefined} */
  readonly principal?: string;
  /**
   * Whether this side verified the principal, or the client only says so, as in a failed login. Whatever is given
   * and is not `verified` is `claimed`.
   *
   * A principal that a report names itself is verified by default only where the outcome is `success`: whoever is
   * refused may have said any name. One that a logger's `principal` callback or `with()` names is verified except
   * where the outcome is `failure`. @default {as said above}
   */
  readonly principalConfidence?: "verified" | "claimed";
  /** On what, such as a path below a root. @default {undefined} */
  readonly resource?: string;
  /** The operation within the kind, such as `open` of `file.read`. @default {undefined} */
  readonly operation?: string;
  /** Code of the `SecurityError` behind a refusal. @default {undefined} */
  readonly code?: string;
  /** Why, for the operator; may hold what a client must not see, but no secret. @default {undefined} */
  readonly reason?: string;
  /** How long the operation took, in milliseconds. @default {undefined} */
  readonly durationMs?: number;
  /** Where the request came from. @default {undefined} */
  readonly source?: AuditSource;
  /** What ties the events of one request together. @default {a new one} */
  readonly correlationId?: string;
  /** The client's own W3C `traceparent`; dropped unless it has the form. @default {undefined} */
  readonly traceparent?: string;
  /** The client's own name for the request; dropped unless it is `[A-Za-z0-9-]{1,64}`. @default {undefined} */
  readonly clientCorrelationId?: string;
  /** Whatever else is worth keeping. @default {{}} */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * An event as it is recorded: an {@linkcode AuditEventInput} with everything filled in, every string bounded
 * and well-formed, secrets redacted, and `details` plain JSON. Whoever writes it as text has to escape it.
 *
 * A sink of plain identifiers gets `principal` and the address of `source` as they were said, only bounded.
 */
export interface AuditEvent extends Omit<AuditEventInput, "timeMs"> {
  /** Unique identifier of the event. */
  readonly id: string;
  /**
   * Counts up by one from event to event of one writer: of the logger, or of a sink that adds records of its
   * own, which numbers what it writes.
   */
  readonly seq: number;
  /** When it happened: ISO 8601, UTC, with milliseconds. */
  readonly time: string;
  /** When it was recorded: ISO 8601, UTC, with milliseconds. */
  readonly recordedAt: string;
  /** How much attention it deserves. */
  readonly severity: AuditSeverity;
  /** What ties the events of one request together. */
  readonly correlationId: string;
  /** Whatever else is worth keeping: plain JSON. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Identifier of the key under which identifiers are hashed; absent where none is. */
  readonly hashKeyId?: string;
}

/** Where a layer reports to. */
export interface AuditReporter {
  /**
   * Takes an event.
   *
   * A layer awaits what this returns before it tells its caller that the operation was done, and
   * refuses the operation when it rejects: with a reporter in compliance mode, what cannot be
   * recorded must not happen. A reporter that only counts its losses never throws and never rejects.
   *
   * @param event What happened.
   * @returns Nothing, or a promise that settles once the event is as safe as the reporter promises.
   */
  report(event: AuditEventInput): void | Promise<void>;

  /**
   * Tells whether a record could be made now. A layer awaits it before an operation that changes
   * something, which a later failure of `report` could not take back, and refuses when it rejects.
   *
   * @returns Nothing, or a promise that rejects when a report would be lost.
   */
  ready?(): void | Promise<void>;
}

/** Drops every event: what a layer reports to until it is told otherwise. */
export const silentReporter: AuditReporter = Object.freeze({ report(): void {} });

/**
 * The severity of an event that does not say one.
 *
 * @example
 * ```ts
 * import { defaultSeverity } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(defaultSeverity("denied"), "warning");
 * ```
 *
 * @param outcome How the operation ended.
 * @returns `info` for a success, `error` for an error, `warning` for what was refused or did not hold.
 */
export function defaultSeverity(outcome: AuditOutcome): AuditSeverity {
  if (outcome === "success") return "info";
  return outcome === "error" ? "error" : "warning";
}
