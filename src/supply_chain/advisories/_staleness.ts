import type { CheckContext } from "../_check.ts";
import { printable } from "../_text.ts";
import type { Finding } from "../report.ts";
import type { AdvisorySource } from "./advisory_source.ts";

/** Tolerance for clocks that differ, before a date of a database counts as made up. */
const CLOCK_SKEW_MS = 86_400_000;

/**
 * What is to be said about the age of a database.
 *
 * Of the stored one, being fetched again is expected, so a stale one is an error. Files that somebody gave
 * have no other age than that of their newest record, which need not be young: the date of a file says
 * when it was copied. They are a warning.
 */
export function staleness(source: AdvisorySource, context: CheckContext): Finding | undefined {
  const { modified, fetched, remote } = source;
  if (remote || (modified === undefined && fetched === undefined)) return undefined;
  const now = context.now.getTime();
  // A record dated into the future must not keep a database fresh for ever.
  const times = [modified, fetched].map((time) => Date.parse(time ?? ""))
    .filter((time) => time <= now + CLOCK_SKEW_MS);
  const age = (now - Math.max(...times)) / 1000;
  const limit = context.policy.advisories.maximumDbStalenessSeconds;
  if (age <= limit) return undefined;
  const state = times.length === 0 ? "dated into the future" : `${duration(age)} old`;
  return {
    check: "advisories",
    code: "database-stale",
    severity: fetched === undefined ? "warning" : "error",
    message: `${printable(source.description, 300)} is ${state}; ` +
      `the policy allows ${duration(limit)}`,
    why: [],
    help: fetched === undefined
      ? "Use newer records, or raise advisories.maximum-db-staleness."
      : "Run `audit fetch`, or raise advisories.maximum-db-staleness.",
  };
}

const UNITS = [["days", 86_400], ["hours", 3600], ["minutes", 60]] as const;

/** In a unit of which there are two at least, so that `P1D` and 30 hours are not both one day. */
function duration(seconds: number): string {
  const [name, length] = UNITS.find(([, length]) => seconds >= 2 * length) ?? ["seconds", 1];
  return `${Math.floor(seconds / length)} ${name}`;
}
