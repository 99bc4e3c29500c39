/**
 * What a refused client is told (RFC 9449, sections 5, 7.1, 8 and 9; RFC 6750, section 3; RFC 6749,
 * section 5.2).
 *
 * @module
 */

import { DpopError } from "./dpop_error.ts";
import type { TokenScheme } from "./_authorization.ts";

/** Which server it is that refuses. */
export interface Challenger {
  /** Kind of server. */
  readonly role: "resource-server" | "authorization-server";
  /** Accepted algorithms, with a space between them. */
  readonly algs: string;
  /** Protection space, if it has a name. */
  readonly realm: string | undefined;
  /** Whether unbound tokens are accepted too. */
  readonly allowBearer: boolean;
}

/** What is known of the request besides its error. */
export interface ChallengeFacts {
  /** Scheme that the client used; the error is said of that one. */
  readonly scheme: TokenScheme | undefined;
  /** The newest nonce, where the client has to use it. */
  readonly nonce: string | undefined;
}

/** One sentence for each code: the reason is for the log, a client learns no more than the code. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  invalid_dpop_proof: "The DPoP proof is missing or not valid",
  use_dpop_nonce: "The DPoP proof has to carry the nonce of this response",
  invalid_token: "The access token is not valid",
  invalid_request: "The request is malformed",
  insufficient_scope: "The access token does not allow this",
  invalid_grant: "The grant is bound to another key",
  temporarily_unavailable: "The request cannot be decided now",
};

/**
 * Tells errors that may be an answer from those that somebody's function threw and that are none: of an
 * answer, the code is written into a header.
 *
 * @param error What was thrown.
 * @returns Whether it is a {@linkcode DpopError} with a code that is known.
 */
export function isAnswer(error: unknown): error is DpopError {
  if (!(error instanceof DpopError)) return false;
  return error.code === null || Object.hasOwn(DESCRIPTIONS, error.code);
}

/** Headers that scripts of other origins must be allowed to read (RFC 9449, section 7.1). */
const EXPOSED = "DPoP-Nonce, WWW-Authenticate";

/** How long a client should wait for this side to recover, in seconds. */
const RETRY_AFTER_SECONDS = 1;

/**
 * Gives an error the answer of a server.
 *
 * @param error Any error of a proof, token or store.
 * @param by Who refuses.
 * @param facts What is known of the request.
 * @returns The same error, with status, headers and body.
 */
export function withChallenge(
  error: DpopError,
  by: Challenger,
  { scheme, nonce }: ChallengeFacts,
): DpopError {
  const status = statusOf(error, by);
  const headers: Record<string, string> = {
    "cache-control": "no-store",
    "access-control-expose-headers": EXPOSED,
  };
  if (nonce !== undefined) headers["dpop-nonce"] = nonce;
  if (status === 429 || status === 503) headers["retry-after"] = `${RETRY_AFTER_SECONDS}`;
  let body: string | null = null;
  if (by.role === "authorization-server") {
    headers["content-type"] = "application/json";
    body = JSON.stringify({ error: error.code, error_description: descriptionOf(error) });
  } else if (status < 429) {
    headers["www-authenticate"] = challengesOf(error, by, scheme);
  }
  return new DpopError(error.code, error.reason, error.message, {
    status,
    headers,
    body,
    details: error.details,
    cause: error.cause,
  });
}

/**
 * Headers of a successful response.
 *
 * @param nonce The newest nonce, where the client does not have it.
 * @returns The headers, none of them unless there is a nonce.
 */
export function successHeaders(nonce: string | undefined): Headers {
  const headers = new Headers();
  if (nonce === undefined) return headers;
  headers.set("dpop-nonce", nonce);
  headers.set("access-control-expose-headers", "DPoP-Nonce");
  // A cache would give an old nonce to whoever asks next (RFC 9449, section 8.2).
  headers.set("cache-control", "no-store");
  return headers;
}

function statusOf(error: DpopError, by: Challenger): number {
  if (error.reason === "replay-quota-exceeded") return 429;
  if (error.code === "temporarily_unavailable") return 503;
  if (by.role === "authorization-server" || error.code === "invalid_request") return 400;
  return error.code === "insufficient_scope" ? 403 : 401;
}

function descriptionOf(error: DpopError): string {
  return DESCRIPTIONS[error.code ?? ""] ?? "";
}

function challengesOf(error: DpopError, by: Challenger, used: TokenScheme | undefined): string {
  const schemes: TokenScheme[] = by.allowBearer ? ["DPoP", "Bearer"] : ["DPoP"];
  // The scheme that the client used says what was wrong, and comes first; a proof is wrong with DPoP only.
  const blamed = used !== undefined && schemes.includes(used) ? used : "DPoP";
  if (blamed === "Bearer") schemes.reverse();
  return schemes.map((scheme) => {
    const parameters: string[] = [];
    if (by.realm !== undefined) parameters.push(`realm="${by.realm}"`);
    // No code where there were no credentials (RFC 6750, section 3.1).
    if (scheme === blamed && error.code !== null) {
      parameters.push(`error="${error.code}"`, `error_description="${descriptionOf(error)}"`);
      const scope = error.details.scope;
      if (typeof scope === "string" && SCOPE.test(scope)) parameters.push(`scope="${scope}"`);
    }
    if (scheme === "DPoP") parameters.push(`algs="${by.algs}"`);
    // A Bearer challenge has at least one parameter (RFC 6750, section 3).
    return `${scheme} ${parameters.length === 0 ? 'realm=""' : parameters.join(", ")}`;
  }).join(", ");
}

/** Scopes as they may stand in a challenge (RFC 6749, section 3.3). */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
