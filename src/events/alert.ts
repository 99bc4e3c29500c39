import type { AuditEvent, AuditOutcome, AuditSeverity, AuditSource } from "./audit_event.ts";

/**
 * What may be blocked, because this side has verified it; a target of `BlockList` as it is.
 *
 * Look at `blockable` or at whether `target` is `null`: the event that an alert tells of names principals and
 * addresses, too, but anybody may have claimed those.
 */
export type AlertTarget =
  | {
    /** The verified principal itself did it. */
    readonly blockable: "principal";
    /** The principal. */
    readonly target: { readonly principal: string };
  }
  | {
    /** It all came from there. */
    readonly blockable: "source";
    /** The address. */
    readonly target: { readonly source: string };
  }
  | {
    /** It all came from there in that name; the same name from elsewhere must go on working. */
    readonly blockable: "principal+source";
    /** The pair. */
    readonly target: { readonly principal: string; readonly source: string };
  }
  | {
    /** Nothing may be blocked. */
    readonly blockable: null;
    /** Nothing. */
    readonly target: null;
  };

/** What a rule has noticed. Frozen. */
export type Alert = AlertTarget & {
  /** Name of the rule. */
  readonly rule: string;
  /** What was counted by. */
  readonly by: "principal" | "source" | "principal+source" | "code" | "global" | "custom";
  /** What was counted, as one text: the same for the same offender, such as to recognize a repetition. */
  readonly key: string;
  /** How many events there were in the window, at least the threshold. */
  readonly count: number;
  /** When the first of them was noted: ISO 8601, UTC. */
  readonly firstTime: string;
  /** When the last of them was noted: ISO 8601, UTC. */
  readonly lastTime: string;
  /** The principal of the last event, where principals were counted. */
  readonly principal?: string;
  /** Whether it was verified or only claimed. */
  readonly principalConfidence?: "verified" | "claimed";
  /** The source of the last event, where there was one. */
  readonly source?: AuditSource;
  /** The last event, with identifiers as they are. */
  readonly event: AuditEvent;
};

/**
 * What is done about an alert.
 *
 * @param alert The alert.
 * @param options The signal that is aborted when the time is over.
 * @returns Nothing, or a promise that settles when it is done.
 */
export type AlertAction = (
  alert: Alert,
  options: { readonly signal: AbortSignal },
) => void | Promise<void>;

/** Which events a rule counts: those that agree in everything that is said. */
export interface AlertCondition {
  /**
   * Kinds, such as `file.read`, or `dpop.*` for all that begin with `dpop.`. The kinds `alert.*` and `audit.*` are
   * counted only where they are named here. @default {all but alert.* and audit.*}
   */
  readonly kind?: string | readonly string[];
  /** Outcomes. @default {all} */
  readonly outcome?: AuditOutcome | readonly AuditOutcome[];
  /** Codes. @default {all, and none} */
  readonly code?: string | readonly string[];
  /** Severities. @default {all} */
  readonly severity?: AuditSeverity | readonly AuditSeverity[];
}

/** When to alert, and what to do then. */
export interface AlertRule {
  /** What alerts call it; no other rule has the same name. @default {"rule 1", "rule 2" …} */
  readonly name?: string;
  /** Which events are counted; a function must answer at once, and never sees `alert.*` and `audit.*`. */
  readonly when: AlertCondition | ((event: AuditEvent) => boolean);
  /** How many of them make an alert. */
  readonly threshold: number;
  /** Within how many seconds. */
  readonly withinSeconds: number;
  /**
   * Whose events are counted together; events without it are not counted. A function gives a text of its own,
   * with which nothing can be blocked.
   */
  readonly by:
    | "principal"
    | "source"
    | "principal+source"
    | "code"
    | "global"
    | ((event: AuditEvent) => string | undefined);
  /** What to do, all at once. */
  readonly then: readonly AlertAction[];
  /** How many seconds to be silent about the same offender after an alert. @default {withinSeconds} */
  readonly coolDownSeconds?: number;
  /**
   * Most alerts in a minute, whoever they are about: who invents a name for each attempt must not flood you. Others
   * are counted in `suppressed`, reported once as `alert.failed`, and made by the next event of the offender in
   * a later minute. @default {100}
   */
  readonly maxAlertsPerMinute?: number;
}
