/**
 * Entries of the queue become lines of the file, and whatever the file system does, it is known which of them
 * are there.
 *
 * @module
 */

import { ActiveLog, type Finding } from "./_active_log.ts";
import type { ChainState } from "./_chain.ts";
import { LineBatch } from "./_line_batch.ts";
import { unavailable } from "./_log_errors.ts";
import { AppendError } from "./_log_file.ts";
import { MAX_LINE_BYTES } from "./_log_tail.ts";
import type { Entry, LogWriterOptions } from "./_log_writer.ts";
import { Losses } from "./_losses.ts";
import { ownEvent, RecordLines, shortened, type Unnumbered } from "./_record_lines.ts";

/** What an attempt to write has come to. */
export interface Appended {
  /** What is in the file, in the order of the file. */
  readonly written: readonly Entry[];
  /** What is not. */
  readonly unsaved: readonly Entry[];
  /** Why it is not. */
  readonly error?: unknown;
  /** Why what was written before a rotation may not be on the disk. */
  readonly syncError?: unknown;
  /** Whether there was a rotation. */
  readonly rotated: boolean;
}

/** Appends entries to a log. */
export class LogAppender {
  /** Whether it may rotate, which waits for the disk. */
  rotates = true;
  /** What is lost and not yet told of. */
  readonly losses = new Losses();
  readonly #options: LogWriterOptions;
  readonly #log: ActiveLog;
  readonly #lines: RecordLines;
  readonly #batch = new LineBatch();
  /** Where the file stands, as opposed to what has been made into lines. */
  #state: ChainState;
  /** Records of its being opened that are still to be written. */
  #starts: Entry[] = [];
  #written: Entry[] = [];
  #syncError: unknown;
  #records = 0;
  #bytes = 0;
  #rotations = 0;

  /** Opens the log; throws what {@linkcode ActiveLog.look} throws. */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#log = new ActiveLog({ ...options, syncsAtOnce: options.durability === "fsync" });
    this.#lines = new RecordLines(options.writer, options.isChained);
    try {
      const finding = this.#log.look(1);
      this.#lines.goOnFrom(this.#log.state);
      this.#state = this.#lines.state;
      this.#note(finding);
    } catch (error) {
      this.#log.close();
      throw error;
    }
  }

  /** The file. */
  get log(): ActiveLog {
    return this.#log;
  }

  /** Where the file stands. */
  get state(): ChainState {
    return this.#state;
  }

  /** Whether there are records of the sink's own to be written. */
  get hasOwn(): boolean {
    return this.#starts.length > 0 || !this.losses.isEmpty;
  }

  /** Numbers for the statistics. */
  get counts(): { readonly written: number; readonly bytes: number; readonly rotations: number } {
    return { written: this.#records, bytes: this.#bytes, rotations: this.#rotations };
  }

  /** Writes entries, with what is to be said before them; never throws. */
  append(entries: readonly Entry[]): Appended {
    const rotations = this.#rotations;
    this.#written = [];
    this.#syncError = undefined;
    let all = entries;
    let at = 0;
    let failed: { readonly unsaved: readonly Entry[]; readonly error: unknown } | undefined;
    try {
      this.#note(this.#log.look(this.#lines.state.seq + 1));
      all = [...this.#takeOwn(), ...entries];
      for (; at < all.length; at++) this.#put(all[at]!);
      this.#appendBatch();
    } catch (error) {
      // The next line has to follow what is in the file.
      this.#lines.goOnFrom(this.#state);
      const unsaved = [...this.#batch.takeEntries(), ...all.slice(at)];
      const isStart = ({ event }: Entry) => event.kind === "audit.start";
      this.#starts.unshift(...unsaved.filter(isStart));
      failed = { unsaved: unsaved.filter((entry) => !isStart(entry)), error };
    }
    return {
      written: this.#written,
      unsaved: [],
      ...failed,
      ...(this.#syncError === undefined ? {} : { syncError: this.#syncError }),
      rotated: this.#rotations > rotations,
    };
  }

  #takeOwn(): Entry[] {
    const starts = this.#starts;
    this.#starts = [];
    const gaps = this.losses.take(this.#options.clock.wallMs());
    return [
      ...starts,
      ...gaps.map(({ event, settled }): Entry => ({
        event,
        bytes: 0,
        weight: 0,
        stays: false,
        done: (error) => settled(error === undefined),
      })),
    ];
  }

  #put(entry: Entry): void {
    const { seq } = this.#lines.state;
    let line: Uint8Array;
    try {
      line = this.#encode(entry.event);
    } catch (error) {
      this.losses.add("write-failed", entry.weight, this.#options.clock.wallMs());
      entry.done?.(unavailable(error));
      return;
    }
    if (this.rotates && this.#log.isFull(line.length, this.#batch.bytes)) this.#rotate(seq + 1);
    else if (!this.#batch.hasRoom(line.length)) this.#appendBatch();
    this.#batch.add(line, entry, this.#lines.state);
  }

  #encode(event: Unnumbered): Uint8Array {
    const { state } = this.#lines;
    const line = this.#batch.encode(this.#lines.next(event));
    if (line.length <= MAX_LINE_BYTES) return line;
    this.#lines.goOnFrom(state);
    const short = this.#batch.encode(this.#lines.next(shortened(event, line.length)));
    if (short.length <= MAX_LINE_BYTES) return short;
    this.#lines.goOnFrom(state);
    throw new RangeError("the record is too long");
  }

  #rotate(nextSeq: number): void {
    this.#appendBatch();
    if (this.#options.durability === "fsync") {
      try {
        this.#log.syncNow();
      } catch (error) {
        this.#syncError = error;
      }
    }
    const finding = this.#log.rotate(nextSeq);
    if (finding === undefined) return;
    this.#rotations++;
    this.#note(finding);
  }

  #appendBatch(): void {
    if (this.#batch.bytes === 0) return;
    const { bytes, length, offset } = this.#batch.view(this.#log.lineIsOpen);
    try {
      this.#log.append(bytes, length);
    } catch (error) {
      const count = error instanceof AppendError ? error.written : 0;
      const { entries, lastLine, bytes, isTorn } = this.#batch.takeWritten(count - offset);
      this.#wrote(entries, bytes);
      if (lastLine !== undefined) this.#state = this.#lines.read(lastLine) ?? this.#state;
      if (isTorn) this.losses.add("torn-line", 0, this.#options.clock.wallMs());
      throw error;
    }
    this.#state = this.#batch.state ?? this.#state;
    this.#wrote(this.#batch.takeEntries(), length);
  }

  #wrote(entries: readonly Entry[], bytes: number): void {
    for (const entry of entries) this.#written.push(entry);
    this.#records += entries.length;
    this.#bytes += bytes;
  }

  #note({ start, previous, gap }: Finding): void {
    const nowMs = this.#options.clock.wallMs();
    if (gap !== undefined) this.losses.add(gap.cause, gap.count, gap.atMs);
    if (start === undefined) return;
    const event = ownEvent("audit.start", "success", nowMs, {
      cause: start,
      continues: this.#lines.state.seq > 0,
      ...(previous === undefined ? {} : { previous }),
      pid: Deno.pid,
      runtime: `deno/${Deno.version.deno}`,
    });
    this.#starts.push({ event, bytes: 0, weight: 0, stays: true, done: undefined });
  }
}
