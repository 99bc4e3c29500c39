/**
 * Which files are the segments before another one: their names and their times can be anybody's, but none can be
 * made that ends with the record whose hash the next one begins with.
 *
 * @module
 */

import type { ChainState } from "./_chain.ts";
import { linesBack } from "./_lines_back.ts";
import type { LogFileOps } from "./_log_file_ops.ts";
import { isJson, readFirstLine } from "./_log_tail.ts";
import { readState, readStateBefore } from "./_record_lines.ts";

/** The last record is in here, whatever crashes have left after it. */
const MAX_END_BYTES = 2 * 1024 * 1024;

/** A segment of the log that is written now. */
export interface LinkedSegment {
  readonly path: string;
  /** Where the log stood at its end. */
  readonly end: ChainState;
}

/** Files with names of segments, told apart. */
export interface LinkedSegments {
  /** Those that lead without a gap to the log that is written now, the oldest first. */
  readonly linked: readonly LinkedSegment[];
  /** All others: of another chain, cut off from this one, or put there. */
  readonly others: readonly string[];
}

/**
 * Finds the segments of a log. Of each file its first and its last record are looked at.
 *
 * @param ops The system calls.
 * @param active The file that is written now.
 * @param segments Files with names of segments, in the order of their numbers.
 * @param isChained Whether the records are chained; if not, numbers without a gap are all that links them.
 * @returns Those that are linked, and the others.
 */
export function linkedSegments(
  ops: LogFileOps,
  active: string,
  segments: readonly string[],
  isChained: boolean,
): LinkedSegments {
  const linked: LinkedSegment[] = [];
  const others: string[] = [];
  let before = stateAtStart(ops, active, isChained);
  for (const path of segments.toReversed()) {
    const end = before && before.seq > 0 ? stateAtEnd(ops, path, isChained) : undefined;
    if (end === undefined || end.seq !== before?.seq || end.hash !== before.hash) {
      others.push(path);
      continue;
    }
    linked.push({ path, end });
    before = stateAtStart(ops, path, isChained);
  }
  return { linked: linked.reverse(), others: others.reverse() };
}

/**
 * Where a log stood before the first record of a file.
 *
 * @param ops The system calls.
 * @param path The file.
 * @param isChained Whether the records are chained.
 * @returns Where, or `undefined` when it begins with no record.
 */
export function stateAtStart(
  ops: LogFileOps,
  path: string,
  isChained: boolean,
): ChainState | undefined {
  const line = readFirstLine(ops, path);
  if (line === undefined || readState(line, isChained) === undefined) return undefined;
  return readStateBefore(line, isChained);
}

/**
 * Where a log stood after the last record of a file. What is no JSON at all is what crashes left of a line; what is
 * JSON but no record was changed by somebody.
 *
 * @param ops The system calls.
 * @param path The file.
 * @param isChained Whether the records are chained.
 * @returns Where, or `undefined` when it ends with no record.
 */
export function stateAtEnd(
  ops: LogFileOps,
  path: string,
  isChained: boolean,
): ChainState | undefined {
  for (const line of linesBack(ops, path, MAX_END_BYTES)) {
    const state = readState(line, isChained);
    if (state !== undefined) return state;
    if (isJson(line)) return undefined;
  }
  return undefined;
}
