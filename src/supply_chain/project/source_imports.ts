import { join } from "@std/path/join";
import { LineIndex, readBytes } from "../_text.ts";
import type { FindingLocation } from "../report.ts";
import { hasComputedImport, importsIn, jsxSourcesIn, namesIn } from "./_scan_module.ts";

/** An import that a module of the project writes. */
export interface SourceImport {
  readonly specifier: string;
  readonly location: FindingLocation;
}

/** What a file of the project says about packages. */
export interface SourceFile {
  /** Path relative to the project, with `/`. */
  readonly path: string;
  /** The aliases that it may import by. */
  readonly mentions: readonly string[];
  /** Every `npm:`, `jsr:` and http address in it. */
  readonly specifiers: readonly string[];
  /** It imports what only its run can tell. */
  readonly isComputed: boolean;
}

/** The modules of a project. */
export interface Sources {
  readonly imports: readonly SourceImport[];
  readonly files: readonly SourceFile[];
  /**
   * Paths of files and folders that could not be read, relative to the project; `.` when there is more
   * than a limit allows.
   */
  readonly unread: readonly string[];
}

/** Options of {@linkcode readSources}. */
export interface ReadSourcesOptions {
  /** Names of the import maps and of package.json to look for. @default {[]} */
  readonly aliases?: readonly string[];
  /** A larger file is not read. @default {8 MiB} */
  readonly maxFileBytes?: number;
  /** @default {256 MiB} */
  readonly maxTotalBytes?: number;
  /** Files and folders looked at, whatever they are. @default {200,000} */
  readonly maxEntries?: number;
}

const [HASH, EXCLAMATION] = [0x23, 0x21];

/** Longer names are not looked for, so that the time does not depend on their length. */
export const MAX_ALIAS_LENGTH = 256;

const MODULE = /\.[mc]?[jt]sx?$/i;

/** Files whose imports another tool resolves, and scripts without an ending. */
const MAY_IMPORT = /(?:\.(?:astro|css|html?|mdx|s[ac]ss|svelte|vue)|^[^.]+)$/i;

/** Files that say where the elements of JSX come from, which no module then imports in words. */
const CONFIG = /^(?:deno\.jsonc?|[jt]sconfig[\w.-]*\.json)$/;

/**
 * Reads the imports of every module of a project, but for installed packages: node_modules anywhere,
 * vendor and coverage at the top. Requires `--allow-read` for it.
 *
 * What cannot be read is said rather than thrown: a folder without permission, a path that is too long,
 * a link to a folder, which may lead round in a circle.
 */
export function readSources(root: string, options: ReadSourcesOptions = {}): Sources {
  const { maxFileBytes = 8 * 1024 * 1024, maxEntries = 200_000 } = options;
  let budget = options.maxTotalBytes ?? 256 * 1024 * 1024;
  const aliases = new Set(options.aliases);
  const imports: SourceImport[] = [];
  const files: SourceFile[] = [];
  const unread: string[] = [];
  let entries = 0;
  for (const { path, isFolder, problem } of walk(root)) {
    if (++entries > maxEntries) {
      unread.push(".");
      break;
    }
    if (problem) unread.push(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    const isConfig = CONFIG.test(name);
    if (problem || isFolder || !(isConfig || MODULE.test(name) || MAY_IMPORT.test(name))) continue;
    const bytes = tryRead(join(root, path), maxFileBytes);
    // A program or a licence has no ending either; only what names an interpreter is a script.
    const isScript = !name.includes(".");
    if (isScript && !(bytes?.[0] === HASH && bytes[1] === EXCLAMATION)) continue;
    if (bytes === undefined) unread.push(path);
    if (!bytes) continue;
    if ((budget -= bytes.length) < 0) {
      unread.push(".");
      break;
    }
    const text = decode(bytes);
    files.push({
      path,
      ...evidenceIn(isConfig ? jsxSourcesIn(text) : namesIn(text), aliases),
      isComputed: !isConfig && hasComputedImport(text),
    });
    if (!MODULE.test(name)) continue;
    const found = importsIn(text);
    const lines = found.length === 0 ? undefined : new LineIndex(text);
    for (const { specifier, offset } of found) {
      imports.push({ specifier, location: { file: path, ...lines!.at(offset) } });
    }
  }
  return { imports, files, unread };
}

interface Entry {
  readonly path: string;
  readonly isFolder: boolean;
  /** It cannot be looked into. */
  readonly problem: boolean;
}

/** Files and folders below a folder in the order of their names. Links to files are followed. */
function* walk(root: string): Generator<Entry> {
  const waiting = [""];
  for (let folder; (folder = waiting.pop()) !== undefined;) {
    const entries = tryList(join(root, folder));
    if (entries === undefined) yield { path: folder || ".", isFolder: true, problem: true };
    const folders: string[] = [];
    for (const { name, isDirectory, isFile } of entries ?? []) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (/(?:^|\/)(?:node_modules|\.git)$|^(?:vendor|coverage)$/.test(path)) continue;
      const type = isDirectory || isFile ? { isDirectory, isFile } : typeOf(join(root, path));
      if (isDirectory) folders.push(path);
      const isFolder = type?.isDirectory ?? false;
      yield { path, isFolder, problem: type === undefined || (isFolder && !isDirectory) };
    }
    for (const path of folders.reverse()) waiting.push(path);
  }
}

function tryList(path: string): Deno.DirEntry[] | undefined {
  try {
    return [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return undefined;
  }
}

/** What a link leads to; nothing when it leads nowhere, `undefined` when that cannot be told. */
function typeOf(path: string): { isDirectory: boolean; isFile: boolean } | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    const isNowhere = error instanceof Deno.errors.NotFound;
    return isNowhere ? { isDirectory: false, isFile: false } : undefined;
  }
}

/** The bytes of a file, `null` when there is none, `undefined` when it cannot be read. */
function tryRead(path: string, maxBytes: number): Uint8Array | null | undefined {
  try {
    return readBytes(path, { maxBytes, code: "project-unreadable", name: "module" }) ?? null;
  } catch {
    return undefined;
  }
}

/** Text as Deno reads a module: by its byte order mark, and with no byte that is an error. */
function decode(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe
    ? "utf-16le"
    : first === 0xfe && second === 0xff
    ? "utf-16be"
    : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

function evidenceIn(
  names: Iterable<string>,
  aliases: ReadonlySet<string>,
): Pick<SourceFile, "mentions" | "specifiers"> {
  const mentions = new Set<string>();
  const specifiers = new Set<string>();
  for (const name of names) {
    for (const alias of prefixesOf(name)) if (aliases.has(alias)) mentions.add(alias);
    // As the URL parser reads it, which knows no case of a scheme and no space around it.
    const address = name.slice(0, 2000).replace(/[\t\r\n]/g, "").trim();
    const scheme = address.match(/^(?:npm|jsr|https?):/i)?.[0];
    if (scheme) specifiers.add(scheme.toLowerCase() + address.slice(scheme.length));
  }
  return { mentions: [...mentions], specifiers: [...specifiers] };
}

/** Aliases that a specifier may be written with: `@std/path/posix`, `@std/path`, `@std/path/`, `@std/`. */
export function* prefixesOf(name: string): Generator<string> {
  if (name.length <= MAX_ALIAS_LENGTH) yield name;
  for (let at = 0; (at = name.indexOf("/", at)) >= 0 && at < MAX_ALIAS_LENGTH; at++) {
    yield name.slice(0, at);
    yield name.slice(0, at + 1);
  }
}
