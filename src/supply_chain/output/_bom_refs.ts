import { printable } from "../_text.ts";
import type { PackageGraph, PackageNode } from "../project/graph.ts";
import type { FindingPackage } from "../report.ts";
import { packageUrl } from "./_purl.ts";

/** Files that make a folder a member of the workspace. */
const MEMBER_FILES: ReadonlySet<string> = new Set(["deno.json", "deno.jsonc", "package.json"]);

/** Unique names of everything in a bill of materials, and what depends on what by these names. */
export class BomRefs {
  /** The project itself. */
  readonly project: string;
  /** Members of the workspace, ordered by folder. */
  readonly members: readonly { readonly ref: string; readonly folder: string }[];

  readonly #graph: PackageGraph;
  readonly #byNode: Map<PackageNode, string> = new Map();
  readonly #byLabel: Map<string, string> = new Map();

  constructor(project: string, graph: PackageGraph) {
    this.#graph = graph;
    this.project = `project:${printable(project)}`;
    const taken = new Set([this.project]);
    this.members = memberFolders(graph).map((folder) => ({
      ref: unique(`member:${printable(folder)}`, taken),
      folder,
    }));
    for (const node of graph.roots) {
      const owner = this.members.findLast(({ folder }) => within(pathOf(node), folder));
      this.#byNode.set(node, owner?.ref ?? this.project);
    }
    for (const node of graph.packages) {
      // A CDN may serve a package in several ways, and hostile names may have no package URL.
      const purl = packageUrl({ ...node, ecosystem: node.kind });
      const ref = unique(purl ?? printable(node.label), taken);
      this.#byNode.set(node, ref);
      this.#byLabel.set(key(node.kind, node.name, node.version), ref);
    }
    for (const node of graph.packages) {
      // A finding about code that a CDN serves may name the npm package.
      if (node.npm === undefined) continue;
      const served = key("npm", node.npm.name, node.npm.version);
      if (!this.#byLabel.has(served)) this.#byLabel.set(served, this.of(node));
    }
  }

  /** The name of a node of the graph. */
  of(node: PackageNode): string {
    // Every node of the graph is either a root or a package.
    return this.#byNode.get(node)!;
  }

  /** The name of the package of a finding, if the graph has it. */
  find({ ecosystem, name, version }: FindingPackage): string | undefined {
    if (ecosystem === "workspace") return this.project;
    return this.#byLabel.get(key(ecosystem, name, version));
  }

  /** The dependency graph, with one entry for each name, in the order of the components. */
  dependencies(): readonly { readonly ref: string; readonly dependsOn: readonly string[] }[] {
    const edges = new Map<string, Set<string>>();
    edges.set(this.project, new Set(this.members.map(({ ref }) => ref)));
    for (const { ref } of this.members) edges.set(ref, new Set());
    for (const node of [...this.#graph.roots, ...this.#graph.packages]) {
      const from = this.of(node);
      let to = edges.get(from);
      if (to === undefined) edges.set(from, to = new Set());
      for (const dependency of node.dependencies) {
        const ref = this.#byNode.get(dependency);
        if (ref !== undefined && ref !== from) to.add(ref);
      }
    }
    return [...edges].map(([ref, to]) => ({ ref, dependsOn: [...to].sort() }));
  }
}

function key(kind: string, name: string, version: string): string {
  return JSON.stringify([kind, name, version]);
}

function unique(wanted: string, taken: Set<string>): string {
  let ref = wanted;
  for (let number = 2; taken.has(ref); number++) ref = `${wanted}#${number}`;
  taken.add(ref);
  return ref;
}

function pathOf(node: PackageNode): string {
  return node.label.replace(/^file:/, "");
}

function within(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** Folders below the project with a configuration of their own; a parent before what is in it. */
function memberFolders(graph: PackageGraph): readonly string[] {
  const folders = new Set<string>();
  for (const node of graph.roots) {
    const path = pathOf(node);
    const slash = path.lastIndexOf("/");
    if (slash > 0 && MEMBER_FILES.has(path.slice(slash + 1))) folders.add(path.slice(0, slash));
  }
  return [...folders].sort();
}
