/**
 * Who may see metrics.
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { equalsInConstantTime, sha256 } from "../_internal/sha256.ts";
import { isLocalName, isLoopback } from "./_loopback.ts";

/** What a server tells about a connection, as `Deno.serve` does. */
export interface MetricsRequestInfo {
  /** The other end: an address, or the path of a Unix socket. */
  readonly remoteAddr?: {
    /** `tcp`, `unix` and others. */
    readonly transport?: string;
    /** The address. */
    readonly hostname?: string;
  };
}

/** Headers that only a proxy adds: with one in between, the other end of the connection is not who asks. */
const PROXY_HEADER =
  /^(?:forwarded|via|cdn-loop|x-(?:original-)?forwarded.*|.*-?(?:client|real|connecting)-ip|(?:cf|tailscale|x-envoy)-.*)$/;

/**
 * Whether a request comes from this machine, and not by the hand of a page in its browser.
 *
 * What headers say never lets anybody in, and may only keep them out.
 */
export function isLocal(request: Request, info: MetricsRequestInfo | undefined): boolean {
  if (!isLocalPeer(info)) return false;
  const { headers } = request;
  if ([...headers.keys()].some((name) => PROXY_HEADER.test(name))) return false;
  // DNS rebinding: a page's own name leads to 127.0.0.1, and its browser sends that name.
  const host = headers.get("host");
  const url = new URL(request.url);
  if (!isLocalName(url.hostname)) return false;
  if (host !== null && !isLocalHost(host)) return false;
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "none" && site !== "same-origin") return false;
  const origin = headers.get("origin");
  return origin === null || origin === url.origin;
}

function isLocalPeer(info: MetricsRequestInfo | undefined): boolean {
  const address = info?.remoteAddr;
  if (address?.transport === "unix") return true;
  return typeof address?.hostname === "string" && isLoopback(address.hostname);
}

function isLocalHost(host: string): boolean {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::[0-9]{1,5})?$/.exec(host);
  return match !== null && isLocalName(match[1]!.toLowerCase());
}

/** RFC 6750, section 2.1; shorter ones can be guessed. */
const TOKEN = /^[A-Za-z0-9._~+/-]{16,1024}=*$/;
/** The header of the longest token. */
const MAX_HEADER = 2048;

/** Makes a check of `Authorization: Bearer …` whose time tells nothing about the token. */
export function bearerCheck(purpose: string, token: unknown): (request: Request) => boolean {
  if (typeof token !== "string" || !TOKEN.test(token)) {
    // Its value is a secret, so it is not told.
    throw new TypeError(
      `Cannot ${purpose}: 'access.bearerToken' must be 16 to 1024 characters of RFC 6750, section 2.1`,
    );
  }
  const expected = digest(token);
  return ({ headers }) => {
    const header = headers.get("authorization");
    if (header === null || header.length > MAX_HEADER) return false;
    const match = /^Bearer ([^ ]+)$/i.exec(header);
    return match !== null && equalsInConstantTime(digest(match[1]!), expected);
  };
}

function digest(token: string): string {
  return encodeBase64Url(sha256(token));
}
