import { assertEquals, assertThrows } from "@std/assert";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { memorySink } from "../../src/events/memory_sink.ts";

Deno.test("memorySink() keeps the latest events in order, and counts what it forgot", () => {
  const sink = memorySink({ capacity: 3 });
  const audit = new AuditLogger({ sinks: [sink] });
  const seqs = () => sink.events.map(({ seq }) => seq);
  assertEquals(seqs(), []);
  for (let at = 1; at <= 8; at++) {
    audit.report({ kind: at % 2 === 0 ? "even" : "odd", outcome: "success" });
    const oldest = Math.max(1, at - 2);
    assertEquals(seqs(), Array.from({ length: Math.min(at, 3) }, (_, more) => oldest + more));
  }
  assertEquals(sink.forgotten, 5);
  assertEquals(sink.find("even").map(({ seq }) => seq), [6, 8]);
  assertEquals(sink.find(({ seq }) => seq > 6).map(({ seq }) => seq), [7, 8]);
  sink.clear();
  assertEquals([sink.events.length, sink.forgotten], [0, 0]);
  audit.report({ kind: "odd", outcome: "success" });
  assertEquals(seqs(), [9]);
});

Deno.test("memorySink() gives a copy of its list", () => {
  const sink = memorySink();
  new AuditLogger({ sinks: [sink] }).report({ kind: "x", outcome: "success" });
  (sink.events as unknown[]).length = 0;
  assertEquals(sink.events.length, 1);
});

Deno.test("memorySink() refuses options that cannot be meant", () => {
  for (const capacity of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => memorySink({ capacity }), RangeError);
  }
  assertThrows(() => memorySink({ capacity: "1" as never }), TypeError);
  assertThrows(() => memorySink({ plainIdentifiers: 1 as never }), TypeError);
});
