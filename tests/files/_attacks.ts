/** Ways out of a root, as trees and what a client writes. */
import { hasEveryPermission } from "./_backends.ts";
import type { OperationName } from "./_every_operation.ts";

/** A way out. */
export interface Attack {
  /** What is tried. */
  readonly name: string;
  /** The tree, as `_tree.ts` reads it. */
  readonly tree: readonly string[];
  /** What the client writes. */
  readonly input: string;
  /** The operations of Deno's own API that touch something outside by it; with the others it is harmless. */
  readonly reaches: readonly OperationName[];
  /**
   * The last component is a link, so that an operation on the name itself (removing, renaming) stays
   * inside, and is done.
   */
  readonly onLink?: boolean;
}

/** What reaches a file whose directory is reached. */
const FILE_BELOW: readonly OperationName[] = [
  "validate",
  "open",
  "open to write",
  "readFile",
  "readTextFile",
  "readRange",
  "readInto",
  "readable",
  "write",
  "append",
  "remove",
  "remove all below",
  "rename from",
  "rename to",
  "copy from",
  "copy to",
  "stat",
];

/** What follows a link to a file: all but what acts on the name. */
const FILE_LINKED: readonly OperationName[] = FILE_BELOW.filter((name) =>
  !name.startsWith("re") || name.startsWith("read")
);

const DIRECTORY_LINKED: readonly OperationName[] = ["validate", "stat", "list", "walk", "subroot"];
const DIRECTORY_BELOW: readonly OperationName[] = [
  ...DIRECTORY_LINKED,
  "remove all below",
  "rename from",
];
const NEW_BELOW: readonly OperationName[] = [
  "write",
  "write new",
  "append",
  "mkdir",
  "mkdir with parents",
  "rename to",
  "copy to",
];
// Where Deno has to ask for permission it resolves the path itself first, and so finds nothing to write to.
const NEW_LINKED: readonly OperationName[] = hasEveryPermission
  ? ["write", "append", "copy to"]
  : ["copy to"];

type Line = readonly [name: string, tree: readonly string[], input: string];

function attacks(
  reaches: readonly OperationName[],
  lines: readonly Line[],
  more: { readonly onLink?: boolean } = {},
): Attack[] {
  return lines.map(([name, tree, input]) => ({ name, tree, input, reaches, ...more }));
}

/** Every way out. */
export const ATTACKS: readonly Attack[] = [
  ...attacks(FILE_BELOW, [
    ["dotdot", [], "../OUTSIDE/secret"],
    ["dotdot behind a directory", ["a/"], "a/../../OUTSIDE/secret"],
    ["dotdot between empty and dot components", ["a/"], "./a//.././..//OUTSIDE/./secret"],
    ["an absolute path", [], "$OUTSIDE/secret"],
    ["an absolute path that climbs out of the root", [], "$ROOT/../OUTSIDE/secret"],
    ["an absolute path with two slashes", [], "/$OUTSIDE//secret"],
    ["a sibling whose name the root's begins", [
      "hard $WORK/ROOT_evil/secret $OUTSIDE/secret",
    ], "$ROOT_evil/secret"],
    ["a linked directory", ["d => ../OUTSIDE"], "d/secret"],
    ["a linked directory, absolute target", ["d => $OUTSIDE"], "d/secret"],
    ["a linked directory, target with a slash", ["d => ../OUTSIDE/"], "d/secret"],
    ["a linked directory, written absolutely", ["d => ../OUTSIDE"], "$ROOT/d/secret"],
    ["a linked directory, by the root's link", ["d => ../OUTSIDE"], "$ROOTLINK/d/secret"],
    ["a linked directory deep below", ["a/b/d => ../../../OUTSIDE"], "a/b/d/secret"],
    ["a chain of linked directories", [
      "d => e",
      "e => f",
      "f => ../OUTSIDE",
    ], "d/secret"],
    ["a link above the root", ["up => .."], "up/OUTSIDE/secret"],
    [
      "a link above the root by way of the inside",
      ["a/b/", "up => a/b/../../.."],
      "up/OUTSIDE/secret",
    ],
    ["a link out through a link", ["x => a/y", "a/y => $OUTSIDE/dir/.."], "x/secret"],
    ["a link to the root's link and up", ["d => $ROOTLINK/../OUTSIDE"], "d/secret"],
    ["a magic link", ["p => /proc/self/root"], "p$OUTSIDE/secret"],
    ["a magic link of the thread", ["p => /proc/thread-self/root"], "p$OUTSIDE/secret"],
    ["a link with a name of Object's", ["__proto__ => ../OUTSIDE"], "__proto__/secret"],
    ["a link named as if it was deleted", ["d (deleted) => ../OUTSIDE"], "d (deleted)/secret"],
    ["a link with a line feed", ["d\nd => ../OUTSIDE"], "d\nd/secret"],
  ]),
  ...attacks(FILE_LINKED, [
    ["a linked file", ["l => ../OUTSIDE/secret"], "l"],
    ["a linked file, absolute target", ["l => $OUTSIDE/secret"], "l"],
    ["a linked file deep below", ["a/b/l => ../../../OUTSIDE/secret"], "a/b/l"],
    ["a chain to a file", ["l => a/m", "a/m => ../n", "n => ../OUTSIDE/secret"], "l"],
    ["a magic link to a file", ["l => /proc/self/root$OUTSIDE/secret"], "l"],
  ], { onLink: true }),
  ...attacks(DIRECTORY_BELOW, [
    ["a directory by dotdot", [], "../OUTSIDE/dir"],
    ["a directory by an absolute path", [], "$OUTSIDE/dir"],
    ["a directory below a linked one", ["d => ../OUTSIDE"], "d/dir"],
  ]),
  ...attacks(DIRECTORY_LINKED, [
    ["a link to a directory", ["d => ../OUTSIDE/dir"], "d"],
    ["a link to a directory, absolute target", ["d => $OUTSIDE/dir"], "d"],
    // The kernel calls a removed directory `ROOT (deleted)`: who strips that takes this for the root.
    ["a link to a directory named as the root would be, were it deleted", [
      "$WORK/ROOT (deleted)/outside-name",
      "d => $WORK/ROOT (deleted)",
    ], "d"],
    ["a link to the folder of the root", ["d => .."], "d"],
  ], { onLink: true }),
  ...attacks(NEW_BELOW, [
    ["a new name by dotdot", [], "../OUTSIDE/new"],
    ["a new name beside the root", [], "../new"],
    ["a new name by an absolute path", [], "$OUTSIDE/new"],
    ["a new name below a link", ["d => ../OUTSIDE"], "d/new"],
    ["a new name deep below a link", ["d => ../OUTSIDE"], "d/dir/new"],
    ["a new name below a chain", ["d => e", "e => $OUTSIDE/hollow"], "d/new"],
  ]),
  ...attacks(["mkdir with parents"], [
    ["new parents below a link", ["d => ../OUTSIDE"], "d/a/b/c"],
    ["new parents by dotdot", [], "../OUTSIDE/a/b/c"],
  ]),
  ...attacks(NEW_LINKED, [
    ["a link to what is not there yet", ["l => ../OUTSIDE/new"], "l"],
    ["a link to what is not there yet, absolute target", ["l => $OUTSIDE/new"], "l"],
    ["a chain to what is not there yet", ["l => m", "m => ../OUTSIDE/new"], "l"],
  ], { onLink: true }),
];
