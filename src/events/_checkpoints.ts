/**
 * Checkpoints: statements, signed or authenticated by a key, of where a chain stood.
 *
 * @module
 */

import { answerWithin } from "../_internal/answer_within.ts";
import type { Clock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import type { ChainState } from "./_chain.ts";
import { encodeBase64 } from "./_hash.ts";
import { epochMac, nextEpochKey } from "./_epochs.ts";
import type { EpochClosing, EpochKeyStore } from "./epoch_keys.ts";
import type { SealCheck } from "./_resume.ts";
import { type AuditLogSigner, createVerifierKey, signNote } from "./signed_note.ts";

/** How a chain of records is made evident. */
export interface ChainOptions {
  /** Signs checkpoints. @default {no signatures: whoever can write the file can make another chain} */
  readonly signer?: AuditLogSigner;
  /** What the checkpoints call this log: one line. @default {the signer's name, or "bartizan-audit-log"} */
  readonly origin?: string;
  /** Records until the next checkpoint. @default {1000} */
  readonly checkpointEveryRecords?: number;
  /** Seconds until the next checkpoint, if there was any record. @default {60} */
  readonly checkpointEverySeconds?: number;
  /**
   * Takes each signed checkpoint off this machine: the only way to see later that the end of the log was cut
   * off. It has 5 seconds; a checkpoint that could not be handed over says so in the log.
   * @default {undefined}
   */
  readonly onCheckpoint?: (note: string) => void | Promise<void>;
  /** Keeps the key that evolves with each checkpoint: one store for one log. @default {no keys of epochs} */
  readonly epochKeys?: EpochKeyStore;
}

const PURPOSE = "chain an audit log";
const ANSWER_TIMEOUT_MS = 5_000;
/** Time after a failure until the next attempt. */
const RETRY_MS = 10_000;
/** First extension line of the note of a prune: without it, any checkpoint would allow to delete. */
export const PRUNE_LINE = "prune";
/** Closings that may not be in the log: each is told again until it is known to be. */
const MAX_PENDING = 64;

/** Makes the details of the records `audit.checkpoint` and `audit.prune`. */
export class Checkpoints {
  readonly #signer: AuditLogSigner | undefined;
  readonly #origin: string;
  readonly #everyRecords: number;
  readonly #everyMs: number;
  readonly #onCheckpoint: ChainOptions["onCheckpoint"];
  readonly #epochKeys: EpochKeyStore | undefined;
  readonly #clock: Clock;
  /** The last checkpoint that was made. */
  #last: { readonly seq: number; readonly atMs: number } | undefined;
  #notBeforeMs = -Infinity;
  /** One at a time: each takes the key that the one before leaves. */
  #busy = 0;
  #tail: Promise<unknown> = Promise.resolve();
  /** Settles when the store has nothing more to do. */
  #saving: Promise<unknown> = Promise.resolve();
  /** The last epoch that a record was made of, and the last whose record is known to be in the log. */
  #toldThrough = -1;
  #keptThrough = -1;
  #isNewChain = false;

  /**
   * Reads the options.
   *
   * @param options How the chain is made evident.
   * @param clock The clock.
   * @throws {TypeError} If an option has the wrong type.
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(options: ChainOptions, clock: Clock) {
    const { signer, onCheckpoint, epochKeys } = options;
    this.#origin = options.origin ?? signer?.name ?? "bartizan-audit-log";
    if (!/^[^\s\p{Cc}][^\n\p{Cc}]{0,254}$/u.test(this.#origin) || !this.#origin.isWellFormed()) {
      throw wrongOption(PURPOSE, "origin", "one line of at most 255 characters", this.#origin);
    }
    this.#everyRecords = integerOption(
      PURPOSE,
      "checkpointEveryRecords",
      options.checkpointEveryRecords,
      { otherwise: 1000, least: 1 },
    );
    this.#everyMs = 1000 * integerOption(
      PURPOSE,
      "checkpointEverySeconds",
      options.checkpointEverySeconds,
      { otherwise: 60, least: 1, most: 86_400 },
    );
    if (signer !== undefined) {
      if (typeof signer.sign !== "function") {
        throw wrongOption(PURPOSE, "signer", "an AuditLogSigner", signer);
      }
      createVerifierKey(signer.name, signer.publicKey);
    }
    if (onCheckpoint !== undefined && typeof onCheckpoint !== "function") {
      throw wrongOption(PURPOSE, "onCheckpoint", "a function", onCheckpoint);
    }
    if (
      epochKeys !== undefined &&
      (typeof epochKeys.load !== "function" || typeof epochKeys.save !== "function")
    ) {
      throw wrongOption(PURPOSE, "epochKeys", "an EpochKeyStore", epochKeys);
    }
    this.#signer = signer;
    this.#onCheckpoint = onCheckpoint;
    this.#epochKeys = epochKeys;
    this.#clock = clock;
  }

  /** How the end of the log can be known as one's own; `undefined` where there is no key. */
  get sealCheck(): SealCheck | undefined {
    const signer = this.#signer;
    const hasEpochs = this.#epochKeys !== undefined;
    if (signer === undefined && !hasEpochs) return undefined;
    return {
      verifierKey: signer && createVerifierKey(signer.name, signer.publicKey),
      origin: this.#origin,
      hasEpochs,
    };
  }

  /** To be called when the log begins with its first record: what closed epochs before belongs to another. */
  beginChain(): void {
    this.#isNewChain = true;
  }

  /**
   * To be called when the records of all that was made are in the file, and safe from a power cut where that
   * matters. Until then, each closing of an epoch is told once more.
   */
  kept(): void {
    this.#keptThrough = this.#toldThrough;
  }

  /**
   * Tells whether a checkpoint should be made now. The first is due at once: a run before this one may have
   * left records without.
   *
   * @param state Where the chain stands.
   * @returns Whether; `false` while one is being made, a while after one failed, and where there is no key.
   */
  isDue(state: ChainState): boolean {
    if (this.#signer === undefined && this.#epochKeys === undefined) return false;
    if (this.#busy > 0 || state.seq === 0) return false;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#notBeforeMs) return false;
    if (this.#last === undefined) return true;
    // The record of the last checkpoint itself is no reason for another.
    const records = state.seq - this.#last.seq - 1;
    return records >= this.#everyRecords ||
      records > 0 && nowMs - this.#last.atMs >= this.#everyMs;
  }

  /**
   * Makes a checkpoint. Everything up to the state should be in the file by then; its record may come later.
   *
   * @param state Where the chain stands.
   * @returns Details for a record of the kind `audit.checkpoint`, which must be written once they are made.
   * @throws {Error} What the signer or the store of epoch keys failed with.
   */
  async make(state: ChainState): Promise<Record<string, unknown>> {
    const details = await this.#inTurn(() => this.#make(state, []));
    this.#last = { seq: state.seq, atMs: this.#clock.monotonicMs() };
    return details;
  }

  /**
   * Makes the record without which a log that does not begin with its first record is not accepted. It
   * should be in the file before the segments go.
   *
   * @param last State after the last record that is removed.
   * @param removedSegments Names of the segments that are removed.
   * @returns Details for a record of the kind `audit.prune`, which must be written once they are made.
   * @throws {Error} What the signer or the store of epoch keys failed with.
   */
  makePrune(
    last: ChainState,
    removedSegments: readonly string[],
  ): Promise<Record<string, unknown>> {
    const names = removedSegments.map((name) => JSON.stringify(name));
    return this.#inTurn(() => this.#make(last, [PRUNE_LINE, ...names]));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++;
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    try {
      return await result;
    } catch (error) {
      this.#notBeforeMs = this.#clock.monotonicMs() + RETRY_MS;
      throw error;
    } finally {
      this.#busy--;
    }
  }

  async #make(
    state: ChainState,
    extensions: readonly string[],
  ): Promise<Record<string, unknown>> {
    const text = [this.#origin, state.seq, state.hash, ...extensions, ""].join("\n");
    const signer = this.#signer;
    if (signer === undefined) return await this.#closeEpoch(text, text);
    const note = await this.#answer((signal) => signNote(text, signer, { signal }));
    const published = await this.#publish(note);
    return { ...await this.#closeEpoch(text, note), ...published };
  }

  /** A log that cannot be reached now must not stop the checkpoints in the file. */
  async #publish(note: string): Promise<{ published?: boolean }> {
    const publish = this.#onCheckpoint;
    if (publish === undefined) return {};
    try {
      await this.#answer(() => publish(note));
      return { published: true };
    } catch {
      return { published: false };
    }
  }

  async #closeEpoch(text: string, note: string): Promise<Record<string, unknown>> {
    const store = this.#epochKeys;
    if (store === undefined) return { note };
    // A save that is late may still bring back the key that another one replaces.
    await this.#answer(() => this.#saving);
    const state = await this.#answer(() => store.load());
    if (state === undefined) throw new Error("There is no key of an epoch: none was put there");
    const { epoch, key, pending = [] } = state;
    if (this.#isNewChain) this.#keptThrough = epoch - 1;
    this.#isNewChain = false;
    // Without them, a crash right after the key was saved would leave what a deleted checkpoint leaves.
    const earlier = pending.filter((closing) => closing.epoch > this.#keptThrough);
    if (earlier.length >= MAX_PENDING) {
      this.#toldThrough = epoch - 1;
      return { note, earlier };
    }
    const closing: EpochClosing = {
      note,
      epoch,
      mac: encodeBase64(epochMac(epoch, key, text)),
    };
    // Saved before anybody sees the record: whoever comes later finds no key for what is written then.
    await this.#answer(() => {
      const saved = store.save({
        epoch: epoch + 1,
        key: nextEpochKey(key),
        pending: [...earlier, closing],
      });
      this.#saving = Promise.resolve(saved).catch(() => {});
      return saved;
    });
    this.#toldThrough = epoch;
    return { ...closing, ...earlier.length === 0 ? {} : { earlier } };
  }

  /** Asks somebody else's code, which may hang; the time is that of the clock. */
  async #answer<T>(ask: (signal: AbortSignal) => T | PromiseLike<T>): Promise<T> {
    const end = new AbortController();
    const timer = this.#clock.setTimer(
      () => end.abort(new DOMException("No answer in time", "TimeoutError")),
      ANSWER_TIMEOUT_MS,
      { keepAlive: true },
    );
    try {
      return await answerWithin(ask, { signal: end.signal });
    } finally {
      timer.cancel();
    }
  }
}
