/**
 * From events to lines in a file: the queue, and how safe a record is before whoever waits for it goes on.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { Clock, ClockTimer } from "../_internal/clock.ts";
import type { ActiveLog } from "./_active_log.ts";
import type { ChainState } from "./_chain.ts";
import { closed, unavailable } from "./_log_errors.ts";
import { LogAppender } from "./_log_appender.ts";
import type { LogFileOps } from "./_log_file_ops.ts";
import type { GapCause } from "./_losses.ts";
import { roughBytes, type Unnumbered } from "./_record_lines.ts";
import type { RotationLimits } from "./_rotation.ts";

/** How safe a record is when `write` has settled. */
export type Durability = "buffered" | "write" | "fsync";

/** What {@linkcode LogWriter} needs. */
export interface LogWriterOptions {
  readonly ops: LogFileOps;
  readonly path: string;
  readonly writer: string;
  readonly durability: Durability;
  readonly isChained: boolean;
  readonly rotation: RotationLimits | undefined;
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly maxWaiting: number;
  readonly flushIntervalMs: number;
  readonly clock: Clock;
}

/** An event in the queue. */
export interface Entry {
  readonly event: Unnumbered;
  readonly bytes: number;
  /** How many events are lost with it. */
  readonly weight: number;
  /** Whether it stays in the queue while the file cannot be written. */
  readonly stays: boolean;
  /** Told how it ended. */
  readonly done: ((error?: unknown) => void) | undefined;
}

/** Bytes in the queue that are written at once, whatever the interval. */
const CHUNK_BYTES = 64 * 1024;
/** Time between attempts while the file cannot be written. */
const RETRY_MS = 1_000;
/** Time after an attempt in which {@linkcode LogWriter.ready} does not make another. */
const READY_RETRY_MS = 50;

/** Writes events to a log. */
export class LogWriter {
  /** Called when records have been written, and whether there was a rotation. */
  onWritten: (rotated: boolean) => void = () => {};
  readonly #options: LogWriterOptions;
  readonly #appender: LogAppender;
  #queue: Entry[] = [];
  #queuedBytes = 0;
  #waiting = 0;
  #failure: unknown;
  #triedMs = -Infinity;
  #isDue = false;
  #commit: Promise<void> = Promise.resolve();
  #isCommitting = false;
  /** Whether the last attempt wrote everything. */
  #isWhole = true;
  #timer: ClockTimer | undefined;
  #isUnsynced = false;
  #syncFailure: unknown;
  #isDraining = false;
  #isClosed = false;
  #syncs = 0;

  /**
   * Opens the log and writes that it was opened.
   *
   * @throws {SecurityError} `audit-log-refused`, or `audit-unavailable` if it cannot be opened.
   */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    try {
      this.#appender = new LogAppender(options);
    } catch (error) {
      if (error instanceof SecurityError) throw error;
      throw unavailable(error);
    }
    this.flushNow();
  }

  /** Numbers for the statistics. */
  get stats(): {
    readonly queued: number;
    readonly written: number;
    readonly bytes: number;
    readonly lost: number;
    readonly syncs: number;
    readonly rotations: number;
    readonly failing: boolean;
    readonly path: string;
  } {
    return {
      ...this.#appender.counts,
      queued: this.#queue.length,
      lost: this.#appender.losses.total,
      syncs: this.#syncs,
      failing: this.#failure !== undefined,
      path: this.#appender.log.series.path,
    };
  }

  /** Identifier in every record. */
  get writer(): string {
    return this.#options.writer;
  }

  /** The log's names. */
  get log(): ActiveLog {
    return this.#appender.log;
  }

  /** Where the file stands. */
  get state(): ChainState {
    return this.#appender.state;
  }

  /**
   * Takes an event.
   *
   * @returns Nothing, or what settles once it is as safe as promised.
   */
  write(event: Unnumbered): void | Promise<void> {
    const { maxRecords, maxBytes, maxWaiting, durability } = this.#options;
    if (this.#isClosed) throw closed();
    const bytes = roughBytes(event);
    let isOver = this.#queue.length >= maxRecords || this.#queuedBytes + bytes > maxBytes;
    if (isOver && durability !== "fsync" && this.#failure === undefined) {
      this.flushNow();
      isOver = this.#queue.length >= maxRecords;
    }
    if (isOver && this.#waiting++ >= maxWaiting) {
      this.#waiting--;
      this.lose("queue-full", 1);
      return Promise.reject(unavailable(new Error("the queue is full")));
    }
    const stays = durability === "buffered";
    if (stays && !isOver) {
      this.#push({ event, bytes, weight: 1, stays, done: undefined });
      return;
    }
    return new Promise((resolve, reject) => {
      const done = (error?: unknown) => error === undefined ? resolve() : reject(error);
      this.#push({ event, bytes, weight: 1, stays, done });
    });
  }

  /** Takes a record of the sink's own, for which there is always room. */
  writeOwn(event: Unnumbered, weight: number, done?: (error?: unknown) => void): void {
    const stays = this.#options.durability === "buffered" || done === undefined;
    this.#push({ event, bytes: roughBytes(event), weight, stays, done });
  }

  /** Notes what is lost, or may be. */
  lose(cause: GapCause, count: number): void {
    this.#appender.losses.add(cause, count, this.#options.clock.wallMs());
    if (this.#failure === undefined && !this.#isDraining) this.#schedule();
  }

  #push(entry: Entry): void {
    this.#queue.push(entry);
    this.#queuedBytes += entry.bytes;
    if (this.#isDraining) return;
    const { durability } = this.#options;
    const isMuch = this.#queuedBytes >= CHUNK_BYTES;
    if (isMuch && (durability === "write" || durability === "buffered" && !this.#failure)) {
      this.flushNow();
    } else {
      this.#schedule();
    }
  }

  #schedule(): void {
    const { durability, clock, flushIntervalMs } = this.#options;
    if (durability === "buffered") {
      if (this.#failure !== undefined) return;
      this.#timer ??= clock.setTimer(() => this.flushNow(), flushIntervalMs);
    } else if (!this.#isDue) {
      // What else comes in this turn goes with it.
      this.#isDue = true;
      queueMicrotask(() => {
        this.#isDue = false;
        if (this.#isClosed) return;
        if (durability === "write") this.flushNow();
        else this.#commitAll();
      });
    }
  }

  /** Writes what is queued, and brings it to the disk where that was promised; never throws. */
  flushNow(): void {
    const written = this.#drain();
    if (written.length === 0) return;
    if (this.#options.durability !== "fsync") return this.#settle(written);
    try {
      if (this.#syncFailure !== undefined) throw this.#syncFailure;
      this.#appender.log.syncNow();
    } catch (error) {
      return this.#syncFailed(written, error);
    }
    this.#synced(written);
  }

  /** One sync after the other, each for all that came during the one before. */
  #commitAll(): Promise<void> {
    if (!this.#isCommitting) this.#commit = this.#commitLoop();
    return this.#commit;
  }

  async #commitLoop(): Promise<void> {
    this.#isCommitting = true;
    try {
      while (true) {
        const written = this.#drain();
        if (written.length === 0) return;
        try {
          if (this.#syncFailure !== undefined) throw this.#syncFailure;
          await this.#appender.log.sync();
        } catch (error) {
          return this.#syncFailed(written, error);
        }
        this.#synced(written);
        if (this.#queue.length === 0) return;
      }
    } finally {
      this.#isCommitting = false;
    }
  }

  #synced(written: readonly Entry[]): void {
    this.#syncs++;
    this.#isUnsynced = false;
    this.#settle(written);
  }

  #settle(written: readonly Entry[]): void {
    if (this.#isWhole) this.#failure = undefined;
    for (const { done } of written) done?.();
  }

  /**
   * After a failed sync nobody knows what is on the disk, and the system does not try those pages again: the
   * records may be in the file, but nobody may rely on it.
   */
  #syncFailed(written: readonly Entry[], cause: unknown): void {
    this.#syncFailure = undefined;
    const error = unavailable(cause);
    this.#appender.losses.add("sync-failed", 0, this.#options.clock.wallMs());
    for (const entry of written) {
      this.#lost("sync-failed", entry);
      entry.done?.(error);
    }
    this.#fails(error);
  }

  #fails(error: unknown): void {
    this.#failure = error;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(() => this.#retry(), RETRY_MS);
  }

  #retry(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isClosed) return;
    if (!this.#appender.hasOwn && this.#queue.length === 0) {
      // There is nothing to say, and so nothing that could fail.
      this.#failure = undefined;
    } else {
      this.flushNow();
    }
  }

  /** Writes all that is queued; returns what is in the file. */
  #drain(): readonly Entry[] {
    if (this.#isDraining || this.#isClosed) return [];
    if (this.#queue.length === 0 && !this.#appender.hasOwn) return [];
    this.#isDraining = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#triedMs = this.#options.clock.monotonicMs();
    const { written, unsaved, error, syncError, rotated } = this.#appender.append(this.#take());
    this.#isDraining = false;
    this.#syncFailure = syncError;
    this.#isUnsynced ||= written.length > 0;
    this.#isWhole = error === undefined;
    if (error !== undefined) this.#keepOrLose(unsaved, error);
    else if (this.#appender.hasOwn && rotated) this.#schedule();
    if (written.length > 0) this.onWritten(rotated);
    return written;
  }

  #take(): Entry[] {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#waiting = 0;
    return queue;
  }

  /** What could not be written stays in the queue, or is lost. */
  #keepOrLose(entries: readonly Entry[], cause: unknown): void {
    const error = unavailable(cause);
    this.#fails(error);
    for (const entry of entries) {
      if (entry.stays) {
        this.#queue.push(entry);
        this.#queuedBytes += entry.bytes;
        if (entry.done !== undefined) this.#waiting++;
        continue;
      }
      this.#lost("write-failed", entry);
      entry.done?.(error);
    }
  }

  #lost(cause: GapCause, { weight }: Entry): void {
    if (weight === 0) return;
    this.#appender.losses.add(cause, weight, this.#options.clock.wallMs());
  }

  /** Throws unless an event could be recorded now. */
  async ready(): Promise<void> {
    if (this.#isClosed) throw closed();
    const { clock, maxRecords, maxWaiting } = this.#options;
    if (this.#failure !== undefined && clock.monotonicMs() - this.#triedMs >= READY_RETRY_MS) {
      if (this.#isCommitting) await this.#commit;
      else this.#retry();
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#queue.length >= maxRecords && this.#waiting >= maxWaiting) {
      throw unavailable(new Error("the queue is full"));
    }
  }

  /** Writes what is queued, and brings all of it to the disk. */
  async flush(): Promise<void> {
    if (this.#options.durability === "fsync") {
      await this.#commit;
      await this.#commitAll();
    } else {
      this.flushNow();
      if (this.#isUnsynced && this.#failure === undefined) {
        this.#isUnsynced = false;
        try {
          await this.#appender.log.sync();
          this.#syncs++;
        } catch (error) {
          this.#syncFailed([], error);
        }
      }
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives everything back; what is still queued is lost. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    const error = closed();
    for (const entry of this.#take()) {
      this.#lost("write-failed", entry);
      entry.done?.(error);
    }
    this.#appender.log.close();
  }
}
