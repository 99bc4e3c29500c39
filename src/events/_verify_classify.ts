/**
 * What was done to a log: told from the first record that does not follow, and from those after it.
 *
 * @module
 */

import { type ChainRecord, readRecord } from "./_chain.ts";
import type { VerifiedChain } from "./_verify_chain.ts";
import { type AuditLogFailure, failure, type Place, records } from "./_verify_findings.ts";
import { type LineLimits, readLines } from "./_verify_lines.ts";

/**
 * Finds out why a record is not the next one of its chain.
 *
 * @param chain The chain, up to the record before.
 * @param record The record.
 * @param at Where it is.
 * @param limits Bounds of reading on.
 * @returns The failure.
 */
export async function classify(
  chain: VerifiedChain,
  record: ChainRecord,
  at: Place,
  limits: LineLimits,
): Promise<AuditLogFailure> {
  const { seq, hash, prev } = record;
  const { state, last } = chain;
  if (seq > state.seq + 1) {
    const missing = (one: ChainRecord) => one.seq === state.seq + 1 && one.prev === state.hash;
    if (await find(at, limits, missing)) {
      const message = `Record ${seq} comes before record ${state.seq + 1}`;
      return failure("reordered", at, message, seq);
    }
    const gap = records(state.seq + 1, seq - 1);
    return failure("deleted", at, `Before this line, ${gap} should be`, seq);
  }
  if (seq === state.seq + 1) {
    const isStranger = await isFollowedBy(at, limits, (one) => chain.isNext(one));
    if (isStranger) {
      return failure("inserted", at, "The record belongs to no record before it", seq);
    }
    // Its own hash holds, and that the next one carries another tells what it was.
    return failure(
      "edited",
      last,
      "The record is not the one that the next one follows: it was changed, and its hash was made anew",
      state.seq,
    );
  }
  if (chain.hashAt(seq) === hash) {
    return failure("inserted", at, `The record is a copy of record ${seq}`, seq);
  }
  if (chain.hashAt(seq - 1) === prev) {
    // Where the next record follows this one, the stranger is the one before.
    const isTrue = seq === state.seq &&
      await isFollowedBy(at, limits, (one) => one.seq === seq + 1 && one.prev === hash);
    return failure("forked", isTrue ? last : at, `There are two records with number ${seq}`, seq);
  }
  return failure("inserted", at, "The record belongs to no record before it", seq);
}

async function find(
  { path, line }: Place,
  limits: LineLimits,
  matches: (record: ChainRecord) => boolean,
  isFirstEnough = false,
): Promise<boolean> {
  for await (const lines of readLines(path, limits)) {
    for (const { number, text } of lines) {
      if (number <= line || text === undefined) continue;
      const record = readRecord(text);
      if (record === undefined) continue;
      if (matches(record)) return true;
      if (isFirstEnough) return false;
    }
  }
  return false;
}

function isFollowedBy(
  at: Place,
  limits: LineLimits,
  matches: (record: ChainRecord) => boolean,
): Promise<boolean> {
  return find(at, limits, matches, true);
}
