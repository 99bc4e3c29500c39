// @ts-types="@types/semver"
import semver from "semver";

/** A parsed version. */
export type Version = semver.SemVer;

/** A database repeats its bounds, a project its versions; the bound keeps a hostile one from filling memory. */
const CACHE_SIZE = 20_000;
const cache = new Map<string, Version | undefined>();

/** An exact version, or `undefined`: `18` names many versions, so it is none. */
export function parseVersion(text: string): Version | undefined {
  if (cache.has(text)) return cache.get(text);
  const version = semver.parse(text, { loose: true }) ?? undefined;
  if (cache.size >= CACHE_SIZE) cache.clear();
  cache.set(text, version);
  return version;
}

/** Most versions: their own key, found without parsing. Fifteen digits are what a number holds for certain. */
const PLAIN = /^(?:0|[1-9]\d{0,14})(?:\.(?:0|[1-9]\d{0,14})){2}$/;

/**
 * A text that versions of equal precedence share: `1.0.0` for `v1.0.0`, `01.0.0` and `1.0.0+build`. What is
 * no version is its own key.
 */
export function precedenceKey(text: string): string {
  if (PLAIN.test(text)) return text;
  const version = parseVersion(text);
  if (version === undefined) return text;
  const { major, minor, patch, prerelease } = version;
  const identifiers = prerelease.map((identifier) => withoutZeros(String(identifier)));
  return `${major}.${minor}.${patch}${identifiers.length > 0 ? `-${identifiers.join(".")}` : ""}`;
}

/** The bound of a range. Some records shorten `1.0.0` to `1.0` or `1`. */
export function parseBound(text: string): Version | undefined {
  const short = /^(\d+)(\.\d+)?([-+].*)?$/.exec(text);
  if (!short) return parseVersion(text);
  return parseVersion(`${short[1]}${short[2] ?? ".0"}.0${short[3] ?? ""}`);
}

/**
 * Precedence by SemVer section 11; build metadata has none.
 *
 * Pre-release identifiers are compared here: as numbers they would lose digits beyond 2^53, which
 * makes two timestamps with milliseconds equal, and one of them may be the fix.
 */
export function compareVersions(a: Version, b: Version): number {
  const main = a.compareMain(b);
  if (main !== 0) return main;
  const left = a.prerelease;
  const right = b.prerelease;
  // A pre-release comes before its release.
  if (left.length === 0 || right.length === 0) return Math.sign(right.length - left.length);
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = compareIdentifiers(String(left[index]), String(right[index]));
    if (order !== 0) return order;
  }
  return Math.sign(left.length - right.length);
}

function compareIdentifiers(a: string, b: string): number {
  const numeric = /^\d+$/;
  if (!numeric.test(a) || !numeric.test(b)) {
    if (numeric.test(a)) return -1;
    if (numeric.test(b)) return 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const left = withoutZeros(a);
  const right = withoutZeros(b);
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function withoutZeros(identifier: string): string {
  return /^\d+$/.test(identifier) ? identifier.replace(/^0+(?=\d)/, "") : identifier;
}
