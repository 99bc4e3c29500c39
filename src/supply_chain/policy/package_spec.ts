// @ts-types="@types/semver"
import semver from "semver";
import { SecurityError } from "../../errors.ts";
import type { PackageNode } from "../project/graph.ts";
import { printable } from "../_text.ts";
import type { PackageSpec } from "./policy.ts";

/** Longer specs are refused; an address of a remote module is the longest name there is. */
const MAX_LENGTH = 512;

const ECOSYSTEMS = ["npm", "jsr", "https", "link"] as const;

// deno-lint-ignore no-control-regex
const NOT_IN_NAMES = /[\s<>=^|,;"'`\\\u0000-\u001f\u007f-\u009f]/;

/** A host and a path: the name of a group of remote modules. */
const REMOTE = /^[^/@:*]+\.[^/@:*]+\//;

const EXPECTED = "expected NAME, NAME@RANGE or NAME@VERSION, with npm:, jsr:, https: or link: " +
  'before it to mean one ecosystem only, such as "lodash", "@scope/name@^1.2" or "jsr:@std/*"';

/** What {@linkcode specMatches} needs to know of a package. */
export type SpecSubject = Pick<PackageNode, "kind" | "name" | "version" | "npm" | "npmName">;

/**
 * Parses the text that names packages in a policy.
 *
 * Forms: `lodash`, `lodash@^4`, `@scope/x@1.2.3`, `npm:…`, `jsr:@std/*`, `https:deno.land/x/oak@v12`,
 * and cargo-deny's `name:<=1.2,>1`. A range has npm's meaning, where a bare `1.2` is `1.2.x`; a comma
 * joins comparators as a space does. In the name, `*` matches any characters.
 *
 * @throws {SecurityError} `policy-invalid`, with what was expected.
 */
export function parsePackageSpec(text: string): PackageSpec {
  const refuse = (why: string): never => {
    throw new SecurityError(
      "policy-invalid",
      `"${printable(text, 100)}" names no package: ${why}`,
    );
  };
  if (text.length > MAX_LENGTH) return refuse(`longer than ${MAX_LENGTH} characters`);
  const ecosystem = ECOSYSTEMS.find((name) => text.startsWith(`${name}:`));
  let rest = ecosystem === undefined ? text : text.slice(ecosystem.length + 1);
  if (ecosystem === "https") rest = rest.replace(/^\/\//, "");

  const isRemote = ecosystem === "https" || (ecosystem === undefined && REMOTE.test(rest));
  // The "@" of a scope stands at the start or after a slash; the one of a version does not.
  const at = rest.search(/(?<=[^/])@/);
  const colon = isRemote ? -1 : rest.indexOf(":");
  const end = at < 0 ? colon : colon < 0 ? at : Math.min(at, colon);
  const name = end < 0 ? rest : rest.slice(0, end);
  if (name === "" || NOT_IN_NAMES.test(name)) return refuse(EXPECTED);
  if (!isRemote && ecosystem !== "link" && !isPackageName(name)) return refuse(EXPECTED);
  if (ecosystem === "jsr" && !/^[@*]/.test(name)) {
    return refuse('every name on JSR has a scope, such as "jsr:@std/path"');
  }
  if (end < 0) return { ...(ecosystem && { ecosystem }), name, text };

  const range = rest.slice(end + 1).trim();
  if (range === "") return refuse(`nothing follows the "${rest[end]}"; ${EXPECTED}`);
  if (!isRemote && semver.validRange(rangeOf(range)) === null) {
    return refuse(`"${printable(range, 60)}" is not a version or a range of versions`);
  }
  return { ...(ecosystem && { ecosystem }), name, range, text };
}

/**
 * Whether a spec is about a package, at its version.
 *
 * A range does not match a version that is not known, as most entries of a policy permit something.
 */
export function specMatches(spec: PackageSpec, node: SpecSubject): boolean {
  return identities(node).some((identity) =>
    nameMatches(spec.name, identity.name) && applies(spec, identity, false)
  );
}

type Identity = Pick<SpecSubject, "kind" | "name" | "version">;

/** A package, and the npm package that it is a copy of: a ban must catch what a CDN serves. */
function identities(node: SpecSubject): readonly Identity[] {
  const { kind, npm, npmName } = node;
  const name = npm?.name ?? npmName;
  if (kind === "npm" || name === undefined) return [node];
  return [node, { kind: "npm", name, version: npm?.version ?? "" }];
}

/** Whether a spec of the right name has the right ecosystem and version, too. */
function applies({ ecosystem, range }: PackageSpec, of: Identity, unknown: boolean): boolean {
  if (ecosystem !== undefined && ecosystem !== of.kind) return false;
  if (versionMatches(range, of.version)) return true;
  return unknown && of.kind === "npm" && semver.valid(of.version, LOOSE) === null;
}

function isPackageName(name: string): boolean {
  if (name.includes("*")) return true;
  return name.startsWith("@") ? /^@[^/@]+\/[^/@]+$/.test(name) : !/[/@]/.test(name);
}

/** Lockfiles name versions as Deno reads them, `=1.0.0` and `v1.0.0` too. */
const LOOSE = { includePrerelease: true, loose: true } as const;

/** cargo writes `<=1,>0.2` where npm writes `<=1 >0.2`. */
function rangeOf(text: string): string {
  return text.replaceAll(",", " ");
}

function versionMatches(range: string | undefined, version: string): boolean {
  if (range === undefined) return true;
  if (range === version || range === `v${version}` || `v${range}` === version) return true;
  if (semver.valid(version, LOOSE) === null) return range.trim() === "*";
  return semver.satisfies(version, rangeOf(range), LOOSE);
}

/**
 * Whether `name` matches a pattern in which `*` stands for any characters.
 *
 * Pieces are found from left to right, each once: a regular expression with many stars would
 * backtrack for hours on a name made for it.
 */
function nameMatches(pattern: string, name: string): boolean {
  return pattern.includes("*") ? piecesMatch(pattern.split("*"), name) : pattern === name;
}

function piecesMatch(pieces: readonly string[], name: string): boolean {
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  if (name.length < first.length + last.length) return false;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let from = first.length;
  const end = name.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, from);
    if (found < 0 || found + piece.length > end) return false;
    from = found + piece.length;
  }
  return true;
}

interface Indexed<E> {
  readonly entry: E;
  readonly position: number;
}

/** Options of {@linkcode SpecIndex.matching}. */
export interface MatchingOptions {
  /**
   * Let a range match a version of npm that nobody can compare with it: for bans, where it would slip
   * through. @default {false}
   */
  readonly unknownVersions?: boolean;
}

/**
 * Entries of a policy by the names that they are about.
 *
 * Every entry compared with every package takes minutes for a long policy and a large project. An
 * entry that names one package is found by that name; the patterns are tried one by one, those that
 * several entries share once.
 */
export class SpecIndex<E extends { readonly spec: PackageSpec }> {
  readonly #named = new Map<string, Indexed<E>[]>();
  readonly #patterns = new Map<string, { pieces: readonly string[]; entries: Indexed<E>[] }>();

  constructor(entries: readonly E[]) {
    for (const [position, entry] of entries.entries()) {
      const { spec } = entry;
      const list = spec.name.includes("*") ? this.#pattern(spec.name) : this.#name(spec.name);
      list.push({ entry, position });
    }
  }

  /** The entries that are about a package, in their order. */
  matching(node: SpecSubject, options: MatchingOptions = {}): readonly E[] {
    const { unknownVersions = false } = options;
    const found: Indexed<E>[] = [];
    const collect = (entries: readonly Indexed<E>[], identity: Identity) => {
      for (const it of entries) {
        if (applies(it.entry.spec, identity, unknownVersions)) found.push(it);
      }
    };
    for (const identity of identities(node)) {
      collect(this.#named.get(identity.name) ?? [], identity);
      for (const { pieces, entries } of this.#patterns.values()) {
        if (piecesMatch(pieces, identity.name)) collect(entries, identity);
      }
    }
    if (found.length < 2) return found.map(({ entry }) => entry);
    // A copy may have been found by both of its names.
    return [...new Set(found)].sort((a, b) => a.position - b.position).map(({ entry }) => entry);
  }

  #name(name: string): Indexed<E>[] {
    let list = this.#named.get(name);
    if (list === undefined) this.#named.set(name, list = []);
    return list;
  }

  #pattern(name: string): Indexed<E>[] {
    let pattern = this.#patterns.get(name);
    if (pattern === undefined) {
      this.#patterns.set(name, pattern = { pieces: name.split("*"), entries: [] });
    }
    return pattern.entries;
  }
}
