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
  | "checkpoint-failed";

interface Gap {
  count: number;
  firstMs: number;
  lastMs: number;
}

/** A record of a gap, which is to be written. */
export interface GapRecord {
  readonly event: Unnumbered;
  /** Must be called once it is in the file. */
  readonly recorded: () => void;
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
    const gap = this.#gaps.get(cause);
    if (gap === undefined) {
      this.#gaps.set(cause, { count, firstMs: atMs, lastMs: atMs });
      return;
    }
    gap.count += count;
    gap.firstMs = Math.min(gap.firstMs, atMs);
    gap.lastMs = Math.max(gap.lastMs, atMs);
  }

  /** Makes the records; what is added while they are written stays for the next ones. */
  records(nowMs: number): GapRecord[] {
    return Array.from(this.#gaps, ([cause, gap]) => {
      const { count, firstMs, lastMs } = gap;
      return {
        event: ownEvent("audit.gap", "error", nowMs, {
          cause,
          count,
          firstTime: new Date(firstMs).toISOString(),
          lastTime: new Date(lastMs).toISOString(),
        }),
        recorded: () => {
          if (this.#gaps.get(cause) !== gap) return;
          gap.count -= count;
          if (gap.count === 0) this.#gaps.delete(cause);
          else gap.firstMs = lastMs;
        },
      };
    });
  }
}
