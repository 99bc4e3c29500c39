/**
 * A file as a stream.
 *
 * @module
 */

import type { OpenFile } from "./backends/backend.ts";
import type { FileContext } from "./_context.ts";
import { fileError } from "./_errors.ts";
import { Operation, rejectInput } from "./_operation.ts";
import type { ReleasePermits } from "./_permits.ts";
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
  const leave = context.enter();
  try {
    await operation.begin(false);
    const source = await operation.step(() => openSource(operation, input, maxBytes));
    return new ReadableStream(source, { highWaterMark: 0 });
  } catch (thrown) {
    const error = operation.explain(thrown);
    await operation.report(error);
    throw error;
  } finally {
    leave();
  }
}

async function openSource(
  operation: Operation,
  input: string,
  maxBytes: number,
): Promise<FileSource> {
  const ended = operation.keepOpen();
  let file: OpenFile | undefined;
  try {
    const opened = await openForRead(operation, input, maxBytes);
    file = opened.file;
    // A slow reader must not keep this process from changing the file: the handle is what it reads.
    opened.release();
    return new FileSource(operation, file, opened, ended);
  } catch (error) {
    file?.close();
    ended();
    throw error;
  }
}

/** Reads when asked to; holds a permit and memory only for the time of one chunk. */
class FileSource implements UnderlyingByteSource {
  readonly type = "bytes";
  readonly autoAllocateChunkSize: number;
  readonly #operation: Operation;
  readonly #file: OpenFile;
  readonly #letGo: ReleasePermits;
  readonly #limit: number;
  readonly #size: number;
  readonly #signal: AbortSignal;
  #controller: ReadableByteStreamController | undefined;
  #position = 0;
  #reading = false;
  #ended = false;
  /** The stream was failed from here, not by what `pull()` throws. */
  #aborted = false;

  constructor(
    operation: Operation,
    file: OpenFile,
    { limit, size }: { readonly limit: number; readonly size: number },
    letGo: ReleasePermits,
  ) {
    this.#operation = operation;
    this.#file = file;
    this.#letGo = letGo;
    this.#limit = limit;
    this.#size = size;
    // A chunk of more bytes than may be held at once could never be read.
    this.autoAllocateChunkSize = Math.min(CHUNK_BYTES, this.#mostBytes);
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
      if (this.#aborted) return;
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
    const most = Math.min(view.byteLength, this.#mostBytes);
    const allowed = Math.min(most, this.#limit - this.#position);
    const release = await reserve(this.#operation, most);
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
      if (this.#ended) this.#close();
      release();
    }
  }

  /** The caller gave up, or the validator closes: no chunk more, and the handle goes. */
  readonly #abort = (): void => {
    if (this.#ended) return;
    this.#aborted = true;
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
    if (!this.#reading) this.#close();
  }

  #close(): void {
    try {
      this.#file.close();
    } finally {
      this.#letGo();
    }
  }

  /** Most bytes that may be held at once. */
  get #mostBytes(): number {
    return this.#operation.context.limits.bytes.max;
  }

  #report(error?: unknown): Promise<void> {
    if (this.#operation.context.reporter !== undefined) {
      this.#operation.details = { bytes: this.#position };
    }
    return this.#operation.report(error);
  }
}
