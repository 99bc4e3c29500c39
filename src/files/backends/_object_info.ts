/**
 * The system's answers in the words of this layer, and the checks that more than one backend makes.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import type { DirectoryEntry, ObjectInfo, ObjectType } from "./backend.ts";

/** What `node:fs` offers; loaded by a dynamic import, since it is not everywhere. */
export type NodeFs = typeof import("node:fs");

/** What `node:fs` says of an object, in plain numbers. */
type NodeStats = ReturnType<NodeFs["lstatSync"]> & import("node:fs").Stats;

/** What Deno's `FileInfo` and `DirEntry` have in common. */
interface Typed {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}

function typeOf(found: Typed): ObjectType {
  if (found.isFile) return "file";
  if (found.isDirectory) return "directory";
  return found.isSymlink ? "symlink" : "special";
}

/** What Deno says of an object. */
export function infoOf(found: Deno.FileInfo): ObjectInfo {
  return {
    type: typeOf(found),
    size: found.size,
    nlink: found.nlink ?? 0,
    dev: found.dev ?? 0,
    ino: found.ino ?? 0,
    mode: (found.mode ?? 0) & 0o7777,
    modifiedMs: found.mtime?.getTime() ?? 0,
  };
}

/** What `node:fs` says of an object. */
export function infoOfStats(found: NodeStats): ObjectInfo {
  return {
    type: typeOf({
      isFile: found.isFile(),
      isDirectory: found.isDirectory(),
      isSymlink: found.isSymbolicLink(),
    }),
    size: found.size,
    nlink: found.nlink,
    dev: found.dev,
    ino: found.ino,
    mode: found.mode & 0o7777,
    modifiedMs: Math.floor(found.mtimeMs),
  };
}

/**
 * Whether two answers are about one object, as far as the system numbers its objects: `0` is unknown,
 * as it is on some Windows file systems.
 */
export function isSameObject(one: ObjectInfo, other: ObjectInfo): boolean {
  const isSame = (a: number, b: number): boolean => a === b || a === 0 || b === 0;
  return one.type === other.type && isSame(one.dev, other.dev) && isSame(one.ino, other.ino);
}

/** Refuses everything but a regular file: a FIFO blocks, a device acts when it is opened. */
export function requireRegularFile(info: ObjectInfo): void {
  if (info.type === "directory") throw fileError("not-a-file");
  if (info.type !== "file") throw fileError("special-file");
}

/**
 * Refuses what is not a plain name. The callers split paths with care; this stands behind them,
 * since a single `..` here would undo every proof.
 */
export function requireName(name: string, windows: boolean): string {
  if (
    name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0") ||
    (windows && /[\\:]/.test(name))
  ) {
    throw fileError("path-invalid", { details: { reason: "name" } });
  }
  return name;
}

/** Whether an error of the system says that there is no such name. */
export function isMissing(error: unknown): boolean {
  return errnoOf(error) === "ENOENT";
}

/** The name of the errno, which Deno's errors and those of `node:fs` carry alike. */
export function errnoOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

/**
 * Lists a directory without holding more than `maxEntries` names: `Deno.readDirSync` collects all
 * of them first, so one directory with millions of names would fill the memory and stop the loop;
 * `Deno.readDir` reads as it is asked.
 */
export async function listBounded(path: string, maxEntries: number): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = [];
  for await (const entry of Deno.readDir(path)) {
    if (entries.length >= maxEntries) {
      throw fileError("too-many-entries", { details: { maxEntries } });
    }
    entries.push({ name: entry.name, type: typeOf(entry) });
  }
  return entries;
}
