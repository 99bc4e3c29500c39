/**
 * What a checkpoint says, and whether a key stands behind it.
 *
 * @module
 */

import { PRUNE_LINE } from "./_checkpoints.ts";
import { isHash } from "./_hash.ts";
import { openNote } from "./signed_note.ts";

/** A checkpoint that could be read. */
export interface Checkpoint {
  /** What is signed. */
  readonly text: string;
  /** What it calls the log. */
  readonly origin: string;
  /** Number of the last record that it covers. */
  readonly size: number;
  /** Hash of that record. */
  readonly root: string;
  /** Whether it allows to remove what it covers. */
  readonly isPrune: boolean;
  /** Whether a given key signed it. */
  readonly isSigned: boolean;
}

/**
 * Reads the note of a checkpoint; one without signatures is its text only.
 *
 * @param note The note.
 * @param keys Keys to verify with.
 * @returns The checkpoint, or `undefined` when it is none, or a signature of a given key is false.
 */
export async function readCheckpoint(
  note: unknown,
  keys: readonly string[],
): Promise<Checkpoint | undefined> {
  if (typeof note !== "string") return undefined;
  const opened = note.includes("\n\n") ? await openNote(note, keys) : { text: note, signedBy: [] };
  if (opened === undefined) return undefined;
  const { text, signedBy } = opened;
  const [origin = "", size = "", root, ...extensions] = text.split("\n");
  if (extensions.pop() !== "" || origin === "" || !isHash(root)) return undefined;
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    return undefined;
  }
  return {
    text,
    origin,
    size: Number(size),
    root,
    isPrune: extensions[0] === PRUNE_LINE,
    isSigned: signedBy.length > 0,
  };
}
