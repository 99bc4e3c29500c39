import {
  activityOf,
  classOf,
  epochMs,
  ipVersion,
  type KindClass,
  levelsOf,
  messageOf,
  methodOf,
  OCSF_CLASSES,
  OTHER_ACTIVITY,
  portOf,
  traceOf,
  wholeDuration,
} from "./_event_kinds.ts";
import type { AuditEvent, AuditOutcome } from "./audit_event.ts";

/** The version of the Open Cybersecurity Schema Framework that {@linkcode toOcsf} writes. */
export const OCSF_VERSION = "1.5.0";

/** What writes the events. */
export interface OcsfProduct {
  /** Name of your application. */
  readonly name: string;
  /** Who makes it. @default {undefined} */
  readonly vendorName?: string;
  /** Its version. @default {undefined} */
  readonly version?: string;
}

/** Options of {@linkcode toOcsf}. */
export interface OcsfOptions {
  /** What writes the events. @default {Bartizan} */
  readonly product?: OcsfProduct;
  /** Name of the machine, which events of files have to state. @default {"localhost"} */
  readonly hostname?: string;
}

/** An event of the Open Cybersecurity Schema Framework: the attributes of every class, and those of its own. */
export interface OcsfEvent {
  /** The category: the thousands of the class. */
  readonly category_uid: number;
  /** The class. */
  readonly class_uid: number;
  /** The activity within the class. */
  readonly activity_id: number;
  /** `class_uid` × 100 + `activity_id`. */
  readonly type_uid: number;
  /** When it happened, in milliseconds since the epoch. */
  readonly time: number;
  /** 1 (informational) to 5 (critical). */
  readonly severity_id: number;
  /** 1 (success) or 2 (failure). */
  readonly status_id: number;
  /** The version, the product, and what identifies the event. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Whatever the schema has no attribute for. */
  readonly unmapped: Readonly<Record<string, unknown>>;
  /** The other attributes. */
  readonly [attribute: string]: unknown;
}

/**
 * An event in the Open Cybersecurity Schema Framework, version 1.5.0, with its security control profile.
 *
 * | kind | class |
 * | --- | --- |
 * | `file.*` | File System Activity (1001) |
 * | `audit.*` | Event Log Activity (1008) |
 * | `alert.*` | Detection Finding (2004) |
 * | `dpop.verify`, `*.login`, `*.logout` | Authentication (3002) |
 * | `dpop.keys` | Entity Management (3004) |
 * | `http.*` | HTTP Activity (4002) |
 * | any other | Base Event (0) |
 *
 * What a class demands is always there: an authentication without a principal is one of the user `unknown`. The
 * values are those of the event; whoever writes them as text has to escape what JSON leaves raw.
 *
 * @see {@link https://schema.ocsf.io/1.5.0/ | OCSF 1.5.0}
 *
 * @example
 * ```ts
 * import { type AuditEvent, toOcsf } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const event: AuditEvent = {
 *   id: "6f1c", seq: 1, kind: "file.read", outcome: "denied", severity: "warning",
 *   time: "2026-01-02T03:04:05.678Z", recordedAt: "2026-01-02T03:04:05.679Z",
 *   correlationId: "c-1", details: {}, principal: "alice", resource: "notes/a.md",
 * };
 * assertEquals(toOcsf(event, { product: { name: "notes" } }).type_uid, 100102);
 * ```
 *
 * @param event The event.
 * @param options What writes it, and where.
 * @returns A new object of plain JSON; `unmapped.details` is the one of the event.
 */
export function toOcsf(event: AuditEvent, options: OcsfOptions = {}): OcsfEvent {
  const { product = { name: "Bartizan" }, hostname = "localhost" } = options;
  const kind = classOf(event.kind);
  const activity = activityOf(event, kind);
  const recordedMs = epochMs(event.recordedAt);
  const timeMs = epochMs(event.time) ?? recordedMs ?? 0;
  const user = userOf(event);
  const { code, reason, source } = event;
  // An integer by the schema; the exact one is in `unmapped`.
  const duration = wholeDuration(event.durationMs, 1);
  return {
    category_uid: Math.floor(kind.classUid / 1000),
    class_uid: kind.classUid,
    activity_id: activity,
    ...(activity === OTHER_ACTIVITY && { activity_name: event.operation ?? event.kind }),
    type_uid: kind.classUid * 100 + activity,
    time: timeMs,
    severity_id: levelsOf(event.severity).ocsf,
    severity: event.severity,
    status_id: event.outcome === "success" ? 1 : 2,
    status: event.outcome,
    ...(code !== undefined && { status_code: code }),
    ...(reason !== undefined && { status_detail: reason }),
    ...DISPOSITIONS[event.outcome],
    message: messageOf(event),
    ...(duration !== undefined && { duration }),
    actor: { app_name: product.name, ...(user !== undefined && { user }) },
    ...(source !== undefined && { src_endpoint: endpointOf(source) }),
    ...attributesOf(event, kind, { product, hostname }),
    metadata: {
      version: OCSF_VERSION,
      profiles: ["security_control"],
      product: {
        name: product.name,
        ...(product.vendorName !== undefined && { vendor_name: product.vendorName }),
        ...(product.version !== undefined && { version: product.version }),
      },
      uid: event.id,
      event_code: event.kind,
      correlation_uid: event.correlationId,
      sequence: event.seq,
      original_time: event.time,
      ...(recordedMs !== undefined && { logged_time: recordedMs }),
    },
    unmapped: unmappedOf(event, kind),
  };
}

/** Of the security control profile: allowed, blocked, rejected, or in error. */
const DISPOSITIONS: Readonly<Record<AuditOutcome, Readonly<Record<string, number>>>> = {
  success: { action_id: 1, disposition_id: 1 },
  denied: { action_id: 2, disposition_id: 2 },
  failure: { action_id: 2, disposition_id: 25 },
  error: { action_id: 0, disposition_id: 27 },
};

function userOf({ principal, details }: AuditEvent): Record<string, unknown> | undefined {
  const { jkt } = details;
  const key = typeof jkt === "string" ? { credential_uid: jkt } : undefined;
  if (principal !== undefined) return { name: principal, uid: principal, ...key };
  return key === undefined ? undefined : { name: "unknown", ...key };
}

function endpointOf({ address, port }: NonNullable<AuditEvent["source"]>): Record<string, unknown> {
  const number = portOf(port);
  return {
    ...(ipVersion(address) === undefined ? { name: address } : { ip: address }),
    ...(number !== undefined && { port: number }),
  };
}

/** What only the event's class has. */
function attributesOf(
  event: AuditEvent,
  { classUid }: KindClass,
  { product, hostname }: Required<OcsfOptions>,
): Record<string, unknown> {
  const { resource = "" } = event;
  switch (classUid) {
    case OCSF_CLASSES.file: {
      const isFolder = /^file\.(?:mkdir|list|walk)$/.test(event.kind);
      return {
        file: {
          name: resource.slice(resource.lastIndexOf("/") + 1) || resource || "unknown",
          path: resource,
          type_id: isFolder ? 2 : 0,
        },
        device: { hostname, type_id: 0 },
      };
    }
    case OCSF_CLASSES.authentication:
      return { user: userOf(event) ?? { name: "unknown" }, service: { name: product.name } };
    case OCSF_CLASSES.entity:
      return { entity: { name: resource || "keys", type: event.kind } };
    case OCSF_CLASSES.eventLog:
      return { log_name: "audit", log_type_id: 2 };
    case OCSF_CLASSES.detection:
      return { finding_info: { uid: event.id, title: event.kind } };
    case OCSF_CLASSES.http: {
      const method = methodOf(event);
      return {
        http_request: {
          ...(method !== undefined && { http_method: method }),
          ...(resource !== "" && {
            url: resource.startsWith("/") ? { path: resource } : { url_string: resource },
          }),
        },
      };
    }
    default:
      return {};
  }
}

function unmappedOf(event: AuditEvent, { subject }: KindClass): Record<string, unknown> {
  const trace = traceOf(event.traceparent);
  const rest: Record<string, unknown> = {
    outcome: event.outcome,
    operation: event.operation,
    resource: subject === "file" ? undefined : event.resource,
    duration_ms: event.durationMs,
    principal_confidence: event.principalConfidence,
    source_confidence: event.source?.confidence,
    hash_key_id: event.hashKeyId,
    client_correlation_id: event.clientCorrelationId,
    traceparent: event.traceparent,
    trace_uid: trace?.traceId,
    details: event.details,
  };
  for (const [name, value] of Object.entries(rest)) if (value === undefined) delete rest[name];
  return rest;
}
