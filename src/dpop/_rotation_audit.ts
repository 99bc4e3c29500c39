/**
 * What a rotation reports.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { AuditEventInput, AuditReporter } from "../events/audit_event.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { signingKey } from "./_key_phases.ts";
import type { StoredKey } from "./key_store.ts";

/** Limits of what a reporter may take. */
export interface ReportLimits {
  readonly timeoutMs: number;
  /** Aborted with the error for whoever waits. */
  readonly signal: AbortSignal;
}

/**
 * Reports changes, each until the reporter has taken it.
 *
 * A store cannot take a change back that could not be reported. It is kept here then, is reported before
 * anything else is changed, and no other change is made as long as that fails: there is no more than one
 * at a time.
 */
export class ChangeReports {
  readonly #audit: AuditReporter | undefined;
  readonly #limits: ReportLimits;
  readonly #waiting: AuditEventInput[] = [];

  /**
   * Reports nothing yet.
   *
   * @param audit Where to.
   * @param limits How long it may take.
   */
  constructor(audit: AuditReporter | undefined, limits: ReportLimits) {
    this.#audit = audit;
    this.#limits = limits;
  }

  /** Whether something is left to report. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Reports what is left, and asks whether a report could be made.
   *
   * @throws {SecurityError} `audit-unavailable`.
   */
  async ready(): Promise<void> {
    await this.flush();
    const { ready } = this.#audit ?? {};
    if (ready !== undefined) await this.#recorded(() => ready.call(this.#audit));
  }

  /**
   * Keeps an event until it is reported.
   *
   * @param event What happened, or may have.
   */
  add(event: AuditEventInput): void {
    if (this.#audit !== undefined) this.#waiting.push(event);
  }

  /**
   * Reports what is left, the oldest first. What is answered too late is reported twice.
   *
   * @throws {SecurityError} `audit-unavailable`.
   */
  async flush(): Promise<void> {
    for (let [event] = this.#waiting; event !== undefined; [event] = this.#waiting) {
      const next = event;
      await this.#recorded(() => this.#audit?.report(next));
      this.#waiting.shift();
    }
  }

  /**
   * Reports what is not worth waiting for, and dropped if that fails.
   *
   * @param event What happened.
   */
  tell(event: AuditEventInput): void {
    this.#recorded(() => this.#audit?.report(event)).catch(() => {});
  }

  async #recorded(report: () => void | Promise<void> | undefined): Promise<void> {
    try {
      await answerWithin(report, this.#limits);
    } catch (cause) {
      if (this.#limits.signal.aborted) throw this.#limits.signal.reason;
      throw new SecurityError("audit-unavailable", "The change of keys cannot be recorded", {
        cause,
      });
    }
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

/**
 * What is reported of a change that the store did not answer to: it may have been made all the same.
 *
 * @param change What is reported if it was made.
 * @param error What went wrong.
 */
export function doubtEvent(change: AuditEventInput, error: unknown): AuditEventInput {
  const { severity: _, ...rest } = change;
  const reason = `Whether the keys were changed is not known: ${reasonOf(error)}`;
  return { ...rest, outcome: "error", ...codeOf(error), reason };
}

/** What is reported when the set cannot be read or changed, or a key not be kept. */
export function failureEvent(
  operation: string,
  resource: string | undefined,
  error: unknown,
  timeMs: number,
): AuditEventInput {
  return {
    kind: "dpop.keys",
    operation,
    outcome: "error",
    timeMs,
    ...(resource !== undefined && { resource }),
    ...codeOf(error),
    reason: reasonOf(error),
  };
}

function codeOf(error: unknown): { readonly code?: string } {
  return error instanceof SecurityError ? { code: error.code } : {};
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
