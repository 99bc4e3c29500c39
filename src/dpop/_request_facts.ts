/**
 * What a verifier reads of a request: each thing once, for what a framework calls a request may be any
 * object.
 *
 * @module
 */

import { ExpectedUrl } from "./_htu.ts";
import type { VerifierSettings } from "./_verifier_options.ts";
import { DpopError } from "./dpop_error.ts";

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
 * @param request The request.
 * @param settings What the verifier was told.
 * @returns The method as the client sent it.
 * @throws {DpopError} `request-unreadable`, or what the user's function threw.
 */
export async function readMethod(request: Request, settings: VerifierSettings): Promise<string> {
  const { resolveMethod } = settings;
  let method: unknown;
  try {
    method = resolveMethod === undefined ? request.method : await resolveMethod(request);
  } catch (cause) {
    throw cause instanceof DpopError ? cause : unreadable(cause);
  }
  if (typeof method !== "string" || method === "") throw unreadable("the method is no string");
  return method;
}

/**
 * The URL that the client asked for: the configured origin with the request's path, or what the user's
 * function says. The request's own origin is not looked at, as it comes from the Host header, which is the
 * client's to choose: a proof for another server would fit.
 *
 * @param request The request.
 * @param settings What the verifier was told.
 * @returns The URL, absolute and without query and fragment.
 * @throws {DpopError} `url-unresolved`, or what the user's function threw.
 */
export async function readUrl(request: Request, settings: VerifierSettings): Promise<RequestUrl> {
  const { origin, resolveUrl } = settings;
  try {
    if (origin !== undefined) return urlOf(origin + pathOf(request.url));
    const resolved: unknown = await resolveUrl?.(request);
    return urlOf(withoutQuery(resolved instanceof URL ? resolved.href : requireString(resolved)));
  } catch (cause) {
    if (cause instanceof DpopError) throw cause;
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

function pathOf(url: unknown): string {
  const text = requireString(url);
  const scheme = /^https?:\/\//i.exec(text);
  // Some frameworks give the path alone.
  if (scheme === null && !text.startsWith("/")) throw new TypeError("it has no path");
  const rest = withoutQuery(scheme === null ? text : text.slice(scheme[0].length));
  const from = rest.indexOf("/");
  return from < 0 ? "/" : rest.slice(from);
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function requireString(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("it is no string");
  return value;
}

function unreadable(cause: unknown): DpopError {
  return new DpopError(
    "temporarily_unavailable",
    "request-unreadable",
    "The request cannot be read",
    { cause },
  );
}
