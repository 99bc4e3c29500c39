import { type CheckContext, IgnoreList, packageOf, policyLocation, severityOf } from "../_check.ts";
import { printable } from "../_text.ts";
import type { PackageNode } from "../project/graph.ts";
import type { Finding, FindingLocation, Severity } from "../report.ts";
import { AllowedLicenses } from "./_allowed.ts";
import { type Member, readMembers } from "./_members.ts";
import {
  type LicenseFact,
  LicenseReader,
  readLicenseFacts,
  type RefusedClarification,
} from "./license_facts.ts";
import { SpecIndex } from "../policy/package_spec.ts";
import { parseExpression } from "./spdx.ts";
import { suggestion } from "./suggestion.ts";

export type { LicenseFact } from "./license_facts.ts";

/** Options of {@linkcode checkLicenses}. */
export interface CheckLicensesOptions {
  /** Reads a variable of the environment. @default {Deno.env.get, where it is permitted} */
  readonly env?: (name: string) => string | undefined;
  /** Deno's cache folder, or `null` for none. @default {the folder of this Deno, where it may be read} */
  readonly denoDir?: string | null;
  /** Further folders with the layout of `vendor/`. @default {[]} */
  readonly vendorFolders?: readonly string[];
}

/** What the check of licences gives. */
export interface LicenseResult {
  readonly findings: readonly Finding[];
  /** What is known about each package of the graph, development packages included. */
  readonly facts: ReadonlyMap<PackageNode, LicenseFact>;
  /** The packages whose licence is not known, and why. */
  readonly unchecked: ReadonlyMap<PackageNode, string>;
}

/**
 * Checks the licences of all packages, and of the project's own, against the policy.
 *
 * A package gets one finding at most, besides those about clarifications that did not hold. What has
 * no known licence is never let through in silence. A licence in words other than SPDX's is an
 * error, unless a licence file tells what is meant and that is allowed: then it is a warning.
 */
export async function checkLicenses(
  context: CheckContext,
  options: CheckLicensesOptions = {},
): Promise<LicenseResult> {
  const { project, graph, policy, signal } = context;
  const { clarify, confidenceThreshold } = policy.licenses;
  const facts = await readLicenseFacts(project, graph.packages, {
    ...options,
    ...{ clarify, confidenceThreshold, signal },
  });
  const judge = new LicenseJudge(context);
  for (const [node, fact] of facts) {
    if (!node.dev || policy.licenses.includeDev) judge.package(node, fact);
  }
  const reader = new LicenseReader({ confidenceThreshold });
  for (const member of await readMembers(project, reader, judge.isPrivateRegistry)) {
    judge.member(member);
  }
  return { findings: judge.done(), facts, unchecked: judge.unchecked };
}

/** What a finding says. */
interface Verdict {
  readonly code: string;
  readonly severity: Severity | undefined;
  readonly message: string;
  readonly help: string;
}

/** Turns facts into findings. */
class LicenseJudge {
  readonly unchecked = new Map<PackageNode, string>();
  readonly #context: CheckContext;
  readonly #allowed: AllowedLicenses;
  readonly #members = new Set<PackageNode>();
  readonly #ignores: IgnoreList;
  readonly #findings: Finding[] = [];
  readonly #privateRegistries: ReadonlySet<string>;

  constructor(context: CheckContext) {
    this.#context = context;
    this.#allowed = new AllowedLicenses(context.policy);
    this.#privateRegistries = new Set(
      context.policy.licenses.private.registries.map(withoutTrailingSlash),
    );
    const { project, graph, policy, now } = context;
    this.#ignores = new IgnoreList({
      ...{ project, graph, policy, now },
      locate: (node) => context.locate(node),
      why: (node) => context.why(node),
      isDirect: (node) => context.isDirect(node),
      // A member is a file of the project, where paths begin.
      isOnlyThrough: (node, label) =>
        this.#members.has(node) ? isBelow(node, label) : context.isOnlyThrough(node, label),
    }, "licenses");
  }

  readonly isPrivateRegistry = (address: string): boolean =>
    this.#privateRegistries.has(withoutTrailingSlash(address));

  package(node: PackageNode, fact: LicenseFact): void {
    // Of a package that is not installed no file can be compared; that is said once.
    const refused = fact.problem === "not-installed" ? [] : fact.refusedClarifications ?? [];
    for (const refusal of refused) this.#clarification(node, refusal);
    const { label } = node;
    if (this.#context.policy.licenses.private.ignore && this.#isFromPrivateRegistry(node)) {
      this.#skipped(node, `${printable(label)} comes from a private registry`);
      return;
    }
    if (fact.expression === undefined) {
      this.unchecked.set(
        node,
        fact.problem === "not-installed" || fact.problem === "another-package"
          ? "not installed"
          : "no licence found",
      );
    }
    const verdict = this.#judge(node, printable(label), fact);
    if (verdict) this.#report(node, verdict);
  }

  member({ node, fact, isPrivate, location }: Member): void {
    this.#members.add(node);
    const name = printable(node.name);
    if (isPrivate) {
      if (this.#context.policy.licenses.private.ignore) {
        this.#skipped(node, `${name} is private`, location);
        return;
      }
      // Nobody receives it, so that it needs no licence; one that it declares is checked.
      if (fact.from === "none") return;
    }
    const verdict = this.#judge(node, name, fact);
    if (verdict) this.#report(node, verdict, location);
  }

  #judge(node: PackageNode, name: string, fact: LicenseFact): Verdict | undefined {
    const { expression, problem } = fact;
    if (expression === undefined) return this.#judgeUnknown(node, name, fact);
    const parsed = parseExpression(expression);
    const words = printable(expression, 200);
    if (parsed === undefined) return notSpdx(name, words, fact);
    const { satisfied, refused } = this.#allowed.evaluate(expression, parsed, node);
    if (satisfied) return problem === "not-spdx" ? notSpdx(name, words, fact) : undefined;
    const list = printable(refused.join(", "), 200);
    return {
      code: "rejected",
      severity: "error",
      message: `${name} is licensed ${words}${source(fact)}, ` +
        (list === words
          ? "which the policy does not allow"
          : `and the policy does not allow ${list}`),
      help: `Add ${list} to licenses.allow, or to an entry of licenses.exceptions for this ` +
        `package, or do without it.${afterClarification(fact)}`,
    };
  }

  #judgeUnknown(node: PackageNode, name: string, fact: LicenseFact): Verdict {
    const { problem, file = "" } = fact;
    const { unlicensed } = this.#context.policy.licenses;
    const severity = severityOf(unlicensed);
    const declared = printable(fact.declared ?? "", 200);
    const clarify = `Record its licence in licenses.clarify.${afterClarification(fact)}`;
    switch (problem) {
      case "proprietary":
        return {
          code: "rejected",
          severity: "error",
          message: `${name} is proprietary: its ${file} says ${declared}`,
          help: `Ask its owner for a licence and record it in licenses.clarify, or do without it.`,
        };
      case "not-spdx":
        return notSpdx(name, declared, fact);
      case "low-confidence": {
        const confidence = (fact.confidence ?? 0).toFixed(2);
        return {
          code: "low-confidence",
          severity,
          message: `${name} has a licence file, ${printable(file, 200)}, that resembles no ` +
            `licence enough (confidence ${confidence})`,
          help: `Read the file. ${clarify}`,
        };
      }
      case "file-missing":
        return {
          code: "unlicensed",
          severity,
          message: `${name} says "${declared}", and has no such file`,
          help: clarify,
        };
      case "another-package":
        return {
          code: "unlicensed",
          severity,
          message: `${name} is not where it should be installed: the package.json there names ` +
            "another package or version",
          help: `Delete node_modules and run deno install, or: ` +
            clarify[0]!.toLowerCase() + clarify.slice(1),
        };
      case "not-installed":
        if (node.foreign) {
          // No install on this machine would bring it, so the audit of another has to tell.
          return {
            code: "unlicensed",
            severity: severity && "note",
            message: `${name} is for another platform, so that its licence is not known here`,
            help: `Audit on that platform as well. ${clarify}`,
          };
        }
        return {
          code: "unlicensed",
          severity,
          message: `${name} is not installed, so that its licence is not known`,
          help: `Run deno install, or: ${clarify[0]!.toLowerCase() + clarify.slice(1)}`,
        };
      default:
        return {
          code: "unlicensed",
          severity,
          message: `${name} states no licence: no field, and no licence file`,
          help: node.kind === "jsr" || node.kind === "https"
            ? `Deno keeps only the modules that are imported, not the file that names the ` +
              `licence. ${clarify}`
            : clarify,
        };
    }
  }

  #isFromPrivateRegistry({ npm, kind, tarball }: PackageNode): boolean {
    if (kind !== "npm" || npm === undefined || this.#privateRegistries.size === 0) return false;
    const { scopes, registry } = this.#context.project.npmrc;
    const address = scopes.get(npm.name.split("/")[0]!) ?? registry;
    if (address !== undefined && this.isPrivateRegistry(address)) return true;
    return [...this.#privateRegistries].some((prefix) => tarball?.startsWith(`${prefix}/`));
  }

  #clarification(node: PackageNode, { entry, problem, path }: RefusedClarification): void {
    const file = printable(path, 200);
    const isMissing = problem === "missing-file";
    const code = isMissing ? "missing-clarification-file" : "clarification-mismatch";
    this.#report(node, {
      code,
      severity: "warning",
      message: `the clarification of ${printable(node.label)} was not applied: ${file} ` +
        (isMissing ? "is not there" : "has changed"),
      help: isMissing
        ? "Correct the path, or install the package so that the file can be compared."
        : "Read the new text, then record its hash and what it says.",
    }, policyLocation(this.#context.policy, entry));
  }

  #skipped(node: PackageNode, what: string, location?: FindingLocation): void {
    this.#push(node, {
      code: "skipped-private-workspace-package",
      severity: "note",
      message: `${what}, so that its licence was not checked`,
      help: "Nothing needs to be done; licenses.private.ignore asks for it.",
    }, location);
  }

  /** Adds a finding, as a note where an entry ignores it. */
  #report(node: PackageNode, verdict: Verdict, location?: FindingLocation): void {
    if (verdict.severity === undefined) return;
    const ignored = this.#ignores.find(verdict.code, node);
    const message = `${verdict.message} (ignored: ${printable(ignored?.reason ?? "", 200)})`;
    this.#push(node, ignored ? { ...verdict, severity: "note", message } : verdict, location);
  }

  #push(
    node: PackageNode,
    { code, severity = "note", message, help }: Verdict,
    location: FindingLocation | undefined = this.#context.locate(node),
  ): void {
    this.#findings.push({
      check: "licenses",
      ...{ code, severity, message },
      package: packageOf(node),
      why: this.#members.has(node) ? [[node.label]] : this.#context.why(node),
      ...(location && { location }),
      help,
    });
  }

  /** All findings, those about entries of the policy last. */
  done(): readonly Finding[] {
    const { unusedAllowedLicense, unusedLicenseException, clarify } = this.#context.policy.licenses;
    const index = new SpecIndex(clarify);
    const used = new Set(this.#context.graph.packages.flatMap((node) => index.matching(node)));
    for (const entry of clarify) {
      if (used.has(entry)) continue;
      const code = "license-clarification-not-encountered";
      this.#aboutEntry(entry, code, severityOf(unusedLicenseException), {
        message: `licenses.clarify names ${
          printable(entry.spec.text, 200)
        }, which is not in the graph`,
        help: "Remove the entry, or correct what it names.",
      });
    }
    for (const entry of this.#allowed.unusedAllowed()) {
      this.#unused(entry, "license-not-encountered", severityOf(unusedAllowedLicense), {
        message: `licenses.allow lists ${printable(entry.text, 200)}, which no package has`,
        help: "Remove it, so that the list says what is in use.",
      });
    }
    for (const entry of this.#allowed.unusedExceptions()) {
      this.#unused(
        entry,
        "license-exception-not-encountered",
        severityOf(unusedLicenseException),
        {
          message: `the exception for ${printable(entry.spec.text, 200)} is not needed`,
          help: "Remove the entry, or correct what it names.",
        },
      );
    }
    return [...this.#findings, ...this.#ignores.findings("unused-ignore", "warn")];
  }

  #unused(
    position: Parameters<typeof policyLocation>[1],
    code: string,
    severity: Severity | undefined,
    { message, help }: Pick<Verdict, "message" | "help">,
  ): void {
    // A package that nobody looked into may be the one that needs the entry.
    const unknown = this.unchecked.size;
    this.#aboutEntry(position, code, severity && (unknown > 0 ? "note" : severity), {
      message: unknown > 0
        ? `${message}, as far as is known: the licence of ${unknown} packages is not`
        : message,
      help,
    });
  }

  #aboutEntry(
    position: Parameters<typeof policyLocation>[1],
    code: string,
    severity: Severity | undefined,
    { message, help }: Pick<Verdict, "message" | "help">,
  ): void {
    if (severity === undefined) return;
    const location = policyLocation(this.#context.policy, position);
    this.#findings.push({
      check: "licenses",
      ...{ code, severity, message },
      why: [],
      ...(location && { location }),
      help,
    });
  }
}

/** Whether an `ignore` entry's path is the member's file, or a folder above it. */
function isBelow({ label }: PackageNode, text: string): boolean {
  const file = label.replace(/^file:/, "");
  const path = text.replace(/^file:/, "").replace(/^\.\//, "").replace(/\/+$/, "");
  return file === path || file.startsWith(`${path}/`);
}

function notSpdx(name: string, words: string, fact: LicenseFact): Verdict {
  const { declared = words, expression, file = "" } = fact;
  const message = `${name} is licensed "${printable(declared, 200)}", which is no SPDX expression`;
  if (fact.from === "license-file" && expression !== undefined) {
    return {
      code: "parse-error",
      severity: "warning",
      message: `${message}; it was checked as ${words}${source(fact)}`,
      help: "Record its licence in licenses.clarify, so that it does not rest on a comparison.",
    };
  }
  const likely = suggestion(declared);
  return {
    code: "parse-error",
    severity: "error",
    message,
    help: (likely === undefined ? "" : `It may mean ${likely}, which is a guess. `) +
      `Read its ${printable(file || "files", 200)} and record the licence in licenses.clarify.` +
      afterClarification(fact),
  };
}

/** Where an expression comes from, when that is not the package's own field. */
function source({ from, file = "", confidence = 1 }: LicenseFact): string {
  if (from === "clarification") return " (by licenses.clarify)";
  if (from !== "license-file") return "";
  return ` (by its ${printable(file, 200)}, confidence ${confidence.toFixed(2)})`;
}

function afterClarification({ refusedClarifications = [] }: LicenseFact): string {
  return refusedClarifications.length === 0 ? "" : " The present clarification was not applied.";
}

function withoutTrailingSlash(address: string): string {
  return address.replace(/\/+$/, "");
}
