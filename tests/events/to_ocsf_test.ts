import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { OCSF_VERSION, type OcsfEvent, toOcsf } from "../../src/events/to_ocsf.ts";
import { arbitraryEvent, auditEvent, KINDS } from "./_mapped_events.ts";

/** What OCSF 1.5.0 demands of every event, and of each class that is used. */
const ALWAYS = [
  "activity_id",
  "category_uid",
  "class_uid",
  "metadata",
  "severity_id",
  "time",
  "type_uid",
];
const CLASSES: Readonly<Record<number, readonly string[]>> = {
  0: [],
  1001: ["actor", "device", "file"],
  1008: ["log_name"],
  2004: ["finding_info"],
  3002: ["user", "service"],
  3004: ["entity"],
  4002: ["http_request"],
};
const ACTIVITIES: Readonly<Record<number, number>> = {
  0: 0,
  1001: 14,
  1008: 10,
  2004: 3,
  3002: 6,
  3004: 13,
  4002: 8,
};

function checkOcsf(event: OcsfEvent): void {
  const { class_uid, activity_id, type_uid, category_uid, time, severity_id, status_id } = event;
  for (const name of [...ALWAYS, ...CLASSES[class_uid]!]) assert(name in event, name);
  assert(activity_id === 99 || activity_id >= 1 && activity_id <= ACTIVITIES[class_uid]!);
  assertEquals(type_uid, class_uid * 100 + activity_id);
  assertEquals(category_uid, Math.floor(class_uid / 1000));
  assert(Number.isInteger(time));
  assert(severity_id >= 1 && severity_id <= 5);
  assert(status_id === 1 || status_id === 2);
  assertEquals(event.metadata["version"], "1.5.0");
  assert(activity_id !== 99 || typeof event["activity_name"] === "string");
}

Deno.test("toOcsf() puts each kind into a class and an activity", () => {
  const cases: [string, number][] = [
    ["file.open", 100114],
    ["file.read", 100102],
    ["file.list", 100102],
    ["file.write", 100103],
    ["file.mkdir", 100101],
    ["file.copy", 100101],
    ["file.remove", 100104],
    ["file.rename", 100105],
    ["file.stat", 100108],
    ["file.validate", 100199],
    ["dpop.verify", 300299],
    ["user.login", 300201],
    ["user.logout", 300202],
    ["dpop.keys", 300499],
    ["audit.start", 100806],
    ["audit.rotate", 100805],
    ["audit.prune", 100802],
    ["audit.gap", 100899],
    ["alert.fired", 200401],
    ["http.request", 400299],
    ["runtime.deadline", 99],
    ["log.app", 99],
    ["", 99],
    ["constructor", 99],
  ];
  for (const [kind, type] of cases) assertEquals(toOcsf(auditEvent({ kind })).type_uid, type, kind);
  for (const kind of KINDS) checkOcsf(toOcsf(auditEvent({ kind })));
});

Deno.test("toOcsf() tells activities apart by operation and method", () => {
  const cases: [string, string, number][] = [
    ["dpop.keys", "create", 1],
    ["dpop.keys", "rotate", 3],
    ["dpop.keys", "revoke", 9],
    ["dpop.keys", "constructor", 99],
    ["http.request", "GET", 3],
    ["http.request", "TRACE", 8],
    ["http.request", "PATCH", 99],
  ];
  for (const [kind, operation, activity] of cases) {
    assertEquals(toOcsf(auditEvent({ kind, operation })).activity_id, activity);
  }
  const byDetails = auditEvent({ kind: "http.request", details: { method: "PUT" } });
  assertEquals(toOcsf(byDetails).activity_id, 7);
});

Deno.test("toOcsf() maps what an event may have", () => {
  assertEquals(
    toOcsf(
      auditEvent({
        outcome: "denied",
        severity: "critical",
        principal: "alice",
        principalConfidence: "verified",
        resource: "notes/a.md",
        code: "path-outside-root",
        reason: "why",
        durationMs: 1.6,
        source: { address: "192.0.2.1", port: 443, confidence: "peer" },
        details: { bytes: 3 },
      }),
      { product: { name: "notes", vendorName: "ACME", version: "1" }, hostname: "web-1" },
    ) as unknown,
    {
      category_uid: 1,
      class_uid: 1001,
      activity_id: 2,
      type_uid: 100102,
      time: 1767323045678,
      severity_id: 5,
      severity: "critical",
      status_id: 2,
      status: "denied",
      status_code: "path-outside-root",
      status_detail: "why",
      action_id: 2,
      disposition_id: 2,
      message: "file.read: denied: why",
      duration: 2,
      actor: { app_name: "notes", user: { name: "alice", uid: "alice" } },
      src_endpoint: { ip: "192.0.2.1", port: 443 },
      file: { name: "a.md", path: "notes/a.md", type_id: 0 },
      device: { hostname: "web-1", type_id: 0 },
      metadata: {
        version: OCSF_VERSION,
        profiles: ["security_control"],
        product: { name: "notes", vendor_name: "ACME", version: "1" },
        uid: "0b0e4a52-7f5f-4f5c-9a41-3a3c3b0b7b11",
        event_code: "file.read",
        correlation_uid: "c-1",
        sequence: 7,
        original_time: "2026-01-02T03:04:05.678Z",
        logged_time: 1767323045680,
      },
      unmapped: {
        outcome: "denied",
        duration_ms: 1.6,
        principal_confidence: "verified",
        source_confidence: "peer",
        details: { bytes: 3 },
      },
    },
  );
});

Deno.test("toOcsf() gives each class what it demands when the event does not have it", () => {
  const nobody = toOcsf(auditEvent({ kind: "dpop.verify" }));
  assertEquals(nobody["user"], { name: "unknown" });
  const key = toOcsf(auditEvent({ kind: "dpop.verify", details: { jkt: "n4bQ" } }));
  assertEquals(key["user"], { name: "unknown", credential_uid: "n4bQ" });
  assertEquals(toOcsf(auditEvent())["file"], { name: "unknown", path: "", type_id: 0 });
  const folder = toOcsf(auditEvent({ kind: "file.mkdir", resource: "a/b/" }));
  assertEquals(folder["file"], { name: "a/b/", path: "a/b/", type_id: 2 });
  const socket = { address: "/run/app.sock", confidence: "peer" as const };
  assertEquals(toOcsf(auditEvent({ source: socket }))["src_endpoint"], { name: "/run/app.sock" });
  const urls: [string, unknown][] = [
    ["/x?a=1", { path: "/x?a=1" }],
    ["https://a.example/x", { url_string: "https://a.example/x" }],
  ];
  for (const [resource, url] of urls) {
    const request = toOcsf(auditEvent({ kind: "http.request", operation: "GET", resource }));
    assertEquals(request["http_request"], { http_method: "GET", url });
  }
  assertEquals(toOcsf(auditEvent({ time: "?", recordedAt: "?" })).time, 0);
});

Deno.test("toOcsf() is consistent and never throws, with any content", () => {
  fc.assert(
    fc.property(arbitraryEvent, (event) => {
      const mapped = toOcsf(event);
      checkOcsf(mapped);
      assertEquals(mapped.status_id === 1, event.outcome === "success");
      assertEquals(mapped.unmapped["details"], event.details);
    }),
    { seed: 63, numRuns: 1000 },
  );
});
