import type { OsvAffected, OsvRecord } from "./osv.ts";

/** What kind of advisory a record is; each is the code of a finding. */
export type AdvisoryKind = "malicious" | "vulnerability" | "unmaintained" | "unsound" | "notice";

const INFORMATIONAL: ReadonlySet<string> = new Set(["unmaintained", "unsound", "notice"]);

/** Databases that hold nothing but malicious packages: OpenSSF's and Leitwacht's. */
const MALICIOUS_ID = /^(?:MAL|LWA)-/;

/** Embedded malicious code: how GitHub marks a package that was published to do harm. */
const MALICIOUS_CWE = "CWE-506";

/**
 * What kind of advisory a record is for the entries that matched.
 *
 * Aliases do not count: a database lists those of other records, and OSV has merged records that are
 * not about the same thing.
 */
export function classify(record: OsvRecord, entries: readonly OsvAffected[]): AdvisoryKind {
  const tables = [record.database_specific, ...entries.map((entry) => entry.database_specific)];
  if (MALICIOUS_ID.test(record.id) || tables.some(isMalicious)) return "malicious";
  // Milder only when everything that matched is: one plain entry makes it a vulnerability.
  const common = informational(record.database_specific);
  const kinds = new Set(entries.map((entry) => informational(entry.database_specific) ?? common));
  const [kind] = kinds;
  return kinds.size === 1 && kind !== undefined ? kind : "vulnerability";
}

function isMalicious(specific: Readonly<Record<string, unknown>> | undefined): boolean {
  if (specific === undefined) return false;
  const { cwe_ids, cwes } = specific;
  return Array.isArray(specific["malicious-packages-origins"]) ||
    (Array.isArray(cwe_ids) && cwe_ids.includes(MALICIOUS_CWE)) ||
    (Array.isArray(cwes) && cwes.some((cwe) => cwe?.cweId === MALICIOUS_CWE));
}

/** RustSec's mark of an advisory that is no vulnerability. */
function informational(
  specific: Readonly<Record<string, unknown>> | undefined,
): AdvisoryKind | undefined {
  const value = specific?.informational;
  return typeof value === "string" && INFORMATIONAL.has(value) ? value as AdvisoryKind : undefined;
}
