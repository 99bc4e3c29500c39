import { type CheckContext, IgnoreList, policyLocation, severityOf } from "../_check.ts";
import { printable } from "../_text.ts";
import type { IgnoreEntry } from "../policy/policy.ts";
import type { PackageNode } from "../project/graph.ts";
import type { Finding } from "../report.ts";
import type { OsvRecord } from "./osv.ts";

const UNUSED = "advisory-not-detected";

/**
 * The `ignore` entries of the advisories.
 *
 * Those that name an id or a code ignore what has it. Those that name a package alone accept what its
 * publisher says of it, yanked or deprecated, and no advisory about it.
 */
export class AdvisoryIgnores {
  readonly #context: CheckContext;
  readonly #byId: IgnoreList;
  readonly #byPackage: IgnoreList;
  readonly #refused = new Map<IgnoreEntry, { id: string; label: string }>();
  /** Ids of findings that are not ignored, by the aliases that their records list. */
  readonly #liveAliases = new Map<string, Set<string>>();

  constructor(context: CheckContext) {
    this.#context = context;
    const { ignore } = context.policy.advisories;
    // The policy reads a package alone as its code `yanked`, which only packages of JSR can be, while
    // only those of npm are deprecated: an entry of a package with that code means the same.
    const isPackageAlone = ({ id, package: of }: IgnoreEntry) =>
      of !== undefined && (id === undefined || id === "yanked");
    this.#byId = listOf(context, ignore.filter((entry) => !isPackageAlone(entry)));
    this.#byPackage = listOf(
      context,
      ignore.filter(isPackageAlone).map(({ id: _, ...entry }) => entry),
    );
  }

  /** The entry that accepts what the publisher says of a package. */
  ofPublisher(code: "deprecated" | "yanked", node: PackageNode): IgnoreEntry | undefined {
    return this.#byId.find(code, node) ?? this.#byPackage.find(code, node);
  }

  /** The entry that ignores an advisory. */
  ofRecord(record: OsvRecord, node: PackageNode): IgnoreEntry | undefined {
    const entry = this.#byId.find(record.id, node);
    if (entry === undefined) this.#live(record);
    return entry;
  }

  /**
   * Whether an entry wants to ignore an advisory that nothing may ignore: a policy that somebody else
   * wrote, or one that a file extends, must not let malicious code through.
   */
  refuses(record: OsvRecord, node: PackageNode): boolean {
    this.#live(record);
    const entry = this.#byId.find(record.id, node);
    if (entry === undefined) return false;
    this.#refused.set(entry, { id: record.id, label: node.label });
    return true;
  }

  /** What is to be said about the entries; `answered` when every package was looked up. */
  findings(answered: boolean): Finding[] {
    const { unusedIgnoredAdvisory } = this.#context.policy.advisories;
    // What nobody looked up cannot be called unused.
    const level = answered ? unusedIgnoredAdvisory : "allow";
    return [
      ...this.#byId.findings(UNUSED, level),
      ...this.#byPackage.findings(UNUSED, level),
      ...this.#refusedFindings(),
      ...this.#aliasNotes(),
    ];
  }

  #refusedFindings(): Finding[] {
    const severity = severityOf(this.#context.policy.advisories.unusedIgnoredAdvisory);
    if (severity === undefined) return [];
    return [...this.#refused].map(([entry, { id, label }]) =>
      this.#about(entry, {
        severity,
        message: `ignore ${printable(id)} ignores nothing: by it ${printable(label, 300)} ` +
          `is malicious, which cannot be ignored`,
        help: "Remove the package, and then the entry.",
      })
    );
  }

  /** Ignoring by an alias does nothing; whoever wrote it should learn why the finding is still there. */
  #aliasNotes(): Finding[] {
    return this.#context.policy.advisories.ignore.flatMap((entry) => {
      const ids = [...this.#liveAliases.get(entry.id ?? "") ?? []].map((id) => printable(id));
      if (ids.length === 0) return [];
      return this.#about(entry, {
        severity: "note",
        message: `ignore ${printable(entry.id!, 200)} names an alias, which ignores nothing: ` +
          `the advisory found is ${ids.join(", ")}`,
        help: `Read the advisory; if the reason holds for it too, ignore ${ids.join(", ")}.`,
      });
    });
  }

  #about(entry: IgnoreEntry, what: Pick<Finding, "severity" | "message" | "help">): Finding {
    const location = policyLocation(this.#context.policy, entry);
    return {
      check: "advisories",
      code: UNUSED,
      why: [],
      ...(location && { location }),
      ...what,
    };
  }

  #live({ id, aliases = [] }: OsvRecord): void {
    for (const alias of aliases) {
      const ids = this.#liveAliases.get(alias) ?? new Set();
      this.#liveAliases.set(alias, ids.add(id));
    }
  }
}

function listOf(context: CheckContext, ignore: readonly IgnoreEntry[]): IgnoreList {
  const { policy } = context;
  const advisories = { ...policy.advisories, ignore };
  return new IgnoreList({ ...context, policy: { ...policy, advisories } }, "advisories");
}
