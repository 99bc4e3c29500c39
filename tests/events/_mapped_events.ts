/** Events for the mappers and for the sinks that pass events on. */
import * as fc from "fast-check";
import type { AuditEvent, AuditOutcome, AuditSeverity } from "../../src/events/audit_event.ts";

/** An event with everything that is always there. */
export function auditEvent(more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    id: "0b0e4a52-7f5f-4f5c-9a41-3a3c3b0b7b11",
    seq: 7,
    kind: "file.read",
    outcome: "success",
    severity: "info",
    time: "2026-01-02T03:04:05.678Z",
    recordedAt: "2026-01-02T03:04:05.680Z",
    correlationId: "c-1",
    details: {},
    ...more,
  };
}

/** What a principal calls itself to be read as something else. */
export const HOSTILE: readonly string[] = [
  "bob\nINFO login ok for admin",
  "bob\r\nCEF:0|a|b|1|login|ok|1|suser=admin",
  'x","role":"admin',
  "x suser=admin outcome=success",
  "x|y|10|",
  "C:\\temp\\",
  "\\",
  "\x1b[2J\x1b]0;pwn\x07",
  "\x9b2J\x85next\x7f",
  "a\u202eb\u2066c\u2069",
  "a\u200bb\ufeffc\u00add",
  "a\u2028b\u2029c",
  "\u{e0041}\u{e007f}",
  "\0",
  "__proto__",
  "constructor",
  "",
];

/** What no written line may hold: it acts on a terminal, ends a line, or cannot be seen. */
export const UNSAFE =
  // deno-lint-ignore no-control-regex -- they are what it looks for.
  /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udfff]/;

/** Every kind that this library reports. */
export const KINDS: readonly string[] = [
  ...["validate", "open", "read", "write", "mkdir", "remove", "rename", "copy", "stat", "list"]
    .map((name) => `file.${name}`),
  "file.walk",
  "dpop.verify",
  "dpop.keys",
  ...["start", "gap", "coalesced", "checkpoint", "prune", "rotate"].map((name) => `audit.${name}`),
  ...["deadline", "limit", "block", "orphan"].map((name) => `runtime.${name}`),
  "alert.fired",
  "http.request",
  "user.login",
  "user.logout",
  "log.app",
];

export const OUTCOMES: readonly AuditOutcome[] = ["success", "denied", "failure", "error"];
export const SEVERITIES: readonly AuditSeverity[] = [
  "info",
  "notice",
  "warning",
  "error",
  "critical",
];

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }).map((value) => value.toWellFormed()),
  fc.constantFrom(...HOSTILE),
);
const address = fc.oneof(fc.ipV4(), fc.ipV6(), text, fc.constant("/run/app.sock"));

/** Any event that a logger may record, with the worst content. */
export const arbitraryEvent: fc.Arbitrary<AuditEvent> = fc.record({
  id: text,
  seq: fc.nat(),
  kind: fc.oneof(fc.constantFrom(...KINDS), text),
  outcome: fc.constantFrom(...OUTCOMES),
  severity: fc.constantFrom(...SEVERITIES),
  time: fc.oneof(fc.constant("2026-01-02T03:04:05.678Z"), text),
  recordedAt: fc.oneof(fc.constant("2026-01-02T03:04:05.680Z"), text),
  correlationId: text,
  details: fc.dictionary(text, fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>, {
    maxKeys: 4,
  }),
  principal: text,
  principalConfidence: fc.constantFrom("verified" as const, "claimed" as const),
  resource: text,
  operation: text,
  code: text,
  reason: text,
  durationMs: fc.double(),
  source: fc.record({
    address,
    // JSON knows no negative zero.
    port: fc.oneof(fc.nat(65_535), fc.double().map((port) => port + 0)),
    confidence: fc.constantFrom("peer" as const, "forwarded" as const, "claimed" as const),
  }, { requiredKeys: ["address", "confidence"] }),
  traceparent: fc.oneof(
    fc.constant("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    text,
  ),
  clientCorrelationId: text,
  hashKeyId: text,
}, {
  requiredKeys: [
    "id",
    "seq",
    "kind",
    "outcome",
    "severity",
    "time",
    "recordedAt",
    "correlationId",
    "details",
  ],
});
