import { type DpopErrorCode, SecurityError, type SecurityErrorDetails } from "../errors.ts";

/**
 * Why a request was refused, for the operator's log; a client sees {@linkcode DpopError.code} only.
 *
 * - The request: `no-credentials`, `several-authorizations`, `malformed-token`, `dpop-required` (a Bearer
 *   token, and those are not allowed), `bound-token-as-bearer`, `proof-missing`, `several-proofs`.
 * - Form of the proof: `proof-too-large`, `malformed`, `typ-invalid`, `alg-invalid`, `alg-not-allowed`,
 *   `crit-unsupported`, `jwk-missing`, `jwk-invalid`, `jwk-private`, `jwk-too-weak`, `jwk-alg-mismatch`.
 * - Claims: `jti-missing`, `jti-invalid`, `htm-missing`, `htm-mismatch`, `htu-missing`, `htu-mismatch`,
 *   `iat-missing`, `iat-invalid`, `iat-too-old`, `iat-in-future`, `expired`, `not-yet-valid`,
 *   `ath-missing`, `ath-mismatch`, `nonce-missing`, `nonce-mismatch`.
 * - Keys: `jkt-mismatch` (another key than the token, grant or `dpop_jkt` is bound to),
 *   `signature-invalid`, `replayed`.
 * - The token: `token-invalid`, `token-not-bound`, `scope-insufficient`.
 * - This side: `replay-store-full`, `replay-quota-exceeded`, `replay-store-unavailable`,
 *   `nonce-service-unavailable`, `token-validator-unavailable`, `audit-unavailable`, `url-unresolved`.
 */
export type DpopErrorReason =
  | "no-credentials"
  | "several-authorizations"
  | "malformed-token"
  | "dpop-required"
  | "bound-token-as-bearer"
  | "proof-missing"
  | "several-proofs"
  | "proof-too-large"
  | "malformed"
  | "typ-invalid"
  | "alg-invalid"
  | "alg-not-allowed"
  | "crit-unsupported"
  | "jwk-missing"
  | "jwk-invalid"
  | "jwk-private"
  | "jwk-too-weak"
  | "jwk-alg-mismatch"
  | "jti-missing"
  | "jti-invalid"
  | "htm-missing"
  | "htm-mismatch"
  | "htu-missing"
  | "htu-mismatch"
  | "iat-missing"
  | "iat-invalid"
  | "iat-too-old"
  | "iat-in-future"
  | "expired"
  | "not-yet-valid"
  | "ath-missing"
  | "ath-mismatch"
  | "nonce-missing"
  | "nonce-mismatch"
  | "jkt-mismatch"
  | "signature-invalid"
  | "replayed"
  | "token-invalid"
  | "token-not-bound"
  | "scope-insufficient"
  | "replay-store-full"
  | "replay-quota-exceeded"
  | "replay-store-unavailable"
  | "nonce-service-unavailable"
  | "token-validator-unavailable"
  | "audit-unavailable"
  | "url-unresolved";

/** Options of {@linkcode DpopError}. */
export interface DpopErrorOptions {
  /** Structured facts for logs, such as `skewSeconds`; no token and no proof. @default {{}} */
  readonly details?: SecurityErrorDetails;
  /** The error that led to this one. @default {undefined} */
  readonly cause?: unknown;
  /** Status of the response. @default {401, or 400 or 503 where the code says so} */
  readonly status?: number;
  /** Headers of the response, the challenge among them. @default {none} */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that brought no acceptable proof of possession, and the answer that it gets. */
export class DpopError extends SecurityError {
  declare readonly code: DpopErrorCode;
  /** Why, in detail, for the operator. */
  readonly reason: DpopErrorReason;
  /** Status of the response. */
  readonly status: number;
  readonly #headers: Readonly<Record<string, string>>;

  /**
   * Makes an error of one kind.
   *
   * @param code What the client is told.
   * @param reason What the operator is told.
   * @param message What happened, in words that a client may see.
   * @param options Status, headers, details and cause.
   */
  constructor(
    code: DpopErrorCode,
    reason: DpopErrorReason,
    message: string,
    options: DpopErrorOptions = {},
  ) {
    super(code, message, options);
    this.reason = reason;
    this.status = options.status ?? 401;
    this.#headers = options.headers ?? {};
  }

  /** The class name, also after minification of the user's bundle. */
  override get name(): string {
    return "DpopError";
  }

  /**
   * The answer to the client.
   *
   * @returns A new response with the status, the challenge and `Cache-Control: no-store`.
   */
  toResponse(): Response {
    return new Response(null, { status: this.status, headers: this.#headers });
  }
}
