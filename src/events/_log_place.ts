/**
 * The folder of a log: whoever may change it, or put another one in its place, decides what the log is.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { SecurityError } from "../errors.ts";
import type { LogFileOps, ObjectStatus } from "./_log_file_ops.ts";

/**
 * Checks the folder of a log, and those above it as far as they may be read. A group that may write one of those
 * above is trusted: `/var/log` has one on some systems.
 *
 * @param ops The system calls.
 * @param path The path of the log.
 * @returns Who we are: the number of the user, 0 on Windows.
 * @throws {SecurityError} `audit-log-refused` if anybody but us and root has the folder in hand.
 */
export function checkPlace(ops: LogFileOps, path: string): number {
  const folder = dirname(path);
  const status = ops.statusBehind(folder);
  if (status === undefined || status.type !== "directory") throw refused("not in a folder");
  if (isWindows()) return 0;
  // A sticky bit keeps others from the files that are there, but not from planting segments and a lock.
  if ((status.mode & 0o022) !== 0) throw refused("in a folder that others may write");
  const uid = ownId(ops, path);
  if (!isOurs(status, uid)) throw refused("in somebody else's folder");
  for (const above of ops.foldersAbove(folder)) {
    const isOpen = (above.mode & 0o002) !== 0 && (above.mode & 0o1000) === 0;
    if (isOpen || !isOurs(above, uid)) throw refused("in a folder that others may replace");
  }
  return uid;
}

/** Who we are is asked with a new file: for the number of the user, Deno wants one more permission. */
function ownId(ops: LogFileOps, path: string): number {
  const probe = `${path}.${crypto.randomUUID()}.probe`;
  const descriptor = ops.open(probe, "create");
  try {
    return ops.status(descriptor).uid;
  } finally {
    ops.close(descriptor);
    ops.remove(probe);
  }
}

function isOurs(object: ObjectStatus, uid: number): boolean {
  return object.uid === uid || object.uid === 0;
}

/**
 * Checks a file.
 *
 * @param status What the system says of it.
 * @throws {SecurityError} `audit-log-refused` if it is no file with one name that only its owner may write.
 */
export function checkFile({ type, nlink, mode }: ObjectStatus): void {
  if (type === "symlink") throw refused("a link");
  if (type !== "file") throw refused("no regular file");
  // A second name of somebody's file lets that file be filled with records, and be read by who has the name.
  if (nlink !== 1) throw refused("a file with more than one name");
  if ((mode & 0o022) !== 0 && !isWindows()) throw refused("a file that others may write");
}

/** Whether the bits of a mode mean nothing. */
export function isWindows(): boolean {
  return "Deno" in globalThis && Deno.build.os === "windows";
}

/** What is thrown for a path that is refused. */
export function refused(what: string, path?: string): SecurityError {
  return new SecurityError("audit-log-refused", `The path of the audit log is refused: ${what}`, {
    ...(path === undefined ? {} : { cause: new Error(path) }),
  });
}
