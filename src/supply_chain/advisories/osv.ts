import type { AdvisoryPackage } from "./advisory_source.ts";
import { prepareRange, rangeHolds } from "./_range.ts";
import { compareVersions, parseVersion, precedenceKey, type Version } from "./_version.ts";

/** A record of the Open Source Vulnerability format, as far as the audit reads it. */
export interface OsvRecord {
  readonly id: string;
  readonly modified?: string;
  readonly published?: string;
  readonly withdrawn?: string;
  readonly aliases?: readonly string[];
  readonly related?: readonly string[];
  readonly summary?: string;
  readonly severity?: readonly OsvSeverity[];
  readonly affected?: readonly OsvAffected[];
  readonly references?: readonly { readonly type?: string; readonly url?: string }[];
  readonly database_specific?: Readonly<Record<string, unknown>>;
}

/** A severity of a record or of one affected package. */
export interface OsvSeverity {
  readonly type: string;
  readonly score: string;
}

/** One affected package of a record. */
export interface OsvAffected {
  readonly package?: { readonly ecosystem: string; readonly name: string; readonly purl?: string };
  readonly severity?: readonly OsvSeverity[];
  readonly ranges?: readonly OsvRange[];
  readonly versions?: readonly string[];
  readonly ecosystem_specific?: Readonly<Record<string, unknown>>;
  readonly database_specific?: Readonly<Record<string, unknown>>;
}

/** A range of versions as a sequence of events. */
export interface OsvRange {
  readonly type: string;
  readonly events: readonly OsvEvent[];
}

/** An event of a range: exactly one of its fields is set. */
export interface OsvEvent {
  readonly introduced?: string;
  readonly fixed?: string;
  readonly last_affected?: string;
  readonly limit?: string;
}

/** What a record says about one version of a package. */
export interface OsvMatch {
  /**
   * `affected`: the record says so. `undecidable`: it may, but a bound or the version cannot be
   * compared. `versionless`: it names the package and no version of it, only Git commits or nothing,
   * so that by the specification it affects none.
   */
  readonly kind: "affected" | "undecidable" | "versionless";
  /** The entries of the record that led to it, in their order. */
  readonly entries: readonly OsvAffected[];
  /** The first few versions above this one in which it is fixed, in ascending order. */
  readonly fixed: readonly string[];
  /** Why it cannot be decided; empty when it can. */
  readonly reason: string;
}

/** What an entry says about a version; a text is the reason why it does not tell. */
interface Verdict {
  readonly kind: OsvMatch["kind"] | "unaffected";
  readonly reason: string;
}

const AFFECTED: Verdict = { kind: "affected", reason: "" };
const UNAFFECTED: Verdict = { kind: "unaffected", reason: "" };

/**
 * Entries, ranges and events that a record may have about one package. Real ones have some dozens; a
 * record of 100,000 would be sorted, and each of its fixes held against all of it.
 */
const MAX_EVENTS = 10_000;
/** Fixes that are given: a reader needs the first. */
const MAX_FIXES = 10;
/** Fixes that are looked at for these: each is held against every range of the record. */
const MAX_CANDIDATES = 30;

/**
 * What a record says about a version of a package, by the evaluation algorithm of the OSV
 * specification; `undefined` when it does not affect it.
 *
 * Ecosystem and name must be equal to the letter: a suffix such as that of `Debian:12` names another
 * ecosystem. SEMVER and ECOSYSTEM ranges are compared by SemVer precedence, which is the order of
 * npm and JSR; a listed version matches every version of equal precedence. A bound or version that
 * cannot be compared makes the match `undecidable`: a record about a package is never passed over in
 * silence.
 *
 * @see https://ossf.github.io/osv-schema/#evaluation
 */
export function affectedBy(record: OsvRecord, target: AdvisoryPackage): OsvMatch | undefined {
  if (record.withdrawn !== undefined) return undefined;
  const entries = (record.affected ?? []).filter((entry) =>
    entry.package?.ecosystem === target.ecosystem && entry.package.name === target.name
  );
  const tooMany = entries.reduce((sum, entry) => sum + weightOf(entry), 0) > MAX_EVENTS;
  const verdicts = entries.map((entry) => judgeEntry(entry, target.version, tooMany));
  const affecting = entries.filter((_, index) => verdicts[index] === AFFECTED);
  if (affecting.length > 0) {
    const fixed = tooMany ? [] : fixesAbove(entries, affecting, target.version);
    return { kind: "affected", entries: affecting, fixed, reason: "" };
  }
  for (const kind of ["undecidable", "versionless"] as const) {
    const index = verdicts.findIndex((verdict) => verdict.kind === kind);
    if (index < 0) continue;
    return { kind, entries: [entries[index]!], fixed: [], reason: verdicts[index]!.reason };
  }
  return undefined;
}

function weightOf({ ranges = [] }: OsvAffected): number {
  return ranges.reduce((sum, { events }) => sum + 1 + events.length, 1);
}

function judgeEntry(entry: OsvAffected, version: string, tooMany = false): Verdict {
  if (entry.versions?.length && listed(entry).has(precedenceKey(version))) return AFFECTED;
  if (tooMany) {
    return undecidable(`the advisory has more than ${MAX_EVENTS} entries, ranges and events`);
  }
  const ranges = (entry.ranges ?? []).filter(({ type }) => type !== "GIT");
  let doubt: Verdict | undefined;
  for (const range of ranges) {
    const verdict = judgeRange(range, version);
    if (verdict === AFFECTED) return AFFECTED;
    if (verdict.kind === "undecidable") doubt ??= verdict;
  }
  if (doubt !== undefined) return doubt;
  if (entry.versions?.length) {
    return parseVersion(version) === undefined ? notExact(version) : UNAFFECTED;
  }
  if (ranges.length > 0) return UNAFFECTED;
  const what = entry.ranges?.length ? "only Git commits" : "no version at all";
  return { kind: "versionless", reason: `the advisory lists ${what}` };
}

const keysOfListed = new WeakMap<OsvAffected, ReadonlySet<string>>();

/**
 * The versions that an entry lists. A lockfile that writes `v1.0.0` or `1.0.0+x` would hide from a
 * comparison of texts what a range still finds.
 */
function listed(entry: OsvAffected): ReadonlySet<string> {
  const known = keysOfListed.get(entry);
  if (known !== undefined) return known;
  const keys = new Set(entry.versions?.map(precedenceKey));
  keysOfListed.set(entry, keys);
  return keys;
}

function judgeRange(range: OsvRange, text: string): Verdict {
  const prepared = prepareRange(range);
  if (prepared.doubt !== undefined) return undecidable(prepared.doubt);
  if (prepared.everything) return AFFECTED;
  const version = parseVersion(text);
  if (version === undefined) return notExact(text);
  return rangeHolds(prepared, version) ? AFFECTED : UNAFFECTED;
}

/** The first fixes in the entries that matched, without those that another entry of the record affects. */
function fixesAbove(
  entries: readonly OsvAffected[],
  affecting: readonly OsvAffected[],
  text: string,
): string[] {
  const version = parseVersion(text);
  const candidates = new Map<string, Version>();
  for (const range of affecting.flatMap(({ ranges }) => ranges ?? [])) {
    if (range.type === "GIT") continue;
    for (const { at, fixed } of prepareRange(range).points) {
      if (fixed === undefined || (version && compareVersions(at, version) <= 0)) continue;
      candidates.set(fixed, at);
    }
  }
  const fixes: string[] = [];
  const ordered = [...candidates].sort(([, a], [, b]) => compareVersions(a, b));
  for (const [fix, at] of ordered.slice(0, MAX_CANDIDATES)) {
    if (entries.some((entry) => judgeEntry(entry, at.version) === AFFECTED)) continue;
    if (fixes.push(fix) === MAX_FIXES) break;
  }
  return fixes;
}

function undecidable(reason: string): Verdict {
  return { kind: "undecidable", reason };
}

function notExact(version: string): Verdict {
  return undecidable(
    version === "" ? "the version is unknown" : `"${version}" is no exact version`,
  );
}
