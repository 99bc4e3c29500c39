/**
 * Where the bytes of a write come from: memory, a caller's stream, another file.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { OpenFile } from "./backends/backend.ts";
import { fileError } from "./_errors.ts";
import type { Operation } from "./_operation.ts";

/** Most bytes of one write; between two of them an abort is noticed. */
const CHUNK_BYTES = 1024 * 1024;

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

/** What `writeFile()` writes. */
export type FileData = string | Uint8Array | ReadableStream<Uint8Array>;

/** Refuses data of another type; a stream is taken over, so that nobody else reads from it. */
export function chunksOf(data: FileData, operation: Operation, limit: number): Chunks {
  if (typeof data === "string") {
    // UTF-8 is never shorter than UTF-16 has units: no memory for what is refused anyway.
    if (data.length > limit) return memory(undefined, data.length);
    const bytes = new TextEncoder().encode(data);
    return memory(bytes, bytes.byteLength);
  }
  if (data instanceof Uint8Array) return memory(data, data.byteLength);
  return new StreamChunks(data, operation);
}

/** Refuses what is none of the types of data. */
export function checkData(data: unknown): asserts data is FileData {
  if (typeof data === "string" || data instanceof Uint8Array) return;
  if (!(data instanceof ReadableStream)) {
    throw new TypeError("'data' must be a string, a Uint8Array or a ReadableStream");
  }
  if (data.locked) throw new TypeError("'data' must be a stream that nobody else reads from");
}

function memory(bytes: Uint8Array | undefined, size: number): Chunks {
  let offset = 0;
  return {
    size,
    waits: false,
    // deno-lint-ignore require-await -- others have to wait
    async next(): Promise<Uint8Array | undefined> {
      if (bytes === undefined || offset >= size) return undefined;
      const chunk = bytes.subarray(offset, offset + CHUNK_BYTES);
      offset += CHUNK_BYTES;
      return chunk;
    },
    end(): void {},
  };
}

class StreamChunks implements Chunks {
  readonly size = undefined;
  readonly waits = true;
  readonly #operation: Operation;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal;
  readonly #abort: () => void;
  #rest: Uint8Array | undefined;

  constructor(stream: ReadableStream<Uint8Array>, operation: Operation) {
    this.#operation = operation;
    this.#reader = stream.getReader();
    this.#signal = operation.signal();
    // A source that stands still must not hold up an abort: a read that waits ends by this.
    this.#abort = () => this.#cancel(this.#signal.reason);
    this.#signal.addEventListener("abort", this.#abort, { once: true });
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#rest === undefined) {
      const chunk = await this.#read();
      this.#operation.check();
      if (chunk === undefined) return undefined;
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError("The stream's chunks must be Uint8Arrays");
      }
      this.#rest = chunk;
    }
    const rest = this.#rest;
    this.#rest = rest.byteLength > CHUNK_BYTES ? rest.subarray(CHUNK_BYTES) : undefined;
    return rest.subarray(0, CHUNK_BYTES);
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

/** The bytes of an open file up to its end, in room that is used again for each chunk. */
export function fileChunks(
  file: OpenFile,
  room: Uint8Array,
  checkSize: (bytes: number) => void,
): Chunks {
  let offset = 0;
  return {
    size: file.info().size,
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
