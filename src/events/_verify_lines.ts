/**
 * The lines of a log, read with bounds: somebody may have made it of one line, or of no text.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";

/** A line of a log. */
export interface LogLine {
  /** Its number, from 1. */
  readonly number: number;
  /** Its text; `undefined` where it is no UTF-8. */
  readonly text: string | undefined;
  /** Its text, with U+FFFD for what is no UTF-8. */
  readonly lossy: string;
  /** Whether it has its line feed. */
  readonly isEnded: boolean;
  /** Whether it has more bytes than it may; nothing follows it. */
  readonly isTooLong: boolean;
}

/** Bounds of reading. */
export interface LineLimits {
  /** Bytes of a line. */
  readonly maxLineBytes: number;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

const CHUNK_BYTES = 128 * 1024;
const LF = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Reads a file, some lines at a time.
 *
 * @param path Path of the file.
 * @param limits Bounds.
 * @returns The lines, as many at a time as there were in memory.
 * @throws {SecurityError} `audit-log-unreadable` if it is no file or cannot be read.
 */
export async function* readLines(
  path: string,
  limits: LineLimits,
): AsyncGenerator<readonly LogLine[]> {
  const { file, size } = await open(path);
  try {
    yield* linesOf(file, path, size, limits);
  } finally {
    file.close();
  }
}

async function* linesOf(
  file: Deno.FsFile,
  path: string,
  size: number,
  { maxLineBytes, signal }: LineLimits,
): AsyncGenerator<readonly LogLine[]> {
  // There may be many small files.
  const chunk = Math.min(CHUNK_BYTES, size + 1);
  let buffer = new Uint8Array(chunk * 2);
  let length = 0;
  let number = 1;
  while (true) {
    signal?.throwIfAborted();
    if (buffer.length - length < chunk) {
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer.subarray(0, length));
      buffer = larger;
    }
    const count = await read(file, buffer.subarray(length), path);
    const end = count === null ? -1 : buffer.subarray(length, length + count).lastIndexOf(LF);
    if (end !== -1) {
      const whole = length + end;
      const lines = decodeLines(buffer.subarray(0, whole), number, maxLineBytes);
      yield lines;
      if (lines.at(-1)?.isTooLong) return;
      number += lines.length;
      length += count ?? 0;
      buffer.copyWithin(0, whole + 1, length);
      length -= whole + 1;
    } else {
      length += count ?? 0;
    }
    if (length > maxLineBytes) {
      yield [{ number, text: undefined, lossy: "", isEnded: false, isTooLong: true }];
      return;
    }
    if (count !== null) continue;
    if (length > 0) {
      const last = buffer.subarray(0, length);
      yield [{ number, ...decode(last), isEnded: false, isTooLong: false }];
    }
    return;
  }
}

/** Decodes lines at once where they are UTF-8, as they are unless somebody changed them. */
function decodeLines(bytes: Uint8Array, first: number, maxLineBytes: number): LogLine[] {
  const all = decode(bytes);
  const texts = all.text === undefined
    ? decodeEach(bytes)
    : all.text.split("\n").map((text) => ({ text, lossy: text }));
  const lines: LogLine[] = [];
  for (const { text, lossy } of texts) {
    const isTooLong = text !== undefined && text.length * 3 > maxLineBytes &&
      encoder.encode(text).length > maxLineBytes;
    lines.push({ number: first + lines.length, text, lossy, isEnded: true, isTooLong });
    if (isTooLong) break;
  }
  return lines;
}

function decodeEach(bytes: Uint8Array): Decoded[] {
  const texts: Decoded[] = [];
  for (let from = 0; from <= bytes.length;) {
    const found = bytes.indexOf(LF, from);
    const to = found === -1 ? bytes.length : found;
    texts.push(decode(bytes.subarray(from, to)));
    from = to + 1;
  }
  return texts;
}

type Decoded = Pick<LogLine, "text" | "lossy">;

function decode(bytes: Uint8Array): Decoded {
  try {
    const text = decoder.decode(bytes);
    return { text, lossy: text };
  } catch {
    return { text: undefined, lossy: lossyDecoder.decode(bytes) };
  }
}

async function open(path: string): Promise<{ file: Deno.FsFile; size: number }> {
  try {
    // A FIFO would be waited for, and a device may have no end.
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw new TypeError("no regular file");
    return { file: await Deno.open(path), size };
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function read(file: Deno.FsFile, into: Uint8Array, path: string): Promise<number | null> {
  try {
    return await file.read(into);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): SecurityError {
  return new SecurityError("audit-log-unreadable", "An audit log cannot be read", {
    details: { path },
    cause,
  });
}
