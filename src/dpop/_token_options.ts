/**
 * Options of token validators: how they are read.
 *
 * @module
 */

import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { TokenValidatorOptions } from "./token_validator.ts";

/** {@linkcode TokenValidatorOptions} as they were read: checked, copied and complete. */
export interface TokenSettings {
  readonly requiredScopes: readonly string[];
  readonly clockToleranceSeconds: number;
  readonly principal: NonNullable<TokenValidatorOptions["principal"]>;
  readonly cacheSeconds: number;
  readonly maxCachedTokens: number;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly fetch: NonNullable<TokenValidatorOptions["fetch"]>;
  readonly now: () => number;
}

const COMMON: readonly (keyof TokenValidatorOptions)[] = [
  "requiredScopes",
  "clockToleranceSeconds",
  "principal",
  "cacheSeconds",
  "maxCachedTokens",
  "timeoutMs",
  "maxResponseBytes",
  "fetch",
  "now",
];

const PURPOSE = "create a token validator";
/** RFC 6749, section 3.3. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Reads what both validators take, and refuses what neither knows.
 *
 * @param options The options as they were given.
 * @param more Names of the options of one validator.
 * @returns The settings.
 * @throws {TypeError} If an option is unknown or of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function readTokenOptions(
  options: TokenValidatorOptions,
  more: readonly string[],
): TokenSettings {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  // A misspelt restriction would be none at all, and nobody would notice.
  for (const name of Object.keys(options)) {
    if (!more.includes(name) && !COMMON.some((one) => one === name)) {
      throw new TypeError(`Cannot create a token validator: '${name}' is not one of its options`);
    }
  }
  const { requiredScopes = [], principal = subjectOf, now = Date.now, fetch } = options;
  for (const [name, value] of Object.entries({ principal, now, fetch: fetch ?? sendByFetch })) {
    if (typeof value !== "function") throw wrong(name, "a function", value);
  }
  const isScope = (scope: unknown) => typeof scope === "string" && SCOPE_TOKEN.test(scope);
  if (!Array.isArray(requiredScopes) || !requiredScopes.every(isScope)) {
    throw wrong("requiredScopes", "a list of scopes, each without white space", requiredScopes);
  }
  return {
    requiredScopes: [...requiredScopes],
    clockToleranceSeconds: integerOr("clockToleranceSeconds", options.clockToleranceSeconds, 0, 0),
    principal,
    cacheSeconds: integerOr("cacheSeconds", options.cacheSeconds, 0, 0),
    maxCachedTokens: integerOr("maxCachedTokens", options.maxCachedTokens, 1000, 1),
    timeoutMs: integerOr("timeoutMs", options.timeoutMs, 5000, 1, MAX_TIMEOUT_MS),
    maxResponseBytes: integerOr("maxResponseBytes", options.maxResponseBytes, 65_536, 1),
    fetch: fetch ?? sendByFetch,
    now,
  };
}

/** What a mistake in the options is thrown as. */
export function wrong(name: string, must: string, value: unknown): TypeError {
  return wrongOption(PURPOSE, name, must, value);
}

/** Reads a number, which is an integer within bounds. */
export function integerOr(
  name: string,
  value: unknown,
  otherwise: number,
  least: number,
  most?: number,
): number {
  return integerOption(PURPOSE, name, value, {
    otherwise,
    least,
    ...(most !== undefined && { most }),
  });
}

/** Reads one or several names of whom a token is for, as a list. */
export function readAudience(audience: unknown): readonly string[] {
  const audiences: readonly unknown[] = Array.isArray(audience) ? audience : [audience];
  const isText = (one: unknown): one is string => typeof one === "string" && one !== "";
  if (audiences.length > 0 && audiences.every(isText)) return [...audiences];
  throw wrong("audience", "a string or a list of them, none empty", audience);
}

/** Reads who issues tokens. */
export function readIssuer(issuer: unknown): string {
  if (typeof issuer === "string" && issuer !== "") return issuer;
  throw wrong("issuer", "a string that is not empty", issuer);
}

/**
 * Reads the URL of another server. Over http, whoever stands between could exchange keys and answers; within
 * this machine there is nobody.
 */
export function readServerUrl(name: string, value: unknown): string {
  const must =
    "a URL with https, or with http on a loopback address, and without user and fragment";
  let url: URL;
  try {
    url = new URL(value instanceof URL ? value.href : typeof value === "string" ? value : "");
  } catch {
    throw wrongUrl(name, must, value);
  }
  const { protocol, hostname, username, password, hash, href } = url;
  const isSecure = protocol === "https:" || protocol === "http:" && LOOPBACK.test(hostname);
  if (isSecure && username === "" && password === "" && hash === "") return href;
  throw wrongUrl(name, must, value);
}

/** The same, where a URL was expected: one may hold a password or a key, so no more than its host is shown. */
export function wrongUrl(name: string, must: string, value: unknown): TypeError {
  if (typeof value !== "string" && !(value instanceof URL)) return wrong(name, must, value);
  const text = String(value);
  const { protocol, hostname } = URL.canParse(text) ? new URL(text) : {};
  return wrong(name, must, protocol === undefined ? "no URL" : `${protocol}//${hostname}`);
}

function subjectOf({ sub }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof sub === "string" ? sub : undefined;
}

/** Looked up when used, as whoever replaces the global one expects. */
function sendByFetch(input: string, init: RequestInit): Promise<Response> {
  return globalThis.fetch(input, init);
}
