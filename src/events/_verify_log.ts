/**
 * The files of logs, put together to chains.
 *
 * @module
 */

import { type ChainRecord, GENESIS, readRecord } from "./_chain.ts";
import { type ChainKeys, stateBefore, VerifiedChain } from "./_verify_chain.ts";
import { classify } from "./_verify_classify.ts";
import type { EpochKeys } from "./_verify_epochs.ts";
import { type AuditLogFailure, failure, type Place, records } from "./_verify_findings.ts";
import { type LineLimits, type LogLine, readLines } from "./_verify_lines.ts";
import type { Checkpoint } from "./_verify_notes.ts";
import { Places } from "./_verify_places.ts";
import { type Segment, sortSegments } from "./_verify_segments.ts";
import { isJson, isTorn, isUnchained } from "./_verify_torn.ts";
import type { AuditLogReport } from "./verify_audit_log.ts";

/** What {@linkcode Verification} needs. */
export interface VerificationOptions {
  /** Keys of signatures. */
  readonly keys: readonly string[];
  /** Keys of epochs. */
  readonly epochKeys: EpochKeys | undefined;
  /** What every checkpoint has to call the log. */
  readonly origin: string | undefined;
  /** Checkpoints whose records have to be there. */
  readonly checkpoints: readonly Checkpoint[];
  /** Bounds of reading. */
  readonly limits: LineLimits;
}

/** A crash may follow a crash; more of them in a row look different. */
const MAX_TORN_LINES = 16;

/** Verifies logs, once. */
export class Verification {
  readonly #options: VerificationOptions;
  readonly #limits: LineLimits;
  readonly #chains: VerifiedChain[] = [];
  readonly #notes: string[] = [];
  #places = new Places([], []);
  #keys: ChainKeys | undefined;
  #segments = 0;

  constructor(options: VerificationOptions) {
    this.#options = options;
    this.#limits = options.limits;
  }

  /**
   * Reads everything.
   *
   * @param paths The files.
   * @returns The first thing that is wrong.
   */
  async run(paths: readonly string[]): Promise<AuditLogFailure | undefined> {
    const { keys, epochKeys, origin, checkpoints } = this.#options;
    const segments = await sortSegments(paths, this.#limits, this.#notes);
    const firsts = segments.flatMap(({ first }) => first ?? []);
    this.#places = new Places(firsts, checkpoints.map(({ root }) => root));
    const sizes = new Set(checkpoints.map(({ size }) => size));
    this.#keys = { keys, epochKeys, origin, sizes, places: this.#places };
    for (const segment of segments) {
      this.#segments++;
      const found = await this.#readSegment(segment, this.#keys);
      if (found !== undefined) return found;
    }
    const [path = ""] = paths;
    for (const checkpoint of checkpoints) {
      const found = this.#compare(checkpoint, path);
      if (found !== undefined) return found;
    }
    for (const chain of this.#chains) {
      const found = this.#missing(chain) ?? chain.end(this.#notes);
      if (found !== undefined) return found;
    }
    if ((keys.length > 0 || epochKeys !== undefined) && this.#chains.length === 0) {
      return failure("unsigned", { path, line: 1 }, "There is no checkpoint at all");
    }
    return undefined;
  }

  /**
   * Tells what was found.
   *
   * @param found The first thing that is wrong.
   * @returns The report.
   */
  report(found: AuditLogFailure | undefined): AuditLogReport {
    const chains = this.#chains.map((chain) => ({
      paths: chain.paths,
      firstSeq: chain.before.seq + 1,
      lastSeq: chain.state.seq,
      signedThrough: chain.signedThrough,
      unsigned: chain.unsigned,
      ...chain.firstEpoch === undefined ? {} : { firstEpoch: chain.firstEpoch },
    }));
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    const least = chains.reduce((a, { signedThrough: b }) => Math.min(a, b), Infinity);
    return {
      ok: found === undefined,
      records: sum(this.#chains.map((chain) => chain.records)),
      segments: this.#segments,
      checkpoints: sum(this.#chains.map((chain) => chain.checkpoints)),
      signedThrough: chains.length === 0 ? 0 : least,
      unsigned: sum(chains.map(({ unsigned }) => unsigned)),
      chains,
      ...found === undefined ? {} : { failure: found },
      notes: this.#notes,
    };
  }

  async #readSegment(segment: Segment, keys: ChainKeys): Promise<AuditLogFailure | undefined> {
    const { path, first, isEmpty } = segment;
    if (isEmpty) {
      this.#notes.push(`${path}: empty`);
      return undefined;
    }
    if (first === undefined) return await this.#readStrange(path);
    const chain = await this.#chainOf(first, segment, keys);
    if (!(chain instanceof VerifiedChain)) return chain;
    chain.paths.push(path);
    for await (const lines of readLines(path, this.#limits)) {
      for (const line of lines) {
        const found = this.#readLine(chain, line, path);
        if (found === undefined) continue;
        const result = found instanceof Promise ? await found : found;
        if (result !== undefined) return result;
      }
    }
    return undefined;
  }

  #readLine(
    chain: VerifiedChain,
    line: LogLine,
    path: string,
  ): AuditLogFailure | undefined | Promise<AuditLogFailure | undefined> {
    const at = { path, line: line.number };
    const record = line.text === undefined || line.isTooLong ? undefined : readRecord(line.text);
    if (record === undefined) return this.#readBadLine(chain, line, at);
    const [torn] = chain.torn;
    if (torn !== undefined) {
      const { kind } = record;
      if (!chain.isNext(record) || kind !== "audit.start" && kind !== "audit.gap") {
        return failure("edited", torn, "The line is no JSON");
      }
      this.#notes.push(`${torn.path}:${torn.line}: a torn line, as a crash leaves it`);
      chain.torn = [];
    }
    if (!chain.isNext(record)) return classify(chain, record, at, this.#limits);
    if (!line.isEnded) this.#notes.push(`${path}:${line.number}: the last line has no line feed`);
    return chain.take(record, at) ?? undefined;
  }

  #readBadLine(chain: VerifiedChain, line: LogLine, at: Place): AuditLogFailure | undefined {
    if (line.isTooLong) return this.#tooLong(at);
    // Of a file whose first lines are bad, it is not known with which number it began.
    const seq = chain.records === 0 ? undefined : chain.state.seq + 1;
    if (isJson(line.text)) {
      const message = "The line is not as it was written: its hash, or its spelling, is another";
      return failure("edited", at, message, seq);
    }
    if (!isTorn(line)) return failure("edited", at, "The line is no JSON", seq);
    chain.torn.push({ ...at, isEnded: line.isEnded });
    if (chain.torn.length <= MAX_TORN_LINES) return undefined;
    return failure("edited", chain.torn[0]!, "The line is no JSON", seq);
  }

  #tooLong(at: Place): AuditLogFailure {
    return failure("too-long", at, `The line has more than ${this.#limits.maxLineBytes} bytes`);
  }

  /** A file without any record. */
  async #readStrange(path: string): Promise<AuditLogFailure | undefined> {
    for await (const lines of readLines(path, this.#limits)) {
      for (const line of lines) {
        const at = { path, line: line.number };
        if (line.isTooLong) return this.#tooLong(at);
        if (isUnchained(line.text)) {
          return failure("unchained", at, "The records carry no hashes, so nothing can be told");
        }
        if (!isTorn(line) || line.number > MAX_TORN_LINES) {
          return failure("edited", at, "The line is no record of a chain");
        }
      }
    }
    this.#notes.push(`${path}: nothing but torn lines, as after a crash`);
    return undefined;
  }

  /** The chain that a segment goes on with, or what is wrong with its beginning. */
  async #chainOf(
    first: ChainRecord,
    { path, line }: Segment,
    keys: ChainKeys,
  ): Promise<VerifiedChain | AuditLogFailure> {
    const at = { path, line };
    const { seq, prev, hash, writer } = first;
    const before = seq === 1 ? undefined : this.#places.find(prev);
    if (before?.chain.isNext(first)) return before.chain;
    const same = this.#places.chainOf(writer);
    const other = this.#places.find(hash)?.chain ??
      (before?.seq === seq - 1 ? before.chain : undefined) ??
      (seq === 1 || same !== undefined && seq <= same.state.seq ? same : undefined);
    if (other !== undefined) {
      const message = `Record ${seq} is in two files: ${other.first.path} has it, too`;
      return failure("forked", at, message, seq);
    }
    if (seq > 1 && line > 1) {
      // The lines before are bad: where they stand for the records that are missing, they are what was changed.
      const damaged = same ?? this.#chains.find(({ state }) => state.seq + line === seq);
      if (damaged !== undefined) return damaged;
    }
    if (same !== undefined) return await classify(same, first, at, this.#limits);
    if (seq === 1 && prev !== GENESIS.hash) {
      return failure("edited", at, "The first record follows another", seq);
    }
    const chain = new VerifiedChain({ path, line: 1 }, stateBefore(first), keys);
    this.#chains.push(chain);
    return chain;
  }

  /** What a chain lacks before its first record. */
  #missing(chain: VerifiedChain): AuditLogFailure | undefined {
    const { before: { seq }, prunedThrough, first } = chain;
    if (seq <= prunedThrough) return undefined;
    const older = longest(
      this.#chains.filter((other) => other !== chain && other.state.seq <= seq),
    );
    if (older === undefined) {
      const message = `Before this file, ${
        records(1, seq)
      } should be: no record allows to remove them`;
      return failure("pruned", first, message, seq + 1);
    }
    if (older.state.seq === seq) {
      const message =
        "The file after this one follows another record: it was changed, and its hash " +
        "was made anew";
      return failure("edited", older.last, message, seq);
    }
    const message = `Before this file, ${records(older.state.seq + 1, seq)} should be`;
    return failure("deleted", first, message, seq + 1);
  }

  /** Looks for the record that a given checkpoint covers: that another chain goes further tells nothing of it. */
  #compare(checkpoint: Checkpoint, path: string): AuditLogFailure | undefined {
    const { size, root } = checkpoint;
    const chains = this.#chains.filter(({ origin = checkpoint.origin }) =>
      origin === checkpoint.origin
    );
    const match = this.#places.find(root);
    if (match?.seq === size && chains.includes(match.chain)) {
      if (checkpoint.isSigned) match.chain.cover(checkpoint);
      return undefined;
    }
    const other = chains.find((chain) => chain.placeOf(size) !== undefined)?.placeOf(size);
    if (other !== undefined) {
      const message = `Record ${size} is not the one that the given checkpoint covers`;
      return failure("resealed", other, message, size);
    }
    const chain = longest(chains);
    const end = chain?.state.seq ?? 0;
    const message = `The given checkpoint covers records up to ${size}, and ` +
      (end > size
        ? `they are not here: if they were removed as too old, give a later checkpoint`
        : `the log ends with ${end}`);
    return failure("truncated", chain?.last ?? { path, line: 1 }, message, end);
  }
}

function longest(chains: readonly VerifiedChain[]): VerifiedChain | undefined {
  return chains.reduce<VerifiedChain | undefined>(
    (a, b) => a === undefined || b.state.seq > a.state.seq ? b : a,
    undefined,
  );
}
