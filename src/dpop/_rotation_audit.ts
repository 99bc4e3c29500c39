/**
 * What a rotation reports.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { AuditEventInput } from "../events/audit_event.ts";
import { signingKey } from "./_key_phases.ts";
import type { StoredKey } from "./key_store.ts";

/**
 * Reports, or asks whether a report could be made.
 *
 * @param report What calls the reporter.
 * @throws {SecurityError} `audit-unavailable` if that fails.
 */
export async function recorded(report: () => void | Promise<void> | undefined): Promise<void> {
  try {
    await report();
  } catch (cause) {
    throw new SecurityError("audit-unavailable", "The change of keys cannot be recorded", {
      cause,
    });
  }
}

/** What is reported of a change of the set. */
export function changeEvent(
  operation: string,
  resource: string | undefined,
  timeMs: number,
  before: readonly StoredKey[],
  after: readonly StoredKey[],
): AuditEventInput {
  const missingIn = (keys: readonly StoredKey[]) => ({ jkt }: StoredKey) =>
    !keys.some((key) => key.jkt === jkt);
  return {
    kind: "dpop.keys",
    operation,
    outcome: "success",
    timeMs,
    ...(operation === "revoke" && { severity: "warning" }),
    ...(resource !== undefined && { resource }),
    details: {
      created: after.filter(missingIn(before)).map(({ jkt }) => jkt),
      deleted: before.filter(missingIn(after)).map(({ jkt }) => jkt),
      signing: signingKey(after, timeMs)?.jkt ?? null,
    },
  };
}

/** What is reported when the set cannot be read or changed. */
export function failureEvent(error: unknown, timeMs: number): AuditEventInput {
  return {
    kind: "dpop.keys",
    operation: "schedule",
    outcome: "error",
    timeMs,
    ...(error instanceof SecurityError && { code: error.code }),
    reason: error instanceof Error ? error.message : String(error),
  };
}
