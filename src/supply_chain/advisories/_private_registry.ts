import { canonicalRegistry, isPublicRegistry, scopeRegistry } from "../_registry.ts";
import type { Npmrc } from "../project/project.ts";

/**
 * Whether the scope of an npm package is mapped to a registry of its own, so that its very name may
 * be confidential.
 *
 * A default registry that .npmrc sets is taken for a mirror of the public one; what a scope maps to is
 * private unless it is one of these two.
 */
export function isPrivate(
  { ecosystem, name }: { readonly ecosystem: string; readonly name: string },
  npmrc: Npmrc,
): boolean {
  const registry = ecosystem === "npm" ? scopeRegistry(name, npmrc) : undefined;
  if (registry === undefined || isPublicRegistry(registry)) return false;
  return npmrc.registry === undefined ||
    canonicalRegistry(registry) !== canonicalRegistry(npmrc.registry);
}
