/**
 * Proof of possession for OAuth tokens, RFC 9449: for clients, for resource servers and for
 * authorization servers.
 *
 * A stolen Bearer token works for the thief. A token that is bound to a key works only together with a
 * proof, a small JWT that the key signs for each request. What a verifier must not get wrong is the
 * order of its checks, each in a file of its own:
 *
 *     a request
 *        │  _authorization.ts          one method, one token
 *        │  _proof.ts                  size, form, typ, alg, jwk          (nothing is hashed or imported yet)
 *        │  _proof_claims.ts _htu.ts   this method, this URL, this time, this token
 *        │  token_validator.ts         whose token it is, and which key it is bound to
 *        ▼
 *     _proof.ts                        the signature: from here on the client holds the key
 *        │  dpop_nonces.ts             it was made after we asked for it
 *        ▼
 *     replay_store.ts                  and it is used once: last, so that a forgery burns nothing
 *        │
 *        ▼
 *     dpop_verifier.ts                 what the client is told, and one audit event
 *
 * The expected origin is configured. A request's Host header is what a client wrote.
 *
 * @module
 */

export type { DpopAlg } from "./dpop_alg.ts";
export {
  createDpopClient,
  type DpopClient,
  type DpopClientOptions,
  type DpopFetchInit,
  type DpopProofOptions,
} from "./dpop_client.ts";
export { DpopError, type DpopErrorOptions, type DpopErrorReason } from "./dpop_error.ts";
export {
  createDpopNonces,
  type DpopNonces,
  type DpopNoncesOptions,
  type StatelessDpopNonces,
} from "./dpop_nonces.ts";
export {
  createDpopSigner,
  type DpopKeyPairOptions,
  type DpopKeyProvider,
  type DpopSigner,
  type DpopSignerKeys,
  type DpopSignerOptions,
  generateDpopKeyPair,
  type PublicJwk,
} from "./dpop_signer.ts";
export {
  createDpopVerifier,
  type DpopAccess,
  type DpopAccessFacts,
  type DpopAuthorizationServerOptions,
  type DpopBearerAccess,
  type DpopGrant,
  type DpopGrantRequest,
  type DpopGrantVerifier,
  type DpopProvenAccess,
  type DpopProvenGrant,
  type DpopRefusal,
  type DpopRequestOptions,
  type DpopResourceServerOptions,
  type DpopUnprovenGrant,
  type DpopVerifier,
  type DpopVerifierOptions,
} from "./dpop_verifier.ts";
export { IndexedDbKeyStore, type IndexedDbKeyStoreOptions } from "./indexed_db_key_store.ts";
export {
  createIntrospectionValidator,
  type IntrospectionCredentials,
  type IntrospectionValidatorOptions,
} from "./introspection_validator.ts";
export {
  createJwtTokenValidator,
  type JsonWebKeySet,
  type JwtHeader,
  type JwtTokenValidatorOptions,
  type TokenKey,
} from "./jwt_token_validator.ts";
export {
  createKeyRotation,
  type KeyRotation,
  type KeyRotationOptions,
  type KeyRotationTimers,
  type RotationJwk,
  type RotationKey,
} from "./key_rotation.ts";
export type { KeyPhase, KeySet, KeyStore, StoredKey } from "./key_store.ts";
export {
  type KeyKv,
  type KeyKvAtomic,
  type KeyKvEntry,
  KvKeyStore,
  type KvKeyStoreOptions,
} from "./kv_key_store.ts";
export {
  KvReplayStore,
  type KvReplayStoreOptions,
  type ReplayKv,
  type ReplayKvTransaction,
} from "./kv_replay_store.ts";
export { MemoryKeyStore } from "./memory_key_store.ts";
export { MemoryReplayStore, type MemoryReplayStoreOptions } from "./memory_replay_store.ts";
export {
  type RedisCommand,
  RedisReplayStore,
  type RedisReplayStoreOptions,
} from "./redis_replay_store.ts";
export type { ReplayAddOptions, ReplayStore } from "./replay_store.ts";
export { jwkThumbprint, type ThumbprintMembers } from "./thumbprint.ts";
export type {
  TokenValidationOptions,
  TokenValidator,
  TokenValidatorOptions,
  ValidatedToken,
} from "./token_validator.ts";
export {
  type DpopProofClaims,
  type VerifiedDpopProof,
  verifyDpopProof,
  type VerifyDpopProofOptions,
} from "./verify_dpop_proof.ts";
