import { printable } from "../_text.ts";
import { toJson } from "./_json.ts";
import { paint } from "./_colors.ts";
import { cut, thousands, usableWidth } from "./_layout.ts";

/** Longer paths lose their middle: a chain of 50,000 packages would be indented off every screen. */
const MAX_DEPTH = 24;

/** A label, however deep it stands, keeps this many characters. */
const MIN_LABEL = 24;

/** Options of {@linkcode formatWhy}. */
export interface FormatWhyOptions {
  /** Whether to colour with terminal escapes. @default {false} */
  readonly color?: boolean;
  /** Columns to fit into. @default {100} */
  readonly width?: number;
}

/** A package and how the project comes to it. */
export interface WhyRow {
  /** Label of the package, such as `npm:lodash@4.17.23`. */
  readonly package: string;
  /** Reached only through development dependencies. */
  readonly dev: boolean;
  /** Inclusion paths, each from a file of the project to the package. */
  readonly paths: readonly (readonly string[])[];
  /** Whether these are all paths. */
  readonly complete: boolean;
}

/** The paths as JSON, in the order of the graph. */
export function formatWhyJson(rows: readonly WhyRow[]): string {
  return toJson(rows);
}

/** A label and what it leads to, in the order of the paths. */
type Tree = Map<string, Tree>;

/**
 * Inclusion paths as one tree, from the files of the project down: what paths have in common at
 * their start is printed once.
 */
export function formatWhy(
  paths: readonly (readonly string[])[],
  options: FormatWhyOptions = {},
): string {
  const lines = whyTree(paths, usableWidth(options.width));
  const { dim } = paint(options.color ?? false);
  return lines.map(({ branch, label }) => `${dim(branch)}${label}\n`).join("");
}

/** A line of a tree: the branch before the label, and the label. */
export interface TreeLine {
  /** What leads to the label. */
  readonly branch: string;
  /** The label, printable and cut. */
  readonly label: string;
}

/** The lines of the tree of these paths, each at most `width` columns wide where that can be. */
export function whyTree(paths: readonly (readonly string[])[], width: number): TreeLine[] {
  const root: Tree = new Map();
  for (const path of paths) {
    let at = root;
    for (const label of shorten(path)) {
      let next = at.get(label);
      if (next === undefined) at.set(label, next = new Map());
      at = next;
    }
  }
  const lines: TreeLine[] = [];
  for (const [label, children] of root) {
    lines.push({ branch: "", label: fit(label, width) });
    grow(children, "", width, lines);
  }
  return lines;
}

function grow(tree: Tree, indent: string, width: number, lines: TreeLine[]): void {
  let left = tree.size;
  for (const [label, children] of tree) {
    const last = --left === 0;
    const branch = indent + (last ? "└─ " : "├─ ");
    lines.push({ branch, label: fit(label, width - branch.length) });
    grow(children, indent + (last ? "   " : "│  "), width, lines);
  }
}

function fit(label: string, width: number): string {
  return cut(printable(label), Math.max(MIN_LABEL, width));
}

function shorten(path: readonly string[]): readonly string[] {
  if (path.length <= MAX_DEPTH) return path;
  const head = MAX_DEPTH / 2;
  const tail = MAX_DEPTH - head - 1;
  const left = path.length - head - tail;
  return [...path.slice(0, head), `… ${thousands(left)} more …`, ...path.slice(-tail)];
}
