/** What a victim does while names are exchanged under it. */
import type { Raced } from "./_race_naive.ts";
import { INSIDE } from "./_race_tree.ts";

/** Where files end up that came from under an exchanged name. */
export const GOT = "got";

/** A file that nobody exchanges. */
const MINE = "mine";

/** An operation of a victim. */
export interface RacedOperation {
  readonly name: string;
  /** What is exchanged: a directory on the way, or what the path itself names. */
  readonly where: "on the way" | "at the end";
  /** Makes it possible again after the last time; it is under attack as well. */
  readonly prepare?: (files: Raced) => Promise<unknown>;
  /** What it resolves to is all that a client gets. */
  readonly attempt: (files: Raced) => Promise<unknown>;
}

/**
 * What a race does not catch in the naive way either: the system itself follows no link at the end of these
 * paths, and a path alone shows nothing.
 */
export const NEVER_CAUGHT: ReadonlySet<string> = new Set([
  "validate on the way",
  "validate at the end",
  "write at the end",
  "remove at the end",
  "remove all below at the end",
  "rename from at the end",
  "rename to at the end",
]);

/** What an operation is called, with where it is attacked. */
export function titleOf({ name, where }: Pick<RacedOperation, "name" | "where">): string {
  return `${name} ${where}`;
}

const bytes = new TextEncoder().encode(INSIDE);
const write = (path: string) => (files: Raced): Promise<unknown> => files.writeFile(path, bytes);

function onBoth(
  name: string,
  attempt: (files: Raced, path: string) => Promise<unknown>,
  prepare?: (files: Raced, path: string) => Promise<unknown>,
): RacedOperation[] {
  return ([["on the way", "d/f"], ["at the end", "f"]] as const).map(([where, path]) => ({
    name,
    where,
    attempt: (files) => attempt(files, path),
    ...(prepare === undefined ? {} : { prepare: (files: Raced) => prepare(files, path) }),
  }));
}

/** All of them. */
export const OPERATIONS: readonly RacedOperation[] = [
  ...onBoth("validate", (files, path) => files.validate(path)),
  ...onBoth("open", async (files, path) => {
    const file = await files.open(path);
    return await new Response(file.readable).text();
  }),
  ...onBoth("open to write", async (files, path) => {
    using file = await files.open(path, { write: true });
    await file.write(bytes);
  }),
  ...onBoth("readFile", (files, path) => files.readFile(path)),
  ...onBoth("readTextFile", (files, path) => files.readTextFile(path)),
  ...onBoth("readRange", (files, path) => files.readRange(path, { offset: 0, length: 64 })),
  ...onBoth("readInto", async (files, path) => {
    const buffer = new Uint8Array(64);
    try {
      await files.readInto(path, buffer);
    } catch (error) {
      // A refusal that has already filled the buffer is none.
      if (buffer.some((byte) => byte !== 0)) return buffer;
      throw error;
    }
    return buffer;
  }),
  ...onBoth("readable", async (files, path) => {
    return await new Response(await files.readable(path)).text();
  }),
  ...onBoth("stat", (files, path) => files.stat(path)),
  ...onBoth("write", (files, path) => files.writeFile(path, bytes)),
  ...onBoth("write in place", (files, path) => files.writeFile(path, bytes, { atomic: false })),
  ...onBoth(
    "append",
    (files, path) => files.writeFile(path, bytes, { append: true }),
    // It must not grow for ever.
    (files, path) => files.writeFile(path, bytes),
  ),
  {
    name: "create",
    where: "on the way",
    prepare: (files) => files.remove("d/new"),
    attempt: (files) => files.writeFile("d/new", bytes, { createNew: true }),
  },
  {
    name: "mkdir",
    where: "on the way",
    prepare: (files) => files.remove("d/made"),
    attempt: (files) => files.mkdir("d/made"),
  },
  {
    name: "mkdir with parents",
    where: "on the way",
    prepare: (files) => files.remove("d/tree", { recursive: true }),
    attempt: (files) => files.mkdir("d/tree/below", { recursive: true }),
  },
  ...onBoth(
    "remove",
    (files, path) => files.remove(path),
    (files, path) => files.writeFile(path, bytes),
  ),
  {
    name: "remove all below",
    where: "on the way",
    prepare: (files) => files.mkdir("d/sub/deep", { recursive: true }),
    attempt: (files) => files.remove("d/sub", { recursive: true }),
  },
  {
    name: "remove all below",
    where: "at the end",
    attempt: (files) => files.remove("d", { recursive: true }),
  },
  ...onBoth(
    "rename from",
    (files, path) => files.rename(path, GOT, { overwrite: true }),
    (files, path) => files.writeFile(path, bytes),
  ),
  {
    name: "rename to",
    where: "on the way",
    prepare: write(MINE),
    attempt: (files) => files.rename(MINE, "d/moved", { overwrite: true }),
  },
  {
    name: "rename to",
    where: "at the end",
    prepare: write(MINE),
    attempt: (files) => files.rename(MINE, "f", { overwrite: true }),
  },
  ...onBoth(
    "copy from",
    (files, path) => files.copy(path, GOT, { overwrite: true }),
    (files, path) => files.writeFile(path, bytes),
  ),
  {
    name: "copy to",
    where: "on the way",
    prepare: write(MINE),
    attempt: (files) => files.copy(MINE, "d/copied", { overwrite: true }),
  },
  {
    name: "copy to",
    where: "at the end",
    prepare: write(MINE),
    attempt: (files) => files.copy(MINE, "f", { overwrite: true }),
  },
  {
    name: "list",
    where: "on the way",
    // "remove all below" came before.
    prepare: (files) => files.mkdir("d/sub", { recursive: true }),
    attempt: (files) => files.list("d/sub"),
  },
  { name: "list", where: "at the end", attempt: (files) => files.list("d") },
  { name: "walk", where: "on the way", attempt: (files) => Array.fromAsync(files.walk(".")) },
  { name: "walk", where: "at the end", attempt: (files) => Array.fromAsync(files.walk("d")) },
  {
    name: "subroot",
    where: "at the end",
    prepare: write("d/f"),
    attempt: async (files) => {
      const below = await files.subroot("d");
      try {
        return [await below.list("."), await below.readTextFile("f")];
      } finally {
        await below.close();
      }
    },
  },
];
