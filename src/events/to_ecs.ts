import {
  classOf,
  detailsText,
  ipVersion,
  levelsOf,
  messageOf,
  methodOf,
  portOf,
  traceOf,
  wholeDuration,
} from "./_event_kinds.ts";
import { hasHashedPrincipal } from "./_hash_form.ts";
import type { AuditEvent } from "./audit_event.ts";

/** The version of the Elastic Common Schema that {@linkcode toEcs} writes. */
export const ECS_VERSION = "8.17.0";

/** A document of the Elastic Common Schema: nested JSON. */
export interface EcsDocument {
  /** When it happened. */
  readonly "@timestamp": string;
  /** The version of the schema. */
  readonly ecs: { readonly version: string };
  /** What happened, and how it ended. */
  readonly event: Readonly<Record<string, string | number | readonly string[]>> & {
    /** `failure` for whatever was not done. */
    readonly outcome: "success" | "failure" | "unknown";
  };
  /** Every other field set. */
  readonly [field: string]: unknown;
}

/**
 * An event in the Elastic Common Schema, 8.x.
 *
 * `event.severity` grows with the severity, from 1 for `info` to 5 for `critical`; the number of syslog is in
 * `log.syslog.severity.code`. What the schema has no field for is in `labels`, and `details` is JSON within one
 * string, `bartizan.details`: members that a client can name must not become fields of an index, which has a limit
 * of them and refuses every document beyond it.
 *
 * The values are those of the event. Whoever writes them as text has to escape what JSON leaves raw, as the
 * sinks of this library do.
 *
 * @see {@link https://www.elastic.co/guide/en/ecs/8.17/ecs-field-reference.html | ECS 8.17}
 *
 * @example
 * ```ts
 * import { type AuditEvent, toEcs } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const event: AuditEvent = {
 *   id: "6f1c", seq: 1, kind: "file.read", outcome: "denied", severity: "warning",
 *   time: "2026-01-02T03:04:05.678Z", recordedAt: "2026-01-02T03:04:05.679Z",
 *   correlationId: "c-1", details: {}, principal: "alice",
 * };
 * const { event: { outcome, category } } = toEcs(event);
 * assertEquals([outcome, category], ["failure", ["file"]]);
 * ```
 *
 * @param event The event.
 * @returns A new document of plain JSON.
 */
export function toEcs(event: AuditEvent): EcsDocument {
  const { principal, source, severity } = event;
  const kind = classOf(event.kind);
  const levels = levelsOf(severity);
  const trace = traceOf(event.traceparent);
  const details = detailsText(event);
  const duration = wholeDuration(event.durationMs, 1e6);
  return {
    "@timestamp": event.time,
    ecs: { version: ECS_VERSION },
    message: messageOf(event),
    event: {
      id: event.id,
      kind: kind.ecsKind,
      ...(kind.ecsCategory.length > 0 && { category: [...kind.ecsCategory] }),
      type: typesOf(event),
      action: event.operation ?? event.kind,
      dataset: "bartizan.audit",
      provider: event.kind,
      outcome: event.outcome === "success" ? "success" : "failure",
      severity: levels.ocsf,
      sequence: event.seq,
      created: event.recordedAt,
      ...(event.code !== undefined && { code: event.code }),
      ...(event.reason !== undefined && { reason: event.reason }),
      ...(duration !== undefined && { duration }),
    },
    log: { level: severity, syslog: { severity: { code: levels.syslog, name: severity } } },
    ...(principal !== undefined && {
      user: hasHashedPrincipal(event) ? { hash: principal } : { id: principal, name: principal },
    }),
    ...(source !== undefined && { source: sourceOf(source) }),
    ...resourceOf(event),
    ...(trace !== undefined && { trace: { id: trace.traceId }, span: { id: trace.spanId } }),
    labels: labelsOf(event),
    ...(details !== undefined && { bartizan: { details } }),
  };
}

function typesOf({ kind, outcome }: AuditEvent): string[] {
  const { ecsCategory, ecsType } = classOf(kind);
  // The schema knows refusals of these categories; of files and sessions, only the outcome.
  const [category = ""] = ecsCategory;
  const isDenied = outcome === "denied" && /^(?:api|intrusion_detection)$/.test(category);
  return isDenied ? [...ecsType, "denied"] : [...ecsType];
}

function sourceOf({ address, port }: NonNullable<AuditEvent["source"]>): Record<string, unknown> {
  const number = portOf(port);
  return {
    address,
    // A field of type ip refuses the whole document when it is none.
    ...(ipVersion(address) !== undefined && { ip: address }),
    ...(number !== undefined && { port: number }),
  };
}

function resourceOf(event: AuditEvent): Record<string, unknown> {
  const { resource, kind } = event;
  const { subject } = classOf(kind);
  const method = subject === "url" ? methodOf(event) : undefined;
  return {
    ...(method !== undefined && { http: { request: { method } } }),
    ...(resource !== undefined && subject === "file" && { file: { path: resource } }),
    ...(resource !== undefined && subject === "url" && { url: { original: resource } }),
  };
}

function labelsOf(event: AuditEvent): Record<string, string> {
  const { resource, principalConfidence, source, hashKeyId, clientCorrelationId } = event;
  return {
    correlation_id: event.correlationId,
    audit_outcome: event.outcome,
    ...(clientCorrelationId !== undefined && { client_correlation_id: clientCorrelationId }),
    ...(principalConfidence !== undefined && { principal_confidence: principalConfidence }),
    ...(source !== undefined && { source_confidence: source.confidence }),
    ...(hashKeyId !== undefined && { hash_key_id: hashKeyId }),
    ...(resource !== undefined && classOf(event.kind).subject === "other" && { resource }),
  };
}
