/**
 * What `stat()` tells of a file or directory.
 *
 * @module
 */

import type { ObjectInfo } from "./backends/backend.ts";

/** What a validator tells of a file or directory below a root. */
export interface FileInfo {
  /** Canonical path below the root that it lies in, with `/`; empty for the root itself. */
  readonly path: string;
  /** It is a regular file. */
  readonly isFile: boolean;
  /** It is a directory. */
  readonly isDirectory: boolean;
  /** It is a symbolic link; never so where links are followed. */
  readonly isSymlink: boolean;
  /** Size in bytes. */
  readonly size: number;
  /** When its content last changed; `null` where unknown. */
  readonly mtime: Date | null;
}

/** The public form of what a backend says. */
export function fileInfo(path: string, info: ObjectInfo): FileInfo {
  return {
    path,
    isFile: info.type === "file",
    isDirectory: info.type === "directory",
    isSymlink: info.type === "symlink",
    size: info.size,
    mtime: info.modifiedMs === 0 ? null : new Date(info.modifiedMs),
  };
}
