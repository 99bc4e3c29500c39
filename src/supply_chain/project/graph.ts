import type { FindingLocation } from "../report.ts";
import type { ConfigFile, DeclaredDependency } from "./project.ts";

/** Where the modules of a node come from; `config` is a file of the project itself. */
export type NodeKind = "config" | "npm" | "jsr" | "https" | "link";

/**
 * One package at one version, however many entries of the lockfile stand for it.
 *
 * Variants that differ only in how their peer dependencies were resolved are one node: the same
 * bytes, so the same findings.
 */
export interface PackageNode {
  readonly kind: NodeKind;
  /** Unique name, as printed in a why-path: `file:deno.json`, `npm:lodash@4.17.23`. */
  readonly label: string;
  readonly name: string;
  /** Empty where there is none. */
  readonly version: string;
  /** Entries of the lockfile that this node stands for; files, for an `https` group. */
  readonly entries: number;
  /** The npm package whose code this is: an npm node, or a CDN group that serves one. */
  readonly npm?: { readonly name: string; readonly version: string };
  /** The npm package that a CDN group serves, when its address names no exact version. */
  readonly npmName?: string;
  /** Section and key of the first entry in the lockfile, for the location of a finding. */
  readonly lockKey?: readonly [section: "npm" | "jsr" | "remote", key: string];
  /** False when some entry carries no hash. */
  readonly hasIntegrity: boolean;
  /** The lockfile says that the publisher deprecated it. */
  readonly deprecated: boolean;
  /** The lockfile says that it has install scripts. */
  readonly scripts: boolean;
  /** Address of a tarball outside the default layout of its registry. */
  readonly tarball?: string;
  /** First file of an `https` group. */
  readonly url?: string;
  /** For other systems or processors than this one, so that it is not installed here. */
  readonly foreign?: boolean;
  readonly dependencies: readonly PackageNode[];
  readonly dependents: readonly PackageNode[];
  /** Reached only through development dependencies. */
  readonly dev: boolean;
}

/** Everything that the project is made of. */
export interface PackageGraph {
  /** Files of the project: where every why-path starts. */
  readonly roots: readonly PackageNode[];
  /** Packages, without the files of the project, ordered by kind, name and version. */
  readonly packages: readonly PackageNode[];
}

/**
 * One entry of the lockfile in the graph of paths.
 *
 * Variants of a package that differ in their peers depend on different packages; a path that mixed
 * them would be one that no installation has.
 */
export interface PathNode {
  readonly node: PackageNode;
  readonly dependencies: ReadonlySet<PathNode>;
  readonly dependents: ReadonlySet<PathNode>;
}

/** A dependency that the configuration declares and the lockfile does not have. */
export interface UnlockedDependency {
  readonly config: ConfigFile;
  readonly declared: DeclaredDependency;
}

/** A dependency that a package of the lockfile names and the lockfile does not have. */
export interface MissingDependency {
  readonly from: PackageNode;
  readonly to: string;
}

/** A package that code asks for, though no configuration declares it. */
export interface UndeclaredDependency {
  readonly node: PackageNode;
  /** The request, or the address of the first module. */
  readonly specifier: string;
}

/** The graph, and where lockfile and configuration disagree. */
export interface BuiltGraph extends PackageGraph {
  readonly unlocked: readonly UnlockedDependency[];
  readonly missing: readonly MissingDependency[];
  readonly undeclared: readonly UndeclaredDependency[];
  /** Requests that the lockfile records for a folder whose configuration no longer has them. */
  readonly stale: readonly { readonly member: string; readonly specifier: string }[];
  /** Where each direct dependency is declared. */
  readonly declaredAt: ReadonlyMap<PackageNode, FindingLocation>;
  /** Kind and name of each linked package, such as `npm:lodash`. */
  readonly linked: ReadonlySet<string>;
  /** Starts of the paths: the files of the project that declare something. */
  readonly pathRoots: readonly PathNode[];
  /** The lockfile, off which hangs what no configuration declares. */
  readonly lockRoot?: PathNode;
  /** The entries that a node stands for. */
  readonly pathNodes: ReadonlyMap<PackageNode, readonly PathNode[]>;
}

/** What is known of the project's own modules. */
export interface SourceFacts {
  /** Names in the import maps that only development uses. @default {none} */
  readonly developmentAliases?: ReadonlySet<string>;
  /** Packages that shipped modules import directly. @default {none} */
  readonly shippedSpecifiers?: readonly string[];
}
