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
