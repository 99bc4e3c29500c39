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
 * Every code that a {@linkcode SecurityError} can carry.
 *
 * Codes are kebab-case, never renamed and never reused; new ones may be added in a minor release.
 */
export type SecurityErrorCode = SupplyChainErrorCode | FileErrorCode;

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
  /** The stable, kebab-case kind of the failure. */
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
