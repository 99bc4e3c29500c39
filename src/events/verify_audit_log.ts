import { integerOption, wrongOption } from "../_internal/options.ts";
import { EpochKeys } from "./_verify_epochs.ts";
import type { AuditLogFailure, AuditLogFailureCause } from "./_verify_findings.ts";
import { Verification } from "./_verify_log.ts";
import { type Checkpoint, readCheckpoint } from "./_verify_notes.ts";
import { openNote } from "./signed_note.ts";

export type { AuditLogFailure, AuditLogFailureCause };

/** Options of {@linkcode verifyAuditLog}. */
export interface VerifyAuditLogOptions {
  /** Keys of which each checkpoint has to be signed by one. @default {[]} */
  readonly keys?: readonly string[];
  /** Key of the first epoch, 32 bytes: each checkpoint has to close its epoch. @default {undefined} */
  readonly epochKey?: Uint8Array;
  /**
   * Epochs that may be missing at the beginning of a chain, whose keys have to be derived one by one: 100,000
   * take about a second. There is one epoch for each checkpoint: this many are half a year of one a minute.
   * @default {262_144}
   */
  readonly maxSkippedEpochs?: number;
  /**
   * What the checkpoints have to call the log: a key that signs several logs does not tell one from the other.
   * @default {undefined: any, and the same one in all of a chain}
   */
  readonly origin?: string;
  /**
   * The latest checkpoint that was kept away from the log: the record that it covers has to be there.
   * @default {undefined}
   */
  readonly checkpoint?: string;
  /** More of them, such as the latest ones of several logs or chains. @default {[]} */
  readonly checkpoints?: readonly string[];
  /** Bytes that a line may have. @default {1_048_576} */
  readonly maxLineBytes?: number;
  /** Ends it, with its reason. @default {undefined} */
  readonly signal?: AbortSignal;
}

/** One chain of a log: what one process wrote after the other. */
export interface AuditLogChain {
  /** Its files, in order. */
  readonly paths: readonly string[];
  /** Number of its first record that is there. */
  readonly firstSeq: number;
  /** Number of its last record. */
  readonly lastSeq: number;
  /** Up to which record a key stands behind it; 0 where none was given. */
  readonly signedThrough: number;
  /** Records after that, but for the one of the last checkpoint. */
  readonly unsigned: number;
  /**
   * The epoch from which on a key stands behind it; absent without `epochKey`. Above 0, whoever had the key of
   * this epoch could have made the whole chain.
   */
  readonly firstEpoch?: number;
}

/** What {@linkcode verifyAuditLog} found. */
export interface AuditLogReport {
  /** Whether nothing is wrong with it. */
  readonly ok: boolean;
  /** Records that were read. */
  readonly records: number;
  /** Files that were read. */
  readonly segments: number;
  /** Checkpoints that were read. */
  readonly checkpoints: number;
  /** Up to which record a key stands behind the log; of several chains, the least. */
  readonly signedThrough: number;
  /** Records for which no key stands, of all chains. */
  readonly unsigned: number;
  /** The chains. */
  readonly chains: readonly AuditLogChain[];
  /** The first thing that is wrong; absent when all is well. */
  readonly failure?: AuditLogFailure;
  /** What is not wrong, and should be known. */
  readonly notes: readonly string[];
}

const PURPOSE = "verify an audit log";
/** About two seconds for a few bytes that somebody made up. */
const MAX_SKIPPED_EPOCHS = 2 ** 18;

/**
 * Verifies audit logs: that no record was changed, removed, added or moved.
 *
 * It reads files of any size in little memory: records for which there is no checkpoint yet take 75 bytes
 * each, up to a million of a chain. What it can tell depends on what it is given: without a key,
 * it finds mistakes and clumsy changes, as everybody can make the hashes anew. With keys, it finds every change
 * up to the last checkpoint. That the end was cut off, or a whole chain removed, it can only tell with a
 * `checkpoint` that was kept away from the machine, and that a log was put in the place of another one by the
 * same key, with the `origin`.
 *
 * The root in a checkpoint is the head of a chain of hashes and not of a Merkle tree: there are no proofs of
 * inclusion.
 *
 * Requires `--allow-read` for the files.
 *
 * @see https://c2sp.org/tlog-checkpoint
 * @example
 * ```ts
 * import { verifyAuditLog } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, '{"kind":"file.read","outcome":"success"}\n');
 * const { ok, failure } = await verifyAuditLog([path]);
 * assertEquals(ok, false);
 * assertEquals(failure?.cause, "unchained");
 * await Deno.remove(path);
 * ```
 *
 * @param paths The files in any order: all segments of a log, of several logs, too.
 * @param options Keys, checkpoints and bounds.
 * @returns What was found, up to the first thing that is wrong.
 * @throws {TypeError} If there is no file, or an option is wrong, such as a checkpoint that no key signed.
 * @throws {RangeError} If a number is out of bounds.
 * @throws {SecurityError} `audit-log-unreadable` if a file cannot be read.
 */
export async function verifyAuditLog(
  paths: readonly string[],
  options: VerifyAuditLogOptions = {},
): Promise<AuditLogReport> {
  const { keys = [], epochKey, origin, signal } = options;
  const maxLineBytes = integerOption(PURPOSE, "maxLineBytes", options.maxLineBytes, {
    otherwise: 1024 * 1024,
    least: 256,
    most: 256 * 1024 * 1024,
  });
  const maxSkippedEpochs = integerOption(PURPOSE, "maxSkippedEpochs", options.maxSkippedEpochs, {
    otherwise: MAX_SKIPPED_EPOCHS,
    least: 0,
    most: 2 ** 32,
  });
  if (paths.length === 0) throw new TypeError(`Cannot ${PURPOSE}: no file is given`);
  if (epochKey !== undefined && !(epochKey instanceof Uint8Array && epochKey.length === 32)) {
    throw wrongOption(PURPOSE, "epochKey", "32 bytes", epochKey);
  }
  if (origin !== undefined && (typeof origin !== "string" || origin === "")) {
    throw wrongOption(PURPOSE, "origin", "a line of text", origin);
  }
  // Throws for a key that is none, before any file is read.
  await openNote("", keys);
  const verification = new Verification({
    keys: [...keys],
    epochKeys: epochKey && new EpochKeys(epochKey, maxSkippedEpochs, signal),
    origin,
    checkpoints: await readGiven(options, keys),
    limits: { maxLineBytes, signal },
  });
  return verification.report(await verification.run(paths));
}

async function readGiven(
  { checkpoint, checkpoints = [], origin }: VerifyAuditLogOptions,
  keys: readonly string[],
): Promise<Checkpoint[]> {
  const given: Checkpoint[] = [];
  for (const note of checkpoint === undefined ? checkpoints : [checkpoint, ...checkpoints]) {
    const found = await readCheckpoint(note, keys);
    if (
      found === undefined || found.isPrune || keys.length > 0 && !found.isSigned ||
      origin !== undefined && found.origin !== origin
    ) {
      throw new TypeError(
        `Cannot ${PURPOSE}: 'checkpoint' must be a checkpoint` +
          (origin === undefined ? "" : " of the given origin") +
          (keys.length > 0 ? " that a given key signed" : ""),
      );
    }
    given.push(found);
  }
  return given;
}
