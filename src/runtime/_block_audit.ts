import type { AuditEventInput, AuditReporter } from "../events/audit_event.ts";
import type { BlockPlace } from "./_block_target.ts";

type Details = Readonly<Record<string, unknown>>;
type Described = BlockPlace & { readonly reason: string };

/** What becomes of blocks, as it is recorded. */
export class BlockAudit {
  readonly #reporter: AuditReporter;

  constructor(reporter: AuditReporter) {
    this.#reporter = reporter;
  }

  /** Whether anything could be recorded now. */
  async ready(): Promise<void> {
    await this.#reporter.ready?.();
  }

  /** Records what somebody asked for, who waits until it is recorded. */
  async changed(operation: "block" | "unblock", entry: Described, details: Details): Promise<void> {
    await this.#reporter.report(event(operation, entry, details));
  }

  /** Records that the allow list has won. */
  async refused(place: BlockPlace, reason: string): Promise<void> {
    await this.#reporter.report({
      ...event("block", { ...place, reason }, { allowed: true }),
      outcome: "denied",
    });
  }

  /** Records what happened by itself; nobody waits, and a failure is the reporter's to count. */
  happened(
    operation: "block" | "unblock" | "expire" | "evict",
    entry: Described,
    details: Details = {},
  ): void {
    const happened = event(operation, entry, details);
    this.#send(operation === "evict" ? { ...happened, outcome: "error" } : happened);
  }

  /** Records that a snapshot was taken up. */
  restored(count: number): void {
    this.#send({
      kind: "runtime.block",
      operation: "restore",
      outcome: "success",
      details: { count },
    });
  }

  /** Records how the store does. */
  store(event: "failed" | "recovered" | "unreadable", cause?: unknown): void {
    const isBad = event !== "recovered";
    this.#send({
      kind: "runtime.block",
      operation: "store",
      outcome: isBad ? "error" : "success",
      ...(isBad ? { code: "limiter-unavailable" } : {}),
      reason: cause instanceof Error ? `${event}: ${cause.message}` : event,
    });
  }

  #send(event: AuditEventInput): void {
    try {
      this.#reporter.report(event)?.then(undefined, () => {});
    } catch {
      // Nobody asked for it who could be told.
    }
  }
}

function event(
  operation: string,
  { target, reason }: Described,
  details: Details,
): AuditEventInput {
  const { principal, source, key, network } = target;
  const resource = network ?? (key === undefined ? source : `key:${key}`);
  return {
    kind: "runtime.block",
    operation,
    outcome: "success",
    severity: "notice",
    reason,
    ...(principal === undefined ? {} : { principal }),
    // Who is blocked with a source only may have been named by somebody else.
    ...(principal === undefined
      ? {}
      : { principalConfidence: source === undefined ? "verified" as const : "claimed" as const }),
    ...(resource === undefined ? {} : { resource }),
    details,
  };
}
