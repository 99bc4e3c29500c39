const TIME = {
  type: "string",
  pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
} as const;
const TEXT = { type: "string" } as const;
const HASH = { type: "string", pattern: "^[A-Za-z0-9+/]{43}=$" } as const;

/**
 * The JSON Schema (2020-12) of an {@linkcode AuditEvent}, as sinks receive it and as files hold it. `writer`,
 * `prev` and `hash` are what a file adds.
 *
 * @see {@link https://json-schema.org/draft/2020-12 | JSON Schema 2020-12}
 *
 * @example
 * ```ts
 * import { auditEventSchema } from "@bartizan/security";
 * import { assert } from "@std/assert";
 *
 * assert(auditEventSchema.required.includes("kind"));
 * ```
 */
export const auditEventSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:bartizan:audit-event:1",
  title: "Audit event",
  type: "object",
  properties: {
    id: { type: "string", minLength: 1, maxLength: 128 },
    seq: { type: "integer", minimum: 1 },
    kind: {
      type: "string",
      pattern: "^[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+)*$",
      maxLength: 64,
    },
    outcome: { enum: ["success", "denied", "failure", "error"] },
    severity: { enum: ["info", "notice", "warning", "error", "critical"] },
    time: TIME,
    recordedAt: TIME,
    principal: TEXT,
    principalConfidence: { enum: ["verified", "claimed"] },
    resource: TEXT,
    operation: TEXT,
    code: TEXT,
    reason: TEXT,
    durationMs: { type: "number", minimum: 0 },
    source: {
      type: "object",
      properties: {
        address: TEXT,
        port: { type: "integer", minimum: 0, maximum: 65_535 },
        confidence: { enum: ["peer", "forwarded", "claimed"] },
      },
      required: ["address", "confidence"],
      additionalProperties: false,
    },
    correlationId: { type: "string", pattern: "^[A-Za-z0-9._:-]{1,128}$" },
    traceparent: {
      type: "string",
      pattern: "^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$",
    },
    clientCorrelationId: { type: "string", pattern: "^[A-Za-z0-9-]{1,64}$" },
    details: { type: "object" },
    hashKeyId: { type: "string", pattern: "^[A-Za-z0-9._-]{1,64}$" },
    writer: { type: "string", minLength: 1, maxLength: 128 },
    prev: HASH,
    hash: HASH,
  },
  required: [
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
  dependentRequired: { principal: ["principalConfidence"], hash: ["prev"] },
  additionalProperties: false,
} as const;
