/**
 * The records of one chain, followed from the first to the last.
 *
 * @module
 */

import { type ChainRecord, type ChainState, GENESIS } from "./_chain.ts";
import { type AuditLogFailure, failure, type Place } from "./_verify_findings.ts";
import { type Checkpoint, Epochs, readCheckpoint } from "./_verify_notes.ts";

/** What a chain is verified with. */
export interface ChainKeys {
  /** Keys of signatures. */
  readonly keys: readonly string[];
  /** Key of the first epoch. */
  readonly epochKey: Uint8Array | undefined;
  /** A record whose hash has to be remembered. */
  readonly watchSeq: number | undefined;
  /** Ends it. */
  readonly signal: AbortSignal | undefined;
}

/** A checkpoint comes after what it covers, while other records may come in between: up to so many. */
const REMEMBERED = 2 ** 17;
/** More writers than a log has restarts. */
const MAX_WRITERS = 10_000;

/** One chain. */
export class VerifiedChain {
  readonly #keys: ChainKeys;
  readonly #hashes: string[] = [];
  readonly #writers = new Set<string>();
  readonly #epochs: Epochs | undefined;
  #hasEpochs = false;
  /** Records of checkpoints that none covers yet. */
  #seals: number[] = [];
  /** Where it begins. */
  readonly first: Place;
  /** Where it stood before its first record. */
  readonly before: ChainState;
  /** Its segments. */
  readonly paths: string[] = [];
  /** Where it stands. */
  state: ChainState;
  /** Where its last record is. */
  last: Place;
  /** Lines that may be what a crash left. */
  torn: (Place & { readonly isEnded: boolean })[] = [];
  /** Records. */
  records = 0;
  /** Checkpoints and prunes. */
  checkpoints = 0;
  /** Up to where a key stands behind it. */
  signedThrough = 0;
  /** Records after that, but for those of checkpoints. */
  unsigned = 0;
  /** Up to where it may be missing. */
  prunedThrough = 0;
  /** The record that was to be remembered. */
  watched: (Place & { readonly hash: string }) | undefined;

  constructor(first: Place, before: ChainState, keys: ChainKeys) {
    this.first = first;
    this.last = first;
    this.before = before;
    this.state = before;
    this.#keys = keys;
    if (keys.epochKey !== undefined) this.#epochs = new Epochs(keys.epochKey, keys.signal);
    if (before.seq === keys.watchSeq) this.watched = { ...first, hash: before.hash };
  }

  /** Whether a key was given to check it with. */
  get #hasKeys(): boolean {
    return this.#keys.keys.length > 0 || this.#epochs !== undefined;
  }

  /** Whether somebody wrote in it. */
  hasWriter(writer: string): boolean {
    return this.#writers.has(writer);
  }

  /** Hash of a record, as long as it is remembered. */
  hashAt(seq: number): string | undefined {
    if (seq === this.before.seq) return this.before.hash;
    if (seq <= this.before.seq || seq > this.state.seq) return undefined;
    return seq > this.state.seq - REMEMBERED ? this.#hashes[seq % REMEMBERED] : undefined;
  }

  /** Whether a record comes next. */
  isNext({ seq, prev }: ChainRecord): boolean {
    return seq === this.state.seq + 1 && prev === this.state.hash;
  }

  /**
   * Takes the record that comes next.
   *
   * @returns What is wrong with it: a promise only for those that say where the chain stood.
   */
  take(record: ChainRecord, at: Place): void | Promise<AuditLogFailure | undefined> {
    const { seq, hash, kind, writer } = record;
    this.state = { seq, hash };
    this.last = at;
    this.#hashes[seq % REMEMBERED] = hash;
    this.records++;
    if (this.#writers.size < MAX_WRITERS && writer.length <= 64) this.#writers.add(writer);
    if (seq === this.#keys.watchSeq) this.watched = { ...at, hash };
    if (kind === "audit.checkpoint" || kind === "audit.prune") {
      this.checkpoints++;
      return this.#takeCheckpoint(record, at);
    }
    this.unsigned++;
  }

  async #takeCheckpoint(
    { seq, kind, details }: ChainRecord,
    at: Place,
  ): Promise<AuditLogFailure | undefined> {
    const fail = (message: string) => failure("resealed", at, message, seq);
    const found = await readCheckpoint(details.note, this.#keys.keys);
    if (found === undefined) return fail("The checkpoint is none, or its signature is false");
    if (found.isPrune !== (kind === "audit.prune") || found.size >= seq) {
      return fail("The checkpoint was made for something else");
    }
    if (this.#keys.keys.length > 0 && !found.isSigned) {
      return failure("unsigned", at, "The checkpoint is signed by no key that was given", seq);
    }
    if (this.#epochs !== undefined) {
      const wrong = await this.#closeEpoch(this.#epochs, found, details, at, seq);
      if (wrong !== undefined) return wrong;
    }
    const wrong = this.#compare(found, kind === "audit.prune");
    if (wrong !== undefined) return fail(wrong);
    if (this.#hasKeys) this.#seals.push(seq);
    if (found.isPrune) this.prunedThrough = Math.max(this.prunedThrough, found.size);
    else if (this.#hasKeys) this.cover(found.size);
    return undefined;
  }

  /** Takes a key's word for all up to a record. */
  cover(size: number): void {
    if (size <= this.signedThrough) return;
    this.signedThrough = size;
    this.#seals = this.#seals.filter((seq) => seq > size);
    this.unsigned = this.state.seq - size - this.#seals.length;
  }

  #compare({ size, root }: Checkpoint, isPrune: boolean): string | undefined {
    const hash = this.hashAt(size);
    if (hash === root) return undefined;
    if (hash !== undefined) {
      return `Record ${size} is not the one that the checkpoint covers: it, or one before, was changed, ` +
        "and all that follow were sealed again";
    }
    // What was removed cannot be compared, and what was not is, as soon as it is.
    if (isPrune || size < this.before.seq) return undefined;
    return `Record ${size}, which the checkpoint covers, is too far back`;
  }

  async #closeEpoch(
    epochs: Epochs,
    { text }: Checkpoint,
    { epoch, mac, earlier }: Readonly<Record<string, unknown>>,
    at: Place,
    seq: number,
  ): Promise<AuditLogFailure | undefined> {
    if (epoch === undefined && mac === undefined) {
      return failure("unsigned", at, "The checkpoint belongs to no epoch", seq);
    }
    // A log that does not begin with its first record does not begin with its first epoch.
    if (!this.#hasEpochs && this.before.seq > 0 && Number.isSafeInteger(epoch)) {
      if (!await epochs.skipTo(epoch as number)) {
        return failure("resealed", at, "There cannot have been so many epochs", seq);
      }
    }
    this.#hasEpochs = true;
    if (epoch === epochs.expected + 1) await this.#closeEarlier(epochs, earlier);
    const { expected } = epochs;
    if (epochs.close(epoch, text, mac)) return undefined;
    return failure(
      "resealed",
      at,
      epoch === expected
        ? `The key of epoch ${expected} did not make this checkpoint`
        : `The checkpoint does not close epoch ${expected}, whose turn it is`,
      seq,
    );
  }

  /** What a crash kept out of the log is told once more by the next. */
  async #closeEarlier(epochs: Epochs, earlier: unknown): Promise<void> {
    if (typeof earlier !== "object" || earlier === null) return;
    const { note, epoch, mac } = earlier as Readonly<Record<string, unknown>>;
    const found = await readCheckpoint(note, this.#keys.keys);
    if (found === undefined || this.#compare(found, found.isPrune) !== undefined) return;
    epochs.close(epoch, found.text, mac);
  }

  /**
   * Looks at the chain as a whole, when there is no more of it.
   *
   * @param notes Where to tell what is no failure.
   * @returns What is wrong with it.
   */
  end(notes: string[]): AuditLogFailure | undefined {
    const [torn] = this.torn;
    if (torn !== undefined) {
      if (this.torn.at(-1)?.isEnded) {
        return failure("edited", torn, "The line is no JSON");
      }
      notes.push(
        `${torn.path}:${torn.line}: the last line is torn, as after a crash, or cut off: ` +
          "only a checkpoint kept elsewhere can tell",
      );
    }
    if (this.before.seq > 0) {
      notes.push(
        `${this.first.path}: begins with record ${this.before.seq + 1}; ` +
          "those before were removed, as a record says",
      );
    }
    if (this.#hasKeys && this.signedThrough === 0) {
      return failure("unsigned", this.last, "There is no checkpoint at all", this.state.seq);
    }
    return undefined;
  }
}

/** A chain before its first record. */
export function stateBefore({ seq, prev }: ChainRecord): ChainState {
  return seq === 1 ? GENESIS : { seq: seq - 1, hash: prev };
}
