/**
 * Keys of epochs: each is made from the one before, and none tells the one before.
 *
 * How the records `audit.checkpoint` and `audit.prune` of a log with such keys close epochs: their details have
 *
 * - `note`: the note of this record, whose sizes rise from record to record;
 * - `epoch` and `mac`: the epoch that the text of `note` closes, and its code;
 * - `earlier`, where there are any: up to 64 closings `{ note, epoch, mac }` that were made before and may have
 *   missed the log in a crash, the oldest first, without gaps, and the last one just before `epoch`.
 *
 * So a verifier takes the list `[...earlier, { note, epoch, mac }]` in order: what has the number of an epoch that
 * is closed already was told before and is passed over, what has the number of the next epoch must be made by its
 * key and name a record of this chain, and any other number is a gap. Notes of `earlier` may be of checkpoints and
 * of prunes; a prune in there licenses nothing, since nothing is removed before its own record is in the log. When
 * 64 wait already, a record closes no epoch itself: it has `note` and `earlier`, but no `epoch` and `mac`, and no
 * key of an epoch stands behind its `note`.
 *
 * A chain that begins anew does so with record 1, an `audit.start` with `continues: false`. Its first closing may
 * be of any epoch, `earlier` of that first record is of another chain then and passed over, and what the verifier
 * can say is that the chain is attested from that epoch on.
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
