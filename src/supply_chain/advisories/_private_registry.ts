import { isPrivateScope } from "../_registry.ts";
import type { Npmrc } from "../project/project.ts";

/**
 * Whether the scope of an npm package is mapped to a registry of its own, so that its very name may
 * be confidential.
 *
 * A default registry that .npmrc sets is taken for a mirror of the public one. What a scope maps to is
 * private unless it is the public registry itself: that the default registry has the same address does
 * not make the names in the scope public.
 */
export function isPrivate(
  { ecosystem, name }: { readonly ecosystem: string; readonly name: string },
  npmrc: Npmrc,
): boolean {
  return ecosystem === "npm" && isPrivateScope(name, npmrc);
}
