/**
 * What a log did not get: counted until a record of it is in the file.
 *
 * @module
 */

import { ownEvent, type Unnumbered } from "./_record_lines.ts";

/** Why there is a gap. */
export type GapCause =
  | "queue-full"
  | "write-failed"
  | "sync-failed"
  | "torn-line"
  | "file-truncated"
  | "foreign-bytes"
  | "checkpoint-failed"
  | "unlinked-segments";

interface Gap {
  count: number;
  firstMs: number;
  lastMs: number;
}

/** A record of a gap, which is to be written. */
export interface GapRecord {
  readonly event: Unnumbered;
  /** Must be called once: whether it is in the file. */
  readonly settled: (isRecorded: boolean) => void;
}

/** Gaps that no record tells of yet: one a cause, however many events are lost. */
export class Losses {
  readonly #gaps = new Map<GapCause, Gap>();
  #total = 0;

  /** Events lost so far. */
  get total(): number {
    return this.#total;
  }

  /** Whether there is anything to be recorded. */
  get isEmpty(): boolean {
    return this.#gaps.size === 0;
  }

  /**
   * Notes a loss, or with a count of 0 that something happened which may be one.
   */
  add(cause: GapCause, count: number, atMs: number): void {
    this.#total += count;
    this.#merge(cause, { count, firstMs: atMs, lastMs: atMs });
  }

  #merge(cause: GapCause, { count, firstMs, lastMs }: Gap): void {
    const gap = this.#gaps.get(cause);
    if (gap === undefined) {
      this.#gaps.set(cause, { count, firstMs, lastMs });
      return;
    }
    gap.count += count;
    gap.firstMs = Math.min(gap.firstMs, firstMs);
    gap.lastMs = Math.max(gap.lastMs, lastMs);
  }

  /** Takes all gaps as records; what is added while those are written is another gap. */
  take(nowMs: number): GapRecord[] {
    const gaps = [...this.#gaps];
    this.#gaps.clear();
    return gaps.map(([cause, gap]) => ({
      event: ownEvent("audit.gap", "error", nowMs, {
        cause,
        count: gap.count,
        firstTime: new Date(gap.firstMs).toISOString(),
        lastTime: new Date(gap.lastMs).toISOString(),
      }),
      settled: (isRecorded) => {
        if (!isRecorded) this.#merge(cause, gap);
      },
    }));
  }
}
