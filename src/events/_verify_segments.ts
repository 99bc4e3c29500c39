/**
 * Which file comes after which.
 *
 * @module
 */

import { type ChainRecord, readRecord } from "./_chain.ts";
import { type LineLimits, readLines } from "./_verify_lines.ts";

/** A file of a log. */
export interface Segment {
  /** Its path, as it was given. */
  readonly path: string;
  /** The first record that can be read. */
  readonly first: ChainRecord | undefined;
  /** Whether there is nothing in it. */
  readonly isEmpty: boolean;
}

/**
 * Puts the files of logs in order.
 *
 * @param paths The files, in any order.
 * @param limits Bounds of reading.
 * @returns The segments by the numbers of their first records; those without come first.
 */
export async function sortSegments(
  paths: readonly string[],
  limits: LineLimits,
): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const path of new Set(paths)) segments.push(await look(path, limits));
  return segments.sort((a, b) => (a.first?.seq ?? 0) - (b.first?.seq ?? 0));
}

async function look(path: string, limits: LineLimits): Promise<Segment> {
  let isEmpty = true;
  for await (const lines of readLines(path, limits)) {
    for (const { text } of lines) {
      isEmpty = false;
      const first = text === undefined ? undefined : readRecord(text);
      if (first !== undefined) return { path, first, isEmpty };
    }
  }
  return { path, first: undefined, isEmpty };
}
