/**
 * The records of one chain, followed from the first to the last.
 *
 * @module
 */

import { type ChainRecord, type ChainState, GENESIS } from "./_chain.ts";
import { type Closing, type EpochKeys, Epochs } from "./_verify_epochs.ts";
import { type AuditLogFailure, failure, type Place } from "./_verify_findings.ts";
import { RecentHashes } from "./_verify_hashes.ts";
import { type Checkpoint, readCheckpoint } from "./_verify_notes.ts";
import type { Places } from "./_verify_places.ts";

/** What a chain is verified with. */
export interface ChainKeys {
  /** Keys of signatures. */
  readonly keys: readonly string[];
  /** Keys of epochs. */
  readonly epochKeys: EpochKeys | undefined;
  /** What every checkpoint has to call the log. */
  readonly origin: string | undefined;
  /** Numbers of records whose places are wanted. */
  readonly sizes: ReadonlySet<number>;
  /** Takes the records that something refers to. */
  readonly places: Places;
}

/** Closings that a record may tell once more; one that tells so many closes no epoch itself. */
const MAX_EARLIER = 64;

/** One chain. */
export class VerifiedChain {
  readonly #keys: ChainKeys;
  readonly #hashes: RecentHashes;
  readonly #placesOfSizes = new Map<number, Place>();
  readonly #epochs: Epochs | undefined;
  /** Whether it says that it begins anew, and with it at any epoch. */
  #beginsAnew = false;
  #writer: string | undefined;
  /** Size of the last checkpoint. */
  #size = 0;
  /** Record of the last checkpoint: it needs no other. */
  #seal = 0;
  /** What its checkpoints call the log. */
  origin: string | undefined;
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
  /** Up to where it may be missing. */
  prunedThrough = 0;

  constructor(first: Place, before: ChainState, keys: ChainKeys) {
    this.first = first;
    this.last = first;
    this.before = before;
    this.state = before;
    this.origin = keys.origin;
    this.#keys = keys;
    this.#hashes = new RecentHashes(before.seq);
    if (keys.epochKeys !== undefined) this.#epochs = new Epochs(keys.epochKeys);
    keys.places.record(before.hash, before.seq, this);
  }

  /** Whether a key was given to check it with. */
  get #hasKeys(): boolean {
    return this.#keys.keys.length > 0 || this.#epochs !== undefined;
  }

  /** Records for which no key stands, but for the one of the last checkpoint. */
  get unsigned(): number {
    const covered = Math.max(this.signedThrough, this.before.seq);
    return this.state.seq - covered - (this.#seal > covered ? 1 : 0);
  }

  /** Epoch from which on it is attested. */
  get firstEpoch(): number | undefined {
    return this.#epochs?.first;
  }

  /** Hash of a record, as long as it is remembered. */
  hashAt(seq: number): string | undefined {
    return seq === this.before.seq ? this.before.hash : this.#hashes.at(seq);
  }

  /** Where a record is, if it is one of those that are wanted. */
  placeOf(seq: number): Place | undefined {
    return seq === this.before.seq ? this.first : this.#placesOfSizes.get(seq);
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
    const { seq, hash, kind, writer, details } = record;
    const { places, sizes } = this.#keys;
    this.state = { seq, hash };
    this.last = at;
    this.records++;
    this.#hashes.add(hash, Math.max(this.#size, this.before.seq));
    places.record(hash, seq, this);
    if (writer !== this.#writer) places.writer(writer, this);
    this.#writer = writer;
    if (sizes.has(seq)) this.#placesOfSizes.set(seq, at);
    if (seq === 1) this.#beginsAnew = kind === "audit.start" && details["continues"] === false;
    if (kind === "audit.checkpoint" || kind === "audit.prune") {
      this.checkpoints++;
      return this.#takeCheckpoint(record, at);
    }
  }

  async #takeCheckpoint(
    { seq, kind, details }: ChainRecord,
    at: Place,
  ): Promise<AuditLogFailure | undefined> {
    const fail = (message: string) => failure("resealed", at, message, seq);
    const found = await readCheckpoint(details["note"], this.#keys.keys);
    if (found === undefined) return fail("The checkpoint is none, or its signature is false");
    const { origin, size, isPrune } = found;
    if (isPrune !== (kind === "audit.prune") || size >= seq) {
      return fail("The checkpoint was made for something else");
    }
    if (this.#keys.keys.length > 0 && !found.isSigned) {
      return failure("unsigned", at, "The checkpoint is signed by no key that was given", seq);
    }
    if (this.origin !== undefined && origin !== this.origin) {
      return fail(
        this.#keys.origin === undefined
          ? "The checkpoint is of another log than those before: its origin differs"
          : "The checkpoint is of another log: its origin is not the one that was given",
      );
    }
    this.origin = origin;
    // An old checkpoint could be put there over and over, as none is counted that nothing follows.
    if (!isPrune && size <= this.#size) return fail("The checkpoint is no newer than the last one");
    const epochs = this.#epochs;
    const closed = epochs === undefined || await this.#closeEpochs(epochs, found, details, at, seq);
    if (typeof closed === "object") return closed;
    const compared = this.#compare(found);
    if (compared === "differs") {
      return fail(
        `Record ${size} is not the one that the checkpoint covers: it, or one before, was changed, ` +
          "and all that follow were sealed again",
      );
    }
    if (isPrune) {
      // What cannot be compared any more allows nothing: it may be of another log.
      if (compared === "holds") this.prunedThrough = Math.max(this.prunedThrough, size);
      return undefined;
    }
    if (compared === "forgotten") {
      return fail(`Record ${size}, which the checkpoint covers, is too far back`);
    }
    this.#size = size;
    this.#seal = seq;
    if (this.#hasKeys && closed) this.cover(found);
    return undefined;
  }

  /** Takes a key's word for all up to a record. */
  cover({ size, origin }: Checkpoint): void {
    this.origin = origin;
    this.signedThrough = Math.max(this.signedThrough, size);
  }

  /** Compares what a checkpoint says with the record that is there. */
  #compare({ size, root }: Checkpoint): "holds" | "differs" | "removed" | "forgotten" {
    if (size < this.before.seq) return "removed";
    const found = this.#keys.places.find(root);
    // Files end where prunes do, however far back.
    const hash = this.hashAt(size) ??
      (found?.chain === this && found.seq === size ? root : undefined);
    if (hash === undefined) return "forgotten";
    return hash === root ? "holds" : "differs";
  }

  /**
   * Closes epochs: those that a crash kept out of the log, and the one that a record is about.
   *
   * @returns Whether the key of an epoch stands behind the note, or what is wrong.
   */
  async #closeEpochs(
    epochs: Epochs,
    { text }: Checkpoint,
    { epoch, mac, earlier }: Readonly<Record<string, unknown>>,
    at: Place,
    seq: number,
  ): Promise<boolean | AuditLogFailure> {
    const hasOwn = epoch !== undefined || mac !== undefined;
    const missed = isListOfClosings(earlier) ? earlier : [];
    if (!hasOwn && missed.length < MAX_EARLIER) {
      return failure("unsigned", at, "The checkpoint belongs to no epoch", seq);
    }
    const isFirst = epochs.first === undefined && (this.before.seq > 0 || this.#beginsAnew);
    if (isFirst) {
      // What it tells of earlier epochs is of records that are not here.
      if (!hasOwn) return false;
      if (isEpoch(epoch) && !await epochs.skipTo(epoch)) {
        const message =
          `The log begins with epoch ${epoch}: the keys of so many are only derived ` +
          "with a larger 'maxSkippedEpochs'";
        return failure("too-many-epochs", at, message, seq);
      }
    } else {
      for (const closing of missed) {
        if (closing.epoch === epochs.expected) await this.#closeEarlier(epochs, closing);
      }
    }
    if (!hasOwn) return false;
    const { expected } = epochs;
    if (await epochs.close({ epoch, mac }, text)) return true;
    return failure(
      "resealed",
      at,
      epoch === expected
        ? `The key of epoch ${expected} did not make this checkpoint`
        : `The checkpoint does not close epoch ${expected}, whose turn it is`,
      seq,
    );
  }

  async #closeEarlier(epochs: Epochs, closing: Closing): Promise<void> {
    const found = await readCheckpoint(closing.note, this.#keys.keys);
    if (found === undefined || this.origin !== undefined && found.origin !== this.origin) return;
    const compared = this.#compare(found);
    if (compared === "differs" || compared === "forgotten" && !found.isPrune) return;
    if (!await epochs.close(closing, found.text) || found.isPrune) return;
    if (found.isSigned || this.#keys.keys.length === 0) this.cover(found);
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
    if (this.#hasKeys && this.signedThrough <= this.before.seq) {
      const message = this.checkpoints === 0
        ? "There is no checkpoint at all"
        : "No checkpoint covers any of the records that are here";
      return failure("unsigned", this.last, message, this.state.seq);
    }
    return undefined;
  }
}

function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isListOfClosings(value: unknown): value is readonly Closing[] {
  return Array.isArray(value) && value.length <= MAX_EARLIER &&
    value.every((one) => typeof one === "object" && one !== null);
}

/** A chain before its first record. */
export function stateBefore({ seq, prev }: ChainRecord): ChainState {
  return seq === 1 ? GENESIS : { seq: seq - 1, hash: prev };
}
