/**
 * The kernel's `struct statx`, which is laid out alike on every architecture.
 *
 * @module
 */

import type { ObjectInfo, ObjectType } from "./backend.ts";

const S_IFMT = 0o170000;
const TYPES: ReadonlyMap<number, ObjectType> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
]);
const BIRTH_TIME = 0x800;
const TWO_POW_32 = 2 ** 32;

function uint64(stat: DataView, at: number): number {
  return stat.getUint32(at + 4, true) * TWO_POW_32 + stat.getUint32(at, true);
}

/** A time in whole milliseconds. */
function timeMs(stat: DataView, at: number): number {
  const seconds = stat.getInt32(at + 4, true) * TWO_POW_32 + stat.getUint32(at, true);
  return seconds * 1000 + Math.floor(stat.getUint32(at + 8, true) / 1e6);
}

/** A device number as the C library puts it together, so that it compares with Deno's. */
function device(stat: DataView, at: number): number {
  const major = stat.getUint32(at, true);
  const minor = stat.getUint32(at + 4, true);
  const low = (major & 0xfff) * 0x100 + (minor & 0xff);
  return low + Math.floor(minor / 0x100) * 0x100000 +
    Math.floor(major / 0x1000) * TWO_POW_32 * 0x1000;
}

/** What an object is, in the words of this layer. */
export function infoOfStatx(stat: DataView): ObjectInfo {
  const mode = stat.getUint16(28, true);
  return {
    type: TYPES.get(mode & S_IFMT) ?? "special",
    size: uint64(stat, 40),
    nlink: stat.getUint32(16, true),
    dev: device(stat, 136),
    ino: uint64(stat, 32),
    mode: mode & 0o7777,
    modifiedMs: timeMs(stat, 112),
  };
}

/** Device and number of an object without loss, for comparison. */
export function identityOf(stat: DataView): string {
  const ino = stat.getBigUint64(32, true);
  return `${stat.getUint32(136, true)}:${stat.getUint32(140, true)}:${ino}`;
}

/** What an object is, in Deno's words. */
export function fileInfoOfStatx(stat: DataView): Deno.FileInfo {
  const mode = stat.getUint16(28, true);
  const type = mode & S_IFMT;
  const hasBirthTime = (stat.getUint32(0, true) & BIRTH_TIME) !== 0;
  return {
    isFile: type === 0o100000,
    isDirectory: type === 0o040000,
    isSymlink: type === 0o120000,
    size: uint64(stat, 40),
    mtime: new Date(timeMs(stat, 112)),
    atime: new Date(timeMs(stat, 64)),
    birthtime: hasBirthTime ? new Date(timeMs(stat, 80)) : null,
    ctime: new Date(timeMs(stat, 96)),
    dev: device(stat, 136),
    ino: uint64(stat, 32),
    mode,
    nlink: stat.getUint32(16, true),
    uid: stat.getUint32(20, true),
    gid: stat.getUint32(24, true),
    rdev: device(stat, 128),
    blksize: stat.getUint32(4, true),
    blocks: uint64(stat, 48),
    isBlockDevice: type === 0o060000,
    isCharDevice: type === 0o020000,
    isFifo: type === 0o010000,
    isSocket: type === 0o140000,
  };
}
