import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import * as fc from "fast-check";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { toCef } from "../../src/events/to_cef.ts";
import { arbitraryEvent, auditEvent, HOSTILE, KINDS, UNSAFE } from "./_mapped_events.ts";

interface Cef {
  readonly header: readonly string[];
  readonly extension: ReadonlyMap<string, string>;
}

/** A parser of the format as a collector has one: escapes first, then keys. */
function parseCef(line: string): Cef {
  const fields: string[] = [];
  let field = "";
  let at = 0;
  for (; fields.length < 7; at++) {
    const unit = line[at];
    if (unit === undefined) throw new Error("the header ends early");
    if (unit === "\\") field += line[++at];
    else if (unit === "|") {
      fields.push(field);
      field = "";
    } else field += unit;
  }
  const extension = new Map<string, string>();
  const text = line.slice(at);
  // A key begins at the start or after a space, and ends with the first "=" that no backslash precedes.
  const starts = [...text.matchAll(/(?:^| )([A-Za-z0-9_.]+)=/g)];
  starts.forEach((match, index) => {
    const value = text.slice(match.index + match[0].length, starts[index + 1]?.index);
    if (extension.has(match[1]!)) throw new Error(`the key ${match[1]} comes twice`);
    extension.set(
      match[1]!,
      value.replace(/\\(.)/g, (_, unit) => unit === "n" ? "\n" : unit === "r" ? "\r" : unit),
    );
  });
  return { header: fields, extension };
}

/** What is not seen becomes text; everything else has to come back as it was. */
function shown(value: string, isUnsafe = /[^\r\n]/): string {
  return Array.from(
    { length: value.length },
    (_, at) => value[at]!,
  ).map((unit, at, units) => {
    const pair = /[\ud800-\udbff]/.test(unit) ? unit + (units[at + 1] ?? "") : undefined;
    const low = /[\udc00-\udfff]/.test(unit) ? (units[at - 1] ?? "") + unit : undefined;
    const whole = pair ?? low ?? unit;
    const isHidden = EXTRA.test(whole) || UNSAFE.test(whole);
    return isHidden && isUnsafe.test(unit)
      ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
      : unit;
  }).join("");
}

/** What else is not seen: formats, fillers, variation selectors, annotations. */
const EXTRA = /[\p{Cf}\p{DI}\ufff0-\ufffb\ufffe\uffff]/u;

Deno.test("toCef() writes every kind with the keys of the format's dictionary", () => {
  for (const kind of KINDS) {
    const { header, extension } = parseCef(
      toCef(auditEvent({ kind, principal: "alice", resource: "a/b" }), {
        vendor: "ACME",
        product: "notes",
        version: "1.2",
      }),
    );
    assertEquals(header, [
      "CEF:0",
      "ACME",
      "notes",
      "1.2",
      kind,
      `${kind}: success`,
      "1",
    ]);
    assertEquals(extension.get("cat"), kind);
    assertEquals(extension.get("suser"), "alice");
    const key = kind.startsWith("file.")
      ? "filePath"
      : /^(?:dpop\.verify|http\.)/.test(kind)
      ? "request"
      : "cs5";
    assertEquals(extension.get(key), "a/b", kind);
  }
});

Deno.test("toCef() maps what an event may have, each to its key", () => {
  const { header, extension } = parseCef(toCef(auditEvent({
    kind: "dpop.verify",
    operation: "resource-server",
    outcome: "failure",
    severity: "critical",
    code: "invalid_dpop_proof",
    reason: "replayed",
    principal: "alice",
    principalConfidence: "claimed",
    resource: "https://api.example/x?a=1",
    durationMs: 1.5,
    source: { address: "192.0.2.1", port: 443, confidence: "forwarded" },
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    hashKeyId: "k1",
    details: { method: "POST", n: 1 },
  })));
  assertEquals(header.at(-1), "10");
  assertEquals(Object.fromEntries(extension), {
    rt: "1767323045680",
    end: "1767323045678",
    externalId: "0b0e4a52-7f5f-4f5c-9a41-3a3c3b0b7b11",
    cat: "dpop.verify",
    act: "resource-server",
    outcome: "failure",
    reason: "replayed",
    msg: "dpop.verify: failure: replayed",
    suser: "alice",
    src: "192.0.2.1",
    spt: "443",
    requestMethod: "POST",
    cs1Label: "Correlation ID",
    cs1: "c-1",
    cs2Label: "Code",
    cs2: "invalid_dpop_proof",
    cs3Label: "Confidence",
    cs3: "principal claimed, source forwarded, hashed k1",
    cs4Label: "Client trace",
    cs4: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    request: "https://api.example/x?a=1",
    cs6Label: "Details",
    cs6: '{"method":"POST","n":1}',
    cn1Label: "Sequence",
    cn1: "7",
    cfp1Label: "Duration ms",
    cfp1: "1.5",
  });
});

Deno.test("toCef() writes an address where its kind belongs", () => {
  const cases: [string, string][] = [
    ["203.0.113.9", "src"],
    ["2001:db8::1", "c6a2"],
    ["::ffff:203.0.113.9", "c6a2"],
    ["256.1.1.1", "shost"],
    ["1.2.3", "shost"],
    ["1.2.3.4.", "shost"],
    ["fe80::1%eth0", "shost"],
    [":::", "shost"],
    ["/run/app.sock", "shost"],
    ["host src=10.0.0.1", "shost"],
  ];
  for (const [address, key] of cases) {
    const event = auditEvent({ source: { address, confidence: "peer" } });
    const { extension } = parseCef(toCef(event));
    assertEquals(extension.get(key), address);
    assertEquals(extension.get("c6a2Label"), key === "c6a2" ? "Source IPv6 Address" : undefined);
    assertEquals([...extension.keys()].filter((name) => /^(?:src|c6a2|shost)$/.test(name)), [key]);
  }
  for (const port of [-1, 65_536, 1.5, NaN, Infinity]) {
    const line = toCef(auditEvent({ source: { address: "a", port, confidence: "peer" } }));
    assertFalse(line.includes("spt="));
  }
});

Deno.test("toCef() keeps hostile text in its place, where joining texts does not", () => {
  for (const hostile of HOSTILE) {
    const event = auditEvent({ principal: hostile, kind: `x.${hostile}`, reason: hostile });
    const { header, extension } = parseCef(toCef(event, { vendor: hostile }));
    assertEquals(header.length, 7);
    assertEquals(header[1], shown(hostile, /[^]/));
    assertEquals(header[4], `x.${shown(hostile, /[^]/)}`);
    assertEquals(extension.get("suser"), shown(hostile));
    assertEquals(extension.get("outcome"), "success");
  }
  // The control: what the attacks do to a line that is only put together.
  const bare = (principal: string) => `CEF:0|v|p|1|k|n|1|suser=${principal} outcome=denied`;
  assertEquals(bare(HOSTILE[0]!).split("\n").length, 2);
  const forged = bare("eve suser=admin");
  assertEquals([...forged.matchAll(/suser=(\S+)/g)].map((match) => match[1]), ["eve", "admin"]);
});

Deno.test("toCef() writes one line that parses back to what was in the event", () => {
  const back = (event: AuditEvent, { extension }: Cef) => {
    const keys: [string, string | undefined][] = [
      ["externalId", event.id],
      ["suser", event.principal],
      ["cs1", event.correlationId],
      ["cs2", event.code],
      ["reason", event.reason ?? event.code],
      ["act", event.operation ?? event.kind],
    ];
    for (const [key, value] of keys) {
      assertEquals(extension.get(key), value === undefined ? undefined : shown(value), key);
    }
    const details = extension.get("cs6");
    assertEquals(JSON.parse(details ?? "{}"), JSON.parse(JSON.stringify(event.details)));
  };
  fc.assert(
    fc.property(arbitraryEvent, (event) => {
      const line = toCef(event);
      assertFalse(UNSAFE.test(line), line);
      assertMatch(line, /^CEF:0\|/);
      back(event, parseCef(line));
    }),
    { seed: 61, numRuns: 1500 },
  );
});

Deno.test("toCef() makes a line of what is no event of a logger, too", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (
    const details of [cycle, { big: 1n }, {
      get bad(): never {
        throw new Error("no");
      },
    }]
  ) {
    assertStringIncludes(toCef(auditEvent({ details })), 'cs6="[unserializable]"');
  }
  assert(toCef(auditEvent({ principal: "\ud800" })).isWellFormed());
});
