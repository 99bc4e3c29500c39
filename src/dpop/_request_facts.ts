/**
 * What a verifier reads of a request: each thing once, for what a framework calls a request may be any
 * object.
 *
 * @module
 */

import { answerWithin } from "../_internal/answer_within.ts";
import { isAnswer } from "./_challenge.ts";
import { ExpectedUrl } from "./_htu.ts";
import type { Attempt } from "./_verification.ts";
import type { VerifierSettings } from "./_verifier_options.ts";
import { DpopError } from "./dpop_error.ts";

/** An authority, as the Host header may have it (RFC 9110, section 7.2), and nothing that would end it. */
const HOST = /^[^\s/?#@\\]*$/;
/** Such an authority, which some frameworks leave away, and what follows as far as the query. */
const REQUEST_URL = /^(?:https?:\/\/[^\s/?#@\\]+)?(\/[^?#]*)/i;
/** What some software resolves or drops before it looks at a path, and some does not. */
const AMBIGUOUS = /[\s\\]|\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * Reads a header.
 *
 * @param request The request.
 * @param name Name of the header.
 * @returns The value, several of them joined by commas; `null` where there is none.
 * @throws {DpopError} `request-unreadable`.
 */
export function readHeader(request: Request, name: string): string | null {
  let value: unknown;
  try {
    value = request.headers.get(name);
  } catch (cause) {
    throw unreadable(cause);
  }
  if (value === null || value === undefined) return null;
  if (typeof value !== "string") throw unreadable(`'${name}' is no string`);
  return value;
}

/**
 * Reads the method, or asks whoever knows it.
 *
 * @param attempt The request.
 * @param settings What the verifier was told.
 * @returns The method as the client sent it.
 * @throws {DpopError} `request-unreadable`, or what the user's function threw.
 */
export async function readMethod(
  { request, signal }: Attempt,
  { resolveMethod, timeoutMs }: VerifierSettings,
): Promise<string> {
  let method: unknown;
  try {
    method = resolveMethod === undefined
      ? request.method
      : await answerWithin(() => resolveMethod(request), { timeoutMs, signal });
  } catch (cause) {
    throw isAnswer(cause) ? cause : unreadable(cause);
  }
  if (typeof method !== "string" || method === "") throw unreadable("the method is no string");
  return method;
}

/**
 * The URL that the client asked for: the configured origin with the request's path, or what the user's
 * function says. The request's own origin is not looked at, as it comes from the Host header, which is the
 * client's to choose: a proof for another server would fit.
 *
 * @param attempt The request.
 * @param settings What the verifier was told.
 * @returns The URL, absolute and without query and fragment.
 * @throws {DpopError} `request-url-ambiguous`, `url-unresolved`, or what the user's function threw.
 */
export async function readUrl(
  { request, signal }: Attempt,
  { origin, resolveUrl, timeoutMs }: VerifierSettings,
): Promise<RequestUrl> {
  const host = readHeader(request, "host");
  if (host !== null && !HOST.test(host)) throw ambiguous();
  try {
    const path = pathOf(request.url);
    if (origin !== undefined) return urlOf(origin + path);
    const resolved: unknown = await answerWithin(() => resolveUrl?.(request), {
      timeoutMs,
      signal,
    });
    const url = withoutQuery(resolved instanceof URL ? resolved.href : requireString(resolved));
    // Usually made of what a proxy says that the client wrote.
    if (AMBIGUOUS.test(url)) throw ambiguous();
    return urlOf(url);
  } catch (cause) {
    if (isAnswer(cause)) throw cause;
    throw new DpopError(
      "temporarily_unavailable",
      "url-unresolved",
      "The URL of the request is not known",
      { cause },
    );
  }
}

/** The URL that a client asked for. */
export interface RequestUrl {
  /** As it is written. */
  readonly text: string;
  /** As it is compared. */
  readonly expected: ExpectedUrl;
}

function urlOf(text: string): RequestUrl {
  return { text, expected: new ExpectedUrl(text) };
}

/**
 * The path by which a request is routed, whoever routes it. Servers put Host and target together, and
 * most let `?`, `#`, `\` and `/` through in Host: with `Host: h?`, a parser sees the path "/", where a router
 * that looks for the first slash sees the target. Dot segments are resolved by a parser and not by many
 * routers. A proof for the one path must not open the other.
 */
function pathOf(url: unknown): string {
  const path = REQUEST_URL.exec(requireString(url))?.[1];
  if (path === undefined || AMBIGUOUS.test(path)) throw ambiguous();
  return path;
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function requireString(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("it is no string");
  return value;
}

function ambiguous(): DpopError {
  return new DpopError(
    "invalid_request",
    "request-url-ambiguous",
    "The URL of the request can be read in more than one way",
  );
}

function unreadable(cause: unknown): DpopError {
  return new DpopError(
    "temporarily_unavailable",
    "request-unreadable",
    "The request cannot be read",
    { cause },
  );
}
