/**
 * Where the keys come from that access tokens are signed with.
 *
 * @module
 */

import { answerWithin } from "./_answer_within.ts";
import { readBody } from "./_read_response.ts";
import { wrong } from "./_token_options.ts";
import type { JsonWebKeySet, JwtHeader, TokenKey } from "./jwt_token_validator.ts";

/** `jose`, which is loaded when the first token comes. */
export type Jose = typeof import("jose");

/** A key as `jose` takes it. */
type JoseKey = CryptoKey | import("jose").JWK;

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
  const keys = (value as { keys?: unknown } | null)?.keys;
  const isKey = (key: unknown) => typeof key === "object" && key !== null && !Array.isArray(key);
  if (!Array.isArray(keys) || !keys.every(isKey)) {
    throw wrong("jwks", "a URL, a JSON Web Key Set or a function", value);
  }
  return structuredClone({ keys });
}

/**
 * Makes the source of keys.
 *
 * @param jose The library.
 * @param settings Where they come from.
 * @returns The source.
 */
export function openKeys(jose: Jose, settings: KeySettings): KeySource {
  const { jwks, timeoutMs, maxResponseBytes, fetch } = settings;
  if (typeof jwks === "function") {
    return (header, signal) =>
      answerWithin(async () => readKey(await jwks(header), jose), { timeoutMs, signal });
  }
  if (typeof jwks === "object") {
    // Its keys are objects; `jose` says of each whether it is a key.
    const local = jose.createLocalJWKSet(jwks as import("jose").JSONWebKeySet);
    return (header) => local(header);
  }
  const remote = jose.createRemoteJWKSet(new URL(jwks), {
    timeoutDuration: timeoutMs,
    cacheMaxAge: settings.cacheMaxAgeSeconds * 1000,
    cooldownDuration: settings.cooldownSeconds * 1000,
    [jose.customFetch]: async (url, { headers, signal, method, redirect }) => {
      const response = await fetch(url, { headers, signal, method, redirect });
      return new Response(await readBody(response, maxResponseBytes));
    },
  });
  // A fetch that takes no notice of its signal would never end.
  return (header, signal) => answerWithin(() => remote(header), { timeoutMs, signal });
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
