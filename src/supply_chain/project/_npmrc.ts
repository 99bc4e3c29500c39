import { join } from "@std/path/join";
import { registryName } from "../_registry.ts";
import { readText } from "../_text.ts";
import { MAX_CONFIG_BYTES } from "./_config_file.ts";
import { foldersAbove } from "./_folders.ts";
import type { Npmrc } from "./project.ts";

/** Where .npmrc files are looked for. */
export interface NpmrcPlaces {
  /** The folder that the audit was asked for, in the project or its root. */
  readonly folder: string;
  readonly root: string;
  readonly home?: string;
}

/**
 * Registries from the .npmrc files of the user, of the project's root and of the folder; later ones win.
 *
 * A scope that any of them maps to a registry of its own is private, also when another maps it to the
 * public one, and also when a file of a folder above does it: the names in it must not be sent anywhere.
 * Credentials in these files are not kept: only `registry` and `@scope:registry` are read.
 */
export function readNpmrc({ folder, root, home }: NpmrcPlaces): Npmrc {
  const scopes = new Map<string, string>();
  const privateScopes = new Set<string>();
  let registry: string | undefined;
  const folders = [...foldersAbove(folder).reverse(), folder];
  const isInside = (path: string) => path.length >= root.length;
  const paths = new Set([
    ...folders.filter((path) => !isInside(path)),
    ...home === undefined ? [] : [home],
    ...folders.filter(isInside),
  ]);
  for (const path of paths) {
    const isUsed = path === home || isInside(path);
    for (const [key, value] of readIni(path, isUsed)) {
      const scope = key.match(/^(@[^:\s/]+):registry$/)?.[1]?.toLowerCase();
      const publicName = scope === "@jsr" ? "jsr" : "npm";
      if (scope !== undefined && registryName(value) !== publicName) privateScopes.add(scope);
      if (!isUsed || value === "") continue;
      if (scope !== undefined) scopes.set(scope, value);
      else if (key === "registry") registry = value;
    }
  }
  return { ...(registry !== undefined && { registry }), scopes, privateScopes };
}

function readIni(folder: string, isUsed: boolean): readonly (readonly [string, string])[] {
  const options = { maxBytes: MAX_CONFIG_BYTES, code: "project-unreadable" } as const;
  try {
    return parseIni(readText(join(folder, ".npmrc"), { ...options, name: ".npmrc" }) ?? "");
  } catch (error) {
    // A file above the project that may not be read is not this project's.
    if (isUsed) throw error;
    return [];
  }
}

/** Keys and values of an ini file as npm reads it. Those in a section count, to err on the private side. */
function parseIni(text: string): (readonly [key: string, value: string])[] {
  const entries: [string, string][] = [];
  for (const line of text.split(/[\r\n]+/)) {
    if (/^\s*(?:[;#]|$)/.test(line)) continue;
    const equals = line.indexOf("=");
    const key = equals < 0 ? line : line.slice(0, equals);
    entries.push([unquote(key), equals < 0 ? "" : unquote(line.slice(equals + 1))]);
  }
  return entries;
}

/** A key or value without its quotes, or without the comment that follows it. */
function unquote(raw: string): string {
  const text = raw.trim();
  const quoted = text.match(/^"([^"]*)"|^'([^']*)'/);
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? "";
  return text.replace(/(^|[^\\])[;#].*$/s, "$1").replace(/\\([;#\\])/g, "$1").trim();
}
