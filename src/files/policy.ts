/**
 * What a validator allows: {@linkcode SecurityPolicy} by path and type, {@linkcode ResourcePolicy} by
 * quantity.
 *
 * @module
 */

/** One mebibyte, 1,048,576 bytes. */
export const MiB: number = 1024 * 1024;

/** Which paths and files are allowed. Without any configuration it is strict about everything but names. */
export interface SecurityPolicy {
  /** Largest file to be read or written, in bytes. @default {10 * MiB} */
  readonly maxFileSizeBytes?: number;
  /** Most components of a path below its root. @default {32} */
  readonly maxDepth?: number;
  /**
   * Symbolic links: `within-root` follows those that end inside of an allowed root, `deny` refuses a
   * path with any. @default {"within-root"}
   */
  readonly symlinks?: "within-root" | "deny";
  /**
   * Files with more than one name: what lies in a root may be the same file as one outside.
   * `deny` refuses them. @default {"allow"}
   */
  readonly hardLinks?: "allow" | "deny";
  /**
   * The only extensions that files may have. `".md"`, `"md"` and `"MD"` mean the same; a name without an
   * extension is refused; a name such as `.env` has the extension `.env`. @default {any extension}
   */
  readonly allowedExtensions?: readonly string[];
  /** Extensions that files may not have, by the same rules. @default {[]} */
  readonly deniedExtensions?: readonly string[];
  /**
   * Paths that may not be touched, with everything below them: absolute, or relative to each root.
   * Links that lead there are refused as well. @default {[]}
   */
  readonly forbiddenPaths?: readonly string[];
  /** Refuses relative paths. @default {false} */
  readonly requireAbsolutePaths?: boolean;
}

/** How much a validator does at once. */
export interface ResourcePolicy {
  /**
   * Most operations that touch the disk at the same time; more wait in order. Four times as many streams and
   * uploads, at least 64, may be open; more are refused with `too-many-operations`. @default {64}
   */
  readonly maxConcurrentOperations?: number;
  /**
   * Most operations that wait; more are refused with `too-many-operations`. Changes that wait for the
   * reporter to be ready are bounded by this plus `maxConcurrentOperations`. @default {10_000}
   */
  readonly maxQueuedOperations?: number;
  /**
   * Operations in a second, on average; more are refused with `rate-limited`. After a pause as many as in
   * a second may come at once, with others behind them at that rate: twice as many in that one second.
   * @default {no limit}
   */
  readonly maxOperationsPerSecond?: number;
  /**
   * Most bytes held in memory by running operations; more wait in order, and what needs more alone is
   * refused with `file-too-large`. Not counted is what a call reads of up to 64 KiB or writes of text up to
   * 16,384 UTF-16 code units, in one go each, and what is the caller's own: buffers, strings, the chunks of
   * its streams, results. @default {256 * MiB}
   */
  readonly maxBytesInFlight?: number;
  /** Most entries that `list` returns or `walk` visits. @default {100_000} */
  readonly maxEntries?: number;
}

/** A root with rules of its own. */
export interface RootOptions extends SecurityPolicy {
  /** The directory. */
  readonly path: string;
  /** Refuses everything that would change something below. @default {false} */
  readonly readOnly?: boolean;
}
