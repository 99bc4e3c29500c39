// @ts-types="@types/semver"
import semver from "semver";
import { type CheckContext, policyLocation } from "../_check.ts";
import { printable } from "../_text.ts";
import { parsePackageSpec, specMatches } from "../policy/package_spec.ts";
import type { DenyEntry, PackageSpec, SpecEntry } from "../policy/policy.ts";
import type { UndeclaredDependency } from "../project/build_graph.ts";
import type { PackageNode } from "../project/graph.ts";
import { groupOf } from "../project/remote_group.ts";
import { parseRequest } from "../project/specifier.ts";
import type { Finding } from "../report.ts";
import { Collector } from "./_collector.ts";

/** What the check needs beyond the context. */
export interface BansInput {
  /** Packages that code asks for without a declaration. */
  readonly undeclared: readonly UndeclaredDependency[];
}

/** Packages that are not wanted, more than once, at any version, or running scripts on install. */
export function checkBans(context: CheckContext, input: BansInput): Finding[] {
  const collector = new Collector(context, "bans");
  const { graph, policy } = context;
  for (const node of graph.packages) {
    checkDenied(context, collector, node);
    checkAllowed(context, collector, node);
  }
  for (const entry of policy.bans.deny) checkWrappersUsed(context, collector, entry);
  checkDuplicates(context, collector);
  checkWildcards(context, collector, input.undeclared);
  checkInstallScripts(context, collector);
  return collector.done();
}

function because(entry: { readonly reason?: string }): string {
  return entry.reason === undefined ? "" : `: ${printable(entry.reason)}`;
}

function checkDenied({ policy }: CheckContext, collector: Collector, node: PackageNode): void {
  for (const entry of policy.bans.deny) {
    if (!specMatches(entry.spec, node)) continue;
    const isWrapper = (parent: PackageNode) =>
      entry.wrappers.some((wrapper) =>
        specMatches(wrapper, parent) || wrapper.name === parent.label.replace(/^file:/, "")
      );
    const others = node.dependents.filter((parent) => !isWrapper(parent));
    if (entry.wrappers.length > 0 && others.length === 0) {
      collector.note("allowed-by-wrapper", {
        node,
        message: `${node.label} is banned, and used only by packages that may use it`,
        help: "Nothing to do: `wrappers` allows it.",
      });
      continue;
    }
    const through = entry.wrappers.length === 0
      ? ""
      : `; ${printable(others[0]?.label ?? "the project")} is none of its wrappers`;
    collector.add("deny", entry.wrappers.length === 0 ? "banned" : "unmatched-wrapper", {
      node,
      message: `${node.label} is banned${because(entry)}${through}`,
      help: entry.useInstead === undefined
        ? "Remove the dependency that brings it, or the entry in bans.deny."
        : `Use ${printable(entry.useInstead)} in its place.`,
    });
  }
}

function checkWrappersUsed(
  { graph, policy }: CheckContext,
  collector: Collector,
  entry: DenyEntry,
): void {
  for (const wrapper of entry.wrappers) {
    const used = graph.packages.some((node) =>
      specMatches(entry.spec, node) &&
      node.dependents.some((parent) =>
        specMatches(wrapper, parent) || wrapper.name === parent.label.replace(/^file:/, "")
      )
    );
    if (used) continue;
    collector.add(policy.bans.unusedSkip, "unused-wrapper", {
      message: `${wrapper.text} does not depend on ${entry.spec.text}`,
      location: policyLocation(policy, entry),
      help: "Remove the wrapper.",
    });
  }
}

function checkAllowed({ policy }: CheckContext, collector: Collector, node: PackageNode): void {
  const { allow, allowWorkspace } = policy.bans;
  if (allow.length === 0 || (allowWorkspace && node.kind === "link")) return;
  if (allow.some(({ spec }) => specMatches(spec, node))) return;
  collector.add("deny", "not-allowed", {
    node,
    message: `${node.label} is not in bans.allow`,
    help: "Remove the dependency that brings it, or add it to bans.allow.",
  });
}

function checkDuplicates(context: CheckContext, collector: Collector): void {
  const { graph, policy } = context;
  const { multipleVersions, multipleVersionsIncludeDev, skip, skipTree } = policy.bans;
  const skippedByTree = new Map<PackageNode, PackageSpec>();
  for (const { spec, depth } of skipTree) {
    const level = new Map(
      graph.packages.filter((node) => specMatches(spec, node)).map((n) => [n, 0]),
    );
    for (const [node, distance] of level) {
      skippedByTree.set(node, spec);
      if (distance === depth) continue;
      for (const next of node.dependencies) if (!level.has(next)) level.set(next, distance + 1);
    }
  }
  const byName = Map.groupBy(
    graph.packages.filter(({ dev, version }) => version && (multipleVersionsIncludeDev || !dev)),
    ({ kind, name }) => `${kind}:${name}`,
  );
  const usedSkips = new Set<SpecEntry>();
  for (const versions of byName.values()) {
    if (versions.length === 1) continue;
    const counted = versions.filter((node) => {
      const entry = skip.find(({ spec }) => specMatches(spec, node));
      if (entry) usedSkips.add(entry);
      return entry === undefined && !skippedByTree.has(node);
    });
    if (counted.length < 2) continue;
    counted.sort((a, b) => compareVersions(a.version, b.version));
    const [oldest] = counted;
    const alone = policy.bans.denyMultipleVersions?.some(({ spec }) => specMatches(spec, oldest!));
    collector.add(alone ? "deny" : multipleVersions, "duplicate", {
      node: oldest!,
      why: counted.flatMap((node) => context.why(node)),
      message: `${oldest!.name} is there in ${counted.length} versions: ` +
        counted.map(({ version }) => version).join(", "),
      help: `Update what asks for ${oldest!.version}, or add it to bans.skip.`,
    });
  }
  reportUnusedSkips(context, collector, byName, usedSkips);
}

function reportUnusedSkips(
  { graph, policy }: CheckContext,
  collector: Collector,
  byName: ReadonlyMap<string, readonly PackageNode[]>,
  used: ReadonlySet<SpecEntry>,
): void {
  const { skip, skipTree, unusedSkip } = policy.bans;
  const matches = (entry: SpecEntry) =>
    graph.packages.some((node) => specMatches(entry.spec, node));
  const report = (entry: SpecEntry, code: string, message: string) =>
    collector.add(unusedSkip, code, {
      message,
      location: policyLocation(policy, entry),
      help: "Remove the entry.",
    });
  for (const entry of skip) {
    if (used.has(entry)) continue;
    if (!matches(entry)) report(entry, "unmatched-skip", `${entry.spec.text} is not in the graph`);
    else if (
      ![...byName.values()].some((v) => v.length > 1 && v.some((n) => specMatches(entry.spec, n)))
    ) {
      report(entry, "unnecessary-skip", `${entry.spec.text} is there in one version only`);
    }
  }
  for (const entry of skipTree) {
    if (!matches(entry)) {
      report(entry, "unmatched-skip-root", `${entry.spec.text} is not in the graph`);
    }
  }
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [semver.parse(a, { loose: true }), semver.parse(b, { loose: true })];
  if (left && right) return left.compare(right);
  return a < b ? -1 : 1;
}

/** Ranges that any version satisfies, and tags, which whoever publishes can move. */
function isWildcard(range: string): boolean {
  const canonical = semver.validRange(range);
  return canonical === null ? true : canonical === "*" || canonical === ">=0.0.0-0";
}

function checkWildcards(
  { project, policy }: CheckContext,
  collector: Collector,
  undeclared: readonly UndeclaredDependency[],
): void {
  const level = policy.bans.wildcards;
  const help = "Ask for a version: a range such as ^1.2.3, or the exact one in an address.";
  for (const config of project.configs) {
    for (const { alias, specifier, location } of config.dependencies) {
      const problem = wildcardIn(specifier);
      if (problem === undefined) continue;
      collector.add(level, "wildcard", {
        message: `${printable(alias)}: ${printable(specifier)} ${problem}`,
        location,
        why: [[`file:${config.path}`, printable(specifier)]],
        help,
      });
    }
  }
  for (const { node, specifier } of undeclared) {
    const problem = parseRequest(specifier) && wildcardIn(specifier);
    if (problem !== undefined) {
      collector.add(level, "wildcard", {
        node,
        message: `code imports ${printable(specifier)}, which ${problem}`,
        help,
      });
    }
  }
}

function wildcardIn(specifier: string): string | undefined {
  const request = parseRequest(specifier);
  if (request !== undefined) {
    if (request.range === "") return "names no version";
    return isWildcard(request.range) ? "takes any version" : undefined;
  }
  const group = groupOf(specifier);
  return group !== undefined && !group.pinned ? "is not pinned to a version" : undefined;
}

function checkInstallScripts({ graph, policy, project }: CheckContext, collector: Collector): void {
  const allowed: PackageSpec[] = policy.bans.allowBuildScripts.map(({ spec }) => spec);
  for (const { value, kind } of project.configs) {
    if (kind !== "deno") continue;
    const field = value["allowScripts"];
    const list = typeof field === "object" && field !== null && !Array.isArray(field)
      ? (field as Readonly<Record<string, unknown>>)["allow"]
      : field;
    // `true` runs the scripts of every package, known or to come: that names none of them.
    for (const text of Array.isArray(list) ? list : []) {
      if (typeof text === "string") allowed.push(parsePackageSpec(text));
    }
  }
  for (const node of graph.packages) {
    if (!node.scripts || allowed.some((spec) => specMatches(spec, node))) continue;
    collector.add(policy.bans.installScripts, "install-script-not-allowed", {
      node,
      message: `${node.label} has install scripts, and allowScripts does not name it`,
      help: "Read the scripts; then name the package in allowScripts of deno.json, or in " +
        "bans.allow-build-scripts if it works without running them.",
    });
  }
}
