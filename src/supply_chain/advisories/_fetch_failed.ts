import { SecurityError } from "../../errors.ts";

/** The one error of fetching a database. */
export function fetchFailed(why: string, cause?: unknown): SecurityError {
  return new SecurityError("database-unreadable", `the advisory database was not fetched: ${why}`, {
    cause,
  });
}
