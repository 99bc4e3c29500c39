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
import type { LogWriter } from "./_log_writer.ts";
import { ownEvent } from "./_record_lines.ts";
import { removeSegment } from "./_rotation.ts";
import { linkedSegments } from "./_segment_links.ts";

/** Time after a failure until the next attempt, whoever asks: a signer that hangs must not hold up every flush. */
const RETRY_MS = 10_000;

/** Segments that one record removes: their names have to fit into it. */
const MAX_REMOVED = 1_000;

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

/**
 * Bytes after which records get a checkpoint even if they are few: the next start looks back 8 MiB for one, and
 * what clients send must not push it out of sight.
 */
const MAX_UNSEALED_BYTES = 2 * 1024 * 1024;

/** Makes checkpoints when they are due, and removes the oldest segments. */
export class LogSeals {
  readonly #options: LogSealsOptions;
  readonly #writer: LogWriter;
  #running: Promise<void> = Promise.resolve();
  /** The checkpoint that has not begun, for all who ask for one until it does. */
  #pending: Promise<void> | undefined;
  #notBeforeMs = -Infinity;
  #isPruning = false;
  #isFailing = false;
  #hasToldOthers = false;
  #sealed: ChainState = GENESIS;
  /** How many bytes had been written at the last checkpoint. */
  #sealedBytes = 0;
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
    if (rotated || this.#isMuch || checkpoints.isDue(this.#writer.state)) void this.checkpoint();
    else if (this.#isUnsealed()) {
      this.#timer ??= clock.setTimer(() => {
        this.#timer = undefined;
        if (checkpoints.isDue(this.#writer.state)) void this.checkpoint();
        else this.written(false);
      }, everyMs);
    }
  }

  get #isMuch(): boolean {
    return this.#writer.stats.bytes - this.#sealedBytes >= MAX_UNSEALED_BYTES;
  }

  #isUnsealed(): boolean {
    return this.#writer.state.seq > this.#sealed.seq;
  }

  /** Makes a checkpoint of all that is in the file, unless it has one, or one has failed a moment ago. */
  checkpoint(): Promise<void> {
    const { checkpoints, hasKey } = this.#options;
    if (checkpoints === undefined || !hasKey) return this.#running;
    return this.#pending ??= this.#then(async () => {
      this.#pending = undefined;
      if (!this.#isUnsealed() || this.#hasFailedLately) return;
      const state = this.#writer.state;
      this.#sealedBytes = this.#writer.stats.bytes;
      // A signature of what a loss of power takes away would make that look like a forgery.
      await this.#writer.flush();
      checkpoints.kept();
      const details = await checkpoints.make(state);
      // Its own record needs none, if nothing came between.
      this.#sealed = this.#writer.state.seq === state.seq
        ? { ...state, seq: state.seq + 1 }
        : state;
      this.#record("audit.checkpoint", details);
    });
  }

  #then(work: () => Promise<void>): Promise<void> {
    const { clock } = this.#options;
    return this.#running = this.#running.then(work).catch(() => {
      this.#notBeforeMs = clock.monotonicMs() + RETRY_MS;
      // Once, until it works again: the log says that it was not sealed.
      if (!this.#isFailing) this.#writer.lose("checkpoint-failed", 0);
      this.#isFailing = true;
    });
  }

  get #hasFailedLately(): boolean {
    return this.#options.clock.monotonicMs() < this.#notBeforeMs;
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
      if (!this.#hasFailedLately) await this.#pruneOldest();
    });
  }

  async #pruneOldest(): Promise<void> {
    const { ops, checkpoints, keep } = this.#options;
    const { series } = this.#writer.log;
    const { linked, others } = linkedSegments(
      ops,
      series.path,
      series.segments(ops),
      checkpoints !== undefined,
    );
    if (others.length > 0 && !this.#hasToldOthers) this.#writer.lose("unlinked-segments", 0);
    this.#hasToldOthers ||= others.length > 0;
    const removed = linked.slice(0, Math.min(MAX_REMOVED, Math.max(0, linked.length - keep)));
    const last = removed.at(-1)?.end;
    if (last === undefined) return;
    const names = removed.map(({ path }) => basename(path));
    const details = checkpoints === undefined
      ? { segments: names, seq: last.seq }
      : await checkpoints.makePrune(last, names);
    this.#record("audit.prune", details);
    // Nothing goes before the record of it is in the file.
    await this.#writer.flush();
    for (const { path } of removed) removeSegment(ops, path);
  }

  /** Waits for what was begun by now, not for what comes of it: under load there is always more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Begins nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
