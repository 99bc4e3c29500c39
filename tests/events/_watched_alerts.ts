import type { Alert, AlertRule } from "../../src/events/alert.ts";
import { type Alerts, type AlertsOptions, createAlerts } from "../../src/events/alerts.ts";
import type { AuditEvent, AuditSource } from "../../src/events/audit_event.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

let seq = 0;

export function eventOf(input: Partial<AuditEvent> = {}): AuditEvent {
  return {
    kind: "app.login",
    outcome: "failure",
    id: `e${++seq}`,
    seq,
    time: "2026-01-01T00:00:00.000Z",
    recordedAt: "2026-01-01T00:00:00.000Z",
    severity: "warning",
    correlationId: "c1",
    details: {},
    ...input,
  };
}

export function peer(address: string): AuditSource {
  return { address, confidence: "peer" };
}

/** Alerts of one rule, and what it has fired. */
export function watch(
  rule: Partial<AlertRule> = {},
  options: Partial<AlertsOptions> = {},
): { alerts: Alerts; fired: Alert[]; clock: VirtualClock; write: (event: AuditEvent) => void } {
  const clock = new VirtualClock();
  const fired: Alert[] = [];
  const alerts = createAlerts({
    clock,
    maxInFlight: 10_000,
    rules: [{
      name: "rule",
      when: { outcome: "failure" },
      threshold: 5,
      withinSeconds: 60,
      by: "principal",
      maxAlertsPerMinute: 1_000_000,
      then: [(alert) => {
        fired.push(alert);
      }],
      ...rule,
    }],
    ...options,
  });
  return { alerts, fired, clock, write: (event) => void alerts.sink.write(event) };
}

export function targets(fired: readonly Alert[]): unknown[] {
  return fired.map(({ blockable, target }) => [blockable, target]);
}
