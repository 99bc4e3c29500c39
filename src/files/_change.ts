/**
 * What the operations that change something share: steps under a permit, locks on paths, the name in a
 * directory that is to be changed.
 *
 * Whoever holds a lock holds a permit, and neither waits for its caller meanwhile: so no client can stop
 * another one by being slow, and there is no circle of waits.
 *
 * @module
 */

import type { Located, ObjectInfo } from "./backends/backend.ts";
import type { FileContext, LocatedParent, LocateUse, OperationOptions } from "./_context.ts";
import { fileError } from "./_errors.ts";
import { type FileOperation, Operation, rejectInput } from "./_operation.ts";
import { type PathLock, pathLocks } from "./_path_locks.ts";

/** How often a path may have been renamed while it was waited for. */
const MAX_ATTEMPTS = 16;

/** A name in a directory, with what it names at the moment. */
export interface Target extends LocatedParent {
  /** What there is; `undefined` for nothing. */
  readonly existing: ObjectInfo | undefined;
}

/** Runs an operation that takes its permits step by step, since it waits for its caller in between. */
export async function runSteps<T>(
  context: FileContext,
  kind: FileOperation,
  input: string,
  options: OperationOptions,
  work: (operation: Operation) => Promise<T>,
): Promise<T> {
  if (typeof input !== "string") return await rejectInput();
  const operation = new Operation(context, kind, input, options);
  // What is open between two steps is closed before the backend is, and the log is open until the record.
  const leave = context.enter();
  try {
    let result: T;
    try {
      await operation.begin(true);
      result = await work(operation);
    } catch (thrown) {
      const error = operation.explain(thrown);
      await operation.report(error);
      throw error;
    }
    await operation.report();
    return result;
  } finally {
    leave();
  }
}

/** Something that was found and has to be let go of. */
export interface Found {
  /** The paths that it needs. */
  readonly locks: readonly PathLock[];
  /** Closes what is open. */
  close(): void;
}

/**
 * Finds something, takes its locks, and acts on it. What had to wait is found again, as it may have been
 * renamed meanwhile. When nobody is in the way there is no `await` between finding and acting.
 */
export async function locked<F extends Found, T>(
  operation: Operation,
  find: () => F,
  act: (found: F) => T | Promise<T>,
): Promise<T> {
  let found = find();
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { locks } = found;
      const taken = pathLocks.acquire(locks, operation.signal());
      let release = taken;
      if (taken instanceof Promise) {
        found.close();
        release = await taken;
      }
      try {
        if (taken instanceof Promise) {
          operation.check();
          found = find();
        }
        if (sameLocks(locks, found.locks)) return await act(found);
      } finally {
        (release as () => void)();
      }
    }
  } finally {
    found.close();
  }
  throw fileError("io-error", { reason: "the path was renamed again and again" });
}

function sameLocks(a: readonly PathLock[], b: readonly PathLock[]): boolean {
  return a.length === b.length && a.every((lock, index) => lock.path === b[index]!.path);
}

/** The locks of whoever changes these paths. */
export function exclusive(...paths: readonly string[]): PathLock[] {
  return paths.map((path) => ({ path, exclusive: true }));
}

/** Finds a name and what it names; the caller closes `parent`. */
export function locateName(context: FileContext, input: string, use: LocateUse): Target {
  const at = context.locateParent(input, use);
  try {
    return { ...at, existing: at.parent.lookup(at.name) };
  } catch (error) {
    at.parent.close();
    throw error;
  }
}

/** Finds an object by its canonical path, following no link; `not-found` when another one is there. */
export function locateExact(context: FileContext, path: string, use: LocateUse): Located {
  const located = context.locate(path, use);
  if (located.path === path) return located;
  located.close();
  throw fileError("not-found", { reason: `${path} leads to ${located.path} now` });
}

/**
 * Refuses a name whose extension the policy denies. More is not asked of what is removed or renamed: that
 * acts on a name alone, opens nothing and follows nothing, so that a FIFO or a link can be got rid of.
 */
export function checkName({ root, name }: Target, info: ObjectInfo): void {
  if (info.type !== "directory") root.policy.checkName(name);
}

/** Refuses an object that the policy does not let a client write to. */
export function checkWritable(context: FileContext, target: Target, info: ObjectInfo): void {
  const { root, path } = target;
  if (info.type === "special") throw fileError("special-file", { reason: path });
  if (info.type === "symlink" && root.policy.symlinks === "deny") {
    throw fileError("symlink-denied", { reason: path });
  }
  context.checkHardLinks(root, info, path);
}

/** Refuses permission bits that are none. */
export function checkMode(mode: number): void {
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o777) return;
  throw new RangeError(`'mode' must be between 0 and 0o777: current value is ${mode}`);
}
