import { join, resolve } from "@std/path";
import type { PackageNode } from "../project/graph.ts";
import type { Project } from "../project/project.ts";
import {
  CachedFiles,
  entriesOf,
  FolderFiles,
  type PackageFiles,
  readInside,
  realFolder,
} from "./_package_files.ts";
import { fieldOf, MANIFESTS, MAX_MANIFEST_BYTES, parseManifest } from "./_manifest.ts";

/** Options of {@linkcode PackageLocator}. */
export interface PackageLocatorOptions {
  /** Deno's cache folder, or `null` for none. */
  readonly denoDir: string | null;
  /** Folders with the layout of `vendor/`, besides the project's own. */
  readonly vendorFolders: readonly string[];
}

/** Names and versions come from a lockfile and become paths: what is not of this form is not looked for. */
const NPM_NAME = /^(?:@[\w~-][\w.~-]*\/)?[\w~-][\w.~-]*$/;
const JSR_NAME = /^@[a-z0-9-]+\/[a-z0-9-]+$/;
const VERSION = /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/;
const ADDRESS_SEGMENT = /^(?!\.{1,2}$)[\w.@~+-]+$/;

/** In so many places a package is looked for in npm's own layout, where each look is a walk. */
const MAX_NESTED_PLACES = 20;

/** Files of a package that may tell its licence, where a folder cannot be listed. */
const LIKELY_FILES: readonly string[] = [...MANIFESTS, "LICENSE", "LICENSE.md", "LICENSE.txt"];

/**
 * Finds where packages are installed: `node_modules`, Deno's cache and `vendor/`.
 *
 * Every folder is listed once, so that a package that is nowhere costs a look into a `Map`.
 */
export class PackageLocator {
  readonly #project: Project;
  readonly #nodeModules: readonly NodeModules[];
  readonly #npmCache: string | undefined;
  readonly #npmHosts: readonly string[];
  readonly #remoteCache: string | undefined;
  readonly #vendors: readonly string[];
  readonly #listings = new Map<string, ReadonlyMap<string, Deno.DirEntry>>();
  readonly #registries = new Map<string, readonly string[]>();
  #links: ReadonlyMap<string, string> | undefined;

  constructor(project: Project, options: PackageLocatorOptions) {
    this.#project = project;
    const { root, configs } = project;
    const members = new Set(["", ...configs.map(({ member }) => member)]);
    this.#nodeModules = [...members]
      .map((member) => realFolder(join(root, member, "node_modules")))
      .filter((folder) => folder !== undefined)
      .map((folder) => new NodeModules(folder));
    this.#vendors = [join(root, "vendor"), ...options.vendorFolders]
      .map((folder) => realFolder(folder)).filter((folder) => folder !== undefined);
    const { denoDir } = options;
    this.#npmCache = denoDir === null ? undefined : realFolder(join(denoDir, "npm"));
    this.#npmHosts = [...this.#npmCache === undefined ? [] : entriesOf(this.#npmCache).keys()]
      .map((host) => realFolder(join(this.#npmCache!, host), this.#npmCache))
      .filter((folder) => folder !== undefined);
    this.#remoteCache = denoDir === null ? undefined : realFolder(join(denoDir, "remote", "https"));
  }

  /** Where the package is installed, the place that is in use first. */
  placesOf(node: PackageNode): readonly PackageFiles[] {
    const { npm, name, version } = node;
    if (npm !== undefined) return this.#npm(npm.name, npm.version, node);
    if (node.kind === "npm") return this.#npm(name, version, node);
    if (node.kind === "jsr") return this.#jsr(name, version);
    if (node.kind === "link") return this.#link(name);
    if (node.kind !== "https") return [];
    return name.startsWith("jsr.io/")
      ? this.#jsr(name.slice("jsr.io/".length), version)
      : this.#remote(node);
  }

  #npm(name: string, version: string, node: PackageNode): readonly PackageFiles[] {
    if (!NPM_NAME.test(name) || !VERSION.test(version)) return [];
    const folders: (string | undefined)[] = [];
    for (const modules of this.#nodeModules) folders.push(modules.find(name, version, node));
    for (const cache of this.#cachesOf(name)) {
      const path = `${cacheName(name)}/${version}`;
      if (this.#has(cache, path)) folders.push(realFolder(join(cache, path), cache));
    }
    return filesOf(folders);
  }

  /** The cache of the registry that .npmrc names for the package, else that of any registry. */
  #cachesOf(name: string): readonly string[] {
    const { scopes, registry: standard } = this.#project.npmrc;
    const registry = scopes.get(name.split("/")[0]!) ?? standard;
    if (registry === undefined || this.#npmCache === undefined) return this.#npmHosts;
    let folder = this.#registries.get(registry);
    if (folder === undefined) {
      // The same name may be another package elsewhere.
      const found = cacheFolder(this.#npmCache, registry);
      this.#registries.set(registry, folder = found === undefined ? [] : [found]);
    }
    return folder;
  }

  #jsr(name: string, version: string): readonly PackageFiles[] {
    if (!JSR_NAME.test(name) || !VERSION.test(version)) return [];
    return this.#address("jsr.io", [...name.split("/"), version]);
  }

  /** The part of an address up to its version is the package's folder. */
  #remote({ url = "", version }: PackageNode): readonly PackageFiles[] {
    if (version === "" || !URL.canParse(url)) return [];
    const { host, pathname } = new URL(url);
    const segments = pathname.slice(1).split("/");
    const end = segments.findIndex((it) => it === version || it.endsWith(`@${version}`)) + 1;
    return end === 0 ? [] : this.#address(host, segments.slice(0, end));
  }

  #address(host: string, segments: readonly string[]): readonly PackageFiles[] {
    // A port is written with a colon, which no folder of Deno's has.
    if (![host, ...segments].every((segment) => ADDRESS_SEGMENT.test(segment))) return [];
    const path = segments.join("/");
    const folders = this.#vendors.map((vendor) =>
      this.#has(vendor, `${host}/${path}`)
        ? realFolder(join(vendor, host, path), vendor)
        : undefined
    );
    const cache = this.#remoteCache;
    if (cache === undefined || !this.#has(cache, host)) return filesOf(folders);
    const hostFolder = realFolder(join(cache, host), cache);
    if (hostFolder === undefined) return filesOf(folders);
    return [...filesOf(folders), new CachedFiles(hostFolder, `/${path}/`, LIKELY_FILES)];
  }

  /** A link is named by its package, or by its folder where the lockfile does not know it. */
  #link(name: string): readonly PackageFiles[] {
    this.#links ??= linkedFolders(this.#project);
    return filesOf([this.#links.get(name)]);
  }

  /** Whether a path exists, by the listings of the folders on it. */
  #has(folder: string, path: string): boolean {
    let at = folder;
    for (const segment of path.split("/")) {
      let listing = this.#listings.get(at);
      if (listing === undefined) this.#listings.set(at, listing = entriesOf(at));
      if (!listing.has(segment)) return false;
      at += `/${segment}`;
    }
    return true;
  }
}

/** One `node_modules` folder. */
class NodeModules {
  readonly #folder: string;
  /** Folders of `.deno` by `name@version`, of which copies for other peers are numbered. */
  readonly #store = new Map<string, string>();
  readonly #top: ReadonlyMap<string, Deno.DirEntry>;

  constructor(folder: string) {
    this.#folder = folder;
    this.#top = entriesOf(folder);
    for (const name of this.#top.has(".deno") ? entriesOf(join(folder, ".deno")).keys() : []) {
      this.#store.set(name.replace(/_\d+$/, ""), name);
    }
  }

  find(name: string, version: string, { dependents }: PackageNode): string | undefined {
    const stored = this.#store.get(`${cacheName(name).replaceAll("/", "+")}@${version}`);
    if (stored !== undefined) {
      return realFolder(join(this.#folder, ".deno", stored, "node_modules", name), this.#folder);
    }
    // npm's own layout: flat, with further versions inside the packages that need them.
    if (!this.#top.has(name.split("/")[0]!)) return undefined;
    const nested = dependents.filter(({ kind, name }) => kind === "npm" && NPM_NAME.test(name))
      .map((parent) => join(parent.name, "node_modules", name));
    for (const path of [name, ...new Set(nested)].slice(0, MAX_NESTED_PLACES)) {
      const folder = realFolder(join(this.#folder, path), this.#folder);
      if (folder !== undefined && readField(folder, "package.json", "version") === version) {
        return folder;
      }
    }
    return undefined;
  }
}

function filesOf(folders: readonly (string | undefined)[]): readonly PackageFiles[] {
  return folders.filter((folder) => folder !== undefined).map((folder) => new FolderFiles(folder));
}

/** A text field of a manifest in a folder. */
function readField(folder: string, manifest: string, field: string): string | undefined {
  const bytes = readInside(folder, manifest, MAX_MANIFEST_BYTES);
  const value = bytes && fieldOf(parseManifest(manifest, bytes), field);
  return typeof value === "string" ? value : undefined;
}

/** Folders that deno.json links, by the name of the package in them and by their own path. */
function linkedFolders({ root, configs }: Project): ReadonlyMap<string, string> {
  const folders = new Map<string, string>();
  const { value } = configs.find(({ member, kind }) => member === "" && kind === "deno") ?? {};
  const links = value?.["links"] ?? value?.["patch"];
  for (const path of Array.isArray(links) ? links : []) {
    const folder = typeof path === "string" ? realFolder(resolve(root, path)) : undefined;
    if (folder === undefined) continue;
    folders.set(path, folder);
    for (const manifest of MANIFESTS) {
      const name = readField(folder, manifest, "name");
      if (name !== undefined && !folders.has(name)) folders.set(name, folder);
    }
  }
  return folders;
}

/** The folder of Deno's npm cache for a registry: the port after an underscore, a path as folders. */
function cacheFolder(cache: string, registry: string): string | undefined {
  if (!URL.canParse(registry)) return undefined;
  const { hostname, port, pathname } = new URL(registry);
  const path = [hostname + (port && `_${port}`), ...pathname.split("/").filter((it) => it !== "")];
  const isSafe = path.every((segment) => ADDRESS_SEGMENT.test(segment));
  return isSafe ? realFolder(join(cache, ...path), cache) : undefined;
}

/**
 * How Deno names the folder of a package: in base32 when the name has capital letters, which some
 * file systems do not tell apart.
 */
function cacheName(name: string): string {
  return name === name.toLowerCase() ? name : `_${base32(new TextEncoder().encode(name))}`;
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(value >>> (bits - 5)) & 31];
    value &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32[(value << (5 - bits)) & 31];
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
