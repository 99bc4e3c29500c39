/**
 * Files on behalf of clients: only below allowed roots, only within limits, and written down.
 *
 * The usual way, to canonicalize a path, to compare it with the root and then to open it again, leaves a
 * moment in which somebody exchanges a directory for a link. Here the object is found first, with a
 * handle that cannot change any more, then asked where it lies, and only that object is touched.
 *
 * An operation goes through these steps, each in a file of its own:
 *
 *     what a client wrote
 *        │  resolve_within.ts    the text alone: `..`, separators, device names
 *        │  _context.ts          which root, and the innermost root's policy on what was written
 *        ▼
 *     backends/                  find it, and say where it really lies
 *        │  kernel               the kernel resolves below the root (openat2.ts)
 *        │  fd-verified          the handle is asked for its name
 *        │  best-effort          the path is checked before and after
 *        ▼
 *     _context.ts                the policy again, on what was found
 *        │  _path_locks.ts       changes to a path, one after another
 *        ▼
 *     _read.ts _write.ts _tree.ts
 *        │
 *        ▼
 *     _operation.ts              permits, rate, abort, error codes, one audit event
 *
 * Between a check and the act that relies on it there is no `await`. Which backend it is is decided when
 * the validator opens, never for a single call.
 *
 * @module
 */

export type {
  Access,
  BackendFactory,
  BackendRoot,
  DirectoryEntry,
  FileBackend,
  Located,
  LocateOptions,
  ObjectInfo,
  ObjectType,
  OpenFile,
  Protection,
  RootSet,
} from "./backends/backend.ts";
export type { OperationOptions } from "./_context.ts";
export type { FileSecurityOptions, SubrootOptions } from "./_open_context.ts";
export type {
  OpenFileOptions,
  ReadFileOptions,
  ReadIntoOptions,
  ReadRangeOptions,
} from "./_read.ts";
export type { ListEntry, ListOptions, WalkEntry, WalkOptions } from "./_tree.ts";
export type {
  CopyOptions,
  FileData,
  MkdirOptions,
  RemoveOptions,
  RenameOptions,
  WriteFileOptions,
} from "./_write.ts";
export type { FileInfo } from "./file_info.ts";
export { FileSecurityValidator } from "./file_security_validator.ts";
export { MiB, type ResourcePolicy, type RootOptions, type SecurityPolicy } from "./policy.ts";
export {
  type PermissionRoot,
  type PermissionSet,
  type RequiredPermissions,
  requiredPermissions,
  type RequiredPermissionsOptions,
} from "./required_permissions.ts";
export { resolveWithin, type ResolveWithinOptions } from "./resolve_within.ts";
export { pathFromFileUrl, pathFromUrlPathname } from "./url_path.ts";
