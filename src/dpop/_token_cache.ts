/**
 * Remembering what was found out about tokens.
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { Lru } from "../_internal/lru.ts";
import { sha256 } from "../_internal/sha256.ts";

interface Entry<T> {
  readonly value: T;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** A bounded memory of tokens by their SHA-256, so that no token lies in it. */
export class TokenCache<T> {
  readonly #entries: Lru<string, Entry<T>>;
  readonly #lifetimeMs: number;

  /**
   * Makes an empty one.
   *
   * @param maxTokens Most tokens that it remembers.
   * @param seconds For how long, in seconds; 0 for one that remembers nothing.
   */
  constructor(maxTokens: number, seconds: number) {
    this.#entries = new Lru(maxTokens);
    this.#lifetimeMs = seconds * 1000;
  }

  /**
   * Looks a token up.
   *
   * @param token The token.
   * @param nowMs Milliseconds since the epoch.
   * @returns What is known of it, `undefined` where nothing is.
   */
  get(token: string, nowMs: number): T | undefined {
    if (this.#lifetimeMs === 0 || this.#entries.size === 0) return undefined;
    const key = keyOf(token);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // A clock that was set back would let a token that was revoked live on for as long.
    if (nowMs >= entry.sinceMs && nowMs < entry.untilMs) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /**
   * Remembers a token.
   *
   * @param token The token.
   * @param value What is known of it.
   * @param nowMs When that was found out, in milliseconds since the epoch.
   * @param exp When the token ends, in seconds since the epoch.
   */
  set(token: string, value: T, nowMs: number, exp = Infinity): void {
    const untilMs = Math.min(nowMs + this.#lifetimeMs, exp * 1000);
    if (untilMs > nowMs) this.#entries.set(keyOf(token), { value, sinceMs: nowMs, untilMs });
  }
}

function keyOf(token: string): string {
  return encodeBase64Url(sha256(token));
}
