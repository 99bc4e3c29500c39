import type { FindingLocation } from "../report.ts";
import type {
  BuiltGraph,
  MissingDependency,
  NodeKind,
  PackageNode,
  PathNode,
  SourceFacts,
  UndeclaredDependency,
  UnlockedDependency,
} from "./graph.ts";
import type { Lockfile } from "./lockfile.ts";
import { isForeign } from "./_platform.ts";
import { RequestIndex } from "./_request_index.ts";
import { parseNpmId } from "./npm_id.ts";
import type { ConfigFile, Project } from "./project.ts";
import { groupOf, type RemoteGroup } from "./remote_group.ts";
import { parseRequest } from "./specifier.ts";

/** A node while the graph is being drawn. */
type Draft = Mutable<PackageNode>;
type Mutable<T> = {
  -readonly [Key in keyof T]: T[Key] extends readonly PackageNode[] ? PackageNode[] : T[Key];
};

/** An entry of the lockfile, or a file of the project, while the graph is being drawn. */
interface Variant extends PathNode {
  readonly node: Draft;
  readonly dependencies: Set<Variant>;
  readonly dependents: Set<Variant>;
  /** Those of the dependencies that are not for development only. */
  readonly production: Set<Variant>;
}

/**
 * Joins configuration and lockfile into one graph, in which every package has an inclusion path.
 *
 * What no configuration declares hangs off the lockfile itself: code asked for it directly.
 *
 * @param sources What the project's own modules tell.
 */
export function buildGraph(
  project: Project,
  lock: Lockfile | null,
  sources: SourceFacts = {},
): BuiltGraph {
  return new GraphBuilder(project, lock, sources).build();
}

class GraphBuilder {
  readonly #project: Project;
  readonly #lock: Lockfile | null;
  readonly #sources: SourceFacts;
  readonly #variants: Map<string, Variant[]> = new Map();
  readonly #byNpmId: Map<string, Variant> = new Map();
  readonly #byJsrId: Map<string, Variant> = new Map();
  /** By kind and name, such as `npm:lodash`. */
  readonly #byLinkName: Map<string, Variant> = new Map();
  readonly #requests: RequestIndex;
  readonly #unlocked: UnlockedDependency[] = [];
  readonly #missing: MissingDependency[] = [];
  readonly #undeclared: UndeclaredDependency[] = [];
  readonly #stale: { member: string; specifier: string }[] = [];
  readonly #declaredAt: Map<PackageNode, FindingLocation> = new Map();

  constructor(project: Project, lock: Lockfile | null, sources: SourceFacts) {
    this.#project = project;
    this.#lock = lock;
    this.#sources = sources;
    this.#requests = new RequestIndex(lock?.specifiers ?? new Map());
  }

  build(): BuiltGraph {
    const roots = this.#project.configs.map(({ path }) => this.#file(path));
    if (this.#lock !== null) this.#addPackages(this.#lock);
    this.#addLinks();
    this.#project.configs.forEach((config, index) => this.#connectConfig(config, roots[index]!));
    let lockRoot: Variant | undefined;
    if (this.#lock !== null) {
      this.#connectPackages(this.#lock);
      this.#connectWorkspace(this.#lock, roots);
      for (const [variant] of this.#variants.values()) {
        if (variant!.node.kind === "config" && !roots.includes(variant!)) roots.push(variant!);
      }
      lockRoot = this.#file(this.#lock.path);
      this.#connectUndeclared(this.#lock, roots, lockRoot);
    }
    this.#finish(lockRoot === undefined ? roots : [...roots, lockRoot]);
    const nodes = [...this.#variants.values()].map(([variant]) => variant!.node);
    const order = (node: PackageNode) => KIND_ORDER.indexOf(node.kind);
    const pathRoots = roots.filter(({ dependencies }) => dependencies.size > 0);
    const allRoots = lockRoot?.dependencies.size ? [...pathRoots, lockRoot] : pathRoots;
    return {
      roots: allRoots.map(({ node }) => node),
      packages: nodes.filter(({ kind }) => kind !== "config")
        .sort((a, b) => order(a) - order(b) || (a.label < b.label ? -1 : 1)),
      unlocked: this.#unlocked,
      missing: this.#missing,
      undeclared: this.#undeclared,
      stale: this.#stale,
      declaredAt: this.#declaredAt,
      linked: new Set(this.#byLinkName.keys()),
      pathRoots,
      ...(lockRoot && { lockRoot }),
      pathNodes: new Map([...this.#variants.values()].map((list) => [list[0]!.node, list])),
    };
  }

  #addPackages(lock: Lockfile): void {
    for (const entry of lock.npm.values()) {
      const { id, name, version } = entry;
      const variant = this.#variant("npm", `npm:${name}@${version}`, name, version, {
        npm: { name, version },
        lockKey: ["npm", id],
      });
      const { node } = variant;
      node.entries++;
      node.hasIntegrity &&= entry.integrity !== undefined;
      node.deprecated ||= entry.deprecated;
      node.scripts ||= entry.scripts;
      if (entry.tarball !== undefined) node.tarball ??= entry.tarball;
      if (isForeign(entry)) node.foreign = true;
      this.#byNpmId.set(id, variant);
      // Some requests name an id without the peers that it was resolved with.
      if (!this.#byNpmId.has(`${name}@${version}`)) {
        this.#byNpmId.set(`${name}@${version}`, variant);
      }
    }
    for (const { id, name, version, integrity } of lock.jsr.values()) {
      const extra = { lockKey: ["jsr", id] } as const;
      const variant = this.#variant("jsr", `jsr:${name}@${version}`, name, version, extra);
      variant.node.entries++;
      variant.node.hasIntegrity &&= integrity !== undefined;
      this.#byJsrId.set(id, variant);
    }
    for (const [address, hash] of lock.remote) {
      const group = groupOf(address);
      // What is no address is a group of its own, in quotes so that it is taken for no other: nothing
      // in the lockfile is lost, and nothing hides behind the name of something else.
      const label = group === undefined ? `https:${JSON.stringify(address)}` : labelOf(group);
      const extra = {
        ...(group?.npm && { npm: group.npm }),
        ...(group?.npmName !== undefined && { npmName: group.npmName }),
        lockKey: ["remote", address],
        url: address,
      } as const;
      const { node } = this.#variants.get(label)?.[0] ??
        this.#variant("https", label, group?.name ?? address, group?.version ?? "", extra);
      // One module that comes unencrypted is what there is to say about the group.
      if (/^http:/i.test(address) && !/^http:/i.test(node.url!)) {
        node.url = address;
        node.lockKey = ["remote", address];
      }
      node.entries++;
      node.hasIntegrity &&= hash !== "";
    }
  }

  #addLinks(): void {
    const keys = [...this.#lock?.workspace?.links.keys() ?? []];
    for (const key of keys) {
      const { kind = "npm", name = key, range = "" } = parseRequest(key) ?? {};
      const label = `link:${name}${range === "" ? "" : `@${range}`}`;
      const variant = this.#variant("link", label, name, range);
      variant.node.entries = 1;
      this.#byLinkName.set(`${kind}:${name}`, variant);
    }
    // Folders in deno.json are the same links that the lockfile names by package.
    for (const { value, member } of keys.length > 0 ? [] : this.#project.configs) {
      const links = member === "" ? value["links"] ?? value["patch"] : undefined;
      for (const path of Array.isArray(links) ? links : []) {
        if (typeof path !== "string" || this.#variants.has(`link:${path}`)) continue;
        this.#variant("link", `link:${path}`, path, "").node.entries = 1;
      }
    }
  }

  #connectConfig(config: ConfigFile, from: Variant): void {
    for (const declared of config.dependencies) {
      const { alias, specifier, dev, location } = declared;
      const isDevelopment = dev || this.#sources.developmentAliases?.has(alias);
      const targets = this.#targetsOf(specifier);
      // A prefix stands for whatever the code appends to it; a module is locked or it is not.
      if (targets.length === 0 && this.#lock !== null && /^https?:.*[^/]$/i.test(specifier)) {
        this.#unlocked.push({ config, declared });
      }
      for (const target of targets) {
        connect(from, target, isDevelopment);
        if (!this.#declaredAt.has(target.node)) this.#declaredAt.set(target.node, location);
      }
    }
  }

  #connectPackages(lock: Lockfile): void {
    for (const entry of lock.npm.values()) {
      const from = this.#byNpmId.get(entry.id)!;
      for (const id of entry.dependencies) {
        const to = this.#npmById(id);
        if (to === undefined) this.#missing.push({ from: from.node, to: id });
        else connect(from, to);
      }
    }
    for (const entry of lock.jsr.values()) {
      this.#connectRequests(this.#byJsrId.get(entry.id)!, entry.dependencies);
    }
    for (const [key, dependencies] of lock.workspace?.links ?? []) {
      const request = parseRequest(key);
      const from = this.#byLinkName.get(`${request?.kind ?? "npm"}:${request?.name ?? key}`);
      if (from !== undefined) this.#connectRequests(from, dependencies);
    }
  }

  #connectRequests(from: Variant, requests: readonly string[]): void {
    for (const request of requests) {
      const targets = this.#targetsOf(request);
      if (targets.length === 0) this.#missing.push({ from: from.node, to: request });
      for (const to of targets) connect(from, to);
    }
  }

  /**
   * Compares what the lockfile records for each folder with its configuration, and draws what the
   * configuration does not say.
   */
  #connectWorkspace(lock: Lockfile, roots: readonly Variant[]): void {
    const { configs } = this.#project;
    // From version 4 on, a lockfile without the section says that the project asks for nothing.
    const recordsWorkspace = lock.workspace !== undefined || Number(lock.version) >= 4;
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
        if (recordsWorkspace) this.#compare(member, own, requests);
        const path = `${member === "" ? "" : `${member}/`}${npm ? "package.json" : "deno.json"}`;
        const from = roots[configs.indexOf(own[0]!)] ?? this.#file(path);
        for (const target of requests.flatMap((request) => this.#targetsOf(request))) {
          const known = own.some((config) =>
            roots[configs.indexOf(config)]!.dependencies.has(target)
          );
          if (!known) connect(from, target);
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
  #connectUndeclared(lock: Lockfile, roots: readonly Variant[], root: Variant): void {
    const reached = reach(roots, "dependencies");
    const add = (variant: Variant, specifier: string) => {
      if (reached.has(variant)) return;
      connect(root, variant);
      if (specifier !== OF_DENO_ITSELF) this.#undeclared.push({ node: variant.node, specifier });
      for (const next of reach([variant], "dependencies")) reached.add(next);
    };
    for (const [specifier, id] of lock.specifiers) {
      const targets = this.#targetsOf(specifier);
      // JSR packages are resolved before they are loaded, and some never are.
      if (targets.length === 0 && specifier.startsWith("npm:")) {
        this.#missing.push({ from: root.node, to: id });
      }
      for (const target of targets) add(target, specifier);
    }
    const all = [...this.#variants.values()].flat().filter(({ node }) => node.kind !== "config");
    for (const variant of all) {
      if (variant.dependents.size === 0) add(variant, variant.node.url ?? variant.node.label);
    }
    // What is left are circles that nothing leads into.
    for (const variant of all) add(variant, variant.node.url ?? variant.node.label);
    // A module that is shipped may ask for what only development declares.
    const production = reach(roots, "production");
    for (const specifier of this.#sources.shippedSpecifiers ?? []) {
      for (const target of this.#targetsOf(specifier)) {
        if (!production.has(target)) connect(root, target);
      }
    }
  }

  #targetsOf(specifier: string): readonly Variant[] {
    const request = parseRequest(specifier);
    if (request !== undefined) {
      const link = this.#byLinkName.get(`${request.kind}:${request.name}`);
      if (link !== undefined) return [link];
      return this.#requests.resolve(request).map((id) =>
        request.kind === "npm" ? this.#npmById(id) : this.#byJsrId.get(id)
      ).filter((variant) => variant !== undefined);
    }
    const redirects = this.#lock?.redirects;
    let address = specifier;
    for (let hops = 0; hops < 10 && redirects?.has(address); hops++) {
      address = redirects.get(address)!;
    }
    return [...new Set([address, specifier])].flatMap((address) => {
      const group = groupOf(address);
      return group === undefined ? [] : this.#variants.get(labelOf(group)) ?? [];
    });
  }

  #npmById(id: string): Variant | undefined {
    const variant = this.#byNpmId.get(id);
    if (variant !== undefined) return variant;
    const parsed = parseNpmId(id);
    return parsed && this.#byNpmId.get(`${parsed.name}@${parsed.version}`);
  }

  /** The one variant of a file of the project. */
  #file(path: string): Variant {
    return this.#variants.get(`file:${path}`)?.[0] ??
      this.#variant("config", `file:${path}`, path, "");
  }

  /** A further variant of the node with this label. */
  #variant(
    kind: NodeKind,
    label: string,
    name: string,
    version: string,
    extra: Pick<PackageNode, "npm" | "npmName" | "lockKey" | "url"> = {},
  ): Variant {
    let variants = this.#variants.get(label);
    if (variants === undefined) this.#variants.set(label, variants = []);
    const node = variants[0]?.node ?? {
      ...extra,
      ...{ kind, label, name, version, entries: 0, hasIntegrity: true, deprecated: false },
      ...{ scripts: false, dependencies: [], dependents: [], dev: false },
    };
    const variant: Variant = {
      node,
      dependencies: new Set(),
      dependents: new Set(),
      production: new Set(),
    };
    variants.push(variant);
    return variant;
  }

  /** Joins the edges of the variants of each node. */
  #finish(roots: readonly Variant[]): void {
    const production = reach(roots, "production");
    for (const variants of this.#variants.values()) {
      const { node } = variants[0]!;
      const targets = new Set(
        variants.flatMap(({ dependencies }) => [...dependencies])
          .map(({ node }) => node),
      );
      targets.delete(node);
      for (const target of targets) {
        node.dependencies.push(target);
        target.dependents.push(node);
      }
      node.dev = !variants.some((variant) => production.has(variant));
    }
  }
}

function connect(from: Variant, to: Variant, development = false): void {
  if (from === to) return;
  from.dependencies.add(to);
  to.dependents.add(from);
  if (!development) from.production.add(to);
}

function reach(from: readonly Variant[], edges: "dependencies" | "production"): Set<Variant> {
  const reached = new Set(from);
  for (const variant of reached) for (const next of variant[edges]) reached.add(next);
  return reached;
}

const KIND_ORDER: readonly NodeKind[] = ["config", "npm", "jsr", "https", "link"];

/** Deno asks for the types of Node's own modules, whatever the code does. */
const OF_DENO_ITSELF = "npm:@types/node@*";

function labelOf(group: RemoteGroup): string {
  return `https:${group.name}${group.version === "" ? "" : `@${group.version}`}`;
}
