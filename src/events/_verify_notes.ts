/**
 * What a checkpoint says, and whether a key stands behind it.
 *
 * @module
 */

import { PRUNE_LINE } from "./_checkpoints.ts";
import { epochMac, nextEpochKey } from "./_epochs.ts";
import { encodeBase64, isHash } from "./_hash.ts";
import { openNote } from "./signed_note.ts";
import { equalsInConstantTime } from "../_internal/sha256.ts";

/** A checkpoint that could be read. */
export interface Checkpoint {
  /** What is signed. */
  readonly text: string;
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
    size: Number(size),
    root,
    isPrune: extensions[0] === PRUNE_LINE,
    isSigned: signedBy.length > 0,
  };
}

/** Epochs at the beginning of a log that may have been removed: eight years of one a minute. */
const MAX_SKIPPED_EPOCHS = 2 ** 22;

/** Follows the epochs of one log. */
export class Epochs {
  #epoch = 0;
  #key: Uint8Array;
  readonly #signal: AbortSignal | undefined;

  constructor(key: Uint8Array, signal: AbortSignal | undefined) {
    this.#key = key;
    this.#signal = signal;
  }

  /** Number of the epoch that has to be closed next. */
  get expected(): number {
    return this.#epoch;
  }

  /**
   * Goes on to an epoch, where those before were removed with their records.
   *
   * @param epoch Its number, which somebody may have made up.
   * @returns Whether there can be so many.
   */
  async skipTo(epoch: number): Promise<boolean> {
    if (epoch - this.#epoch > MAX_SKIPPED_EPOCHS) return false;
    while (this.#epoch < epoch) {
      this.#advance();
      if (this.#epoch % 8192 === 0) {
        this.#signal?.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    return true;
  }

  /**
   * Closes the epoch, if its key made the code.
   *
   * @param epoch Number of the epoch that a checkpoint says it closes.
   * @param text Text of the checkpoint.
   * @param mac The code.
   * @returns Whether it is the epoch's turn, and the code its own.
   */
  close(epoch: unknown, text: string, mac: unknown): boolean {
    if (epoch !== this.#epoch || typeof mac !== "string") return false;
    if (!equalsInConstantTime(encodeBase64(epochMac(epoch, this.#key, text)), mac)) return false;
    this.#advance();
    return true;
  }

  #advance(): void {
    this.#key = nextEpochKey(this.#key);
    this.#epoch++;
  }
}
