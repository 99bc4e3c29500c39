/**
 * A file as a stream.
 *
 * @module
 */

import type { OpenFile } from "./backends/backend.ts";
import type { FileContext } from "./_context.ts";
import { fileError } from "./_errors.ts";
import { Operation, rejectInput } from "./_operation.ts";
import {
  isByteCount,
  openForRead,
  type ReadFileOptions,
  rejectByteCount,
  tooLarge,
} from "./_read.ts";
import { hasByteAt, reserve, SMALL_BYTES } from "./_read_bytes.ts";

/** Size of a chunk where the reader brings no buffer, in bytes. */
const CHUNK_BYTES = 64 * 1024;

export async function readable(
  context: FileContext,
  input: string,
  options: ReadFileOptions = {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  if (typeof input !== "string") return rejectInput();
  const { maxBytes = Infinity } = options;
  if (maxBytes !== Infinity && !isByteCount(maxBytes)) return rejectByteCount("maxBytes", maxBytes);
  const operation = new Operation(context, "read", input, options);
  try {
    await operation.begin(false);
    const source = await operation.step(async () => {
      const { file, limit, size, release } = await openForRead(operation, input, maxBytes);
      // A slow reader must not keep this process from changing the file: the handle is what it reads.
      release();
      return new FileSource(operation, file, limit, size);
    });
    return new ReadableStream(source, { highWaterMark: 0 });
  } catch (thrown) {
    const error = operation.explain(thrown);
    await operation.report(error);
    throw error;
  }
}

/** Reads when asked to; holds a permit and memory only for the time of one chunk. */
class FileSource implements UnderlyingByteSource {
  readonly type = "bytes";
  readonly autoAllocateChunkSize = CHUNK_BYTES;
  readonly #operation: Operation;
  readonly #file: OpenFile;
  readonly #limit: number;
  readonly #size: number;
  readonly #signal: AbortSignal;
  #controller: ReadableByteStreamController | undefined;
  #position = 0;
  #reading = false;
  #ended = false;

  constructor(operation: Operation, file: OpenFile, limit: number, size: number) {
    this.#operation = operation;
    this.#file = file;
    this.#limit = limit;
    this.#size = size;
    this.#signal = operation.signal();
    this.#signal.addEventListener("abort", this.#abort);
  }

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller;
    if (!this.#signal.aborted) return;
    this.#abort();
    // Aborted after the file was opened and before there was a stream: without this its reader would
    // wait for ever.
    controller.error(this.#operation.explain(this.#signal.reason));
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    const request = controller.byobRequest;
    const view = request?.view;
    if (request === null || !view) {
      throw fileError("io-error", { reason: "no buffer to read into" });
    }
    try {
      const read = await this.#operation.step(() => this.#read(view));
      if (this.#ended) return;
      this.#position += read;
      if (read === 0) {
        this.#end();
        await this.#report();
        controller.close();
      }
      request.respond(read);
    } catch (thrown) {
      if (this.#ended && this.#signal.aborted) return;
      const error = this.#operation.explain(thrown);
      this.#end();
      await this.#report(error);
      throw error;
    }
  }

  async cancel(): Promise<void> {
    this.#end();
    await this.#report();
  }

  async #read(view: ArrayBufferView): Promise<number> {
    const allowed = Math.min(view.byteLength, this.#limit - this.#position);
    const release = await reserve(this.#operation, view.byteLength);
    this.#reading = true;
    try {
      // The file was closed while this waited.
      if (this.#ended) return 0;
      if (allowed === 0) {
        if (!hasByteAt(this.#file, this.#position)) return 0;
        throw tooLarge(this.#operation.resource, this.#position + 1, this.#limit);
      }
      const into = new Uint8Array(view.buffer, view.byteOffset, allowed);
      return this.#size <= SMALL_BYTES
        ? this.#file.readSync(into, this.#position)
        : await this.#file.read(into, this.#position);
    } finally {
      this.#reading = false;
      if (this.#ended) this.#file.close();
      release();
    }
  }

  /** The caller gave up, or the validator closes: no chunk more, and the handle goes. */
  readonly #abort = (): void => {
    if (this.#ended) return;
    this.#end();
    const error = this.#operation.explain(this.#signal.reason);
    this.#controller?.error(error);
    // The stream has failed already; there is nobody left to tell that this was not recorded.
    this.#report(error).catch(() => {});
  };

  /** Closes the handle, once no read is using it. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal.removeEventListener("abort", this.#abort);
    if (!this.#reading) this.#file.close();
  }

  #report(error?: unknown): Promise<void> {
    if (this.#operation.context.reporter !== undefined) {
      this.#operation.details = { bytes: this.#position };
    }
    return this.#operation.report(error);
  }
}
