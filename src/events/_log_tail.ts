/**
 * The two ends of a log, read with bounds: somebody may have made it large.
 *
 * @module
 */

import type { LogFileOps } from "./_log_file_ops.ts";

/** The longest line that is written: less than the verifier reads unless told otherwise, and than a tail. */
export const MAX_LINE_BYTES = 512 * 1024;
/** The last line is in here, whatever a crash has left of the next. */
const MAX_TAIL_BYTES = 2 * 1024 * 1024;
const HEAD_BYTES = 8 * 1024;

/** The end of a log. */
export interface LogTail {
  /** Whole lines of the end, the last one first; empty lines are left out. */
  readonly lines: readonly string[];
  /** What follows the last line feed. */
  readonly rest: string;
  /** When it was last written, in milliseconds since the epoch. */
  readonly modifiedMs: number;
}

/** Reads the end of a log, up to 2 MiB. */
export function readTail(ops: LogFileOps, path: string): LogTail {
  return reading(ops, path, (descriptor) => {
    const { size, modifiedMs } = ops.status(descriptor);
    const from = Math.max(0, size - MAX_TAIL_BYTES);
    const bytes = readAt(ops, descriptor, from, size - from);
    const end = bytes.lastIndexOf(0x0a) + 1;
    // The first line is cut unless the whole file was read.
    const start = from === 0 ? 0 : bytes.indexOf(0x0a) + 1;
    const decode = (part: Uint8Array) => new TextDecoder().decode(part);
    return {
      lines: decode(bytes.subarray(start, Math.max(start, end))).split("\n")
        .filter((line) => line !== "").reverse(),
      rest: decode(bytes.subarray(end)),
      modifiedMs,
    };
  });
}

/** Reads the first whole line of a log, as far as it is within 2 MiB; what a crash left of a line is passed over. */
export function readFirstLine(ops: LogFileOps, path: string): string | undefined {
  return reading(ops, path, (descriptor) => {
    for (const length of [HEAD_BYTES, MAX_TAIL_BYTES]) {
      const bytes = readAt(ops, descriptor, 0, length);
      const isAll = bytes.length < length;
      const end = isAll ? bytes.length : bytes.lastIndexOf(0x0a);
      const line = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end))).split("\n")
        .find(isJson);
      if (line !== undefined || isAll) return line;
    }
    return undefined;
  });
}

/** Whether a line is JSON, and so not what a crash left of one. */
export function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function reading<T>(ops: LogFileOps, path: string, read: (descriptor: number) => T): T {
  const descriptor = ops.open(path, "read");
  try {
    return read(descriptor);
  } finally {
    ops.close(descriptor);
  }
}

function readAt(ops: LogFileOps, descriptor: number, from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = ops.read(descriptor, bytes.subarray(done), from + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
