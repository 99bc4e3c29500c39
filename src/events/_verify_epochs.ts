/**
 * The epochs of a log, followed from closing to closing.
 *
 * @module
 */

import { equalsInConstantTime } from "../_internal/sha256.ts";
import { epochMac, nextEpochKey } from "./_epochs.ts";
import { encodeBase64 } from "./_hash.ts";

/** Epochs between two keys that are kept, so that many chains take no more time than the longest. */
const STEP = 64;

/** Keys of all epochs that any chain can begin with. */
export class EpochKeys {
  /** The keys of each {@linkcode STEP}th epoch. */
  readonly #steps: Uint8Array[];
  readonly #signal: AbortSignal | undefined;
  /** Number of the last epoch that is derived. */
  readonly most: number;

  /**
   * Begins with the key of the first epoch.
   *
   * @param key The key.
   * @param most Number of the last epoch that is derived.
   * @param signal Ends it.
   */
  constructor(key: Uint8Array, most: number, signal: AbortSignal | undefined) {
    this.#steps = [key];
    this.most = most;
    this.#signal = signal;
  }

  /**
   * Derives the key of an epoch.
   *
   * @param epoch Its number, up to `most`.
   * @returns The key.
   */
  async keyOf(epoch: number): Promise<Uint8Array> {
    const step = Math.floor(epoch / STEP);
    while (this.#steps.length <= step) {
      this.#steps.push(advance(this.#steps.at(-1)!, STEP));
      if (this.#steps.length % 64 === 0) {
        this.#signal?.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    return advance(this.#steps[step]!, epoch % STEP);
  }
}

function advance(key: Uint8Array, count: number): Uint8Array {
  for (let at = 0; at < count; at++) key = nextEpochKey(key);
  return key;
}

/** What a record says about an epoch that ends. */
export interface Closing {
  readonly note?: unknown;
  readonly epoch?: unknown;
  readonly mac?: unknown;
}

/** Follows the epochs of one chain. */
export class Epochs {
  readonly #keys: EpochKeys;
  #key: Uint8Array | undefined;
  #epoch = 0;
  /** Epoch whose key stands behind the chain first; `undefined` before any does. */
  first: number | undefined;

  constructor(keys: EpochKeys) {
    this.#keys = keys;
  }

  /** Number of the epoch that has to be closed next. */
  get expected(): number {
    return this.#epoch;
  }

  /**
   * Goes on to an epoch, where those before are not of this chain.
   *
   * @param epoch Its number, which somebody may have made up.
   * @returns Whether there may be so many.
   */
  async skipTo(epoch: number): Promise<boolean> {
    if (epoch > this.#keys.most) return false;
    this.#key = await this.#keys.keyOf(epoch);
    this.#epoch = epoch;
    return true;
  }

  /**
   * Closes the epoch, if its key made the code.
   *
   * @param closing What a record says.
   * @param text Text of the note in it.
   * @returns Whether it is the epoch's turn, and the code its own.
   */
  async close({ epoch, mac }: Closing, text: string): Promise<boolean> {
    if (epoch !== this.#epoch || typeof mac !== "string") return false;
    this.#key ??= await this.#keys.keyOf(0);
    const code = encodeBase64(epochMac(epoch, this.#key, text));
    if (!equalsInConstantTime(code, mac)) return false;
    this.first ??= epoch;
    this.#key = nextEpochKey(this.#key);
    this.#epoch++;
    return true;
  }
}
