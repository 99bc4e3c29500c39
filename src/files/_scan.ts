/**
 * A look at everything below a directory, before anything is done with it.
 *
 * @module
 */

import type { DirectoryEntry, Located } from "./backends/backend.ts";
import type { FileRoot } from "./_context.ts";
import { locateExact } from "./_change.ts";
import { join } from "./_root_paths.ts";
import type { Operation } from "./_operation.ts";
import { Turns } from "./_turns.ts";

/** A directory with what was in it. */
export interface ScannedDirectory {
  /** Canonical path. */
  readonly path: string;
  readonly entries: readonly DirectoryEntry[];
}

/** A name below. */
export interface Scanned {
  /** The directory that holds it. */
  readonly directory: Located;
  /** The root that it lies in. */
  readonly root: FileRoot;
  readonly entry: DirectoryEntry;
  /** Canonical path. */
  readonly path: string;
}

/**
 * Looks at every name below a directory of this validator; links are not followed.
 *
 * @param top Canonical path of the directory.
 * @param visit Throws to end it.
 * @returns The directories, each before those in it; `too-many-entries` when there are more names than
 * `maxEntries`.
 */
export async function scan(
  operation: Operation,
  top: string,
  visit: (scanned: Scanned) => void,
): Promise<ScannedDirectory[]> {
  const { context } = operation;
  const found: ScannedDirectory[] = [];
  const pending = [top];
  const turns = new Turns(operation);
  let left = context.limits.maxEntries;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (turns.isOver(1)) await turns.wait();
    const directory = locateExact(context, path, { change: true });
    try {
      const root = context.rootOf(directory.root);
      const entries = await directory.list(left);
      operation.check();
      // Since then a permission may have been revoked, and a visitor looks at what was found.
      context.permissions.demand(directory.root.path, true);
      left -= entries.length;
      for (const entry of entries) {
        if (turns.isOver(1)) {
          await turns.wait();
          context.permissions.demand(directory.root.path, true);
        }
        const below = join(path, entry.name, context.platform);
        visit({ directory, root, entry, path: below });
        if (entry.type === "directory") pending.push(below);
      }
      found.push({ path, entries });
    } finally {
      directory.close();
    }
  }
  return found;
}
