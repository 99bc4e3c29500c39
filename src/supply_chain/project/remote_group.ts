// @ts-types="@types/semver"
import semver from "semver";

/** A repository that a git host serves files of. */
export interface GitSource {
  /** Host of the repository, such as `github.com`. */
  readonly host: string;
  readonly owner: string;
  readonly repository: string;
}

/** What a remote module belongs to. */
export interface RemoteGroup {
  /** Host and path of the group without its version: `deno.land/x/oak`, `esm.sh/lodash`. */
  readonly name: string;
  /** Version, tag, branch or commit; empty where the address names none. */
  readonly version: string;
  /** The address names one content: an exact version, or a full commit. */
  readonly pinned: boolean;
  /** The npm package that the CDN serves, when the address names its exact version. */
  readonly npm?: { readonly name: string; readonly version: string };
  /** The repository that a git host or CDN serves. */
  readonly git?: GitSource;
}

/** `name@version` or `@scope/name@version` at the start of a path. */
const PACKAGE = /^((?:@[^/@?&]+\/)?[^/@?&*]+)(?:@([^/?&]+))?/;

/** `owner/repository@ref`, or without the reference. */
const REPOSITORY = /^([^/@]+)\/([^/@]+)(?:@([^/?]+))?/;

type Rule = (path: string, host: string) => RemoteGroup | undefined;

const npmCdn = (prefix: RegExp): Rule => (path, host) => npmGroup(host, path.replace(prefix, ""));

/** How each known host lays out its addresses; `path` comes without its first slash. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["deno.land", denoLand],
  ["cdn.deno.land", (path) => {
    const [, name, version] = path.match(/^([^/]+)\/versions\/([^/]+)\//) ?? [];
    return name === undefined ? undefined : versioned(`deno.land/x/${name}`, version);
  }],
  ["esm.sh", esmSh],
  ["cdn.esm.sh", esmSh],
  ["esm.run", npmCdn(/^/)],
  ["unpkg.com", npmCdn(/^browser\//)],
  ["cdn.skypack.dev", skypack],
  ["cdn.pika.dev", skypack],
  ["ga.jspm.io", npmCdn(/^npm:/)],
  ["jspm.dev", npmCdn(/^npm:/)],
  ["dev.jspm.io", npmCdn(/^npm:/)],
  ["cdn.jsdelivr.net", (path, host) => {
    if (path.startsWith("npm/")) return npmGroup(host, path.slice(4));
    return path.startsWith("gh/") ? gitAt("github.com", path.slice(3)) : undefined;
  }],
  ["cdn.statically.io", (path) => gitSegments("github.com", path, /^gh\//)],
  ["jsr.io", (path, host) => {
    const [, name, version] = path.match(/^(@[^/]+\/[^/]+)\/([^/]+)/) ?? [];
    return name === undefined ? undefined : versioned(`${host}/${name}`, version);
  }],
  ["raw.githubusercontent.com", (path) => gitSegments("github.com", path, /^/)],
  ["gist.githubusercontent.com", (path) => {
    const [, owner, id, ref] = path.match(/^([^/]+)\/([^/]+)\/raw\/(?:([0-9a-f]{40})\/)?/) ?? [];
    return id === undefined ? undefined : gitGroup("gist.github.com", owner!, id, ref ?? "");
  }],
  [
    "github.com",
    (path) => gitSegments("github.com", path, /\/(?:raw|blob|releases\/download)(?=\/)/),
  ],
  ["gitlab.com", (path) => gitSegments("gitlab.com", path, /\/-\/(?:raw|blob)(?=\/)/)],
  ["bitbucket.org", (path) => gitSegments("bitbucket.org", path, /\/raw(?=\/)/)],
  ["denopkg.com", (path) => gitAt("github.com", path)],
  ["deno.re", (path) => gitAt("github.com", path)],
  ["x.nest.land", (path, host) => {
    const [, name, version] = path.match(PACKAGE) ?? [];
    return name === undefined ? undefined : versioned(`${host}/${name}`, version);
  }],
]);

/**
 * What a remote module belongs to: a module of deno.land, the npm package behind a CDN, a
 * repository of a git host, else its host.
 *
 * @returns `undefined` for what is no `http:` or `https:` address.
 */
export function groupOf(address: string): RemoteGroup | undefined {
  if (!/^https?:/i.test(address) || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  // Rules read the path as it is requested; a hostile one is not decoded, only matched.
  const path = url.pathname.slice(1) + url.search;
  return RULES.get(url.host)?.(path, url.host) ?? { name: url.host, version: "", pinned: false };
}

function versioned(name: string, version: string | undefined): RemoteGroup {
  const exact = version !== undefined && semver.valid(version) !== null;
  return { name, version: version ?? "", pinned: exact };
}

function denoLand(path: string): RemoteGroup | undefined {
  const [, name, version] = path.match(/^(std|x\/[^/@]+)(?:@([^/]+))?(?:\/|$)/) ?? [];
  if (name === undefined) return undefined;
  // A published version of deno.land is immutable, whatever its author called it.
  return { name: `deno.land/${name}`, version: version ?? "", pinned: version !== undefined };
}

function npmGroup(host: string, path: string): RemoteGroup | undefined {
  const [, name, version] = path.match(PACKAGE) ?? [];
  if (name === undefined) return undefined;
  const exact = version === undefined ? null : semver.valid(version);
  return {
    name: `${host}/${name}`,
    version: version ?? "",
    pinned: exact !== null,
    ...(exact !== null && { npm: { name, version: exact } }),
  };
}

/** `/v135/lodash@4.17.21/es2022/lodash.mjs`, `/stable/`, `/*react@18`, `/gh/owner/repo@tag`, `/jsr/`. */
function esmSh(path: string): RemoteGroup | undefined {
  const rest = path.replace(/^(?:v\d+|stable)\//, "").replace(/^\*/, "");
  if (rest.startsWith("gh/")) return gitAt("github.com", rest.slice(3));
  if (rest.startsWith("jsr/")) {
    const [, name, version] = rest.slice(4).match(PACKAGE) ?? [];
    return name === undefined ? undefined : versioned(`jsr.io/${name}`, version);
  }
  return npmGroup("esm.sh", rest);
}

/** `/-/@vue/shared@v3.2.20-rSn1pIAa384CFTReCVDw/dist=…`, `/pin/…` likewise, `/react@17.0.1`. */
function skypack(path: string): RemoteGroup | undefined {
  const [, name, version] = path.match(
    /^(?:-|pin)\/((?:@[^/@]+\/)?[^/@]+)@v([^/]+)-[A-Za-z0-9_]{20}\//,
  ) ?? [];
  if (name === undefined) return npmGroup("cdn.skypack.dev", path);
  return npmGroup("cdn.skypack.dev", `${name}@${version}`);
}

/** `owner/repository@ref/…` */
function gitAt(host: string, path: string): RemoteGroup | undefined {
  const [, owner, repository, ref] = path.match(REPOSITORY) ?? [];
  return repository === undefined ? undefined : gitGroup(host, owner!, repository, ref ?? "");
}

/** `owner/repository/ref/…`, with a part of the path that is not the repository's taken out. */
function gitSegments(host: string, path: string, noise: RegExp): RemoteGroup | undefined {
  const [owner, repository, ref] = path.replace(/\?.*$/, "").replace(noise, "").split("/");
  return repository ? gitGroup(host, owner!, repository, ref ?? "") : undefined;
}

/** Whether a git reference is a full commit hash, the only one that cannot be moved. */
export function isCommit(ref: string): boolean {
  return /^[0-9a-f]{40}$/.test(ref);
}

function gitGroup(host: string, owner: string, repository: string, ref: string): RemoteGroup {
  return {
    name: `${host}/${owner}/${repository}`,
    version: ref,
    // A branch names no version. A tag can be moved too, but it is what a release is called; where
    // that is not enough, the policy asks for commits.
    pinned: isCommit(ref) || semver.valid(ref) !== null,
    git: { host, owner, repository },
  };
}
