import type { PackageNode } from "./project/graph.ts";
import type { Npmrc } from "./project/project.ts";

/** The registry that .npmrc maps the scope of an npm package to, if it maps it to any. */
export function scopeRegistry(name: string, { scopes }: Npmrc): string | undefined {
  const scope = /^@[^/]+(?=\/)/.exec(name)?.[0].toLowerCase();
  if (scope === undefined) return undefined;
  for (const [mapped, registry] of scopes) if (mapped.toLowerCase() === scope) return registry;
  return undefined;
}

/** Whether an address is that of npm's public registry; only its domain is compared. */
export function isPublicRegistry(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === "https:" && /(?:^|\.)npmjs\.(?:org|com)$/.test(hostname);
}

/** One way to write the address of a registry. */
export function canonicalRegistry(address: string): string {
  const url = URL.canParse(address) ? new URL(address).href : address;
  return url.replace(/\/+$/, "");
}

/** The registry that serves a package: `npm` and `jsr` for the default ones, else an address. */
export function registryOf({ kind, name }: PackageNode, npmrc: Npmrc): string {
  if (kind === "jsr") return "jsr";
  const address = scopeRegistry(name, npmrc) ?? npmrc.registry;
  // Naming the public registry in .npmrc changes nothing.
  return address === undefined || isPublicRegistry(address) ? "npm" : canonicalRegistry(address);
}
