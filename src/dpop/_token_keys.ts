/**
 * Where the keys come from that access tokens are signed with.
 *
 * @module
 */

import { answerWithin } from "../_internal/answer_within.ts";
import { readBody } from "./_read_response.ts";
import { wrongUrl } from "./_token_options.ts";
import type { JsonWebKeySet, JwtHeader, TokenKey } from "./jwt_token_validator.ts";

/** `jose`, which is loaded when the first token comes. */
export type Jose = typeof import("jose");

/** A key as `jose` takes it. */
type JoseKey = CryptoKey | import("jose").JWK;

/** Keys that `jose` fetches. */
type RemoteKeys = ReturnType<Jose["createRemoteJWKSet"]>;

/** Finds the key of a token; rejects with an error of `jose` where there is not exactly one. */
export type KeySource = (header: JwtHeader, signal: AbortSignal) => Promise<JoseKey>;

/** Where keys come from, and how they are fetched. */
export interface KeySettings {
  readonly jwks: string | JsonWebKeySet | ((header: JwtHeader) => unknown);
  readonly cacheMaxAgeSeconds: number;
  readonly cooldownSeconds: number;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
}

/**
 * Reads a key set.
 *
 * @param value A key set as it was given.
 * @returns A copy.
 * @throws {TypeError} If it is none.
 */
export function readKeySet(value: unknown): JsonWebKeySet {
  const keys = keysOf(value);
  if (keys !== undefined) return structuredClone({ keys });
  throw wrongUrl("jwks", "a URL, a JSON Web Key Set or a function", value);
}

function keysOf(value: unknown): readonly object[] | undefined {
  const keys = (value as { keys?: unknown } | null)?.keys;
  const isKey = (key: unknown) => typeof key === "object" && key !== null && !Array.isArray(key);
  return Array.isArray(keys) && keys.every(isKey) ? keys : undefined;
}

/**
 * Makes the source of keys.
 *
 * @param jose The library.
 * @param settings Where they come from.
 * @returns The source.
 */
export function openKeys(jose: Jose, settings: KeySettings): KeySource {
  const { jwks, timeoutMs } = settings;
  if (typeof jwks === "function") {
    return (header, signal) =>
      answerWithin(async () => readKey(await jwks(header), jose), { timeoutMs, signal });
  }
  if (typeof jwks === "object") {
    // Its keys are objects; `jose` says of each whether it is a key.
    const local = jose.createLocalJWKSet(jwks as import("jose").JSONWebKeySet);
    return (header) => local(header);
  }
  const remote = openRemote(jose, jwks, settings);
  return (header, signal) => answerWithin(() => remote(header), { timeoutMs, signal });
}

/** Without keys every token has to wait for them, so a failure counts for less. */
const MAX_PAUSE_WITHOUT_KEYS_MS = 1000;

function openRemote(jose: Jose, jwks: string, settings: KeySettings): RemoteKeys {
  const { timeoutMs } = settings;
  const pauseMs = settings.cooldownSeconds * 1000;
  let failedAtMs = -Infinity;
  const remote: RemoteKeys = jose.createRemoteJWKSet(new URL(jwks), {
    timeoutDuration: timeoutMs,
    cacheMaxAge: settings.cacheMaxAgeSeconds * 1000,
    cooldownDuration: pauseMs,
    [jose.customFetch]: async (_url, { headers, method, redirect, signal }) => {
      // `jose` counts from the last success: each token of an unknown key would have a server asked that fails.
      const since = Date.now() - failedAtMs;
      const least = remote.fresh ? pauseMs : Math.min(pauseMs, MAX_PAUSE_WITHOUT_KEYS_MS);
      if (since >= 0 && since < least) throw new Error("The server of keys failed a moment ago");
      try {
        // `jose` waits for as long as this does: a fetch, or a body, that takes no notice of its signal would
        // leave the validator without keys for good.
        const ask = (within: AbortSignal) =>
          fetchKeys(jwks, { headers, method, redirect, signal: within }, settings);
        return Response.json(await answerWithin(ask, { timeoutMs, signal }));
      } catch (error) {
        failedAtMs = Date.now();
        throw error;
      }
    },
  });
  return remote;
}

async function fetchKeys(
  url: string,
  init: RequestInit & { readonly signal: AbortSignal },
  { fetch, maxResponseBytes }: KeySettings,
): Promise<{ readonly keys: readonly object[] }> {
  const body = await readBody(await fetch(url, init), maxResponseBytes, init.signal);
  const keys = keysOf(JSON.parse(new TextDecoder().decode(body)));
  if (keys === undefined) throw new Error("The server of keys answered with no key set");
  return { keys };
}

function readKey(key: unknown, jose: Jose): TokenKey {
  if (key === null || key === undefined) throw new jose.errors.JWKSNoMatchingKey();
  if (key instanceof CryptoKey) {
    if (key.type === "public") return key;
  } else if (typeof key === "object" && "kty" in key) {
    // A function of somebody's own: `jose` says whether it is a key.
    return key as JsonWebKey;
  }
  throw new TypeError("'jwks' gave no public key");
}
