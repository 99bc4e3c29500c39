/**
 * What the kinds of events are to others: one table for the mappers, so that they agree with each other.
 *
 * @module
 */

import { parseIp } from "../_internal/ip.ts";
import { escapeJson } from "./_json_line.ts";
import type { AuditEvent, AuditSeverity } from "./audit_event.ts";

/** What a kind of event is about. */
export interface KindClass {
  /** What `resource` names. */
  readonly subject: "file" | "url" | "other";
  /** `class_uid` of OCSF; its category is the thousands. */
  readonly classUid: number;
  /** `activity_id` of OCSF; 99 is one that the class does not know. */
  readonly activityId: number;
  /** `event.kind` of ECS. */
  readonly ecsKind: "event" | "alert";
  /** `event.category` of ECS; empty where none fits. */
  readonly ecsCategory: readonly string[];
  /** `event.type` of ECS. */
  readonly ecsType: readonly string[];
}

/** Classes of OCSF. */
export const OCSF_CLASSES = {
  base: 0,
  file: 1001,
  eventLog: 1008,
  detection: 2004,
  authentication: 3002,
  entity: 3004,
  http: 4002,
} as const;

/** The activity of every class that is none of those it names. */
export const OTHER_ACTIVITY = 99;

const OTHER: KindClass = {
  subject: "other",
  classUid: OCSF_CLASSES.base,
  activityId: OTHER_ACTIVITY,
  ecsKind: "event",
  ecsCategory: [],
  ecsType: ["info"],
};
const FILE: KindClass = {
  ...OTHER,
  subject: "file",
  classUid: OCSF_CLASSES.file,
  ecsCategory: ["file"],
};
const LOGIN: KindClass = {
  ...OTHER,
  classUid: OCSF_CLASSES.authentication,
  ecsCategory: ["authentication"],
};
const AUDIT: KindClass = {
  ...OTHER,
  classUid: OCSF_CLASSES.eventLog,
  ecsCategory: ["configuration"],
};
const RUNTIME: KindClass = { ...OTHER, ecsCategory: ["api"] };
const BLOCKING: KindClass = { ...OTHER, ecsCategory: ["intrusion_detection"] };

const KINDS: ReadonlyMap<string, KindClass> = new Map([
  ["file.open", { ...FILE, activityId: 14, ecsType: ["access"] }],
  ["file.read", { ...FILE, activityId: 2, ecsType: ["access"] }],
  ["file.list", { ...FILE, activityId: 2, ecsType: ["access"] }],
  ["file.walk", { ...FILE, activityId: 2, ecsType: ["access"] }],
  ["file.write", { ...FILE, activityId: 3, ecsType: ["change"] }],
  ["file.mkdir", { ...FILE, activityId: 1, ecsType: ["creation"] }],
  ["file.copy", { ...FILE, activityId: 1, ecsType: ["creation"] }],
  ["file.remove", { ...FILE, activityId: 4, ecsType: ["deletion"] }],
  ["file.rename", { ...FILE, activityId: 5, ecsType: ["change"] }],
  ["file.stat", { ...FILE, activityId: 8 }],
  // A request that proves its key is no new session, so it is no logon either.
  ["dpop.verify", { ...LOGIN, subject: "url" }],
  ["dpop.keys", { ...OTHER, classUid: OCSF_CLASSES.entity, ecsCategory: ["iam"] }],
  ["audit.start", { ...AUDIT, activityId: 6 }],
  ["audit.rotate", { ...AUDIT, activityId: 5, ecsType: ["change"] }],
  ["audit.prune", { ...AUDIT, activityId: 2, ecsType: ["deletion"] }],
  ["runtime.limit", BLOCKING],
  ["runtime.block", BLOCKING],
]);

/** By how a kind begins, up to its first dot. */
const FAMILIES: ReadonlyMap<string, KindClass> = new Map([
  ["file", FILE],
  ["http", {
    ...OTHER,
    subject: "url",
    classUid: OCSF_CLASSES.http,
    ecsCategory: ["web"],
    ecsType: ["access"],
  }],
  ["audit", AUDIT],
  ["runtime", RUNTIME],
  ["alert", {
    ...OTHER,
    classUid: OCSF_CLASSES.detection,
    activityId: 1,
    ecsKind: "alert",
    ecsCategory: ["intrusion_detection"],
  }],
]);

/** Kinds of applications, whatever they begin with, by how they end. */
const SESSIONS: ReadonlyMap<string, KindClass> = new Map([
  ["login", { ...LOGIN, activityId: 1, ecsType: ["start"] }],
  ["logon", { ...LOGIN, activityId: 1, ecsType: ["start"] }],
  ["logout", { ...LOGIN, activityId: 2, ecsType: ["end"] }],
  ["logoff", { ...LOGIN, activityId: 2, ecsType: ["end"] }],
]);

/** What operations are to OCSF where the kind does not say it yet. */
const OPERATIONS: ReadonlyMap<number, ReadonlyMap<string, number>> = new Map([
  // Taking a key out of use is no deletion: it may stay for a while to verify what it has signed.
  [OCSF_CLASSES.entity, new Map([["create", 1], ["rotate", 3], ["delete", 4], ["revoke", 9]])],
  [
    OCSF_CLASSES.http,
    new Map([
      ["CONNECT", 1],
      ["DELETE", 2],
      ["GET", 3],
      ["HEAD", 4],
      ["OPTIONS", 5],
      ["POST", 6],
      ["PUT", 7],
      ["TRACE", 8],
    ]),
  ],
]);

/** Says what a kind of event is about; of a kind that nobody knows, that it is something else. */
export function classOf(kind: string): KindClass {
  const known = KINDS.get(kind);
  if (known !== undefined) return known;
  const session = SESSIONS.get(kind.slice(kind.lastIndexOf(".") + 1));
  if (session !== undefined) return session;
  const dot = kind.indexOf(".");
  return FAMILIES.get(dot < 0 ? kind : kind.slice(0, dot)) ?? OTHER;
}

/** What OCSF calls an event's activity within its class. */
export function activityOf(event: AuditEvent, { classUid, activityId }: KindClass): number {
  if (activityId !== OTHER_ACTIVITY) return activityId;
  const names = OPERATIONS.get(classUid);
  const name = classUid === OCSF_CLASSES.http ? methodOf(event) : event.operation;
  return (name === undefined ? undefined : names?.get(name)) ?? OTHER_ACTIVITY;
}

/** Severities in ascending order: numbers in the words of others. */
export const SEVERITIES: Readonly<
  Record<AuditSeverity, {
    /** `severity_id` of OCSF. */
    readonly ocsf: number;
    /** Of syslog, RFC 5424, section 6.2.1: less is worse. */
    readonly syslog: number;
    /** Of CEF: 0 to 10. */
    readonly cef: number;
    /** `SeverityNumber` of OpenTelemetry. */
    readonly otel: number;
  }>
> = {
  info: { ocsf: 1, syslog: 6, cef: 1, otel: 9 },
  notice: { ocsf: 2, syslog: 5, cef: 3, otel: 10 },
  warning: { ocsf: 3, syslog: 4, cef: 5, otel: 13 },
  error: { ocsf: 4, syslog: 3, cef: 7, otel: 17 },
  critical: { ocsf: 5, syslog: 2, cef: 10, otel: 18 },
};

/** The HTTP method that an event tells of, if any. */
export function methodOf({ kind, operation, details }: AuditEvent): string | undefined {
  const { method } = details;
  if (typeof method === "string") return method;
  return kind.startsWith("http") && operation !== undefined ? operation : undefined;
}

/** What happened, in a few words. */
export function messageOf({ kind, outcome, code, reason }: AuditEvent): string {
  const why = reason ?? code;
  return why === undefined ? `${kind}: ${outcome}` : `${kind}: ${outcome}: ${why}`;
}

/** The numbers of a severity; one that is unknown is no reason to lose an event, nor to pass it over. */
export function levelsOf(severity: AuditSeverity): typeof SEVERITIES["info"] {
  return Object.hasOwn(SEVERITIES, severity) ? SEVERITIES[severity] : SEVERITIES.warning;
}

/** The details as one text, or `undefined` where there are none. */
export function detailsText({ details }: AuditEvent): string | undefined {
  try {
    const json = JSON.stringify(details);
    return json === "{}" ? undefined : escapeJson(json);
  } catch {
    // Events of a logger are plain JSON; one that was made by hand may hold anything.
    return '"[unserializable]"';
  }
}

/** Milliseconds since the epoch, or `undefined` where a time is none. */
export function epochMs(time: string): number | undefined {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The identifiers of a `traceparent` (W3C Trace Context, section 3.2), if it has the form. */
export function traceOf(
  traceparent: string | undefined,
): { readonly traceId: string; readonly spanId: string } | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/.exec(traceparent ?? "");
  return match === null ? undefined : { traceId: match[1]!, spanId: match[2]! };
}

/** Which kind of IP address it is; `undefined` for a name, a socket's path or a mistake. */
export function ipVersion(address: string): 4 | 6 | undefined {
  if (parseIp(address) === undefined) return undefined;
  return address.includes(":") ? 6 : 4;
}

/** A port as it may be sent on; anything else is none. */
export function portOf(port: number | undefined): number | undefined {
  return Number.isInteger(port) && port! >= 0 && port! <= 65_535 ? port : undefined;
}

/** A duration as an index takes it: a whole number of units, exact, and not below 0. */
export function wholeDuration(
  durationMs: number | undefined,
  unitsPerMs: number,
): number | undefined {
  if (durationMs === undefined) return undefined;
  const units = Math.max(0, Math.round(durationMs * unitsPerMs));
  return Number.isSafeInteger(units) ? units : undefined;
}
