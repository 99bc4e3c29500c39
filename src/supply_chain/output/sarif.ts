import { printable } from "../_text.ts";
import type {
  AuditReport,
  Finding,
  FindingAdvisory,
  FindingLocation,
  Severity,
} from "../report.ts";
import { sha256Hex } from "./_digest.ts";
import { toJson } from "./_json.ts";
import { packageUrl } from "./_purl.ts";
import { webUrl } from "./_web_url.ts";

/** What a finding code means. */
export interface CodeExplanation {
  /** One line. */
  readonly short: string;
  /** What was looked at and why it matters. */
  readonly full: string;
  /** What to do. */
  readonly help: string;
}

/** Options of {@linkcode formatSarif}. */
export interface FormatSarifOptions {
  /** Version of Bartizan. */
  readonly version: string;
  /** The meaning of a finding code. */
  readonly explain: (code: string) => CodeExplanation;
}

const SCHEMA =
  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

const EXIT_CODES: readonly string[] = [
  "no findings at error level",
  "findings at error level",
  "the audit could not run",
  "something was not checked, and the policy does not allow that",
];

/**
 * The report as SARIF 2.1.0, for code-scanning services.
 *
 * A rule is a finding code, or a code and an advisory: `vulnerability/GHSA-…`. GitHub takes the
 * severity from the `security-severity` of the rule alone, so advisories that shared a rule would
 * share a score. It also refuses a whole file for one result without a location, so a finding
 * without one points to the first line of the lockfile.
 *
 * @see {@link https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html}
 */
export function formatSarif(report: AuditReport, options: FormatSarifOptions): string {
  const rules = collectRules(report.findings);
  const fingerprint = fingerprinter();
  const fallback: FindingLocation = {
    file: report.lockfile?.path ?? report.policy ?? "deno.json",
    line: 1,
    column: 1,
  };
  return toJson({
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [{
      tool: {
        driver: {
          name: "Bartizan",
          version: options.version,
          semanticVersion: options.version,
          informationUri: "https://jsr.io/@bartizan/security",
          rules: [...rules.values()].map((rule) => describe(rule, options)),
        },
      },
      invocations: [invocation(report)],
      originalUriBaseIds: { SRCROOT: { description: { text: "The folder of the project" } } },
      columnKind: "utf16CodeUnits",
      results: report.findings.map((finding) => ({
        ...result(finding, rules.get(ruleId(finding))!, fallback),
        partialFingerprints: fingerprint(finding),
      })),
    }],
  });
}

interface Rule {
  readonly id: string;
  readonly index: number;
  /** The finding that the rule was made for. */
  readonly first: Finding;
  /** The worst of its findings. */
  level: Severity;
  score: number | undefined;
}

const RANK: Readonly<Record<Severity, number>> = { error: 2, warning: 1, note: 0 };

function ruleId({ code, advisory }: Finding): string {
  return printable(advisory === undefined ? code : `${code}/${advisory.id}`, 255);
}

function collectRules(findings: readonly Finding[]): ReadonlyMap<string, Rule> {
  const rules = new Map<string, Rule>();
  for (const finding of findings) {
    const id = ruleId(finding);
    const score = securityScore(finding.advisory);
    const rule = rules.get(id);
    if (rule === undefined) {
      rules.set(id, { id, index: rules.size, first: finding, level: finding.severity, score });
      continue;
    }
    if (RANK[finding.severity] > RANK[rule.level]) rule.level = finding.severity;
    if (score !== undefined && score > (rule.score ?? -1)) rule.score = score;
  }
  return rules;
}

/** A malicious package needs no vector to be as bad as can be. */
function securityScore(advisory: FindingAdvisory | undefined): number | undefined {
  return advisory?.cvss?.score ?? (advisory?.id.startsWith("MAL-") ? 10 : undefined);
}

function describe(rule: Rule, { explain }: FormatSarifOptions): Record<string, unknown> {
  const { check, code, advisory } = rule.first;
  const { short, full, help } = explain(code);
  const title = advisory === undefined ? short : `${advisory.id}: ${advisory.summary || short}`;
  const link = advisory === undefined ? undefined : webUrl(advisory.url);
  return {
    id: rule.id,
    shortDescription: { text: printable(title) },
    fullDescription: { text: printable(full) },
    help: { text: printable(help) },
    helpUri: link,
    defaultConfiguration: { level: rule.level },
    properties: {
      tags: ["security", "supply-chain", check],
      "security-severity": rule.score?.toFixed(1),
    },
  };
}

function result(
  finding: Finding,
  rule: Rule,
  fallback: FindingLocation,
): Record<string, unknown> {
  const { check, code, advisory, package: subject } = finding;
  const help = finding.help === "" ? "" : ` (help: ${finding.help})`;
  return {
    ruleId: rule.id,
    ruleIndex: rule.index,
    level: finding.severity,
    message: { text: printable(finding.message + help) },
    locations: [physicalLocation(finding.location ?? fallback)],
    properties: {
      check,
      code: printable(code),
      package: subject && {
        ecosystem: subject.ecosystem,
        name: printable(subject.name),
        version: printable(subject.version),
      },
      purl: subject && packageUrl(subject),
      why: finding.why.map((path) => path.map((label) => printable(label))),
      aliases: advisory?.aliases.map((alias) => printable(alias)),
      cvss: advisory?.cvss && {
        version: printable(advisory.cvss.version),
        score: advisory.cvss.score,
        vector: printable(advisory.cvss.vector),
      },
      fixed: advisory?.fixed.map((version) => printable(version)),
    },
  };
}

/**
 * What makes it the same finding in the next run, wherever its line has moved to.
 *
 * GitHub compares `primaryLocationLineHash` alone. It would compute one from the line, and all
 * advisories against one entry of the lockfile would become one.
 */
function fingerprinter(): (finding: Finding) => Readonly<Record<string, string>> {
  const seen = new Map<string, number>();
  return ({ check, code, advisory, package: subject, location, message }) => {
    // A finding about the project is told apart by its words.
    const about = subject === undefined
      ? [message]
      : [subject.ecosystem, subject.name, subject.version];
    const identity = [check, code, advisory?.id ?? "", location?.file ?? "", ...about];
    const hash = sha256Hex(JSON.stringify(identity)).slice(0, 32);
    const occurrence = (seen.get(hash) ?? 0) + 1;
    seen.set(hash, occurrence);
    const value = `${hash}:${occurrence}`;
    return { primaryLocationLineHash: value, "bartizanFinding/v1": value };
  };
}

function physicalLocation({ file, line, column }: FindingLocation): Record<string, unknown> {
  const path = file.replaceAll("\\", "/");
  const encoded = path.toWellFormed().split("/").map(encodeURIComponent).join("/");
  return {
    physicalLocation: {
      artifactLocation: path.startsWith("/")
        ? { uri: `file://${encoded}` }
        : { uri: encoded, uriBaseId: "SRCROOT" },
      region: { startLine: Math.max(1, line), startColumn: Math.max(1, column) },
    },
  };
}

function invocation(report: AuditReport): Record<string, unknown> {
  const { exitCode, incomplete } = report;
  return {
    executionSuccessful: exitCode < 2,
    exitCode,
    exitCodeDescription: EXIT_CODES[exitCode],
    toolExecutionNotifications: incomplete.map(({ check, reason, packages }) => ({
      level: exitCode === 3 ? "error" : "warning",
      message: { text: `${check} is incomplete: ${printable(reason)}` },
      properties: { check, packages },
    })),
    properties: { coverage: report.coverage },
  };
}
