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
  /** The line on which it is; 1 where there is none. */
  readonly line: number;
  /** Whether there is nothing in it. */
  readonly isEmpty: boolean;
}

/**
 * Puts the files of logs in order.
 *
 * @param paths The files, in any order; of one that has several names, the first counts.
 * @param limits Bounds of reading.
 * @param notes Where to tell which names were left out.
 * @returns The segments by the numbers of their first records; those without come first.
 */
export async function sortSegments(
  paths: readonly string[],
  limits: LineLimits,
  notes: string[],
): Promise<Segment[]> {
  const segments: Segment[] = [];
  const files = new Set<string>();
  for (const path of new Set(paths)) {
    const segment = await look(path, limits);
    const file = await identityOf(path);
    if (files.has(file)) notes.push(`${path}: another name of a file that is read already`);
    else segments.push(segment);
    files.add(file);
  }
  return segments.sort((a, b) => (a.first?.seq ?? 0) - (b.first?.seq ?? 0));
}

/** A link in the folder, or another spelling of the path, is no copy. */
async function identityOf(path: string): Promise<string> {
  const found = await Deno.stat(path).catch(() => undefined);
  // Windows tells none, and a number beyond integers may stand for several files.
  return found?.ino && Number.isSafeInteger(found.ino) ? `${found.dev}:${found.ino}` : path;
}

async function look(path: string, limits: LineLimits): Promise<Segment> {
  let isEmpty = true;
  for await (const lines of readLines(path, limits)) {
    for (const { number, text } of lines) {
      isEmpty = false;
      const first = text === undefined ? undefined : readRecord(text);
      if (first !== undefined) return { path, first, line: number, isEmpty };
    }
  }
  return { path, first: undefined, line: 1, isEmpty };
}
