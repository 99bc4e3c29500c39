import type { AuditReport, CoverageRow, Finding, FindingAdvisory } from "../report.ts";
import { toJson } from "./_json.ts";

/**
 * The report as JSON: two spaces, one newline at the end, fields in a fixed order.
 *
 * Control characters, bidirectional overrides and the like stand as `\uXXXX`, so that the text can
 * be shown anywhere; parsing it gives the values of the report back.
 */
export function formatJson(report: AuditReport): string {
  const { lockfile, advisorySource, coverage, summary } = report;
  // Field by field: what is not part of the published shape does not leak out by being attached to
  // the object, and the order does not depend on who built it.
  return toJson({
    version: report.version,
    project: report.project,
    lockfile: lockfile && { path: lockfile.path, version: lockfile.version },
    policy: report.policy,
    checks: report.checks,
    advisorySource: advisorySource &&
      { description: advisorySource.description, modified: advisorySource.modified },
    coverage: {
      npm: row(coverage.npm),
      jsr: row(coverage.jsr),
      https: { ...row(coverage.https), files: coverage.https.files },
      link: row(coverage.link),
    },
    findings: report.findings.map(finding),
    summary: { error: summary.error, warning: summary.warning, note: summary.note },
    incomplete: report.incomplete.map(({ check, reason, packages }) => ({
      check,
      reason,
      packages,
    })),
    exitCode: report.exitCode,
  });
}

function row({ found, checked, unchecked }: CoverageRow): CoverageRow {
  return {
    found,
    checked,
    unchecked: unchecked.map(({ reason, packages }) => ({ reason, packages })),
  };
}

function finding(value: Finding): Record<string, unknown> {
  const { package: subject, location } = value;
  return {
    check: value.check,
    code: value.code,
    severity: value.severity,
    message: value.message,
    package: subject &&
      { ecosystem: subject.ecosystem, name: subject.name, version: subject.version },
    advisory: value.advisory && advisory(value.advisory),
    why: value.why,
    location: location && { file: location.file, line: location.line, column: location.column },
    help: value.help,
  };
}

function advisory(value: FindingAdvisory): Record<string, unknown> {
  const { cvss } = value;
  return {
    id: value.id,
    aliases: value.aliases,
    summary: value.summary,
    url: value.url,
    cvss: cvss && { version: cvss.version, score: cvss.score, vector: cvss.vector },
    fixed: value.fixed,
  };
}
