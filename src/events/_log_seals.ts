/**
 * Checkpoints and prunes of a log: work that waits for a signer, one piece after the other.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import type { Clock, ClockTimer } from "../_internal/clock.ts";
import { type ChainState, GENESIS } from "./_chain.ts";
import type { Checkpoints } from "./_checkpoints.ts";
import type { LogFileOps } from "./_log_file_ops.ts";
import { readFirstLine, readTail } from "./_log_tail.ts";
import type { LogWriter } from "./_log_writer.ts";
import { ownEvent, readState, readStateBefore } from "./_record_lines.ts";
import { removeSegment } from "./_rotation.ts";

/** What {@linkcode LogSeals} needs. */
export interface LogSealsOptions {
  readonly ops: LogFileOps;
  readonly checkpoints: Checkpoints | undefined;
  /** Whether there is a key for checkpoints. */
  readonly hasKey: boolean;
  /** Time after which records get a checkpoint even if there are few. */
  readonly everyMs: number;
  /** Segments that are kept. */
  readonly keep: number;
  readonly clock: Clock;
}

/** Makes checkpoints when they are due, and removes the oldest segments. */
export class LogSeals {
  readonly #options: LogSealsOptions;
  readonly #writer: LogWriter;
  #running: Promise<void> = Promise.resolve();
  #isPruning = false;
  #isFailing = false;
  #sealed: ChainState = GENESIS;
  #timer: ClockTimer | undefined;
  #isClosed = false;

  constructor(options: LogSealsOptions, writer: LogWriter) {
    this.#options = options;
    this.#writer = writer;
  }

  /** To be called when records have been written. */
  written(rotated: boolean): void {
    if (this.#isClosed) return;
    const { checkpoints, hasKey, everyMs, clock, keep } = this.#options;
    if (rotated && Number.isFinite(keep)) this.#prune();
    if (checkpoints === undefined || !hasKey) return;
    if (rotated || checkpoints.isDue(this.#writer.state)) void this.checkpoint();
    else if (this.#isUnsealed()) {
      this.#timer ??= clock.setTimer(() => {
        this.#timer = undefined;
        if (checkpoints.isDue(this.#writer.state)) void this.checkpoint();
        else this.written(false);
      }, everyMs);
    }
  }

  #isUnsealed(): boolean {
    return this.#writer.state.seq > this.#sealed.seq;
  }

  /** Makes a checkpoint of all that is in the file, unless it has one. */
  checkpoint(): Promise<void> {
    const { checkpoints, hasKey } = this.#options;
    if (checkpoints === undefined || !hasKey) return this.#running;
    return this.#then(async () => {
      if (!this.#isUnsealed()) return;
      const state = this.#writer.state;
      const details = await checkpoints.make(state);
      // Its own record needs none, if nothing came between.
      this.#sealed = this.#writer.state.seq === state.seq
        ? { ...state, seq: state.seq + 1 }
        : state;
      this.#record("audit.checkpoint", details);
    });
  }

  #then(work: () => Promise<void>): Promise<void> {
    return this.#running = this.#running.then(work).catch(() => {
      // Once, until it works again: the log says that it was not sealed.
      if (!this.#isFailing) this.#writer.lose("checkpoint-failed", 0);
      this.#isFailing = true;
    });
  }

  #record(kind: string, details: Record<string, unknown>): void {
    this.#isFailing = false;
    this.#writer.writeOwn(ownEvent(kind, "success", this.#options.clock.wallMs(), details), 0);
  }

  #prune(): void {
    if (this.#isPruning) return;
    this.#isPruning = true;
    void this.#then(async () => {
      this.#isPruning = false;
      await this.#pruneOldest();
    });
  }

  async #pruneOldest(): Promise<void> {
    const { ops, checkpoints, keep } = this.#options;
    const segments = this.#writer.log.series.segments(ops);
    const removed = segments.slice(0, Math.max(0, segments.length - keep));
    if (removed.length === 0) return;
    const names = removed.map((path) => basename(path));
    const last = this.#lastOf(segments, removed.length);
    const details = checkpoints === undefined
      ? { segments: names, seq: last.seq }
      : await checkpoints.makePrune(last, names);
    this.#record("audit.prune", details);
    // Nothing goes before the record of it is in the file.
    await this.#writer.flush();
    for (const path of removed) removeSegment(ops, path);
  }

  /** Where the log stood at the end of the segments that are removed. */
  #lastOf(segments: readonly string[], count: number): ChainState {
    const { ops, checkpoints } = this.#options;
    const isChained = checkpoints !== undefined;
    const next = segments[count];
    const first = next === undefined ? undefined : readFirstLine(ops, next);
    const before = first === undefined ? undefined : readStateBefore(first, isChained);
    if (before !== undefined) return before;
    const line = readTail(ops, segments[count - 1]!).lines[0];
    return (line === undefined ? undefined : readState(line, isChained)) ?? GENESIS;
  }

  /** Waits for what runs. */
  async settled(): Promise<void> {
    let running: Promise<void> | undefined;
    while (running !== this.#running) await (running = this.#running);
  }

  /** Begins nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
