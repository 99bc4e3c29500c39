import { join } from "@std/path/join";
import { type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { SecurityError } from "../../errors.ts";
import { LineIndex, printable, readText } from "../_text.ts";
import type { ConfigFile } from "./project.ts";

export const MAX_CONFIG_BYTES: number = 8 * 1024 * 1024;

/** Configurations have a handful of levels; what reads them recurses. */
const MAX_DEPTH = 100;

/** A configuration file as text and syntax tree. */
export interface ParsedFile {
  readonly path: string;
  readonly kind: ConfigFile["kind"];
  readonly member: string;
  readonly text: string;
  readonly tree: Node;
}

/** The configuration files of a folder: deno.json or deno.jsonc, and package.json. */
export function readFolder(root: string, member: string): ParsedFile[] {
  const prefix = member === "" ? "" : `${member}/`;
  // Where both exist, Deno reads deno.json.
  const deno = readConfig(root, `${prefix}deno.json`, "deno", member) ??
    readConfig(root, `${prefix}deno.jsonc`, "deno", member);
  const npm = readConfig(root, `${prefix}package.json`, "package-json", member);
  return [deno, npm].filter((file) => file !== undefined);
}

/** A configuration file by its path relative to the root, or `undefined` when there is none. */
export function readConfig(
  root: string,
  path: string,
  kind: ConfigFile["kind"],
  member: string,
): ParsedFile | undefined {
  const text = readText(join(root, path), {
    maxBytes: MAX_CONFIG_BYTES,
    code: "project-unreadable",
    name: path,
  });
  return text === undefined ? undefined : { path, kind, member, text, tree: parse(text, path) };
}

function tooDeep(path: string, cause?: unknown): SecurityError {
  return new SecurityError("project-unreadable", `${printable(path)}: nested too deeply`, {
    cause,
  });
}

/** Parses JSON with comments and trailing commas, as Deno does. */
function parse(text: string, path: string): Node {
  const errors: ParseError[] = [];
  let tree: Node | undefined;
  try {
    tree = parseTree(text, errors, { allowTrailingComma: true });
  } catch (cause) {
    // The parser recurses: nesting that no configuration has overflows its stack.
    throw tooDeep(path, cause);
  }
  const error = errors[0];
  if (error !== undefined || tree?.type !== "object") {
    const { line, column } = new LineIndex(text).at(error?.offset ?? 0);
    const what = error === undefined ? "an object" : `JSON (${printParseErrorCode(error.error)})`;
    throw new SecurityError(
      "project-unreadable",
      `${printable(path)}:${line}:${column}: expected ${what}`,
      { details: { line, column } },
    );
  }
  return tree;
}

/** The value of a configuration file. Objects have no prototype: `__proto__` is a key like any. */
export function valueOf({ tree, path }: ParsedFile): ConfigFile["value"] {
  return toValue(tree, path, 0) as ConfigFile["value"];
}

function toValue(node: Node, path: string, depth: number): unknown {
  // What the parser still reads would overflow the stack here, and where the value is used.
  if (depth > MAX_DEPTH) throw tooDeep(path);
  if (node.type === "array") {
    return (node.children ?? []).map((item) => toValue(item, path, depth + 1));
  }
  if (node.type !== "object") return node.value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, value] of entriesOf(node)) object[key] = toValue(value, path, depth + 1);
  return object;
}

/** Keys and values of an object node; the last of two equal keys wins, as in JSON.parse. */
export function entriesOf(node: Node | undefined): ReadonlyMap<string, Node> {
  const entries = new Map<string, Node>();
  for (const property of node?.type === "object" ? node.children ?? [] : []) {
    const [key, value] = property.children ?? [];
    if (key !== undefined && value !== undefined) entries.set(String(key.value), value);
  }
  return entries;
}

/** The node below an object node by the names of its properties. */
export function fieldOf(node: Node | undefined, ...names: readonly string[]): Node | undefined {
  return names.reduce<Node | undefined>((at, name) => entriesOf(at).get(name), node);
}

/** The strings of an array node. */
export function stringsOf(node: Node | undefined): string[] {
  return (node?.type === "array" ? node.children ?? [] : [])
    .filter((item) => item.type === "string").map((item) => String(item.value));
}
