/**
 * Directory trees written as lines, for tests that attack them.
 *
 * A tree is a work folder with `ROOT/`, where the lines are relative to, `OUTSIDE/` beside it with what
 * must never be touched, and `ROOTLINK`, a link to `ROOT`. The lines:
 *
 *     d/            a directory
 *     f             a file
 *     a => b        a symbolic link with the target b, as it is written
 *     hard h t      a second name h of t
 *     size f N      a file of N bytes, none of them written
 *     fifo p        a FIFO
 *     sock s        a socket that nobody listens on
 *     chardev c     a device: the null device
 *
 * Parents are created. `$WORK`, `$ROOT`, `$ROOTLINK` and `$OUTSIDE` stand for the absolute paths.
 */
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";

/** What the file outside holds; anything that shows it has read outside. */
export const SECRET: string = "SECRET-".padEnd(7_919, "7919");

/** A tree on the disk, removed when it is disposed of. */
export interface Tree extends Disposable {
  /** The folder of all that follows. */
  readonly work: string;
  /** What a validator is allowed. */
  readonly root: string;
  /** A link to it. */
  readonly rootLink: string;
  /** What it is not allowed: `secret`, `dir/` with a file, and an empty directory `hollow/`. */
  readonly outside: string;
  /** Puts the paths of this tree in the place of `$ROOT` and so on. */
  expand(text: string): string;
}

/** Builds a tree. */
export function makeTree(lines: readonly string[]): Tree {
  // Canonical, because on macOS the folder of temporary files lies behind a link.
  const work = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "bartizan_tree_" }));
  const [root, outside, rootLink] = [`${work}/ROOT`, `${work}/OUTSIDE`, `${work}/ROOTLINK`];
  Deno.mkdirSync(root);
  Deno.mkdirSync(`${outside}/dir`, { recursive: true });
  Deno.mkdirSync(`${outside}/hollow`);
  Deno.writeTextFileSync(`${outside}/secret`, SECRET);
  Deno.writeTextFileSync(`${outside}/dir/outside-name`, SECRET);
  Deno.symlinkSync(root, rootLink);
  const expand = (text: string) =>
    text.replaceAll(
      /\$(ROOTLINK|ROOT|OUTSIDE|WORK)/g,
      (_all, name: string) => name === "WORK" ? work : `${work}/${name}`,
    );
  for (const line of lines) build(root, expand(line));
  const remove = () => Deno.removeSync(work, { recursive: true });
  return { work, root, rootLink, outside, expand, [Symbol.dispose]: remove };
}

function build(root: string, line: string): void {
  const parent = (path: string) => Deno.mkdirSync(dirname(path), { recursive: true });
  const at = (path: string) => path.startsWith("/") ? path : join(root, path);
  const link = line.indexOf(" => ");
  if (link !== -1) {
    const path = at(line.slice(0, link));
    parent(path);
    return Deno.symlinkSync(line.slice(link + 4), path);
  }
  const [kind, name = "", rest = ""] = line.split(" ");
  const path = at(name);
  switch (kind) {
    case "hard":
      parent(path);
      return Deno.linkSync(at(rest), path);
    case "size":
      parent(path);
      Deno.writeFileSync(path, new Uint8Array());
      return Deno.truncateSync(path, Number(rest));
    case "fifo":
    case "sock":
    case "chardev":
      parent(path);
      return makeNode(path, kind);
  }
  const whole = at(line);
  if (line.endsWith("/")) return Deno.mkdirSync(whole, { recursive: true });
  parent(whole);
  Deno.writeTextFileSync(whole, `inside ${line}`);
}

const NODES = { fifo: [0o010600, 0n], sock: [0o140600, 0n], chardev: [0o020600, 0x103n] } as const;

/** The kinds of objects that only the C library can make. */
export type SpecialKind = keyof typeof NODES;

function makeNode(path: string, kind: SpecialKind): void {
  const library = Deno.dlopen("libc.so.6", {
    mknod: { parameters: ["buffer", "u32", "u64"], result: "i32" },
  });
  try {
    const [mode, device] = NODES[kind];
    const name = new TextEncoder().encode(`${path}\0`);
    if (library.symbols.mknod(name, mode, device) !== 0) throw new Error(`cannot make a ${kind}`);
  } finally {
    library.close();
  }
}

/** The kinds of special files that can be made here; a device takes a superuser. */
export const specialKinds: readonly SpecialKind[] = (Object.keys(NODES) as SpecialKind[])
  .filter((kind) => {
    const folder = Deno.makeTempDirSync({ prefix: "bartizan_tree_" });
    try {
      makeNode(`${folder}/probe`, kind);
      return true;
    } catch {
      return false;
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

/** Everything in a folder, links not followed, in a form that two calls can be compared by. */
export function snapshot(folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string, name: string): void => {
    const info = Deno.lstatSync(path);
    const mode = ((info.mode ?? 0) & 0o7777).toString(8);
    if (info.isSymlink) found.push(`${name} => ${Deno.readLinkSync(path)}`);
    else if (info.isFile) {
      found.push(`${name} ${mode} ${info.size > 65_536 ? info.size : Deno.readTextFileSync(path)}`);
    } else if (info.isDirectory) {
      found.push(`${name}/ ${mode}`);
      for (const entry of Deno.readDirSync(path)) {
        visit(`${path}/${entry.name}`, `${name}/${entry.name}`);
      }
    } else found.push(`${name} special`);
  };
  visit(folder, "");
  return found.sort();
}

/** Everything of a tree but what is below its root. */
export function outsideOf({ work }: Tree): string[] {
  return snapshot(work).filter((line) => !line.startsWith("/ROOT/") || line.startsWith("/ROOT/ "));
}
