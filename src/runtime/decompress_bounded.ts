import { SecurityError } from "../errors.ts";
import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import { type CompressionFormat, openInflater } from "./_inflate.ts";
import { maxBytesOption, pull, timeoutOption, tooLarge } from "./_pull.ts";
import { readBounded } from "./read_bounded.ts";

export type { CompressionFormat };

/** Options of {@linkcode decompressBounded}. */
export interface DecompressBoundedOptions {
  /** How the bytes were compressed. */
  readonly format: CompressionFormat;
  /** Most bytes that may come out. */
  readonly maxBytes: number;
  /**
   * How many times as much may come out as went in, from 1 on; looked at once 64 KiB have come out. Text
   * seldom reaches 20, a bomb reaches 1000.
   * @default {Infinity}
   */
  readonly maxRatio?: number;
  /** How long it may take, reading included, in milliseconds. @default {30_000} */
  readonly timeoutMs?: number;
  /** Ends the work, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
  /** Time. @default {systemClock} */
  readonly clock?: Clock;
}

const PURPOSE = "decompress";
const FORMATS = new Set<unknown>(["gzip", "deflate", "deflate-raw"]);
/** Little is harmless at any ratio. */
const RATIO_FROM = 65_536;

/**
 * Decompresses into memory, but not more than so much, and not for longer than so long.
 *
 * Never is there more in memory than the limit and one piece of 64 KiB (256 KiB with a `DecompressionStream`). What
 * is cut off, broken or followed by something else is refused; `gzip` may have several members where `node:zlib` is
 * (RFC 1952), as in Deno, Node and Bun.
 *
 * @example
 * ```ts
 * import { decompressBounded, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const gzip = (text: string) =>
 *   new Response(text).body!.pipeThrough(new CompressionStream("gzip"));
 * const options = { format: "gzip", maxBytes: 1000 } as const;
 * assertEquals((await decompressBounded(gzip("hello"), options)).length, 5);
 * await assertRejects(
 *   () => decompressBounded(gzip("0".repeat(1_000_000)), options),
 *   SecurityError,
 *   "larger than 1000 bytes",
 * );
 * ```
 *
 * @param source The compressed bytes, or a stream of them.
 * @param options The format and the limits.
 * @returns The decompressed bytes.
 * @throws {SecurityError} `too-large`, `stream-invalid` or `timeout`.
 * @throws {TypeError} If the source or an option is of the wrong type.
 * @throws {RangeError} If an option is out of range.
 * @throws The reason of the signal; whatever the stream fails with.
 */
export async function decompressBounded(
  source: Uint8Array | ReadableStream<Uint8Array>,
  options: DecompressBoundedOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, timeoutMs, clock } = options;
  const stream = decompressStreamBounded(source, options);
  return await readBounded(stream, {
    maxBytes,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(clock === undefined ? {} : { clock }),
  });
}

/**
 * Decompresses as a stream with the limits of {@linkcode decompressBounded}, and as fast as it is read.
 *
 * @example
 * ```ts
 * import { decompressStreamBounded } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const compressed = new Response("hello").body!.pipeThrough(new CompressionStream("deflate"));
 * const stream = decompressStreamBounded(compressed, { format: "deflate", maxBytes: 1000 });
 * assertEquals(await new Response(stream).text(), "hello");
 * ```
 *
 * @param source The compressed bytes, or a stream of them.
 * @param options The format and the limits.
 * @returns The stream, which fails as `decompressBounded` does; to cancel it cancels the source.
 * @throws {TypeError} If the source or an option is of the wrong type.
 * @throws {RangeError} If an option is out of range.
 */
export function decompressStreamBounded(
  source: Uint8Array | ReadableStream<Uint8Array>,
  options: DecompressBoundedOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { format, maxRatio = Infinity, signal, clock = systemClock } = options;
  if (!FORMATS.has(format)) {
    throw wrongOption(PURPOSE, "format", '"gzip", "deflate" or "deflate-raw"', format);
  }
  const maxBytes = maxBytesOption(PURPOSE, options.maxBytes);
  const timeoutMs = timeoutOption(PURPOSE, options.timeoutMs);
  if (maxRatio !== Infinity) {
    integerOption(PURPOSE, "maxRatio", maxRatio, { otherwise: 1, least: 1 });
  }
  const stream = streamOf(source);
  const stopping = new AbortController();
  const limits = { signal: stopping.signal, timeoutMs, minBytesPerSecond: 0, clock };
  let chunks: AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> | undefined;
  const begin = () => inflate(stream, { format, limits, maxBytes, maxRatio, stopping, signal });
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await (chunks ??= begin()).next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error);
      }
    },
    cancel(reason) {
      if (chunks === undefined) return stream.cancel(reason);
      // What it waits for may never come; it is told, and nobody waits for it.
      stopping.abort(reason);
      chunks.return(undefined).catch(() => {});
      return undefined;
    },
  }, { highWaterMark: 0 });
}

interface InflateOptions {
  readonly format: CompressionFormat;
  readonly limits: Parameters<typeof pull>[1];
  readonly maxBytes: number;
  readonly maxRatio: number;
  /** Ends the reading of the source. */
  readonly stopping: AbortController;
  readonly signal: AbortSignal | undefined;
}

async function* inflate(
  source: ReadableStream<Uint8Array>,
  { format, limits, maxBytes, maxRatio, stopping, signal }: InflateOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  const inflater = openInflater(format);
  let taken = 0;
  let given = 0;
  let failure: { readonly reason: unknown } | undefined;
  const feed = async () => {
    try {
      await pull(source, limits, async (chunk) => {
        taken += chunk.byteLength;
        await inflater.write(chunk);
      });
      await inflater.end();
    } catch (reason) {
      failure ??= { reason };
      inflater.destroy(reason);
    } finally {
      // Also for whoever reads no further, and cancels nothing.
      signal?.removeEventListener("abort", abort);
    }
  };
  const abort = () => stopping.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const feeding = feed();
  try {
    for await (const chunk of inflater.chunks()) {
      given += chunk.byteLength;
      if (given > maxBytes) throw tooLarge(maxBytes);
      if (given > RATIO_FROM && given > taken * maxRatio) {
        throw new SecurityError("too-large", "The compressed data grows too much", {
          details: { maxRatio },
        });
      }
      // A copy: the rest of that memory is still written to.
      yield new Uint8Array(chunk);
    }
    await feeding;
  } catch (error) {
    // What went wrong with the source says more than that its data then was not whole.
    failure ??= { reason: error };
  } finally {
    signal?.removeEventListener("abort", abort);
    // Nothing more is read, whether this ends well, fails or is given up.
    stopping.abort(failure?.reason);
    inflater.destroy();
  }
  if (failure !== undefined) throw failure.reason;
  return undefined;
}

function streamOf(source: unknown): ReadableStream<Uint8Array> {
  if (source instanceof Uint8Array) {
    return new ReadableStream({
      start(controller) {
        controller.enqueue(source);
        controller.close();
      },
    });
  }
  if (typeof source === "object" && source !== null && "getReader" in source) {
    return source as ReadableStream<Uint8Array>;
  }
  throw wrongOption(PURPOSE, "source", "a stream or a Uint8Array", source);
}
