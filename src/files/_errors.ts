/**
 * One factory for each kind of failure of the file layer.
 *
 * Messages may reach a client: they name neither a root nor a canonical path. What only the operator
 * may know is in `cause` and in the audit event.
 *
 * @module
 */

import { type FileErrorCode, SecurityError, type SecurityErrorDetails } from "../errors.ts";

/** Facts for the audit trail that a client must not see. */
export interface FileErrorCause {
  /** What was found, such as the canonical path outside of the root. */
  readonly reason?: string;
  /** The error of the system behind it. */
  readonly error?: unknown;
}

/** Why an error was thrown, for the audit event; never for a client. */
const reasons = new WeakMap<SecurityError, string>();

/** The operator's reason of an error; its message where there is no more to say. */
export function reasonOf(error: SecurityError): string {
  return reasons.get(error) ?? error.message;
}

const MESSAGES: Readonly<Record<FileErrorCode, string>> = {
  "path-outside-root": "The path leads outside of the allowed roots",
  "path-invalid": "The path is not valid",
  "path-forbidden": "The path is forbidden",
  "path-too-deep": "The path has too many levels",
  "extension-denied": "Files with this extension are not allowed",
  "symlink-denied": "The path leads through a symbolic link",
  "hard-link-denied": "The file has more than one name",
  "special-file": "The path names neither a regular file nor a directory",
  "file-too-large": "The file is too large",
  "too-many-entries": "The directory has too many entries",
  "read-only-root": "The path lies in a read-only root",
  "root-operation": "A root cannot be removed, renamed or replaced",
  "not-found": "No such file or directory",
  "already-exists": "The path exists already",
  "not-a-file": "The path names a directory",
  "not-a-directory": "The path names or leads through something that is not a directory",
  "directory-not-empty": "The directory is not empty",
  "symlink-loop": "The path leads through too many symbolic links",
  "name-too-long": "The path or a name in it is too long",
  "access-denied": "The operating system denies access to the path",
  "no-space": "There is no space left for the file",
  "too-many-open-files": "Too many files are open",
  "io-error": "The operating system reports an error",
  "not-utf8": "The file is not valid UTF-8",
  "permission-missing": "A Deno permission is missing",
  "protection-unavailable": "The protection that is asked for is not available here",
  "root-moved": "A root was moved or removed",
  "rate-limited": "Too many operations in this second",
  "too-many-operations": "Too many operations are waiting",
  "audit-unavailable": "The operation could not be recorded",
  "closed": "The validator is closed",
};

/** Makes an error of the file layer; `message` overrides the code's own where more can be said safely. */
export function fileError(
  code: FileErrorCode,
  options: FileErrorCause & { message?: string; details?: SecurityErrorDetails } = {},
): SecurityError {
  const error = new SecurityError(code, options.message ?? MESSAGES[code], {
    ...(options.details === undefined ? {} : { details: options.details }),
    cause: options.error,
  });
  if (options.reason !== undefined) reasons.set(error, options.reason);
  return error;
}

const SYSTEM_CODES: Readonly<Record<string, FileErrorCode>> = {
  ENOENT: "not-found",
  EEXIST: "already-exists",
  ENOTDIR: "not-a-directory",
  EISDIR: "not-a-file",
  ENOTEMPTY: "directory-not-empty",
  ELOOP: "symlink-loop",
  ENAMETOOLONG: "name-too-long",
  EACCES: "access-denied",
  EPERM: "access-denied",
  EROFS: "access-denied",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "no-space",
  EMFILE: "too-many-open-files",
  ENFILE: "too-many-open-files",
  EXDEV: "path-outside-root",
  EINVAL: "path-invalid",
};

/**
 * The error of this layer behind an error of the system; a {@linkcode SecurityError} stays itself.
 *
 * Deno's errors and those of `node:fs` both carry the errno's name as `code`. A `NotCapable` is a
 * permission that was revoked or denied below a root.
 */
export function fromSystemError(error: unknown): SecurityError {
  if (error instanceof SecurityError) return error;
  const name = error instanceof Error ? error.name : "";
  if (name === "NotCapable") return fileError("permission-missing", { error });
  const errno = (error as { code?: unknown } | null)?.code;
  const code = typeof errno === "string" ? SYSTEM_CODES[errno] : undefined;
  return fileError(code ?? "io-error", { error, reason: String(error) });
}
