/**
 * The Authorization header of a request to a resource server (RFC 9110, section 11.4; RFC 6750, section
 * 2.1; RFC 9449, section 7.1).
 *
 * @module
 */

import { DpopError } from "./dpop_error.ts";

/** The schemes that carry an access token. */
export type TokenScheme = "DPoP" | "Bearer";

/** An access token as it was presented. */
export interface Credentials {
  /** How it was presented. */
  readonly scheme: TokenScheme;
  /** The token. */
  readonly token: string;
}

const TOKEN68 = /^[A-Za-z0-9._~+/-]+=*$/;
/** One of our schemes where it is no scheme of the whole: two fields were folded into one. */
const FOLDED = /(?:^|,)\s*(?:dpop|bearer)(?:[\s,]|$)/i;

/**
 * Reads the access token.
 *
 * @param header Value of the header, `null` where there is none.
 * @param maxTokenBytes Longest token that is looked at.
 * @returns The credentials, or `undefined` when there are none of a scheme that carries a token.
 * @throws {DpopError} `invalid_request`: `several-authorizations` or `malformed-token`.
 */
export function readCredentials(
  header: string | null,
  maxTokenBytes: number,
): Credentials | undefined {
  if (header === null || header === "") return undefined;
  // The longest scheme and its spaces; nothing below looks at more than this.
  if (header.length > maxTokenBytes + 16) throw malformed();
  const space = header.search(/\s/);
  const scheme = schemeOf(space < 0 ? header : header.slice(0, space));
  if (scheme === undefined) {
    if (FOLDED.test(header)) throw several();
    return undefined;
  }
  let from = space < 0 ? header.length : space;
  // Spaces only (RFC 9110, section 11.4): any other white space stays, and is in no token.
  while (header[from] === " ") from++;
  const token = header.slice(from);
  // A comma is in no token: it is where two fields were joined, and either might be the one that counts.
  if (token.includes(",")) throw several();
  if (token.length > maxTokenBytes || !TOKEN68.test(token)) throw malformed();
  return { scheme, token };
}

function schemeOf(name: string): TokenScheme | undefined {
  const lower = name.toLowerCase();
  if (lower === "dpop") return "DPoP";
  return lower === "bearer" ? "Bearer" : undefined;
}

function several(): DpopError {
  return new DpopError(
    "invalid_request",
    "several-authorizations",
    "The request has more than one Authorization",
  );
}

function malformed(): DpopError {
  return new DpopError("invalid_request", "malformed-token", "The Authorization is malformed");
}
