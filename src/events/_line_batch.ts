/**
 * Lines on their way to one write.
 *
 * @module
 */

import type { ChainState } from "./_chain.ts";
import type { Entry } from "./_log_writer.ts";

/** One write is no longer than this, unless a single line is. */
const BATCH_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

/** Collects lines, and knows after a write that was cut short which of them are in the file. */
export class LineBatch {
  // The first byte is for the end of a line that an earlier write has left open.
  #buffer = new Uint8Array(1 + BATCH_BYTES);
  #used = 1;
  #entries: Entry[] = [];
  #ends: number[] = [];
  #state: ChainState | undefined;
  readonly #encoder = new TextEncoder();
  #scratch = new Uint8Array(8 * 1024);

  /** Bytes of all lines. */
  get bytes(): number {
    return this.#used - 1;
  }

  /** Where the log stands after the last line. */
  get state(): ChainState | undefined {
    return this.#state;
  }

  /** A line as bytes, with its line feed; valid until the next call. */
  encode(line: string): Uint8Array {
    // No UTF-16 unit takes more than three bytes.
    const most = line.length * 3 + 1;
    if (this.#scratch.length < most) {
      if (most > BATCH_BYTES) return this.#encoder.encode(`${line}\n`);
      this.#scratch = new Uint8Array(most * 2);
    }
    const { written } = this.#encoder.encodeInto(line, this.#scratch);
    this.#scratch[written] = LINE_FEED;
    return this.#scratch.subarray(0, written + 1);
  }

  /** Whether there is room for a line, or no other line that could go first. */
  hasRoom(length: number): boolean {
    return this.#used + length <= this.#buffer.length || this.#entries.length === 0;
  }

  /** Adds a line. */
  add(line: Uint8Array, entry: Entry, state: ChainState): void {
    if (this.#used + line.length > this.#buffer.length) {
      this.#buffer = new Uint8Array(1 + line.length);
    }
    this.#buffer.set(line, this.#used);
    this.#used += line.length;
    this.#entries.push(entry);
    this.#ends.push(this.#used - 1);
    this.#state = state;
  }

  /** The bytes to write, with a line feed before them where the file ends within a line. */
  view(endsLine: boolean): { bytes: Uint8Array; length: number; offset: number } {
    this.#buffer[0] = LINE_FEED;
    const offset = endsLine ? 1 : 0;
    const bytes = this.#buffer.subarray(1 - offset, this.#used);
    return { bytes, length: bytes.length, offset };
  }

  /**
   * Takes what a write that was cut short has brought to the file. A line is there without its line feed, too.
   *
   * @param count Bytes of the lines that are in the file.
   */
  takeWritten(count: number): {
    entries: Entry[];
    lastLine: string | undefined;
    bytes: number;
    isTorn: boolean;
  } {
    let lines = 0;
    while (lines < this.#ends.length && this.#ends[lines]! - 1 <= count) lines++;
    const end = lines === 0 ? 0 : this.#ends[lines - 1]!;
    const start = lines < 2 ? 0 : this.#ends[lines - 2]!;
    return {
      lastLine: lines === 0 ? undefined : new TextDecoder().decode(
        this.#buffer.subarray(1 + start, end),
      ),
      entries: this.#entries.splice(0, lines),
      bytes: Math.max(0, Math.min(count, end)),
      isTorn: count > end,
    };
  }

  /** Takes all entries, and begins a new batch. */
  takeEntries(): Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#ends = [];
    this.#used = 1;
    this.#state = undefined;
    if (this.#buffer.length > 1 + BATCH_BYTES) this.#buffer = new Uint8Array(1 + BATCH_BYTES);
    return entries;
  }
}
