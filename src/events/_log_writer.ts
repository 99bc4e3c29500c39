/**
 * From events to lines in a file: the queue, and how safe a record is before whoever waits for it goes on.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { Clock, ClockTimer } from "../_internal/clock.ts";
import type { ActiveLog } from "./_active_log.ts";
import type { ChainState } from "./_chain.ts";
import { isEnding } from "./_exit_flush.ts";
import { closed, unavailable } from "./_log_errors.ts";
import { LogAppender } from "./_log_appender.ts";
import type { LogFileOps } from "./_log_file_ops.ts";
import { LogQueue, type QueueLimits } from "./_log_queue.ts";
import { LogSync } from "./_log_sync.ts";
import type { GapCause } from "./_losses.ts";
import { roughBytes, type Unnumbered } from "./_record_lines.ts";
import type { SealCheck } from "./_resume.ts";
import type { RotationLimits } from "./_rotation.ts";
import { Turns } from "./_turns.ts";

/** How safe a record is when `write` has settled. */
export type Durability = "buffered" | "write" | "fsync";

/** What {@linkcode LogWriter} needs. */
export interface LogWriterOptions extends QueueLimits {
  readonly ops: LogFileOps;
  readonly path: string;
  readonly writer: string;
  readonly durability: Durability;
  readonly isChained: boolean;
  readonly sealCheck: SealCheck | undefined;
  readonly isExclusive: boolean;
  readonly rotation: RotationLimits | undefined;
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
  readonly #sync: LogSync;
  readonly #turns: Turns;
  readonly #queue: LogQueue;
  #failure: unknown;
  #triedMs = -Infinity;
  #isDue = false;
  /** The batch that is on its way to the disk. */
  #commit: Promise<void> = Promise.resolve();
  /** The one after it. */
  #next: Promise<void> | undefined;
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
    this.#queue = new LogQueue(options);
    try {
      this.#appender = new LogAppender(options);
    } catch (error) {
      if (error instanceof SecurityError) throw error;
      throw unavailable(error);
    }
    this.#sync = new LogSync(this.#appender.log, options.clock);
    this.#turns = new Turns(options.clock);
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
    if (this.#isClosed) throw closed();
    const bytes = roughBytes(event);
    const room = this.#room(bytes);
    if (room === "none") {
      this.lose("queue-full", 1);
      return Promise.reject(queueIsFull());
    }
    const stays = this.#options.durability === "buffered";
    if (stays && room === "free") {
      this.#push({ event, bytes, weight: 1, stays, done: undefined });
      return;
    }
    return new Promise((resolve, reject) => {
      const done = (error?: unknown) => error === undefined ? resolve() : reject(error);
      this.#push({ event, bytes, weight: 1, stays, done });
    });
  }

  /**
   * Takes a record of the sink's own. There is always room for one that stands for no event: those are few,
   * and others rely on them.
   *
   * @param event The record.
   * @param weight How many events it stands for.
   * @param done Told how it ended.
   */
  writeOwn(event: Unnumbered, weight: number, done?: (error?: unknown) => void): void {
    const bytes = roughBytes(event);
    // A flood from ever new addresses makes ever new records: they must not grow without end, either.
    if (weight > 0 && this.#room(bytes) === "none") {
      this.lose("queue-full", weight);
      done?.(queueIsFull());
      return;
    }
    const stays = this.#options.durability === "buffered" || done === undefined;
    this.#push({ event, bytes, weight, stays, done });
  }

  /** Makes room for an event: in the queue, or among those whose writers wait. */
  #room(bytes: number): "free" | "waiting" | "none" {
    if (this.#queue.hasRoom(bytes)) return "free";
    if (this.#options.durability !== "fsync" && this.#failure === undefined) {
      this.flushNow();
      if (this.#queue.hasRoom(bytes)) return "free";
    }
    return this.#queue.wait() ? "waiting" : "none";
  }

  /** Notes what is lost, or may be. */
  lose(cause: GapCause, count: number): void {
    this.#appender.losses.add(cause, count, this.#options.clock.wallMs());
    if (this.#failure === undefined && !this.#isDraining) this.#schedule();
  }

  #push(entry: Entry): void {
    this.#queue.add(entry);
    if (this.#isDraining) return;
    const { durability } = this.#options;
    const isMuch = this.#queue.bytes >= CHUNK_BYTES;
    if (isMuch && (durability === "write" || durability === "buffered" && !this.#failure)) {
      this.flushNow();
    } else {
      this.#schedule();
    }
  }

  #schedule(): void {
    const { durability, clock, flushIntervalMs } = this.#options;
    if (isEnding()) {
      this.flushNow();
    } else if (durability === "buffered") {
      if (this.#failure !== undefined) return;
      this.#timer ??= clock.setTimer(() => this.flushNow(), flushIntervalMs);
    } else if (durability === "fsync") {
      void this.#commitSoon();
    } else if (!this.#isDue) {
      // What else comes in this turn goes with it.
      this.#isDue = true;
      this.#turns.soon(() => {
        this.#isDue = false;
        if (!this.#isClosed) this.flushNow();
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
      this.#isUnsynced = false;
      this.#sync.syncNow();
    } catch (error) {
      return this.#syncFailed(written, error);
    }
    this.#synced(written);
  }

  /**
   * Brings all that is queued by now to the disk, and under `fsync` settles it. One batch follows the other, each
   * with all that came during the one before; who waits for one does not wait for what comes later.
   *
   * @returns What settles with the batch, and never rejects.
   */
  #commitSoon(): Promise<void> {
    return this.#next ??= this.#commit.then(() => {
      this.#next = undefined;
      return this.#commit = this.#commitBatch();
    });
  }

  async #commitBatch(): Promise<void> {
    let written = this.#drain();
    if (this.#options.durability !== "fsync") {
      if (written.length > 0) this.#settle(written);
      written = [];
    }
    if (!this.#isUnsynced && this.#syncFailure === undefined) return;
    // What is written during the sync may not be part of it.
    this.#isUnsynced = false;
    try {
      if (this.#syncFailure !== undefined) throw this.#syncFailure;
      await this.#sync.sync();
    } catch (error) {
      return this.#syncFailed(written, error);
    }
    this.#synced(written);
  }

  #synced(written: readonly Entry[]): void {
    this.#syncs++;
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
    this.#timer = undefined;
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.setTimer(() => void this.#retry(), RETRY_MS);
  }

  async #retry(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isClosed) return;
    if (!this.#appender.hasOwn && this.#queue.length === 0) {
      // There is nothing to say, and so nothing that could fail.
      this.#failure = undefined;
    } else if (this.#options.durability === "fsync") {
      // Not at once: a disk that hangs would take the program with it.
      await this.#commitSoon();
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
    // A disk that hangs would hold up the program here.
    this.#appender.rotates = !this.#sync.isHung;
    const { written, unsaved, error, syncError, rotated } = this.#appender.append(
      this.#queue.takeAll(),
    );
    this.#isDraining = false;
    this.#syncFailure ??= syncError;
    this.#isUnsynced ||= written.length > 0;
    this.#isWhole = error === undefined;
    if (error !== undefined) this.#keepOrLose(unsaved, error);
    else if (this.#appender.hasOwn && rotated) this.#schedule();
    if (written.length > 0) this.onWritten(rotated);
    return written;
  }

  /** What could not be written stays in the queue, or is lost. */
  #keepOrLose(entries: readonly Entry[], cause: unknown): void {
    const error = unavailable(cause);
    this.#fails(error);
    for (const entry of entries) {
      if (entry.stays) {
        this.#queue.putBack(entry);
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
    const { clock } = this.#options;
    if (this.#failure !== undefined && clock.monotonicMs() - this.#triedMs >= READY_RETRY_MS) {
      await this.#retry();
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#queue.isFull) throw queueIsFull();
  }

  /** Brings all that was written by now to the disk. */
  async flush(): Promise<void> {
    await this.#commitSoon();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives everything back; what is still queued is lost. */
  close(): void {
    this.#isClosed = true;
    this.#turns.close();
    this.#timer?.cancel();
    this.#timer = undefined;
    const error = closed();
    for (const entry of this.#queue.takeAll()) {
      this.#lost("write-failed", entry);
      entry.done?.(error);
    }
    // Who waits for a disk that hangs learns that it ended like that.
    this.#sync.giveUp(error);
    this.#appender.log.close();
  }
}

function queueIsFull(): SecurityError {
  return unavailable(new Error("the queue is full"));
}
