import { printable } from "../_text.ts";
import type { Finding, FindingAdvisory } from "../report.ts";
import type { BomRefs } from "./_bom_refs.ts";
import { cvssRating } from "./_cvss.ts";
import { webUrl } from "./_web_url.ts";

/** Who publishes records with a prefix. */
const PUBLISHERS: ReadonlyMap<string, string> = new Map([
  ["CVE", "CVE Program"],
  ["GHSA", "GitHub Advisory Database"],
  ["MAL", "OpenSSF Malicious Packages"],
]);

const METHODS: ReadonlyMap<string, string> = new Map([
  ["2.0", "CVSSv2"],
  ["3.0", "CVSSv3"],
  ["3.1", "CVSSv31"],
  ["4.0", "CVSSv4"],
]);

/** The schema refuses longer versions. */
const MAX_VERSION = 1024;

/**
 * Findings with an advisory as CycloneDX vulnerabilities: one for each advisory, with every
 * component that it affects. Aliases are references and merge nothing.
 */
export function vulnerabilities(
  findings: readonly Finding[],
  refs: BomRefs,
): readonly Record<string, unknown>[] {
  const byId = new Map<string, [Finding & { advisory: FindingAdvisory }, ...Finding[]]>();
  for (const finding of findings) {
    const { advisory } = finding;
    if (advisory === undefined) continue;
    const group = byId.get(advisory.id);
    if (group === undefined) byId.set(advisory.id, [{ ...finding, advisory }]);
    else group.push(finding);
  }
  return [...byId.values()].map((group) => vulnerability(group, refs));
}

function vulnerability(
  group: readonly [Finding & { advisory: FindingAdvisory }, ...Finding[]],
  refs: BomRefs,
): Record<string, unknown> {
  const { advisory, code } = group[0];
  const url = webUrl(advisory.url);
  const ratings = unique(group.flatMap(({ advisory }) => advisory ? rating(advisory) : []));
  const fixes = unique(group.flatMap(({ help }) => help === "" ? [] : [printable(help)]));
  return {
    id: printable(advisory.id),
    source: { name: publisher(advisory.id), ...(url !== undefined && { url }) },
    ...(advisory.aliases.length > 0 && {
      references: advisory.aliases.map((alias) => ({
        id: printable(alias),
        source: { name: publisher(alias) },
      })),
    }),
    ...(ratings.length > 0 && { ratings }),
    description: printable(advisory.summary),
    ...(fixes.length > 0 && { recommendation: fixes.join(" ") }),
    affects: affects(group, refs),
    properties: [{ name: "bartizan:code", value: printable(code) }],
  };
}

function publisher(id: string): string {
  return PUBLISHERS.get(id.slice(0, Math.max(0, id.indexOf("-")))) ?? "OSV";
}

function rating({ id, cvss }: FindingAdvisory): readonly Record<string, unknown>[] {
  if (cvss === undefined) {
    // A malicious package has no score, and must not look as if it were harmless.
    return id.startsWith("MAL-") ? [{ severity: "critical", method: "other" }] : [];
  }
  return [{
    score: cvss.score,
    severity: cvssRating(cvss.version, cvss.score),
    method: METHODS.get(cvss.version) ?? "other",
    vector: printable(cvss.vector),
  }];
}

function affects(
  group: readonly Finding[],
  refs: BomRefs,
): readonly { readonly ref: string; readonly versions: readonly unknown[] }[] {
  const byRef = new Map<string, Map<string, string>>();
  for (const { package: subject, advisory } of group) {
    const ref = subject && refs.find(subject);
    if (ref === undefined) continue;
    let versions = byRef.get(ref);
    if (versions === undefined) byRef.set(ref, versions = new Map());
    for (const version of advisory?.fixed ?? []) versions.set(version, "unaffected");
    versions.set(subject!.version, "affected");
  }
  return [...byRef].map(([ref, versions]) => ({
    ref,
    versions: [...versions]
      .map(([version, status]) => ({ version: printable(version), status }))
      .filter(({ version }) => version !== "" && version.length <= MAX_VERSION),
  }));
}

/** Without repetitions, which the schema refuses and which say nothing. */
function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}
