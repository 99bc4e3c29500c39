import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { ECS_VERSION, toEcs } from "../../src/events/to_ecs.ts";
import { arbitraryEvent, auditEvent, HOSTILE, KINDS, OUTCOMES } from "./_mapped_events.ts";

/** The types that ECS 8.17 expects with each of the categories that are used. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  api: ["access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info"],
  authentication: ["start", "end", "info"],
  configuration: ["access", "change", "creation", "deletion", "info"],
  file: ["access", "change", "creation", "deletion", "info"],
  iam: ["admin", "change", "creation", "deletion", "group", "info", "user"],
  intrusion_detection: ["allowed", "denied", "info"],
  web: ["access", "error", "info"],
};

Deno.test("toEcs() puts each kind into a category, with types that the schema expects there", () => {
  const cases: Record<string, [string | undefined, string]> = {
    "file.open": ["file", "access"],
    "file.walk": ["file", "access"],
    "file.write": ["file", "change"],
    "file.mkdir": ["file", "creation"],
    "file.copy": ["file", "creation"],
    "file.remove": ["file", "deletion"],
    "file.stat": ["file", "info"],
    "file.validate": ["file", "info"],
    "dpop.verify": ["authentication", "info"],
    "dpop.keys": ["iam", "info"],
    "user.login": ["authentication", "start"],
    logout: ["authentication", "end"],
    "audit.gap": ["configuration", "info"],
    "audit.prune": ["configuration", "deletion"],
    "runtime.deadline": ["api", "info"],
    "runtime.limit": ["intrusion_detection", "info"],
    "alert.fired": ["intrusion_detection", "info"],
    "http.request": ["web", "access"],
    "log.app": [undefined, "info"],
    "something.new": [undefined, "info"],
    __proto__: [undefined, "info"],
  };
  for (const [kind, [category, type]] of Object.entries(cases)) {
    const { event } = toEcs(auditEvent({ kind }));
    assertEquals(event["category"], category === undefined ? undefined : [category], kind);
    assertEquals(event["type"], [type], kind);
    assertEquals(event["kind"], kind.startsWith("alert") ? "alert" : "event");
  }
  for (const kind of KINDS) {
    for (const outcome of OUTCOMES) {
      const { event: { category, type } } = toEcs(auditEvent({ kind, outcome }));
      for (const name of (category ?? []) as readonly string[]) {
        assert((type as readonly string[]).every((each) => EXPECTED[name]!.includes(each)), kind);
      }
    }
  }
  assertEquals(
    toEcs(auditEvent({ kind: "runtime.limit", outcome: "denied" })).event["type"],
    ["info", "denied"],
  );
});

Deno.test("toEcs() maps what an event may have", () => {
  assertEquals(
    toEcs(auditEvent({
      outcome: "denied",
      severity: "warning",
      operation: "stream",
      principal: "alice",
      principalConfidence: "verified",
      resource: "notes/a.md",
      code: "path-outside-root",
      reason: "why",
      durationMs: 1.25,
      source: { address: "2001:db8::1", port: 40_000, confidence: "peer" },
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      clientCorrelationId: "mine",
      details: { bytes: 3 },
    })) as unknown,
    {
      "@timestamp": "2026-01-02T03:04:05.678Z",
      ecs: { version: ECS_VERSION },
      message: "file.read: denied: why",
      event: {
        id: "0b0e4a52-7f5f-4f5c-9a41-3a3c3b0b7b11",
        kind: "event",
        category: ["file"],
        type: ["access"],
        action: "stream",
        dataset: "bartizan.audit",
        provider: "file.read",
        outcome: "failure",
        severity: 3,
        sequence: 7,
        created: "2026-01-02T03:04:05.680Z",
        code: "path-outside-root",
        reason: "why",
        duration: 1_250_000,
      },
      log: { level: "warning", syslog: { severity: { code: 4, name: "warning" } } },
      user: { id: "alice", name: "alice" },
      source: { address: "2001:db8::1", ip: "2001:db8::1", port: 40_000 },
      file: { path: "notes/a.md" },
      trace: { id: "4bf92f3577b34da6a3ce929d0e0e4736" },
      span: { id: "00f067aa0ba902b7" },
      labels: {
        correlation_id: "c-1",
        audit_outcome: "denied",
        client_correlation_id: "mine",
        principal_confidence: "verified",
        source_confidence: "peer",
      },
      bartizan: { details: '{"bytes":3}' },
    },
  );
});

Deno.test("toEcs() writes hashes, URLs and other resources where they belong", () => {
  assertEquals(toEcs(auditEvent({ principal: "hmac:k:1", hashKeyId: "k" }))["user"], {
    hash: "hmac:k:1",
  });
  const verified = toEcs(auditEvent({
    kind: "dpop.verify",
    resource: "https://api.example/x",
    details: { method: "GET" },
  }));
  assertEquals(verified["url"], { original: "https://api.example/x" });
  assertEquals(verified["http"], { request: { method: "GET" } });
  const limited = toEcs(auditEvent({ kind: "runtime.limit", resource: "login" }));
  assertEquals((limited["labels"] as Record<string, string>)["resource"], "login");
});

Deno.test("toEcs() makes no field of what a client names, and no ip of what is none", () => {
  const details = Object.fromEntries(HOSTILE.map((name, at) => [`${name}.${at}`, at]));
  const source = { address: "evil.example", port: 70_000, confidence: "claimed" as const };
  const plain = Object.keys(toEcs(auditEvent({ source })));
  const document = toEcs(auditEvent({ source, details }));
  assertEquals(Object.keys(document).filter((key) => !plain.includes(key)), ["bartizan"]);
  assertEquals(JSON.parse((document["bartizan"] as { details: string }).details), details);
  assertEquals(document["source"], { address: "evil.example" });
});

Deno.test("toEcs() never throws, and knows three outcomes, with any content", () => {
  fc.assert(
    fc.property(arbitraryEvent, (event) => {
      const document = toEcs(event);
      assert(["success", "failure", "unknown"].includes(document.event.outcome));
      assertEquals(document.event.outcome === "success", event.outcome === "success");
      assertEquals(JSON.parse(JSON.stringify(document)), structuredClone(document));
    }),
    { seed: 62, numRuns: 1000 },
  );
});
