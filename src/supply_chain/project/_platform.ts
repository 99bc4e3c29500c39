import type { LockedNpm } from "./lockfile.ts";

/** Node's names of this system and processor, as the lockfile has them. */
const HERE = {
  os: Deno.build.os === "windows" ? "win32" : Deno.build.os,
  cpu: Deno.build.arch === "x86_64" ? "x64" : "arm64",
};

/** Whether a package is for other systems or processors than this one. */
export function isForeign({ os, cpu }: LockedNpm): boolean {
  const isFor = (list: readonly string[], here: string) =>
    list.length === 0 || list.includes(here) ||
    (list.every((name) => name.startsWith("!")) && !list.includes(`!${here}`));
  return !isFor(os, HERE.os) || !isFor(cpu, HERE.cpu);
}
