import { basename } from "@std/path/basename";
import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { relative } from "@std/path/relative";
import { resolve } from "@std/path/resolve";
import { type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { SecurityError } from "../../errors.ts";
import { LineIndex, printable, readText } from "../_text.ts";
import type { ConfigFile, DeclaredDependency, Npmrc, Project } from "./project.ts";
import { parseRequest } from "./specifier.ts";

const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
const MAX_MEMBERS = 10_000;

/** Options of {@linkcode readProject}. */
export interface ReadProjectOptions {
  /** Home folder, for the user's .npmrc. @default {undefined} none is read */
  readonly home?: string;
}

/**
 * Reads the configuration of a Deno project: deno.json or deno.jsonc, package.json, the import map,
 * workspace members, links and .npmrc. Requires `--allow-read` for the project.
 *
 * @throws {SecurityError} `project-unreadable` if there is no such folder, or a file is no valid
 * configuration.
 */
export async function readProject(
  folder: string,
  options: ReadProjectOptions = {},
): Promise<Project> {
  const root = resolve(folder);
  const rootFiles = readFolder(root, "");
  const catalogs = readCatalogs(rootFiles);
  const members = await memberFolders(root, rootFiles);
  const files = [
    ...rootFiles,
    ...readImportMap(root, rootFiles),
    ...members.flatMap((member) => readFolder(root, member)),
  ];
  const configs = files.map((file) => ({
    path: file.path,
    kind: file.kind,
    member: file.member,
    text: file.text,
    value: toValue(file.tree) as ConfigFile["value"],
    dependencies: declaredBy(file, catalogs),
  }));
  return { root, name: nameOf(configs, root), configs, npmrc: readNpmrc(root, options.home) };
}

/** A configuration file as text and syntax tree. */
interface ParsedFile {
  readonly path: string;
  readonly kind: ConfigFile["kind"];
  readonly member: string;
  readonly text: string;
  readonly tree: Node;
}

function readFolder(root: string, member: string): ParsedFile[] {
  const prefix = member === "" ? "" : `${member}/`;
  // Where both exist, Deno reads deno.json.
  const deno = readConfig(root, `${prefix}deno.json`, "deno", member) ??
    readConfig(root, `${prefix}deno.jsonc`, "deno", member);
  const npm = readConfig(root, `${prefix}package.json`, "package-json", member);
  return [deno, npm].filter((file) => file !== undefined);
}

function readConfig(
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

/** Parses JSON with comments and trailing commas, as Deno does. */
function parse(text: string, path: string): Node {
  const errors: ParseError[] = [];
  let tree: Node | undefined;
  try {
    tree = parseTree(text, errors, { allowTrailingComma: true });
  } catch (cause) {
    // The parser recurses: nesting that no configuration has overflows its stack.
    throw new SecurityError("project-unreadable", `${printable(path)}: nested too deeply`, {
      cause,
    });
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

/** The value of a syntax tree. Objects have no prototype, so that `__proto__` is a key like any. */
function toValue(node: Node | undefined): unknown {
  if (node === undefined) return undefined;
  if (node.type === "array") return (node.children ?? []).map(toValue);
  if (node.type !== "object") return node.value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, value] of entriesOf(node)) object[key] = toValue(value);
  return object;
}

/** Keys and values of an object node; the last of two equal keys wins, as in JSON.parse. */
function entriesOf(node: Node | undefined): ReadonlyMap<string, Node> {
  const entries = new Map<string, Node>();
  for (const property of node?.type === "object" ? node.children ?? [] : []) {
    const [key, value] = property.children ?? [];
    if (key !== undefined && value !== undefined) entries.set(String(key.value), value);
  }
  return entries;
}

function fieldOf(node: Node | undefined, ...names: readonly string[]): Node | undefined {
  return names.reduce<Node | undefined>((at, name) => entriesOf(at).get(name), node);
}

function stringsOf(node: Node | undefined): string[] {
  return (node?.type === "array" ? node.children ?? [] : [])
    .filter((item) => item.type === "string").map((item) => String(item.value));
}

/** Folders of the workspace members and links, relative to the root. */
async function memberFolders(root: string, files: readonly ParsedFile[]): Promise<string[]> {
  const folders = new Set<string>();
  for (const { tree, kind } of files) {
    const workspace = fieldOf(tree, kind === "deno" ? "workspace" : "workspaces");
    const inner = fieldOf(workspace, kind === "deno" ? "members" : "packages");
    const patterns = stringsOf(inner ?? workspace);
    const excluded = new Set<string>();
    for (const pattern of patterns) {
      const negated = pattern.startsWith("!");
      for (const folder of await expandMember(root, negated ? pattern.slice(1) : pattern)) {
        (negated ? excluded : folders).add(folder);
      }
    }
    for (const folder of excluded) folders.delete(folder);
  }
  if (folders.size > MAX_MEMBERS) {
    throw new SecurityError(
      "project-unreadable",
      `the workspace has more than ${MAX_MEMBERS} members`,
    );
  }
  return [...folders];
}

async function expandMember(root: string, pattern: string): Promise<string[]> {
  const paths: string[] = [];
  if (/[*?[{]/.test(pattern)) {
    // Few projects have a pattern here, and the module brings a good part of @std/path.
    const { expandGlob } = await import("@std/fs/expand-glob");
    const exclude = ["**/node_modules", "**/vendor", "**/.git"];
    for await (const entry of expandGlob(pattern, { root, exclude, followSymlinks: false })) {
      if (entry.isDirectory) paths.push(entry.path);
    }
    paths.sort();
  } else {
    paths.push(resolve(root, pattern));
  }
  // A member outside the project would make the audit read what it was not asked to.
  return paths.map((path) => relative(root, path).replaceAll("\\", "/"))
    .filter((path) => path !== "" && path !== ".." && !path.startsWith("../") && !isAbsolute(path));
}

/** The import map that deno.json names, when it is a local file. */
function readImportMap(
  root: string,
  files: readonly ParsedFile[],
): ParsedFile[] {
  const deno = files.find(({ kind }) => kind === "deno");
  const name = fieldOf(deno?.tree, "importMap")?.value;
  if (typeof name !== "string" || /^[a-z]+:/i.test(name)) return [];
  const path = relative(root, resolve(root, name)).replaceAll("\\", "/");
  if (path.startsWith("../") || isAbsolute(path)) return [];
  const file = readConfig(root, path, "import-map", "");
  return file === undefined ? [] : [file];
}

type Catalogs = ReadonlyMap<string, ReadonlyMap<string, Node>>;

/** Named sets of versions that members refer to as `catalog:NAME`. */
function readCatalogs(files: readonly ParsedFile[]): Catalogs {
  const catalogs = new Map<string, ReadonlyMap<string, Node>>();
  for (const { tree } of files) {
    for (const holder of [tree, fieldOf(tree, "workspaces")]) {
      const standard = fieldOf(holder, "catalog");
      if (standard !== undefined) catalogs.set("default", entriesOf(standard));
      for (const [name, catalog] of entriesOf(fieldOf(holder, "catalogs"))) {
        catalogs.set(name, entriesOf(catalog));
      }
    }
  }
  return catalogs;
}

function declaredBy(file: ParsedFile, catalogs: Catalogs): DeclaredDependency[] {
  const lines = new LineIndex(file.text);
  const declared: DeclaredDependency[] = [];
  const add = (alias: string, specifier: string | undefined, node: Node, dev = false) => {
    if (specifier === undefined) return;
    const location = { file: file.path, ...lines.at(node.offset) };
    declared.push({ alias, specifier, dev, location });
  };
  if (file.kind === "package-json") {
    for (const [section, dev] of PACKAGE_JSON_SECTIONS) {
      for (const [alias, node] of entriesOf(fieldOf(file.tree, section))) {
        if (node.type !== "string") continue;
        add(alias, fromPackageJson(alias, String(node.value), catalogs), node, dev);
      }
    }
    return declared;
  }
  const imports = [fieldOf(file.tree, "imports")];
  for (const scope of entriesOf(fieldOf(file.tree, "scopes")).values()) imports.push(scope);
  for (const map of imports) {
    for (const [alias, node] of entriesOf(map)) {
      if (node.type === "string") {
        add(alias, fromImports(alias, String(node.value), catalogs), node);
      }
    }
  }
  // Deno counts these as dependencies of the configuration, too.
  const options = fieldOf(file.tree, "compilerOptions");
  const types = fieldOf(options, "types");
  for (
    const node of [
      fieldOf(options, "jsxImportSource"),
      fieldOf(options, "jsxImportSourceTypes"),
      ...(types?.type === "array" ? types.children ?? [] : []),
    ]
  ) {
    if (node?.type !== "string") continue;
    const value = String(node.value);
    if (isExternal(value)) add(value, value, node);
  }
  return declared;
}

/** Sections of package.json that Deno installs from, and whether they are for development. */
const PACKAGE_JSON_SECTIONS = [
  ["dependencies", false],
  ["optionalDependencies", false],
  ["devDependencies", true],
] as const;

function isExternal(specifier: string): boolean {
  return /^(?:npm|jsr|https?):/i.test(specifier);
}

function fromCatalog(alias: string, value: string, catalogs: Catalogs): string | undefined {
  const name = alias.replace(/\/$/, "");
  const range = catalogs.get(value.slice("catalog:".length) || "default")?.get(name)?.value;
  return typeof range === "string" ? `npm:${name}@${range}` : undefined;
}

function fromImports(alias: string, value: string, catalogs: Catalogs): string | undefined {
  if (value.startsWith("catalog:")) return fromCatalog(alias, value, catalogs);
  return isExternal(value) ? value : undefined;
}

/** A dependency of package.json as a specifier; `undefined` for what lies in the project. */
function fromPackageJson(alias: string, value: string, catalogs: Catalogs): string | undefined {
  const text = value.trim();
  if (/^(?:workspace|file|link|portal):/.test(text)) return undefined;
  if (text.startsWith("catalog:")) return fromCatalog(alias, text, catalogs);
  if (/^(?:npm|jsr):/.test(text)) {
    // `jsr:^1` and `npm:^1` take the name from the key.
    const named = /^(?:npm|jsr):[\^~\d*<>=]/.test(text)
      ? `${text.slice(0, 4)}${alias}@${text.slice(4)}`
      : text;
    const request = parseRequest(named);
    // In package.json a package of JSR is installed from its npm registry, under another name.
    if (request?.kind !== "jsr") return named;
    return `npm:@jsr/${request.name.slice(1).replace("/", "__")}@${request.range || "*"}`;
  }
  // Tarballs and git repositories, which a registry does not vouch for.
  if (/^(?:https?|git|git\+[a-z]+|ssh|github|gitlab|bitbucket|gist):/.test(text)) return text;
  if (/^[\w.-]+\/[\w.-]+(?:#.*)?$/.test(text)) return `github:${text}`;
  return `npm:${alias}@${text || "*"}`;
}

function nameOf(configs: readonly ConfigFile[], root: string): string {
  for (const { member, kind, value } of configs) {
    const name = member === "" && kind !== "import-map" ? value["name"] : undefined;
    if (typeof name === "string" && name !== "") return name;
  }
  return basename(root);
}

/**
 * Registries from the project's and the user's .npmrc; the project's win.
 *
 * Credentials in these files are not kept: only `registry` and `@scope:registry` are read.
 */
function readNpmrc(root: string, home: string | undefined): Npmrc {
  const scopes = new Map<string, string>();
  let registry: string | undefined;
  for (const folder of home === undefined ? [root] : [home, root]) {
    const text = readText(join(folder, ".npmrc"), {
      maxBytes: MAX_CONFIG_BYTES,
      code: "project-unreadable",
      name: ".npmrc",
    });
    for (const line of text?.split(/\r?\n/) ?? []) {
      const [, scope, value] =
        line.match(/^\s*(?:(@[^:\s=]+):)?registry\s*=\s*"?([^"\s]+)"?\s*$/) ??
          [];
      if (value === undefined) continue;
      if (scope === undefined) registry = value;
      else scopes.set(scope, value);
    }
  }
  return { ...(registry !== undefined && { registry }), scopes };
}
