/** Options of {@linkcode ReplayStore.add}. */
export interface ReplayAddOptions {
  /** Stops waiting for a store that does not answer. @default {undefined} */
  readonly signal?: AbortSignal;
  /**
   * The verifier's time in seconds since the epoch, which the lifetime counts from.
   * @default {the time of this machine}
   */
  readonly nowSeconds?: number;
  /** Thumbprint of the client's key, for quotas. @default {undefined} */
  readonly jkt?: string;
}

/**
 * What remembers proofs until they would be too old anyway.
 *
 * `add` decides alone: between a look-up and an insertion, a second copy of the proof would slip
 * through (RFC 9449, section 11.1).
 */
export interface ReplayStore {
  /**
   * Adds a key if it is not there yet, atomically.
   *
   * @param key 128 bits over the key's thumbprint and the `jti`, as 22 characters of base64url. It is
   * never made of the proof's bytes: an ECDSA signature has a twin that is as valid.
   * @param expiresAtSeconds When it may be forgotten, in seconds since the epoch.
   * @param options The abort signal, the verifier's time and whose key it is.
   * @returns Whether it was new; `false` says that the proof was seen before.
   * @throws {SecurityError} `replay-store-full`, `replay-quota-exceeded` or `replay-store-unavailable`:
   * then the proof must be refused.
   */
  add(
    key: string,
    expiresAtSeconds: number,
    options?: ReplayAddOptions,
  ): boolean | Promise<boolean>;
}
