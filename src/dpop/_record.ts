/**
 * What verifiers report of their verifications.
 *
 * @module
 */

import type { AuditEventInput, AuditReporter } from "../events/audit_event.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { type Attempt, unavailable } from "./_verification.ts";
import type { VerifierSettings } from "./_verifier_options.ts";
import type { DpopError } from "./dpop_error.ts";

/** Records a request that is about to be granted; throws when that cannot be recorded. */
export async function recordSuccess(
  audit: AuditReporter,
  attempt: Attempt,
  settings: VerifierSettings,
  principal: string | undefined,
): Promise<void> {
  try {
    await report(audit, attempt, settings, {
      ...eventOf(attempt, settings),
      outcome: "success",
      // It comes from a token that was validated.
      ...(principal !== undefined && { principal, principalConfidence: "verified" }),
    });
  } catch (cause) {
    // What cannot be recorded must not happen.
    throw unavailable("audit-unavailable", cause);
  }
}

/** Records a request that is about to be refused. */
export async function recordRefusal(
  audit: AuditReporter,
  attempt: Attempt,
  settings: VerifierSettings,
  error: DpopError,
): Promise<void> {
  try {
    await report(audit, attempt, settings, {
      ...eventOf(attempt, settings, error.details),
      outcome: outcomeOf(error),
      // The ordinary beginnings of a conversation: nobody should be called for them.
      ...((error.reason === "no-credentials" || error.reason === "nonce-missing") && {
        severity: "info",
      }),
      ...(error.code !== null && { code: error.code }),
      reason: error.reason,
    });
  } catch {
    // It is refused as it is, and there is nothing else that a lost record could still prevent.
  }
}

async function report(
  audit: AuditReporter,
  { signal }: Attempt,
  { timeoutMs }: VerifierSettings,
  event: AuditEventInput,
): Promise<void> {
  await answerWithin(() => audit.report(event), { timeoutMs, signal });
}

function eventOf(
  { method, url, scheme, proof, signed }: Attempt,
  { now, role }: VerifierSettings,
  more: Readonly<Record<string, unknown>> = {},
): Omit<AuditEventInput, "outcome"> {
  return {
    kind: "dpop.verify",
    operation: role,
    ...timeOf(now),
    ...(url !== undefined && { resource: url }),
    details: {
      ...more,
      ...(method !== undefined && { method }),
      ...(scheme !== undefined && { scheme }),
      // Whose proof it is, or says to be.
      ...(proof !== undefined && { [signed ? "jkt" : "claimedJkt"]: proof.jkt, alg: proof.alg }),
    },
  };
}

/** A clock that is broken is a reason to refuse, and none to leave that out of the record. */
function timeOf(now: () => number): { readonly timeMs?: number } {
  try {
    const timeMs = now();
    return Number.isFinite(timeMs) ? { timeMs } : {};
  } catch {
    return {};
  }
}

function outcomeOf({ code, reason }: DpopError): AuditEventInput["outcome"] {
  if (code === "temporarily_unavailable") return "error";
  return reason === "dpop-required" || reason === "scope-insufficient" ? "denied" : "failure";
}
