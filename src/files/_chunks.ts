/**
 * Where the bytes of a write come from: memory, a caller's stream, another file.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { OpenFile } from "./backends/backend.ts";
import { plainView } from "./_view.ts";
import { fileError } from "./_errors.ts";
import type { Operation } from "./_operation.ts";
import { reserve } from "./_read_bytes.ts";

/** Most bytes of one write; between two of them an abort is noticed. */
const CHUNK_BYTES = 1024 * 1024;

/** Text up to here is encoded as a whole, in UTF-16 code units; each of them is up to three bytes. */
const SMALL_TEXT = 16 * 1024;

/** Bytes in order. */
export interface Chunks {
  /** How many there are, in bytes; `undefined` where only the end tells. */
  readonly size: number | undefined;
  /** The caller is waited for: no permit and no lock may be held meanwhile. */
  readonly waits: boolean;
  /** The next ones; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Lets go of the source; `error` tells it why there is no interest any more. */
  end(error?: unknown): void;
}

/** What `writeFile()` writes. Text has to be well-formed: half of a surrogate pair is a `TypeError`. */
export type FileData = string | Uint8Array | ReadableStream<Uint8Array>;

/** Refuses data of another type; a stream is taken over, so that nobody else reads from it. */
export function chunksOf(data: FileData, operation: Operation, limit: number): Chunks {
  if (typeof data === "string") {
    // UTF-8 is never shorter than UTF-16 has units: no memory for what is refused anyway.
    if (data.length > limit) return memory(undefined, data.length);
    if (data.length > SMALL_TEXT) return new TextChunks(data, operation);
    const pieces = new Pieces(new TextEncoder().encode(data));
    return memory(pieces, pieces.size);
  }
  if (data instanceof Uint8Array) {
    const pieces = new Pieces(data);
    return memory(pieces, pieces.size);
  }
  return new StreamChunks(data, operation);
}

/**
 * Refuses what is none of the types of data, and takes the measure of a buffer: what its owner takes away
 * before it is written is missed then.
 */
export function takeData(data: unknown): FileData {
  if (typeof data === "string") {
    // The encoder would put U+FFFD in its place, and the file would not hold what was written.
    if (!data.isWellFormed()) throw new TypeError("'data' must be text without a lone surrogate");
    return data;
  }
  if (data instanceof Uint8Array) return plainView(data);
  if (!(data instanceof ReadableStream)) {
    throw new TypeError("'data' must be a string, a Uint8Array or a ReadableStream");
  }
  if (data.locked) throw new TypeError("'data' must be a stream that nobody else reads from");
  return data;
}

/** A caller's memory in pieces; whoever writes one of them has to find it whole as well. */
class Pieces {
  /** All of them, in bytes. */
  readonly size: number;
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = plainView(bytes);
    this.size = this.#bytes.byteLength;
  }

  /** The next one; `undefined` at the end. */
  next(): Uint8Array | undefined {
    if (this.#offset >= this.size) return undefined;
    // A buffer that is transferred or shrunk between two pieces looks empty: its file would end here, and
    // whoever wrote it would be told that all is well.
    if (this.#bytes.byteLength !== this.size) {
      throw new TypeError("Cannot write a buffer that is detached or resized meanwhile");
    }
    const piece = this.#bytes.subarray(this.#offset, this.#offset + CHUNK_BYTES);
    this.#offset += CHUNK_BYTES;
    return piece;
  }
}

function memory(pieces: Pieces | undefined, size: number): Chunks {
  return {
    size,
    waits: false,
    // deno-lint-ignore require-await -- others have to wait
    async next(): Promise<Uint8Array | undefined> {
      return pieces?.next();
    },
    end(): void {},
  };
}

/** Room in which text is measured. */
let scratch: Uint8Array<ArrayBuffer> | undefined;

const encoder = new TextEncoder();

/** Encodes as much of well-formed text as fits; no pair is cut in two, which would become U+FFFD. */
function encodeInto(
  text: string,
  offset: number,
  room: Uint8Array<ArrayBuffer>,
): { read: number; written: number } {
  let end = offset + room.byteLength;
  if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
  return encoder.encodeInto(text.slice(offset, end), room);
}

/** Size of well-formed text in UTF-8, without holding all of it. */
function encodedSize(text: string): number {
  scratch ??= new Uint8Array(64 * 1024);
  let size = 0;
  for (let offset = 0; offset < text.length;) {
    const { read, written } = encodeInto(text, offset, scratch);
    offset += read;
    size += written;
  }
  return size;
}

/** Long text, encoded piece by piece into room that counts as bytes in flight. */
class TextChunks implements Chunks {
  readonly size: number;
  readonly waits = false;
  readonly #text: string;
  readonly #operation: Operation;
  #room: Uint8Array<ArrayBuffer> | undefined;
  #release: (() => void) | undefined;
  #offset = 0;

  constructor(text: string, operation: Operation) {
    this.size = encodedSize(text);
    this.#text = text;
    this.#operation = operation;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#offset >= this.#text.length) {
      // Whoever writes may wait for a lock next, and somebody who has it for these bytes.
      this.end();
      return undefined;
    }
    const room = this.#room ??= await this.#reserve();
    const { read, written } = encodeInto(this.#text, this.#offset, room);
    this.#offset += read;
    return room.subarray(0, written);
  }

  async #reserve(): Promise<Uint8Array<ArrayBuffer>> {
    const { max } = this.#operation.context.limits.bytes;
    const bytes = Math.min(this.size, CHUNK_BYTES, max);
    this.#release = await reserve(this.#operation, bytes);
    // A character is up to four bytes, however few may be held.
    return new Uint8Array(Math.max(bytes, 4));
  }

  end(): void {
    this.#room = undefined;
    this.#release?.();
    this.#release = undefined;
  }
}

class StreamChunks implements Chunks {
  readonly size = undefined;
  readonly waits = true;
  readonly #operation: Operation;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal;
  readonly #abort: () => void;
  #pieces: Pieces | undefined;

  constructor(stream: ReadableStream<Uint8Array>, operation: Operation) {
    this.#operation = operation;
    this.#reader = stream.getReader();
    this.#signal = operation.signal();
    // A source that stands still must not hold up an abort: a read that waits ends by this.
    this.#abort = () => this.#cancel(this.#signal.reason);
    this.#signal.addEventListener("abort", this.#abort, { once: true });
  }

  async next(): Promise<Uint8Array | undefined> {
    while (true) {
      const piece = this.#pieces?.next();
      if (piece !== undefined) return piece;
      const chunk = await this.#read();
      this.#operation.check();
      if (chunk === undefined) return undefined;
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError("The stream's chunks must be Uint8Arrays");
      }
      this.#pieces = new Pieces(chunk);
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      return (await this.#reader.read()).value;
    } catch (error) {
      this.#operation.check();
      if (error instanceof SecurityError) throw error;
      throw fileError("io-error", {
        message: "The data could not be read to its end",
        reason: String(error),
        error,
      });
    }
  }

  #cancel(reason: unknown): void {
    // Whether the source takes it well is its own affair.
    this.#reader.cancel(reason).catch(() => {});
  }

  end(error?: unknown): void {
    this.#signal.removeEventListener("abort", this.#abort);
    if (error !== undefined) this.#cancel(error);
    this.#reader.releaseLock();
  }
}

/**
 * The bytes of an open file up to its end, in room that is used again for each chunk. Its size is what it was
 * when it was opened: to ask again, once its permission was revoked, would ask the user.
 */
export function fileChunks(
  file: OpenFile,
  size: number,
  room: Uint8Array,
  checkSize: (bytes: number) => void,
): Chunks {
  let offset = 0;
  return {
    size,
    waits: false,
    async next(): Promise<Uint8Array | undefined> {
      const read = await file.read(room, offset);
      offset += read;
      checkSize(offset);
      return read === 0 ? undefined : room.subarray(0, read);
    },
    end(): void {},
  };
}
