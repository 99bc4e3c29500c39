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
 *   `dpop-jkt-invalid` (that parameter is no thumbprint), `signature-invalid`, `replayed`.
 * - The token: `token-invalid`, `token-not-bound`, `scope-insufficient`.
 * - Where it goes: `request-url-ambiguous` (two readers of the request might see two paths: `Host` is
 *   more than an authority, or the path has dot segments, backslashes or white space).
 * - This side: `replay-store-full`, `replay-quota-exceeded` (of one client key: 429),
 *   `replay-store-unavailable`, `nonce-service-unavailable`, `token-validator-unavailable`,
 *   `audit-unavailable`, `url-unresolved`,
 *   `request-unreadable` (the framework's request threw or held no method), `clock-invalid`,
 *   `crypto-unavailable` (the runtime's cryptography failed, or lacks the algorithm).
 */
export type DpopErrorReason =
  | "no-credentials"
  | "several-authorizations"
  | "malformed-token"
  | "dpop-required"
  | "bound-token-as-bearer"
  | "proof-missing"
  | "several-proofs"
  | "request-url-ambiguous"
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
  | "dpop-jkt-invalid"
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
  | "url-unresolved"
  | "request-unreadable"
  | "clock-invalid"
  | "crypto-unavailable";

/** Options of {@linkcode DpopError}. */
export interface DpopErrorOptions {
  /** Structured facts for logs, such as `skewSeconds`; no token and no proof. @default {{}} */
  readonly details?: SecurityErrorDetails;
  /** The error that led to this one. @default {undefined} */
  readonly cause?: unknown;
  /** Status of the response. @default {401, or 400, 403 or 503 where the code says so} */
  readonly status?: number;
  /** Headers of the response, the challenge among them. @default {a challenge with the code} */
  readonly headers?: Readonly<Record<string, string>>;
  /** Body of the response. @default {null} */
  readonly body?: string | null;
}

/** The status of each code at a resource server. */
const STATUSES: Readonly<Record<DpopErrorCode, number>> = {
  invalid_dpop_proof: 401,
  use_dpop_nonce: 401,
  invalid_token: 401,
  invalid_request: 400,
  invalid_grant: 400,
  insufficient_scope: 403,
  temporarily_unavailable: 503,
};

/**
 * A request that brought no acceptable proof of possession, and the answer that it gets.
 *
 * `code` is what the client is told, `null` where it brought no credentials and is asked for them;
 * `reason` and `details` are for the log. One that {@linkcode createDpopVerifier} made answers with the
 * whole challenge: algorithms, nonce, exposed headers. One that {@linkcode verifyDpopProof} threw knows
 * nothing of a server and answers with its code alone.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-7.1 | RFC 9449, section 7.1}
 *
 * @example Branch on the reason, answer with the code
 * ```ts
 * import { DpopError } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DpopError("invalid_dpop_proof", "iat-too-old", "The proof is too old", {
 *   details: { skewSeconds: -420 },
 * });
 * assertEquals(error.reason, "iat-too-old");
 * const response = error.toResponse();
 * assertEquals(response.status, 401);
 * assertEquals(response.headers.get("www-authenticate"), 'DPoP error="invalid_dpop_proof"');
 * ```
 */
export class DpopError extends SecurityError {
  /** What the client is told; `null` for a challenge to a request that brought no credentials. */
  // @ts-expect-error: every other SecurityError has a code, and nobody else should have to ask for null.
  declare readonly code: DpopErrorCode | null;
  /** Why, in detail, for the operator. */
  readonly reason: DpopErrorReason;
  /** Status of the response. */
  readonly status: number;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #body: string | null;

  /**
   * Makes an error of one kind.
   *
   * @param code What the client is told.
   * @param reason What the operator is told.
   * @param message What happened, in words that a client may see.
   * @param options Status, headers, body, details and cause.
   * @throws {TypeError} If the code is none of {@linkcode DpopErrorCode}, or `null`.
   */
  constructor(
    code: DpopErrorCode | null,
    reason: DpopErrorReason,
    message: string,
    options: DpopErrorOptions = {},
  ) {
    super(code as DpopErrorCode, message, options);
    // It is written into a header: a quotation mark in it would end the challenge, a line break the header.
    if (!isDpopErrorCode(code)) {
      throw new TypeError(
        "Cannot create a DpopError: 'code' must be one of DpopErrorCode, or null",
      );
    }
    this.reason = reason;
    this.status = options.status ?? (code === null ? 401 : STATUSES[code]);
    this.#headers = options.headers ?? plainHeaders(code, this.status);
    this.#body = options.body ?? null;
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
    return new Response(this.#body, {
      status: this.status,
      headers: { "cache-control": "no-store", ...this.#headers },
    });
  }
}

function isDpopErrorCode(code: unknown): code is DpopErrorCode | null {
  return code === null || typeof code === "string" && Object.hasOwn(STATUSES, code);
}

function plainHeaders(
  code: DpopErrorCode | null,
  status: number,
): Readonly<Record<string, string>> {
  if (status >= 500) return { "retry-after": "1" };
  return { "www-authenticate": code === null ? "DPoP" : `DPoP error="${code}"` };
}
