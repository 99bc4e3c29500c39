import { SecurityError } from "../errors.ts";

/** How the bytes were compressed. */
export type CompressionFormat = "gzip" | "deflate" | "deflate-raw";

/** Decompresses, a bounded amount at a time. */
export interface Inflater {
  /** Takes compressed bytes; settles when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that there are no more. */
  end(): Promise<void>;
  /** The decompressed bytes; ends after `end`, and fails for what is not whole. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Gives everything up; harmless afterwards. */
  destroy(reason?: unknown): void;
}

/** What is used of a stream of `node:zlib`. */
interface ZlibStream extends AsyncIterable<Uint8Array> {
  readonly bytesWritten: number;
  write(bytes: Uint8Array, callback: (error?: Error | null) => void): unknown;
  end(callback: () => void): unknown;
  destroy(error?: Error): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

type ZlibOptions = { readonly chunkSize: number };
type Zlib = Readonly<
  Record<
    "createGunzip" | "createInflate" | "createInflateRaw",
    (options: ZlibOptions) => ZlibStream
  >
>;

/** How much comes out of `node:zlib` at once. */
const CHUNK_SIZE = 65_536;
/** How much goes in at once: what it becomes is bounded, and between two of them the work can be stopped. */
const SLICE_SIZE = 65_536;
/**
 * How much goes into a DecompressionStream at once. It puts out whatever that becomes in one piece: a thousand
 * times as much at the most, but a bomb of 50 MB is only 48 kB long.
 */
const WEB_SLICE_SIZE = 256;

const CONSTRUCTORS = {
  gzip: "createGunzip",
  deflate: "createInflate",
  "deflate-raw": "createInflateRaw",
} as const;

/**
 * Begins to decompress: with `node:zlib` where there is one. The DecompressionStream of Deno takes a `deflate` or
 * `deflate-raw` stream that was cut off for a whole one.
 */
export function openInflater(format: CompressionFormat): Inflater {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const zlib = process?.getBuiltinModule?.("node:zlib");
  return isZlib(zlib) ? zlibInflater(zlib[CONSTRUCTORS[format]]) : webInflater(format);
}

function isZlib(value: unknown): value is Zlib {
  return typeof value === "object" && value !== null &&
    Object.values(CONSTRUCTORS).every((name) => name in value);
}

function zlibInflater(create: (options: ZlibOptions) => ZlibStream): Inflater {
  const stream = create({ chunkSize: CHUNK_SIZE });
  let written = 0;
  // Whoever reads is told; an event that nobody listens to would end the program.
  stream.on("error", () => {});
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; at += SLICE_SIZE) {
        const slice = bytes.subarray(at, at + SLICE_SIZE);
        written += slice.length;
        await new Promise<void>((resolve, reject) => {
          stream.write(slice, (error) => error ? reject(invalid(error)) : resolve());
        });
        // Only what comes after the end of the compressed data is not taken.
        if (stream.bytesWritten < written) throw trailing();
      }
    },
    end: () => new Promise((resolve) => stream.end(resolve)),
    async *chunks() {
      try {
        for await (const chunk of stream) yield chunk;
      } catch (error) {
        throw error instanceof SecurityError ? error : invalid(error);
      }
      if (stream.bytesWritten < written) throw trailing();
    },
    destroy: () => void stream.destroy(),
  };
}

/** With a DecompressionStream, for where there is nothing else. */
export function webInflater(format: CompressionFormat): Inflater {
  const stream = new DecompressionStream(format);
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  writer.closed.catch(() => {});
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; at += WEB_SLICE_SIZE) {
        // A copy: some implementations take the memory with them.
        await writer.write(bytes.slice(at, at + WEB_SLICE_SIZE));
      }
    },
    end: () => writer.close(),
    async *chunks() {
      try {
        while (true) {
          const { done, value } = await reader.read();
          if (done) return;
          yield value;
        }
      } catch (error) {
        throw error instanceof SecurityError ? error : invalid(error);
      }
    },
    destroy(reason) {
      writer.abort(reason).catch(() => {});
      reader.cancel(reason).catch(() => {});
    },
  };
}

function invalid(cause: unknown): SecurityError {
  return new SecurityError("stream-invalid", "The compressed data is not valid", { cause });
}

function trailing(): SecurityError {
  return new SecurityError("stream-invalid", "There is something behind the compressed data");
}
