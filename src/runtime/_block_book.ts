import type { Clock } from "../_internal/clock.ts";
import { MAX_TIMEOUT_MS } from "../_internal/options.ts";
import type { BackOffOptions } from "./_back_off.ts";
import type { BlockAudit } from "./_block_audit.ts";
import { MAX_LEVEL } from "./_block_snapshot.ts";
import { type BlockEntry, BlockTable } from "./_block_table.ts";
import type { BlockPlace } from "./_block_target.ts";
import { Offenders } from "./_offenders.ts";

/** Options of {@linkcode BlockBook}. */
export interface BlockBookOptions {
  readonly capacity: number;
  readonly backOff: Required<BackOffOptions>;
  readonly clock: Clock;
  readonly audit: BlockAudit;
}

/** How many blocks end in one turn of the event loop. */
const MAX_EXPIRIES = 1000;

/** Which blocks are in force, when they end, and who had one before. */
export class BlockBook {
  readonly table: BlockTable = new BlockTable();
  readonly offenders: Offenders;
  readonly #capacity: number;
  readonly #backOff: Required<BackOffOptions>;
  readonly #clock: Clock;
  readonly #audit: BlockAudit;
  #timer: { readonly atMs: number; cancel(): void } | undefined;
  #isClosed = false;

  constructor({ capacity, backOff, clock, audit }: BlockBookOptions) {
    this.#capacity = capacity;
    this.#backOff = backOff;
    this.#clock = clock;
    this.#audit = audit;
    this.offenders = new Offenders(capacity);
  }

  /** The block of a target; the timer may be late, so the time counts. */
  live(id: string, nowMs: number): BlockEntry | undefined {
    const entry = this.table.get(id);
    return entry !== undefined && entry.untilMs > nowMs ? entry : undefined;
  }

  /** How long the next block lasts of somebody who had so many. */
  lastsMs(level: number): number {
    const { baseMs, factor, maxMs } = this.#backOff;
    return Math.min(maxMs, Math.round(baseMs * factor ** level));
  }

  /** Remembers how many blocks the offender has had. */
  remember({ id, untilMs }: BlockEntry, level: number): void {
    this.offenders.set(id, {
      level: Math.min(level, MAX_LEVEL),
      forgetAtMs: untilMs + this.#backOff.forgetAfterMs,
    });
  }

  /** Adds a block and makes room for it, or prolongs the one that there is. */
  put(place: BlockPlace, reason: string, level: number, untilMs: number): BlockEntry {
    this.#expire();
    let entry = this.table.get(place.id);
    if (entry !== undefined) {
      entry.reason = reason;
      entry.level = level;
      if (untilMs > entry.untilMs) this.table.prolong(entry, untilMs);
    } else {
      // A flood of blocks must not take all memory; those that would have lasted longest stay.
      while (this.table.size >= this.#capacity) {
        const first = this.table.first!;
        this.table.remove(first);
        this.#audit.happened("evict", first);
      }
      entry = { ...place, reason, level, untilMs, at: 0 };
      this.table.add(entry);
    }
    this.#arm();
    return entry;
  }

  remove(entry: BlockEntry): void {
    this.table.remove(entry);
    this.#arm();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let count = 0; count < MAX_EXPIRIES; count++) {
      const { first } = this.table;
      if (first === undefined || first.untilMs > nowMs) return;
      this.table.remove(first);
      this.#audit.happened("expire", first);
    }
  }

  /** One timer for all blocks: for the one that ends first. */
  #arm(): void {
    const { first } = this.table;
    if (this.#timer !== undefined && (first === undefined || first.untilMs < this.#timer.atMs)) {
      this.#timer.cancel();
      this.#timer = undefined;
    }
    if (first === undefined || this.#timer !== undefined || this.#isClosed) return;
    const delayMs = Math.max(0, Math.ceil(first.untilMs - this.#clock.monotonicMs()));
    const timer = this.#clock.setTimer(() => {
      this.#timer = undefined;
      this.#expire();
      this.#arm();
    }, Math.min(MAX_TIMEOUT_MS, delayMs));
    this.#timer = { atMs: first.untilMs, cancel: () => timer.cancel() };
  }
}
