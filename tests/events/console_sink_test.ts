import { assertEquals, assertFalse, assertStringIncludes, assertThrows } from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { consoleSink } from "../../src/events/console_sink.ts";
import { functionSink } from "../../src/events/function_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const ATTACK = 'bob\r\nINFO ok" role="admin\x1b[2J\x9b\u202e\u2028\u200b';
const EVENT: AuditEventInput = {
  kind: "login",
  outcome: "failure",
  principal: ATTACK,
  resource: ATTACK,
  reason: ATTACK,
  durationMs: 2.5,
  correlationId: "request-1",
  source: { address: ATTACK, confidence: "peer" },
  details: { [ATTACK]: [ATTACK] },
};
// deno-lint-ignore no-control-regex -- they are what it looks for.
const ACTS = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]/;

function lineOf(format: "json" | "text", event = EVENT): string {
  const lines: string[] = [];
  const sink = consoleSink({ format, write: (line) => void lines.push(line) });
  new AuditLogger({ sinks: [sink], clock: new VirtualClock() }).report(event);
  assertEquals(lines.length, 1);
  return lines[0] ?? "";
}

Deno.test("consoleSink() writes one line an event, in which nothing acts", () => {
  // Control: the same in a template.
  assertEquals(`principal=${ATTACK}`.split(/\r\n|\u2028/).length, 3);
  for (const format of ["json", "text"] as const) assertFalse(ACTS.test(lineOf(format)), format);
  assertEquals(JSON.parse(lineOf("json")).principal, ATTACK);
});

Deno.test("consoleSink() lets no field of a text line end early", () => {
  const line = lineOf("text");
  assertStringIncludes(line, "2023-11-14T22:13:20.000Z #1 WARNING failure login principal=");
  assertStringIncludes(line, ' durationMs=2.5 correlationId="request-1" id="');
  // Outside of quotes there are only names that the sink wrote.
  const outside = line.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  assertFalse(outside.includes("role"));
  assertStringIncludes(outside, ' source={"":"","":""} details={"":[""]}');
  assertFalse(lineOf("text", { kind: "x", outcome: "success" }).includes("details="));
});

Deno.test("consoleSink() writes to the console unless told otherwise", () => {
  const { log } = console;
  const seen: unknown[][] = [];
  console.log = (...args) => void seen.push(args);
  try {
    const audit = new AuditLogger({ sinks: [consoleSink()] });
    audit.report({ kind: "login", outcome: "success", principal: "%s%c" });
  } finally {
    console.log = log;
  }
  assertEquals([seen.length, seen[0]?.length], [1, 1]);
  assertEquals(JSON.parse(String(seen[0]?.[0])).principal, "%s%c");
});

Deno.test("consoleSink() and functionSink() refuse options that cannot be meant", () => {
  assertThrows(() => consoleSink({ format: "xml" as never }), TypeError);
  assertThrows(() => consoleSink({ write: 1 as never }), TypeError);
  assertThrows(() => consoleSink({ required: 1 as never }), TypeError);
  assertThrows(() => functionSink("", () => {}), TypeError);
  assertThrows(() => functionSink("x", 1 as never), TypeError);
  assertThrows(() => functionSink("x", () => {}, { required: 1 as never }), TypeError);
  assertThrows(() => functionSink("x", () => {}, { plainIdentifiers: 0 as never }), TypeError);
});

Deno.test("functionSink() is required unless told otherwise", () => {
  assertEquals(functionSink("x", () => {}).required, true);
  const { name, required, plainIdentifiers } = functionSink("y", () => {}, {
    required: false,
    plainIdentifiers: true,
  });
  assertEquals([name, required, plainIdentifiers], ["y", false, true]);
  assertEquals(consoleSink().required, false);
});
