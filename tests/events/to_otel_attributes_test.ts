import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { toOtelAttributes } from "../../src/events/to_otel_attributes.ts";
import { arbitraryEvent, auditEvent, HOSTILE, KINDS } from "./_mapped_events.ts";

Deno.test("toOtelAttributes() uses the names of the semantic conventions where there are some", () => {
  const event = auditEvent({
    outcome: "denied",
    severity: "warning",
    operation: "stream",
    principal: "alice",
    principalConfidence: "verified",
    resource: "notes/a.md",
    code: "path-outside-root",
    reason: "why",
    durationMs: 1.25,
    source: { address: "192.0.2.1", port: 443, confidence: "peer" },
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    clientCorrelationId: "mine",
    details: { bytes: 3 },
  });
  assertEquals(toOtelAttributes(event), {
    "bartizan.audit.id": "0b0e4a52-7f5f-4f5c-9a41-3a3c3b0b7b11",
    "bartizan.audit.seq": 7,
    "bartizan.audit.kind": "file.read",
    "bartizan.audit.outcome": "denied",
    "bartizan.audit.severity": "warning",
    "bartizan.audit.correlation_id": "c-1",
    "user.id": "alice",
    "bartizan.audit.principal_confidence": "verified",
    "bartizan.audit.operation": "stream",
    "file.path": "notes/a.md",
    "bartizan.audit.code": "path-outside-root",
    "error.type": "path-outside-root",
    "bartizan.audit.reason": "why",
    "bartizan.audit.duration_ms": 1.25,
    "client.address": "192.0.2.1",
    "client.port": 443,
    "bartizan.audit.source_confidence": "peer",
    "bartizan.audit.traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "bartizan.audit.client_correlation_id": "mine",
    "bartizan.audit.details": '{"bytes":3}',
  });
  const done = toOtelAttributes(auditEvent({ code: "x", principal: "hmac:k:h", hashKeyId: "k" }));
  assertEquals(["error.type" in done, done["user.hash"], "user.id" in done], [
    false,
    "hmac:k:h",
    false,
  ]);
});

Deno.test("toOtelAttributes() leaves out of a URL what may be a secret", () => {
  const cases: [string, string][] = [
    ["https://api.example/x?access_token=SECRET", "https://api.example/x"],
    ["https://api.example/x#access_token=SECRET", "https://api.example/x"],
    ["https://alice:SECRET@api.example/x", "https://api.example/x"],
    ["https://a@b:SECRET@api.example/", "https://api.example/"],
    ["/x?SECRET\nSECRET", "/x"],
    ["https://api.example/a@b", "https://api.example/a@b"],
  ];
  for (const kind of ["dpop.verify", "http.request"]) {
    for (const [resource, url] of cases) {
      const attributes = toOtelAttributes(
        auditEvent({ kind, resource, details: { method: "GET" } }),
      );
      assertEquals(attributes["url.full"], url);
      assertEquals(attributes["http.request.method"], "GET");
    }
  }
});

Deno.test("toOtelAttributes() makes no attribute of what a client names", () => {
  const names = (details: Record<string, unknown>) =>
    Object.keys(toOtelAttributes(auditEvent({ details })));
  const hostile = Object.fromEntries(HOSTILE.map((name) => [name, name]));
  assertEquals(names(hostile), names({ a: 1 }));
});

Deno.test("toOtelAttributes() is flat and never throws, with any content", () => {
  const check = (attributes: Record<string, unknown>) => {
    for (const [name, value] of Object.entries(attributes)) {
      assert(["string", "number", "boolean"].includes(typeof value), name);
    }
  };
  for (const kind of KINDS) check(toOtelAttributes(auditEvent({ kind, resource: "r" })));
  fc.assert(fc.property(arbitraryEvent, (event) => check(toOtelAttributes(event))), {
    seed: 64,
    numRuns: 1000,
  });
});

Deno.test("toOtelAttributes() leaves what may be a token out of every URL", () => {
  for (const kind of ["http.request", "oauth.callback", "runtime.limit", "http.login"]) {
    const resource = "https://user:secret@example.com/cb?code=secret#secret";
    const text = JSON.stringify(toOtelAttributes(auditEvent({ kind, resource })));
    assertEquals([text.includes("https://example.com/cb"), text.includes("secret")], [true, false]);
  }
});
