import type { OsvAffected, OsvEvent, OsvRange, OsvRecord, OsvSeverity } from "./osv.ts";

/**
 * Identifiers that a record may have. They end in addresses and on terminals, so `../` and escapes are
 * no identifiers.
 */
export const ADVISORY_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/;

/** Longer texts are cut: a summary is one line. */
const MAX_SUMMARY = 300;
/** Aliases, severities and references beyond this number are left out: nobody reads them. */
const MAX_LISTED = 50;

/** What stands in a `database_specific` table that the audit reads. */
const SPECIFIC = ["malicious-packages-origins", "informational", "cwe_ids", "cwes"] as const;

type Table = Readonly<Record<string, unknown>>;

class Malformed extends Error {}

/**
 * The record in a JSON value, reduced to what the audit reads; `undefined` when it is malformed.
 *
 * What decides whether a package is affected must be of the right type, else the record is
 * malformed: it must not silently become a record that affects nothing. What is only shown is left
 * out when it is of the wrong type.
 */
export function readRecord(value: unknown): OsvRecord | undefined {
  try {
    return record(value);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** Whether a JSON value means to be a record at all: a package.json among the records is none. */
export function looksLikeRecord(value: unknown): boolean {
  return isTable(value) && (Object.hasOwn(value, "affected") || Object.hasOwn(value, "id"));
}

function record(value: unknown): OsvRecord {
  const table = tableOf(value);
  const { id, withdrawn } = table;
  if (typeof id !== "string" || !ADVISORY_ID.test(id)) throw new Malformed();
  if (!absent(withdrawn) && !isTime(withdrawn)) throw new Malformed();
  const specific = specificOf(table.database_specific);
  const references = listOf(table.references).filter(isTable)
    .flatMap(({ type, url }) => isReference(type, url) ? { type: type as string, url } : [])
    .sort((a, b) => REFERENCES.indexOf(a.type) - REFERENCES.indexOf(b.type));
  return {
    id,
    ...(isTime(table.modified) && { modified: table.modified }),
    ...(isTime(withdrawn) && { withdrawn }),
    aliases: strings(table.aliases),
    summary: summaryOf(table),
    severity: severitiesOf(table.severity),
    affected: required(table.affected).flatMap(affected),
    references: references.slice(0, 1),
    ...(specific && { database_specific: specific }),
  };
}

function affected(value: unknown): OsvAffected[] {
  const table = tableOf(value);
  // An entry without a package is about a repository: it names no package of ours.
  if (absent(table.package)) return [];
  const { ecosystem, name } = tableOf(table.package);
  if (typeof ecosystem !== "string" || typeof name !== "string") throw new Malformed();
  const versions = required(table.versions);
  if (!versions.every((version) => typeof version === "string")) throw new Malformed();
  const specific = specificOf(table.database_specific);
  return [{
    package: { ecosystem, name },
    severity: severitiesOf(table.severity),
    ranges: required(table.ranges).map(range),
    versions,
    ...(specific && { database_specific: specific }),
  }];
}

function range(value: unknown): OsvRange {
  const { type, events } = tableOf(value);
  if (typeof type !== "string") throw new Malformed();
  return { type, events: required(events).map(event) };
}

function event(value: unknown): OsvEvent {
  const table = tableOf(value);
  const kinds = (["introduced", "fixed", "last_affected", "limit"] as const).filter((kind) =>
    !absent(table[kind])
  );
  if (kinds.length === 0) throw new Malformed();
  return Object.fromEntries(kinds.map((kind) => {
    const bound = table[kind];
    if (typeof bound !== "string") throw new Malformed();
    return [kind, bound];
  }));
}

function specificOf(value: unknown): Table | undefined {
  if (!isTable(value)) return undefined;
  const kept: [string, unknown][] = [];
  for (const key of SPECIFIC) {
    const found = value[key];
    // Only its presence is read, and it can be long.
    if (key === "malicious-packages-origins" && Array.isArray(found)) kept.push([key, []]);
    if (key === "informational" && typeof found === "string") kept.push([key, found]);
    if (key === "cwe_ids") kept.push([key, strings(found)]);
    if (key === "cwes") {
      const ids = listOf(found).filter(isTable).map(({ cweId }) => cweId);
      kept.push([key, strings(ids).map((cweId) => ({ cweId }))]);
    }
  }
  const filled = kept.filter(([key, value]) =>
    key === "malicious-packages-origins" || (value as string | unknown[]).length > 0
  );
  return filled.length > 0 ? Object.fromEntries(filled) : undefined;
}

function severitiesOf(value: unknown): OsvSeverity[] {
  return listOf(value).filter(isTable).flatMap(({ type, score }) =>
    typeof type === "string" && typeof score === "string" ? { type, score } : []
  );
}

/** Kinds of references in the order in which they help a reader. */
const REFERENCES = ["ADVISORY", "REPORT", "ARTICLE", "WEB"];

function isReference(type: unknown, url: unknown): url is string {
  return typeof url === "string" && url.length <= 500 && /^https?:\/\//.test(url) &&
    REFERENCES.includes(String(type));
}

function summaryOf({ summary, details }: Table): string {
  const text = typeof summary === "string" && summary.trim() !== "" ? summary : details;
  if (typeof text !== "string") return "";
  return text.trimStart().split(/[\r\n]/, 1)[0]!.slice(0, MAX_SUMMARY).trimEnd();
}

function strings(value: unknown): string[] {
  return listOf(value).filter((item) => typeof item === "string");
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_LISTED) : [];
}

/** A list that decides: it may be absent, but it must be one. */
function required(value: unknown): unknown[] {
  if (absent(value)) return [];
  if (!Array.isArray(value)) throw new Malformed();
  return value;
}

function tableOf(value: unknown): Table {
  if (!isTable(value)) throw new Malformed();
  return value;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function absent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isTime(value: unknown): value is string {
  return typeof value === "string" && value.length <= 40 && !Number.isNaN(Date.parse(value));
}
