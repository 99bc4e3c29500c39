import type { AdvisoryPackage } from "./advisory_source.ts";
import { compareVersions, parseBound, parseVersion, type Version } from "./_version.ts";

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
   * `affected`: the record says so. `undecidable`: it names the package, but not in a way that
   * tells about this version.
   */
  readonly kind: "affected" | "undecidable";
  /** The entries of the record that led to it, in their order. */
  readonly entries: readonly OsvAffected[];
  /** Versions above this one in which it is fixed, in ascending order. */
  readonly fixed: readonly string[];
  /** Why it cannot be decided; empty when it can. */
  readonly reason: string;
}

/** True or false where the record tells, else why it does not. */
type Verdict = boolean | { readonly undecidable: string };

/**
 * What a record says about a version of a package, by the evaluation algorithm of the OSV
 * specification; `undefined` when it does not affect it.
 *
 * Ecosystem and name must be equal to the letter: a suffix such as that of `Debian:12` names another
 * ecosystem. SEMVER and ECOSYSTEM ranges are compared by SemVer precedence, which is the order of
 * npm and JSR. A bound or version that cannot be compared makes the match `undecidable`, as does an
 * entry that lists Git commits alone: a record about a package is never passed over in silence.
 *
 * @see https://ossf.github.io/osv-schema/#evaluation
 */
export function affectedBy(record: OsvRecord, target: AdvisoryPackage): OsvMatch | undefined {
  if (record.withdrawn !== undefined) return undefined;
  const entries = (record.affected ?? []).filter((entry) =>
    entry.package?.ecosystem === target.ecosystem && entry.package.name === target.name
  );
  const verdicts = entries.map((entry) => judgeEntry(entry, target.version));
  const affecting = entries.filter((_, index) => verdicts[index] === true);
  if (affecting.length > 0) {
    const fixed = fixesAbove(entries, affecting, target.version);
    return { kind: "affected", entries: affecting, fixed, reason: "" };
  }
  const index = verdicts.findIndex((verdict) => typeof verdict === "object");
  if (index < 0) return undefined;
  const { undecidable: reason } = verdicts[index] as { undecidable: string };
  return { kind: "undecidable", entries: [entries[index]!], fixed: [], reason };
}

function judgeEntry(entry: OsvAffected, version: string): Verdict {
  const versions = entry.versions ?? [];
  if (versions.includes(version)) return true;
  const ranges = (entry.ranges ?? []).filter(({ type }) => type !== "GIT");
  const verdicts = ranges.map((range) => judgeRange(range, version));
  if (verdicts.includes(true)) return true;
  const doubt = verdicts.find((verdict) => typeof verdict === "object");
  if (doubt !== undefined) return doubt;
  if (versions.length > 0 && parseVersion(version) === undefined) return notExact(version);
  if (versions.length > 0 || ranges.length > 0) return false;
  const what = entry.ranges?.length ? "only Git commits" : "no version at all";
  return { undecidable: `the advisory lists ${what}` };
}

/** Everything that an event says, as one list: events with two fields exist, against the specification. */
function eventsOf(range: OsvRange, kind: keyof OsvEvent): string[] {
  return range.events.flatMap((event) => event[kind] ?? []);
}

function judgeRange(range: OsvRange, text: string): Verdict {
  if (range.type !== "SEMVER" && range.type !== "ECOSYSTEM") {
    return { undecidable: `the advisory has a range of unknown type "${range.type}"` };
  }
  const introduced = eventsOf(range, "introduced");
  const limits = eventsOf(range, "limit");
  const points = new Map<string, { at: Version; kinds: Set<keyof OsvEvent> }>();
  for (const kind of ["introduced", "fixed", "last_affected"] as const) {
    for (const bound of eventsOf(range, kind)) {
      if (kind === "introduced" && bound === "0") continue;
      const at = parseBound(bound);
      if (at === undefined) return notComparable(bound);
      // Equal precedence means the same point, whatever build metadata is written.
      const key = `${at.version}`;
      const point = points.get(key) ?? { at, kinds: new Set() };
      points.set(key, point);
      point.kinds.add(kind);
    }
  }
  if (introduced.length === 0) return { undecidable: "the advisory has a range without a start" };
  const unlimited = limits.length === 0 || limits.some((limit) => limit.includes("*"));
  let vulnerable = introduced.includes("0");
  // Every version, even one that cannot be compared.
  if (vulnerable && points.size === 0 && unlimited) return true;

  const version = parseVersion(text);
  if (version === undefined) return notExact(text);
  if (!unlimited) {
    const bounds = limits.map(parseBound);
    const unknown = bounds.indexOf(undefined);
    if (unknown >= 0) return notComparable(limits[unknown]!);
    if (!bounds.some((bound) => compareVersions(version, bound!) < 0)) return false;
  }
  const ordered = [...points.values()].sort((a, b) => compareVersions(a.at, b.at));
  for (const { at, kinds } of ordered) {
    const order = compareVersions(version, at);
    if (order < 0) break;
    // Closed and opened again at one point, or an empty range: nothing changes there, so that the
    // result does not hang on the order in which events are written.
    if (kinds.has("introduced") !== kinds.has("fixed")) vulnerable = kinds.has("introduced");
    if (kinds.has("last_affected") && order > 0) vulnerable = false;
  }
  return vulnerable;
}

/** The fixes in the entries that matched, without those that another entry of the record affects. */
function fixesAbove(
  entries: readonly OsvAffected[],
  affecting: readonly OsvAffected[],
  text: string,
): string[] {
  const version = parseVersion(text);
  const fixes = new Map<string, Version>();
  for (const range of affecting.flatMap(({ ranges }) => ranges ?? [])) {
    if (range.type === "GIT") continue;
    for (const fix of eventsOf(range, "fixed")) {
      const at = parseBound(fix);
      if (at === undefined || (version && compareVersions(at, version) <= 0)) continue;
      if (!entries.some((entry) => judgeEntry(entry, at.version) === true)) fixes.set(fix, at);
    }
  }
  return [...fixes].sort(([, a], [, b]) => compareVersions(a, b)).map(([fix]) => fix);
}

function notComparable(bound: string): Verdict {
  return { undecidable: `the advisory has a bound that is no version: "${bound}"` };
}

function notExact(version: string): Verdict {
  return {
    undecidable: version === "" ? "the version is unknown" : `"${version}" is no exact version`,
  };
}
