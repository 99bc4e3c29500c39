import { integerOption, wrongOption } from "../_internal/options.ts";
import { type ChainRecord, GENESIS, readRecord } from "./_chain.ts";
import { type ChainKeys, stateBefore, VerifiedChain } from "./_verify_chain.ts";
import { classify } from "./_verify_classify.ts";
import {
  type AuditLogFailure,
  type AuditLogFailureCause,
  failure,
  records,
} from "./_verify_findings.ts";
import { type LineLimits, type LogLine, readLines } from "./_verify_lines.ts";
import { type Checkpoint, readCheckpoint } from "./_verify_notes.ts";
import { type Segment, sortSegments } from "./_verify_segments.ts";
import { openNote } from "./signed_note.ts";

export type { AuditLogFailure, AuditLogFailureCause };

/** Options of {@linkcode verifyAuditLog}. */
export interface VerifyAuditLogOptions {
  /** Keys of which each checkpoint has to be signed by one. @default {[]} */
  readonly keys?: readonly string[];
  /** Key of the first epoch, 32 bytes: each checkpoint has to close its epoch. @default {undefined} */
  readonly epochKey?: Uint8Array;
  /** The latest checkpoint that was kept away from the log: the log has to reach it. @default {undefined} */
  readonly checkpoint?: string;
  /** Bytes that a line may have. @default {1_048_576} */
  readonly maxLineBytes?: number;
  /** Ends it, with its reason. @default {undefined} */
  readonly signal?: AbortSignal;
}

/** One chain of a log: what one process wrote after the other. */
export interface AuditLogChain {
  /** Its files, in order. */
  readonly paths: readonly string[];
  /** Number of its first record that is there. */
  readonly firstSeq: number;
  /** Number of its last record. */
  readonly lastSeq: number;
  /** Up to which record a key stands behind it; 0 where none was given. */
  readonly signedThrough: number;
  /** Records after that. */
  readonly unsigned: number;
}

/** What {@linkcode verifyAuditLog} found. */
export interface AuditLogReport {
  /** Whether nothing is wrong with it. */
  readonly ok: boolean;
  /** Records that were read. */
  readonly records: number;
  /** Files that were read. */
  readonly segments: number;
  /** Checkpoints that were read. */
  readonly checkpoints: number;
  /** Up to which record a key stands behind the log; of several chains, the least. */
  readonly signedThrough: number;
  /** Records for which no key stands, of all chains. */
  readonly unsigned: number;
  /** The chains. */
  readonly chains: readonly AuditLogChain[];
  /** The first thing that is wrong; absent when all is well. */
  readonly failure?: AuditLogFailure;
  /** What is not wrong, and should be known. */
  readonly notes: readonly string[];
}

const PURPOSE = "verify an audit log";
/** A crash may follow a crash; more of them in a row look different. */
const MAX_TORN_LINES = 16;

/**
 * Verifies audit logs: that no record was changed, removed, added or moved.
 *
 * It reads files of any size in little memory. What it can tell depends on what it is given: without a key,
 * it finds mistakes and clumsy changes, as everybody can make the hashes anew. With keys, it finds every change
 * up to the last checkpoint. That the end was cut off, it can only tell with a `checkpoint` that was kept away
 * from the machine.
 *
 * The root in a checkpoint is the head of a chain of hashes and not of a Merkle tree: there are no proofs of
 * inclusion.
 *
 * Requires `--allow-read` for the files.
 *
 * @see https://c2sp.org/tlog-checkpoint
 * @example
 * ```ts
 * import { verifyAuditLog } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, '{"kind":"file.read","outcome":"success"}\n');
 * const { ok, failure } = await verifyAuditLog([path]);
 * assertEquals(ok, false);
 * assertEquals(failure?.cause, "unchained");
 * await Deno.remove(path);
 * ```
 *
 * @param paths The files in any order: all segments of a log, of several logs, too.
 * @param options Keys, checkpoint and bounds.
 * @returns What was found, up to the first thing that is wrong.
 * @throws {TypeError} If there is no file, or an option is wrong, such as a checkpoint that no key signed.
 * @throws {RangeError} If `maxLineBytes` is out of bounds.
 * @throws {SecurityError} `audit-log-unreadable` if a file cannot be read.
 */
export async function verifyAuditLog(
  paths: readonly string[],
  options: VerifyAuditLogOptions = {},
): Promise<AuditLogReport> {
  const { keys = [], epochKey, signal } = options;
  const maxLineBytes = integerOption(PURPOSE, "maxLineBytes", options.maxLineBytes, {
    otherwise: 1024 * 1024,
    least: 256,
    most: 256 * 1024 * 1024,
  });
  if (paths.length === 0) throw new TypeError(`Cannot ${PURPOSE}: no file is given`);
  if (epochKey !== undefined && !(epochKey instanceof Uint8Array && epochKey.length === 32)) {
    throw wrongOption(PURPOSE, "epochKey", "32 bytes", epochKey);
  }
  // Throws for a key that is none, before any file is read.
  await openNote("", keys);
  const checkpoint = await readGiven(options.checkpoint, keys);
  const limits = { maxLineBytes, signal };
  const verification = new Verification(
    { keys: [...keys], epochKey, watchSeq: checkpoint?.size, signal },
    limits,
  );
  const found = await verification.run(paths, checkpoint);
  return verification.report(found);
}

async function readGiven(
  note: string | undefined,
  keys: readonly string[],
): Promise<Checkpoint | undefined> {
  if (note === undefined) return undefined;
  const checkpoint = await readCheckpoint(note, keys);
  if (checkpoint === undefined || keys.length > 0 && !checkpoint.isSigned) {
    throw new TypeError(
      `Cannot ${PURPOSE}: 'checkpoint' must be a checkpoint` +
        (keys.length > 0 ? " that a given key signed" : ""),
    );
  }
  return checkpoint;
}

class Verification {
  readonly #keys: ChainKeys;
  readonly #limits: LineLimits;
  readonly #chains: VerifiedChain[] = [];
  readonly #notes: string[] = [];
  #segments = 0;

  constructor(keys: ChainKeys, limits: LineLimits) {
    this.#keys = keys;
    this.#limits = limits;
  }

  async run(
    paths: readonly string[],
    checkpoint: Checkpoint | undefined,
  ): Promise<AuditLogFailure | undefined> {
    for (const segment of await sortSegments(paths, this.#limits)) {
      this.#segments++;
      const found = await this.#readSegment(segment);
      if (found !== undefined) return found;
    }
    const [path = ""] = paths;
    if (checkpoint !== undefined) {
      const found = this.#compare(checkpoint, path);
      if (found !== undefined) return found;
    }
    for (const chain of this.#chains) {
      const found = this.#missing(chain) ?? chain.end(this.#notes);
      if (found !== undefined) return found;
    }
    const hasKeys = this.#keys.keys.length > 0 || this.#keys.epochKey !== undefined;
    if (hasKeys && this.#chains.length === 0) {
      return failure("unsigned", { path, line: 1 }, "There is no checkpoint at all");
    }
    return undefined;
  }

  report(found: AuditLogFailure | undefined): AuditLogReport {
    const chains = this.#chains.map((chain) => ({
      paths: chain.paths,
      firstSeq: chain.before.seq + 1,
      lastSeq: chain.state.seq,
      signedThrough: chain.signedThrough,
      unsigned: chain.unsigned,
    }));
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    return {
      ok: found === undefined,
      records: sum(this.#chains.map((chain) => chain.records)),
      segments: this.#segments,
      checkpoints: sum(this.#chains.map((chain) => chain.checkpoints)),
      signedThrough: chains.length === 0
        ? 0
        : Math.min(...chains.map(({ signedThrough }) => signedThrough)),
      unsigned: sum(chains.map(({ unsigned }) => unsigned)),
      chains,
      ...found === undefined ? {} : { failure: found },
      notes: this.#notes,
    };
  }

  async #readSegment({ path, first, isEmpty }: Segment): Promise<AuditLogFailure | undefined> {
    if (isEmpty) {
      this.#notes.push(`${path}: empty`);
      return undefined;
    }
    if (first === undefined) return await this.#readStrange(path);
    const chain = await this.#chainOf(first, path);
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
    if (record === undefined) return this.#readBadLine(chain, line, path);
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

  #readBadLine(
    chain: VerifiedChain,
    line: LogLine,
    path: string,
  ): AuditLogFailure | undefined {
    const at = { path, line: line.number };
    if (line.isTooLong) {
      const message = `The line has more than ${this.#limits.maxLineBytes} bytes`;
      return failure("too-long", at, message);
    }
    const seq = chain.state.seq + 1;
    if (isJson(line.text)) {
      const message = "The line is not as it was written: its hash, or its spelling, is another";
      return failure("edited", at, message, seq);
    }
    chain.torn.push({ ...at, isEnded: line.isEnded });
    if (chain.torn.length <= MAX_TORN_LINES) return undefined;
    return failure("edited", chain.torn[0]!, "The line is no JSON", seq);
  }

  /** A file without any record. */
  async #readStrange(path: string): Promise<AuditLogFailure | undefined> {
    for await (const lines of readLines(path, this.#limits)) {
      const [line] = lines;
      if (line === undefined) continue;
      const at = { path, line: line.number };
      if (line.isTooLong) {
        return failure("too-long", at, `The line has more than ${this.#limits.maxLineBytes} bytes`);
      }
      if (isUnchained(line.text)) {
        return failure("unchained", at, "The records carry no hashes, so nothing can be told");
      }
      if (!isJson(line.text) && !line.isEnded) {
        this.#notes.push(`${path}:${line.number}: the only line is torn, as after a crash`);
        return undefined;
      }
      return failure("edited", at, "The line is no record of a chain");
    }
    return undefined;
  }

  /** The chain that a segment goes on with, or what is wrong with its beginning. */
  async #chainOf(
    first: ChainRecord,
    path: string,
  ): Promise<VerifiedChain | AuditLogFailure> {
    const at = { path, line: 1 };
    const { seq, prev, hash, writer } = first;
    const next = this.#chains.find((chain) => chain.isNext(first));
    if (next !== undefined) return next;
    for (const chain of this.#chains) {
      const isCopy = chain.hashAt(seq) === hash || seq === 1 && chain.hasWriter(writer);
      const isFork = seq > 1 && seq <= chain.state.seq &&
        (chain.hashAt(seq - 1) === prev || chain.hasWriter(writer));
      if (isCopy || isFork) {
        const message = `Record ${seq} is in two files: ${chain.first.path} has it, too`;
        return failure("forked", at, message, seq);
      }
    }
    const broken = this.#chains.find((chain) => chain.hasWriter(writer));
    if (broken !== undefined) return await classify(broken, first, at, this.#limits);
    if (seq === 1 && prev !== GENESIS.hash) {
      return failure("edited", at, "The first record follows another", seq);
    }
    const chain = new VerifiedChain(at, stateBefore(first), this.#keys);
    this.#chains.push(chain);
    return chain;
  }

  /** What a chain lacks before its first record. */
  #missing(chain: VerifiedChain): AuditLogFailure | undefined {
    const { before: { seq }, prunedThrough, first } = chain;
    if (seq <= prunedThrough) return undefined;
    const older = this.#chains.filter((other) => other !== chain && other.state.seq <= seq)
      .reduce<VerifiedChain | undefined>(
        (a, b) => a === undefined || b.state.seq > a.state.seq ? b : a,
        undefined,
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

  #compare(checkpoint: Checkpoint, path: string): AuditLogFailure | undefined {
    const { size, root } = checkpoint;
    const match = this.#chains.find(({ watched }) => watched?.hash === root);
    if (match !== undefined) {
      if (checkpoint.isSigned) match.cover(size);
      return undefined;
    }
    const other = this.#chains.find(({ watched }) => watched !== undefined)?.watched;
    if (other !== undefined) {
      const message = `Record ${size} is not the one that the given checkpoint covers`;
      return failure("resealed", other, message, size);
    }
    const longest = this.#chains.reduce<VerifiedChain | undefined>(
      (a, b) => a === undefined || b.state.seq > a.state.seq ? b : a,
      undefined,
    );
    if (longest !== undefined && longest.before.seq > size) {
      this.#notes.push(
        `The given checkpoint covers records up to ${size} only, which are not here`,
      );
      return undefined;
    }
    const end = longest?.state.seq ?? 0;
    const message =
      `The given checkpoint covers records up to ${size}, and the log ends with ${end}`;
    return failure("truncated", longest?.last ?? { path, line: 1 }, message, end);
  }
}

function isJson(text: string | undefined): boolean {
  if (text === undefined) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether a line is a record as a sink without a chain writes it. */
function isUnchained(text: string | undefined): boolean {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && "kind" in value &&
      !("hash" in value) && !("prev" in value);
  } catch {
    return false;
  }
}
