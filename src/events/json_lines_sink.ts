/**
 * The audit log in a file: one JSON object a line.
 *
 * @module
 */

import type { Clock } from "../_internal/clock.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";
import type { ChainOptions } from "./_checkpoints.ts";
import type { OnSigterm } from "./_exit_flush.ts";
import { makeFileSink } from "./_file_sink.ts";
import { systemFileOps } from "./_log_file_ops.ts";
import type { Durability } from "./_log_writer.ts";

export type { ChainOptions, Durability, OnSigterm };

/** When a log is rotated: by size, age, or both. */
export interface RotateOptions {
  /** Size of a segment, in bytes; only a record that is longer makes a longer one. @default {no limit} */
  readonly maxBytes?: number;
  /** Age of a segment, in milliseconds; looked at when something is written. @default {no limit} */
  readonly maxAgeMs?: number;
  /** How many old segments are kept; the oldest are deleted. @default {all} */
  readonly keep?: number;
}

/** Bounds of what waits to be written. */
export interface QueueOptions {
  /** Events. @default {10_000} */
  readonly maxRecords?: number;
  /** Size of the events, in bytes, by a rough estimate. @default {16_777_216} */
  readonly maxBytes?: number;
  /** Events beyond these bounds whose writers are kept waiting; more are refused. @default {1_000} */
  readonly maxWaiting?: number;
}

/**
 * From when on refusals of one key share a record, `audit.coalesced`. It tells how many there were, of which ids,
 * resources and principals, the first 16 of each, and has the severity of the worst.
 *
 * The key is the kind, the outcome, the code, and either the principal, if it was verified, with the address, or
 * the address alone: a client can claim another principal each time. Events with neither a principal nor an
 * address are never merged.
 */
export interface CoalesceOptions {
  /** Events of a key that have records of their own, in each window. @default {100} */
  readonly perWindow?: number;
  /**
   * Length of the window, in milliseconds. A write that was merged settles with its record, at the end of the
   * window or when a thousand wait. @default {1_000}
   */
  readonly windowMs?: number;
  /** Keys that are counted in a window; events of others are not merged. @default {10_000} */
  readonly maxKeys?: number;
}

/** Options of {@linkcode jsonLinesSink}. */
export interface JsonLinesSinkOptions {
  /** The file. Its folder has to be there, and nobody else may write it. */
  readonly path: string;
  /**
   * When `write` settles: `buffered` at once, `write` when the operating system has the record, which survives
   * the end of the program, `fsync` when the disk has it, which survives that of the machine. A disk that does
   * not answer within 30 seconds has failed.
   * @default {"write"}
   */
  readonly durability?: Durability;
  /** When to begin another file. @default {never} */
  readonly rotate?: RotateOptions;
  /** Chains the records by their hashes. @default {no chain} */
  readonly chain?: ChainOptions;
  /** Bounds of what waits to be written. @default {{}} */
  readonly queue?: QueueOptions;
  /** From when on refusals of one key share a record; `false` for never. @default {{}} */
  readonly coalesce?: CoalesceOptions | false;
  /** With `buffered`, how long a record stays in memory at most, in milliseconds. @default {100} */
  readonly flushIntervalMs?: number;
  /**
   * What follows the flush on SIGTERM and SIGINT. With `exit` the signal is sent again, once for all sinks, without
   * their listening: the program ends as it would have, or goes on to an end of its own if it listens itself. It
   * then hears the signal twice; if that is one too many, `flush` leaves everything to it. @default {"exit"}
   */
  readonly onSigterm?: OnSigterm;
  /** The clock. @default {that of the machine} */
  readonly clock?: Clock;
}

/** What a {@linkcode JsonLinesSink} has done. */
export interface JsonLinesStats {
  /** Events that wait to be written. */
  readonly queued: number;
  /** Records in the file, those of the sink's own included. */
  readonly written: number;
  /** Bytes in the file. */
  readonly bytes: number;
  /** Events that are not in the file; the file says so as soon as it can. */
  readonly lost: number;
  /** Events that share a record with others. */
  readonly coalesced: number;
  /** How often the data was brought to the disk. */
  readonly syncs: number;
  /** How often another file was begun. */
  readonly rotations: number;
  /** Whether the last attempt to write failed. */
  readonly failing: boolean;
  /** The file that is written: not that of the options while somebody else writes that one. */
  readonly path: string;
}

/** Writes events to a file. */
export interface JsonLinesSink extends AuditSink, AsyncDisposable {
  /** `json-lines`. */
  readonly name: string;
  /** Identifier of this sink, in every record of it. */
  readonly writer: string;
  /** Takes an event; settles when it is as safe as `durability` promises, and rejects when it is lost. */
  write(event: AuditEvent): void | Promise<void>;
  /** Rejects while events cannot be written; tries whether they can be again. */
  ready(): Promise<void>;
  /**
   * Brings what was written before to the disk, with a checkpoint unless one has failed within 10 seconds. A signer
   * or `onCheckpoint` must not wait for it: it waits for them.
   */
  flush(): Promise<void>;
  /** Flushes, and gives the file, the lock, timers and listeners back: without the flush once the signal is aborted. */
  close(signal?: AbortSignal): Promise<void>;
  /** What was done so far. */
  stats(): JsonLinesStats;
}

/**
 * Makes a sink that appends events to a file, one JSON object a line.
 *
 * - The file is created with mode 0600. Links, directories, FIFOs, devices, files with a second name, of another
 *   owner or writable by others are refused, and so is a folder that others may write, sticky or not, or that belongs
 *   to anybody but us and root. The folders above it are looked at as far as `--allow-read` reaches: none may be
 *   somebody else's or writable by everybody without a sticky bit, and a group that may write one is trusted.
 * - Each file has one writer. A sink that finds the log in use writes `NAME.WRITER.jsonl` beside it; with `epochKeys`,
 *   which are for one writer, it refuses to open.
 * - A line has at most 512 KiB. Of a record that would be longer, texts are cut and `details` tell how long it was.
 * - After a restart it goes on where the log ended. A line that a crash cut short is ended, and told of;
 *   one that a full disk cut short is taken back, and told of as a torn line, too.
 * - With a signer, a restart goes on only with a log of its own: from the end back to the last checkpoint, at most
 *   8 MiB, all must hold, and the checkpoint must be signed by that signer, in the name of that origin. Any other log
 *   becomes a segment, nothing of it is signed, and the next one begins with record 1, whose `previous` says
 *   `not-sealed`, or `not-chained` where there was no chain. What was written after the last checkpoint of a program
 *   that was killed cannot be told from what somebody else put there.
 * - What is lost, because the disk is full or the queue, is counted, and an `audit.gap` record tells how many, from
 *   when to when and why.
 * - A log that is moved away or deleted is followed by a new file.
 * - Rotated segments are called `NAME.FIRST-SEQ.WRITER.jsonl`. Before the oldest are deleted, an `audit.prune`
 *   record says so, signed if there is a signer. Files with such names that do not lead to the log record by record
 *   are never deleted; an `audit.gap` of the cause `unlinked-segments` says once that they are there.
 * - What is in memory is written on SIGTERM and SIGINT, on errors that nobody catches and when the program ends,
 *   where every later event is written at once. SIGKILL loses at most what was not awaited, and so does SIGHUP,
 *   which is left to the program: under `nohup` it must not end.
 *
 * It needs Deno, with `--allow-read` and `--allow-write` for the folder.
 *
 * @example
 * ```ts
 * import { jsonLinesSink } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * await using sink = jsonLinesSink({
 *   path: `${folder}/audit.jsonl`,
 *   durability: "fsync",
 *   rotate: { maxBytes: 64 * 1024 * 1024 },
 *   chain: {},
 * });
 * assertEquals(sink.stats().written, 1); // that the log was opened
 * ```
 *
 * @param options The file, and how safe it is to be.
 * @returns The sink.
 * @throws {TypeError} If an option has the wrong type, or this is not Deno.
 * @throws {RangeError} If a number is out of bounds.
 * @throws {SecurityError} `audit-log-refused` if the path is not a file of ours alone or, with `epochKeys`, in use;
 * `audit-unavailable` if it cannot be opened.
 */
export function jsonLinesSink(options: JsonLinesSinkOptions): JsonLinesSink {
  return makeFileSink(options, systemFileOps());
}
