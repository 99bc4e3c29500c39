import type { PackageGraph, PackageNode } from "./graph.ts";

/** Answers questions about inclusion paths, each with one walk over the graph at most. */
export class PathFinder {
  readonly #graph: PackageGraph;
  #parents: ReadonlyMap<PackageNode, PackageNode | undefined> | undefined;
  readonly #without: Map<string, ReadonlyMap<PackageNode, unknown>> = new Map();

  constructor(graph: PackageGraph) {
    this.#graph = graph;
  }

  /** Labels of the shortest path from a file of the project to the node. */
  shortest(node: PackageNode): readonly string[] {
    this.#parents ??= walk(this.#graph.roots);
    const path: string[] = [];
    for (let at: PackageNode | undefined = node; at !== undefined; at = this.#parents.get(at)) {
      path.unshift(at.label);
    }
    return path;
  }

  /** Whether every path to the node goes through the file or package with this label. */
  isOnlyThrough(node: PackageNode, label: string): boolean {
    let reached = this.#without.get(label);
    if (reached === undefined) {
      reached = walk(this.#graph.roots, label);
      this.#without.set(label, reached);
    }
    return !reached.has(node);
  }

  /**
   * Every path without a circle, the shortest first, up to `limit`.
   *
   * A graph of n packages can have more paths than atoms to write them with; hence the limit.
   */
  all(node: PackageNode, limit: number): readonly (readonly string[])[] {
    const paths: string[][] = [];
    const queue: (readonly PackageNode[])[] = [[node]];
    // Breadth first, from the package up; the queue is bounded together with what it can yield.
    for (let head = 0; head < queue.length && paths.length < limit; head++) {
      const path = queue[head]!;
      const top = path[0]!;
      if (top.kind === "config") paths.push(path.map(({ label }) => label));
      for (const parent of top.dependents) {
        if (queue.length < limit * 100 && !path.includes(parent)) queue.push([parent, ...path]);
      }
    }
    return paths;
  }
}

/** The node before each reached node on its shortest path, in the order of distance. */
function walk(
  roots: readonly PackageNode[],
  withoutLabel?: string,
): ReadonlyMap<PackageNode, PackageNode | undefined> {
  const parents = new Map<PackageNode, PackageNode | undefined>();
  for (const root of roots) if (root.label !== withoutLabel) parents.set(root, undefined);
  for (const node of parents.keys()) {
    for (const next of node.dependencies) {
      if (next.label !== withoutLabel && !parents.has(next)) parents.set(next, node);
    }
  }
  return parents;
}
