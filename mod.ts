/**
 * Defence in depth for Deno servers that touch files, tools and tokens.
 *
 * Importing this module runs nothing, reads nothing and asks for no permission; it loads in Node, Bun,
 * browsers and workerd as well. The supply-chain auditor has an entry point of its own,
 * `@bartizan/security/audit`.
 *
 * - **Errors**: {@linkcode SecurityError} is what every refusal by policy throws, with a stable code.
 * - **Files**: {@linkcode FileSecurityValidator} touches files on behalf of clients, below allowed roots
 *   only and within limits; {@linkcode resolveWithin} is its lexical half.
 * - **Events**: every layer tells an {@linkcode AuditReporter} what happened.
 *
 * @example Branch on the code of a refusal
 * ```ts
 * import { SecurityError } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * function describe(error: unknown): string {
 *   return error instanceof SecurityError ? `refused: ${error.code}` : "failed";
 * }
 *
 * const error = new SecurityError("policy-invalid", "deny.toml:3: unknown key");
 * assertEquals(describe(error), "refused: policy-invalid");
 * ```
 *
 * @module
 */

// Errors
export {
  type FileErrorCode,
  SecurityError,
  type SecurityErrorCode,
  type SecurityErrorDetails,
  type SecurityErrorOptions,
  type SupplyChainErrorCode,
} from "./src/errors.ts";

// Events
export {
  type AuditEvent,
  type AuditEventInput,
  type AuditOutcome,
  type AuditReporter,
  type AuditSeverity,
  type AuditSource,
  defaultSeverity,
  silentReporter,
} from "./src/events/audit_event.ts";

// Files
export {
  type Access,
  type BackendFactory,
  type BackendRoot,
  type CopyOptions,
  type DirectoryEntry,
  type FileBackend,
  type FileData,
  type FileInfo,
  type FileSecurityOptions,
  FileSecurityValidator,
  type ListEntry,
  type ListOptions,
  type Located,
  type LocateOptions,
  MiB,
  type MkdirOptions,
  type ObjectInfo,
  type ObjectType,
  type OpenFile,
  type OpenFileOptions,
  type OperationOptions,
  pathFromFileUrl,
  pathFromUrlPathname,
  type PermissionRoot,
  type PermissionSet,
  type Protection,
  type ReadFileOptions,
  type ReadIntoOptions,
  type ReadRangeOptions,
  type RemoveOptions,
  type RenameOptions,
  type RequiredPermissions,
  requiredPermissions,
  type RequiredPermissionsOptions,
  resolveWithin,
  type ResolveWithinOptions,
  type ResourcePolicy,
  type RootOptions,
  type RootSet,
  type SecurityPolicy,
  type SubrootOptions,
  type WalkEntry,
  type WalkOptions,
  type WriteFileOptions,
} from "./src/files/mod.ts";
