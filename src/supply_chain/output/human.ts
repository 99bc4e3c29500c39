import { printable } from "../_text.ts";
import {
  type AuditReport,
  type Check,
  CHECKS,
  type CoverageRow,
  type Finding,
  type FindingAdvisory,
  type FindingPackage,
  type Severity,
} from "../report.ts";
import { type Paint, paint } from "./_colors.ts";
import { cvssRating } from "./_cvss.ts";
import { columns, count, cut, padEnd, padStart, thousands, usableWidth, wrap } from "./_layout.ts";
import { whyTree } from "./why.ts";

/** Options of {@linkcode formatHuman}. */
export interface FormatHumanOptions {
  /** Whether to colour with terminal escapes. */
  readonly color: boolean;
  /** Columns to fit into, at least 40. @default {100} */
  readonly width?: number;
  /** Print every finding and every inclusion path that the report carries. @default {false} */
  readonly verbose?: boolean;
}

/** Findings of one code without an advisory that are printed before the rest is only counted. */
const FOLD_AFTER = 5;

/** Inclusion paths that are printed of one finding: a duplicate has one for each version. */
const MAX_PATHS = 4;

/** Left margin of what belongs to a finding. */
const GUTTER = "   | ";

const SEVERITIES: readonly Severity[] = ["error", "warning", "note"];

interface Style {
  readonly paint: Paint;
  readonly width: number;
  readonly verbose: boolean;
}

/**
 * The report for a reader at a terminal or in a log.
 *
 * Findings stand by check, errors first, each with its shortest inclusion path; then what was
 * covered, what could not be checked, and a verdict in the last line. Names and messages come from
 * outside: control and bidirectional characters in them are printed as escapes.
 */
export function formatHuman(report: AuditReport, options: FormatHumanOptions): string {
  const style: Style = {
    paint: paint(options.color),
    width: usableWidth(options.width),
    verbose: options.verbose ?? false,
  };
  const lines = [
    ...headerLines(report, style),
    "",
    ...checkLines(report, style),
    ...coverageLines(report, style),
    "",
    ...incompleteLines(report, style),
    verdict(report, style),
  ];
  return lines.join("\n") + "\n";
}

function headerLines(report: AuditReport, style: Style): string[] {
  const { paint, width } = style;
  const { lockfile, advisorySource } = report;
  const rows: readonly (readonly [string, string])[] = [
    [
      "lockfile",
      lockfile === null ? "none" : `${lockfile.path} (version ${lockfile.version})`,
    ],
    ["policy", report.policy ?? "no deny.toml: the built-in policy applies"],
    [
      "advisories",
      advisorySource === null
        ? report.checks.includes("advisories") ? "no source" : "not asked for"
        : advisorySource.description +
          (advisorySource.modified === undefined ? "" : `, as of ${advisorySource.modified}`),
    ],
  ];
  return [
    paint.bold(cut(`audit of ${printable(report.project)}`, width)),
    ...rows.flatMap(([label, value]) => {
      const [first = "", ...rest] = wrap(printable(value), width - 14);
      return [
        `  ${paint.dim(padEnd(label, 12))}${first}`,
        ...rest.map((line) => " ".repeat(14) + line),
      ];
    }),
  ];
}

function checkLines(report: AuditReport, style: Style): string[] {
  const byCheck = new Map<Check, Finding[]>();
  for (const check of CHECKS) if (report.checks.includes(check)) byCheck.set(check, []);
  for (const finding of report.findings) {
    const list = byCheck.get(finding.check);
    if (list === undefined) byCheck.set(finding.check, [finding]);
    else list.push(finding);
  }
  const lines: string[] = [];
  const quiet: string[] = [];
  for (const [check, findings] of byCheck) {
    if (findings.length === 0) {
      const partly = report.incomplete.some((entry) => entry.check === check);
      quiet.push(partly ? `${check} (not everything was checked)` : check);
      continue;
    }
    const counts = SEVERITIES.flatMap((severity) => {
      const number = findings.filter((finding) => finding.severity === severity).length;
      return number === 0 ? [] : [count(number, severity)];
    });
    lines.push(style.paint.bold(`${check}: ${counts.join(", ")}`), "");
    // Not as arguments of one call: 50,000 findings would overflow the stack.
    for (const line of findingGroups(findings, style)) lines.push(line);
  }
  if (quiet.length > 0) {
    lines.push(...wrap(`no findings: ${quiet.join(", ")}`, style.width), "");
  }
  return lines;
}

function findingGroups(findings: readonly Finding[], style: Style): string[] {
  const lines: string[] = [];
  for (const severity of SEVERITIES) {
    const byCode = new Map<string, Finding[]>();
    for (const finding of findings) {
      if (finding.severity !== severity) continue;
      const list = byCode.get(finding.code);
      if (list === undefined) byCode.set(finding.code, [finding]);
      else list.push(finding);
    }
    for (const group of byCode.values()) {
      let plain = 0;
      for (const finding of group) {
        // An advisory is never folded away: each of them wants a decision of its own.
        if (finding.advisory === undefined && ++plain > FOLD_AFTER && !style.verbose) continue;
        lines.push(...findingLines(finding, style), "");
      }
      if (plain > FOLD_AFTER && !style.verbose) {
        const more = `... and ${thousands(plain - FOLD_AFTER)} more ${heading(group[0]!)}`;
        lines.push(`${severityColor(severity, style)(more)} (--format json has them all)`, "");
      }
    }
  }
  return lines;
}

function heading({ severity, check, code }: Finding): string {
  return `${severity}[${check}/${printable(code, 60)}]`;
}

function findingLines(finding: Finding, style: Style): string[] {
  const { paint, width, verbose } = style;
  const head = heading(finding);
  const [first = "", ...rest] = wrap(`${head}: ${printable(finding.message)}`, width - 2);
  const lines = [
    severityColor(finding.severity, style)(first.slice(0, head.length)) +
    paint.bold(first.slice(head.length)),
    ...rest.map((line) => `  ${paint.bold(line)}`),
  ];
  const { location, advisory } = finding;
  const add = (text: string, margin = GUTTER, hang = GUTTER) => {
    for (const [index, line] of wrap(text, width - columns(margin)).entries()) {
      lines.push(paint.dim(index === 0 ? margin : hang) + line);
    }
  };
  if (location !== undefined) {
    add(`${printable(location.file)}:${location.line}:${location.column}`, "  --> ");
  }
  const why = verbose ? finding.why : finding.why.slice(0, MAX_PATHS);
  if (finding.package !== undefined) {
    const label = packageLabel(finding.package);
    // The last line of the path names it already.
    if (!why.some((path) => path.at(-1) === label)) {
      lines.push(paint.dim(GUTTER) + cut(printable(label), width - 5));
    }
  }
  if (advisory !== undefined) {
    add(advisoryText(advisory));
    if (advisory.url !== "") add(printable(advisory.url));
  }
  for (const { branch, label } of whyTree(why, width - GUTTER.length)) {
    lines.push(paint.dim(GUTTER + branch) + label);
  }
  if (finding.help !== "") add(printable(finding.help), "   = help: ", "     ");
  return lines;
}

function packageLabel({ ecosystem, name, version }: FindingPackage): string {
  return `${ecosystem}:${name}${version === "" ? "" : `@${version}`}`;
}

function advisoryText({ id, aliases, cvss, fixed }: FindingAdvisory): string {
  const parts = [printable(id)];
  if (aliases.length > 0) {
    const more = aliases.length > 3 ? ", ..." : "";
    parts[0] += ` (${aliases.slice(0, 3).map((alias) => printable(alias)).join(", ")}${more})`;
  }
  if (cvss !== undefined) {
    const rating = cvssRating(cvss.version, cvss.score);
    parts.push(`CVSS ${printable(cvss.version)}: ${cvss.score.toFixed(1)} ${rating}`);
  }
  if (fixed.length > 0) {
    parts.push(`fixed in ${fixed.map((version) => printable(version)).join(", ")}`);
  }
  return parts.join(", ");
}

function coverageLines(report: AuditReport, { paint, width }: Style): string[] {
  const { npm, jsr, https, link } = report.coverage;
  const rows: readonly (readonly [name: string, row: CoverageRow, remark: string])[] = [
    ["npm", npm, ""],
    ["jsr", jsr, ""],
    ["https", https, https.files === 0 ? "" : count(https.files, "remote file")],
    ["link", link, ""],
  ];
  const table = rows.map(([name, row, remark]) => {
    const { found, checked } = row;
    const left = found - checked;
    const notes = [remark, left > 0 ? whyUnchecked(row) : ""];
    return {
      cells: [name, thousands(found), thousands(checked), thousands(left)] as const,
      left,
      notes: notes.filter((note) => note !== "").join("; "),
    };
  });
  const titles = ["coverage", "found", "checked", "not checked"] as const;
  const widths = titles.map((title, at) =>
    Math.max(columns(title), ...table.map(({ cells }) => columns(cells[at]!)))
  );
  const row = (cells: readonly string[]) =>
    cells.map((cell, at) => at === 0 ? padEnd(cell, widths[0]!) : padStart(cell, widths[at]!))
      .join("  ");
  const before = widths.reduce((sum, each) => sum + each + 2, 0);
  return [
    paint.bold(row(titles)),
    ...table.flatMap(({ cells, left, notes }) => {
      const [first = "", ...rest] = wrap(notes, Math.max(24, width - before));
      const cellText = left > 0 ? paint.yellow(row(cells)) : row(cells);
      return [
        first === "" ? cellText : `${cellText}  ${first}`,
        ...rest.map((line) => " ".repeat(before) + line),
      ];
    }),
  ];
}

/** Every entry that was not checked has a reason; one without would be a defect to show. */
function whyUnchecked({ found, checked, unchecked }: CoverageRow): string {
  const explained = unchecked.reduce((sum, { packages }) => sum + packages, 0);
  const reasons = [...unchecked];
  if (found - checked > explained) {
    reasons.push({ reason: "no reason was given", packages: found - checked - explained });
  }
  if (reasons.length === 1) return printable(reasons[0]!.reason);
  return reasons.map(({ reason, packages }) => `${thousands(packages)} ${printable(reason)}`)
    .join("; ");
}

function incompleteLines(report: AuditReport, { paint, width }: Style): string[] {
  if (report.incomplete.length === 0) return [];
  const color = report.exitCode === 3 ? paint.red : paint.yellow;
  const lines = [paint.bold(color("INCOMPLETE: not everything was checked"))];
  for (const { check, reason, packages } of report.incomplete) {
    const many = packages === 0 ? "" : ` (${count(packages, "package")})`;
    const text = wrap(`${check}: ${printable(reason)}${many}`, width - 4);
    lines.push(...text.map((line, index) => color(`${index === 0 ? "  ! " : "    "}${line}`)));
  }
  return [...lines, ""];
}

function verdict(report: AuditReport, style: Style): string {
  const { summary, coverage, exitCode, incomplete } = report;
  const rows: readonly CoverageRow[] = [coverage.npm, coverage.jsr, coverage.https, coverage.link];
  const found = rows.reduce((sum, row) => sum + row.found, 0);
  const checked = rows.reduce((sum, row) => sum + row.checked, 0);
  const outcome = exitCode === 1
    ? "audit failed"
    : exitCode === 2
    ? "audit could not run"
    : exitCode === 3
    ? "audit incomplete"
    : incomplete.length > 0
    ? "audit passed, but is incomplete"
    : "audit passed";
  const { paint } = style;
  const color = exitCode !== 0 ? paint.red : incomplete.length > 0 ? paint.yellow : paint.green;
  const counts = SEVERITIES.map((severity) => count(summary[severity], severity)).join(", ");
  return `${paint.bold(color(outcome))}: ${counts}; ` +
    `${thousands(checked)} of ${count(found, "package")} checked`;
}

function severityColor(severity: Severity, { paint }: Style): (text: string) => string {
  const color = severity === "error"
    ? paint.red
    : severity === "warning"
    ? paint.yellow
    : paint.cyan;
  return (text) => paint.bold(color(text));
}
