/**
 * The segment that is written now: how it is found, left and followed by the next.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { Clock } from "../_internal/clock.ts";
import { type ChainState, GENESIS } from "./_chain.ts";
import { lockName, LogFile } from "./_log_file.ts";
import type { HeldLock, LogFileOps } from "./_log_file_ops.ts";
import { readFirstLine, readTail } from "./_log_tail.ts";
import type { GapCause } from "./_losses.ts";
import { readState, readStateBefore, recordedMs } from "./_record_lines.ts";
import { type RotationLimits, Series } from "./_rotation.ts";

/** What {@linkcode ActiveLog} needs. */
export interface ActiveLogOptions {
  readonly ops: LogFileOps;
  readonly path: string;
  readonly writer: string;
  readonly isChained: boolean;
  readonly rotation: RotationLimits | undefined;
  readonly clock: Clock;
  /** Whether names have to be on the disk as well. */
  readonly syncsFolder: boolean;
}

/** What was found when the log was opened, or looked at again. */
export interface Finding {
  /** Why there is another file, if there is. */
  readonly start?: "created" | "opened" | "unreadable-tail" | "in-use" | "file-moved";
  /** What may be missing. */
  readonly gap?: {
    readonly cause: GapCause;
    readonly count: number;
    readonly atMs: number;
  };
}

/** Waits this long after a rotation that failed. */
const ROTATION_RETRY_MS = 1_000;

/** The segment that is written now. */
export class ActiveLog {
  readonly #options: ActiveLogOptions;
  #series: Series;
  #nameLock: HeldLock | undefined;
  #file: LogFile | undefined;
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

  #open(nextSeq: number): Finding {
    const { ops, writer, clock, syncsFolder } = this.#options;
    const isOwn = () => this.#series.path !== this.#options.path;
    if (!isOwn()) {
      this.#nameLock ??= lockName(ops, `${this.#series.path}.lock`);
      if (this.#nameLock === undefined) this.#series = this.#series.ownOf(writer);
    }
    let file = LogFile.open(ops, this.#series.path);
    if (file === undefined && !isOwn()) {
      this.#series = this.#series.ownOf(writer);
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
        finding = this.#readOn(nextSeq);
      } else {
        finding = { start: this.#wasOpen ? "file-moved" : isOwn() ? "in-use" : "created" };
        if (!this.#wasOpen) this.#followSegments();
      }
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
    this.#wasOpen = true;
    if (syncsFolder && file.size === 0) ops.syncFolder(this.#series.folder);
    return finding;
  }

  /** A crash within a rotation leaves segments only: the log goes on from the last one. */
  #followSegments(): void {
    const { ops, isChained } = this.#options;
    const last = this.#series.segments(ops).at(-1);
    if (last === undefined) return;
    const { lines, rest } = readTail(ops, last);
    this.#state = readState(rest, isChained) ?? lastState(lines, isChained) ?? GENESIS;
    this.#firstSeq = this.#state.seq + 1;
  }

  /** Reads the ends of a file that was there before. */
  #readOn(nextSeq: number): Finding {
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
    const gap = rest !== "" && restState === undefined
      ? { gap: { cause: "torn-line" as const, count: 1, atMs: modifiedMs } }
      : {};
    // The log goes on from what it wrote itself, whatever lies under its name now.
    if (this.#wasOpen) return { start: "file-moved", ...gap };
    const found = restState ?? lastState(lines, isChained);
    if (found !== undefined) this.#state = found;
    else if (before === undefined) this.#firstSeq = nextSeq;
    return { start: found === undefined ? "unreadable-tail" : "opened", ...gap };
  }

  /**
   * Appends bytes.
   *
   * @throws {AppendError} With the number of bytes that are in the file all the same.
   */
  append(bytes: Uint8Array, length: number): void {
    if (this.#file === undefined) throw new Error("there is no file");
    const { size } = this.#file;
    try {
      this.#file.append(bytes, length);
      this.#lineIsOpen = false;
    } catch (error) {
      const written = this.#file.size - size;
      if (written > 0) this.#lineIsOpen = bytes[written - 1] !== 0x0a;
      throw error;
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
      ops.rename(this.#series.path, this.#series.segment(ops, this.#firstSeq, writer));
    } catch {
      this.#rotatesFromMs = clock.monotonicMs() + ROTATION_RETRY_MS;
      return undefined;
    }
    this.#file?.close();
    this.#file = undefined;
    const { path } = this.#series;
    const { start: _, ...finding } = this.#open(nextSeq);
    return path === this.#series.path ? finding : { ...finding, start: "in-use" };
  }

  /** Brings everything to the disk, without holding up the program. */
  async sync(): Promise<void> {
    await this.#file?.sync();
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
    if (state !== undefined) return state;
    try {
      JSON.parse(line);
      return undefined;
    } catch {
      continue;
    }
  }
  return undefined;
}
