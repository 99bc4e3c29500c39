/** The words that CycloneDX and readers use for a base score. */
export type CvssRating = "none" | "low" | "medium" | "high" | "critical";

/** The qualitative rating of a score; CVSS 2.0 knows neither `none` nor `critical`. */
export function cvssRating(version: string, score: number): CvssRating {
  const second = version.startsWith("2");
  if (score === 0 && !second) return "none";
  if (score < 4) return "low";
  if (score < 7) return "medium";
  return score < 9 || second ? "high" : "critical";
}
