import type { Npmrc } from "../project/project.ts";

/**
 * Whether the scope of an npm package is mapped to a registry of its own, so that its very name may
 * be confidential.
 *
 * Only what is the same as the default registry of the .npmrc counts as public: another address may
 * be the public registry too, but to be wrong about that would give names away.
 */
export function isPrivate(
  { ecosystem, name }: { readonly ecosystem: string; readonly name: string },
  npmrc: Npmrc,
): boolean {
  const scope = /^@[^/]+(?=\/)/.exec(name)?.[0].toLowerCase();
  if (ecosystem !== "npm" || scope === undefined) return false;
  for (const [mapped, registry] of npmrc.scopes) {
    if (mapped.toLowerCase() !== scope) continue;
    if (npmrc.registry === undefined || normal(registry) !== normal(npmrc.registry)) return true;
  }
  return false;
}

function normal(registry: string): string {
  const url = URL.canParse(registry) ? new URL(registry).href : registry;
  return url.replace(/\/+$/, "");
}
