import { toJson } from "./_json.ts";
import { printable } from "../_text.ts";
import { paint } from "./_colors.ts";
import { count, cut, thousands, usableWidth, wrap } from "./_layout.ts";

/** A package and its licence. */
export interface ListRow {
  /** Label of the package, such as `npm:lodash@4.17.23`. */
  readonly package: string;
  /** SPDX expression or other words for its licence; `null` when none was found. */
  readonly license: string | null;
}

/** Options of {@linkcode formatList}. */
export interface FormatListOptions {
  /** Whether to colour with terminal escapes. @default {false} */
  readonly color?: boolean;
  /** Columns to fit into. @default {100} */
  readonly width?: number;
}

/**
 * Packages by licence: the most frequent licence first, those without one last.
 */
export function formatList(rows: readonly ListRow[], options: FormatListOptions = {}): string {
  const colors = paint(options.color ?? false);
  const width = usableWidth(options.width);
  const groups = new Map<string | null, string[]>();
  for (const row of rows) {
    const group = groups.get(row.license);
    if (group === undefined) groups.set(row.license, [row.package]);
    else group.push(row.package);
  }
  const lines: string[] = [];
  for (const [license, packages] of [...groups].sort(compareGroups)) {
    const title = license === null
      ? colors.yellow(colors.bold("unlicensed"))
      : colors.bold(cut(printable(license), width - 20));
    lines.push(`${title}  ${count(packages.length, "package")}`);
    const names = packages.sort(compareText).map((name) => cut(printable(name), width - 3));
    for (const line of wrap(names.join(", "), width - 2)) lines.push(`  ${line}`);
    lines.push("");
  }
  const unlicensed = groups.get(null)?.length ?? 0;
  const licenses = groups.size - (groups.has(null) ? 1 : 0);
  lines.push(
    `${count(rows.length, "package")}, ${count(licenses, "licence")}, ` +
      `${thousands(unlicensed)} unlicensed`,
  );
  return lines.join("\n") + "\n";
}

type Group = readonly [license: string | null, packages: readonly string[]];

function compareGroups([a, inA]: Group, [b, inB]: Group): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return inB.length - inA.length || compareText(a, b);
}

/** By code units: the same on every machine, whatever its language. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The same rows as JSON, in the order of the graph. */
export function formatListJson(rows: readonly ListRow[]): string {
  return toJson(rows);
}
