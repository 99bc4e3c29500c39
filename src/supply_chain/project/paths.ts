import type { PackageNode, PathNode } from "./graph.ts";

/** What paths are looked for in. */
export interface PathGraph {
  /** Starts of the paths: the files of the project that declare something. */
  readonly pathRoots: readonly PathNode[];
  /** The lockfile, off which hangs what no configuration declares. */
  readonly lockRoot?: PathNode;
  /** The entries that a node stands for. */
  readonly pathNodes: ReadonlyMap<PackageNode, readonly PathNode[]>;
}

/** A chain of ten thousand packages would otherwise be written ten thousand times. */
const MAX_LABELS = 100;

/** How many unfinished paths `all` looks at: circles can make dead ends without number. */
const MAX_STEPS = 500_000;

/** What {@linkcode PathFinder.all} has found. */
export interface AllPaths {
  /** Labels of each path. */
  readonly paths: readonly (readonly string[])[];
  /** Whether there are no others. */
  readonly complete: boolean;
}

/** A path from a package up, as a list that shares its tail with others. */
interface Partial {
  readonly at: PathNode;
  readonly below: Partial | undefined;
  readonly length: number;
}

/** How each entry is reached first. */
interface Reached {
  readonly parent: PathNode | undefined;
  readonly distance: number;
}

/** Answers questions about inclusion paths, each with one walk over the graph at most. */
export class PathFinder {
  readonly #graph: PathGraph;
  #reached: ReadonlyMap<PathNode, Reached> | undefined;
  readonly #without: Map<string, ReadonlyMap<PathNode, Reached>> = new Map();

  constructor(graph: PathGraph) {
    this.#graph = graph;
  }

  /**
   * Labels of the shortest path from a file of the project to the package; of a very long one, both
   * ends.
   */
  shortest(node: PackageNode): readonly string[] {
    const reached = this.#walk();
    let best: PathNode | undefined;
    for (const entry of this.#graph.pathNodes.get(node) ?? []) {
      const { distance } = reached.get(entry) ?? { distance: Infinity };
      if (distance < (best === undefined ? Infinity : reached.get(best)!.distance)) best = entry;
    }
    if (best === undefined) return [node.label];
    const { distance } = reached.get(best)!;
    const head = MAX_LABELS / 2;
    const path: string[] = [];
    let at: PathNode | undefined = best;
    for (let place = distance; at !== undefined; place--) {
      if (distance < MAX_LABELS || place < head || place > distance - head + 1) {
        path.push(at.node.label);
      } else if (place === head) {
        path.push(`… ${distance + 2 - MAX_LABELS} more …`);
      }
      at = reached.get(at)!.parent;
    }
    return path.reverse();
  }

  /**
   * Whether every path to the node goes through a package or file of the project.
   *
   * @param label A label such as `npm:a@1.0.0` or `file:m/deno.json`, the path of such a file, or a
   *   folder, which means every file of the project below it.
   */
  isOnlyThrough(node: PackageNode, label: string): boolean {
    let reached = this.#without.get(label);
    if (reached === undefined) {
      const path = label.replace(/^file:/, "").replace(/^\.\//, "").replace(/\/+$/, "");
      const isMeant = ({ kind, name, label: own }: PackageNode) =>
        own === label || (kind === "config" && (name === path || name.startsWith(`${path}/`)));
      reached = walk(this.#graph, isMeant);
      this.#without.set(label, reached);
    }
    const without = reached;
    return !this.#graph.pathNodes.get(node)?.some((entry) => without.has(entry));
  }

  /**
   * Every path without a circle, the shortest first, up to `limit`.
   *
   * A graph of n packages can have more paths than atoms to write them with; hence the limit. The
   * search goes up from the package, and takes first what is nearest to a file of the project all in
   * all, so that it never gets lost between them.
   */
  all(node: PackageNode, limit: number): AllPaths {
    const reached = this.#walk();
    // Unfinished paths by the length that they will have at least.
    const open: Partial[][] = [];
    let least = 0;
    let steps = 0;
    const add = (at: PathNode, below: Partial | undefined) => {
      const length = (below?.length ?? 0) + 1;
      const total = length + (reached.get(at)?.distance ?? Infinity);
      if (total === Infinity || steps++ >= MAX_STEPS) return;
      // Distances prefer declarations, so that one by way of the lockfile may turn out shorter.
      (open[Math.max(total, least)] ??= []).push({ at, below, length });
    };
    for (const entry of this.#graph.pathNodes.get(node) ?? []) add(entry, undefined);
    const paths = new Map<string, readonly string[]>();
    for (; least < open.length; least++) {
      // The latest first: it is nearest to its end, and what is finished need not be kept.
      for (let partial; (partial = open[least]?.pop()) !== undefined;) {
        if (reached.get(partial.at)!.distance === 0) {
          const labels: string[] = [];
          for (let at: Partial | undefined = partial; at !== undefined; at = at.below) {
            labels.push(at.at.node.label);
          }
          // Variants of one package may give the same labels twice.
          paths.set(labels.join("\0"), labels);
          if (paths.size === limit) return { paths: [...paths.values()], complete: false };
        }
        for (const parent of partial.at.dependents) {
          if (!isOn(partial, parent)) add(parent, partial);
        }
      }
    }
    return { paths: [...paths.values()], complete: steps < MAX_STEPS };
  }

  #walk(): ReadonlyMap<PathNode, Reached> {
    return this.#reached ??= walk(this.#graph, () => false);
  }
}

function isOn(path: Partial, entry: PathNode): boolean {
  for (let at: Partial | undefined = path; at !== undefined; at = at.below) {
    if (at.at.node === entry.node) return true;
  }
  return false;
}

/**
 * How each entry is reached. The lockfile is gone into last: a longer path from a declaration tells
 * more than that something in the code asks for a package.
 */
function walk(
  { pathRoots, lockRoot }: PathGraph,
  isLeftOut: (node: PackageNode) => boolean,
): ReadonlyMap<PathNode, Reached> {
  const reached = new Map<PathNode, Reached>();
  for (const starts of [pathRoots, lockRoot === undefined ? [] : [lockRoot]]) {
    const wave = new Map<PathNode, Reached>();
    for (const root of starts) {
      if (!isLeftOut(root.node)) wave.set(root, { parent: undefined, distance: 0 });
    }
    for (const [entry, how] of wave) {
      reached.set(entry, how);
      for (const next of entry.dependencies) {
        if (reached.has(next) || wave.has(next) || isLeftOut(next.node)) continue;
        wave.set(next, { parent: entry, distance: how.distance + 1 });
      }
    }
  }
  return reached;
}
