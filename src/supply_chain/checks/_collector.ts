import { type CheckContext, IgnoreList, packageOf, severityOf } from "../_check.ts";
import { printable } from "../_text.ts";
import type { LintLevel } from "../policy/policy.ts";
import type { PackageNode } from "../project/graph.ts";
import type { Check, Finding, FindingLocation, FindingPackage, Severity } from "../report.ts";

/** What a finding says, beyond its check, code and severity. */
export interface FindingText {
  readonly message: string;
  readonly help: string;
  readonly node?: PackageNode;
  /** @default {the node's} */
  readonly package?: FindingPackage | undefined;
  /** @default {the node's first entry in the lockfile} */
  readonly location?: FindingLocation | undefined;
  /** @default {the shortest path to the node} */
  readonly why?: readonly (readonly string[])[];
}

/** Collects the findings of one check and applies its `ignore` entries to them. */
export class Collector {
  readonly #context: CheckContext;
  readonly #check: Check;
  readonly #ignores: IgnoreList;
  readonly #findings: Finding[] = [];

  constructor(context: CheckContext, check: Check) {
    this.#context = context;
    this.#check = check;
    this.#ignores = new IgnoreList(context, check);
  }

  /** Adds a finding at a level of the policy, unless the level says nothing or an entry ignores it. */
  add(level: LintLevel, code: string, text: FindingText): void {
    const severity = severityOf(level);
    if (severity === undefined) return;
    const ignored = this.#ignores.find(code, text.node);
    if (ignored === undefined) return this.#push(severity, code, text);
    this.#push("note", code, { ...text, message: `${text.message} (ignored: ${ignored.reason})` });
  }

  /** Adds a note, which no entry needs to ignore. */
  note(code: string, text: FindingText): void {
    this.#push("note", code, text);
  }

  /** All findings, those about the `ignore` entries last. */
  done(): Finding[] {
    return [...this.#findings, ...this.#ignores.findings("unused-ignore", "warn")];
  }

  #push(severity: Severity, code: string, text: FindingText): void {
    const { message, help, node, why } = text;
    const at = text.location ?? (node && this.#context.locate(node));
    const of = text.package ?? (node && packageOf(node));
    this.#findings.push({
      check: this.#check,
      code,
      severity,
      // Messages quote names, which may be as long as the lockfile.
      message: printable(message),
      ...(of && { package: of }),
      why: why ?? (node ? this.#context.why(node) : []),
      ...(at && { location: at }),
      help,
    });
  }
}
