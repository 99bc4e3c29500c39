// @ts-types="@types/semver"
import semver from "semver";

/** An npm package as the lockfile names it. */
export interface NpmId {
  readonly name: string;
  readonly version: string;
  /** How its peer dependencies were resolved, as written; empty where it has none. */
  readonly peers: string;
}

/**
 * Splits an npm id of the lockfile: `name@version`, then `_peer@version` for each resolved peer, `__`
 * for a peer of a peer, and so on. Below the top level the `/` of a scope is written `+`.
 *
 * A version cannot contain an underscore (SemVer, section 9 and 10), a name can; so the first `_`
 * after the version ends it, and nothing is guessed from underscores in names.
 *
 * @returns `undefined` when it has not that form.
 */
export function parseNpmId(id: string): NpmId | undefined {
  // The first character may be the `@` of a scope.
  const at = id.indexOf("@", 1);
  if (at < 0) return undefined;
  const underscore = id.indexOf("_", at);
  const end = underscore < 0 ? id.length : underscore;
  if (end === at + 1) return undefined;
  return { name: id.slice(0, at), version: id.slice(at + 1, end), peers: id.slice(end) };
}

/** What a registry of npm serves; old packages may have capitals and punctuation. */
export const NPM_NAME: RegExp = /^(?:@[\w!'()*.~-]+\/)?[\w!'()*.~-]+$/;

/** What JSR serves. */
export const JSR_NAME: RegExp = /^@[a-z0-9-]+\/[a-z0-9-]+$/;

const PLAIN_VERSION = /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)$/;

/** A version as Deno reads it; as written where it is none. */
export function canonicalVersion(text: string): string {
  if (PLAIN_VERSION.test(text)) return text;
  const parsed = semver.parse(text.trim().replace(/^[=v\s]+/, ""), { loose: true });
  if (parsed === null) return text;
  return parsed.build.length > 0 ? `${parsed.version}+${parsed.build.join(".")}` : parsed.version;
}
