/**
 * The segment that is written now: how it is found, left and followed by the next.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { Clock } from "../_internal/clock.ts";
import { type ChainState, GENESIS } from "./_chain.ts";
import { AppendError, hasLock, lockName, LogFile } from "./_log_file.ts";
import type { HeldLock, LogFileOps } from "./_log_file_ops.ts";
import { isJson, readFirstLine, readTail } from "./_log_tail.ts";
import type { GapCause } from "./_losses.ts";
import { readState, readStateBefore, recordedMs } from "./_record_lines.ts";
import { isSealed, type SealCheck } from "./_resume.ts";
import { type RotationLimits, Series } from "./_rotation.ts";
import { stateAtEnd, stateAtStart } from "./_segment_links.ts";

/** What {@linkcode ActiveLog} needs. */
export interface ActiveLogOptions {
  readonly ops: LogFileOps;
  readonly path: string;
  readonly writer: string;
  readonly isChained: boolean;
  readonly rotation: RotationLimits | undefined;
  readonly clock: Clock;
  /** Whether nothing goes on before names are on the disk, too. */
  readonly syncsAtOnce: boolean;
  /** Whether there is no second log while somebody else writes this one. */
  readonly isExclusive: boolean;
  /** How a log that is there is known as ours; `undefined` where there is no key to know it by. */
  readonly sealCheck: SealCheck | undefined;
}

/** What was found when the log was opened, or looked at again. */
export interface Finding {
  /** Why there is another file, if there is. */
  readonly start?: "created" | "opened" | "unreadable-tail" | "in-use" | "file-moved";
  /** Why the log that was there does not go on, and has the name of a segment now. */
  readonly previous?: "not-sealed" | "not-chained";
  /** What may be missing. */
  readonly gap?: {
    readonly cause: GapCause;
    readonly count: number;
    readonly atMs: number;
  };
}

/** Waits this long after a rotation that failed. */
const ROTATION_RETRY_MS = 1_000;
/** Segments that may be on their way to the disk; with more, the program waits for it. */
const MAX_LEAVING = 16;

/** Most ends of chains that are looked at for the one to go on from. */
const MAX_ENDS = 64;

/** The segment that is written now. */
export class ActiveLog {
  readonly #options: ActiveLogOptions;
  #series: Series;
  #nameLock: HeldLock | undefined;
  #file: LogFile | undefined;
  /** Brings segments that were left to the disk, and their names. */
  #left: Promise<void> | undefined;
  #leaving = 0;
  #wasOpen = false;
  #lineIsOpen = false;
  #state: ChainState = GENESIS;
  #firstSeq = 1;
  #bornMs = 0;
  #rotatesFromMs = -Infinity;

  constructor(options: ActiveLogOptions) {
    this.#options = options;
    this.#series = new Series(options.path);
  }

  /** The names of this log. */
  get series(): Series {
    return this.#series;
  }

  /** Where the log stood when it was opened. */
  get state(): ChainState {
    return this.#state;
  }

  /** Whether the file ends within a line, which has to be ended before the next. */
  get lineIsOpen(): boolean {
    return this.#lineIsOpen;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#file?.size ?? 0;
  }

  /**
   * Makes sure that there is a file under the name of the log, and that it is ours.
   *
   * @param nextSeq Number of the next record, which a new file would begin with.
   * @throws What the system says, or a `SecurityError` that refuses the file.
   */
  look(nextSeq: number): Finding {
    const { clock } = this.#options;
    if (this.#file === undefined) return this.#open(nextSeq);
    const change = this.#file.change();
    if (change === undefined) return {};
    if (change === "file-moved") {
      this.#file.close();
      this.#file = undefined;
      return this.#open(nextSeq);
    }
    this.#lineIsOpen = readTail(this.#options.ops, this.#series.path).rest !== "";
    return { gap: { cause: change, count: 0, atMs: clock.wallMs() } };
  }

  #open(nextSeq: number, isRotated = false): Finding {
    const { ops, clock } = this.#options;
    const isOwn = () => this.#series.path !== this.#options.path;
    if (!isOwn()) {
      this.#nameLock ??= lockName(ops, this.#lockPath);
      if (this.#nameLock === undefined) this.#evade();
    }
    let file = LogFile.open(ops, this.#series.path);
    if (file === undefined && !isOwn()) {
      this.#evade();
      file = LogFile.open(ops, this.#series.path);
    }
    if (file === undefined) {
      throw new SecurityError("audit-unavailable", "The audit log is written by somebody else");
    }
    let finding: Finding;
    try {
      this.#lineIsOpen = false;
      this.#firstSeq = nextSeq;
      this.#bornMs = clock.monotonicMs();
      if (file.size > 0) {
        finding = this.#readOn();
      } else {
        finding = { start: this.#wasOpen ? "file-moved" : isOwn() ? "in-use" : "created" };
        if (!this.#wasOpen) this.#followSegments();
      }
      const previous = this.#wasOpen ? undefined : this.#whyNotOurs(file.size > 0);
      if (previous !== undefined) {
        file = this.#beginAnew(file);
        finding = { start: "created", previous };
      }
      if (file.size === 0 && !isRotated) this.#syncNames();
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
    this.#wasOpen = true;
    return finding;
  }

  get #lockPath(): string {
    return `${this.#options.path}.lock`;
  }

  /** Somebody else writes the log. */
  #evade(): void {
    const { writer, isExclusive } = this.#options;
    if (isExclusive) {
      throw new SecurityError(
        "audit-log-refused",
        "The audit log is in use, and keys of epochs are for one writer: use one store per log",
      );
    }
    this.#series = this.#series.ownOf(writer);
  }

  /** Brings the name of a new file to the disk; other files than fsync's do not depend on it. */
  #syncNames(): void {
    const { ops, syncsAtOnce } = this.#options;
    try {
      ops.syncFolderNow(this.#series.folder);
    } catch (error) {
      if (syncsAtOnce) throw error;
    }
  }

  /** A crash within a rotation leaves segments only: the log goes on from the last one. */
  #followSegments(): void {
    const { ops, isChained, sealCheck } = this.#options;
    const segments = this.#series.segments(ops).map((path) => ({
      before: stateAtStart(ops, path, isChained),
      end: stateAtEnd(ops, path, isChained),
    }));
    const begun = new Set(segments.map(({ before }) => before && `${before.seq} ${before.hash}`));
    // A chain that had to begin anew has lower numbers than others, and anybody may have put a file there: the
    // one that our own checkpoints vouch for is ours.
    const ends = segments.flatMap(({ end }) =>
      end !== undefined && !begun.has(`${end.seq} ${end.hash}`) ? [end] : []
    );
    const paths = this.#series.segments(ops).reverse();
    const sealed = sealCheck &&
      ends.slice(-MAX_ENDS).findLast((end) => isSealed(ops, paths, end, sealCheck));
    this.#state = sealed ?? ends.at(-1) ?? GENESIS;
    this.#firstSeq = this.#state.seq + 1;
  }

  /** Records that somebody else may have written are never gone on with: that would make them genuine. */
  #whyNotOurs(isThere: boolean): Finding["previous"] {
    const { ops, isChained, sealCheck } = this.#options;
    if (!isChained) return undefined;
    const { path } = this.#series;
    if (this.#state === GENESIS) {
      if (!isThere) return undefined;
      const { lines, rest } = readTail(ops, path);
      const isReadable = [...lines, rest].some(isJson) || isJson(readFirstLine(ops, path) ?? "");
      return isReadable ? "not-chained" : undefined;
    }
    if (sealCheck === undefined) return undefined;
    const paths = [...this.#series.segments(ops), ...isThere ? [path] : []].reverse();
    return isSealed(ops, paths, this.#state, sealCheck) ? undefined : "not-sealed";
  }

  /** Puts what is in the file aside, and begins with the first record in another one. */
  #beginAnew(file: LogFile): LogFile {
    const { ops, isChained, writer } = this.#options;
    const { path } = this.#series;
    this.#state = GENESIS;
    this.#firstSeq = 1;
    if (file.size === 0) return file;
    const seq = (stateAtStart(ops, path, isChained)?.seq ?? 0) + 1;
    ops.rename(path, this.#series.segment(ops, seq, writer));
    file.close();
    this.#lineIsOpen = false;
    const next = LogFile.open(ops, path);
    if (next === undefined) throw new Error("The audit log is written by somebody else");
    return next;
  }

  /** Reads the ends of a file that was there before. */
  #readOn(): Finding {
    const { ops, isChained, clock } = this.#options;
    const { lines, rest, modifiedMs } = readTail(ops, this.#series.path);
    const first = readFirstLine(ops, this.#series.path) ?? "";
    this.#lineIsOpen = rest !== "";
    const ageMs = clock.wallMs() - (recordedMs(first) ?? clock.wallMs());
    this.#bornMs = clock.monotonicMs() - Math.max(0, ageMs);
    const before = readStateBefore(first, isChained);
    if (before !== undefined) this.#firstSeq = before.seq + 1;
    // A line may be whole but for its line feed.
    const restState = readState(rest, isChained);
    const found = restState ?? lastState(lines, isChained);
    const gap = rest !== "" && restState === undefined
      ? { gap: { cause: "torn-line" as const, count: 1, atMs: modifiedMs } }
      : {};
    // The log goes on from what it wrote itself, whatever lies under its name now.
    if (this.#wasOpen) return { start: "file-moved", ...gap };
    if (found !== undefined) this.#state = found;
    else if (before === undefined && !lines.some(isJson)) this.#followSegments();
    return { start: this.#state === GENESIS ? "unreadable-tail" : "opened", ...gap };
  }

  /**
   * Appends bytes.
   *
   * @throws {AppendError} With the number of bytes that are in the file all the same.
   */
  append(bytes: Uint8Array, length: number): void {
    if (this.#file === undefined) throw new Error("there is no file");
    try {
      this.#file.append(bytes, length);
      this.#lineIsOpen = false;
    } catch (error) {
      const written = error instanceof AppendError ? error.written : 0;
      if (written > 0) this.#endAt(this.#file, bytes, written);
      throw error;
    }
  }

  /** Half a line is taken back: a disk that is full again and again would leave many of them in a row. */
  #endAt(file: LogFile, bytes: Uint8Array, written: number): void {
    const torn = written - 1 - bytes.subarray(0, written).lastIndexOf(0x0a);
    this.#lineIsOpen = torn > 0;
    // All there but for its line feed: that record is in the file.
    if (torn === 0 || bytes[written] === 0x0a) return;
    try {
      file.takeBack(torn);
      this.#lineIsOpen = false;
    } catch {
      // It is ended before the next line.
    }
  }

  /** Whether the segment has to end before so many bytes more. */
  isFull(moreBytes: number, buffered: number): boolean {
    const { rotation, clock } = this.#options;
    const size = this.size + buffered;
    if (rotation === undefined || size === 0 || this.#file === undefined) return false;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#rotatesFromMs) return false;
    return size + moreBytes > rotation.maxBytes || nowMs - this.#bornMs >= rotation.maxAgeMs;
  }

  /**
   * Gives the file the name of a segment, and begins a new one.
   *
   * @returns The finding, or `undefined` if the file could not be renamed, and goes on.
   */
  rotate(nextSeq: number): Finding | undefined {
    const { ops, writer, clock } = this.#options;
    try {
      if (!this.#holdsName()) throw new Error("somebody else has the lock");
      ops.rename(this.#series.path, this.#series.segment(ops, this.#firstSeq, writer));
    } catch {
      this.#rotatesFromMs = clock.monotonicMs() + ROTATION_RETRY_MS;
      return undefined;
    }
    const left = this.#file;
    this.#file = undefined;
    const { path } = this.#series;
    try {
      const { start: _, ...finding } = this.#open(nextSeq, true);
      return path === this.#series.path ? finding : { ...finding, start: "in-use" };
    } finally {
      if (left !== undefined) this.#leave(left);
    }
  }

  /** Whoever has the lock by now, because its file was deleted, would begin the log while it has no file. */
  #holdsName(): boolean {
    const { ops, path } = this.#options;
    if (this.#series.path !== path) return true;
    if (this.#nameLock !== undefined && hasLock(ops, this.#lockPath, this.#nameLock)) return true;
    this.#nameLock?.release();
    this.#nameLock = undefined;
    this.#nameLock = lockName(ops, this.#lockPath);
    return this.#nameLock !== undefined;
  }

  /** Brings a segment and the names to the disk. */
  #leave(file: LogFile): void {
    const { ops, syncsAtOnce } = this.#options;
    try {
      if (syncsAtOnce) return this.#syncNames();
      const synced = this.#leaving < MAX_LEAVING
        ? file.sync()
        : new Promise<void>((resolve) => resolve(file.syncNow()));
      const named = ops.syncFolder(this.#series.folder).catch(() => {});
      this.#leaving++;
      const left = this.#left = allOf([this.#left, synced, named]).finally(() => this.#leaving--);
      // Told by the next sync.
      left.catch(() => {});
    } finally {
      file.close();
    }
  }

  /** Brings everything to the disk, segments that were left as well, without holding up the program. */
  async sync(): Promise<void> {
    const left = this.#left;
    try {
      await allOf([left, this.#file?.sync()]);
    } finally {
      if (this.#left === left) this.#left = undefined;
    }
  }

  /** Brings everything to the disk. */
  syncNow(): void {
    this.#file?.syncNow();
  }

  /** Gives the file and the lock back. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#nameLock?.release();
    this.#nameLock = undefined;
  }
}

/**
 * Where a log stands that ends with some lines, the last one first. What is no JSON at all is what earlier
 * crashes left of a line; what is JSON but no record of the chain was changed by somebody.
 */
function lastState(lines: readonly string[], isChained: boolean): ChainState | undefined {
  for (const line of lines) {
    const state = readState(line, isChained);
    if (state !== undefined || isJson(line)) return state;
  }
  return undefined;
}

/** Waits for all, whatever the first one says. */
async function allOf(work: readonly (Promise<void> | undefined)[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}
