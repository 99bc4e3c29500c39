import type { PackageGraph, PackageNode } from "./project/graph.ts";
import type { Project } from "./project/project.ts";
import type { IgnoreEntry, LintLevel, Policy, PolicyPosition } from "./policy/policy.ts";
import { specMatches } from "./policy/package_spec.ts";
import type { Check, Finding, FindingLocation, FindingPackage, Severity } from "./report.ts";
import { printable } from "./_text.ts";

/** What every check is given. */
export interface CheckContext {
  readonly project: Project;
  readonly graph: PackageGraph;
  readonly policy: Policy;
  /** The moment of the audit. */
  readonly now: Date;
  readonly signal?: AbortSignal;
  /** The node's first entry in the lockfile. */
  locate(node: PackageNode): FindingLocation | undefined;
  /** The shortest inclusion path, as the one element of the list. */
  why(node: PackageNode): readonly (readonly string[])[];
  /** Whether a file of the project declares it. */
  isDirect(node: PackageNode): boolean;
  /**
   * Whether every inclusion path goes through a package with this label, or through a file of the
   * project with this path or below this folder.
   */
  isOnlyThrough(node: PackageNode, label: string): boolean;
}

/** The severity of a lint level, or `undefined` when nothing is to be said. */
export function severityOf(level: LintLevel): Severity | undefined {
  return level === "deny" ? "error" : level === "warn" ? "warning" : undefined;
}

/** The package of a finding. */
export function packageOf(node: PackageNode): FindingPackage {
  const ecosystem = node.kind === "config" ? "workspace" : node.kind;
  return { ecosystem, name: node.name, version: node.version };
}

/** A place in the policy file, or `undefined` when the built-in policy applies. */
export function policyLocation(
  policy: Policy,
  position: PolicyPosition,
): FindingLocation | undefined {
  const file = position.file ?? policy.path;
  if (file === null || file === "built-in") return undefined;
  return { file, line: position.line, column: position.column };
}

/**
 * The `ignore` entries of one section of the policy.
 *
 * An entry that has expired ignores nothing: the finding is live again, and the entry itself is an
 * error, so that a forgotten exception cannot outlive its date.
 */
export class IgnoreList {
  readonly #context: CheckContext;
  readonly #check: Check;
  readonly #live: readonly IgnoreEntry[];
  readonly #expired: readonly IgnoreEntry[];
  readonly #used: Set<IgnoreEntry> = new Set();

  constructor(context: CheckContext, check: Check) {
    this.#context = context;
    this.#check = check;
    // `until` is the last day on which the entry holds, wherever the audit runs.
    const today = context.now.toISOString().slice(0, 10);
    const entries = context.policy[check].ignore;
    this.#live = entries.filter(({ until }) => until === undefined || until >= today);
    this.#expired = entries.filter(({ until }) => until !== undefined && until < today);
  }

  /** The entry that ignores a finding about `node`, by advisory id or finding code. */
  find(id: string, node?: PackageNode): IgnoreEntry | undefined {
    const entry = this.#live.find((entry) => {
      if (entry.id !== undefined && entry.id !== id) return false;
      if (entry.package !== undefined && !(node && specMatches(entry.package, node))) return false;
      if (entry.path === undefined) return true;
      return node !== undefined && this.#context.isOnlyThrough(node, entry.path);
    });
    if (entry) this.#used.add(entry);
    return entry;
  }

  /** The findings about the entries themselves: expired ones, and unused ones at `unusedLevel`. */
  findings(unusedCode: string, unusedLevel: LintLevel): Finding[] {
    const findings: Finding[] = [];
    for (const entry of this.#expired) {
      findings.push(this.#about(entry, "ignore-expired", "error", `expired on ${entry.until}`, {
        help: "Fix what it ignores, or give it a new date and a reason that still holds.",
      }));
    }
    const severity = severityOf(unusedLevel);
    for (const entry of severity ? this.#live : []) {
      if (this.#used.has(entry)) continue;
      findings.push(this.#about(entry, unusedCode, severity!, "matches nothing", {
        help: "Remove the entry, or correct what it names.",
      }));
    }
    return findings;
  }

  #about(
    entry: IgnoreEntry,
    code: string,
    severity: Severity,
    state: string,
    { help }: { help: string },
  ): Finding {
    const location = policyLocation(this.#context.policy, entry);
    const what = printable(entry.id ?? entry.package?.text ?? "entry");
    return {
      check: this.#check,
      code,
      severity,
      message: `ignore ${what} ${state}`,
      why: [],
      ...(location && { location }),
      help,
    };
  }
}
