import { fieldOf } from "./_manifest.ts";

/** What a package says about its licence in its own configuration. */
export type DeclaredLicense =
  /** An SPDX expression, or other words for a licence. */
  | { readonly kind: "expression"; readonly text: string }
  /** `SEE LICENSE IN <file>`: the licence is only in a file of the package. */
  | { readonly kind: "file"; readonly text: string; readonly path: string }
  /** `UNLICENSED`, npm's word for "all rights reserved"; not the Unlicense. */
  | { readonly kind: "proprietary"; readonly text: string };

/** More entries than any package has; what is beyond them could only widen the choice. */
const MAX_LEGACY_ENTRIES = 50;

/** Longer text is no pointer to a file. */
const MAX_WORDS_LENGTH = 300;

/**
 * The licence that a package.json or deno.json declares.
 *
 * Besides `license: "MIT"` there are the forms that npm deprecated and old packages keep:
 * `license: { type, url }` and `licenses: [{ type, url }, …]`, where the user may choose one.
 *
 * @returns `undefined` when it declares none, or an empty one.
 */
export function declaredLicense(manifest: unknown): DeclaredLicense | undefined {
  const text = namesOf(fieldOf(manifest, "license")) ?? namesOf(fieldOf(manifest, "licenses"));
  if (text === undefined) return undefined;
  if (text.length > MAX_WORDS_LENGTH) return { kind: "expression", text };
  if (/^unlicensed$/i.test(text)) return { kind: "proprietary", text };
  const [, path] = text.match(/^see licen[cs]e in\s+<?([^<>]+?)>?$/i) ?? [];
  return path === undefined ? { kind: "expression", text } : { kind: "file", text, path };
}

function namesOf(value: unknown): string | undefined {
  if (!Array.isArray(value)) return nameOf(value);
  const names = value.slice(0, MAX_LEGACY_ENTRIES).map(nameOf).filter((name) => name !== undefined);
  if (names.length <= 1) return names[0];
  // The words of one entry may be an expression, so that they need parentheses of their own.
  return [...new Set(names)].map((name) => / /.test(name) ? `(${name})` : name).join(" OR ");
}

function nameOf(value: unknown): string | undefined {
  const name = typeof value === "string" ? value : fieldOf(value, "type") ?? fieldOf(value, "name");
  return typeof name === "string" && name.trim() !== "" ? name.trim() : undefined;
}
