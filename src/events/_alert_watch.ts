import type { Clock } from "../_internal/clock.ts";
import type { AlertCalls, CallFailure } from "./_alert_calls.ts";
import { asCausedBy, type Causes, currentCauses } from "./_alert_causes.ts";
import { type AlertKey, confidenceOf, keysOf } from "./_alert_keys.ts";
import type { AlertOffenders, Offender } from "./_alert_offenders.ts";
import type { ReadyRule } from "./_alert_rules.ts";
import type { Alert } from "./alert.ts";
import type { AlertRuleStats, AlertsStats } from "./alerts.ts";
import type { AuditEvent, AuditEventInput, AuditReporter } from "./audit_event.ts";

/** A rule, and what it has noticed. */
export interface WatchedRule extends ReadyRule {
  readonly offenders: AlertOffenders;
  readonly calls: AlertCalls;
  fired: number;
  suppressed: number;
  /** The minute in which alerts are counted. */
  readonly minute: { startMs: number; alerts: number; isTold: boolean };
}

interface Due {
  readonly key: AlertKey;
  readonly offender: Offender;
}

const MINUTE_MS = 60_000;

const REASONS: Readonly<Record<CallFailure, string>> = {
  error: "An action failed",
  timeout: "An action took too long",
  skipped: "An action was skipped, as too many earlier calls of it run on",
};

/** Counts events by rules, and calls their actions. */
export class AlertWatch {
  readonly #rules: readonly WatchedRule[];
  readonly #clock: Clock;
  readonly #reporter: AuditReporter | undefined;
  #failedActions = 0;
  #timedOutActions = 0;
  #skippedActions = 0;
  #deferred = 0;
  #ruleErrors = 0;
  #failedReports = 0;
  #ownEvents = 0;
  #isClosed = false;

  constructor(rules: readonly WatchedRule[], clock: Clock, reporter: AuditReporter | undefined) {
    this.#rules = rules;
    this.#clock = clock;
    this.#reporter = reporter;
  }

  /** Takes an event. */
  write(event: AuditEvent): void {
    if (this.#isClosed) return;
    const nowMs = this.#clock.monotonicMs();
    for (const rule of this.#rules) {
      let keys: AlertKey[];
      try {
        if (!rule.matches(event)) continue;
        keys = keysOf(rule.by, event);
      } catch {
        this.#ruleErrors++;
        continue;
      }
      // An action that reports what its rule counts would lead to itself, for ever.
      if (currentCauses()?.has(rule)) this.#ownEvents++;
      else this.#count(rule, keys, event, nowMs);
    }
  }

  #count(rule: WatchedRule, keys: readonly AlertKey[], event: AuditEvent, nowMs: number): void {
    const { offenders, calls } = rule;
    const due: Due[] = [];
    for (const key of keys) {
      const offender = offenders.note(key.key, nowMs);
      if (offender?.isDue(nowMs)) due.push({ key, offender });
      // Who was told about is not told about again by a wider name.
      if (offender?.isCooling(nowMs)) break;
    }
    const narrowest = due[0];
    if (narrowest === undefined) return;
    // What makes no alert now stays due, and the next event tries again.
    if (isUsedUp(rule, nowMs)) {
      rule.suppressed++;
      if (!rule.minute.isTold) this.#tellUsedUp(rule, this.#alertOf(rule, narrowest, event, nowMs));
      return;
    }
    if (!calls.hasRoom) {
      this.#deferred++;
      return;
    }
    const alert = this.#alertOf(rule, narrowest, event, nowMs);
    offenders.alerted(narrowest.offender, nowMs);
    // Others in that name have not been told about, so it must not cool down.
    for (const { offender } of due) offender.forget();
    rule.fired++;
    rule.minute.alerts++;
    const causes = causesWith(rule);
    calls.enter(() => this.#fire(rule, causes, alert));
  }

  #tellUsedUp(rule: WatchedRule, alert: Alert): void {
    rule.minute.isTold = true;
    const reason = "So many alerts in a minute that further ones were left out";
    this.#report(rule, causesWith(rule), alert, { kind: "alert.failed", outcome: "error", reason });
  }

  #alertOf(
    { name, by }: WatchedRule,
    { key, offender }: Due,
    event: AuditEvent,
    nowMs: number,
  ): Alert {
    const { principal, source } = event;
    const wallMs = this.#clock.wallMs();
    const firstMs = offender.firstMs ?? nowMs;
    return Object.freeze({
      ...key,
      rule: name,
      by: typeof by === "function" ? "custom" : by,
      count: offender.total(nowMs),
      firstTime: new Date(wallMs - (nowMs - firstMs)).toISOString(),
      lastTime: new Date(wallMs).toISOString(),
      ...(principal !== undefined && { principal, principalConfidence: confidenceOf(event) }),
      ...(source !== undefined && { source }),
      event,
    });
  }

  #fire(rule: WatchedRule, causes: Causes, alert: Alert): void {
    this.#report(rule, causes, alert, {
      kind: "alert.fired",
      outcome: "success",
      severity: "warning",
    });
    for (const action of rule.actions) {
      rule.calls.start(
        action,
        (signal) => asCausedBy(causes, () => action(alert, { signal })),
        (failure) => {
          this.#failedActions++;
          if (failure === "timeout") this.#timedOutActions++;
          if (failure === "skipped") this.#skippedActions++;
          const reason = REASONS[failure];
          this.#report(rule, causes, alert, { kind: "alert.failed", outcome: "error", reason });
        },
      );
    }
  }

  #report(rule: WatchedRule, causes: Causes, alert: Alert, input: AuditEventInput): void {
    const reporter = this.#reporter;
    if (reporter === undefined) return;
    const { by, count, firstTime, blockable, event } = alert;
    const { principal, principalConfidence, source } = alert;
    const report = {
      ...input,
      operation: rule.name,
      // The key has names in it as they are, and so only goes to actions: a logger may have to hash them.
      details: { rule: rule.name, by, count, firstTime, blockable, eventId: event.id },
      correlationId: event.correlationId,
      ...(principal !== undefined && { principal }),
      ...(principalConfidence !== undefined && { principalConfidence }),
      ...(source !== undefined && { source }),
    };
    rule.calls.start(
      reporter,
      () => asCausedBy(causes, () => reporter.report(report)),
      () => this.#failedReports++,
    );
  }

  /** Tells what has become of the rules. */
  stats(): AlertsStats {
    const rules = this.#rules.map(({ name, fired, suppressed, offenders }): AlertRuleStats => ({
      name,
      fired,
      tracked: offenders.size,
      evicted: offenders.evicted,
      uncounted: offenders.uncounted,
      suppressed,
    }));
    const sum = (count: (rule: WatchedRule) => number) =>
      this.#rules.reduce((total, rule) => total + count(rule), 0);
    return {
      fired: sum(({ fired }) => fired),
      failedActions: this.#failedActions,
      timedOutActions: this.#timedOutActions,
      skippedActions: this.#skippedActions,
      deferred: this.#deferred,
      ruleErrors: this.#ruleErrors,
      failedReports: this.#failedReports,
      ownEvents: this.#ownEvents,
      inFlight: sum(({ calls }) => calls.inFlight),
      pending: sum(({ calls }) => calls.pending),
      orphans: sum(({ calls }) => calls.orphans),
      rules,
    };
  }

  /** Waits for the actions of all rules. */
  async flush(): Promise<void> {
    // An action that waits for all actions would wait for itself.
    if (currentCauses() !== undefined) return;
    // What one rule reports may be what another one counts.
    while (this.#rules.some(({ calls }) => calls.inFlight > 0)) {
      await Promise.all(this.#rules.map(({ calls }) => calls.settle()));
    }
  }

  /** Takes no more events, waits for all actions, and forgets everybody. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.flush();
    for (const { offenders } of this.#rules) offenders.clear();
  }
}

/** The rules that have led to what is running now, and this one. */
function causesWith(rule: WatchedRule): Causes {
  return new Set([...currentCauses() ?? [], rule]);
}

/** Whether a rule has made all the alerts that it may make in this minute. */
function isUsedUp({ minute, maxAlertsPerMinute }: WatchedRule, nowMs: number): boolean {
  if (nowMs - minute.startMs >= MINUTE_MS) {
    minute.startMs = nowMs;
    minute.alerts = 0;
    minute.isTold = false;
  }
  return minute.alerts >= maxAlertsPerMinute;
}
