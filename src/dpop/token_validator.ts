/**
 * What an access token says, once somebody has checked it: a plain object that has at least one of its
 * members, so that nothing else that a function may return is taken for an acceptance.
 */
export interface ValidatedToken {
  /** Thumbprint of the key that the token is bound to, `cnf.jkt`; none for a plain Bearer token. */
  readonly jkt?: string | null | undefined;
  /** On whose behalf the token acts. @default {undefined} */
  readonly principal?: string | null | undefined;
  /** The token's claims, or what introspection says of it. @default {{}} */
  readonly claims?: Readonly<Record<string, unknown>> | null | undefined;
}

/** Options of {@linkcode TokenValidator}. */
export interface TokenValidationOptions {
  /** Ends the work when the request is abandoned. @default {undefined} */
  readonly signal?: AbortSignal;
}

/**
 * Checks an access token: signature or introspection, issuer, audience, lifetime.
 *
 * It does not look at proofs; a verifier compares the `jkt` that it returns with the proof's key.
 *
 * @param token The access token, as the client sent it.
 * @param options The abort signal.
 * @returns What the token says; `null` or `undefined` when it is not acceptable.
 * @throws When it cannot be told: the request is then refused with a 503.
 */
export type TokenValidator = (
  token: string,
  options?: TokenValidationOptions,
) => ValidatedToken | null | undefined | Promise<ValidatedToken | null | undefined>;

/** What {@linkcode createJwtTokenValidator} and {@linkcode createIntrospectionValidator} both take. */
export interface TokenValidatorOptions {
  /**
   * Scopes that every token must have, in its `scope` (RFC 8693, section 4.2); without them the request is
   * refused with 403. @default {[]}
   */
  readonly requiredScopes?: readonly string[];
  /** By how much clocks may differ where `exp` and `nbf` are checked, in seconds. @default {0} */
  readonly clockToleranceSeconds?: number;
  /** On whose behalf a token acts. @default {its `sub`} */
  readonly principal?: (claims: Readonly<Record<string, unknown>>) => string | undefined;
  /**
   * How long an accepted token is accepted again without another look, in seconds, and never beyond its
   * `exp`: for that long, a revocation or a withdrawn key goes unnoticed. @default {0}
   */
  readonly cacheSeconds?: number;
  /** Most tokens that are remembered, by their SHA-256. @default {1000} */
  readonly maxCachedTokens?: number;
  /** How long the other server has to answer, in milliseconds. @default {5000} */
  readonly timeoutMs?: number;
  /** Longest answer of the other server, in bytes. @default {65_536} */
  readonly maxResponseBytes?: number;
  /** Sends the requests. @default {fetch} */
  readonly fetch?: (input: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
}
