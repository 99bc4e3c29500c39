import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { SecurityError } from "../../errors.ts";
import { fieldOf, type ParsedFile, stringsOf } from "./_config_file.ts";

const MAX_MEMBERS = 10_000;
const MAX_EXCLUDED = 200;
const MAX_PATTERN_LENGTH = 1000;
const MAX_ALTERNATIVES = 100;

/** Members of a workspace as its configuration writes them, and what it writes in another way. */
export interface Workspace {
  readonly members: readonly Pattern[];
  readonly excluded: readonly Pattern[];
  /** Patterns that are not understood, as written. */
  readonly unread: readonly string[];
}

/** A path or glob of a workspace; a part is a name, a test of names, or `**`. */
type Pattern = readonly (string | NamePattern | typeof ANY_DEPTH)[];

const ANY_DEPTH = Symbol("**");

/**
 * What the root's configuration files say about members.
 *
 * @throws {SecurityError} `project-unreadable` if there is too much of it.
 */
export function readWorkspace(files: readonly ParsedFile[]): Workspace {
  const members: Pattern[] = [];
  const excluded: Pattern[] = [];
  const unread: string[] = [];
  for (const { tree, kind } of files) {
    const workspace = fieldOf(tree, kind === "deno" ? "workspace" : "workspaces");
    const inner = fieldOf(workspace, kind === "deno" ? "members" : "packages");
    for (const text of stringsOf(inner ?? workspace)) {
      const patterns = parsePattern(text.replace(/^!/, ""));
      if (patterns === undefined) unread.push(text);
      else (text.startsWith("!") ? excluded : members).push(...patterns);
    }
  }
  if (members.length > MAX_MEMBERS) throw tooMany("members", MAX_MEMBERS);
  // Each is compared with each member.
  if (excluded.length > MAX_EXCLUDED) throw tooMany("excluded members", MAX_EXCLUDED);
  return { members, excluded, unread };
}

function tooMany(what: string, limit: number): SecurityError {
  return new SecurityError("project-unreadable", `the workspace has more than ${limit} ${what}`);
}

/**
 * Parses a path or glob. One that leads out of the project names nothing, as a member outside would make
 * the audit read what it was not asked to: `/**` would walk the whole machine.
 *
 * @returns `undefined` for what is not understood.
 */
function parsePattern(text: string): Pattern[] | undefined {
  const path = text.replaceAll("\\", "/");
  // Extended globs such as `+(a|aa)*` need backtracking, which a hostile one makes exponential.
  if (path.length > MAX_PATTERN_LENGTH || /[@+!?*]\(/.test(path)) return undefined;
  const alternatives = expandBraces(path);
  if (alternatives === undefined) return undefined;
  const patterns: Pattern[] = [];
  for (const alternative of alternatives) {
    const names = alternative.split("/").filter((name) => name !== "" && name !== ".");
    const leadsOut = alternative.startsWith("/") || isAbsolute(alternative) || names.includes("..");
    if (leadsOut || names.length === 0) continue;
    patterns.push(
      names.map((name) =>
        name === "**" ? ANY_DEPTH : /[*?[]/.test(name) ? new NamePattern(name) : name
      ),
    );
  }
  return patterns;
}

/** `{a,b}/{c,d}` as four texts; `undefined` where there would be too many. */
function expandBraces(text: string): string[] | undefined {
  const done: string[] = [];
  const waiting = [text];
  while (waiting.length > 0) {
    if (done.length + waiting.length > MAX_ALTERNATIVES) return undefined;
    const next = waiting.pop()!;
    const match = next.match(/\{([^{}]*)\}/);
    if (match === null) done.push(next);
    else {
      for (const choice of match[1]!.split(",")) {
        waiting.push(
          next.slice(0, match.index) + choice + next.slice(match.index! + match[0].length),
        );
      }
    }
  }
  return done;
}

/** A name with `*`, `?` and `[a-z]`, compared in time of at most pattern times name. */
class NamePattern {
  readonly #tokens: readonly ("*" | ((character: string) => boolean))[];

  constructor(text: string) {
    this.#tokens = [...text.matchAll(/\[([!^]?)([^\]]+)\]|[^]/gu)].map(([token, not, set]) => {
      if (token === "*") return "*";
      if (token === "?") return () => true;
      if (set === undefined) return (character) => character === token;
      return (character) => isInSet(character, set) !== (not !== "");
    });
  }

  matches(name: string): boolean {
    // The usual two pointers: only the last `*` is ever given more, so nothing is tried twice.
    const characters = [...name];
    let [at, token, star, starAt] = [0, 0, -1, 0];
    while (at < characters.length) {
      const test = this.#tokens[token];
      if (test === "*") [star, starAt, token] = [token, at, token + 1];
      else if (test?.(characters[at]!)) [at, token] = [at + 1, token + 1];
      else if (star >= 0) [at, token, starAt] = [starAt + 1, star + 1, starAt + 1];
      else return false;
    }
    return this.#tokens.slice(token).every((test) => test === "*");
  }
}

function isInSet(character: string, set: string): boolean {
  const characters = [...set];
  for (let at = 0; at < characters.length; at++) {
    const isRange = characters[at + 1] === "-" && at + 2 < characters.length;
    const [from, to] = [characters[at]!, characters[isRange ? at + 2 : at]!];
    if (from <= character && character <= to) return true;
    if (isRange) at += 2;
  }
  return false;
}

/** Positions in a pattern: how many of its parts the names so far can stand for. */
type Positions = ReadonlySet<number>;

/** Positions with those added where a `**` stands for no name. */
function skipAnyDepth(pattern: Pattern, positions: Set<number>): Positions {
  for (const position of positions) {
    if (pattern[position] === ANY_DEPTH) positions.add(position + 1);
  }
  return positions;
}

const start = (pattern: Pattern): Positions => skipAnyDepth(pattern, new Set([0]));

function advance(pattern: Pattern, positions: Positions, name: string): Positions {
  const next = new Set<number>();
  // What is installed is no member, unless it is named outright.
  const isInstalled = /^(?:node_modules|vendor|\.git)$/.test(name);
  for (const position of positions) {
    const part = pattern[position];
    if (part === name) next.add(position + 1);
    else if (isInstalled) continue;
    else if (part === ANY_DEPTH) next.add(position);
    else if (part instanceof NamePattern && part.matches(name)) next.add(position + 1);
  }
  return skipAnyDepth(pattern, next);
}

function matches(pattern: Pattern, names: readonly string[]): boolean {
  let positions = start(pattern);
  for (const name of names) positions = advance(pattern, positions, name);
  return positions.has(pattern.length);
}

/** Whether a folder, relative to the root and with `/`, is a member of the workspace. */
export function isMember({ members, excluded }: Workspace, folder: string): boolean {
  const names = folder.split("/");
  return members.some((pattern) => matches(pattern, names)) &&
    !excluded.some((pattern) => matches(pattern, names));
}

/** Folders of a workspace, relative to its root. */
export interface MemberFolders {
  readonly members: readonly string[];
  /** Folders that may be or hold members and cannot be listed. */
  readonly unread: readonly string[];
}

/**
 * The folders of the workspace members.
 *
 * @throws {SecurityError} `project-unreadable` if there are too many.
 */
export function memberFolders(root: string, { members, excluded }: Workspace): MemberFolders {
  const isPath = (pattern: Pattern) => pattern.every((part) => typeof part === "string");
  const { found, unread } = walk(root, members.filter((pattern) => !isPath(pattern)));
  const folders = new Set<string>();
  for (const pattern of members) {
    for (const folder of found.get(pattern)?.sort() ?? [pattern.join("/")]) {
      const names = folder.split("/");
      if (!excluded.some((pattern) => matches(pattern, names))) folders.add(folder);
    }
  }
  if (folders.size > MAX_MEMBERS) throw tooMany("members", MAX_MEMBERS);
  return { members: [...folders], unread };
}

/** Folders that each glob matches. Each folder is entered once, however many globs and `**` there are. */
function walk(
  root: string,
  globs: readonly Pattern[],
): { readonly found: ReadonlyMap<Pattern, string[]>; readonly unread: readonly string[] } {
  const found = new Map(globs.map((glob): [Pattern, string[]] => [glob, []]));
  const unread: string[] = [];
  const waiting = globs.length === 0
    ? []
    : [{ folder: "", states: globs.map((glob) => [glob, start(glob)] as const) }];
  for (let next; (next = waiting.pop()) !== undefined;) {
    const { folder } = next;
    const names = foldersIn(join(root, folder));
    if (names === undefined) {
      unread.push(folder);
      continue;
    }
    for (const [glob, positions] of folder === "" ? [] : next.states) {
      if (positions.has(glob.length)) found.get(glob)!.push(folder);
    }
    for (const name of names) {
      const states = next.states.map(([glob, positions]) =>
        [glob, advance(glob, positions, name)] as const
      ).filter(([, positions]) => positions.size > 0);
      if (states.length === 0) continue;
      waiting.push({ folder: folder === "" ? name : `${folder}/${name}`, states });
    }
  }
  return { found, unread };
}

/** Folders in a folder, links left aside; `undefined` without permission or for too long a path. */
function foldersIn(path: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  } catch {
    return undefined;
  }
}
