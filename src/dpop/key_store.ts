import type { DpopAlg } from "./dpop_alg.ts";
import type { PublicJwk } from "./dpop_signer.ts";

/**
 * Phases of a key.
 *
 * - `announced`: its public half is published, so that every verifier knows it before it is used.
 * - `signing`: what is signed now is signed with it.
 * - `retired`: signs nothing new, except on behalf of tokens that are bound to it.
 */
export type KeyPhase = "announced" | "signing" | "retired";

/** A key as {@linkcode KeyStore} keeps it. */
export interface StoredKey {
  /** SHA-256 thumbprint, base64url: its name. */
  readonly jkt: string;
  /** Algorithm. */
  readonly alg: DpopAlg;
  /** Public half. */
  readonly jwk: PublicJwk;
  /** Private half; not extractable unless the store has to write it down. */
  readonly privateKey: CryptoKey;
  /** When it was made, in milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** When it begins to sign. */
  readonly signsFromMs: number;
  /** When it stops signing. */
  readonly retiresAtMs: number;
  /** When it is deleted; later while a token is bound to it. */
  readonly deletesAtMs: number;
}

/** All keys of one rotation at one moment. */
export interface KeySet {
  /** The keys, oldest first. */
  readonly keys: readonly StoredKey[];
  /** Stands for this state: {@linkcode KeyStore.replace} succeeds for the newest only. */
  readonly version: string | null;
}

/** Where the keys of a rotation lie: one small set that is read and replaced as a whole. */
export interface KeyStore {
  /** Whether it writes keys down, and therefore needs extractable ones; from no other are they accepted. */
  readonly needsExtractable: boolean;

  /**
   * Reads the set.
   *
   * @param options The abort signal.
   * @returns The keys and their version, which is `null` when nothing was stored yet.
   * @throws {SecurityError} `key-store-unavailable` or `key-invalid`.
   */
  load(options?: { readonly signal?: AbortSignal }): Promise<KeySet>;

  /**
   * Replaces the set if nobody else did: one of many machines rotates, the others read its result.
   *
   * @param keys The new keys, oldest first.
   * @param version The version that they replace.
   * @param options The abort signal.
   * @returns Whether they were stored.
   * @throws {SecurityError} `key-store-unavailable`.
   */
  replace(
    keys: readonly StoredKey[],
    version: string | null,
    options?: { readonly signal?: AbortSignal },
  ): Promise<boolean>;
}
