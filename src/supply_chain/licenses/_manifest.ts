import { parse, type ParseError } from "jsonc-parser";

/** Files in which a package describes itself, the one that counts first. */
export const MANIFESTS: readonly string[] = [
  "deno.json",
  "deno.jsonc",
  "jsr.json",
  "jsr.jsonc",
  "package.json",
];

/** A larger manifest is not read. */
export const MAX_MANIFEST_BYTES: number = 1024 * 1024;

/** The content of a manifest, or `undefined` when it is no valid JSON. */
export function parseManifest(name: string, bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder().decode(bytes);
    if (name === "package.json") return JSON.parse(text);
    const errors: ParseError[] = [];
    const value = parse(text, errors, { allowTrailingComma: true });
    return errors.length === 0 ? value : undefined;
  } catch {
    // Broken, or nested so deeply that the parser's stack ends.
    return undefined;
  }
}

/** A field of an object itself: `__proto__` and `constructor` are names like any. */
export function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}
