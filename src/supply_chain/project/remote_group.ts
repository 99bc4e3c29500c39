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
  /** The name of the npm package that the CDN serves, when the address names no exact version of it. */
  readonly npmName?: string;
  /** The repository that a git host or CDN serves. */
  readonly git?: GitSource;
}

/** How one host lays out its addresses; `path` is decoded and comes without its first slash. */
type Rule = (path: string, host: string) => RemoteGroup | undefined;

const npmCdn = (prefix: RegExp): Rule => (path, host) => npmGroup(host, path.replace(prefix, ""));

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["deno.land", denoLand],
  ["cdn.deno.land", (path) => {
    const [, name, version] = path.match(/^([^/]+)\/versions\/([^/]+)\//) ?? [];
    return name === undefined ? undefined : versioned(`deno.land/x/${name}`, version);
  }],
  ["esm.sh", esmSh],
  ["cdn.esm.sh", esmSh],
  ["raw.esm.sh", esmSh],
  ["esm.run", npmCdn(/^/)],
  ["unpkg.com", npmCdn(/^browser\//)],
  ["cdn.skypack.dev", skypack],
  ["cdn.pika.dev", skypack],
  ["ga.jspm.io", npmCdn(/^npm:/)],
  ["jspm.dev", npmCdn(/^npm:/)],
  ["dev.jspm.io", npmCdn(/^npm:/)],
  ["cdnjs.cloudflare.com", cdnjs],
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
    const { name, version } = packageAt(path) ?? {};
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
  // `esm.sh.` is the same host, `//lodash` the same path and `%6Codash` the same package: spelled so, a
  // module must not escape the advisories of its package.
  const host = url.host.replace(/\.(?=:|$)/, "");
  const path = url.pathname.split("/").filter((segment) => segment !== "").map(decode).join("/");
  const rule = RULES.get(host) ?? (/(?:^|\.)jsdelivr\.net$/.test(host) ? jsdelivr : elsewhere);
  return rule(path, host) ?? { name: host, version: "", pinned: false };
}

/** A segment decoded once. A slash in it, other than that of a scope, stays encoded: it is no folder. */
function decode(segment: string): string {
  let text = segment;
  try {
    text = decodeURIComponent(segment);
  } catch {
    // What is no encoding stands for itself.
  }
  return /^@[^/]+\/[^/]+$/.test(text) ? text : text.replaceAll("/", "%2F");
}

/** The exact version that a text is, without the `v` or `=` that registries allow before it. */
function exactVersion(text: string | undefined): string | undefined {
  return semver.valid(text?.replace(/^[v=\s]+/, "")) ?? undefined;
}

function versioned(name: string, version: string | undefined): RemoteGroup {
  return { name, version: version ?? "", pinned: exactVersion(version) !== undefined };
}

function denoLand(path: string): RemoteGroup | undefined {
  const [, name, version] = path.match(/^(std|x\/[^/@]+)(?:@([^/]+))?(?:\/|$)/) ?? [];
  if (name === undefined) return undefined;
  // A published version of deno.land is immutable, whatever its author called it.
  return { name: `deno.land/${name}`, version: version ?? "", pinned: version !== undefined };
}

/** `name@version` or `@scope/name@version` at the start of a path; options follow a `&`. */
function packageAt(path: string): { name: string; version?: string } | undefined {
  const [, name, version] = path.match(/^((?:@[^/@]+\/)?[^/@&]+)(?:@([^/&]+))?/) ?? [];
  return name === undefined ? undefined : { name, ...(version !== undefined && { version }) };
}

/** The form of an npm name, capitals of old ones included. */
function isNpmName(name: string): boolean {
  return name.length <= 214 && /^(?:@[\w~-][\w.~-]*\/)?[a-z\d~-][\w.~-]*$/i.test(name);
}

function npmGroup(host: string, path: string): RemoteGroup | undefined {
  const found = packageAt(path);
  return found && npmPackage(`${host}/${found.name}`, found.name, found.version);
}

/** A group that serves an npm package. What cannot be one, `react:lodash`, is not taken for checked. */
function npmPackage(name: string, npmName: string, version: string | undefined): RemoteGroup {
  const exact = exactVersion(version);
  return {
    name,
    version: exact ?? version ?? "",
    pinned: exact !== undefined,
    ...(isNpmName(npmName) &&
      (exact === undefined ? { npmName } : { npm: { name: npmName, version: exact } })),
  };
}

/** `/v135/lodash@4.17.21/es2022/lodash.mjs`, `/stable/`, `/*react@18`, `/gh/owner/repo@tag`, `/jsr/`. */
function esmSh(path: string, host: string): RemoteGroup | undefined {
  const rest = path.replace(/^(?:v\d+|stable)\//, "").replace(/^\*/, "");
  if (rest.startsWith("gh/")) return gitAt("github.com", rest.slice(3));
  if (rest.startsWith("jsr/")) {
    const { name, version } = packageAt(rest.slice(4)) ?? {};
    return name === undefined ? undefined : versioned(`jsr.io/${name}`, version);
  }
  if (/^pr\//.test(rest)) {
    // What a pull request built is not what the registry has, whatever version it names.
    const { name, version = "" } = packageAt(rest.slice(3)) ?? {};
    if (name === undefined) return undefined;
    const npmName = isNpmName(name) && { npmName: name };
    return { name: `${host}/pr/${name}`, version, pinned: isCommit(version), ...npmName };
  }
  return npmGroup(host, rest);
}

/** `/npm/name@version`, `/gh/owner/repository@ref`, and `/combine/` of several, which is none of them. */
function jsdelivr(path: string, host: string): RemoteGroup | undefined {
  if (path.startsWith("npm/")) return npmGroup(host, path.slice(4));
  if (path.startsWith("gh/")) return gitAt("github.com", path.slice(3));
  if (!path.startsWith("combine/")) return undefined;
  return { name: `${host}/combine`, version: "", pinned: false };
}

/** `/-/@vue/shared@v3.2.20-rSn1pIAa384CFTReCVDw/dist=…`, `/pin/…` likewise, `/react@17.0.1`. */
function skypack(path: string, host: string): RemoteGroup | undefined {
  const built = path.replace(/^(?:-|pin)\//, "");
  if (built === path) return npmGroup(host, path);
  const { name, version } = packageAt(built) ?? {};
  if (name === undefined) return undefined;
  // The hash of the build follows the last hyphen, with no hyphen in it.
  const published = version?.replace(/^(v.+)-\w+$/, "$1");
  return npmPackage(`${host}/${name}`, name, published);
}

/** `/ajax/libs/lodash.js/4.17.21/lodash.min.js` */
function cdnjs(path: string, host: string): RemoteGroup | undefined {
  const [, name, version] = path.match(/^ajax\/libs\/([^/]+)\/([^/]+)\//) ?? [];
  if (name === undefined) return undefined;
  const known = CDNJS.get(name.toLowerCase()) ?? name;
  // Names there end in `.js` where those of npm may not; which it is, is not guessed.
  const isGuess = known === name && name.endsWith(".js");
  return isGuess
    ? versioned(`${host}/${name}`, version)
    : npmPackage(`${host}/${name}`, known, version);
}

/** Libraries of cdnjs that npm has by another name. */
const CDNJS: ReadonlyMap<string, string> = new Map([
  ...["angular", "backbone", "lodash", "moment", "mustache", "three", "underscore"]
    .map((name): [string, string] => [`${name}.js`, name]),
  ["twitter-bootstrap", "bootstrap"],
  ["jqueryui", "jquery-ui"],
  ["require.js", "requirejs"],
  ["pdf.js", "pdfjs-dist"],
  ["socket.io", "socket.io-client"],
]);

/** `/name@1.2.3/` or `/@scope/name@1.2.3/` anywhere in the path. */
function elsewhere(path: string, host: string): RemoteGroup | undefined {
  const segments = path.split("/");
  for (const [index, segment] of segments.entries()) {
    const at = segment.lastIndexOf("@");
    const version = segment.slice(at + 1);
    if (at < 1 || exactVersion(version) === undefined) continue;
    const scope = segments[index - 1]?.startsWith("@") ? `${segments[index - 1]}/` : "";
    return { name: `${host}/${scope}${segment.slice(0, at)}`, version, pinned: true };
  }
  return undefined;
}

/** `owner/repository@ref/…` */
function gitAt(host: string, path: string): RemoteGroup | undefined {
  const [, owner, repository, ref] = path.match(/^([^/@]+)\/([^/@]+)(?:@([^/]+))?/) ?? [];
  return repository === undefined ? undefined : gitGroup(host, owner!, repository, ref ?? "");
}

/** `owner/repository/ref/…`, with a part of the path that is not the repository's taken out. */
function gitSegments(host: string, path: string, noise: RegExp): RemoteGroup | undefined {
  const [owner, repository, ...rest] = path.replace(noise, "").split("/");
  // `refs/heads/main` and `refs/tags/v1` are the long forms of `main` and `v1`.
  const ref = rest[0] === "refs" ? rest[2] : rest[0];
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
