/**
 * The operations that change nothing: finding, opening, reading.
 *
 * @module
 */

import type { Located, OpenFile } from "./backends/backend.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import { fileError } from "./_errors.ts";
import { NO_OPTIONS, type Operation, run } from "./_operation.ts";
import { pathLocks } from "./_path_locks.ts";
import {
  changedBuffer,
  type Extent,
  fill,
  hasByteAt,
  readLarge,
  readSmall,
  SMALL_BYTES,
} from "./_read_bytes.ts";
import { plainView, sizeOf } from "./_view.ts";
import { type FileInfo, fileInfo } from "./file_info.ts";

/** Options of `readFile()`, `readTextFile()` and `readable()`. */
export interface ReadFileOptions extends OperationOptions {
  /**
   * Most bytes of the file that are accepted; lowers the policy's `maxFileSizeBytes` and never raises
   * it. @default {what the policy allows}
   */
  readonly maxBytes?: number;
}

/** Options of `readRange()`. */
export interface ReadRangeOptions extends OperationOptions {
  /** Where in the file to begin, in bytes. @default {0} */
  readonly offset?: number;
  /** Most bytes to read. @default {all up to the end of the file} */
  readonly length?: number;
}

/** Options of `readInto()`. */
export interface ReadIntoOptions extends OperationOptions {
  /** Where in the file to begin, in bytes. @default {0} */
  readonly offset?: number;
  /** Where in the buffer to begin, in bytes. @default {0} */
  readonly bufferOffset?: number;
  /** Most bytes to read. @default {the rest of the buffer} */
  readonly length?: number;
}

/** Options of `open()`. */
export interface OpenFileOptions extends OperationOptions {
  /** Opens for reading. @default {true} */
  readonly read?: boolean;
  /** Opens for writing; nothing is truncated or created. @default {false} */
  readonly write?: boolean;
  /** Opens for writing at the end. @default {false} */
  readonly append?: boolean;
}

/** A file that was found, checked and opened. */
interface Opened {
  readonly file: OpenFile;
  /** Canonical path of the root that it lies in. */
  readonly rootPath: string;
  /** Largest size that is accepted, in bytes. */
  readonly limit: number;
  /** Size when it was opened, in bytes. */
  readonly size: number;
  /** Ends the time in which nobody of this process changes the file. */
  readonly release: () => void;
}

/** Keeps a BOM: what was read can be written again as it was. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function validate(
  context: FileContext,
  input: string,
  options?: OperationOptions,
): Promise<string> {
  return run(context, "validate", input, options, findPath);
}

function findPath(operation: Operation, input: string): string {
  const located = operation.context.locate(input);
  operation.resource = located.path;
  located.close();
  return located.path;
}

export function stat(
  context: FileContext,
  input: string,
  options?: OperationOptions,
): Promise<FileInfo> {
  return run(context, "stat", input, options, (operation) => {
    const located = context.locate(input);
    try {
      operation.resource = located.path;
      return fileInfo(context.below(context.rootOf(located.root), located.path), located.info);
    } finally {
      located.close();
    }
  });
}

export function open(
  context: FileContext,
  input: string,
  options: OpenFileOptions = NO_OPTIONS,
): Promise<Deno.FsFile> {
  const { read = true, append = false } = options;
  const write = options.write === true || append;
  if (!read && !write) {
    return Promise.reject(new TypeError("Cannot open a file for neither reading nor writing"));
  }
  return run(context, "open", input, options, async (operation) => {
    const located = context.locate(input, { change: write });
    let file: Deno.FsFile;
    try {
      operation.resource = located.path;
      operation.details = { read, write, append };
      checkFile(context, located, Infinity);
      file = await located.openFsFile({ read, write, append });
    } finally {
      located.close();
    }
    try {
      operation.check();
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }, { changes: write, discard: (file) => file.close() });
}

export function readFile(
  context: FileContext,
  input: string,
  options: ReadFileOptions = NO_OPTIONS,
): Promise<Uint8Array<ArrayBuffer>> {
  return readWhole(context, input, options, (bytes, fresh) => fresh ? bytes : bytes.slice());
}

export function readTextFile(
  context: FileContext,
  input: string,
  options: ReadFileOptions = NO_OPTIONS,
): Promise<string> {
  return readWhole(context, input, options, (bytes) => {
    try {
      return UTF8.decode(bytes);
    } catch (error) {
      throw fileError("not-utf8", { error });
    }
  });
}

/** Reads a file from beginning to end; `fresh` bytes belong to the caller, others must not be kept. */
function readWhole<T>(
  context: FileContext,
  input: string,
  options: ReadFileOptions,
  take: (bytes: Uint8Array<ArrayBuffer>, fresh: boolean) => T,
): Promise<T> {
  const { maxBytes = Infinity } = options;
  if (maxBytes !== Infinity && !isByteCount(maxBytes)) return rejectByteCount("maxBytes", maxBytes);
  return run(context, "read", input, options, (operation) => {
    return withFile(operation, input, maxBytes, (opened) => {
      const { size, limit } = opened;
      const extent = { offset: 0, atMost: limit + 1, expected: size };
      return readExtent(operation, opened, extent, take);
    });
  });
}

export function readRange(
  context: FileContext,
  input: string,
  options: ReadRangeOptions = NO_OPTIONS,
): Promise<Uint8Array<ArrayBuffer>> {
  const { offset = 0, length = Infinity } = options;
  if (!isByteCount(offset)) return rejectByteCount("offset", offset);
  if (length !== Infinity && !isByteCount(length)) return rejectByteCount("length", length);
  return run(context, "read", input, options, (operation) => {
    return withFile(operation, input, Infinity, (opened) => {
      const { size, limit } = opened;
      const atMost = Math.min(length, Math.max(0, limit + 1 - offset));
      const expected = Math.max(0, size - offset);
      const take = (bytes: Uint8Array<ArrayBuffer>, fresh: boolean) =>
        fresh ? bytes : bytes.slice();
      return readExtent(operation, opened, { offset, atMost, expected }, take);
    });
  });
}

/** Reads an extent by the way that fits its size. */
function readExtent<T>(
  operation: Operation,
  { file, limit, rootPath }: Opened,
  extent: Extent,
  take: (bytes: Uint8Array<ArrayBuffer>, fresh: boolean) => T,
): T | Promise<T> {
  const finish = (bytes: Uint8Array<ArrayBuffer>, fresh: boolean): T => {
    const end = extent.offset + bytes.byteLength;
    if (bytes.byteLength > 0 && end > limit) throw tooLarge(operation.resource, end, limit);
    noteBytes(operation, bytes.byteLength);
    return take(bytes, fresh);
  };
  const small = readSmall(file, extent);
  if (small !== undefined) return finish(small, false);
  const demand = () => operation.context.permissions.demand(rootPath, false);
  return readLarge(operation, file, extent, demand).then((bytes) => finish(bytes, true));
}

export function readInto(
  context: FileContext,
  input: string,
  buffer: Uint8Array,
  options: ReadIntoOptions = NO_OPTIONS,
): Promise<number> {
  if (!(buffer instanceof Uint8Array)) {
    return Promise.reject(new TypeError("Cannot read into anything but a Uint8Array"));
  }
  const { offset = 0, bufferOffset = 0 } = options;
  // What a subclass says of its size counts for nothing.
  const room = sizeOf(buffer);
  if (!isByteCount(offset)) return rejectByteCount("offset", offset);
  if (!isByteCount(bufferOffset) || bufferOffset > room) {
    return rejectByteCount("bufferOffset", bufferOffset, room);
  }
  const { length = room - bufferOffset } = options;
  if (!isByteCount(length) || length > room - bufferOffset) {
    return rejectByteCount("length", length, room - bufferOffset);
  }
  return run(context, "read", input, options, (operation) => {
    return withFile(operation, input, Infinity, (opened) => {
      const { file, limit, size } = opened;
      // Cut off while it waited, it would pass for the end of the file.
      if (sizeOf(buffer) < bufferOffset + length) throw changedBuffer();
      // Nothing above the limit reaches the buffer; whether there is more is asked afterwards.
      const allowed = Math.min(length, Math.max(0, limit - offset));
      const into = plainView(buffer).subarray(bufferOffset, bufferOffset + allowed);
      const finish = (read: number): number => {
        const wantsMore = read === allowed && allowed < length && offset <= limit;
        if (wantsMore && hasByteAt(file, offset + read)) {
          throw tooLarge(operation.resource, offset + read + 1, limit);
        }
        noteBytes(operation, read);
        return read;
      };
      if (Math.min(allowed, size - offset) > SMALL_BYTES) {
        return fill(operation, file, into, offset).then(finish);
      }
      return finish(fillSmall(file, into, offset));
    });
  });
}

/** Fills a small part of a caller's buffer; fewer bytes are the end of the file. */
function fillSmall(file: OpenFile, into: Uint8Array, offset: number): number {
  let filled = 0;
  while (filled < into.byteLength && filled <= SMALL_BYTES) {
    const read = file.readSync(into.subarray(filled), offset + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

/**
 * Finds and opens a file for reading, and closes it after the work. While the work lasts, nothing else of
 * this process changes the file.
 */
function withFile<T>(
  operation: Operation,
  input: string,
  maxBytes: number,
  work: (opened: Opened) => T | Promise<T>,
): T | Promise<T> {
  const opened = openForRead(operation, input, maxBytes);
  if (opened instanceof Promise) return opened.then((opened) => during(opened, work));
  return during(opened, work);
}

function during<T>(opened: Opened, work: (opened: Opened) => T | Promise<T>): T | Promise<T> {
  const end = () => {
    opened.file.close();
    opened.release();
  };
  let waits = false;
  try {
    const result = work(opened);
    if (!(result instanceof Promise)) return result;
    waits = true;
    return result.finally(end);
  } finally {
    if (!waits) end();
  }
}

/** Finds, checks and opens a file; waits only where another operation is changing it. */
export function openForRead(
  operation: Operation,
  input: string,
  maxBytes: number,
): Opened | Promise<Opened> {
  const { context } = operation;
  const located = context.locate(input);
  try {
    operation.resource = located.path;
    const { path, info } = located;
    // Nothing can come between the system calls of a small file, so that it needs no lock.
    if (pathLocks.idle && info.size <= SMALL_BYTES) {
      return openNow(context, located, maxBytes, () => {});
    }
    const lock = pathLocks.acquire([{ path, exclusive: false }], operation.signal());
    if (lock instanceof Promise) return openLater(operation, input, path, maxBytes, lock);
    return openNow(context, located, maxBytes, lock);
  } finally {
    located.close();
  }
}

/** Waits for a path, then finds it again: what was found before may have been renamed meanwhile. */
async function openLater(
  operation: Operation,
  input: string,
  path: string,
  maxBytes: number,
  lock: Promise<() => void>,
): Promise<Opened> {
  const { context } = operation;
  const release = await lock;
  let located: Located;
  try {
    operation.check();
    located = context.locate(input);
  } catch (error) {
    release();
    throw error;
  }
  try {
    operation.resource = located.path;
    if (located.path === path) return openNow(context, located, maxBytes, release);
    release();
    return await openForRead(operation, input, maxBytes);
  } finally {
    located.close();
  }
}

function openNow(
  context: FileContext,
  located: Located,
  maxBytes: number,
  release: () => void,
): Opened {
  try {
    const limit = checkFile(context, located, maxBytes);
    const { info: { size }, root: { path: rootPath } } = located;
    return { file: located.openFile("read"), rootPath, limit, size, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Refuses anything but a file of an acceptable size; what is acceptable, in bytes. */
function checkFile(context: FileContext, located: Located, maxBytes: number): number {
  const { type, size } = located.info;
  const { policy } = context.rootOf(located.root);
  const limit = Math.min(policy.maxFileSizeBytes, maxBytes);
  if (type === "file" && size > limit) throw tooLarge(located.path, size, limit);
  return limit;
}

export function tooLarge(path: string, size: number, limit: number): Error {
  return fileError("file-too-large", {
    reason: `${path} has ${size} bytes or more, and ${limit} are allowed`,
    details: { maxBytes: limit },
  });
}

function noteBytes(operation: Operation, bytes: number): void {
  if (operation.context.reporter !== undefined) operation.details = { bytes };
}

export function isByteCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function rejectByteCount(name: string, value: unknown, most?: number): Promise<never> {
  const range = most === undefined ? "a whole number of bytes" : `between 0 and ${most}`;
  return Promise.reject(
    new RangeError(`Cannot read as '${name}' must be ${range}: current value is ${value}`),
  );
}
