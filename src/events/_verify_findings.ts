/**
 * What the verifier says.
 *
 * @module
 */

/**
 * Why a log is not accepted.
 *
 * - `edited`: a line is no record in its one spelling, or its hash does not hold.
 * - `deleted`: records are missing in between.
 * - `reordered`: a record comes before one that belongs before it.
 * - `inserted`: a record is where it does not belong.
 * - `forked`: there are two records for one place, in one file or in two.
 * - `truncated`: the records that a given checkpoint covers are in no file.
 * - `resealed`: all hashes hold, but a checkpoint says something else, or is not by its key or of its epoch.
 * - `unsigned`: a key was given, and no checkpoint, or not this one, is by it.
 * - `pruned`: the beginning is missing, and no record allows that.
 * - `unchained`: the records carry no hashes, so nothing can be told.
 * - `too-long`: a line has more bytes than it may.
 * - `too-many-epochs`: it begins with an epoch beyond `maxSkippedEpochs`.
 */
export type AuditLogFailureCause =
  | "edited"
  | "deleted"
  | "reordered"
  | "inserted"
  | "forked"
  | "truncated"
  | "resealed"
  | "unsigned"
  | "pruned"
  | "unchained"
  | "too-long"
  | "too-many-epochs";

/** The first thing that is wrong with a log. */
export interface AuditLogFailure {
  /** Why. */
  readonly cause: AuditLogFailureCause;
  /** The file, as it was given. */
  readonly path: string;
  /** The first line that is wrong, from 1; the one after which something is missing, where that is the end. */
  readonly line: number;
  /** Number of the record, where there is one. */
  readonly seq?: number;
  /** What happened, in one sentence that quotes nothing of the log. */
  readonly message: string;
}

/** Where something is. */
export interface Place {
  readonly path: string;
  readonly line: number;
}

/** Makes a failure. */
export function failure(
  cause: AuditLogFailureCause,
  { path, line }: Place,
  message: string,
  seq?: number,
): AuditLogFailure {
  return { cause, path, line, message, ...seq === undefined ? {} : { seq } };
}

/** "record 7", or "records 7 to 9". */
export function records(from: number, to: number): string {
  return from === to ? `record ${from}` : `records ${from} to ${to}`;
}
