// @ts-types="@types/semver"
import semver from "semver";
import { type CheckContext, policyLocation } from "../_check.ts";
import {
  isPublicRegistry,
  JSR_FOR_NPM,
  registryName,
  registryOf,
  withoutCredentials,
} from "../_registry.ts";
import { printable } from "../_text.ts";
import type { LintLevel, PositionedText } from "../policy/policy.ts";
import type { UndeclaredDependency } from "../project/graph.ts";
import type { PackageNode } from "../project/graph.ts";
import { type GitSource, groupOf, isCommit } from "../project/remote_group.ts";
import type { SourceImport } from "../project/source_imports.ts";
import { parseRequest } from "../project/specifier.ts";
import type { Finding, FindingLocation, FindingPackage } from "../report.ts";
import { Collector } from "./_collector.ts";

/** What the check needs beyond the context. */
export interface SourcesInput {
  /** Packages that code asks for without a declaration, as the lockfile tells. */
  readonly undeclared: readonly UndeclaredDependency[];
  /** Imports of the project's own modules, where they were read. */
  readonly imports: readonly SourceImport[];
}

/** Where packages come from: registries, scopes, hosts and repositories. */
export function checkSources(context: CheckContext, input: SourcesInput): Finding[] {
  const collector = new Collector(context, "sources");
  const allowed = new AllowedSources(context);
  for (const node of context.graph.packages) {
    if (node.kind === "npm" || node.kind === "jsr") {
      checkRegistry(context, collector, allowed, node);
      checkScope(context, collector, allowed, node);
      checkTarball(context, collector, node);
    }
    if (node.kind === "https") checkRemote(context, collector, allowed, node);
  }
  checkDeclaredGit(context, collector, allowed);
  checkUndeclared(context, collector, input);
  reportUnused(context, collector, allowed);
  return collector.done();
}

/** The allow lists, and which of their entries were met. */
class AllowedSources {
  readonly #context: CheckContext;
  readonly #used: Set<PositionedText> = new Set();

  constructor(context: CheckContext) {
    this.#context = context;
  }

  isUsed(entry: PositionedText): boolean {
    return this.#used.has(entry);
  }

  has(list: readonly PositionedText[], matches: (text: string) => boolean): boolean {
    const found = list.filter(({ text }) => matches(text));
    for (const entry of found) this.#used.add(entry);
    return found.length > 0;
  }

  /** Whether a repository is allowed by its address, a prefix of it, or its owner. */
  git({ host, owner, repository }: GitSource): boolean {
    const { allowGit, allowOrg, private: prefixes = [] } = this.#context.policy.sources;
    // The hosts compare names without regard to case.
    const address = `https://${host}/${owner}/${repository}`.toLowerCase();
    const plain = (text: string) => text.toLowerCase().replace(/(?:\.git|\/+)$/, "");
    const byAddress = this.has(allowGit, (text) => plain(text) === address);
    // To the end of a name: `https://github.com/acme` must not allow the owner `acme-evil`.
    const byPrefix = this.has(prefixes, (text) => `${address}/`.startsWith(`${plain(text)}/`));
    const orgs = host === "github.com" || host === "gist.github.com"
      ? allowOrg.github
      : host === "gitlab.com"
      ? allowOrg.gitlab
      : host === "bitbucket.org"
      ? allowOrg.bitbucket
      : [];
    const byOwner = this.has(orgs, (text) => text.toLowerCase() === owner.toLowerCase());
    return byAddress || byPrefix || byOwner;
  }
}

function checkRegistry(
  context: CheckContext,
  collector: Collector,
  allowed: AllowedSources,
  node: PackageNode,
): void {
  const { allowRegistry, unknownRegistry } = context.policy.sources;
  const registry = registryOf(node, context.project.npmrc);
  const isAllowed = allowRegistry.length === 0
    ? registry === "npm" || registry === "jsr"
    : allowed.has(allowRegistry, (text) => registryName(text) === registry);
  if (isAllowed) return;
  collector.add(unknownRegistry, "source-not-allowed", {
    node,
    message: `${node.label} comes from the registry ${printable(registry)}, which is not allowed`,
    help: "Add the registry to sources.allow-registry, or correct .npmrc.",
  });
}

function checkScope(
  context: CheckContext,
  collector: Collector,
  allowed: AllowedSources,
  node: PackageNode,
): void {
  const { allowScope, unknownRegistry } = context.policy.sources;
  if (allowScope.length === 0 || !node.name.startsWith("@")) return;
  const scope = node.name.split("/")[0]!;
  if (allowed.has(allowScope, (text) => text.replace(/^@?/, "@") === scope)) return;
  // A list of scopes that only warns would be none.
  const level: LintLevel = unknownRegistry === "allow" ? "warn" : unknownRegistry;
  collector.add(level, "scope-not-allowed", {
    node,
    message: `${node.label} is of the scope ${printable(scope)}, which is not allowed`,
    help: "Add the scope to sources.allow-scope, or remove the dependency that brings it.",
  });
}

function checkTarball(context: CheckContext, collector: Collector, node: PackageNode): void {
  if (node.tarball === undefined || isOwnTarball(node, context)) return;
  const address = printable(withoutCredentials(node.tarball));
  collector.add(context.policy.sources.tarball, "tarball-url", {
    node,
    message: `${node.label} is downloaded from ${address}, not from its place in its registry`,
    help: "Ask for a version of the registry; an address can serve anything tomorrow.",
  });
}

/**
 * Whether an archive is this version of this package on its registry: the right host can serve another
 * package, or an older version with a hole in it.
 */
function isOwnTarball({ name, version, tarball }: PackageNode, { project }: CheckContext): boolean {
  if (tarball === undefined || !URL.canParse(tarball)) return false;
  const url = new URL(tarball);
  const registry = registryOf({ kind: "npm", name }, project.npmrc);
  const isPublic = registry === "npm";
  const address = registry === "jsr" ? JSR_FOR_NPM : registry;
  const isOnRegistry = isPublic
    ? isPublicRegistry(tarball)
    : URL.canParse(address) && new URL(address).origin === url.origin;
  if (!isOnRegistry) return false;
  const path = url.pathname.replace(/%40/g, "@").replace(/%2f/gi, "/");
  const at = path.indexOf(`/${name}/`);
  // Other registries serve archives from another folder than their index, but not the public one.
  if (at < 0 || (isPublic && at > 0)) return false;
  const rest = path.slice(at + name.length + 2);
  const base = name.slice(name.indexOf("/") + 1);
  if (rest === `-/${base}-${version}.tgz`) return true;
  return !isPublic && (rest === `-/${name}-${version}.tgz` || rest === `${version}.tgz` ||
    rest.startsWith(`${version}/`));
}

function checkRemote(
  context: CheckContext,
  collector: Collector,
  allowed: AllowedSources,
  node: PackageNode,
): void {
  const { sources } = context.policy;
  const address = node.url!;
  const group = groupOf(address);
  const host = URL.canParse(address) ? new URL(address).host : "";
  if (!/^https:/i.test(address)) {
    collector.add("deny", "insecure-import", {
      node,
      message: `${node.label} is loaded without encryption`,
      help: "Import it by https.",
    });
  }
  if (group?.git !== undefined) {
    if (!allowed.git(group.git) && !allowed.has(sources.allowHost, (text) => text === host)) {
      collector.add(sources.unknownGit, "source-not-allowed", {
        node,
        message: `${node.label} comes from a repository that is not allowed`,
        help: "Add it to sources.allow-git, or its owner to sources.allow-org.",
      });
    }
    checkGitSpec(context, collector, group.version, { node, label: node.label });
  } else if (!allowed.has(sources.allowHost, (text) => text === host)) {
    collector.add(sources.unknownHost, "host-not-allowed", {
      node,
      message: `${node.label} comes from the host ${printable(host)}, which is not allowed`,
      help: "Add the host to sources.allow-host, or use the package from npm or JSR.",
    });
  }
  if (group?.pinned === false) {
    collector.add(sources.unpinned, "unpinned-import", {
      node,
      message: `${printable(withoutCredentials(address))} is not pinned to a version or commit`,
      help: "Put the exact version, or the full commit, into the address.",
    });
  }
}

function checkGitSpec(
  { policy }: CheckContext,
  collector: Collector,
  ref: string,
  { label, ...about }: {
    readonly label: string;
    readonly node?: PackageNode;
    readonly package?: FindingPackage | undefined;
    readonly location?: FindingLocation;
  },
): void {
  const required = policy.sources.requiredGitSpec ?? "any";
  const given = ref === "" ? "any" : isCommit(ref) ? "rev" : /^v?\d/.test(ref) ? "tag" : "branch";
  const order = ["any", "branch", "tag", "rev"];
  if (order.indexOf(given) >= order.indexOf(required)) return;
  collector.add("deny", "git-source-underspecified", {
    ...about,
    message: `${label} names ${given === "any" ? "no reference" : `a ${given}`}; ` +
      `the policy asks for a ${required}`,
    help: `Name a ${required} in the address.`,
  });
}

/** Dependencies of package.json that are git repositories or archives. */
function checkDeclaredGit(
  context: CheckContext,
  collector: Collector,
  allowed: AllowedSources,
): void {
  for (const config of context.project.configs) {
    if (config.kind !== "package-json") continue;
    for (const { alias, specifier, location } of config.dependencies) {
      if (/^(?:npm|jsr):/.test(specifier)) continue;
      const git = parseGit(specifier);
      const of = packageNamed(specifier);
      const about = { location, ...(of && { package: of }) };
      if (git !== undefined && allowed.git(git.source)) {
        checkGitSpec(context, collector, git.ref, { label: printable(alias), ...about });
        continue;
      }
      const address = printable(withoutCredentials(specifier));
      collector.add(context.policy.sources.unknownGit, "source-not-allowed", {
        ...about,
        message: `${printable(alias)} comes from ${address}, which is not allowed`,
        why: [[`file:${config.path}`, address]],
        help: "Use a version of a registry, or add the repository to sources.allow-git.",
      });
    }
  }
}

/** The package that a specifier names; its version is empty where it names no exact one. */
function packageNamed(specifier: string): FindingPackage | undefined {
  const request = parseRequest(specifier);
  if (request !== undefined) {
    const { kind, name, range } = request;
    return { ecosystem: kind, name, version: semver.valid(range) ?? "" };
  }
  const isModule = /^https?:/i.test(specifier) && !/\.git(?:#|$)/.test(specifier);
  const git = isModule ? undefined : parseGit(specifier);
  if (git !== undefined) {
    const { host, owner, repository } = git.source;
    return { ecosystem: "https", name: `${host}/${owner}/${repository}`, version: git.ref };
  }
  const group = groupOf(specifier);
  return group && { ecosystem: "https", name: group.name, version: group.version };
}

function parseGit(specifier: string): { source: GitSource; ref: string } | undefined {
  const short = specifier.match(/^(github|gitlab|bitbucket):([^/#]+)\/([^/#]+)(?:#(.*))?$/);
  if (short !== null) {
    const host = short[1] === "bitbucket" ? "bitbucket.org" : `${short[1]}.com`;
    const repository = short[3]!.replace(/\.git$/, "");
    return { source: { host, owner: short[2]!, repository }, ref: short[4] ?? "" };
  }
  const long = specifier.match(
    /^(?:git\+)?(?:https|ssh|git):\/\/(?:[^@/]+@)?([^/]+)\/([^/]+)\/([^/#]+?)(?:\.git)?(?:#(.*))?$/,
  );
  if (long === null) return undefined;
  return {
    source: { host: long[1]!, owner: long[2]!, repository: long[3]! },
    ref: long[4] ?? "",
  };
}

function checkUndeclared(
  { policy }: CheckContext,
  collector: Collector,
  { undeclared, imports }: SourcesInput,
): void {
  const help = "Declare it in the imports of deno.json, where updates and reviews look.";
  for (const { specifier, location } of imports) {
    if (!/^(?:npm|jsr|https?):/i.test(specifier)) continue;
    const address = printable(withoutCredentials(specifier));
    const of = packageNamed(specifier);
    collector.add(policy.sources.undeclared, "undeclared-import", {
      ...(of && { package: of }),
      message: `code imports ${address} directly`,
      location,
      why: [[`file:${location.file}`, address]],
      help,
    });
  }
  // Without the sources, the lockfile still tells what no configuration asks for.
  for (const { node, specifier } of imports.length > 0 ? [] : undeclared) {
    // Which remote modules import each other is not recorded, so they prove nothing.
    if (node.kind === "https") continue;
    collector.add(policy.sources.undeclared, "undeclared-import", {
      node,
      message: `the lockfile has ${printable(specifier)}, which no configuration declares`,
      help,
    });
  }
}

function reportUnused(
  { policy }: CheckContext,
  collector: Collector,
  allowed: AllowedSources,
): void {
  const { sources } = policy;
  const report = (
    level: LintLevel,
    code: string,
    lists: readonly (readonly PositionedText[])[],
  ) => {
    for (const entry of lists.flat()) {
      if (allowed.isUsed(entry) || entry.text === "none") continue;
      collector.add(level, code, {
        message: `${printable(entry.text)} is allowed, and nothing comes from there`,
        location: policyLocation(policy, entry),
        help: "Remove the entry.",
      });
    }
  };
  const { allowRegistry, allowScope, allowHost, allowGit, allowOrg } = sources;
  report(sources.unusedAllowedSource, "unmatched-source", [
    ...[allowRegistry, allowScope, allowHost, allowGit, sources.private ?? []],
  ]);
  report(sources.unusedAllowedOrg, "unmatched-organization", [
    ...[allowOrg.github, allowOrg.gitlab, allowOrg.bitbucket],
  ]);
}
