import { type CheckContext, packageOf, severityOf } from "../_check.ts";
import { printable } from "../_text.ts";
import type { IgnoreEntry, LintLevel, Scope } from "../policy/policy.ts";
import type { PackageNode } from "../project/graph.ts";
import type { Finding, FindingAdvisory, Incomplete, Severity } from "../report.ts";
import { AdvisoryIgnores } from "./_advisory_ignores.ts";
import { type AdvisoryPackage, type AdvisorySource, packageKey } from "./advisory_source.ts";
import { type AdvisoryKind, classify } from "./_classify.ts";
import { yankedPackages } from "./_jsr_yanked.ts";
import { isPrivate } from "./_private_registry.ts";
import { staleness } from "./_staleness.ts";
import { highestCvss, SEVERITY_LEVELS, severityLevel } from "./cvss.ts";
import { affectedBy, type OsvMatch, type OsvRecord } from "./osv.ts";

/** Where {@linkcode checkAdvisories} takes its data from. */
export interface AdvisoryCheckOptions {
  /** `null` when no source of advisories could be opened. */
  readonly source: AdvisorySource | null;
  /** Why there is no source. */
  readonly sourceError?: string;
  /** Deno's cache, for JSR's lists of versions. @default {null} */
  readonly denoDir?: string | null;
}

/** What {@linkcode checkAdvisories} has found. */
export interface AdvisoryResult {
  readonly findings: readonly Finding[];
  /** Packages that could not be judged, and why. */
  readonly unchecked: ReadonlyMap<PackageNode, string>;
  /** What should have been checked and was not. */
  readonly incomplete: readonly Incomplete[];
}

/**
 * Checks the packages of a project against advisories.
 *
 * npm packages are looked up by name, whether npm or a CDN serves them. Findings belong to one
 * advisory and one package: aliases are shown, and never used to merge or to ignore, as databases
 * list each other's identifiers for what is not the same defect.
 *
 * Names of packages whose scope an .npmrc maps to a registry of its own are not sent to a remote
 * source, and the result is incomplete for want of them. A default registry that an .npmrc sets is
 * taken for a mirror of the public one, so names without such a scope are sent.
 */
export async function checkAdvisories(
  context: CheckContext,
  options: AdvisoryCheckOptions,
): Promise<AdvisoryResult> {
  return await new AdvisoryCheck(context, options).run();
}

class AdvisoryCheck {
  readonly #context: CheckContext;
  readonly #options: AdvisoryCheckOptions;
  readonly #ignores: AdvisoryIgnores;
  readonly #findings: Finding[] = [];
  readonly #unchecked = new Map<PackageNode, string>();
  readonly #incomplete: Incomplete[] = [];

  constructor(context: CheckContext, options: AdvisoryCheckOptions) {
    this.#context = context;
    this.#options = options;
    this.#ignores = new AdvisoryIgnores(context);
  }

  async run(): Promise<AdvisoryResult> {
    await this.#publishers();
    const answered = await this.#advisories();
    const { source } = this.#options;
    const stale = source && staleness(source, this.#context);
    if (stale) this.#findings.push(stale);
    this.#findings.push(...this.#ignores.findings(answered));
    return {
      findings: this.#findings,
      unchecked: this.#unchecked,
      incomplete: this.#incomplete,
    };
  }

  /** What publishers themselves say: deprecated, yanked. */
  async #publishers(): Promise<void> {
    const { graph: { packages }, policy: { advisories }, project } = this.#context;
    const { denoDir = null } = this.#options;
    const yanked = await yankedPackages(packages, { root: project.root, denoDir });
    for (const node of packages) {
      const label = printable(node.label, 300);
      if (node.deprecated) {
        const ignore = this.#ignores.ofPublisher("deprecated", node);
        this.#report(node, "deprecated", advisories.deprecated, {
          ignore,
          message: `${label} is deprecated by its publisher`,
          help: "Update, or move to what the publisher recommends.",
        });
      }
      if (yanked.has(node)) {
        const ignore = this.#ignores.ofPublisher("yanked", node);
        this.#report(node, "yanked", advisories.yanked, {
          ignore,
          message: `${label} was yanked by its publisher`,
          help: "Move to a version that is not yanked.",
        });
      }
    }
  }

  /** Looks up what the source covers; returns whether that were all npm packages. */
  async #advisories(): Promise<boolean> {
    const { source, sourceError } = this.#options;
    const targets = new Map<PackageNode, AdvisoryPackage>();
    let missing = 0;
    let withheld = 0;
    for (const node of this.#context.graph.packages) {
      const target = targetOf(node);
      const reason = typeof target === "string" ? target : this.#whyNot(target);
      if (typeof target === "object" && reason === undefined) {
        targets.set(node, target);
        continue;
      }
      this.#unchecked.set(node, reason!);
      // JSR is in no database today, so that it is not covered is a limit and not a failure.
      if (typeof target === "string" || target.ecosystem !== "npm") continue;
      if (source?.covers("npm")) withheld++;
      else missing++;
    }
    if (missing > 0) {
      const reason = source
        ? `${source.description} has no advisories about npm packages`
        : sourceError ?? NO_SOURCE;
      this.#incomplete.push({ check: "advisories", reason, packages: missing });
    }
    if (source === null) return false;
    // They were not checked, whoever wrote the .npmrc: one that maps a public scope elsewhere would
    // otherwise switch its advisories off with nothing but a line in the coverage.
    if (withheld > 0) {
      const reason = `names of private scopes are not sent to the ${source.description}; ` +
        "`audit fetch` stores a database that is asked about them too";
      this.#incomplete.push({ check: "advisories", reason, packages: withheld });
    }
    const complete = missing === 0 && withheld === 0;
    if (targets.size === 0) return complete;

    let records: ReadonlyMap<string, readonly OsvRecord[]>;
    try {
      records = await source.lookup([...targets.values()], this.#context.signal);
    } catch (error) {
      this.#context.signal?.throwIfAborted();
      const reason = printable(error instanceof Error ? error.message : String(error), 500);
      this.#incomplete.push({ check: "advisories", reason, packages: targets.size });
      for (const node of targets.keys()) this.#unchecked.set(node, reason);
      return false;
    }
    for (const [node, target] of targets) {
      await this.#judge(node, target, records.get(packageKey(target)) ?? []);
    }
    this.#malformed(source);
    return complete;
  }

  /** Why a package cannot be looked up, or `undefined` when it can. */
  #whyNot(target: AdvisoryPackage): string | undefined {
    const { source, sourceError } = this.#options;
    if (source === null) return sourceError ?? NO_SOURCE;
    if (!source.covers(target.ecosystem)) {
      return `${source.description} has no advisories about ${target.ecosystem} packages`;
    }
    if (source.remote && isPrivate(target, this.#context.project.npmrc)) {
      return "private registry: its name is not sent to another service";
    }
    return undefined;
  }

  async #judge(
    node: PackageNode,
    target: AdvisoryPackage,
    records: readonly OsvRecord[],
  ): Promise<void> {
    // A database may hold a record twice; one that affects the package wins over one that is unclear.
    const matches = new Map<string, { record: OsvRecord; match: OsvMatch }>();
    for (const record of records) {
      const match = affectedBy(record, target);
      if (match === undefined) continue;
      const known = matches.get(record.id);
      if (known === undefined || KINDS.indexOf(match.kind) < KINDS.indexOf(known.match.kind)) {
        matches.set(record.id, { record, match });
      }
    }
    for (const { record, match } of matches.values()) {
      if (match.kind === "affected") await this.#affected(node, record, match);
      else if (match.kind === "undecidable") await this.#undecidable(node, record, match);
      else this.#versionless(node, record, match);
    }
  }

  async #affected(node: PackageNode, record: OsvRecord, match: OsvMatch): Promise<void> {
    const kind = classify(record, match.entries);
    const advisory = await advisoryOf(record, match);
    const severity = this.#severity(node, kind, advisory);
    if (severity === undefined) return;
    const about = advisory.summary === "" ? "" : `: ${advisory.summary}`;
    const refused = kind === "malicious" && this.#ignores.refuses(record, node);
    this.#report(node, kind, severity, {
      ignore: kind === "malicious" ? undefined : this.#ignores.ofRecord(record, node),
      message: `${subjectOf(node)} ${SAYS.get(kind)} (${record.id})${about}` +
        (refused ? "; this cannot be ignored" : ""),
      help: this.#help(node, kind, match.fixed),
      advisory,
    });
  }

  async #undecidable(node: PackageNode, record: OsvRecord, match: OsvMatch): Promise<void> {
    this.#unchecked.set(node, `${record.id} could not be compared with its version`);
    this.#report(node, "advisory-undecidable", "warning", {
      ignore: this.#ignores.ofRecord(record, node),
      ...undecidableText(node, record, match),
      advisory: await advisoryOf(record, match),
    });
  }

  /** No hit by the specification, so a note, and none that carries an advisory: those are hits. */
  #versionless(node: PackageNode, record: OsvRecord, match: OsvMatch): void {
    this.#report(node, "advisory-undecidable", "note", {
      ignore: this.#ignores.ofRecord(record, node),
      ...undecidableText(node, record, match),
    });
  }

  #severity(
    node: PackageNode,
    kind: AdvisoryKind,
    { cvss }: FindingAdvisory,
  ): Severity | undefined {
    const { advisories } = this.#context.policy;
    if (kind === "malicious") return "error";
    if (kind === "notice") return severityOf(advisories.notice);
    if (kind !== "vulnerability") {
      const { scope, level } = advisories[kind];
      return inScope(scope, this.#context.isDirect(node)) ? severityOf(level) : undefined;
    }
    const severity = severityOf(advisories.vulnerability);
    const threshold = advisories.severityThreshold;
    // Without a score nothing says that it is mild.
    if (severity === undefined || threshold === undefined || cvss === undefined) return severity;
    const rank = SEVERITY_LEVELS.indexOf(severityLevel(cvss.score));
    return rank < SEVERITY_LEVELS.indexOf(threshold) ? "note" : severity;
  }

  #help(node: PackageNode, kind: AdvisoryKind, fixed: readonly string[]): string {
    const name = printable(node.npm?.name ?? node.name, 200);
    const advice = kind === "malicious"
      ? `Remove ${name} and what it has installed, and replace every secret that it could reach.`
      : fixed.length > 0
      ? `Update ${name} to ${printable(fixed[0]!, 100)} or later.`
      : `No fixed version of ${name} is known; replace it, or ignore the advisory with a reason.`;
    const [path] = this.#context.why(node);
    // The file, the direct dependency, …, the package itself.
    if (path === undefined || path.length < 3) return advice;
    return `${advice} It is brought in by ${printable(path[1]!, 300)}.`;
  }

  /** Adds a finding, as a note when the policy ignores it. */
  #report(
    node: PackageNode,
    code: string,
    level: LintLevel | Severity,
    { ignore, message, help, advisory }: {
      ignore: IgnoreEntry | undefined;
      message: string;
      help: string;
      advisory?: FindingAdvisory;
    },
  ): void {
    const severity = level === "deny" || level === "warn" || level === "allow"
      ? severityOf(level)
      : level;
    if (severity === undefined) return;
    const location = this.#context.locate(node);
    this.#findings.push({
      check: "advisories",
      code: ignore ? "advisory-ignored" : code,
      severity: ignore ? "note" : severity,
      message: ignore ? `ignored: ${message}; reason: ${printable(ignore.reason, 500)}` : message,
      // An advisory is about the package of npm, whoever serves it; the path says who does.
      package: node.npm ? { ecosystem: "npm", ...node.npm } : packageOf(node),
      ...(advisory && { advisory }),
      why: this.#context.why(node),
      ...(location && { location }),
      help: ignore ? "Nothing, as long as the reason holds." : help,
    });
  }

  /** Records that say nothing may have been about one of the packages. */
  #malformed({ invalid = 0, description }: AdvisorySource): void {
    if (invalid === 0) return;
    this.#findings.push({
      check: "advisories",
      code: "advisory-undecidable",
      severity: "warning",
      message: `${invalid} malformed ${invalid === 1 ? "advisory" : "advisories"} in ` +
        `${printable(description, 300)} could not be compared with anything`,
      why: [],
      help: "Fetch the database again, or repair the records.",
    });
  }
}

const NO_SOURCE = "there is no source of advisories";

const SAYS: ReadonlyMap<AdvisoryKind, string> = new Map([
  ["malicious", "is malicious"],
  ["vulnerability", "has a vulnerability"],
  ["unmaintained", "is unmaintained"],
  ["unsound", "is unsound"],
  ["notice", "has a notice"],
]);

/** Of two copies of a record, what the first of these says holds. */
const KINDS: readonly OsvMatch["kind"][] = ["affected", "undecidable", "versionless"];

/** The package; behind a CDN also the npm package that it serves, which is what the advisory names. */
function subjectOf({ kind, label, npm }: PackageNode): string {
  const name = printable(label, 300);
  if (kind === "npm" || npm === undefined) return name;
  return `${name} serves ${printable(`npm:${npm.name}@${npm.version}`, 300)}, which`;
}

function undecidableText(
  { kind, label, npm }: PackageNode,
  { id }: OsvRecord,
  { reason }: OsvMatch,
): { message: string; help: string } {
  const served = kind === "npm" || npm === undefined
    ? ""
    : `${printable(`npm:${npm.name}@${npm.version}`, 300)}, served by `;
  return {
    message: `it is not known whether ${id} applies to ${served}${printable(label, 300)}: ` +
      printable(reason, 200),
    help: "Read the advisory and compare by hand; ignore it with a reason if it does not apply.",
  };
}

/** By what name advisories know a package, or why they do not. */
function targetOf(node: PackageNode): AdvisoryPackage | string {
  if (node.npm) return { ecosystem: "npm", ...node.npm };
  if (node.kind === "jsr") return { ecosystem: "JSR", name: node.name, version: node.version };
  if (node.npmName !== undefined) return "its address names no exact version of the npm package";
  return node.kind === "link"
    ? "it is a local folder"
    : "no database has advisories about modules of https addresses";
}

function inScope(scope: Scope, isDirect: boolean): boolean {
  if (scope === "workspace") return isDirect;
  return scope === "transitive" ? !isDirect : scope === "all";
}

async function advisoryOf(record: OsvRecord, match: OsvMatch): Promise<FindingAdvisory> {
  const severities = match.entries.flatMap(({ severity }) => severity ?? []);
  const cvss = await highestCvss([...(record.severity ?? []), ...severities]);
  return {
    id: record.id,
    aliases: record.aliases ?? [],
    summary: printable(record.summary ?? "", 300),
    url: urlOf(record),
    ...(cvss && { cvss }),
    fixed: match.fixed,
  };
}

function urlOf({ id, references }: OsvRecord): string {
  if (id.startsWith("GHSA-")) return `https://github.com/advisories/${id}`;
  const reference = id.startsWith("MAL-") ? undefined : references?.[0]?.url;
  return reference ?? `https://osv.dev/vulnerability/${encodeURIComponent(id)}`;
}
