import { PackageURL } from "packageurl-js";
import { webUrl } from "./_web_url.ts";

/** What a package URL is made from. */
export interface PurlSource {
  /** Where the package comes from; a file of the project has no package URL. */
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  /** Where its modules are, for a group of remote modules. */
  readonly url?: string;
  /** The npm package that a CDN serves. */
  readonly npm?: { readonly name: string; readonly version: string };
}

/**
 * The package URL of a package, or `undefined` where its name cannot be that of a package.
 *
 * - npm: `pkg:npm/%40scope/name@1.0.0`.
 * - JSR: `pkg:jsr/%40std/path@1.1.3`. The type is proposed, not yet registered; it is the one that
 *   JSR itself signs into the provenance of what it publishes, and a scanner that does not know it
 *   cannot take the package for an npm one.
 * - Remote modules: `pkg:generic/deno.land/std@0.224.0?download_url=…`. Where the address is another
 *   way to a package or repository that has a type of its own, that one: `pkg:npm/…` behind a CDN,
 *   `pkg:github/owner/repository@ref`. The address stays, as `download_url`.
 * - Links: `pkg:generic/name`.
 */
export function packageUrl(source: PurlSource): string | undefined {
  const { ecosystem } = source;
  const url = webUrl(source.url ?? "");
  const download = url === undefined ? undefined : { download_url: url };
  switch (ecosystem) {
    case "npm":
    case "jsr":
      return build(ecosystem, source);
    case "https":
      return source.npm === undefined
        ? remote(source, download)
        : build("npm", source.npm, download);
    case "link":
      return build("generic", source);
    default:
      return undefined;
  }
}

/** Hosts with a package URL type, by the first part of the name of a group of remote modules. */
const HOSTS: ReadonlyMap<string, string> = new Map([
  ["github.com", "github"],
  ["gitlab.com", "gitlab"],
  ["bitbucket.org", "bitbucket"],
  ["jsr.io", "jsr"],
]);

function remote(
  source: PurlSource,
  qualifiers: Record<string, string> | undefined,
): string | undefined {
  const [, host, path] = source.name.match(/^([^/]+)\/([^/]+\/[^/]+)$/) ?? [];
  const type = host === undefined ? undefined : HOSTS.get(host);
  return type === undefined
    ? build("generic", source, qualifiers)
    : build(type, { name: path!, version: source.version }, qualifiers);
}

function build(
  type: string,
  { name, version }: { readonly name: string; readonly version: string },
  qualifiers?: Record<string, string>,
): string | undefined {
  // Lone surrogates cannot be percent-encoded, `../` must not reach whoever resolves the URL, and
  // spaces around a name are no other way to write the package without them.
  const parts = name.toWellFormed().split("/");
  if (parts.some((part) => part === "" || /^\.{1,2}$|^\s|\s$/.test(part))) return undefined;
  const last = parts.pop()!;
  const namespace = parts.length === 0 ? undefined : parts.join("/");
  const purl = new PackageURL(
    type,
    namespace,
    last,
    version === "" ? undefined : version.toWellFormed(),
    qualifiers,
    undefined,
  );
  // The library writes them in lower case, and JSONStream and jsonstream are two packages of npm.
  if (type === "npm") Object.assign(purl, { namespace, name: last });
  return purl.toString();
}
