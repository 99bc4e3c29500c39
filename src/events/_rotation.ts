/**
 * The segments of a log: the files that were it.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { extname } from "@std/path/extname";
import { join } from "@std/path/join";
import type { LogFileOps } from "./_log_file_ops.ts";

/** When a log is rotated, and what is kept. */
export interface RotationLimits {
  /** Size of a segment. */
  readonly maxBytes: number;
  /** Age of a segment. */
  readonly maxAgeMs: number;
  /** Segments that are kept. */
  readonly keep: number;
}

/** The names of one log. */
export class Series {
  readonly path: string;
  readonly #folder: string;
  readonly #stem: string;
  readonly #extension: string;

  constructor(path: string) {
    this.path = path;
    this.#folder = dirname(path);
    this.#extension = extname(path);
    this.#stem = basename(path, this.#extension);
  }

  /** The log that a writer has for itself, where somebody else writes the one of the path. */
  ownOf(writer: string): Series {
    return new Series(join(this.#folder, `${this.#stem}.${writer}${this.#extension}`));
  }

  /** The folder of all segments. */
  get folder(): string {
    return this.#folder;
  }

  /** A free name for the segment that begins with a record. */
  segment(ops: LogFileOps, firstSeq: number, writer: string): string {
    for (let by = writer;; by = crypto.randomUUID()) {
      const name = `${this.#stem}.${`${firstSeq}`.padStart(12, "0")}.${by}${this.#extension}`;
      const path = join(this.#folder, name);
      // Never written over, whoever put it there.
      if (ops.statusOf(path) === undefined) return path;
    }
  }

  /**
   * Files with names of segments, by the number of their first record. The time of their last change counts for
   * nothing: with a clock that was set back, the newest would be taken for the oldest, and deleted.
   */
  segments(ops: LogFileOps): string[] {
    const found: { path: string; seq: number }[] = [];
    for (const name of ops.names(this.#folder)) {
      const seq = this.#firstSeq(name);
      if (seq === undefined) continue;
      const path = join(this.#folder, name);
      if (ops.statusOf(path)?.type === "file") found.push({ path, seq });
    }
    found.sort((a, b) => a.seq - b.seq);
    return found.map(({ path }) => path);
  }

  /** The number in the name of a segment of this log; `undefined` for every other name. */
  #firstSeq(name: string): number | undefined {
    const { length } = this.#stem;
    if (!name.startsWith(`${this.#stem}.`) || !name.endsWith(this.#extension)) return undefined;
    const between = name.slice(length + 1, name.length - this.#extension.length);
    const match = /^([0-9]{12,16})\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(between);
    return match === null ? undefined : Number(match[1]);
  }
}

/**
 * Removes a segment, unless something else has its name by now.
 *
 * @returns Whether it is gone.
 */
export function removeSegment(ops: LogFileOps, path: string): boolean {
  if (ops.statusOf(path)?.type !== "file") return false;
  ops.remove(path);
  return true;
}
