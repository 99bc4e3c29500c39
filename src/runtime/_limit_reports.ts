import type { AuditEventInput, AuditReporter } from "../events/audit_event.ts";
import { KeyHash } from "./_key_hash.ts";
import { rateKeyParts } from "./_rate_key_parts.ts";
import type { RateDecision } from "./rate_store.ts";

/** Slots for keys of which a refusal was reported: so many records a window at most, whoever floods. */
const SLOTS = 1024;

/**
 * Reports refusals: the first of a key, and then one a window with the number of those in between.
 *
 * Memory and records are bounded: keys that fall on one slot by a keyed hash share its window, so that neither
 * one client nor a million of them can fill the log. How many were not reported is never lost but with the
 * process: it is in the next record of the slot, or in that of the end.
 */
export class LimitReports {
  readonly #reporter: AuditReporter;
  readonly #windowMs: number;
  readonly #untilMs = new Float64Array(SLOTS);
  readonly #untold = new Float64Array(SLOTS);
  #hash: KeyHash | undefined;

  constructor(reporter: AuditReporter, windowMs: number) {
    this.#reporter = reporter;
    this.#windowMs = windowMs;
  }

  /**
   * Notes a refusal.
   *
   * @param key Of whom.
   * @param decision What was decided.
   * @param nowMs The time of a clock that does not go back.
   */
  refused(key: string, decision: RateDecision, nowMs: number): void {
    const hash = this.#hash ??= new KeyHash();
    hash.hash(key);
    const slot = hash.words[0]! & (SLOTS - 1);
    if (nowMs < this.#untilMs[slot]!) {
      this.#untold[slot] = this.#untold[slot]! + 1;
      return;
    }
    const { limit, retryAfterMs, code, isDegraded } = decision;
    this.#untilMs[slot] = nowMs + this.#windowMs;
    const suppressed = this.#untold[slot]!;
    this.#untold[slot] = 0;
    this.report({
      kind: "runtime.limit",
      operation: "check",
      outcome: code === "limiter-unavailable" ? "error" : "denied",
      code: code ?? "rate-limited",
      ...whoIn(key),
      details: { limit: limit.name, retryAfterMs, suppressed, degraded: isDegraded },
    });
  }

  /** Reports what was not: the last that is heard of this limiter. */
  end(): void {
    const suppressed = this.#untold.reduce((sum, each) => sum + each, 0);
    this.#untold.fill(0);
    if (suppressed === 0) return;
    this.report({
      kind: "runtime.limit",
      operation: "check",
      outcome: "denied",
      code: "rate-limited",
      details: { suppressed },
    });
  }

  /**
   * Reports without waiting. A refusal stands, whether or not it could be recorded.
   *
   * @param event What happened.
   */
  report(event: Parameters<AuditReporter["report"]>[0]): void {
    this.recorded(event).catch(() => {});
  }

  /**
   * Reports.
   *
   * @param event What happened.
   * @returns Settles once it is recorded; rejects when it cannot be.
   */
  async recorded(event: Parameters<AuditReporter["report"]>[0]): Promise<void> {
    await this.#reporter.report(event);
  }
}

type Who = Pick<AuditEventInput, "principal" | "principalConfidence" | "resource" | "source">;

/**
 * What a key tells of whom it stands for.
 *
 * Beside an address, a principal is often the name that a login claims; if it counted as verified, whoever fails in
 * that name could have its owner blocked. Whoever limits by an address trusts it as much as a proxy's word.
 */
function whoIn(key: string): Who {
  const parts = rateKeyParts(key);
  const { principal, resource } = parts;
  const address = resource && sourceIn(resource);
  const isBare = resource === undefined && key.startsWith("principal:");
  return {
    ...parts,
    ...(principal !== undefined && { principalConfidence: isBare ? "verified" : "claimed" }),
    ...(address && { source: { address, confidence: "forwarded" } }),
  };
}

/** The first address among keys that follow each other. */
function sourceIn(keys: string): string | undefined {
  for (let at = 0; at < keys.length;) {
    const [head, kind, length] = /^([a-z0-9-]+):([0-9]+):/.exec(keys.slice(at)) ?? [];
    if (head === undefined) return undefined;
    const start = at + head.length;
    at = start + Number(length);
    if (kind === "source") return keys.slice(start, at);
  }
  return undefined;
}
