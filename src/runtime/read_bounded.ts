import type { Clock } from "../_internal/clock.ts";
import { systemClock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import { maxBytesOption, pull, timeoutOption, tooLarge } from "./_pull.ts";

/** What has a body: a `Request` or a `Response`. */
export interface BodyCarrier {
  /** The body, if any. */
  readonly body: ReadableStream<Uint8Array> | null;
  /** Whether it was read before. */
  readonly bodyUsed?: boolean;
  /** Where `Content-Length` may be. */
  readonly headers?: Pick<Headers, "get">;
}

/** Options of {@linkcode readBounded}. */
export interface ReadBoundedOptions {
  /** Most bytes that are accepted. */
  readonly maxBytes: number;
  /** How long it may take, in milliseconds. @default {30_000} */
  readonly timeoutMs?: number;
  /**
   * How many bytes a second have to arrive, in every five seconds; 0 for any.
   * @default {0}
   */
  readonly minBytesPerSecond?: number;
  /** Ends the reading, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
  /** Time. @default {systemClock} */
  readonly clock?: Clock;
}

const PURPOSE = "read a stream";
const BLOCK_BYTES = 16_384;
const LARGE_BYTES = 1024;
const DECIMAL = /^[0-9]+$/;

/**
 * Reads all of a stream or body, but not more than so much, and not for longer than so long.
 *
 * Memory grows with what has arrived, not with what a `Content-Length` promises, and does not depend on how
 * small the chunks are. A `Content-Length` above the limit is refused before anything is read. When reading ends
 * early, the stream is cancelled and unlocked, without a wait for it.
 *
 * @example
 * ```ts
 * import { readBounded, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const request = () => new Request("http://localhost/", { method: "POST", body: "hello" });
 * assertEquals((await readBounded(request(), { maxBytes: 5 })).length, 5);
 * await assertRejects(() => readBounded(request(), { maxBytes: 4 }), SecurityError, "larger than 4");
 * ```
 *
 * @param source The stream, or the request or response with the body.
 * @param options The limits.
 * @returns The bytes, in memory of their own. Chunks must stay as they are until then.
 * @throws {SecurityError} `too-large`, or `timeout` when it took too long or came too slowly.
 * @throws {TypeError} If the source is none, is locked or was read before, or has chunks that are no `Uint8Array`.
 * @throws {RangeError} If an option is out of range.
 * @throws The reason of the signal; whatever the stream fails with.
 */
export async function readBounded(
  source: ReadableStream<Uint8Array> | BodyCarrier,
  options: ReadBoundedOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { signal, clock = systemClock } = options;
  const maxBytes = maxBytesOption(PURPOSE, options.maxBytes);
  const timeoutMs = timeoutOption(PURPOSE, options.timeoutMs);
  const minBytesPerSecond = integerOption(
    PURPOSE,
    "minBytesPerSecond",
    options.minBytesPerSecond,
    { otherwise: 0, least: 0 },
  );
  const stream = streamOf(source, maxBytes);
  if (stream === null) return new Uint8Array(0);
  const gathered = new Gathered();
  await pull(stream, { signal, timeoutMs, minBytesPerSecond, clock }, (chunk) => {
    if (gathered.length + chunk.byteLength > maxBytes) throw tooLarge(maxBytes);
    gathered.add(chunk);
  });
  return gathered.bytes();
}

/** Gathers chunks: small ones in blocks, as each alone would cost a hundred bytes more than it has. */
class Gathered {
  length = 0;
  readonly #parts: Uint8Array[] = [];
  #block = new Uint8Array(0);
  #used = 0;

  add(chunk: Uint8Array): void {
    const { byteLength } = chunk;
    this.length += byteLength;
    // A large one stays as it is, unless it is a small part of much more memory.
    if (byteLength >= LARGE_BYTES && byteLength * 2 >= chunk.buffer.byteLength) {
      this.#flush();
      this.#parts.push(chunk);
      return;
    }
    for (let at = 0; at < byteLength;) {
      if (this.#used === this.#block.length) {
        this.#flush();
        this.#block = new Uint8Array(BLOCK_BYTES);
      }
      const part = chunk.subarray(at, at + this.#block.length - this.#used);
      this.#block.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  bytes(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** What follows goes into the rest of the block. */
  #flush(): void {
    if (this.#used > 0) this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}

function streamOf(
  source: ReadableStream<Uint8Array> | BodyCarrier,
  maxBytes: number,
): ReadableStream<Uint8Array> | null {
  if (typeof source !== "object" || source === null) {
    throw wrongOption(PURPOSE, "source", "a stream, request or response", source);
  }
  if ("getReader" in source) return source;
  if (source.bodyUsed) throw new TypeError("Cannot read a body that was read before");
  const { body } = source;
  if (body === undefined) {
    throw wrongOption(PURPOSE, "source", "a stream, request or response", source);
  }
  const written = source.headers?.get("content-length") ?? "";
  if (DECIMAL.test(written) && Number(written) > maxBytes) {
    const error = tooLarge(maxBytes);
    body?.cancel(error).catch(() => {});
    throw error;
  }
  return body;
}
