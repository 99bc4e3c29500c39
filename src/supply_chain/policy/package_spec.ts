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
export type SpecSubject = Pick<PackageNode, "kind" | "name" | "version" | "npm">;

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

/** Whether a spec is about a package, at its version. */
export function specMatches(spec: PackageSpec, node: SpecSubject): boolean {
  if (spec.ecosystem === undefined || spec.ecosystem === node.kind) {
    if (nameMatches(spec.name, node.name) && versionMatches(spec.range, node.version)) return true;
  }
  // A ban on a package must also catch the copy of it that a CDN serves.
  if (node.kind === "npm" || node.npm === undefined) return false;
  if (spec.ecosystem !== undefined && spec.ecosystem !== "npm") return false;
  return nameMatches(spec.name, node.npm.name) && versionMatches(spec.range, node.npm.version);
}

function isPackageName(name: string): boolean {
  if (name.includes("*")) return true;
  return name.startsWith("@") ? /^@[^/@]+\/[^/@]+$/.test(name) : !/[/@]/.test(name);
}

/** cargo writes `<=1,>0.2` where npm writes `<=1 >0.2`. */
function rangeOf(text: string): string {
  return text.replaceAll(",", " ");
}

function versionMatches(range: string | undefined, version: string): boolean {
  if (range === undefined) return true;
  if (range === version || range === `v${version}` || `v${range}` === version) return true;
  if (semver.valid(version) === null) return range.trim() === "*";
  return semver.satisfies(version, rangeOf(range), { includePrerelease: true });
}

/**
 * Whether `name` matches a pattern in which `*` stands for any characters.
 *
 * Pieces are found from left to right, each once: a regular expression with many stars would
 * backtrack for hours on a name made for it.
 */
function nameMatches(pattern: string, name: string): boolean {
  const pieces = pattern.split("*");
  if (pieces.length === 1) return pattern === name;
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
