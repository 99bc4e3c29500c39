import { compareVersions, parseBound, precedenceKey, type Version } from "./_version.ts";
import type { OsvEvent, OsvRange } from "./osv.ts";

/** A range made ready to be asked about many versions. */
export interface PreparedRange {
  /** Why no version can be compared with it; `undefined` when each can. */
  readonly doubt: string | undefined;
  /** It holds every version, even one that cannot be compared. */
  readonly everything: boolean;
  /** Whether what is below every point is affected. */
  readonly fromStart: boolean;
  /** Where something changes, in ascending order. */
  readonly points: readonly RangePoint[];
  /** Nothing at or above it is affected. */
  readonly limit: Version | undefined;
}

interface RangePoint {
  readonly at: Version;
  /** Whether this version is affected. */
  readonly here: boolean;
  /** Whether what lies between it and the next point is. */
  readonly above: boolean;
  /** As the record writes it, when it is a fix. */
  readonly fixed: string | undefined;
}

/** Records are asked about every version of a package, and about each fix that they name. */
const prepared = new WeakMap<OsvRange, PreparedRange>();

/** Sorts the events of a range and works out what each of them changes. */
export function prepareRange(range: OsvRange): PreparedRange {
  const known = prepared.get(range);
  if (known !== undefined) return known;
  const made = prepare(range);
  prepared.set(range, made);
  return made;
}

/** Whether a range holds a version. */
export function rangeHolds(range: PreparedRange, version: Version): boolean {
  const { limit, points, fromStart } = range;
  if (limit !== undefined && compareVersions(version, limit) >= 0) return false;
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareVersions(points[middle]!.at, version) <= 0) low = middle + 1;
    else high = middle;
  }
  const point = points[low - 1];
  if (point === undefined) return fromStart;
  return compareVersions(version, point.at) === 0 ? point.here : point.above;
}

const KINDS = ["introduced", "fixed", "last_affected"] as const;

function prepare(range: OsvRange): PreparedRange {
  const { type, events } = range;
  let doubt = type === "SEMVER" || type === "ECOSYSTEM"
    ? undefined
    : `the advisory has a range of unknown type "${type}"`;
  const boundOf = (text: string) => {
    const bound = parseBound(text);
    if (bound === undefined) doubt ??= `the advisory has a bound that is no version: "${text}"`;
    return bound;
  };
  let started = false;
  let fromStart = false;
  const byKey = new Map<string, { readonly at: Version; readonly event: Mutable<OsvEvent> }>();
  const limits: string[] = [];
  for (const event of events) {
    // Events with two fields exist, against the specification.
    for (const kind of KINDS) {
      const text = event[kind];
      if (text === undefined) continue;
      if (kind === "introduced") started = true;
      if (kind === "introduced" && text === "0") {
        fromStart = true;
        continue;
      }
      const at = boundOf(text);
      if (at === undefined) continue;
      // Equal precedence means the same point, whatever build metadata is written.
      const key = precedenceKey(at.version);
      let point = byKey.get(key);
      if (point === undefined) byKey.set(key, point = { at, event: {} });
      point.event[kind] ??= text;
    }
    if (event.limit !== undefined) limits.push(event.limit);
  }
  if (!started) doubt ??= "the advisory has a range without a start";
  const unlimited = limits.length === 0 || limits.some((limit) => limit.includes("*"));
  // To be below one of several limits is to be below the highest.
  const limit = unlimited ? undefined : limits.map(boundOf)
    .reduce((a, b) => a && b && compareVersions(a, b) >= 0 ? a : b);

  let affected = fromStart;
  const points = [...byKey.values()].sort((a, b) => compareVersions(a.at, b.at))
    .map(({ at, event: { introduced, fixed, last_affected } }): RangePoint => {
      // Closed and opened again at one point, or an empty range: nothing changes there, so that the
      // result does not hang on the order in which events are written.
      if ((introduced === undefined) !== (fixed === undefined)) affected = fixed === undefined;
      const here = affected;
      if (last_affected !== undefined) affected = false;
      return { at, here, above: affected, fixed };
    });
  const everything = doubt === undefined && fromStart && points.length === 0 && unlimited;
  return { doubt, everything, fromStart, points, limit };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
