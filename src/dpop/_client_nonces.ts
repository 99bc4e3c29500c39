/**
 * The nonces that servers gave to a client (RFC 9449, sections 8 and 9).
 *
 * @module
 */

import { Lru } from "../_internal/lru.ts";

/**
 * Longest nonce that is taken: it is sent back with every request, and a proof that outgrows what servers
 * accept would lock the client out. Encrypted ones are a few hundred characters long.
 */
const MAX_LENGTH = 1024;

/** RFC 9449, section 8.1. There is no space in it, so two fields that were joined with ", " are no nonce. */
const NONCE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Whether a text may be a nonce.
 *
 * @param text Any text.
 * @returns Whether it has the syntax of RFC 9449 and is not too long.
 */
export function isNonce(text: string): boolean {
  return text.length <= MAX_LENGTH && NONCE.test(text);
}

/**
 * Remembers the newest nonce of each origin, and no more origins than it was told to: who sends a client
 * to many of them must not make it grow.
 */
export class ClientNonces {
  readonly #newest: Lru<string, string>;

  /**
   * Makes an empty memory.
   *
   * @param maxOrigins Most origins that it knows a nonce of.
   */
  constructor(maxOrigins: number) {
    this.#newest = new Lru(maxOrigins);
  }

  /**
   * The nonce for the next proof.
   *
   * @param origin Where the proof goes.
   * @returns What that origin sent last, or `undefined`.
   */
  get(origin: string): string | undefined {
    return this.#newest.get(origin);
  }

  /**
   * Takes the nonce out of a response.
   *
   * @param origin Who answered.
   * @param header Value of DPoP-Nonce, `null` where there is none.
   * @returns The nonce, or `undefined` where there is none or it is malformed.
   */
  learn(origin: string, header: string | null): string | undefined {
    if (header === null || !isNonce(header)) return undefined;
    this.#newest.set(origin, header);
    return header;
  }
}
