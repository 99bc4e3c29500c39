/**
 * What is in a directory, and below.
 *
 * @module
 */

import type { SecurityErrorCode } from "../errors.ts";
import type { DirectoryEntry } from "./backends/backend.ts";
import { locateExact } from "./_change.ts";
import { join } from "./_root_paths.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import { fileError, fromSystemError } from "./_errors.ts";
import { Operation, rejectInput, run } from "./_operation.ts";
import { isAbsolute } from "./_root_paths.ts";
import { relativeWithin } from "./resolve_within.ts";
import { Turns } from "./_turns.ts";

/** Options of `list()`. */
export type ListOptions = OperationOptions;

/** A name in a directory. */
export interface ListEntry {
  /** The name alone. */
  readonly name: string;
  /** It is a regular file. */
  readonly isFile: boolean;
  /** It is a directory. */
  readonly isDirectory: boolean;
  /** It is a symbolic link; whether it may be followed is not known. */
  readonly isSymlink: boolean;
}

/** Options of `walk()`. */
export interface WalkOptions extends OperationOptions {
  /** Most levels below the directory; `1` is what `list()` returns. @default {what the policy allows} */
  readonly maxDepth?: number;
  /** Yields files, special ones included. @default {true} */
  readonly includeFiles?: boolean;
  /** Yields directories; those that are not yielded are walked all the same. @default {true} */
  readonly includeDirectories?: boolean;
  /** Yields symbolic links; they are never followed. @default {true} */
  readonly includeSymlinks?: boolean;
}

/** A name below a directory. */
export interface WalkEntry extends ListEntry {
  /**
   * A path that every method takes: relative to the root, with `/`; canonical and absolute where a
   * relative one would mean another root or is not allowed.
   */
  readonly path: string;
}

/** Lists a directory, sorted by name. */
export function list(
  context: FileContext,
  input: string,
  options: ListOptions = {},
): Promise<ListEntry[]> {
  return run(context, "list", input, options, async (operation) => {
    const located = context.locate(input);
    try {
      operation.resource = located.path;
      if (located.info.type !== "directory") throw fileError("not-a-directory");
      const entries = await located.list(context.limits.maxEntries);
      operation.check();
      const shown = visible(context, located.path, entries);
      if (context.reporter !== undefined) operation.details = { entries: shown.length };
      return shown.map(listEntry);
    } finally {
      located.close();
    }
  });
}

/** What a client may know of, sorted by code units: the same order everywhere. */
function visible(
  context: FileContext,
  directory: string,
  entries: readonly DirectoryEntry[],
): DirectoryEntry[] {
  return entries
    .filter(({ name }) => {
      const path = join(directory, name, context.platform);
      const root = context.rootOf(context.find(path)!);
      return !root.policy.isForbidden(context.below(root, path));
    })
    .sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

function listEntry({ name, type }: DirectoryEntry): ListEntry {
  return {
    name,
    isFile: type === "file",
    isDirectory: type === "directory",
    isSymlink: type === "symlink",
  };
}

/** A directory that is being walked. */
interface Level {
  readonly entries: Iterator<DirectoryEntry>;
  /** Canonical path. */
  readonly path: string;
  /** As it is shown; empty for a root. */
  readonly shown: string;
}

/** What may come of a directory that is changed while it is walked: it is as if it were not there. */
const GONE: ReadonlySet<SecurityErrorCode> = new Set<SecurityErrorCode>([
  "not-found",
  "not-a-directory",
  "path-too-deep",
  "path-forbidden",
  "path-invalid",
  "path-outside-root",
  "symlink-denied",
]);

/**
 * Walks what is below a directory. A permit is held while a directory is read, never while the
 * consumer thinks; the event is made when the walk ends, however it ends, and at the latest when the
 * validator closes.
 */
export async function* walk(
  context: FileContext,
  input: string,
  options: WalkOptions = {},
): AsyncGenerator<WalkEntry, void, undefined> {
  const { maxDepth = Infinity } = options;
  if (maxDepth !== Infinity && !(Number.isSafeInteger(maxDepth) && maxDepth >= 0)) {
    throw new RangeError(`'maxDepth' must be a whole number: current value is ${maxDepth}`);
  }
  if (typeof input !== "string") return await rejectInput();
  const operation = new Operation(context, "walk", input, options);
  const walker = new Walker(operation, input, options);
  let recorded: Promise<void> | undefined;
  const record = (error?: unknown): Promise<void> => {
    operation.details = { entries: walker.count };
    return recorded ??= operation.report(error);
  };
  let leave = () => {};
  // Whoever closes the validator closes its log next, and a consumer may think for ever.
  const close = () => {
    if (walker.paused) record(operation.signal().reason).catch(() => {});
    else leave = context.enter();
  };
  if (context.reporter !== undefined) context.closing.addEventListener("abort", close);
  try {
    await operation.begin(false);
    yield* walker.walk(maxDepth);
  } catch (thrown) {
    const error = operation.explain(thrown);
    await record(error);
    throw error;
  } finally {
    context.closing.removeEventListener("abort", close);
    try {
      await record();
    } finally {
      leave();
    }
  }
}

class Walker {
  /** Entries that were yielded. */
  count = 0;
  /** It waits for its consumer. */
  paused = false;
  readonly #operation: Operation;
  readonly #context: FileContext;
  readonly #input: string;
  readonly #types: ReadonlySet<string>;
  readonly #turns: Turns;
  #left: number;

  constructor(operation: Operation, input: string, options: WalkOptions) {
    const { includeFiles = true, includeDirectories = true, includeSymlinks = true } = options;
    this.#operation = operation;
    this.#context = operation.context;
    this.#input = input;
    this.#turns = new Turns(operation);
    this.#left = this.#context.limits.maxEntries;
    const types: string[] = [];
    if (includeFiles) types.push("file", "special");
    if (includeDirectories) types.push("directory");
    if (includeSymlinks) types.push("symlink");
    this.#types = new Set(types);
  }

  async *walk(maxDepth: number): AsyncGenerator<WalkEntry, void, undefined> {
    if (maxDepth === 0) {
      await this.#operation.step(() => this.#start());
      return;
    }
    const levels = [await this.#operation.step(() => this.#read(this.#start()))];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      // Also before it pauses: what closed until now waits for what is under way.
      this.#operation.check();
      // Neither a permit nor a handle is held here.
      if (this.#turns.isOver(1)) await this.#turns.wait();
      const next = level.entries.next();
      if (next.done === true) {
        levels.pop();
        continue;
      }
      const entry = next.value;
      const shown = level.shown === "" ? entry.name : this.#join(level.shown, entry.name);
      if (this.#types.has(entry.type)) {
        this.count++;
        this.paused = true;
        yield { path: shown, ...listEntry(entry) };
        this.paused = false;
      }
      if (entry.type !== "directory" || levels.length >= maxDepth) continue;
      const path = join(level.path, entry.name, this.#context.platform);
      const below = await this.#operation.step(() => this.#descend(path, shown));
      if (below !== undefined) levels.push(below);
    }
  }

  #join(directory: string, name: string): string {
    return isAbsolute(directory, this.#context.platform)
      ? join(directory, name, this.#context.platform)
      : `${directory}/${name}`;
  }

  /** Where the walk starts, and how that is called in the paths that are yielded. */
  #start(): { path: string; shown: string } {
    const context = this.#context;
    const located = context.locate(this.#input);
    try {
      const { path } = located;
      this.#operation.resource = path;
      if (located.info.type !== "directory") throw fileError("not-a-directory");
      return { path, shown: this.#shown(context.rootOf(located.root).path, path) };
    } finally {
      located.close();
    }
  }

  #shown(rootPath: string, path: string): string {
    const context = this.#context;
    const first = context.starts[0]!;
    // The words of the client find the same place again, and so do names below.
    if (!isAbsolute(this.#input, context.platform)) {
      return relativeWithin(first.path, this.#input, context.platform);
    }
    return rootPath === first.path && !first.policy.requireAbsolutePaths
      ? context.below(first, path)
      : path;
  }

  async #read(at: { path: string; shown: string }): Promise<Level> {
    const directory = locateExact(this.#context, at.path, {});
    try {
      const entries = await directory.list(this.#left);
      this.#operation.check();
      this.#left -= entries.length;
      return { ...at, entries: visible(this.#context, at.path, entries).values() };
    } finally {
      directory.close();
    }
  }

  async #descend(path: string, shown: string): Promise<Level | undefined> {
    try {
      return await this.#read({ path, shown });
    } catch (thrown) {
      if (GONE.has(fromSystemError(thrown).code) && thrown !== this.#signalReason()) {
        return undefined;
      }
      throw thrown;
    }
  }

  #signalReason(): unknown {
    return this.#operation.caller?.reason;
  }
}
