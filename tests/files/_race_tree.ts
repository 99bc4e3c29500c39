/**
 * The tree that a race is about: two pairs of names below a root, exchanged by another process.
 *
 * `d`, a directory, changes places with `x`, a link to the directory outside; `f`, a file, with `g`, a link
 * to the file `secret` outside. Whatever lies under a name inside lies under the same name outside.
 */

/** What files inside hold. */
export const INSIDE = "inside";

/** What files outside hold; whoever shows it, or knows how long it is, has been outside. */
export const SECRET: string = "SECRET-".padEnd(4_099, "4099");

/** A name that is only in the directories outside. */
export const ONLY_OUTSIDE = "only-outside";

/** Where everything is. */
export interface RaceTree {
  readonly root: string;
  readonly outside: string;
}

/** The names of a pair, whichever of them is the link at the moment. */
export interface Pair {
  readonly names: readonly [string, string];
  /** What is there besides the link. */
  readonly type: "directory" | "file";
  /** Where the link leads, relative to the directory outside. */
  readonly target: string;
}

/** What is exchanged. */
export const PAIRS: readonly Pair[] = [
  { names: ["d", "x"], type: "directory", target: "." },
  { names: ["f", "g"], type: "file", target: "secret" },
];

/** Whether an error says that nothing is there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** Links not followed. */
export function lookup(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Removes whatever is there. */
export function clear(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Whether one name of a pair is the link and the other is not. */
export function isWhole({ root }: RaceTree, { names, type }: Pair): boolean {
  const infos = names.map((name) => lookup(`${root}/${name}`));
  return infos.some((info) => info?.isSymlink) &&
    infos.some((info) => type === "directory" ? info?.isDirectory : info?.isFile);
}

/** Puts a pair there again, whatever was made of it. */
export function build({ root, outside }: RaceTree, { names, type, target }: Pair): void {
  const [real, link] = names.map((name) => `${root}/${name}`) as [string, string];
  clear(real);
  clear(link);
  if (type === "directory") {
    Deno.mkdirSync(`${real}/sub`, { recursive: true });
    Deno.writeTextFileSync(`${real}/f`, INSIDE);
    Deno.writeTextFileSync(`${real}/sub/f`, INSIDE);
  } else {
    Deno.writeTextFileSync(real, INSIDE);
  }
  Deno.symlinkSync(target === "." ? outside : `${outside}/${target}`, link);
}

/** A time that nothing is changed at. */
const LONG_AGO = new Date("2001-01-01T00:00:00Z");

/** Not what any file inside has. */
const FILE_MODE = 0o640;

/** In the order in which they are built; the times are set in the reverse one. */
const OUTSIDE_DIRECTORIES = ["", "/sub"] as const;
const OUTSIDE_FILES = [
  "/f",
  "/secret",
  `/${ONLY_OUTSIDE}`,
  "/sub/f",
  `/sub/${ONLY_OUTSIDE}`,
] as const;

/**
 * Watches the directory outside. Every change shows in a time: that of a directory when a name comes or
 * goes, even if it is undone at once, that of a file when its content changes.
 */
export class Outside {
  readonly #path: string;

  constructor({ outside }: RaceTree) {
    this.#path = outside;
  }

  /** Puts everything there as it should be. */
  build(): void {
    clear(this.#path);
    for (const name of OUTSIDE_DIRECTORIES) Deno.mkdirSync(this.#path + name);
    for (const name of OUTSIDE_FILES) {
      Deno.writeTextFileSync(this.#path + name, SECRET);
      Deno.chmodSync(this.#path + name, FILE_MODE);
    }
    for (const name of [...OUTSIDE_FILES, ...OUTSIDE_DIRECTORIES.toReversed()]) {
      Deno.utimeSync(this.#path + name, LONG_AGO, LONG_AGO);
    }
  }

  /** What was changed since `build()`; `undefined` when nothing was. */
  change(): string | undefined {
    for (const name of OUTSIDE_DIRECTORIES) {
      const info = lookup(this.#path + name);
      if (info?.isDirectory !== true || info.mtime?.getTime() !== LONG_AGO.getTime()) {
        return `the names in OUTSIDE${name}`;
      }
    }
    for (const name of OUTSIDE_FILES) {
      const info = lookup(this.#path + name);
      const isSame = info?.isFile === true && info.size === SECRET.length &&
        ((info.mode ?? 0) & 0o777) === FILE_MODE &&
        info.mtime?.getTime() === LONG_AGO.getTime();
      if (!isSame) return `the file OUTSIDE${name}`;
    }
    return undefined;
  }
}
