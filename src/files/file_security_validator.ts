/**
 * The validator: the one door between what a client names and the disk.
 *
 * @module
 */

import type { Protection } from "./backends/backend.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import { fileError } from "./_errors.ts";
import type { FileInfo } from "./file_info.ts";
import {
  type FileSecurityOptions,
  openContext,
  openSubcontext,
  type SubrootOptions,
} from "./_open_context.ts";
import {
  open,
  type OpenFileOptions,
  readFile,
  type ReadFileOptions,
  readInto,
  type ReadIntoOptions,
  readRange,
  type ReadRangeOptions,
  readTextFile,
  stat,
  validate,
} from "./_read.ts";
import { readable } from "./_readable.ts";
import {
  list,
  type ListEntry,
  type ListOptions,
  walk,
  type WalkEntry,
  type WalkOptions,
} from "./_tree.ts";
import { type RequiredPermissions, requiredPermissions } from "./required_permissions.ts";
import {
  copy,
  type CopyOptions,
  type FileData,
  mkdir,
  type MkdirOptions,
  remove,
  type RemoveOptions,
  rename,
  type RenameOptions,
  writeFile,
  type WriteFileOptions,
} from "./_write.ts";

/**
 * Touches files on behalf of clients, below the allowed roots only and within limits.
 *
 * Every method takes a path as the client wrote it: absolute in any spelling that leads into a root, or
 * relative, and then meant below the first root in which it exists. The string is taken as it is: `~`,
 * `%2e` and Unicode forms mean nothing. `.`, `..` and `//` are resolved in the text, before anything
 * is looked up. Links that end inside of a root are followed, unless the policy denies them.
 *
 * A refusal is a {@linkcode SecurityError}, whose `message` names neither a root nor a canonical path. An
 * aborted operation rejects with the reason of its signal. Files, directories and nothing else are opened:
 * no FIFO, socket or device.
 *
 * {@linkcode FileSecurityValidator.protection} says what holds when another process changes the tree
 * meanwhile.
 *
 * Not promised: a regular file below a root may be a hard link or lie on a bind mount (see
 * `hardLinks` in {@linkcode SecurityPolicy}), and a client that may write below a root sees what it wrote.
 *
 * @example
 * ```ts
 * import { FileSecurityValidator, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${root}/note.txt`, "hello");
 * await using files = await FileSecurityValidator.open({ roots: [root] });
 *
 * assertEquals(await files.readTextFile("note.txt"), "hello");
 * const error = await assertRejects(() => files.readTextFile("../etc/passwd"), SecurityError);
 * assertEquals(error.code, "path-outside-root");
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class FileSecurityValidator {
  readonly #context: FileContext;
  readonly #children = new Set<FileSecurityValidator>();
  readonly #release: () => void;
  #closed: Promise<void> | undefined;

  private constructor(context: FileContext, release: () => void) {
    this.#context = context;
    this.#release = release;
  }

  /**
   * Opens a validator.
   *
   * Requires `--allow-read` for the roots, and `--allow-write` for those that are not read-only;
   * {@linkcode FileSecurityValidator.requiredPermissions} says it exactly. Nothing prompts.
   *
   * @param options The roots, the rules and the limits.
   * @returns The validator; whoever opened it closes it.
   * @throws {TypeError} If the options make no sense, such as without any root; a policy has to be a plain
   * object, and is copied.
   * @throws {RangeError} If a limit is out of its range.
   * @throws {SecurityError} `protection-unavailable` if the protection that is asked for cannot be had,
   * `permission-missing` if a permission is missing, `not-found` or `not-a-directory` if a root is none.
   */
  static async open(options: FileSecurityOptions): Promise<FileSecurityValidator> {
    const { context, release } = await openContext(options);
    return new FileSecurityValidator(context, release);
  }

  /** How well it is protected against a tree that changes while it is used. */
  get protection(): Protection {
    return this.#context.backend.protection;
  }

  /** The least permissions that this configuration works with, for the command line and deno.json. */
  requiredPermissions(): RequiredPermissions {
    const { roots, backend: { protection, libraries } } = this.#context;
    return requiredPermissions({
      roots: roots.flatMap(({ spellings, readOnly }) =>
        spellings.map((path) => ({ path, readOnly }))
      ),
      protection,
      ...(libraries === undefined ? {} : { libraries }),
    });
  }

  /**
   * Where a path leads, after every check. What is found may change in the next moment: a handle or the
   * content is safe, a path is advice.
   *
   * @param path What the client wrote; it has to exist.
   * @param options Signal and principal.
   * @returns The canonical absolute path; not for the eyes of a client.
   * @throws {SecurityError} If it is refused or not found.
   */
  validate(path: string, options?: OperationOptions): Promise<string> {
    return start(validate, this.#context, path, options);
  }

  /**
   * Opens an existing file. Its size was checked; what is read or written through it later is not.
   *
   * With the protection `kernel` and anything less than all permissions it is an object with all methods of
   * `Deno.FsFile`, not an instance of it.
   *
   * @param path What the client wrote.
   * @param options What to open it for.
   * @returns The file; the caller closes it.
   * @throws {SecurityError} If it is refused or not found, or no regular file.
   */
  open(path: string, options?: OpenFileOptions): Promise<Deno.FsFile> {
    return start(open, this.#context, path, options);
  }

  /**
   * Reads a whole file. A file that grows past the limit while it is read is refused.
   *
   * @param path What the client wrote.
   * @param options Limit, signal and principal.
   * @returns The content.
   * @throws {SecurityError} `file-too-large` above the limit; or if it is refused or not found.
   */
  readFile(path: string, options?: ReadFileOptions): Promise<Uint8Array<ArrayBuffer>> {
    return start(readFile, this.#context, path, options);
  }

  /**
   * Reads a whole file as UTF-8. A byte order mark is kept, so that the same text can be written back.
   *
   * @param path What the client wrote.
   * @param options Limit, signal and principal.
   * @returns The text.
   * @throws {SecurityError} `not-utf8` if it is not valid UTF-8; else as `readFile()`.
   */
  readTextFile(path: string, options?: ReadFileOptions): Promise<string> {
    return start(readTextFile, this.#context, path, options);
  }

  /**
   * Reads a part of a file, which as a whole has to be within the limit.
   *
   * @param path What the client wrote.
   * @param options Which part, in bytes.
   * @returns The bytes; fewer than asked for at the end of the file.
   * @throws {RangeError} If the part is not told in whole numbers of bytes.
   * @throws {SecurityError} As `readFile()`.
   */
  readRange(path: string, options?: ReadRangeOptions): Promise<Uint8Array<ArrayBuffer>> {
    return start(readRange, this.#context, path, options);
  }

  /**
   * Reads a part of a file into the caller's buffer. After an error, the content of that part of the
   * buffer is undefined.
   *
   * @param path What the client wrote.
   * @param buffer Where the bytes go.
   * @param options Which part of the file, and of the buffer, in bytes.
   * @returns How many bytes were read; fewer than asked for at the end of the file.
   * @throws {RangeError} If the part lies outside of the buffer.
   * @throws {SecurityError} As `readFile()`.
   */
  readInto(path: string, buffer: Uint8Array, options?: ReadIntoOptions): Promise<number> {
    return start(readInto, this.#context, path, buffer, options);
  }

  /**
   * Opens a file as a byte stream. Between two chunks it holds no permit, and every chunk is checked
   * against the limit. Reading to the end, cancelling, the signal and `close()` close the handle.
   *
   * @param path What the client wrote.
   * @param options Limit, signal and principal.
   * @returns The stream.
   * @throws {SecurityError} As `readFile()`; what is found while it is read fails the stream.
   */
  readable(
    path: string,
    options?: ReadFileOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return start(readable, this.#context, path, options);
  }

  /**
   * Tells what a path names.
   *
   * @param path What the client wrote.
   * @param options Signal and principal.
   * @returns Type, size and time.
   * @throws {SecurityError} If it is refused or not found.
   */
  stat(path: string, options?: OperationOptions): Promise<FileInfo> {
    return start(stat, this.#context, path, options);
  }

  /**
   * Writes a whole file. Unless asked to append or to write in place, what was there is replaced at once
   * and completely, or not at all. Until then the content lies beside it under the name `.bartizan-` with 32
   * hexadecimal digits, which every operation refuses and no list shows. It stays there when the process is
   * killed or loses the permission to write; a recursive `remove()` of the directory takes it along.
   *
   * Memory that is transferred or resized before the end is a `TypeError`, and so is text with a lone
   * surrogate, which UTF-8 cannot hold.
   *
   * @param path What the client wrote.
   * @param data The content; a stream is read to its end, within the limit.
   * @param options How it is written.
   * @throws {SecurityError} `file-too-large`, `already-exists`, `read-only-root`; `not-found` if the file
   * that is written in place from a stream is renamed or replaced; or if it is refused.
   */
  writeFile(path: string, data: FileData, options?: WriteFileOptions): Promise<void> {
    return start(writeFile, this.#context, path, data, options);
  }

  /**
   * Makes a directory.
   *
   * @param path What the client wrote.
   * @param options Whether those above are made as well.
   * @throws {SecurityError} `already-exists`, `not-found` for the one above; or if it is refused.
   */
  mkdir(path: string, options?: MkdirOptions): Promise<void> {
    return start(mkdir, this.#context, path, options);
  }

  /**
   * Removes a file, a link itself or a directory.
   *
   * @param path What the client wrote.
   * @param options Whether what is below goes as well.
   * @throws {SecurityError} `directory-not-empty`, `root-operation`; or if it is refused or not found.
   */
  remove(path: string, options?: RemoveOptions): Promise<void> {
    return start(remove, this.#context, path, options);
  }

  /**
   * Gives a file, a link itself or a directory another name. That nothing is replaced holds against
   * other processes with the protection `kernel` only.
   *
   * @param from What the client wrote.
   * @param to The new name; the rules for names and paths hold for it as well.
   * @param options Whether what is there is replaced.
   * @throws {SecurityError} `already-exists`, `root-operation`; `io-error` between two file systems; or if
   * one is refused or not found.
   */
  rename(from: string, to: string, options?: RenameOptions): Promise<void> {
    return start(rename, this.#context, from, to, options);
  }

  /**
   * Copies a file.
   *
   * @param from What the client wrote.
   * @param to The name of the copy.
   * @param options Whether what is there is replaced.
   * @throws {SecurityError} `already-exists`, `file-too-large`; or if one is refused or not found.
   */
  copy(from: string, to: string, options?: CopyOptions): Promise<void> {
    return start(copy, this.#context, from, to, options);
  }

  /**
   * Lists a directory, without what is forbidden.
   *
   * @param path What the client wrote.
   * @param options Signal and principal.
   * @returns The entries, sorted by name.
   * @throws {SecurityError} `too-many-entries`, `not-a-directory`; or if it is refused or not found.
   */
  list(path: string, options?: ListOptions): Promise<ListEntry[]> {
    return start(list, this.#context, path, options);
  }

  /**
   * Walks what is below a directory, following no link, without what is forbidden. It is recorded when
   * it ends, or at `close()` while its consumer pauses.
   *
   * @param path What the client wrote.
   * @param options How deep, and what is yielded.
   * @returns The entries, with paths that every method takes.
   * @throws {SecurityError} While it is iterated: `too-many-entries`, `not-a-directory`; or if it is
   * refused or not found.
   */
  walk(path: string, options?: WalkOptions): AsyncGenerator<WalkEntry, void, undefined> {
    return walk(this.#context, path, options);
  }

  /**
   * Narrows to a directory, for a tenant or a session.
   *
   * The rules of the root that it lies in stay in force, as do those of every root below, and `overrides` can
   * only narrow them. Limits are shared with this validator, and closing this one closes it as well. It is
   * recorded as `file.open`, with the operation `subroot`.
   *
   * @param path The directory.
   * @param overrides Rules of its own.
   * @returns A validator with this directory as the one place where relative paths start.
   * @throws {SecurityError} If it is refused, not found or no directory.
   */
  async subroot(path: string, overrides?: SubrootOptions): Promise<FileSecurityValidator> {
    const { context, release } = await openSubcontext(this.#context, path, overrides);
    const child: FileSecurityValidator = new FileSecurityValidator(context, () => {
      this.#children.delete(child);
      release();
    });
    this.#children.add(child);
    if (this.#closed !== undefined) {
      // Closed between the opening and now: nobody else would close the child.
      await child.close();
      throw fileError("closed");
    }
    return child;
  }

  /**
   * Refuses every further operation, ends those that wait, and lets go of the roots once the others are
   * done and recorded, or the reporter did not answer for 10 s. Files that `open()` handed out stay the caller's.
   *
   * @returns A promise that resolves when everything is let go of; the same one every time.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const idle = this.#context.close();
    const children = [...this.#children].map((child) => child.close());
    await Promise.all([idle, ...children]);
    this.#release();
  }

  /** Closes it at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts an operation. What it throws at once, such as for `null` as options, is a rejection as well;
 * without being `async`, which every call would pay for (bench/files_bench.ts).
 */
function start<A extends readonly unknown[], T>(
  operation: (context: FileContext, ...args: A) => Promise<T>,
  context: FileContext,
  ...args: A
): Promise<T> {
  try {
    return operation(context, ...args);
  } catch (mistake) {
    return Promise.reject(mistake);
  }
}
