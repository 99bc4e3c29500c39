/**
 * The C library, as far as the kernel backend needs it.
 *
 * All calls are made on the thread of the caller except those named `…Later`. Sizes of buffers are
 * always taken from the buffer itself: what is passed here is memory.
 *
 * @module
 */

import { CString } from "./_c_string.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  ERRNO_NAMES,
  ErrnoError,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  OPEN_HOW_BYTES,
  openHow,
  PATH_MAX,
  RENAME_NOREPLACE,
  STATX_BASIC_STATS_AND_BTIME,
  SYS_CLOSE_RANGE,
  SYS_OPENAT2,
  SYS_RENAMEAT2,
  SYS_STATX,
} from "./_linux.ts";

const SYMBOLS = {
  // By their numbers: older C libraries, and musl, have no function for each of these.
  openat2: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "buffer", "usize"],
    result: "i32",
  },
  close: { parameters: ["i32"], result: "i32" },
  closeRange: { name: "syscall", parameters: ["i64", "u32", "u32", "u32"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  statx: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
  },
  fstatfs: { parameters: ["i32", "buffer"], result: "i32" },
  getdents: { name: "syscall", parameters: ["i64", "i32", "buffer", "usize"], result: "i32" },
  getdentsLater: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "usize"],
    result: "i32",
    nonblocking: true,
  },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  preadLater: {
    name: "pread",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "i32",
    nonblocking: true,
  },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  pwriteLater: {
    name: "pwrite",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "i32",
    nonblocking: true,
  },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  flockLater: { name: "flock", parameters: ["i32", "i32"], result: "i32", nonblocking: true },
  fsync: { parameters: ["i32"], result: "i32" },
  fsyncLater: { name: "fsync", parameters: ["i32"], result: "i32", nonblocking: true },
  fdatasync: { parameters: ["i32"], result: "i32" },
  fdatasyncLater: { name: "fdatasync", parameters: ["i32"], result: "i32", nonblocking: true },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  renameat2: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
  },
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
  copy: { name: "memcpy", parameters: ["buffer", "pointer", "usize"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** What the library offers. */
export type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/**
 * How often a lookup is tried again that the kernel gave up for a rename somewhere else. Only an
 * attacker loses every time; he gets an error then.
 */
const MAX_TRIES = 128;

/** Size of a C `int`. */
const ERRNO_BYTES = 4n;

/** Room for a name; one byte more than the kernel has to say, so that a full one is a part of a name. */
const NAME_BYTES = BigInt(PATH_MAX + 1);

const PROC_SUPER_MAGIC = 0x9fa0;

/** Libraries in use: one is loaded once, since V8 calls only a function directly that is always the same. */
const loaded = new Map<string, Libc>();

/** The C library, loaded for as long as a backend or one of its descriptors needs it. */
export class Libc {
  /**
   * Loads a library, or takes the one that is in use already; `release()` lets it go.
   *
   * @throws What `Deno.dlopen` throws.
   */
  static load(library: string): Libc {
    const known = loaded.get(library);
    if (known !== undefined) {
      known.retain();
      return known;
    }
    const libc = new Libc(library);
    loaded.set(library, libc);
    return libc;
  }

  /** The functions. */
  readonly symbols: Symbols;
  /** The answer of the last {@linkcode statRaw}. */
  readonly stat: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(256));
  /** The answer of the last {@linkcode readName}; its length is what that returned. */
  readonly name: Uint8Array<ArrayBuffer> = new Uint8Array(PATH_MAX + 1);
  /** The last path that was encoded by {@linkcode open}. */
  readonly path: CString = new CString();
  readonly #key: string;
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly #other = new CString();
  readonly #digits = new Uint8Array(12);
  readonly #empty = new Uint8Array(1);
  readonly #errno = new Int32Array(1);
  // A name that begins with U+FEFF is another name than the one without it, and U+FFFD another than what is no text.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  /** /proc/self/fd, so that a handle is one name to look up instead of four. */
  #handles = -1;
  #users = 1;

  private constructor(library: string) {
    this.#key = library;
    this.#library = Deno.dlopen(library, SYMBOLS);
    this.symbols = this.#library.symbols;
  }

  /**
   * Opens /proc/self/fd unless it is, and tries openat2 thereby.
   *
   * @throws {ErrnoError} `ENOSYS` or `EPERM` If there is no openat2 here.
   * @returns Whether it is the kernel's own /proc.
   */
  openHandles(): boolean {
    if (this.#handles >= 0) return true;
    const how = openHow(O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    const handles = this.open(AT_FDCWD, "/proc/self/fd", how);
    this.#handles = handles;
    let root = -1;
    let isProc = false;
    try {
      root = this.open(AT_FDCWD, "/", how);
      this.check("fstatfs", this.symbols.fstatfs(handles, this.stat));
      isProc = this.stat.getUint32(0, true) === PROC_SUPER_MAGIC &&
        this.readName(root) === 1 && this.name[0] === 0x2f;
    } finally {
      if (root >= 0) this.symbols.close(root);
      if (!isProc) {
        this.symbols.close(handles);
        this.#handles = -1;
      }
    }
    return isProc;
  }

  /** One more that needs the library. */
  retain(): void {
    this.#users++;
  }

  /** One less; the last one closes it. */
  release(): void {
    if (--this.#users > 0) return;
    loaded.delete(this.#key);
    if (this.#handles >= 0) this.symbols.close(this.#handles);
    this.#library.close();
  }

  /** The error of the call that just failed on this thread. */
  error(call: string): ErrnoError {
    // Copied by libc itself, since reading a pointer needs --allow-ffi for everything. Nothing may run
    // between the two calls that makes a system call of its own.
    this.symbols.copy(this.#errno, this.symbols.errnoLocation(), ERRNO_BYTES);
    const errno = this.#errno[0] ?? 0;
    return new ErrnoError(call, ERRNO_NAMES.get(errno) ?? `errno ${errno}`);
  }

  /** Passes a result on unless it says that the call failed. */
  check(call: string, result: number): number {
    if (result < 0) throw this.error(call);
    return result;
  }

  /** Calls until it was not interrupted by a signal. */
  retry(call: string, work: () => number): number {
    for (let tries = 1;; tries++) {
      const result = work();
      if (result >= 0) return result;
      const error = this.error(call);
      if (error.code !== "EINTR" || tries === MAX_TRIES) throw error;
    }
  }

  /** Opens a path by openat2; returns the descriptor. */
  open(directory: number, path: string, how: Uint32Array<ArrayBuffer>): number {
    const bytes = this.path.set(path);
    for (let tries = 1;; tries++) {
      const number = this.symbols.openat2(SYS_OPENAT2, directory, bytes, how, OPEN_HOW_BYTES);
      if (number >= 0) return number;
      const error = this.error("openat2");
      const again = error.code === "EAGAIN" || error.code === "EINTR";
      if (!again || tries === MAX_TRIES) throw error;
    }
  }

  /** Opens what a descriptor holds once more, by the kernel's own link to it. */
  reopen(number: number, how: Uint32Array<ArrayBuffer>): number {
    const { openat2 } = this.symbols;
    const name = this.#handleName(number);
    const result = openat2(SYS_OPENAT2, this.#handles, name, how, OPEN_HOW_BYTES);
    return result >= 0
      ? result
      : this.retry("openat2", () => openat2(SYS_OPENAT2, this.#handles, name, how, OPEN_HOW_BYTES));
  }

  /** Closes a descriptor and the next one: one call less for every small file (bench/files_bench.ts). */
  closePair(first: number): void {
    if (this.symbols.closeRange(SYS_CLOSE_RANGE, first, first + 1, 0) >= 0) return;
    // Before Linux 5.9, or refused by seccomp; it closed nothing then.
    this.symbols.close(first);
    this.symbols.close(first + 1);
  }

  /** Asks the kernel for the name of an open object; it is in `name` then. Returns its length in bytes. */
  readName(number: number): number {
    const { name } = this;
    const length = this.symbols.readlinkat(
      this.#handles,
      this.#handleName(number),
      name,
      NAME_BYTES,
    );
    this.check("readlink", length);
    // A full buffer may hold a part of the name, and a part may lie where the whole does not.
    if (length >= name.byteLength) throw new ErrnoError("readlink", "ENAMETOOLONG");
    return length;
  }

  /** The target of a link that is open itself; `undefined` when it is no UTF-8. */
  readLink(number: number): string | undefined {
    const room = new Uint8Array(PATH_MAX + 1);
    const length = this.symbols.readlinkat(number, this.#empty, room, NAME_BYTES);
    this.check("readlink", length);
    if (length >= room.byteLength) throw new ErrnoError("readlink", "ENAMETOOLONG");
    return this.#text(room, length);
  }

  /** Whether the name may be one that the kernel marked as " (deleted)": it ends in a parenthesis. */
  mayBeDeleted(length: number): boolean {
    return this.name[length - 1] === 0x29;
  }

  /** The bytes of `name` as text; `undefined` when they are no UTF-8. */
  nameText(length: number): string | undefined {
    return this.#text(this.name, length);
  }

  #text(bytes: Uint8Array<ArrayBuffer>, length: number): string | undefined {
    try {
      return this.#decoder.decode(bytes.subarray(0, length));
    } catch {
      return undefined;
    }
  }

  /** Asks what an open object is; the answer is in `stat`. */
  statRaw(number: number): void {
    const { stat, symbols } = this;
    const result = symbols.statx(
      SYS_STATX,
      number,
      this.#empty,
      AT_EMPTY_PATH,
      STATX_BASIC_STATS_AND_BTIME,
      stat,
    );
    if (result < 0) throw this.error("statx");
  }

  /** Asks what a name is, links not followed; the answer is in `stat`. */
  statName(directory: number, name: string): void {
    const bytes = this.#other.set(name);
    const { stat } = this;
    const mask = STATX_BASIC_STATS_AND_BTIME;
    this.check(
      "statx",
      this.symbols.statx(SYS_STATX, directory, bytes, AT_SYMLINK_NOFOLLOW, mask, stat),
    );
  }

  makeDirectory(directory: number, name: string, mode: number): void {
    this.check("mkdir", this.symbols.mkdirat(directory, this.path.set(name), mode));
  }

  unlink(directory: number, name: string, flags: number): void {
    this.check("unlink", this.symbols.unlinkat(directory, this.path.set(name), flags));
  }

  rename(from: number, name: string, to: number, target: string): void {
    const one = this.path.set(name);
    const other = this.#other.set(target);
    this.check("rename", this.symbols.renameat(from, one, to, other));
  }

  /** Renames unless there is something; says no when the file system cannot promise that. */
  renameToNew(from: number, name: string, to: number, target: string): boolean {
    const { renameat2 } = this.symbols;
    const one = this.path.set(name);
    const other = this.#other.set(target);
    if (renameat2(SYS_RENAMEAT2, from, one, to, other, RENAME_NOREPLACE) >= 0) return true;
    const error = this.error("rename");
    // A file system that does not know the flag; of what else is invalid, the plain call says so again.
    if (error.code === "EINVAL") return false;
    throw error;
  }

  /** The name of a descriptor in /proc/self/fd: its decimal digits. */
  #handleName(number: number): Uint8Array<ArrayBuffer> {
    const digits = this.#digits;
    let at = 1;
    for (let power = 10; power <= number; power *= 10) at++;
    digits[at] = 0;
    for (let rest = number; at > 0; rest = Math.floor(rest / 10)) digits[--at] = 0x30 + rest % 10;
    return digits;
  }
}
