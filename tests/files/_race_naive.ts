/**
 * The way everybody does it: make the path canonical, compare it with the root, then use it. Here to show
 * that a race catches it.
 */
import type { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import { fileError, fromSystemError } from "../../src/files/_errors.ts";

/** What a race calls. */
export type Raced = Pick<
  FileSecurityValidator,
  | "validate"
  | "open"
  | "readFile"
  | "readTextFile"
  | "readRange"
  | "readInto"
  | "readable"
  | "writeFile"
  | "mkdir"
  | "remove"
  | "rename"
  | "copy"
  | "stat"
  | "list"
  | "walk"
  | "subroot"
>;

/** Translates the errors of the system, so that both kinds of victim are counted alike. */
async function translated<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromSystemError(error);
  }
}

/** Checks a path and then uses it. */
export function naive(root: string): Raced {
  /** Canonical path of what exists. */
  const existing = async (input: string): Promise<string> => {
    const path = await Deno.realPath(`${root}/${input}`);
    if (path === root || path.startsWith(`${root}/`)) return path;
    throw fileError("path-outside-root", { reason: path });
  };
  /** Canonical path of a name in a directory that exists. */
  const named = async (input: string): Promise<string> => {
    const at = input.lastIndexOf("/");
    const parent = await existing(at < 0 ? "." : input.slice(0, at));
    return `${parent}/${input.slice(at + 1)}`;
  };
  /** Of what exists, or of its name when it does not. */
  const either = async (input: string): Promise<string> => {
    try {
      return await existing(input);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return await named(input);
    }
  };
  const entryOf = ({ name, isFile, isDirectory, isSymlink }: Deno.DirEntry) => ({
    name,
    isFile,
    isDirectory,
    isSymlink,
  });
  return {
    validate: (input) => translated(() => existing(input)),
    open: (input, options) =>
      translated(async () => await Deno.open(await existing(input), { ...options, read: true })),
    readFile: (input) => translated(async () => await Deno.readFile(await existing(input))),
    readTextFile: (input) => translated(async () => await Deno.readTextFile(await existing(input))),
    readRange: (input) => translated(async () => await Deno.readFile(await existing(input))),
    readInto: (input, buffer) =>
      translated(async () => {
        using file = await Deno.open(await existing(input));
        return await file.read(buffer) ?? 0;
      }),
    readable: (input) => translated(async () => (await Deno.open(await existing(input))).readable),
    writeFile: (input, data, options = {}) =>
      translated(async () => {
        const { append = false, createNew = false, atomic = !append } = options;
        if (createNew || !atomic) {
          const path = createNew ? await named(input) : await either(input);
          return await Deno.writeFile(path, data as Uint8Array, { append, createNew });
        }
        const path = await either(input);
        const temporary = `${path}.temporary`;
        await Deno.writeFile(temporary, data as Uint8Array);
        await Deno.rename(temporary, path);
      }),
    mkdir: (input, { recursive = false } = {}) =>
      translated(async () => {
        const above = recursive ? input.indexOf("/") : input.lastIndexOf("/");
        const parent = await existing(input.slice(0, above));
        await Deno.mkdir(parent + input.slice(above), { recursive });
      }),
    remove: (input, { recursive = false } = {}) =>
      translated(async () => await Deno.remove(await named(input), { recursive })),
    rename: (from, to) =>
      translated(async () => await Deno.rename(await named(from), await named(to))),
    copy: (from, to) =>
      translated(async () => await Deno.copyFile(await existing(from), await either(to))),
    stat: (input) =>
      translated(async () => {
        const { isFile, isDirectory, size, mtime } = await Deno.stat(await existing(input));
        return { isFile, isDirectory, size, mtime } as Awaited<ReturnType<Raced["stat"]>>;
      }),
    list: (input) =>
      translated(async () =>
        (await Array.fromAsync(Deno.readDir(await existing(input)))).map(entryOf)
      ),
    async *walk(input) {
      for (const entry of await this.list(input)) {
        yield { path: entry.name, ...entry };
        if (!entry.isDirectory) continue;
        for (const below of await this.list(`${input}/${entry.name}`)) {
          yield { path: `${entry.name}/${below.name}`, ...below };
        }
      }
    },
    subroot: (input) =>
      translated(async () => {
        const below = naive(await existing(input));
        const close = () => Promise.resolve();
        // A class with private fields has no other values; what a race calls is all there.
        return { ...below, close } as unknown as FileSecurityValidator;
      }),
  };
}
