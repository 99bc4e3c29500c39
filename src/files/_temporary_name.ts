/**
 * The names of files that are being written, which are nobody's to name.
 *
 * @module
 */

const PREFIX = ".bartizan-";

/** Enough that nobody guesses the name of a file that is being written, in bytes. */
const RANDOM_BYTES = 16;

const LENGTH = PREFIX.length + 2 * RANDOM_BYTES;

/** Upper case as well: where case means nothing, it is the same file. */
const NAME = /^\.bartizan-[0-9a-f]{32}$/i;

const DOT = 0x2e;
const SLASH = 0x2f;

/** A name that nobody has. */
export function temporaryName(): string {
  return PREFIX + crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)).toHex();
}

/**
 * Whether a clean path with `/` ends in such a name.
 *
 * A client that lists a directory would otherwise learn the name of another client's upload, read it before
 * it is done, and add to it what then becomes the other's file.
 */
export function isTemporary(path: string): boolean {
  const start = path.length - LENGTH;
  // Every operation asks this, and almost every path is told by its length or by one character.
  if (start < 0 || path.charCodeAt(start) !== DOT) return false;
  return (start === 0 || path.charCodeAt(start - 1) === SLASH) && NAME.test(path.slice(start));
}
