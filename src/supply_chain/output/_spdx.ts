// @ts-types="@types/spdx-expression-parse"
import parseExpression from "spdx-expression-parse";
import currentIds from "spdx-license-ids/index.json" with { type: "json" };
import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };
import { printable } from "../_text.ts";

const IDS: ReadonlySet<string> = new Set([...currentIds, ...deprecatedIds]);

/** One entry of the `licenses` of a CycloneDX component. */
export type CycloneDxLicense =
  | { readonly license: { readonly id: string } | { readonly name: string } }
  | { readonly expression: string };

/**
 * The `licenses` of a component: an `id` only where SPDX lists it, an `expression` only where it
 * parses, and anything else as a `name`, as the schema accepts no other words in the former two.
 */
export function cycloneDxLicenses(license: string): readonly [CycloneDxLicense] {
  if (IDS.has(license)) return [{ license: { id: license } }];
  try {
    parseExpression(license);
    return [{ expression: license }];
  } catch {
    return [{ license: { name: printable(license) } }];
  }
}
