// @ts-types="@types/semver"
import semver from "semver";
import { findNodeAtLocation, parseTree } from "jsonc-parser";
import { SecurityError } from "../../errors.ts";
import { type CheckContext, policyLocation } from "../_check.ts";
import { LineIndex, printable } from "../_text.ts";
import {
  type MatchingOptions,
  parsePackageSpec,
  SpecIndex,
  specMatches,
} from "../policy/package_spec.ts";
import type { DenyEntry, PackageSpec, SpecEntry } from "../policy/policy.ts";
import type { UndeclaredDependency } from "../project/graph.ts";
import type { PackageNode } from "../project/graph.ts";
import type { ConfigFile } from "../project/project.ts";
import { groupOf } from "../project/remote_group.ts";
import { parseRequest } from "../project/specifier.ts";
import type { Finding, FindingPackage } from "../report.ts";
import { Collector } from "./_collector.ts";

/** What the check needs beyond the context. */
export interface BansInput {
  /** Packages that code asks for without a declaration. */
  readonly undeclared: readonly UndeclaredDependency[];
}

/** Packages that are not wanted, more than once, at any version, or running scripts on install. */
export function checkBans(context: CheckContext, input: BansInput): Finding[] {
  const collector = new Collector(context, "bans");
  checkDenied(context, collector);
  checkAllowed(context, collector);
  checkDuplicates(context, collector);
  checkWildcards(context, collector, input.undeclared);
  checkInstallScripts(context, collector);
  return collector.done();
}

function because(entry: { readonly reason?: string }): string {
  return entry.reason === undefined ? "" : `: ${printable(entry.reason)}`;
}

/** What each entry of a list is about, in one walk over the packages. */
function matchesOf<E extends SpecEntry>(
  entries: readonly E[],
  packages: readonly PackageNode[],
  options: MatchingOptions = {},
): ReadonlyMap<E, readonly PackageNode[]> {
  const found = new Map<E, PackageNode[]>(entries.map((entry) => [entry, []]));
  const index = new SpecIndex(entries);
  for (const node of entries.length === 0 ? [] : packages) {
    for (const entry of index.matching(node, options)) found.get(entry)!.push(node);
  }
  return found;
}

/** Reports the entries of a list that need not be there. */
function reportEntry(
  { policy }: CheckContext,
  collector: Collector,
  code: string,
  entry: SpecEntry,
  message: string,
): void {
  const help = "Remove the entry, or correct what it names.";
  const location = policyLocation(policy, entry);
  collector.add(policy.bans.unusedSkip, code, { message, location, help });
}

const LENIENT: MatchingOptions = { unknownVersions: true };

function checkDenied(context: CheckContext, collector: Collector): void {
  const { graph, policy } = context;
  // A version that cannot be compared with the entry's range must not slip through it.
  for (const [entry, nodes] of matchesOf(policy.bans.deny, graph.packages, LENIENT)) {
    for (const node of nodes) reportDenied(entry, node, collector);
    checkWrappersUsed(context, collector, entry, nodes);
  }
}

function isWrapper(wrapper: PackageSpec, parent: PackageNode): boolean {
  return specMatches(wrapper, parent) || wrapper.name === parent.label.replace(/^file:/, "");
}

function reportDenied(entry: DenyEntry, node: PackageNode, collector: Collector): void {
  const others = node.dependents.filter((parent) =>
    !entry.wrappers.some((wrapper) => isWrapper(wrapper, parent))
  );
  if (entry.wrappers.length > 0 && others.length === 0) {
    collector.note("allowed-by-wrapper", {
      node,
      message: `${node.label} is banned, and used only by packages that may use it`,
      help: "Nothing to do: `wrappers` allows it.",
    });
    return;
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

function checkWrappersUsed(
  { policy }: CheckContext,
  collector: Collector,
  entry: DenyEntry,
  nodes: readonly PackageNode[],
): void {
  for (const wrapper of entry.wrappers) {
    if (nodes.some((node) => node.dependents.some((it) => isWrapper(wrapper, it)))) continue;
    collector.add(policy.bans.unusedSkip, "unused-wrapper", {
      message: `${wrapper.text} does not depend on ${entry.spec.text}`,
      location: policyLocation(policy, entry),
      help: "Remove the wrapper.",
    });
  }
}

function checkAllowed(context: CheckContext, collector: Collector): void {
  const { graph, policy } = context;
  const { allow, allowWorkspace } = policy.bans;
  if (allow.length === 0) return;
  const allowed = new Set<PackageNode>();
  for (const [entry, nodes] of matchesOf(allow, graph.packages)) {
    for (const node of nodes) allowed.add(node);
    if (nodes.length > 0) continue;
    const message = `bans.allow lists ${entry.spec.text}, which is not in the graph`;
    reportEntry(context, collector, "unmatched-allow", entry, message);
  }
  for (const node of graph.packages) {
    if (allowed.has(node) || (allowWorkspace && node.kind === "link")) continue;
    collector.add("deny", "not-allowed", {
      node,
      message: `${node.label} is not in bans.allow`,
      help: "Remove the dependency that brings it, or add it to bans.allow.",
    });
  }
}

function checkDuplicates(context: CheckContext, collector: Collector): void {
  const { graph, policy } = context;
  const { multipleVersions, multipleVersionsIncludeDev, denyMultipleVersions = [] } = policy.bans;
  const skips = matchesOf(policy.bans.skip, graph.packages);
  const skipped = new Set([...skips.values()].flat());
  for (const node of skippedByTree(context, collector)) skipped.add(node);
  const onlyOnce = new SpecIndex(denyMultipleVersions);
  const byName = Map.groupBy(
    graph.packages.filter(({ dev, version }) => version && (multipleVersionsIncludeDev || !dev)),
    ({ kind, name }) => `${kind}:${name}`,
  );
  const several = new Set<PackageNode>();
  for (const versions of byName.values()) {
    if (versions.length === 1) continue;
    for (const node of versions) several.add(node);
    const counted = versions.filter((node) => !skipped.has(node));
    if (counted.length < 2) continue;
    counted.sort((a, b) => compareVersions(a.version, b.version));
    const oldest = counted[0]!;
    const alone = onlyOnce.matching(oldest).length > 0;
    collector.add(alone ? "deny" : multipleVersions, "duplicate", {
      node: oldest,
      why: counted.flatMap((node) => context.why(node)),
      message: `${oldest.name} is there in ${counted.length} versions: ` +
        counted.map(({ version }) => version).join(", "),
      help: `Update what asks for ${oldest.version}, or add it to bans.skip.`,
    });
  }
  for (const [entry, nodes] of skips) {
    const { text } = entry.spec;
    if (nodes.length === 0) {
      reportEntry(context, collector, "unmatched-skip", entry, `${text} is not in the graph`);
    } else if (!nodes.some((node) => several.has(node))) {
      const message = `${text} is there in one version only`;
      reportEntry(context, collector, "unnecessary-skip", entry, message);
    }
  }
}

/** What `bans.skip-tree` leaves out: its packages, and so many levels below them. */
function skippedByTree(context: CheckContext, collector: Collector): ReadonlySet<PackageNode> {
  const { graph, policy } = context;
  const trees = matchesOf(policy.bans.skipTree, graph.packages);
  const levelsLeft = new Map<PackageNode, number>();
  const queue: PackageNode[] = [];
  const reach = (node: PackageNode, levels: number) => {
    if (levels <= (levelsLeft.get(node) ?? -1)) return;
    levelsLeft.set(node, levels);
    queue.push(node);
  };
  // One walk for all entries, the deepest first, so that hardly a package is visited twice.
  for (const [{ depth }, nodes] of [...trees].sort(([a], [b]) => b.depth > a.depth ? 1 : -1)) {
    for (const node of nodes) reach(node, depth);
  }
  for (const node of queue) {
    const levels = levelsLeft.get(node)!;
    if (levels > 0) { for (const next of node.dependencies) reach(next, levels - 1); }
  }
  for (const [entry, nodes] of trees) {
    if (nodes.length > 0) continue;
    const message = `${entry.spec.text} is not in the graph`;
    reportEntry(context, collector, "unmatched-skip-root", entry, message);
  }
  return new Set(levelsLeft.keys());
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
  { graph, project, policy }: CheckContext,
  collector: Collector,
  undeclared: readonly UndeclaredDependency[],
): void {
  const level = policy.bans.wildcards;
  const help = "Ask for a version: a range such as ^1.2.3, or the exact one in an address.";
  const byName = Map.groupBy(graph.packages, ({ kind, name }) => `${kind}:${name}`);
  for (const config of project.configs) {
    for (const { alias, specifier, location } of config.dependencies) {
      const problem = wildcardIn(specifier);
      if (problem === undefined) continue;
      const about = packageIn(specifier);
      // Of several versions, nobody can tell from the request which one it took.
      const nodes = about && byName.get(`${about.ecosystem}:${about.name}`);
      collector.add(level, "wildcard", {
        ...(nodes?.length === 1 ? { node: nodes[0]! } : { package: about }),
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

/** The package that a specifier asks for, at a version that it does not say. */
function packageIn(specifier: string): FindingPackage | undefined {
  const request = parseRequest(specifier);
  if (request !== undefined) return { ecosystem: request.kind, name: request.name, version: "" };
  const group = groupOf(specifier);
  return group && { ecosystem: "https", name: group.name, version: "" };
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

function checkInstallScripts(context: CheckContext, collector: Collector): void {
  const { graph, policy, project } = context;
  const rules: ScriptRules = { allow: [], deny: [], all: false };
  for (const config of project.configs) {
    if (config.kind === "deno") readAllowScripts(config, rules, policy, collector);
  }
  for (const [entry, nodes] of matchesOf(policy.bans.allowBuildScripts, graph.packages)) {
    rules.allow.push(entry);
    if (nodes.length > 0) continue;
    const message = `bans.allow-build-scripts lists ${entry.spec.text}, which is not in the graph`;
    reportEntry(context, collector, "unmatched-allow", entry, message);
  }
  const allowed = new SpecIndex(rules.allow);
  const denied = new SpecIndex(rules.deny);
  for (const node of graph.packages) {
    if (!node.scripts || allowed.matching(node).length > 0) continue;
    // Deno runs no script of what `deny` names, whatever `allow` says.
    if (denied.matching(node).length > 0) continue;
    collector.add(policy.bans.installScripts, SCRIPT_CODE, {
      node,
      message: rules.all
        ? `${node.label} has install scripts, and allowScripts is true, which allows the scripts ` +
          "of every package"
        : `${node.label} has install scripts, and allowScripts does not name it`,
      help: "Read the scripts; then name the package in allowScripts of deno.json, or in " +
        "bans.allow-build-scripts if it works without running them.",
    });
  }
}

/** What `allowScripts` of deno.json says. */
interface ScriptRules {
  readonly allow: { readonly spec: PackageSpec }[];
  readonly deny: { readonly spec: PackageSpec }[];
  /** It runs the scripts of every package, known or to come: that names none of them. */
  all: boolean;
}

/**
 * Reads `true`, a list of packages, or `{ allow, deny }` with such lists. Deno asks for `npm:` before
 * a name; without it the name means the same here.
 */
function readAllowScripts(
  config: ConfigFile,
  rules: ScriptRules,
  { bans }: CheckContext["policy"],
  collector: Collector,
): void {
  const field = config.value["allowScripts"];
  const isTable = typeof field === "object" && field !== null && !Array.isArray(field);
  const table = isTable ? field as Readonly<Record<string, unknown>> : { allow: field };
  if (table["allow"] === true) rules.all = true;
  for (const key of ["allow", "deny"] as const) {
    const list = table[key];
    for (const [index, text] of (Array.isArray(list) ? list : []).entries()) {
      try {
        rules[key].push({ spec: parsePackageSpec(typeof text === "string" ? text : "") });
      } catch (error) {
        if (!(error instanceof SecurityError)) throw error;
        const path = ["allowScripts", ...(isTable ? [key] : []), index];
        // The level is about packages that run scripts; this one allows none of them.
        collector.add(bans.installScripts === "allow" ? "allow" : "warn", SCRIPT_CODE, {
          message: `allowScripts: ${error.message}`,
          location: placeIn(config, path),
          help: 'Write "npm:" and the name of a package, with a version or a range if you like.',
        });
      }
    }
  }
}

const SCRIPT_CODE = "install-script-not-allowed";

function placeIn({ path, text }: ConfigFile, keys: (string | number)[]): Finding["location"] {
  const tree = parseTree(text, [], { allowTrailingComma: true });
  const node = tree && findNodeAtLocation(tree, keys);
  return { file: path, ...new LineIndex(text).at(node?.offset ?? 0) };
}
