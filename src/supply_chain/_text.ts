import { SecurityError, type SecurityErrorCode } from "../errors.ts";

/**
 * Controls, bidirectional and other format characters, line separators, lone surrogates, and all that
 * shows as nothing: tags, variation selectors, the Hangul fillers and the empty braille pattern.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/**
 * Text that a terminal, a log or a code-scanning page may show.
 *
 * A package name is chosen by whoever wrote the lockfile: `\x1b[2J` in it would clear the reader's
 * screen, a bidirectional override would reorder the line, and with invisible characters two names
 * would look alike.
 */
export function printable(text: string, maxLength = 2000): string {
  const cut = text.length > maxLength ? text.slice(0, maxLength) + "…" : text;
  return cut.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** Lines of a text, for turning offsets into places. */
export class LineIndex {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
      this.#starts.push(at + 1);
    }
  }

  /** Line and column, both from 1, of an offset in UTF-16 code units. */
  at(offset: number): { line: number; column: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#starts[low]! + 1 };
  }
}

/** Options of {@linkcode readText}. */
export interface ReadTextOptions {
  /** More than this is refused without being read. */
  readonly maxBytes: number;
  /** Code of the error for a file that is too large or is not UTF-8. */
  readonly code: SecurityErrorCode;
  /** How an error names the file. */
  readonly name: string;
}

/**
 * The text of a regular file of at most `maxBytes`, or `undefined` when there is none.
 *
 * The size is checked again while reading, as the file may grow; a FIFO or device is refused, as it
 * could block or never end. Reading is synchronous: an audit reads many small files and has nothing
 * else to do, and a thread for each of them takes several times as long.
 */
export function readText(path: string, options: ReadTextOptions): string | undefined {
  const bytes = readBytes(path, options);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SecurityError(options.code, `${printable(options.name)} is not UTF-8 text`, {
      cause,
    });
  }
}

/** The bytes of a regular file, under the same rules as {@linkcode readText}. */
export function readBytes(
  path: string,
  options: ReadTextOptions,
): Uint8Array<ArrayBuffer> | undefined {
  const refuse = (why: string, cause?: unknown) =>
    new SecurityError(options.code, `${printable(options.name)} ${why}`, { cause });
  try {
    // Opening a FIFO would wait for a writer, so the type is looked at first.
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) throw refuse("is not a regular file");
    if (size > options.maxBytes) throw refuse(tooLarge(size, options.maxBytes));
    using file = Deno.openSync(path, { read: true });
    let buffer = new Uint8Array(size + 1);
    let length = 0;
    for (let read; (read = file.readSync(buffer.subarray(length))) !== null;) {
      length += read;
      if (length > options.maxBytes) throw refuse(tooLarge(length, options.maxBytes));
      if (length === buffer.length) {
        const larger = new Uint8Array(Math.min(buffer.length * 2, options.maxBytes + 1));
        larger.set(buffer);
        buffer = larger;
      }
    }
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof SecurityError) throw error;
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw refuse("cannot be read", error);
  }
}

function tooLarge(bytes: number, maxBytes: number): string {
  return `is larger than the limit of ${maxBytes} bytes (at least ${bytes})`;
}
