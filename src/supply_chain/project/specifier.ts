/** A request for a package: what code or configuration asks for. */
export interface PackageRequest {
  readonly kind: "npm" | "jsr";
  readonly name: string;
  /** Range or tag; empty when the request names none. */
  readonly range: string;
  /** What follows the package inside it, with its slash; empty for the package itself. */
  readonly subpath: string;
}

/**
 * Parses `npm:name@range/sub` and `jsr:@scope/name@range/sub`, also with a slash after the scheme.
 *
 * @returns `undefined` for any other specifier.
 */
export function parseRequest(specifier: string): PackageRequest | undefined {
  const kind = specifier.startsWith("npm:") ? "npm" : specifier.startsWith("jsr:") ? "jsr" : null;
  if (kind === null) return undefined;
  const text = specifier.slice(specifier[4] === "/" ? 5 : 4);
  const match = text.match(/^((?:@[^/@]+\/)?[^/@]+)(?:@([^/]*))?(\/.*)?$/s);
  if (match === null || (kind === "jsr" && !text.startsWith("@"))) return undefined;
  return { kind, name: match[1]!, range: match[2] ?? "", subpath: match[3] ?? "" };
}
