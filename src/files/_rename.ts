/**
 * Giving a file, a link or a directory another name.
 *
 * @module
 */

import type { ObjectInfo } from "./backends/backend.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import { notThere } from "./_names.ts";
import { checkName, exclusive, type Found, locateName, locked, type Target } from "./_change.ts";
import { fileError } from "./_errors.ts";
import { type Operation, rejectInput, run } from "./_operation.ts";
import { isWithin } from "./_root_paths.ts";
import { scan, type Scanned } from "./_scan.ts";
import { isTemporary } from "./_temporary_name.ts";

/** Options of `rename()`. */
export interface RenameOptions extends OperationOptions {
  /**
   * Replaces what is there: a file by a file, an empty directory by a directory.
   *
   * Without it, the protection `kernel` leaves it to the kernel whether there is anything. The others, and
   * `kernel` on a file system that cannot tell (NFS, for one), look first: what another process puts there
   * between that look and the renaming is replaced.
   *
   * @default {false}
   */
  readonly overwrite?: boolean;
}

/** Both names of a rename. */
interface Names extends Found {
  readonly from: Target;
  readonly to: Target;
}

/**
 * Renames a file, a link or a directory. From one file system to another, as two roots may lie on, nothing can
 * be renamed: that is an `io-error`.
 */
export async function rename(
  context: FileContext,
  from: string,
  to: string,
  options: RenameOptions = {},
): Promise<void> {
  if (typeof to !== "string") return await rejectInput();
  const { overwrite = false } = options;
  const find = () => findNames(context, from, to);
  await run(context, "rename", from, options, async (operation) => {
    noteDestination(operation, to);
    await locked(operation, find, async (names) => {
      operation.resource = names.from.path;
      operation.details = { to: names.to.path };
      const info = checkNames(context, names, overwrite);
      if (info.type !== "directory" || names.from.root === names.to.root) {
        return move(names, overwrite);
      }
      await checkBelow(operation, names);
      const again = find();
      try {
        if (again.from.path !== names.from.path || again.to.path !== names.to.path) {
          throw fileError("not-found", { reason: `${names.from.path} was moved` });
        }
        checkNames(context, again, overwrite);
        move(again, overwrite);
      } finally {
        again.close();
      }
    });
  }, { changes: true });
}

/** Longest destination that an event repeats as the client wrote it, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 1024;

/** Says in the event where to, in the client's words until the canonical path is known. */
export function noteDestination(operation: Operation, to: string): void {
  const isLong = to.length > MAX_TEXT_LENGTH;
  operation.details = { to: isLong ? `${to.slice(0, MAX_TEXT_LENGTH - 1)}…` : to };
}

function findNames(context: FileContext, fromInput: string, toInput: string): Names {
  const use = { change: true, replaces: true };
  const from = locateName(context, fromInput, use);
  try {
    const to = locateName(context, toInput, use);
    const close = () => {
      from.parent.close();
      to.parent.close();
    };
    return { from, to, locks: exclusive(from.path, to.path), close };
  } catch (error) {
    from.parent.close();
    throw error;
  }
}

/** Refuses a rename that the policy does not allow; what is renamed. */
function checkNames(context: FileContext, { from, to }: Names, overwrite: boolean): ObjectInfo {
  const info = from.existing;
  if (info === undefined) throw notThere(from);
  checkName(from, info);
  // Before it is said that there is something: nobody learns which `.env` exists.
  if (info.type !== "directory") checkName(to, info);
  if (to.existing !== undefined) {
    if (!overwrite) throw fileError("already-exists", { reason: to.path });
    checkName(to, to.existing);
  }
  if (info.type === "directory") {
    if (to.path !== from.path && isWithin(from.path, to.path, context.platform)) {
      throw fileError("path-invalid", { message: "A directory cannot be moved into itself" });
    }
    checkHolds(context, from);
    // What lies below would come to lie where nobody may put anything.
    checkHolds(context, to);
  } else if (from.root !== to.root && info.type === "file") {
    to.root.policy.checkSize(info.size);
    context.checkHardLinks(to.root, info, from.path);
  }
  return info;
}

function checkHolds(context: FileContext, { root, path }: Target): void {
  if (!root.policy.holdsForbidden(context.below(root, path))) return;
  throw fileError("path-forbidden", { reason: `a forbidden path lies below ${path}` });
}

/** Without an `await` since both were found. */
function move({ from, to }: Names, overwrite: boolean): void {
  try {
    from.parent.rename(from.name, to.parent, to.name, { overwrite });
  } catch (error) {
    // Elsewhere it is how the kernel refuses to leave a root; here both names lie in one.
    if ((error as { code?: unknown } | null)?.code !== "EXDEV") throw error;
    throw fileError("io-error", {
      message: "Nothing can be renamed from one file system to another",
      reason: `${from.path} and ${to.path} lie on different file systems`,
      error,
    });
  }
}

/** A directory that comes under the rules of another root must fit them with all that it holds. */
async function checkBelow(operation: Operation, { from, to }: Names): Promise<void> {
  const { context } = operation;
  const { root } = to;
  await scan(operation, from.path, ({ directory, entry, path }: Scanned) => {
    // What is being written, or was left by a crash, is shown nowhere, and checked when it takes its place.
    if (isTemporary(entry.name)) return;
    const moved = to.path + path.slice(from.path.length);
    root.policy.checkPath(context.below(root, moved));
    if (entry.type === "directory") return;
    root.policy.checkName(entry.name);
    const info = directory.lookup(entry.name);
    if (info?.type !== "file") return;
    root.policy.checkSize(info.size);
    context.checkHardLinks(root, info, path);
  });
}
