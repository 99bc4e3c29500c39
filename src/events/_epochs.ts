/**
 * Keys of epochs: each is made from the one before, and none tells the one before.
 *
 * @module
 */

import { hmacSha256 } from "../_internal/sha256.ts";

const encoder = new TextEncoder();
const NEXT = encoder.encode("bartizan audit epoch");

/**
 * The key of the epoch after.
 *
 * @param key The key of an epoch.
 * @returns The next one; there is no way back.
 */
export function nextEpochKey(key: Uint8Array): Uint8Array<ArrayBuffer> {
  return hmacSha256(key, NEXT);
}

/**
 * Authenticates what closes an epoch, with the number of the epoch: a verifier that took any number was
 * CVE-2023-31439.
 *
 * @param epoch Number of the epoch.
 * @param key Its key.
 * @param text Text of the note that closes it.
 * @returns The code.
 */
export function epochMac(epoch: number, key: Uint8Array, text: string): Uint8Array<ArrayBuffer> {
  return hmacSha256(key, encoder.encode(`bartizan audit checkpoint\n${epoch}\n${text}`));
}
