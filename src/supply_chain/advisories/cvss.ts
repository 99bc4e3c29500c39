import type { OsvSeverity } from "./osv.ts";

/** The base score of a CVSS vector. */
export interface CvssScore {
  /** Version of the scoring system: `2.0`, `3.0`, `3.1` or `4.0`. */
  readonly version: string;
  /** Base score, 0 to 10. */
  readonly score: number;
  /** The vector that the score was computed from. */
  readonly vector: string;
}

/** The qualitative levels of a score, in ascending order. */
export const SEVERITY_LEVELS = ["none", "low", "medium", "high", "critical"] as const;

/** A qualitative level of a score. */
export type SeverityLevel = typeof SEVERITY_LEVELS[number];

/** A complete vector is shorter; parsing more would serve only who wrote it. */
const MAX_VECTOR = 300;

const V2 = /^AV:[A-Z](?:\/[A-Z][A-Za-z]{0,2}:[A-Z]{1,3})+$/;
const V3 = /^CVSS:3\.[01](?:\/[A-Z]{1,3}:[A-Z])+$/;
const V4 = /^CVSS:4\.0(?:\/[A-Z]{1,3}:[A-Za-z]+)+$/;

/** What a vector of each OSV severity type looks like. */
const FORMS: ReadonlyMap<string, RegExp> = new Map([
  ["CVSS_V2", V2],
  ["CVSS_V3", V3],
  ["CVSS_V4", V4],
]);

/** Few vectors are in use; the bound keeps a database of made-up ones from filling memory. */
const CACHE_SIZE = 2_000;
const scores = new Map<string, CvssScore | undefined>();

/**
 * The highest base score among severities, of the newest version where scores are equal; `undefined`
 * when none of them has a valid vector.
 *
 * Only the base metrics count: a temporal or threat metric such as `E:U` lowers a score by what was
 * known when the record was written, which may have changed.
 */
export async function highestCvss(
  severities: readonly OsvSeverity[],
): Promise<CvssScore | undefined> {
  let highest: CvssScore | undefined;
  for (const { type, score: vector } of severities) {
    const found = await scoreOf(type, vector);
    if (found && (highest === undefined || compareScores(found, highest) > 0)) highest = found;
  }
  return highest;
}

/**
 * The level of a score, by the qualitative scale of CVSS 3 and 4, which is used for CVSS 2 as well, so that
 * one threshold means one thing.
 */
export function severityLevel(score: number): SeverityLevel {
  if (score <= 0) return "none";
  if (score < 4) return "low";
  if (score < 7) return "medium";
  return score < 9 ? "high" : "critical";
}

function compareScores(a: CvssScore, b: CvssScore): number {
  return a.score - b.score || Number(a.version) - Number(b.version);
}

async function scoreOf(type: string, vector: string): Promise<CvssScore | undefined> {
  if (vector.length > MAX_VECTOR || !FORMS.get(type)?.test(vector)) return undefined;
  // A metric given twice would let the second, milder one win.
  const metrics = vector.split("/").map((part) => part.split(":", 1)[0]);
  if (new Set(metrics).size !== metrics.length) return undefined;
  if (scores.has(vector)) return scores.get(vector);
  const score = await compute(vector);
  if (scores.size >= CACHE_SIZE) scores.clear();
  scores.set(vector, score);
  return score;
}

async function compute(vector: string): Promise<CvssScore | undefined> {
  // Most projects have no finding with a score, so the calculator is loaded when one does.
  const { default: calculator } = await import("ae-cvss-calculator");
  const parsed = calculator.fromVector(vector);
  if (parsed === null || !parsed.isBaseFullyDefined()) return undefined;
  const result: {
    readonly base?: number | undefined;
    readonly baseMetricsOnly?: number | undefined;
  } = parsed.calculateScores();
  const score = result.baseMetricsOnly ?? result.base;
  if (score === undefined || !(score >= 0 && score <= 10)) return undefined;
  const version = /^CVSS:(\d\.\d)\//.exec(vector)?.[1] ?? "2.0";
  return { version, score, vector };
}
