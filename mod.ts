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
 * - **DPoP**: {@linkcode createDpopVerifier} asks a client to prove that a token is its own, RFC 9449;
 *   {@linkcode createDpopClient} is the other side.
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
  type DpopErrorCode,
  type DpopStateErrorCode,
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

// DPoP
export {
  createDpopClient,
  createDpopNonces,
  createDpopSigner,
  createDpopVerifier,
  createIntrospectionValidator,
  createJwtTokenValidator,
  createKeyRotation,
  type DpopAccess,
  type DpopAccessFacts,
  type DpopAlg,
  type DpopAuthorizationServerOptions,
  type DpopBearerAccess,
  type DpopClient,
  type DpopClientOptions,
  DpopError,
  type DpopErrorOptions,
  type DpopErrorReason,
  type DpopFetchInit,
  type DpopGrant,
  type DpopGrantRequest,
  type DpopGrantVerifier,
  type DpopKeyPairOptions,
  type DpopKeyProvider,
  type DpopNonces,
  type DpopNoncesOptions,
  type DpopProofClaims,
  type DpopProofOptions,
  type DpopProvenAccess,
  type DpopProvenGrant,
  type DpopRefusal,
  type DpopRequestOptions,
  type DpopResourceServerOptions,
  type DpopSigner,
  type DpopSignerKeys,
  type DpopSignerOptions,
  type DpopUnprovenGrant,
  type DpopVerifier,
  type DpopVerifierOptions,
  generateDpopKeyPair,
  IndexedDbKeyStore,
  type IndexedDbKeyStoreOptions,
  type IntrospectionCredentials,
  type IntrospectionValidatorOptions,
  type JsonWebKeySet,
  jwkThumbprint,
  type JwtHeader,
  type JwtTokenValidatorOptions,
  type KeyKv,
  type KeyKvAtomic,
  type KeyKvEntry,
  type KeyPhase,
  type KeyRotation,
  type KeyRotationOptions,
  type KeyRotationTimers,
  type KeySet,
  type KeyStore,
  KvKeyStore,
  type KvKeyStoreOptions,
  KvReplayStore,
  type KvReplayStoreOptions,
  MemoryKeyStore,
  MemoryReplayStore,
  type MemoryReplayStoreOptions,
  type PublicJwk,
  type RedisCommand,
  RedisReplayStore,
  type RedisReplayStoreOptions,
  type ReplayAddOptions,
  type ReplayKv,
  type ReplayKvTransaction,
  type ReplayStore,
  type RotationJwk,
  type RotationKey,
  type StatelessDpopNonces,
  type StoredKey,
  type ThumbprintMembers,
  type TokenKey,
  type TokenValidationOptions,
  type TokenValidator,
  type TokenValidatorOptions,
  type ValidatedToken,
  type VerifiedDpopProof,
  verifyDpopProof,
  type VerifyDpopProofOptions,
} from "./src/dpop/mod.ts";

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
