/**
 * What both token validators make of a token's claims.
 *
 * @module
 */

import { decodeBase64Url } from "../_internal/base64url.ts";
import { MAX_DEPTH } from "./_json.ts";
import type { TokenSettings } from "./_token_options.ts";
import { DpopError } from "./dpop_error.ts";
import type { ValidatedToken } from "./token_validator.ts";

/** Claims of a token. */
export type Claims = Readonly<Record<string, unknown>>;

/** As far as a Date goes (ECMA-262, section 21.4.1.1). */
const MAX_TIME_MS = 8.64e15;
/** Bytes of a SHA-256 thumbprint. */
const THUMBPRINT_BYTES = 32;

/**
 * Reads a token whose signature or source, issuer, audience and lifetime were checked.
 *
 * @param claims What the token says; frozen by this.
 * @param settings Scopes and principal.
 * @returns The token, or `null` when it is bound to something else than the key of proofs, or its claims are
 * nested too deep.
 * @throws {DpopError} `insufficient_scope`.
 */
export function readToken(claims: Claims, settings: TokenSettings): ValidatedToken | null {
  const { requiredScopes } = settings;
  const jkt = readThumbprint(claims.cnf);
  if (jkt === null) return null;
  const scopes = typeof claims.scope === "string" ? claims.scope.split(" ") : [];
  if (!requiredScopes.every((scope) => scopes.includes(scope))) {
    throw new DpopError(
      "insufficient_scope",
      "scope-insufficient",
      "The access token does not have the scopes that this needs",
      { details: { scope: requiredScopes.join(" ") } },
    );
  }
  // One request must not change what a later one is told of the same token.
  if (!deepFreeze(claims, MAX_DEPTH)) return null;
  const principal = settings.principal(claims);
  return Object.freeze({
    ...(jkt !== undefined && { jkt }),
    ...(principal !== undefined && { principal }),
    claims,
  });
}

/**
 * Tells whether a token is for one of the audiences.
 *
 * @param aud Its `aud`: a string or a list (RFC 7519, section 4.1.3).
 * @param audiences Those that are accepted.
 * @returns Whether it is.
 */
export function isFor(aud: unknown, audiences: readonly string[]): boolean {
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return audiences.some((audience) => named.includes(audience));
}

/**
 * What the clock says; without a time, every comparison with it would be false.
 *
 * @param settings The clock.
 * @returns Milliseconds since the epoch.
 * @throws {DpopError} `temporarily_unavailable`.
 */
export function readNow({ now }: TokenSettings): number {
  const nowMs: unknown = now();
  if (typeof nowMs === "number" && Math.abs(nowMs) <= MAX_TIME_MS) return nowMs;
  throw new DpopError(
    "temporarily_unavailable",
    "clock-invalid",
    "The request cannot be decided now",
  );
}

/**
 * A failure that says nothing about the token.
 *
 * @param cause What happened.
 * @returns The error to throw.
 */
export function undecided(cause: unknown): DpopError {
  if (cause instanceof DpopError) return cause;
  return new DpopError(
    "temporarily_unavailable",
    "token-validator-unavailable",
    "The access token cannot be checked now",
    { cause },
  );
}

/**
 * Reads a confirmation (RFC 7800, section 3.1; RFC 9449, section 6).
 *
 * @returns The thumbprint; `undefined` where the token is bound to nothing; `null` where it is bound to what
 * no proof can show, such as a certificate: to take that for "not bound", or to look at the thumbprint
 * beside it only, would drop a restriction.
 */
function readThumbprint(cnf: unknown): string | undefined | null {
  if (cnf === undefined) return undefined;
  if (typeof cnf !== "object" || cnf === null) return null;
  const entries = Object.entries(cnf);
  const [name, jkt]: readonly unknown[] = entries[0] ?? [];
  if (entries.length !== 1 || name !== "jkt" || typeof jkt !== "string") return null;
  return jkt.length === 43 && decodeBase64Url(jkt)?.length === THUMBPRINT_BYTES ? jkt : null;
}

/** Freezes what JSON.parse made, which goes deeper than recursion can; says whether it was all of it. */
function deepFreeze(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  Object.freeze(value);
  return Object.values(value).every((item) => deepFreeze(item, depth - 1));
}
