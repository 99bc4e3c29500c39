import { resolve } from "@std/path/resolve";

/** Reads a variable of the environment. */
export type ReadVariable = (name: string) => string | undefined;

/**
 * A variable of the environment, where reading it is permitted: asking for a permission in the middle
 * of an audit would stop it at a prompt.
 */
export function readVariable(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

/** The folder in which the platform keeps a user's caches; none when the environment names no such. */
export function cacheFolder(
  env: ReadVariable,
  os: typeof Deno.build.os = Deno.build.os,
): string | undefined {
  const below = (variable: string, folder = ""): string | undefined => {
    const base = env(variable);
    // A relative folder would lie wherever the command happens to be run.
    const isAbsolute = base !== undefined && /^(?:\/|[A-Za-z]:[\\/])/.test(base);
    return isAbsolute ? base.replace(/[/\\]+$/, "") + folder : undefined;
  };
  if (os === "windows") return below("LOCALAPPDATA");
  if (os === "darwin") return below("HOME", "/Library/Caches");
  return below("XDG_CACHE_HOME") ?? below("HOME", "/.cache");
}

/** Deno's cache folder, or `null` when it is unknown or may not be read. */
export function denoFolder(env: ReadVariable): string | null {
  const caches = cacheFolder(env);
  const folder = env("DENO_DIR") || (caches && `${caches}/deno`);
  if (!folder) return null;
  const path = resolve(folder);
  return Deno.permissions.querySync({ name: "read", path }).state === "granted" ? path : null;
}
