import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { memorySink } from "../../src/events/memory_sink.ts";
import { toEcs } from "../../src/events/to_ecs.ts";
import { toOtelAttributes } from "../../src/events/to_otel_attributes.ts";
import { isoTime } from "../../src/events/_iso_time.ts";

const KEY = new TextEncoder().encode("a key of sixteen bytes and more");
const EVENT = {
  kind: "login",
  outcome: "failure",
  principal: "alice",
  source: { address: "192.0.2.7", port: 50_000, confidence: "peer" },
} as const;

function record(
  events: readonly Record<string, unknown>[],
  hashIdentifiers: { key?: Uint8Array; keyId?: string; fields?: ("principal" | "source")[] } = {},
): { hashed: readonly AuditEvent[]; plain: readonly AuditEvent[] } {
  const [hashed, plain] = [memorySink(), memorySink({ plainIdentifiers: true })];
  const audit = new AuditLogger({
    sinks: [hashed, plain],
    hashIdentifiers: { key: KEY, keyId: "2026-q1", ...hashIdentifiers },
  });
  for (const event of events) audit.report(event as never);
  return { hashed: hashed.events, plain: plain.events };
}

/** What Web Crypto says. */
async function expected(field: string, identifier: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", KEY, algorithm, false, ["sign"]);
  const bytes = await crypto.subtle.sign(
    "HMAC",
    key,
    new TextEncoder().encode(`${field}\0${identifier}`),
  );
  const text = new Uint8Array(bytes).subarray(0, 16).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
  return `hmac:2026-q1:${text}`;
}

Deno.test("report() hashes principal and address by HMAC-SHA-256, under a key that is named", async () => {
  const { hashed: [event], plain: [plain] } = record([EVENT]);
  assertEquals(event?.principal, await expected("principal", "alice"));
  assertEquals(event?.source, {
    address: await expected("source", "192.0.2.7"),
    confidence: "peer",
  });
  assertEquals(event?.hashKeyId, "2026-q1");
  assert(Object.isFrozen(event) && Object.isFrozen(event?.source));
  assertEquals([plain?.principal, plain?.source], [EVENT.principal, EVENT.source]);
  assertEquals("hashKeyId" in (plain ?? {}), false);
  assertEquals([plain?.id, plain?.seq, plain?.correlationId], [
    event?.id,
    event?.seq,
    event?.correlationId,
  ]);
});

Deno.test("a dictionary finds an address behind a bare hash, and not behind a keyed one", async () => {
  const sha256 = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
      .subarray(0, 16).toBase64({ alphabet: "base64url", omitPadding: true });
  const dictionary = new Map<string, string>();
  for (let at = 0; at < 256; at++) {
    dictionary.set(await sha256(`192.0.2.${at}`), `192.0.2.${at}`);
  }
  // Control: what is recorded as a bare hash is found.
  assertEquals(dictionary.get(await sha256("192.0.2.7")), "192.0.2.7");

  const { hashed: [event] } = record([EVENT]);
  const hash = event?.source?.address.split(":")[2] ?? "";
  assertMatch(hash, /^[A-Za-z0-9_-]{22}$/);
  assertEquals(dictionary.get(hash), undefined);
});

Deno.test("report() gives one person one hash under one key, and another under another", () => {
  const events = [EVENT, { ...EVENT, principal: "bob" }, EVENT];
  const { hashed } = record(events);
  assertEquals(hashed[0]?.principal, hashed[2]?.principal);
  assertNotEquals(hashed[0]?.principal, hashed[1]?.principal);
  const other = record(events, { key: new Uint8Array(16) });
  assertNotEquals(other.hashed[0]?.principal, hashed[0]?.principal);
});

Deno.test("report() hashes only the fields that were named", () => {
  const principal = record([EVENT], { fields: ["principal"] }).hashed[0];
  assertMatch(principal?.principal ?? "", /^hmac:/);
  assertEquals(principal?.source, EVENT.source);
  const source = record([EVENT], { fields: ["source"] }).hashed[0];
  assertEquals(source?.principal, "alice");
  assertMatch(source?.source?.address ?? "", /^hmac:/);
  assertEquals([principal?.hashKeyId, source?.hashKeyId], ["2026-q1", "2026-q1"]);
  // Where nothing is hashed, there is no key.
  const nobody = record([{ kind: "start", outcome: "success" }]).hashed[0];
  assertEquals([nobody?.principal, nobody?.source], [undefined, undefined]);
  assertEquals("hashKeyId" in (nobody ?? {}), false);
  const { source: _, ...placeless } = EVENT;
  const plain = record([placeless], { fields: ["source"] }).hashed[0];
  assertEquals([plain?.principal, "hashKeyId" in (plain ?? {})], ["alice", false]);
  // A plain principal beside a hashed address is no hash to others.
  assert(source !== undefined && principal !== undefined);
  assertEquals(toEcs(source)["user"], { id: "alice", name: "alice" });
  assertEquals(toOtelAttributes(source)["user.id"], "alice");
  assertEquals(toEcs(principal)["user"], { hash: principal.principal });
  assertEquals(toOtelAttributes(principal)["user.hash"], principal.principal);
});

Deno.test("report() hashes what was said: by its field, one address in one form, and in full", () => {
  const hash = (field: "principal" | "source", text: string) => {
    const said = field === "principal"
      ? { principal: text }
      : { source: { address: text, confidence: "peer" } };
    const { hashed: [event] } = record([{ kind: "x", outcome: "success", ...said }]);
    return field === "principal" ? event?.principal : event?.source?.address;
  };
  const address = "10.0.0.1";
  assertNotEquals(hash("principal", address), hash("source", address));
  assertEquals(hash("source", `::ffff:${address}`), hash("source", address));
  assertEquals(hash("source", "2001:DB8:0::1"), hash("source", "2001:db8::1"));
  assertNotEquals(hash("principal", `::ffff:${address}`), hash("principal", address));
  const different = [
    ["sk_live_AAAAAAAAAAAAAAAA1", "sk_live_BBBBBBBBBBBBBBBB1"],
    [`${"p".repeat(2048)}a`, `${"p".repeat(2048)}b`],
    ["p".repeat(20_000), "p".repeat(20_001)],
    ["eve\ud800", "eve\ud801"],
  ] as const;
  for (const field of ["principal", "source"] as const) {
    for (const [one, other] of different) assertNotEquals(hash(field, one), hash(field, other));
  }
});

Deno.test("report() copies the key, and is not changed by what its owner does to it", () => {
  const key = KEY.slice();
  const sink = memorySink();
  const audit = new AuditLogger({ sinks: [sink], hashIdentifiers: { key, keyId: "k" } });
  audit.report(EVENT);
  key.fill(0);
  audit.report({ ...EVENT, principal: "bob" });
  const { hashed } = record([EVENT, { ...EVENT, principal: "bob" }], { keyId: "k" });
  assertEquals(sink.events.map((e) => e.principal), hashed.map((e) => e.principal));
});

Deno.test("isoTime() writes what Date writes, from second to second and back", () => {
  for (const timeMs of [999, 1000, 999, 86_399_999, 86_400_000, 1_709_164_800_000, 5]) {
    assertEquals(isoTime(timeMs), new Date(timeMs).toISOString());
  }
});
