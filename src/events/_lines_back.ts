/**
 * Lines of a file, the last one first.
 *
 * @module
 */

import type { LogFileOps } from "./_log_file_ops.ts";

const PIECE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/**
 * Reads lines from the end on, no more of the file than is asked for.
 *
 * @param ops The system calls.
 * @param path The file.
 * @param mostBytes Bytes that are read at most.
 * @returns Lines without line feed, empty ones left out; what follows the last line feed is one, too.
 */
export function* linesBack(
  ops: LogFileOps,
  path: string,
  mostBytes: number,
): Generator<string, void> {
  const descriptor = ops.open(path, "read");
  try {
    let start = ops.status(descriptor).size;
    const least = Math.max(0, start - mostBytes);
    let held = new Uint8Array();
    while (start > least) {
      // Twice as much for what is longer, so that one long line is not copied again and again.
      const from = Math.max(least, start - Math.max(PIECE_BYTES, held.length));
      const bytes = new Uint8Array(start - from + held.length);
      readAll(ops, descriptor, bytes.subarray(0, start - from), from);
      bytes.set(held, start - from);
      let end = bytes.length;
      for (let at; end > 0 && (at = bytes.lastIndexOf(LINE_FEED, end - 1)) >= 0; end = at) {
        if (at + 1 < end) yield decode(bytes.subarray(at + 1, end));
      }
      held = bytes.subarray(0, end);
      start = from;
    }
    if (start === 0 && held.length > 0) yield decode(held);
  } finally {
    ops.close(descriptor);
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function readAll(ops: LogFileOps, descriptor: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length;) {
    const count = ops.read(descriptor, into.subarray(done), position + done);
    if (count === 0) throw new Error("The log became shorter while it was read");
    done += count;
  }
}
