import { SecurityError } from "../errors.ts";
import {
  ADVISORIES,
  BANS,
  EVERYWHERE,
  INTEGRITY,
  LICENSES,
  type Row,
  SOURCES,
} from "./_code_table.ts";
import { didYouMean } from "./_nearest.ts";
import { printable } from "./_text.ts";
import { type Check, CHECKS, type Severity } from "./report.ts";

/** What a diagnostic code means. */
export interface CodeEntry {
  /** The kebab-case code. */
  readonly code: string;
  /** The checks that report it. */
  readonly checks: readonly Check[];
  /** Severity when deny.toml does not set another. */
  readonly severity: Severity;
  /** What was found and why it matters. */
  readonly meaning: string;
  /** What to do about it. */
  readonly help: string;
}

function rows(checks: readonly Check[], table: readonly Row[]): readonly CodeEntry[] {
  return table.map(([code, severity, meaning, help]) => ({
    code,
    checks,
    severity,
    meaning,
    help,
  }));
}

/** Every diagnostic code, by check. */
export const CODES: readonly CodeEntry[] = [
  ...rows(["advisories"], ADVISORIES),
  ...rows(["licenses"], LICENSES),
  ...rows(["bans"], BANS),
  ...rows(["sources"], SOURCES),
  ...rows(["integrity"], INTEGRITY),
  ...rows(CHECKS, EVERYWHERE),
];

/** The entry of a code by its exact name, or `undefined`. */
export function findCode(code: string): CodeEntry | undefined {
  return CODES.find((entry) => entry.code === code);
}

/**
 * What a diagnostic code means and what to do about it, in a few lines.
 *
 * @param code The code, as a finding carries it, or with its check: `advisories/vulnerability`.
 * @throws {SecurityError} `usage` for a code that does not exist, with the nearest that does.
 */
export function explainCode(code: string): string {
  // The human report prints `check/code`.
  const [, check, name = code] = /^([a-z]+)\/(.*)$/.exec(code) ?? [];
  const entry = findCode(name);
  if (entry === undefined || !(check === undefined || entry.checks.some((it) => it === check))) {
    const near = didYouMean(name, CODES.map(({ code }) => code));
    throw new SecurityError("usage", `there is no code "${printable(code, 60)}"${near}`);
  }
  const checks = entry.checks.length === CHECKS.length ? "every check" : entry.checks.join(", ");
  return `${entry.code} (${checks}; ${entry.severity} by default)\n\n` +
    `${entry.meaning}\n\nWhat to do: ${entry.help}\n`;
}
