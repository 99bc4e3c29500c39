import { classOf, detailsText, methodOf, portOf } from "./_event_kinds.ts";
import { hasHashedPrincipal } from "./_hash_form.ts";
import type { AuditEvent } from "./audit_event.ts";

/** Attributes as every OpenTelemetry exporter takes them: flat. */
export type OtelAttributes = Record<string, string | number | boolean>;

/**
 * An event as attributes of OpenTelemetry, for log records and for events of spans.
 *
 * Where the semantic conventions have a name it is used: `user.id` (`user.hash` for hashed identifiers),
 * `client.address`, `client.port`, `error.type` (the code of what was not done), `file.path`, `url.full`,
 * `http.request.method`. Everything else is `bartizan.audit.…`. `details` is one attribute, as JSON: keys that a
 * client can choose must not become attributes, whose number is limited, and one more index each in most stores.
 *
 * A URL loses its query, its fragment and its user: telemetry goes to more people than an audit log does.
 *
 * @example
 * ```ts
 * import { type AuditEvent, toOtelAttributes } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const event: AuditEvent = {
 *   id: "6f1c", seq: 1, kind: "file.read", outcome: "denied", severity: "warning",
 *   time: "2026-01-02T03:04:05.678Z", recordedAt: "2026-01-02T03:04:05.679Z",
 *   correlationId: "c-1", details: {}, principal: "alice", code: "path-outside-root",
 * };
 * assertEquals(toOtelAttributes(event)["error.type"], "path-outside-root");
 * assertEquals(toOtelAttributes(event)["user.id"], "alice");
 * ```
 *
 * @param event The event.
 * @returns A new object of strings, numbers and booleans.
 */
export function toOtelAttributes(event: AuditEvent): OtelAttributes {
  const attributes: OtelAttributes = {
    "bartizan.audit.id": event.id,
    "bartizan.audit.seq": event.seq,
    "bartizan.audit.kind": event.kind,
    "bartizan.audit.outcome": event.outcome,
    "bartizan.audit.severity": event.severity,
    "bartizan.audit.correlation_id": event.correlationId,
  };
  const { source, code } = event;
  const set = (name: string, value: string | number | undefined) => {
    if (value !== undefined) attributes[name] = value;
  };
  set(hasHashedPrincipal(event) ? "user.hash" : "user.id", event.principal);
  set("bartizan.audit.hash_key_id", event.hashKeyId);
  set("bartizan.audit.principal_confidence", event.principalConfidence);
  set("bartizan.audit.operation", event.operation);
  setResource(attributes, event);
  set("bartizan.audit.code", code);
  if (event.outcome !== "success") set("error.type", code);
  set("bartizan.audit.reason", event.reason);
  set("bartizan.audit.duration_ms", event.durationMs);
  set("client.address", source?.address);
  set("client.port", portOf(source?.port));
  set("bartizan.audit.source_confidence", source?.confidence);
  set("bartizan.audit.traceparent", event.traceparent);
  set("bartizan.audit.client_correlation_id", event.clientCorrelationId);
  set("bartizan.audit.details", detailsText(event));
  return attributes;
}

const URL_LIKE = /^[a-z][a-z0-9+.-]*:\/\//i;

function setResource(attributes: OtelAttributes, event: AuditEvent): void {
  const { resource } = event;
  const { subject } = classOf(event.kind);
  if (subject === "url") {
    const method = methodOf(event);
    if (method !== undefined) attributes["http.request.method"] = method;
  }
  if (resource === undefined) return;
  if (subject === "file") attributes["file.path"] = resource;
  else if (subject === "url") attributes["url.full"] = bareUrl(resource);
  else {attributes["bartizan.audit.resource"] = URL_LIKE.test(resource)
      ? bareUrl(resource)
      : resource;}
}

/** Without what may be a token or a password. */
function bareUrl(url: string): string {
  return url.replace(/[?#][^]*$/, "").replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1");
}
