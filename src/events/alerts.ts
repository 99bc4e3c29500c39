import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import { AlertCalls } from "./_alert_calls.ts";
import { asCausedBy, type Causes, currentCauses } from "./_alert_causes.ts";
import { type AlertKey, confidenceOf, keysOf } from "./_alert_keys.ts";
import { AlertOffenders, type Offender } from "./_alert_offenders.ts";
import { type ReadyRule, readyRules } from "./_alert_rules.ts";
import type { Alert, AlertRule } from "./alert.ts";
import type { AuditEvent, AuditEventInput, AuditReporter } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode createAlerts}. */
export interface AlertsOptions {
  /** The rules. */
  readonly rules: readonly AlertRule[];
  /**
   * Where `alert.fired` and `alert.failed` are reported; may be the logger whose sink the alerts are.
   * @default {undefined}
   */
  readonly reporter?: AuditReporter;
  /** Most offenders that each rule looks at; up to 2 KiB each. @default {10_000} */
  readonly capacity?: number;
  /** How long an action may take, in milliseconds. @default {5000} */
  readonly actionTimeoutMs?: number;
  /** Most actions and reports at once; while there are as many, alerts wait for the next event. @default {64} */
  readonly maxInFlight?: number;
  /** Where time comes from. @default {the clocks of the machine} */
  readonly clock?: Clock;
}

/** What has become of one rule. */
export interface AlertRuleStats {
  /** Its name. */
  readonly name: string;
  /** How many alerts there were. */
  readonly fired: number;
  /** How many offenders are looked at. */
  readonly tracked: number;
  /** How many offenders were forgotten before their window was over, as there was no room. */
  readonly evicted: number;
  /** How many events were counted for nobody, as there was no room. */
  readonly uncounted: number;
}

/** What has become of all rules. */
export interface AlertsStats {
  /** How many alerts there were. */
  readonly fired: number;
  /** How many actions threw, rejected or took too long. */
  readonly failedActions: number;
  /** How many of them took too long. */
  readonly timedOutActions: number;
  /** How often an alert had to wait for another event, as there were too many actions at once. */
  readonly deferred: number;
  /** How often a function of a rule threw; the event was not counted. */
  readonly ruleErrors: number;
  /** How many reports failed or took too long. */
  readonly failedReports: number;
  /** How many events were not counted, as the rule itself had led to them. */
  readonly ownEvents: number;
  /** How many actions and reports are under way. */
  readonly inFlight: number;
  /** How many run on though their time is over. */
  readonly orphans: number;
  /** Each rule. */
  readonly rules: readonly AlertRuleStats[];
}

/** Alerts on what an `AuditLogger` records. */
export interface Alerts extends AsyncDisposable {
  /** Takes the events of an `AuditLogger`; not required, never fails, and gets identifiers as they are. */
  readonly sink: AuditSink;

  /**
   * Tells what has become of the rules.
   *
   * @returns Plain JSON.
   */
  stats(): AlertsStats;

  /**
   * Waits until all actions are done, or their time is over. Within an action it does not wait for itself.
   *
   * @returns A promise that never rejects.
   */
  flush(): Promise<void>;

  /**
   * Takes no more events, waits as `flush()` does, and forgets all offenders.
   *
   * @returns A promise that never rejects.
   */
  close(): Promise<void>;
}

interface WatchedRule extends ReadyRule {
  readonly offenders: AlertOffenders;
  fired: number;
}

/**
 * Watches events by rules, and acts when too many of one offender come within a time.
 *
 * - The window slides: as many events as the threshold within that time always make an alert. Up to a threshold
 *   of 32 it is exact; beyond it, it may be a thirtieth longer.
 * - After an alert there is none about the same offender until the cool-down is over. No event makes two.
 * - Only what this side has verified can be blocked; see {@linkcode AlertTarget}. A failed login by principal is
 *   counted twice: by the pair of principal and source, which may be blocked, and by the principal alone, to
 *   notice an attack from many sources, of which nothing may be blocked. IPv6 sources count by their /64.
 * - Memory is bounded by `capacity`. When there are more offenders within a window, those with the most events
 *   are looked at: an alert may then take some more events than the threshold, and is never made of an estimate.
 * - Actions run on their own, within a time and up to a number. What they report is not counted by the rule that has
 *   led to it; in runtimes without `AsyncLocalStorage`, that is known only until they first wait.
 *
 * @example Block who fails to log in, from where it fails
 * ```ts
 * import { createAlerts } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const blocked: unknown[] = [];
 * await using alerts = createAlerts({
 *   rules: [{
 *     name: "failed logins",
 *     when: { kind: "app.login", outcome: "failure" },
 *     threshold: 5,
 *     withinSeconds: 60,
 *     by: "principal",
 *     // With a BlockList: if (target !== null) blockList.block(target, …)
 *     then: [({ target }) => {
 *       if (target !== null) blocked.push(target);
 *     }],
 *   }],
 * });
 * // new AuditLogger({ sinks: [alerts.sink, …] })
 * for (let seq = 1; seq <= 5; seq++) {
 *   alerts.sink.write({
 *     kind: "app.login",
 *     outcome: "failure",
 *     principal: "alice",
 *     source: { address: "192.0.2.7", confidence: "peer" },
 *     id: `e${seq}`,
 *     seq,
 *     time: "2026-01-01T00:00:00.000Z",
 *     recordedAt: "2026-01-01T00:00:00.000Z",
 *     severity: "warning",
 *     correlationId: "c1",
 *     details: {},
 *   });
 * }
 * await alerts.flush();
 * assertEquals(blocked, [{ principal: "alice", source: "192.0.2.7" }]);
 * ```
 *
 * @param options The rules, and how much there may be.
 * @returns The alerts.
 * @throws {TypeError} If a rule is wrong.
 * @throws {RangeError} If a number is out of range.
 */
export function createAlerts(options: AlertsOptions): Alerts {
  const purpose = "create alerts";
  const { reporter, clock = systemClock } = options;
  if (reporter !== undefined && typeof reporter?.report !== "function") {
    throw wrongOption(purpose, "reporter", "an AuditReporter", reporter);
  }
  const capacity = integerOption(purpose, "capacity", options.capacity, {
    otherwise: 10_000,
    least: 1,
    most: 1_000_000,
  });
  const timeoutMs = integerOption(purpose, "actionTimeoutMs", options.actionTimeoutMs, {
    otherwise: 5000,
    least: 1,
    most: MAX_TIMEOUT_MS,
  });
  const maxInFlight = integerOption(purpose, "maxInFlight", options.maxInFlight, {
    otherwise: 64,
    least: 1,
    most: 10_000,
  });
  const rules = readyRules(options.rules).map((rule): WatchedRule => ({
    ...rule,
    offenders: new AlertOffenders({ ...rule, capacity }),
    fired: 0,
  }));
  const watch = new Watch(
    rules,
    new AlertCalls({ clock, timeoutMs, maxInFlight }),
    clock,
    reporter,
  );
  const flush = () => watch.flush();
  const close = () => watch.close();
  return Object.freeze({
    sink: Object.freeze({
      name: "alerts",
      required: false,
      plainIdentifiers: true,
      write: (event: AuditEvent) => watch.write(event),
      flush,
      close,
    }),
    stats: () => watch.stats(),
    flush,
    close,
    [Symbol.asyncDispose]: close,
  });
}

class Watch {
  readonly #rules: readonly WatchedRule[];
  readonly #calls: AlertCalls;
  readonly #clock: Clock;
  readonly #reporter: AuditReporter | undefined;
  #failedActions = 0;
  #timedOutActions = 0;
  #deferred = 0;
  #ruleErrors = 0;
  #failedReports = 0;
  #ownEvents = 0;
  #isClosed = false;

  constructor(
    rules: readonly WatchedRule[],
    calls: AlertCalls,
    clock: Clock,
    reporter: AuditReporter | undefined,
  ) {
    this.#rules = rules;
    this.#calls = calls;
    this.#clock = clock;
    this.#reporter = reporter;
  }

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
    const due: { readonly key: AlertKey; readonly offender: Offender | undefined }[] = [];
    for (const key of keys) {
      const offender = rule.offenders.note(key.key, nowMs);
      // Where each event makes an alert, there is nothing to remember but the cool-down.
      const isDue = offender === undefined ? rule.threshold === 1 : offender.isDue(nowMs);
      if (isDue) due.push({ key, offender });
    }
    const narrowest = due[0];
    if (narrowest === undefined) return;
    if (!this.#calls.hasRoom) {
      // It stays due, and the next event tries again.
      this.#deferred++;
      return;
    }
    const alert = this.#alertOf(rule, narrowest.key, narrowest.offender, event, nowMs);
    for (const { offender } of due) offender?.alerted(nowMs);
    rule.fired++;
    this.#fire(rule, alert);
  }

  #alertOf(
    { name, by }: WatchedRule,
    key: AlertKey,
    offender: Offender | undefined,
    event: AuditEvent,
    nowMs: number,
  ): Alert {
    const { principal, source } = event;
    const wallMs = this.#clock.wallMs();
    const firstMs = offender?.firstMs ?? nowMs;
    return Object.freeze({
      ...key,
      rule: name,
      by: typeof by === "function" ? "custom" : by,
      count: offender?.total(nowMs) ?? 1,
      firstTime: new Date(wallMs - (nowMs - firstMs)).toISOString(),
      lastTime: new Date(wallMs).toISOString(),
      ...(principal !== undefined && { principal, principalConfidence: confidenceOf(event) }),
      ...(source !== undefined && { source }),
      event,
    });
  }

  #fire(rule: WatchedRule, alert: Alert): void {
    const causes: Causes = new Set([...currentCauses() ?? [], rule]);
    this.#report(causes, alert, { kind: "alert.fired", outcome: "success", severity: "warning" });
    for (const action of rule.actions) {
      this.#calls.start(
        (signal) => asCausedBy(causes, () => action(alert, { signal })),
        (_error, isTimeout) => {
          this.#failedActions++;
          if (isTimeout) this.#timedOutActions++;
          this.#report(causes, alert, {
            kind: "alert.failed",
            outcome: "error",
            reason: isTimeout ? "An action took too long" : "An action failed",
          });
        },
      );
    }
  }

  #report(causes: Causes, alert: Alert, input: AuditEventInput): void {
    const reporter = this.#reporter;
    if (reporter === undefined) return;
    const { rule, by, count, firstTime, blockable, event } = alert;
    const { principal, principalConfidence, source } = alert;
    const report = {
      ...input,
      operation: rule,
      // The key has names in it as they are, and so only goes to actions: a logger may have to hash them.
      details: { rule, by, count, firstTime, blockable, eventId: event.id },
      correlationId: event.correlationId,
      ...(principal !== undefined && { principal }),
      ...(principalConfidence !== undefined && { principalConfidence }),
      ...(source !== undefined && { source }),
    };
    this.#calls.start(
      () => asCausedBy(causes, () => reporter.report(report)),
      () => this.#failedReports++,
    );
  }

  stats(): AlertsStats {
    const rules = this.#rules.map(({ name, fired, offenders }): AlertRuleStats => ({
      name,
      fired,
      tracked: offenders.size,
      evicted: offenders.evicted,
      uncounted: offenders.uncounted,
    }));
    return {
      fired: rules.reduce((sum, { fired }) => sum + fired, 0),
      failedActions: this.#failedActions,
      timedOutActions: this.#timedOutActions,
      deferred: this.#deferred,
      ruleErrors: this.#ruleErrors,
      failedReports: this.#failedReports,
      ownEvents: this.#ownEvents,
      inFlight: this.#calls.inFlight,
      orphans: this.#calls.orphans,
      rules,
    };
  }

  async flush(): Promise<void> {
    // An action that waits for all actions would wait for itself.
    if (currentCauses() !== undefined) return;
    await this.#calls.settle();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.flush();
    for (const { offenders } of this.#rules) offenders.clear();
  }
}
