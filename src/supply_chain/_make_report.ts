import type { AdvisorySource } from "./advisories/advisory_source.ts";
import type { Policy } from "./policy/policy.ts";
import type { PackageGraph, PackageNode } from "./project/graph.ts";
import type { Lockfile } from "./project/lockfile.ts";
import type { Project } from "./project/project.ts";
import {
  type AuditReport,
  type Check,
  CHECKS,
  type Coverage,
  type CoverageRow,
  type ExitCode,
  type Finding,
  type Incomplete,
  type Severity,
} from "./report.ts";

/** What a report is made of. */
export interface ReportParts {
  readonly project: Project;
  readonly lock: Lockfile | null;
  readonly policy: Policy;
  readonly checks: readonly Check[];
  readonly source: AdvisorySource | null;
  /** The whole graph. */
  readonly built: PackageGraph;
  /** What the policy leaves of it. */
  readonly graph: PackageGraph;
  readonly unchecked: ReadonlyMap<PackageNode, string>;
  readonly incomplete: readonly Incomplete[];
  readonly findings: readonly Finding[];
  readonly requireComplete: boolean;
}

/** Puts a report together: coverage, summary, exit code. */
export function makeReport(parts: ReportParts): AuditReport {
  const { project, lock, policy, checks, source, incomplete } = parts;
  const findings = [...parts.findings].sort(compareFindings);
  const count = (severity: Severity) => findings.filter((f) => f.severity === severity).length;
  const summary = { error: count("error"), warning: count("warning"), note: count("note") };
  const mayBeIncomplete = policy.advisories.incomplete === "warn" && !parts.requireComplete;
  const exitCode: ExitCode = summary.error > 0
    ? 1
    : incomplete.length > 0 && !mayBeIncomplete
    ? 3
    : 0;
  return {
    version: 1,
    project: project.name,
    lockfile: lock && { path: lock.path, version: lock.version },
    policy: policy.path,
    checks,
    advisorySource: source && {
      description: source.description,
      ...(source.modified !== undefined && { modified: source.modified }),
    },
    coverage: coverageOf(parts),
    findings,
    summary,
    incomplete,
    exitCode,
  };
}

function coverageOf({ built, graph, unchecked, lock }: ReportParts): Coverage {
  const kept = new Set(graph.packages);
  const row = (kind: PackageNode["kind"]): CoverageRow => {
    let [found, checked] = [0, 0];
    const reasons = new Map<string, number>();
    for (const node of built.packages) {
      if (node.kind !== kind) continue;
      // The files of an https group are one package; the entries of npm are counted as they stand.
      const entries = kind === "https" ? 1 : node.entries;
      found += entries;
      const reason = kept.has(node) ? unchecked.get(node) : "excluded by the policy";
      if (reason === undefined) checked += entries;
      else reasons.set(reason, (reasons.get(reason) ?? 0) + entries);
    }
    const list = [...reasons].map(([reason, packages]) => ({ reason, packages }));
    return { found, checked, unchecked: list };
  };
  return {
    npm: row("npm"),
    jsr: row("jsr"),
    https: { ...row("https"), files: lock?.remote.size ?? 0 },
    link: row("link"),
  };
}

const SEVERITIES: readonly Severity[] = ["error", "warning", "note"];

/** Errors first, then by check, package and code, so that two runs print the same. */
function compareFindings(a: Finding, b: Finding): number {
  const key = ({ package: of }: Finding) => of ? `${of.ecosystem}:${of.name}@${of.version}` : "";
  const text = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;
  return SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check) ||
    text(key(a), key(b)) || text(a.code, b.code) ||
    text(a.advisory?.id ?? "", b.advisory?.id ?? "") || text(a.message, b.message);
}
