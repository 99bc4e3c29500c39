/**
 * Roots and objects that are held by descriptors of FFI.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { missingForFdVerified } from "./fd_verified.ts";
import { Handle, withRoom } from "./_handle.ts";
import { KernelFile } from "./_kernel_file.ts";
import { KernelFsFile } from "./_kernel_fs_file.ts";
import {
  AT_REMOVEDIR,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
  openHow,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  SYS_GETDENTS64,
} from "./_linux.ts";
import { isMissing, requireName, requireRegularFile } from "./_object_info.ts";
import { infoOfStatx } from "./_statx.ts";
import type {
  Access,
  BackendRoot,
  DirectoryEntry,
  Located,
  ObjectInfo,
  ObjectType,
  OpenFile,
} from "./backend.ts";

const COMMON = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
const CONFINED = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

// The one link that is followed on purpose is the kernel's own link to the object that was checked.
const ACCESS: Readonly<Record<Access, Uint32Array<ArrayBuffer>>> = {
  read: openHow(COMMON, 0),
  write: openHow(COMMON | O_WRONLY, 0),
  append: openHow(COMMON | O_WRONLY | O_APPEND, 0),
};
const LIST = openHow(O_CLOEXEC | O_DIRECTORY, CONFINED);

/** Files up to this size are read in one go and closed. */
const SMALL_BYTES = 64 * 1024;

/** Up to here a directory is listed on the thread, in bytes of the kernel's answer. */
const LIST_BYTES = 64 * 1024;
const MAX_SYNC_LISTS = 3;
/** One for all: nothing else runs between the kernel's answer and the taking of it. */
const listRoom = new Uint8Array(LIST_BYTES);

const ENTRY_TYPES: ReadonlyMap<number, ObjectType> = new Map([
  [4, "directory"],
  [8, "file"],
  [10, "symlink"],
]);
/** The file system does not say. */
const UNKNOWN_ENTRY = 0;
const HEADER_BYTES = 19;

// A name that begins with U+FEFF is another name than the one without it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A directory that is held open for as long as it is a root. */
export class KernelRoot implements BackendRoot {
  readonly path: string;
  readonly handle: Handle;
  /** Bytes of the path with the separator after it. */
  readonly prefix: Uint8Array;
  readonly #read: Deno.PermissionStatus;
  readonly #write: Deno.PermissionStatus;

  /**
   * @param path Canonical path.
   * @param handle The directory, which is owned from here on.
   * @param granted By which path Deno grants it.
   */
  constructor(path: string, handle: Handle, granted: string) {
    this.path = path;
    this.handle = handle;
    this.prefix = new TextEncoder().encode(path === "/" ? "/" : path + "/");
    this.#read = Deno.permissions.querySync({ name: "read", path: granted });
    this.#write = Deno.permissions.querySync({ name: "write", path: granted });
  }

  /** Canonical path of a name below, if no link is on the way. */
  below(path: string): string {
    if (path === "") return this.path;
    return this.path === "/" ? "/" + path : this.path + "/" + path;
  }

  /** What leads from here to a canonical path below. */
  relative(path: string): string {
    return path.slice(this.path === "/" ? 1 : this.path.length + 1);
  }

  /**
   * Deno does not see what FFI reads, so its permission is asked for here: it may have been revoked, and
   * `--deny-read` may exclude something below the root.
   */
  requireReadable(path: string): void {
    if (this.#read.state !== "granted") throw missingPermission("read", this.path);
    if (this.#read.partial) requirePermission("read", path);
  }

  /** The same for `--deny-write` of something below; for the root itself the validator asks. */
  requireWritable(path: string): void {
    if (this.#write.partial) requirePermission("write", path);
  }

  /**
   * The same for both names of what is renamed, with all that lies below: under another name nothing would be
   * denied any more. FFI asks nobody, and even Deno's own rename looks at the two names alone.
   */
  requireRenamable(path: string): void {
    if (this.#read.partial) requirePermission("read", path, true);
    if (this.#write.partial) requirePermission("write", path, true);
  }

  /** Refuses when the directory is not any more where it was when it became a root. */
  requireUnmoved(): void {
    const { libc, number } = this.handle;
    const name = libc.nameText(libc.readName(number));
    if (name !== this.path) {
      throw fileError("root-moved", { reason: `${this.path} is ${name} now` });
    }
  }

  close(): void {
    this.handle.close();
  }
}

/** Refuses what Deno does not grant, with `whole` also when something below is denied; never prompts. */
export function requirePermission(name: "read" | "write", path: string, whole = false): void {
  const { state, partial } = Deno.permissions.querySync({ name, path });
  if (state === "granted" && !(whole && partial)) return;
  throw missingPermission(name, path);
}

function missingPermission(name: "read" | "write", path: string): Error {
  const flag = `--allow-${name}`;
  return fileError("permission-missing", {
    message: `A Deno permission is missing: run again with ${flag} for the path`,
    details: { flag },
    reason: `Run again with ${flag}=${path}`,
  });
}

/** An object that was found, held by O_PATH: nothing of it was opened yet. */
export class KernelLocated implements Located {
  readonly root: KernelRoot;
  readonly path: string;
  readonly #handle: Handle;
  #info: ObjectInfo | undefined;
  #reader: Handle | undefined;

  /** @param handle The object, which is owned from here on. */
  constructor(root: KernelRoot, path: string, handle: Handle) {
    this.root = root;
    this.path = path;
    this.#handle = handle;
  }

  get info(): ObjectInfo {
    if (this.#info !== undefined) return this.#info;
    const { libc, number } = this.#handle;
    libc.statRaw(number);
    return this.#info = infoOfStatx(libc.stat);
  }

  openFile(access: Access): OpenFile {
    const { info } = this;
    requireRegularFile(info);
    if (access !== "read") this.root.requireWritable(this.path);
    const { libc, number } = this.#handle;
    const handle = new Handle(libc, libc.reopen(number, ACCESS[access]));
    if (access === "read" && info.size <= SMALL_BYTES) this.#reader = handle;
    return new KernelFile(handle);
  }

  async openFsFile(
    options: { read: boolean; write: boolean; append: boolean },
  ): Promise<Deno.FsFile> {
    requireRegularFile(this.info);
    const { libc, number } = this.#handle;
    const { read, append } = options;
    const write = options.write || append;
    if (write) this.root.requireWritable(this.path);
    // Deno follows links of /proc only for a process that may do everything.
    if (missingForFdVerified().length === 0) {
      // Deno cannot open without waiting: this one is refused while another process has a lease on the file, and
      // keeps it from getting one.
      const first = new Handle(
        libc,
        libc.reopen(number, ACCESS[append ? "append" : write ? "write" : "read"]),
      );
      try {
        return await first.during((number) =>
          Deno.open(`/proc/self/fd/${number}`, { read, write, append })
        );
      } finally {
        first.close();
      }
    }
    const mode = read && write ? O_RDWR : write ? O_WRONLY : 0;
    const how = openHow(COMMON | mode | (append ? O_APPEND : 0), 0);
    return new KernelFsFile(new Handle(libc, libc.reopen(number, how)), append);
  }

  list(maxEntries: number): DirectoryEntry[] | Promise<DirectoryEntry[]> {
    const { libc, number } = this.#handle;
    const handle = new Handle(libc, libc.open(number, ".", LIST));
    const entries: DirectoryEntry[] = [];
    let isLong = false;
    try {
      for (let calls = 0; calls < MAX_SYNC_LISTS; calls++) {
        const length = libc.symbols.getdents(
          SYS_GETDENTS64,
          handle.number,
          listRoom,
          BigInt(LIST_BYTES),
        );
        libc.check("getdents64", length);
        if (length === 0) return entries;
        this.#take(listRoom, length, entries, maxEntries);
      }
      isLong = true;
      return this.#listRest(handle, entries, maxEntries);
    } finally {
      if (!isLong) handle.close();
    }
  }

  /** Goes on off the thread: a directory with millions of names must not stop everything else. */
  async #listRest(
    handle: Handle,
    entries: DirectoryEntry[],
    maxEntries: number,
  ): Promise<DirectoryEntry[]> {
    const { getdentsLater } = handle.libc.symbols;
    try {
      return await handle.during((number) =>
        withRoom(async (room) => {
          while (true) {
            const length = await getdentsLater(
              SYS_GETDENTS64,
              number,
              room,
              BigInt(room.byteLength),
            );
            // The errno stayed on the other thread, and to call again would leave names out.
            if (length < 0) throw fileError("io-error", { reason: "getdents64 failed" });
            if (length === 0) return entries;
            this.#take(room, length, entries, maxEntries);
          }
        })
      );
    } finally {
      handle.close();
    }
  }

  /** Takes the entries out of the kernel's answer, which is a row of `struct linux_dirent64`. */
  #take(
    room: Uint8Array<ArrayBuffer>,
    length: number,
    entries: DirectoryEntry[],
    maxEntries: number,
  ): void {
    const view = new DataView(room.buffer);
    for (let at = 0; at < length;) {
      const size = view.getUint16(at + 16, true);
      const start = at + HEADER_BYTES;
      const name = decoder.decode(room.subarray(start, room.indexOf(0, start)));
      const type = room[at + 18];
      at += size;
      if (name === "." || name === "..") continue;
      if (entries.length >= maxEntries) {
        throw fileError("too-many-entries", { details: { maxEntries } });
      }
      const known = type === UNKNOWN_ENTRY ? this.lookup(name)?.type : undefined;
      entries.push({ name, type: known ?? ENTRY_TYPES.get(type ?? 0) ?? "special" });
    }
  }

  lookup(name: string): ObjectInfo | undefined {
    const { libc, number } = this.#handle;
    try {
      libc.statName(number, requireName(name, false));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return infoOfStatx(libc.stat);
  }

  #below(name: string): string {
    return this.path === "/" ? `/${name}` : `${this.path}/${name}`;
  }

  /** A name in the directory that is about to be changed. */
  #changing(name: string): string {
    this.root.requireWritable(this.#below(requireName(name, false)));
    return name;
  }

  /** A name in the directory that something is about to lose or to get. */
  #renaming(name: string): string {
    this.root.requireRenamable(this.#below(requireName(name, false)));
    return name;
  }

  createFile(name: string, mode: number): OpenFile {
    const { libc, number } = this.#handle;
    const checked = this.#changing(name);
    const flags = COMMON | O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const how = openHow(flags, CONFINED, mode & 0o7777);
    return new KernelFile(new Handle(libc, libc.open(number, checked, how)));
  }

  createDirectory(name: string, mode: number): void {
    this.#handle.libc.makeDirectory(this.#handle.number, this.#changing(name), mode);
  }

  removeFile(name: string): void {
    this.#handle.libc.unlink(this.#handle.number, this.#changing(name), 0);
  }

  removeDirectory(name: string): void {
    this.#handle.libc.unlink(this.#handle.number, this.#changing(name), AT_REMOVEDIR);
  }

  rename(
    name: string,
    target: Located,
    targetName: string,
    options: { readonly overwrite?: boolean } = {},
  ): void {
    if (!(target instanceof KernelLocated)) throw new TypeError("Cannot rename across backends");
    const { libc, number } = this.#handle;
    const to = target.#handle.number;
    const from = this.#renaming(name);
    const as = target.#renaming(targetName);
    const { overwrite = true } = options;
    if (!overwrite && libc.renameToNew(number, from, to, as)) return;
    libc.rename(number, from, to, as);
  }

  close(): void {
    if (this.#reader === undefined) this.#handle.close();
    else this.#handle.closeWith(this.#reader);
  }
}
