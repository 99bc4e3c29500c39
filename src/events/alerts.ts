import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import { AlertCalls } from "./_alert_calls.ts";
import { AlertOffenders } from "./_alert_offenders.ts";
import { readyRules } from "./_alert_rules.ts";
import { AlertWatch, type WatchedRule } from "./_alert_watch.ts";
import type { AlertRule } from "./alert.ts";
import type { AuditEvent, AuditReporter } from "./audit_event.ts";
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
  /** Most offenders that each rule looks at; up to 2 KiB each, and 3 MiB for all others. @default {10_000} */
  readonly capacity?: number;
  /** How long an action may take, in milliseconds. @default {5000} */
  readonly actionTimeoutMs?: number;
  /**
   * Most actions and reports of each rule at once. As many alerts more wait for them; others are made by the next
   * event of the offender. An action of which as many run on, though their time is over, is skipped
   * until one of them ends. @default {64}
   */
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
  /** How many events made no alert, as there were as many in that minute as the rule may make. */
  readonly suppressed: number;
}

/** What has become of all rules. */
export interface AlertsStats {
  /** How many alerts there were. */
  readonly fired: number;
  /** How many actions threw, rejected, took too long or were skipped. */
  readonly failedActions: number;
  /** How many of them took too long. */
  readonly timedOutActions: number;
  /** How many of them were skipped, as too many earlier calls of the same action ran on. */
  readonly skippedActions: number;
  /** How often an alert had to wait for another event, as too many others of its rule were waiting. */
  readonly deferred: number;
  /** How often a function of a rule threw; the event was not counted. */
  readonly ruleErrors: number;
  /** How many reports failed or took too long. */
  readonly failedReports: number;
  /** How many events were not counted, as the rule itself had led to them. */
  readonly ownEvents: number;
  /** How many actions and reports are under way. */
  readonly inFlight: number;
  /** How many alerts wait until actions of others of their rule are done. */
  readonly pending: number;
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

/**
 * Watches events by rules, and acts when too many of one offender come within a time.
 *
 * - The window slides: as many events as the threshold within that time always make an alert. Up to a threshold
 *   of 32 it is exact; beyond it, it may be a thirtieth longer.
 * - After an alert there is none about the same offender until the cool-down is over. No event makes two.
 * - Only what this side has verified can be blocked; see {@linkcode AlertTarget}. A failed login by principal is
 *   counted twice: by the pair of principal and source, which may be blocked, and by the principal alone, to
 *   notice an attack from many sources, of which nothing may be blocked. Events that have made an alert of a pair,
 *   and those of a pair in its cool-down, do not count for the principal. IPv6 sources count by their /64. A principal
 *   whose confidence an event does not tell counts as claimed.
 * - Memory is bounded by `capacity`. When there are more offenders within a window, those with the most events
 *   are looked at: an alert may then take some more events than the threshold, and is never made of an estimate.
 * - Actions run on their own, within a time and up to a number for each rule, so that those of one never hold up
 *   another. What they report is not counted by the rule that has
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
    calls: new AlertCalls({ clock, timeoutMs, maxInFlight }),
    fired: 0,
    suppressed: 0,
    minute: { startMs: -Infinity, alerts: 0, isTold: false },
  }));
  const watch = new AlertWatch(rules, clock, reporter);
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
