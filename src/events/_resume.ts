/**
 * Whether the end of a chain is one's own: what lies under the name of the log when a program starts may have
 * been put there by anybody, and who signs it then makes it genuine.
 *
 * What was written after the last checkpoint can be told from nothing: whoever can write the file and stop the
 * program can put other records in its place, up to the number of records between two checkpoints.
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { nodeCrypto } from "../_internal/node_crypto.ts";
import { type ChainState, readRecord } from "./_chain.ts";
import { decodeBase64, isHash } from "./_hash.ts";
import { linesBack } from "./_lines_back.ts";
import type { LogFileOps } from "./_log_file_ops.ts";
import { isJson } from "./_log_tail.ts";
import { stateAtEnd } from "./_segment_links.ts";

/** How the end of a chain is known as one's own. */
export interface SealCheck {
  /** The key that signs its checkpoints, as {@linkcode createVerifierKey} writes it. */
  readonly verifierKey: string | undefined;
  /** What they call the log. */
  readonly origin: string;
  /** Whether they close epochs. */
  readonly hasEpochs: boolean;
}

/** How far to look for the last checkpoint: one is made every few records, or it was not made at all. */
const MAX_LOOK_BYTES = 8 * 1024 * 1024;

/**
 * Tells whether a log is one's own: from where it stands back to the last checkpoint, and to the record that this
 * one covers, each record is linked to the next, and one's own key signed the checkpoint. With keys of epochs only,
 * nothing can be known, but a checkpoint that closes no epoch is of another log.
 *
 * @param ops The system calls.
 * @param paths The file, and the segments that may lead to it, the last one first.
 * @param state Where the log stands: after a record in one of the files.
 * @param check How to know it.
 * @returns Whether it may be continued.
 */
export function isSealed(
  ops: LogFileOps,
  paths: readonly string[],
  state: ChainState,
  check: SealCheck,
): boolean {
  const { verifierKey, hasEpochs } = check;
  const otherwise = verifierKey === undefined;
  let at = state;
  let covered: ChainState | undefined;
  for (const line of linkedLines(ops, paths, () => at)) {
    const record = readRecord(line);
    if (record === undefined) {
      if (isJson(line)) return otherwise;
      continue;
    }
    const { seq, hash, prev, kind, details } = record;
    if (!isSame(record, at)) return otherwise;
    at = { seq: seq - 1, hash: prev };
    if (covered !== undefined) {
      if (seq === covered.seq) return hash === covered.hash;
    } else if (kind === "audit.checkpoint") {
      const { note, epoch, earlier } = details;
      if (hasEpochs && epoch === undefined && earlier === undefined) return false;
      if (verifierKey === undefined) return true;
      covered = readOwnNote(note, verifierKey, check.origin);
      if (covered === undefined || covered.seq >= seq) return false;
    }
  }
  return otherwise;
}

/** Lines of files, the last one first, of those whose ends the log has come from. */
function* linkedLines(
  ops: LogFileOps,
  paths: readonly string[],
  at: () => ChainState,
): Generator<string, void> {
  let left = MAX_LOOK_BYTES;
  for (const path of paths) {
    const end = stateAtEnd(ops, path, true);
    if (end === undefined || !isSame(end, at())) continue;
    for (const line of linesBack(ops, path, left)) {
      yield line;
      left -= line.length + 1;
    }
  }
}

function isSame(one: ChainState, other: ChainState): boolean {
  return one.seq === other.seq && one.hash === other.hash;
}

/** Reads a checkpoint as one makes them oneself, with one signature; what it covers, if it is one. */
function readOwnNote(note: unknown, key: string, origin: string): ChainState | undefined {
  if (typeof note !== "string") return undefined;
  const end = note.lastIndexOf("\n\n");
  const text = note.slice(0, end + 1);
  const [name, size = "", root, ...rest] = text.split("\n");
  const seq = Number(size);
  if (end < 0 || name !== origin || !isHash(root) || rest.join() !== "") return undefined;
  if (!Number.isSafeInteger(seq) || `${seq}` !== size || seq < 1) return undefined;
  const [keyName, keyHash, keyBytes = ""] = split(key);
  const start = `\n\u2014 ${keyName} `;
  const signature = note.startsWith(start, end + 1)
    ? decodeBase64(note.slice(end + 1 + start.length, -1))
    : undefined;
  const publicKey = decodeBase64(keyBytes)?.subarray(1);
  if (!note.endsWith("\n") || signature?.length !== 68 || publicKey === undefined) return undefined;
  const hash = Array.from(signature.subarray(0, 4), (octet) => octet.toString(16).padStart(2, "0"));
  if (hash.join("") !== keyHash) return undefined;
  return verifies(publicKey, signature.subarray(4), text) ? { seq, hash: root } : undefined;
}

/** Name, hash and key; the key may have a `+` in it. */
function split(key: string): string[] {
  const [, ...parts] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(key) ?? [];
  return parts;
}

/** At once: nothing may be written before it is known. */
function verifies(publicKey: Uint8Array, signature: Uint8Array, text: string): boolean {
  const crypto = nodeCrypto();
  if (crypto === undefined) return false;
  const key = { kty: "OKP", crv: "Ed25519", x: encodeBase64Url(publicKey) };
  const message = new TextEncoder().encode(text);
  return crypto.verify(null, message, crypto.createPublicKey({ key, format: "jwk" }), signature) ===
    true;
}
