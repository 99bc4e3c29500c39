/** Every operation of a validator on a path, each beside what Deno's own API makes of the same path. */
import type { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import type { Tree } from "./_tree.ts";

/** A file that every tree under attack has, to be renamed and copied from. */
export const MINE = "mine";

/** An operation of a validator. */
export interface OperationUnderTest {
  readonly name: string;
  /** Does it by a validator; what it resolves to is all that a client gets. */
  readonly guarded: (files: FileSecurityValidator, input: string) => Promise<unknown>;
  /** Does it without. */
  readonly bare: (path: string, tree: Tree) => unknown;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const DATA = "written";

async function readAll(stream: ReadableStream<Uint8Array>): Promise<string> {
  return text(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).bytes());
}

function readBare(path: string, length: number): string {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(length);
  return text(buffer.subarray(0, file.readSync(buffer) ?? 0));
}

/** All of them. */
export const OPERATIONS = [
  {
    name: "validate",
    guarded: (files, input) => files.validate(input),
    bare: (path) => Deno.realPathSync(path),
  },
  {
    name: "open",
    guarded: async (files, input) => {
      const file = await files.open(input);
      return await readAll(file.readable);
    },
    bare: (path) => readBare(path, 100),
  },
  {
    name: "open to write",
    guarded: async (files, input) => {
      using file = await files.open(input, { write: true });
      await file.write(new TextEncoder().encode(DATA));
    },
    bare: (path) => {
      using file = Deno.openSync(path, { read: true, write: true });
      file.writeSync(new TextEncoder().encode(DATA));
    },
  },
  {
    name: "readFile",
    guarded: async (files, input) => text(await files.readFile(input)),
    bare: (path) => text(Deno.readFileSync(path)),
  },
  {
    name: "readTextFile",
    guarded: (files, input) => files.readTextFile(input),
    bare: (path) => Deno.readTextFileSync(path),
  },
  {
    name: "readRange",
    guarded: async (files, input) => text(await files.readRange(input, { offset: 0, length: 20 })),
    bare: (path) => readBare(path, 20),
  },
  {
    name: "readInto",
    guarded: async (files, input) => {
      const buffer = new Uint8Array(20);
      try {
        await files.readInto(input, buffer);
        return text(buffer);
      } catch (error) {
        // A refusal that has already filled the buffer is none.
        if (buffer.some((byte) => byte !== 0)) throw new Error("the buffer was filled");
        throw error;
      }
    },
    bare: (path) => readBare(path, 20),
  },
  {
    name: "readable",
    guarded: async (files, input) => await readAll(await files.readable(input)),
    bare: async (path) => await readAll((await Deno.open(path)).readable),
  },
  {
    name: "write",
    guarded: (files, input) => files.writeFile(input, DATA),
    bare: (path) => Deno.writeTextFileSync(path, DATA),
  },
  {
    name: "write new",
    guarded: (files, input) => files.writeFile(input, DATA, { createNew: true }),
    bare: (path) => Deno.writeTextFileSync(path, DATA, { createNew: true }),
  },
  {
    name: "append",
    guarded: (files, input) => files.writeFile(input, DATA, { append: true }),
    bare: (path) => Deno.writeTextFileSync(path, DATA, { append: true }),
  },
  {
    name: "mkdir",
    guarded: (files, input) => files.mkdir(input),
    bare: (path) => Deno.mkdirSync(path),
  },
  {
    name: "mkdir with parents",
    guarded: (files, input) => files.mkdir(input, { recursive: true }),
    bare: (path) => Deno.mkdirSync(path, { recursive: true }),
  },
  {
    name: "remove",
    guarded: (files, input) => files.remove(input),
    bare: (path) => Deno.removeSync(path),
  },
  {
    name: "remove all below",
    guarded: (files, input) => files.remove(input, { recursive: true }),
    bare: (path) => Deno.removeSync(path, { recursive: true }),
  },
  {
    name: "rename from",
    guarded: (files, input) => files.rename(input, "moved"),
    bare: (path, { root }) => Deno.renameSync(path, `${root}/moved`),
  },
  {
    name: "rename to",
    guarded: (files, input) => files.rename(MINE, input, { overwrite: true }),
    bare: (path, { root }) => Deno.renameSync(`${root}/${MINE}`, path),
  },
  {
    name: "copy from",
    guarded: async (files, input) => {
      await files.copy(input, "copied");
      return await files.readTextFile("copied");
    },
    bare: (path, { root }) => {
      Deno.copyFileSync(path, `${root}/copied`);
      return Deno.readTextFileSync(`${root}/copied`);
    },
  },
  {
    name: "copy to",
    guarded: (files, input) => files.copy(MINE, input, { overwrite: true }),
    bare: (path, { root }) => Deno.copyFileSync(`${root}/${MINE}`, path),
  },
  {
    name: "stat",
    guarded: (files, input) => files.stat(input),
    bare: (path) => Deno.statSync(path),
  },
  {
    name: "list",
    guarded: (files, input) => files.list(input),
    bare: (path) => [...Deno.readDirSync(path)],
  },
  {
    name: "walk",
    guarded: async (files, input) => await Array.fromAsync(files.walk(input)),
    bare: (path) => [...Deno.readDirSync(path)],
  },
  {
    name: "subroot",
    guarded: async (files, input) => {
      const below = await files.subroot(input);
      return [await below.list("."), await below.readTextFile("outside-name")];
    },
    bare: (path) => [...Deno.readDirSync(path)],
  },
] as const satisfies readonly OperationUnderTest[];

/** The name of one. */
export type OperationName = typeof OPERATIONS[number]["name"];
