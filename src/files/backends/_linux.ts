/**
 * Linux's numbers, as far as the kernel backend needs them, on x86-64 and arm64.
 *
 * @module
 */

export const AT_FDCWD = -100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;
export const STATX_BASIC_STATS_AND_BTIME = 0xfff;

const isArm = typeof Deno !== "undefined" && Deno.build.arch === "aarch64";
export const SYS_GETDENTS64 = isArm ? 61n : 217n;
export const SYS_RENAMEAT2 = isArm ? 276n : 316n;
export const SYS_STATX = isArm ? 291n : 332n;
export const SYS_CLOSE_RANGE = 436n;
export const SYS_OPENAT2 = 437n;

export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
/** A terminal must not become ours. */
export const O_NOCTTY = 0o400;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = isArm ? 0o40000 : 0o200000;
export const O_NOFOLLOW = isArm ? 0o100000 : 0o400000;

export const RENAME_NOREPLACE = 1;

export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;

/** Longest path of Linux in bytes, its NUL included. */
export const PATH_MAX = 4096;
/** The generic table, which x86-64 and arm64 share. */
export const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  [1, "EPERM"],
  [2, "ENOENT"],
  [4, "EINTR"],
  [5, "EIO"],
  [6, "ENXIO"],
  [7, "E2BIG"],
  [9, "EBADF"],
  [11, "EAGAIN"],
  [12, "ENOMEM"],
  [13, "EACCES"],
  [16, "EBUSY"],
  [17, "EEXIST"],
  [18, "EXDEV"],
  [19, "ENODEV"],
  [20, "ENOTDIR"],
  [21, "EISDIR"],
  [22, "EINVAL"],
  [23, "ENFILE"],
  [24, "EMFILE"],
  [25, "ENOTTY"],
  [26, "ETXTBSY"],
  [27, "EFBIG"],
  [28, "ENOSPC"],
  [29, "ESPIPE"],
  [30, "EROFS"],
  [31, "EMLINK"],
  [32, "EPIPE"],
  [36, "ENAMETOOLONG"],
  [38, "ENOSYS"],
  [39, "ENOTEMPTY"],
  [40, "ELOOP"],
  [75, "EOVERFLOW"],
  [95, "EOPNOTSUPP"],
  [116, "ESTALE"],
  [122, "EDQUOT"],
]);

/** An error of the system, with the errno's name as `code`, as Deno's and Node's errors have it. */
export class ErrnoError extends Error {
  /** The name, such as `ENOENT`. */
  readonly code: string;

  constructor(call: string, code: string) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}

/** Size of `struct open_how`. */
export const OPEN_HOW_BYTES = 24n;

/** `struct open_how`: three 64-bit numbers, little-endian here. */
export function openHow(flags: number, resolve: number, mode = 0): Uint32Array<ArrayBuffer> {
  return new Uint32Array([flags, 0, mode, 0, resolve, 0]);
}
