import type { PackageNode } from "./project/graph.ts";
import type { Npmrc } from "./project/project.ts";

/** The scope of an npm package as .npmrc maps it, such as `@acme`. */
function scopeOf(name: string): string | undefined {
  return /^@[^/]+(?=\/)/.exec(name)?.[0].toLowerCase();
}

/** Whether some .npmrc maps the scope of an npm package to a registry of its own. */
export function isPrivateScope(name: string, { privateScopes }: Npmrc): boolean {
  const scope = scopeOf(name);
  return scope !== undefined && privateScopes.has(scope);
}

/** Whether an address is that of npm's public registry. */
export function isPublicRegistry(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, host } = new URL(address);
  // `acme.npmjs.org` was the address of private registries, so that the whole host is compared.
  return protocol === "https:" && /^registry\.npmjs\.(?:org|com)$/.test(host);
}

/** An address without a user name and password, which must not be printed. */
export function withoutCredentials(address: string): string {
  return address.replace(/(?<=\/\/)[^/?#\\]*@/g, "");
}

/** One way to write the address of a registry, without what may be a secret in it. */
export function canonicalRegistry(address: string): string {
  if (!URL.canParse(address)) return withoutCredentials(address).replace(/\/+$/, "");
  const url = new URL(address);
  url.username =
    url.password =
    url.search =
    url.hash =
      "";
  return url.href.replace(/\/+$/, "");
}

/** Where npm clients get packages of JSR from, under the scope `@jsr`. */
export const JSR_FOR_NPM = "https://npm.jsr.io";

/** One way to name a registry: `npm` and `jsr` for the default ones, else an address. */
export function registryName(address: string): string {
  // Naming a default registry in .npmrc or in the policy changes nothing.
  if (isPublicRegistry(address)) return "npm";
  const canonical = canonicalRegistry(address);
  return canonical === "https://jsr.io" || canonical === JSR_FOR_NPM ? "jsr" : canonical;
}

/** The registry that serves a package: `npm` and `jsr` for the default ones, else an address. */
export function registryOf(
  { kind, name }: Pick<PackageNode, "kind" | "name">,
  npmrc: Npmrc,
): string {
  if (kind === "jsr") return "jsr";
  const scope = scopeOf(name);
  const mapped = scope === undefined ? undefined : npmrc.scopes.get(scope);
  // Deno asks JSR for this scope unless it is mapped, whatever the default registry is.
  const address = mapped ?? (scope === "@jsr" ? JSR_FOR_NPM : npmrc.registry);
  return address === undefined ? "npm" : registryName(address);
}
