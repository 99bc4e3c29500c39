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
const FIRST_BYTES = 16_384;
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
 * @returns The bytes, in memory of their own.
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
  let bytes = new Uint8Array(0);
  let length = 0;
  await pull(stream, { signal, timeoutMs, minBytesPerSecond, clock }, (chunk) => {
    const total = length + chunk.byteLength;
    if (total > maxBytes) throw tooLarge(maxBytes);
    if (total > bytes.length) {
      // Twice as much every time: each byte is copied twice at the most. A list of chunks would cost
      // a hundred bytes for every one that comes alone.
      const room = new Uint8Array(
        Math.min(maxBytes, Math.max(FIRST_BYTES, 2 * bytes.length, total)),
      );
      room.set(bytes.subarray(0, length));
      bytes = room;
    }
    bytes.set(chunk, length);
    length = total;
  });
  return bytes.length === length ? bytes : bytes.slice(0, length);
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
