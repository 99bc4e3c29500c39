/**
 * Making directories, and removing what there is.
 *
 * @module
 */

import type { SecurityError } from "../errors.ts";
import type { Located } from "./backends/backend.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import {
  checkMode,
  checkName,
  exclusive,
  type Found,
  locateExact,
  locateName,
  locked,
  type Target,
} from "./_change.ts";
import { join } from "./_root_paths.ts";
import { fileError, fromSystemError } from "./_errors.ts";
import { type Operation, run } from "./_operation.ts";
import { scan, type ScannedDirectory } from "./_scan.ts";
import { isTemporary } from "./_temporary_name.ts";
import { Turns } from "./_turns.ts";

/** Options of `mkdir()`. */
export interface MkdirOptions extends OperationOptions {
  /** Makes the directories above as well; one that is there already is fine. @default {false} */
  readonly recursive?: boolean;
  /** Permission bits of each new directory, less the umask. @default {0o700} */
  readonly mode?: number;
}

/** Options of `remove()`. */
export interface RemoveOptions extends OperationOptions {
  /**
   * Removes a directory with everything below; links are removed, not followed. What is forbidden below,
   * or could not be removed by its own name, keeps all of it from being removed. What a process that was
   * killed left of a write is not shown, and is removed. @default {false}
   */
  readonly recursive?: boolean;
}

/** Names that are removed before their directory is found again. */
const NAMES_AT_ONCE = 256;

/** Makes a directory. */
export async function mkdir(
  context: FileContext,
  input: string,
  options: MkdirOptions = {},
): Promise<void> {
  const { recursive = false, mode = 0o700 } = options;
  checkMode(mode);
  await run(context, "mkdir", input, options, async (operation) => {
    if (recursive) return await makeAll(operation, input, mode);
    await locked(operation, () => findName(context, input, false), ({ target }) => {
      operation.resource = target.path;
      target.parent.createDirectory(target.name, mode);
    });
  }, { changes: true });
}

/** Removes a file, a link or a directory. */
export async function remove(
  context: FileContext,
  input: string,
  options: RemoveOptions = {},
): Promise<void> {
  const { recursive = false } = options;
  await run(context, "remove", input, options, async (operation) => {
    await locked(operation, () => findName(context, input, true), async ({ target }) => {
      const { existing, parent, name, path } = target;
      operation.resource = path;
      if (existing === undefined) throw notThere(target);
      checkName(target, existing);
      if (existing.type !== "directory") return parent.removeFile(name);
      if (!recursive) return parent.removeDirectory(name);
      await removeBelow(operation, path);
      const again = locateName(context, path, { change: true, replaces: true });
      try {
        again.parent.removeDirectory(name);
      } finally {
        again.parent.close();
      }
    });
  }, { changes: true });
}

/** What is not there is refused as what is there would be: nobody learns which `.env` exists. */
export function notThere({ root, name, path }: Target): SecurityError {
  root.policy.checkName(name);
  return fileError("not-found", { reason: path });
}

function findName(context: FileContext, input: string, replaces: boolean): Found & {
  readonly target: Target;
} {
  const target = locateName(context, input, { change: true, replaces });
  return { target, locks: exclusive(target.path), close: () => target.parent.close() };
}

// --- Making directories

/** Makes what is missing of a path, from the lowest directory that is there. */
async function makeAll(operation: Operation, input: string, mode: number): Promise<void> {
  const { context } = operation;
  const there = locateDirectory(context, input);
  if (there !== undefined) {
    operation.resource = there;
    return;
  }
  const { top, names } = componentsOf(context, input);
  let path: string | undefined;
  let levels = 0;
  // Should it fail half-way, the event says what it left.
  const made = (path: string) => operation.details = { made: path, levels: ++levels };
  let depth = names.length;
  for (; depth > 0 && path === undefined; depth--) {
    const above = top + names.slice(0, depth).join("/");
    path = await makeOne(operation, { path: above, rest: names.slice(depth) }, mode, made);
  }
  if (path === undefined) throw fileError("not-found");
  for (const name of names.slice(depth + 1)) {
    const next = { path: join(path, name, context.platform), rest: [] };
    path = await makeOne(operation, next, mode, made);
    if (path === undefined) throw fileError("not-found", { reason: "a directory was removed" });
  }
  operation.resource = path;
}

/**
 * Makes a directory if it is missing.
 *
 * @param next The directory, and what will be made below: refused before anything is made.
 * @param made Told what was made.
 * @returns Its canonical path, or `undefined` when the one above is missing as well.
 */
async function makeOne(
  operation: Operation,
  next: { readonly path: string; readonly rest: readonly string[] },
  mode: number,
  made: (path: string) => void,
): Promise<string | undefined> {
  const { context } = operation;
  const { path, rest } = next;
  try {
    return await locked(operation, () => findName(context, path, false), ({ target }) => {
      const { parent, name, root } = target;
      const directory = existingDirectory(context, target);
      const canonical = directory ?? target.path;
      if (directory === undefined) {
        let below = canonical;
        for (const part of rest) {
          below = join(below, part, context.platform);
          root.policy.checkPath(context.below(root, below));
        }
        parent.createDirectory(name, mode);
        made(canonical);
      }
      return canonical;
    });
  } catch (thrown) {
    const error = fromSystemError(thrown);
    if (error.code === "not-found") return undefined;
    // Another process may have made it just now.
    const there = error.code === "already-exists" ? locateDirectory(context, path) : undefined;
    if (there === undefined) throw error;
    return there;
  }
}

/** Canonical path of the directory that a name leads to; `undefined` when there is nothing. */
function existingDirectory(context: FileContext, target: Target): string | undefined {
  const { existing, path } = target;
  if (existing === undefined) return undefined;
  if (existing.type === "directory") return path;
  if (existing.type !== "symlink") throw fileError("not-a-directory", { reason: path });
  checkLink(target);
  const directory = locateDirectory(context, path);
  // Making a directory through a link that leads nowhere would be up to whoever made the link.
  if (directory === undefined) throw fileError("already-exists", { reason: `${path} is a link` });
  return directory;
}

function checkLink({ root, path }: Target): void {
  if (root.policy.symlinks === "deny") throw fileError("symlink-denied", { reason: path });
}

/** Canonical path of a directory that is there; `undefined` when nothing is. */
function locateDirectory(context: FileContext, input: string): string | undefined {
  let located: Located;
  try {
    located = context.locate(input, { change: true });
  } catch (thrown) {
    const error = fromSystemError(thrown);
    if (error.code === "not-found") return undefined;
    throw error;
  }
  try {
    if (located.info.type === "directory") return located.path;
    throw fileError("already-exists", { reason: `${located.path} is no directory` });
  } finally {
    located.close();
  }
}

/** What a path that was found to be acceptable starts with, and its components. */
function componentsOf(context: FileContext, input: string): { top: string; names: string[] } {
  const windows = context.platform === "windows";
  const top = (windows ? /^[\\/]*/ : /^\/*/).exec(input)?.[0] ?? "";
  const names: string[] = [];
  for (const part of input.slice(top.length).split(windows ? /[\\/]/ : "/")) {
    if (part === "..") names.pop();
    else if (part !== "" && part !== ".") names.push(part);
  }
  return { top, names };
}

// --- Removing a tree

/** Removes what is below a directory, once nothing there was found that must stay. */
async function removeBelow(operation: Operation, top: string): Promise<void> {
  const { context } = operation;
  const directories = await scan(operation, top, ({ root, entry, path }) => {
    // What a crash left of a write goes with its directory: nobody could remove it by its name.
    if (isTemporary(entry.name)) return;
    root.policy.checkPath(context.below(root, path));
    if (entry.type !== "directory") root.policy.checkName(entry.name);
  });
  const turns = new Turns(operation);
  for (const directory of directories.reverse()) await removeNames(operation, directory, turns);
}

/** Removes the names that were seen in a directory; what came since keeps it from being removed. */
async function removeNames(
  operation: Operation,
  directory: ScannedDirectory,
  turns: Turns,
): Promise<void> {
  const { entries, path } = directory;
  for (let start = 0; start < entries.length; start += NAMES_AT_ONCE) {
    const names = entries.slice(start, start + NAMES_AT_ONCE);
    const located = locateExact(operation.context, path, { change: true });
    try {
      for (const { name, type } of names) {
        if (type === "directory") located.removeDirectory(name);
        else located.removeFile(name);
      }
    } finally {
      located.close();
    }
    if (turns.isOver(names.length)) await turns.wait();
    operation.check();
  }
}
