import { SecurityError } from "../../errors.ts";
import { printable } from "../_text.ts";

/** A format in which the audit can be written. */
export type OutputFormat = "human" | "json" | "sarif" | "cyclonedx";

/** Every format, in the order in which help lists them. */
export const OUTPUT_FORMATS: readonly OutputFormat[] = ["human", "json", "sarif", "cyclonedx"];

/**
 * The format that a command-line value names.
 *
 * Names are matched exactly: `SARIF` is refused, not guessed at.
 *
 * @throws {SecurityError} With code `usage`, if there is no such format.
 */
export function parseFormat(name: string): OutputFormat {
  const format = OUTPUT_FORMATS.find((known) => known === name);
  if (format !== undefined) return format;
  throw new SecurityError(
    "usage",
    `Unknown format "${printable(name, 40)}": use one of ${OUTPUT_FORMATS.join(", ")}`,
  );
}
