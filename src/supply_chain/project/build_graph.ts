// @ts-types="@types/semver"
import semver from "semver";
import type { FindingLocation } from "../report.ts";
import type { NodeKind, PackageGraph, PackageNode } from "./graph.ts";
import type { LockedNpm, Lockfile } from "./lockfile.ts";
import { parseNpmId } from "./npm_id.ts";
import type { ConfigFile, DeclaredDependency, Project } from "./project.ts";
import { groupOf, type RemoteGroup } from "./remote_group.ts";
import { type PackageRequest, parseRequest } from "./specifier.ts";

/** A node while the graph is being drawn. */
type Draft = Mutable<PackageNode>;
type Mutable<T> = {
  -readonly [Key in keyof T]: T[Key] extends readonly PackageNode[] ? PackageNode[] : T[Key];
};

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
}

/**
 * Joins configuration and lockfile into one graph, in which every package has an inclusion path.
 *
 * What no configuration declares hangs off the lockfile itself: code asked for it directly.
 *
 * @param developmentAliases Names in the import maps that only development uses.
 */
export function buildGraph(
  project: Project,
  lock: Lockfile | null,
  developmentAliases: ReadonlySet<string> = new Set(),
): BuiltGraph {
  return new GraphBuilder(project, lock, developmentAliases).build();
}

class GraphBuilder {
  readonly #project: Project;
  readonly #lock: Lockfile | null;
  readonly #developmentAliases: ReadonlySet<string>;
  readonly #nodes: Map<string, Draft> = new Map();
  readonly #edges: Map<Draft, Set<Draft>> = new Map();
  readonly #production: Map<Draft, Set<Draft>> = new Map();
  readonly #byNpmId: Map<string, Draft> = new Map();
  readonly #byJsrId: Map<string, Draft> = new Map();
  readonly #byLinkName: Map<string, Draft> = new Map();
  readonly #requests: RequestIndex;
  readonly #unlocked: UnlockedDependency[] = [];
  readonly #missing: MissingDependency[] = [];
  readonly #undeclared: UndeclaredDependency[] = [];
  readonly #stale: { member: string; specifier: string }[] = [];
  readonly #declaredAt: Map<PackageNode, FindingLocation> = new Map();

  constructor(
    project: Project,
    lock: Lockfile | null,
    developmentAliases: ReadonlySet<string>,
  ) {
    this.#project = project;
    this.#lock = lock;
    this.#developmentAliases = developmentAliases;
    this.#requests = new RequestIndex(lock?.specifiers ?? new Map());
  }

  build(): BuiltGraph {
    const roots = this.#project.configs.map((config) =>
      this.#node("config", `file:${config.path}`, config.path, "")
    );
    if (this.#lock !== null) this.#addPackages(this.#lock);
    this.#addLinks();
    this.#project.configs.forEach((config, index) => this.#connectConfig(config, roots[index]!));
    if (this.#lock !== null) {
      this.#connectPackages(this.#lock);
      this.#connectWorkspace(this.#lock, roots);
      const root = this.#node("config", `file:${this.#lock.path}`, this.#lock.path, "");
      roots.push(root);
      this.#connectUndeclared(this.#lock, roots, root);
    }
    this.#finish(roots);
    const order = (node: PackageNode) => KIND_ORDER.indexOf(node.kind);
    const packages = [...this.#nodes.values()].filter(({ kind }) => kind !== "config")
      .sort((a, b) => order(a) - order(b) || (a.label < b.label ? -1 : 1));
    return {
      roots: roots.filter(({ dependencies }) => dependencies.length > 0),
      packages,
      unlocked: this.#unlocked,
      missing: this.#missing,
      undeclared: this.#undeclared,
      stale: this.#stale,
      declaredAt: this.#declaredAt,
    };
  }

  #addPackages(lock: Lockfile): void {
    for (const entry of lock.npm.values()) {
      const { name, version } = entry;
      const extra = {
        npm: { name, version },
        lockKey: ["npm", entry.id] as const,
        ...(entry.tarball !== undefined && { tarball: entry.tarball }),
        ...(isForeign(entry) && { foreign: true }),
      };
      const node = this.#node("npm", `npm:${name}@${version}`, name, version, extra);
      node.entries++;
      node.hasIntegrity &&= entry.integrity !== undefined;
      node.deprecated ||= entry.deprecated;
      node.scripts ||= entry.scripts;
      this.#byNpmId.set(entry.id, node);
      // Some requests name an id without the peers that it was resolved with.
      if (!this.#byNpmId.has(`${name}@${version}`)) this.#byNpmId.set(`${name}@${version}`, node);
    }
    for (const { id, name, version, integrity } of lock.jsr.values()) {
      const node = this.#node("jsr", `jsr:${id}`, name, version, { lockKey: ["jsr", id] });
      node.entries++;
      node.hasIntegrity &&= integrity !== undefined;
      this.#byJsrId.set(id, node);
    }
    for (const [address, hash] of lock.remote) {
      // What is no address is a group of its own, so that nothing in the lockfile is lost.
      const group = groupOf(address) ?? { name: address, version: "", pinned: false };
      const node = this.#node("https", labelOf(group), group.name, group.version, {
        ...(group.npm && { npm: group.npm }),
        lockKey: ["remote", address],
        url: address,
      });
      node.entries++;
      node.hasIntegrity &&= hash !== "";
    }
  }

  #addLinks(): void {
    const keys = [...this.#lock?.workspace?.links.keys() ?? []];
    for (const { value, member } of this.#project.configs) {
      const links = member === "" ? value["links"] ?? value["patch"] : undefined;
      for (const path of Array.isArray(links) ? links : []) {
        if (typeof path === "string") keys.push(`link:${path}`);
      }
    }
    const named = keys.filter((key) => !key.startsWith("link:"));
    // Folders in deno.json are the same links that the lockfile names by package.
    for (const key of named.length > 0 ? named : keys) {
      const request = parseRequest(key);
      const name = request?.name ?? key.slice("link:".length);
      const label = `link:${name}${request?.range ? `@${request.range}` : ""}`;
      const node = this.#node("link", label, name, request?.range ?? "");
      node.entries = 1;
      this.#byLinkName.set(`${request?.kind ?? ""}:${name}`, node);
    }
  }

  #connectConfig(config: ConfigFile, from: Draft): void {
    for (const { alias, specifier, dev, location } of config.dependencies) {
      const isDevelopment = dev || this.#developmentAliases.has(alias);
      for (const target of this.#targetsOf(specifier)) {
        this.#connect(from, target, isDevelopment);
        if (!this.#declaredAt.has(target)) this.#declaredAt.set(target, location);
      }
    }
  }

  #connectPackages(lock: Lockfile): void {
    for (const entry of lock.npm.values()) {
      const from = this.#byNpmId.get(entry.id)!;
      for (const id of entry.dependencies) {
        const to = this.#npmById(id);
        if (to === undefined) this.#missing.push({ from, to: id });
        else this.#connect(from, to);
      }
    }
    for (const entry of lock.jsr.values()) {
      this.#connectRequests(this.#byJsrId.get(entry.id)!, entry.dependencies);
    }
    for (const [key, dependencies] of lock.workspace?.links ?? []) {
      const request = parseRequest(key);
      const from = this.#byLinkName.get(`${request?.kind ?? ""}:${request?.name ?? key}`);
      if (from !== undefined) this.#connectRequests(from, dependencies);
    }
  }

  #connectRequests(from: Draft, requests: readonly string[]): void {
    for (const request of requests) {
      const targets = this.#targetsOf(request);
      if (targets.length === 0) this.#missing.push({ from, to: request });
      for (const to of targets) this.#connect(from, to);
    }
  }

  /**
   * Compares what the lockfile records for each folder with its configuration, and draws what the
   * configuration does not say.
   */
  #connectWorkspace(lock: Lockfile, roots: readonly Draft[]): void {
    const { configs } = this.#project;
    const folders = new Map([...lock.workspace?.members ?? []]);
    folders.set("", lock.workspace?.root ?? { dependencies: [], packageJson: [] });
    for (const { member } of configs) {
      // A member without dependencies is left out of the lockfile.
      if (!folders.has(member)) folders.set(member, { dependencies: [], packageJson: [] });
    }
    for (const [member, locked] of folders) {
      for (const npm of [false, true]) {
        const own = configs.filter((config) =>
          config.member === member && (config.kind === "package-json") === npm
        );
        const requests = npm ? locked.packageJson : locked.dependencies;
        if (lock.workspace !== undefined) this.#compare(member, own, requests);
        const path = `${member === "" ? "" : `${member}/`}${npm ? "package.json" : "deno.json"}`;
        const from = roots[configs.indexOf(own[0]!)] ??
          this.#node("config", `file:${path}`, path, "");
        for (const target of requests.flatMap((request) => this.#targetsOf(request))) {
          const known = own.some((config) =>
            this.#edges.get(roots[configs.indexOf(config)]!)?.has(target)
          );
          if (!known) this.#connect(from, target);
        }
      }
    }
  }

  #compare(member: string, own: readonly ConfigFile[], requests: readonly string[]): void {
    // Without the file there is nothing to compare with: a lockfile may be audited alone.
    if (own.length === 0) return;
    const locked = new Set(requests.map((request) => this.#requests.canonical(request)));
    const declaredHere = new Set<string | undefined>();
    for (const config of own) {
      for (const declared of config.dependencies) {
        const request = this.#requests.canonical(declared.specifier);
        declaredHere.add(request);
        if (request !== undefined && !locked.has(request)) {
          this.#unlocked.push({ config, declared });
        }
      }
    }
    for (const specifier of requests) {
      if (!declaredHere.has(this.#requests.canonical(specifier))) {
        this.#stale.push({ member, specifier });
      }
    }
  }

  /** Hangs what is not reached yet off the lockfile: requests in code, then what nobody needs. */
  #connectUndeclared(lock: Lockfile, roots: Draft[], root: Draft): void {
    for (const node of this.#nodes.values()) {
      if (node.kind === "config" && !roots.includes(node)) roots.push(node);
    }
    const reached = this.#reach(roots, this.#edges);
    const add = (node: Draft, specifier: string) => {
      if (reached.has(node)) return;
      this.#connect(root, node);
      if (specifier !== OF_DENO_ITSELF) this.#undeclared.push({ node, specifier });
      for (const next of this.#reach([node], this.#edges)) reached.add(next);
    };
    for (const specifier of lock.specifiers.keys()) {
      for (const node of this.#targetsOf(specifier)) add(node, specifier);
    }
    const all = [...this.#nodes.values()].filter(({ kind }) => kind !== "config");
    const needed = new Set([...this.#edges.values()].flatMap((targets) => [...targets]));
    for (const node of all) if (!needed.has(node)) add(node, node.url ?? node.label);
    // What is left are circles that nothing leads into.
    for (const node of all) add(node, node.url ?? node.label);
  }

  #targetsOf(specifier: string): readonly Draft[] {
    const request = parseRequest(specifier);
    if (request !== undefined) {
      const link = this.#byLinkName.get(`${request.kind}:${request.name}`) ??
        this.#byLinkName.get(`:${request.name}`);
      if (link !== undefined) return [link];
      return this.#requests.resolve(request).map((id) =>
        request.kind === "npm" ? this.#npmById(id) : this.#byJsrId.get(id)
      ).filter((node) => node !== undefined);
    }
    const redirects = this.#lock?.redirects;
    let address = specifier;
    for (let hops = 0; hops < 10 && redirects?.has(address); hops++) {
      address = redirects.get(address)!;
    }
    return [...new Set([address, specifier])].flatMap((address) => {
      const group = groupOf(address);
      const node = group && this.#nodes.get(labelOf(group));
      return node === undefined ? [] : [node];
    });
  }

  #npmById(id: string): Draft | undefined {
    const node = this.#byNpmId.get(id);
    if (node !== undefined) return node;
    const parsed = parseNpmId(id);
    return parsed && this.#byNpmId.get(`${parsed.name}@${parsed.version}`);
  }

  #node(
    kind: NodeKind,
    label: string,
    name: string,
    version: string,
    extra: Pick<PackageNode, "npm" | "lockKey" | "tarball" | "url" | "foreign"> = {},
  ): Draft {
    let node = this.#nodes.get(label);
    if (node === undefined) {
      node = {
        ...extra,
        ...{ kind, label, name, version, entries: 0, hasIntegrity: true, deprecated: false },
        ...{ scripts: false, dependencies: [], dependents: [], dev: false },
      };
      this.#nodes.set(label, node);
    }
    return node;
  }

  #connect(from: Draft, to: Draft, dev = false): void {
    if (from === to) return;
    for (const edges of dev ? [this.#edges] : [this.#edges, this.#production]) {
      const targets = edges.get(from);
      if (targets) targets.add(to);
      else edges.set(from, new Set([to]));
    }
  }

  #reach(from: readonly Draft[], edges: ReadonlyMap<Draft, ReadonlySet<Draft>>): Set<Draft> {
    const reached = new Set(from);
    for (const node of reached) for (const next of edges.get(node) ?? []) reached.add(next);
    return reached;
  }

  #finish(roots: readonly Draft[]): void {
    const production = this.#reach(roots, this.#production);
    for (const [from, targets] of this.#edges) {
      for (const to of targets) {
        from.dependencies.push(to);
        to.dependents.push(from);
      }
    }
    for (const node of this.#nodes.values()) node.dev = !production.has(node);
  }
}

/** Deno asks for the types of Node's own modules, whatever the code does. */
const OF_DENO_ITSELF = "npm:@types/node@*";

const KIND_ORDER: readonly NodeKind[] = ["config", "npm", "jsr", "https", "link"];

/** Node's names of this system and processor, as the lockfile has them. */
const HERE = {
  os: Deno.build.os === "windows" ? "win32" : Deno.build.os,
  cpu: Deno.build.arch === "x86_64" ? "x64" : "arm64",
};

function isForeign({ os, cpu }: LockedNpm): boolean {
  const isFor = (list: readonly string[], here: string) =>
    list.length === 0 || list.includes(here) ||
    (list.every((name) => name.startsWith("!")) && !list.includes(`!${here}`));
  return !isFor(os, HERE.os) || !isFor(cpu, HERE.cpu);
}

function labelOf(group: RemoteGroup): string {
  return `https:${group.name}${group.version === "" ? "" : `@${group.version}`}`;
}

/** Finds what a request was resolved to, though the lockfile writes its range in another way. */
class RequestIndex {
  readonly #exact: ReadonlyMap<string, string>;
  readonly #byName: Map<string, { readonly range: string; readonly id: string }[]> = new Map();
  readonly #ranges: Map<string, string> = new Map();

  constructor(specifiers: ReadonlyMap<string, string>) {
    this.#exact = specifiers;
    for (const [specifier, id] of specifiers) {
      const request = parseRequest(specifier)!;
      const key = `${request.kind}:${request.name}`;
      const list = this.#byName.get(key);
      if (list) list.push({ range: request.range, id });
      else this.#byName.set(key, [{ range: request.range, id }]);
    }
  }

  resolve({ kind, name, range }: PackageRequest): readonly string[] {
    const key = `${kind}:${name}`;
    const exact = this.#exact.get(range === "" ? key : `${key}@${range}`);
    if (exact !== undefined) return [exact];
    const candidates = this.#byName.get(key) ?? [];
    // A list of dependencies leaves the range out when the name has one request. Where a damaged
    // lockfile has several, all of them are meant: too many paths are better than a lost package.
    const wanted = this.#range(range);
    const same = candidates.filter((candidate) => this.#range(candidate.range) === wanted);
    return (same.length > 0 || range !== "" ? same : candidates).map(({ id }) => id);
  }

  /** One way to write a request; `undefined` for what is no package of npm or JSR. */
  canonical(specifier: string): string | undefined {
    const request = parseRequest(specifier);
    return request && `${request.kind}:${request.name}@${this.#range(request.range)}`;
  }

  /** One way to write a range: Deno writes `^5.0.0` as `5` and `^0.8.3` as `~0.8.3`. */
  #range(range: string): string {
    if (range === "") return "*";
    let canonical = this.#ranges.get(range);
    if (canonical === undefined) {
      canonical = semver.validRange(range) ?? range;
      this.#ranges.set(range, canonical);
    }
    return canonical;
  }
}
