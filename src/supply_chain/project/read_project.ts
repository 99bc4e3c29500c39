import { basename } from "@std/path/basename";
import { fromFileUrl } from "@std/path/from-file-url";
import { join } from "@std/path/join";
import { relative } from "@std/path/relative";
import { resolve } from "@std/path/resolve";
import type { Node } from "jsonc-parser";
import { SecurityError } from "../../errors.ts";
import { withoutCredentials } from "../_registry.ts";
import { LineIndex, printable } from "../_text.ts";
import {
  entriesOf,
  fieldOf,
  type ParsedFile,
  readConfig,
  readFolder,
  valueOf,
} from "./_config_file.ts";
import { foldersAbove } from "./_folders.ts";
import { readNpmrc } from "./_npmrc.ts";
import { isMember, memberFolders, readWorkspace } from "./_workspace.ts";
import type { ConfigFile, DeclaredDependency, Project } from "./project.ts";
import { parseRequest } from "./specifier.ts";

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
export function readProject(folder: string, options: ReadProjectOptions = {}): Promise<Project> {
  // Reading is synchronous, as `readText` explains; a promise keeps the caller free of that.
  return new Promise((resolve) => resolve(readProjectSync(folder, options)));
}

function readProjectSync(folder: string, { home }: ReadProjectOptions): Project {
  const root = findProjectRoot(folder);
  const rootFiles = readFolder(root, "");
  const catalogs = readCatalogs(rootFiles);
  const workspace = readWorkspace(rootFiles);
  const importMap = readImportMap(root, rootFiles);
  const { members, unread: closed } = memberFolders(root, workspace);
  const files = [
    ...rootFiles,
    ...importMap.files,
    ...members.flatMap((member) => readFolder(root, member)),
  ];
  const configs = files.map((file) => ({
    path: file.path,
    kind: file.kind,
    member: file.member,
    text: file.text,
    value: valueOf(file),
    dependencies: declaredBy(file, catalogs),
  }));
  const npmrc = readNpmrc({ folder: resolve(folder), root, ...(home !== undefined && { home }) });
  const unreadMembers = [...workspace.unread, ...closed].map((text) =>
    `the workspace members ${printable(text, 100)}`
  );
  const unread = [...importMap.unread, ...unreadMembers];
  return { root, name: nameOf(configs, root), configs, npmrc, unread };
}

/**
 * The folder of the project that a folder belongs to: the root of its workspace, or the nearest folder
 * above with a configuration when it has none. A folder with a lockfile of its own is a project.
 *
 * @throws {SecurityError} `project-unreadable` if there is no such folder, or a configuration above it is
 * not valid.
 */
export function findProjectRoot(folder: string): string {
  const start = resolve(folder);
  if (!isFolder(start, folder)) {
    throw new SecurityError("project-unreadable", `there is no folder ${printable(folder)}`);
  }
  const above = foldersAbove(start);
  const has = (path: string, names: readonly string[]) =>
    names.some((name) => isPresent(join(path, name)));
  const own = [start, ...above].find((path) => has(path, PROJECT_FILES)) ?? start;
  if (has(own, ["deno.lock"])) return own;
  const root = above.filter((path) => path.length < own.length).find((path) => {
    const files = readFolder(start, withSlashes(relative(start, path)));
    return isMember(readWorkspace(files), withSlashes(relative(path, own)));
  });
  return root ?? own;
}

function withSlashes(path: string): string {
  return path.replaceAll("\\", "/");
}

const PROJECT_FILES = ["deno.json", "deno.jsonc", "package.json", "deno.lock"] as const;

function isFolder(path: string, name: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw new SecurityError("project-unreadable", `${printable(name)} cannot be read`, {
      cause: error,
    });
  }
}

/** What cannot be looked at is there: reading it then says what is wrong. */
function isPresent(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** The import map that deno.json names; in words what is not a file. */
function readImportMap(
  root: string,
  files: readonly ParsedFile[],
): { readonly files: readonly ParsedFile[]; readonly unread: readonly string[] } {
  const tree = files.find(({ kind }) => kind === "deno")?.tree;
  const value = fieldOf(tree, "importMap")?.value;
  // Deno ignores it where the configuration is an import map itself.
  const isIgnored = fieldOf(tree, "imports") !== undefined || fieldOf(tree, "scopes") !== undefined;
  if (typeof value !== "string" || isIgnored) return { files: [], unread: [] };
  if (/^[a-z][a-z\d+.-]+:/i.test(value) && !/^file:/i.test(value)) {
    return { files: [], unread: [`the import map ${printable(withoutCredentials(value), 200)}`] };
  }
  const path = withSlashes(relative(root, pathOf(root, value)));
  const file = readConfig(root, path, "import-map", "");
  // Without it, what the project depends on is not known.
  if (file === undefined) {
    throw new SecurityError("project-unreadable", `there is no import map ${printable(path)}`);
  }
  return { files: [file], unread: [] };
}

/** A path or `file:` address as a path. */
function pathOf(root: string, text: string): string {
  if (!/^file:/i.test(text)) return resolve(root, text);
  try {
    return fromFileUrl(text);
  } catch (cause) {
    throw new SecurityError("project-unreadable", `there is no import map ${printable(text)}`, {
      cause,
    });
  }
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
