/**
 * The errors that Bartizan throws.
 *
 * A caller's mistake is a `TypeError` or a `RangeError`. A refusal by policy and hostile input are a
 * {@linkcode SecurityError}, whose `code` is stable and whose `message` is safe to show to a client.
 *
 * @module
 */

/** Codes of the errors of the supply-chain auditor. */
export type SupplyChainErrorCode =
  | "lockfile-unreadable"
  | "lockfile-version-unknown"
  | "project-unreadable"
  | "policy-invalid"
  | "database-unreadable"
  | "output-refused"
  | "usage";

/**
 * Codes of the errors of the file layer.
 *
 * - Refused by the layer: `path-outside-root`, `path-invalid`, `path-forbidden`, `path-too-deep`,
 *   `extension-denied`, `symlink-denied`, `hard-link-denied`, `special-file` (a FIFO, socket or
 *   device), `file-too-large`, `too-many-entries`, `read-only-root`, `root-operation` (removing or
 *   replacing a root itself).
 * - As the file system has it: `not-found`, `already-exists`, `not-a-file`, `not-a-directory`,
 *   `directory-not-empty`, `symlink-loop`, `name-too-long`, `access-denied`, `no-space`,
 *   `too-many-open-files`, `io-error`, `not-utf8` (text was asked for).
 * - State of this process: `permission-missing`, `protection-unavailable`, `root-moved`,
 *   `rate-limited`, `too-many-operations`, `audit-unavailable`, `closed`.
 */
export type FileErrorCode =
  | "path-outside-root"
  | "path-invalid"
  | "path-forbidden"
  | "path-too-deep"
  | "extension-denied"
  | "symlink-denied"
  | "hard-link-denied"
  | "special-file"
  | "file-too-large"
  | "too-many-entries"
  | "read-only-root"
  | "root-operation"
  | "not-found"
  | "already-exists"
  | "not-a-file"
  | "not-a-directory"
  | "directory-not-empty"
  | "symlink-loop"
  | "name-too-long"
  | "access-denied"
  | "no-space"
  | "too-many-open-files"
  | "io-error"
  | "not-utf8"
  | "permission-missing"
  | "protection-unavailable"
  | "root-moved"
  | "rate-limited"
  | "too-many-operations"
  | "audit-unavailable"
  | "closed";

/**
 * Codes of the errors of the DPoP layer's stores, keys and clients. What a peer is told is in
 * {@linkcode DpopErrorCode}.
 *
 * - Replay stores: `replay-store-full`, `replay-quota-exceeded` (of one client key),
 *   `replay-store-unavailable` (out of reach, or not in time).
 * - Keys: `key-not-found` (no key with that thumbprint), `key-store-unavailable`, `key-invalid`
 *   (what a store holds is no key, or was sealed by another secret).
 * - Client: `cross-origin-redirect` (a token would have followed it), `closed`.
 */
export type DpopStateErrorCode =
  | "replay-store-full"
  | "replay-quota-exceeded"
  | "replay-store-unavailable"
  | "key-not-found"
  | "key-store-unavailable"
  | "key-invalid"
  | "cross-origin-redirect"
  | "closed";

/**
 * What a peer is told of a refused DPoP request: OAuth's own codes.
 *
 * - `invalid_dpop_proof`, `use_dpop_nonce`: RFC 9449, sections 7.1 and 8.
 * - `invalid_token`, `invalid_request`, `insufficient_scope`: RFC 6750, section 3.1.
 * - `invalid_grant`: RFC 6749, section 5.2.
 * - `temporarily_unavailable`: this side cannot decide now; RFC 6749, section 4.1.2.1.
 */
export type DpopErrorCode =
  | "invalid_dpop_proof"
  | "use_dpop_nonce"
  | "invalid_token"
  | "invalid_request"
  | "insufficient_scope"
  | "invalid_grant"
  | "temporarily_unavailable";

/**
 * Codes of the errors of the audit trail.
 *
 * - `audit-unavailable`: no record can be made, and so the operation must not happen.
 * - `audit-log-unreadable`: what should be verified or continued is no audit log, or cannot be read.
 * - `audit-log-refused`: the path of the log is a link, a directory or someone else's file.
 * - `closed`.
 */
export type EventsErrorCode =
  | "audit-unavailable"
  | "audit-log-unreadable"
  | "audit-log-refused"
  | "closed";

/**
 * Codes of the errors of the runtime guards.
 *
 * - Time: `timeout`.
 * - Load: `queue-full` (answer 503), `rate-limited` (429), `blocked` (403), `limiter-unavailable` (503: the
 *   store of a limiter or of a block list does not answer, and the policy is to refuse).
 * - Size and form of input: `too-large` (413), `stream-invalid` (compressed data that is none),
 *   `json-invalid`, `json-too-deep`, `json-too-many-tokens`, `json-duplicate-key`, `out-of-bounds`.
 * - Isolated work: `isolate-failed` (it threw, or could not be started), `isolate-out-of-memory`.
 * - `closed`.
 */
export type RuntimeErrorCode =
  | "timeout"
  | "queue-full"
  | "rate-limited"
  | "blocked"
  | "limiter-unavailable"
  | "too-large"
  | "stream-invalid"
  | "json-invalid"
  | "json-too-deep"
  | "json-too-many-tokens"
  | "json-duplicate-key"
  | "out-of-bounds"
  | "isolate-failed"
  | "isolate-out-of-memory"
  | "closed";

/**
 * Every code that a {@linkcode SecurityError} can carry.
 *
 * Codes are never renamed and never reused; new ones may be added in a minor release. They are
 * kebab-case, except for those that OAuth has named.
 */
export type SecurityErrorCode =
  | SupplyChainErrorCode
  | FileErrorCode
  | DpopStateErrorCode
  | DpopErrorCode
  | EventsErrorCode
  | RuntimeErrorCode;

/** What a {@linkcode SecurityError} says beyond its message: flat, serializable, free of secrets. */
export type SecurityErrorDetails = Readonly<
  Record<string, string | number | boolean | null | readonly string[]>
>;

/** Options of {@linkcode SecurityError}. */
export interface SecurityErrorOptions {
  /** Structured facts for logs. @default {{}} */
  readonly details?: SecurityErrorDetails;
  /** The error that led to this one; never part of the message. @default {undefined} */
  readonly cause?: unknown;
}

/**
 * A refusal by policy, or input that was not accepted.
 *
 * `message` holds no root path, token or key, so it may be sent to a client; what only the operator
 * may see is in `cause`.
 *
 * @example Branch on the code, not on the message
 * ```ts
 * import { SecurityError } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new SecurityError("policy-invalid", "deny.toml:3: unknown key", {
 *   details: { line: 3 },
 * });
 * assertEquals(error.code, "policy-invalid");
 * assertEquals(error.details.line, 3);
 * ```
 */
export class SecurityError extends Error {
  /** The stable kind of the failure. */
  readonly code: SecurityErrorCode;
  /** Structured facts about the failure. */
  readonly details: SecurityErrorDetails;

  /**
   * Makes an error of one kind.
   *
   * @param code The kind of the failure.
   * @param message What happened, in words that a client may see.
   * @param options Structured details and the cause.
   */
  constructor(code: SecurityErrorCode, message: string, options: SecurityErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }

  /** The class name, also on subclasses and after minification of the user's bundle. */
  override get name(): string {
    return "SecurityError";
  }
}
