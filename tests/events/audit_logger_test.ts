import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEvent, AuditEventInput } from "../../src/events/audit_event.ts";
import { AuditLogger, type AuditLoggerOptions } from "../../src/events/audit_logger.ts";
import type { AuditSink } from "../../src/events/audit_sink.ts";
import { functionSink } from "../../src/events/function_sink.ts";
import { memorySink } from "../../src/events/memory_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const READ: AuditEventInput = { kind: "file.read", outcome: "success", resource: "notes/a.md" };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function recorder(options: Partial<AuditLoggerOptions> = {}) {
  const sink = memorySink();
  const clock = new VirtualClock();
  const audit = new AuditLogger({ sinks: [sink], clock, ...options });
  return { audit, sink, clock, last: (): AuditEvent => sink.events.at(-1) ?? never() };
}

function never(): never {
  throw new Error("nothing was recorded");
}

async function refusal(work: () => void | Promise<void>): Promise<SecurityError> {
  const error = await assertRejects(async () => await work());
  assertInstanceOf(error, SecurityError);
  return error;
}

/** A promise, and what settles it. */
function deferred(): { promise: Promise<void>; resolve: () => void; reject: (e: Error) => void } {
  return Promise.withResolvers<void>();
}

Deno.test("report() fills in everything that an event has", () => {
  const { audit, last } = recorder();
  assertEquals(audit.report({ ...READ, principal: "alice", durationMs: 1.5 }), undefined);
  const { id, correlationId, ...rest } = last();
  assertMatch(id, UUID);
  assertMatch(correlationId, UUID);
  assertNotEquals(id, correlationId);
  assertEquals(rest, {
    kind: "file.read",
    outcome: "success",
    severity: "info",
    seq: 1,
    time: "2023-11-14T22:13:20.000Z",
    recordedAt: "2023-11-14T22:13:20.000Z",
    principal: "alice",
    principalConfidence: "verified",
    resource: "notes/a.md",
    durationMs: 1.5,
    details: {},
  });
  assertEquals(Object.keys(last()), Object.keys(last()).toSorted());
});

Deno.test("success(), denied(), failure() and error() record their outcome and its severity", async () => {
  const { audit, last } = recorder();
  const cases = [
    ["success", "info", "verified"],
    ["denied", "warning", "claimed"],
    ["failure", "warning", "claimed"],
    ["error", "error", "claimed"],
  ] as const;
  for (const [outcome, severity, principalConfidence] of cases) {
    await audit[outcome]("login", { principal: "bob" });
    const event = last();
    assertEquals([event.outcome, event.severity, event.principalConfidence], [
      outcome,
      severity,
      principalConfidence,
    ]);
  }
  await audit.success("login");
  assertEquals(last().seq, 5);
});

Deno.test("report() numbers events by one, and records both times, when the clock goes back", () => {
  const { audit, sink, clock } = recorder();
  const before = clock.wallMs();
  audit.report({ ...READ, timeMs: before - 20 });
  clock.advance(500);
  clock.setWall(before - 3_600_000);
  audit.report({ ...READ, timeMs: before + 480 });
  audit.report(READ);
  assertEquals(sink.events.map(({ seq, time, recordedAt }) => [seq, time, recordedAt]), [
    [1, "2023-11-14T22:13:19.980Z", "2023-11-14T22:13:20.000Z"],
    [2, "2023-11-14T22:13:20.480Z", "2023-11-14T21:13:20.000Z"],
    [3, "2023-11-14T21:13:20.000Z", "2023-11-14T21:13:20.000Z"],
  ]);
  // Control: by their times, the last event would be the first.
  const byTime = sink.events.toSorted((a, b) => a.recordedAt < b.recordedAt ? -1 : 1);
  assertEquals(byTime.map(({ seq }) => seq), [2, 3, 1]);
});

Deno.test("report() writes times as Date does, and takes the time of the report for what is none", () => {
  const { audit, last, clock } = recorder();
  for (
    const timeMs of [0, 1, 9.75, 999, 1000, 59_999, 951_782_400_123, 1e12 + 7, 253_402_300_799_999]
  ) {
    audit.report({ ...READ, timeMs });
    assertEquals(last().time, new Date(timeMs).toISOString());
  }
  const now = new Date(clock.wallMs()).toISOString();
  for (const timeMs of [NaN, Infinity, -1, 8.64e15, "0" as never, 5n as never, {} as never]) {
    audit.report({ ...READ, timeMs });
    assertEquals(last().time, now);
  }
});

Deno.test("report() asks for principal, source and correlation only where nothing is said", () => {
  const asked: string[] = [];
  const told = <T>(name: string, value: T): T => (asked.push(name), value);
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const { audit, last } = recorder({
    principal: () => told("principal", "alice"),
    source: () => told("source", { address: "192.0.2.1", port: 443, confidence: "peer" }),
    correlation: () => told("correlation", { correlationId: "request-1", traceparent }),
  });
  audit.report(READ);
  const event = last();
  assertEquals(asked.splice(0).toSorted(), ["correlation", "principal", "source"]);
  assertEquals(event.principal, "alice");
  assertEquals(event.source, { address: "192.0.2.1", port: 443, confidence: "peer" });
  assertEquals([event.correlationId, event.traceparent], ["request-1", traceparent]);
  audit.report({
    ...READ,
    principal: "bob",
    source: { address: "::1", confidence: "forwarded" },
    correlationId: "request-2",
  });
  assertEquals(asked, []);
  assertEquals([last().principal, last().correlationId, last().traceparent], [
    "bob",
    "request-2",
    undefined,
  ]);
});

Deno.test("with() fixes fields, below what a report says, and shares everything else", async () => {
  const { audit, sink, last } = recorder({ principal: () => "nobody" });
  const request = audit.with({ principal: "alice", correlationId: "request-1" });
  const deeper = request.with({ resource: "a.md", principal: "carol" });
  request.report(READ);
  await request.success("login", { principal: "bob" });
  await deeper.denied("file.read");
  await deeper.failure("file.read");
  await deeper.error("file.read", { resource: "b.md" });
  audit.report(READ);
  assertEquals(
    sink.events.map((event) => [event.seq, event.outcome, event.principal, event.resource]),
    [
      [1, "success", "alice", "notes/a.md"],
      [2, "success", "bob", undefined],
      [3, "denied", "carol", "a.md"],
      [4, "failure", "carol", "a.md"],
      [5, "error", "carol", "b.md"],
      [6, "success", "nobody", "notes/a.md"],
    ],
  );
  assertEquals(
    new Set(sink.events.slice(0, 5).map((e) => e.correlationId)),
    new Set(["request-1"]),
  );
  assertNotEquals(last().correlationId, "request-1");
  assertEquals(deeper.ready?.(), undefined);
  await audit.close();
  assertEquals((await refusal(() => deeper.report(READ))).code, "closed");
});

Deno.test("report() drops identifiers, durations and sources that do not have the form", () => {
  const { audit, last } = recorder();
  const correlationIds = [
    "a b",
    "x\r\ny",
    "",
    "é",
    "a".repeat(129),
    7,
    {},
    "eyJhbGciOiJ4In0.eyJ4.s",
  ];
  for (const correlationId of correlationIds) {
    audit.report({ ...READ, correlationId: correlationId as string });
    assertMatch(last().correlationId, UUID);
  }
  audit.report({ ...READ, correlationId: "job:42.a_b" });
  assertEquals(last().correlationId, "job:42.a_b");

  for (const durationMs of [NaN, -1, Infinity, "1", null, 1n]) {
    audit.report({ ...READ, durationMs: durationMs as number });
    assertEquals("durationMs" in last(), false);
  }
  const sources: [unknown, unknown][] = [
    [{ address: "::1", port: 65_536, confidence: "peer" }, { address: "::1", confidence: "peer" }],
    [{ address: "::1", port: 1.5 }, { address: "::1", confidence: "claimed" }],
    [{ address: "::1", port: 0, confidence: "sure" }, {
      address: "::1",
      port: 0,
      confidence: "claimed",
    }],
    [{ port: 1 }, undefined],
    ["::1", undefined],
    [{ address: "a".repeat(300) }, {
      address: `${"a".repeat(255)}…[+45]`,
      confidence: "claimed",
    }],
  ];
  for (const [source, expected] of sources) {
    audit.report({ ...READ, source: source as never });
    assertEquals(last().source, expected as never);
  }
});

Deno.test("report() records what is no kind and no outcome, and says what it was", () => {
  const { audit, last } = recorder();
  const kinds: [unknown, string][] = [
    ["file read", "file read"],
    ["file.", "file."],
    ["", ""],
    ["a\nb", "a\nb"],
    [undefined, "null"],
    [7, "7"],
    ["x".repeat(200), `${"x".repeat(128)}…[+72]`],
    ["AKIAIOSFODNN7EXAMPLE", "AKIA[redacted]"],
  ];
  for (const [kind, said] of kinds) {
    audit.report({ ...READ, kind: kind as string, details: { a: 1 } });
    assertEquals(last().kind, "invalid");
    assertEquals(last().details, { "[invalid kind]": said, a: 1 });
  }
  audit.report({ ...READ, outcome: "ok" as never, severity: "loud" as never });
  assertEquals([last().outcome, last().severity], ["error", "error"]);
  assertEquals(last().details, { "[invalid outcome]": "ok" });
  audit.report(null as never);
  assertEquals([last().kind, last().outcome], ["invalid", "error"]);
});

Deno.test("report() remembers a bounded number of kinds, and accepts any number", () => {
  const { audit, last } = recorder();
  for (let at = 0; at < 2000; at++) {
    audit.report({ ...READ, kind: `kind.${at}` });
    assertEquals(last().kind, `kind.${at}`);
  }
});

Deno.test("report() gives a record that nobody can change afterwards", () => {
  const { audit, last } = recorder();
  const details = { list: [1], nested: { a: 1 } };
  const source = { address: "192.0.2.1", confidence: "peer" as const };
  audit.report({ ...READ, details, source });
  details.list.push(2);
  details.nested.a = 2;
  source.address = "203.0.113.9";
  assertEquals(last().details, { list: [1], nested: { a: 1 } });
  assertEquals(last().source?.address, "192.0.2.1");
  assertThrows(() => Object.assign(last(), { principal: "mallory" }), TypeError);
  assertThrows(() => (last().details.list as number[]).push(3), TypeError);
  assertThrows(() => Object.assign(last().details.nested as object, { a: 3 }), TypeError);
  assertThrows(() => Object.assign(last().source ?? {}, { address: "x" }), TypeError);
});

Deno.test("report() rejects with audit-unavailable when a required sink fails, and feeds the others", async () => {
  const cause = new Error("disk full");
  const failures: Record<string, () => void | Promise<void>> = {
    "throws": () => {
      throw cause;
    },
    "rejects": () => Promise.reject(cause),
  };
  for (const [how, fail] of Object.entries(failures)) {
    const { audit, sink } = recorder();
    const [before, after] = [memorySink(), memorySink()];
    const broken = new AuditLogger({ sinks: [before, functionSink("broken", fail), after] });
    const error = await refusal(() => broken.report(READ));
    assertEquals(error.code, "audit-unavailable", how);
    assertStrictEquals(error.cause, cause);
    assertEquals(error.message.includes("disk"), false);
    await refusal(() => broken.denied("file.read"));
    assertEquals([before.events.length, after.events.length], [2, 2]);
    const { recorded, lost, sinks } = broken.stats();
    assertEquals([recorded, lost], [0, 2]);
    assertEquals(sinks[1], { name: "broken", written: 0, lost: 2, lastErrorCode: "Error" });
    // Control: a logger whose sink works.
    assertEquals(audit.report(READ), undefined);
    assertEquals(sink.events.length, 1);
  }
});

Deno.test("report() only counts losses when it was told to, and never rejects", async () => {
  const sinks: AuditSink[] = [
    functionSink("throws", () => {
      throw Object.assign(new Error(), { code: "ENOSPC" });
    }),
    functionSink("rejects", () => Promise.reject({ code: "not a code\n" })),
    functionSink("hostile", () => {
      throw new Proxy({}, { get: () => never() });
    }),
  ];
  const audit = new AuditLogger({ sinks, onSinkFailure: "count" });
  await audit.report(READ);
  await audit.success("file.read");
  assertEquals(audit.ready(), undefined);
  assertEquals(audit.stats(), {
    recorded: 0,
    lost: 2,
    redacted: 0,
    sinks: [
      { name: "throws", written: 0, lost: 2, lastErrorCode: "ENOSPC" },
      { name: "rejects", written: 0, lost: 2, lastErrorCode: "unknown" },
      { name: "hostile", written: 0, lost: 2, lastErrorCode: "unknown" },
    ],
  });
  await audit.close();
  assertEquals(audit.report(READ), undefined);
  assertEquals(audit.stats().lost, 3);
});

Deno.test("report() returns nothing when the sinks were done at once, and waits otherwise", async () => {
  const written = deferred();
  const { audit } = recorder();
  assertEquals(audit.report(READ), undefined);
  const slow = new AuditLogger({ sinks: [functionSink("slow", () => written.promise)] });
  let isDone = false;
  const report = Promise.resolve(slow.report(READ)).then(() => isDone = true);
  await Promise.resolve();
  assertEquals([isDone, slow.stats().recorded], [false, 0]);
  written.resolve();
  await report;
  assertEquals(slow.stats().recorded, 1);
});

Deno.test("report() neither waits for a sink that is not required nor fails with it", async () => {
  const hanging = functionSink("hanging", () => new Promise(() => {}), { required: false });
  const failing = functionSink("failing", () => Promise.reject(new TypeError()), {
    required: false,
  });
  const throwing = functionSink("throwing", never, { required: false });
  const sink = memorySink();
  const clock = new VirtualClock();
  const sinks = [hanging, failing, throwing, sink];
  const audit = new AuditLogger({ sinks, clock, maxPending: 3 });
  for (let at = 0; at < 10; at++) assertEquals(audit.report(READ), undefined);
  assertEquals(sink.events.length, 10);
  await Promise.resolve().then(() => {}).then(() => {});
  const stats = audit.stats();
  assertEquals([stats.recorded, stats.lost], [10, 0]);
  assertEquals(stats.sinks[0], {
    name: "hanging",
    written: 0,
    lost: 7,
    lastErrorCode: "queue-full",
  });
  assertEquals(stats.sinks[1]?.lost, 10);
  assertEquals(stats.sinks[2]?.lost, 10);

  const closed = audit.close();
  await new Promise((resolve) => setTimeout(resolve, 0));
  clock.advance(5000);
  await closed;
  assertEquals(clock.timers, 0);
});

Deno.test("report() refuses what a sink or a callback reports in between, and does not recurse", async () => {
  // Control: a bare list of functions that report what they do ends with the stack.
  const bare = { report: (): void => listeners.forEach((listener) => listener()) };
  const listeners = [() => bare.report()];
  assertThrows(() => bare.report(), RangeError);

  for (const onSinkFailure of ["refuse", "count"] as const) {
    const inner: (void | Promise<void>)[] = [];
    const again = () => void inner.push(audit.report({ ...READ, kind: "again" }));
    const sink = memorySink();
    const audit: AuditLogger = new AuditLogger({
      sinks: [functionSink("again", again), sink],
      onSinkFailure,
      principal: () => {
        again();
        return "alice";
      },
    });
    const details = {
      get member() {
        again();
        return 1;
      },
    };
    assertEquals(audit.report({ ...READ, details }), undefined);
    assertEquals(sink.events.map(({ kind, details }) => [kind, details]), [[
      "file.read",
      { member: 1 },
    ]]);
    assertEquals([audit.stats().recorded, audit.stats().lost, inner.length], [1, 3, 3]);
    for (const answer of inner) {
      if (onSinkFailure === "count") assertEquals(answer, undefined);
      else assertEquals((await refusal(() => answer)).code, "audit-unavailable");
    }
    assertEquals(audit.report(READ), undefined);
  }
});

Deno.test("report() survives callbacks that throw and clocks that show no time", () => {
  const { audit, last } = recorder({
    principal: never,
    source: never,
    correlation: never,
    now: never,
  });
  const before = Date.now();
  audit.report(READ);
  const recordedMs = Date.parse(last().recordedAt);
  assert(recordedMs >= before && recordedMs <= Date.now());
  assertEquals([last().principal, last().source?.address], ["[unreadable]", "[unreadable]"]);
  for (const now of [() => NaN, () => -1, () => "x" as never, () => 1n as never]) {
    const other = recorder({ now });
    other.audit.report(READ);
    assertMatch(other.last().time, /^20\d\d-/);
  }
});

Deno.test("ready() asks the required sinks, and rejects when one could not record", async () => {
  const cause = new Error("full");
  const sinkWith = (ready: () => void | Promise<void>, required = true): AuditSink => ({
    name: "sink",
    required,
    write: () => {},
    ready,
  });
  const logger = (...sinks: AuditSink[]) => new AuditLogger({ sinks });
  assertEquals(logger(sinkWith(() => {}), memorySink()).ready(), undefined);
  await logger(sinkWith(() => Promise.resolve())).ready();
  assertEquals(logger(sinkWith(never, false)).ready(), undefined);
  const broken = [
    () => Promise.reject(cause),
    () => {
      throw cause;
    },
  ];
  for (const ready of broken) {
    const both = [sinkWith(() => Promise.resolve()), sinkWith(ready)];
    for (const sinks of [both, both.toReversed()]) {
      const error = await refusal(() => logger(...sinks).ready());
      assertEquals(error.code, "audit-unavailable");
      assertStrictEquals(error.cause, cause);
    }
  }
  const closed = logger(memorySink());
  await closed.close();
  assertEquals((await refusal(() => closed.ready())).code, "closed");
});

Deno.test("flush() waits for what is under way and for the sinks, required or not", async () => {
  const [write, flushed] = [deferred(), deferred()];
  const calls: string[] = [];
  const audit = new AuditLogger({
    sinks: [
      functionSink("later", () => write.promise, { required: false }),
      {
        name: "file",
        write: () => {},
        flush: () => (calls.push("flush"), flushed.promise),
        close: () => void calls.push("close"),
      },
    ],
  });
  audit.report(READ);
  let isFlushed = false;
  const flush = audit.flush().then(() => isFlushed = true);
  flushed.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(isFlushed, false);
  write.resolve();
  await flush;
  assertEquals(audit.stats().sinks[0]?.written, 1);
  await audit.close();
  await audit.close();
  assertEquals(calls, ["flush", "flush", "close"]);
});

Deno.test("flush() and close() reject when a required sink fails or is late, and close the others", async () => {
  const cause = new Error("io");
  const closed: string[] = [];
  const sinks: AuditSink[] = [
    { name: "bad", write: () => {}, flush: () => Promise.reject(cause), close: never },
    { name: "good", write: () => {}, close: () => void closed.push("good") },
  ];
  const failing = new AuditLogger({ sinks });
  assertStrictEquals((await refusal(() => failing.flush())).cause, cause);
  assertStrictEquals((await refusal(() => failing.close())).cause, cause);
  assertEquals(closed, ["good"]);
  const counting = new AuditLogger({ sinks, onSinkFailure: "count" });
  await counting.flush();
  await counting[Symbol.asyncDispose]();

  const clock = new VirtualClock();
  const late = new AuditLogger({
    sinks: [{ name: "late", write: () => {}, flush: () => new Promise(() => {}) }],
    clock,
    flushTimeoutMs: 100,
  });
  const flush = refusal(() => late.flush());
  clock.advance(100);
  const error = await flush;
  assertEquals(error.code, "audit-unavailable");
  assertInstanceOf(error.cause, SecurityError);
  assertEquals([error.cause.code, clock.timers], ["timeout", 0]);
});

Deno.test("AuditLogger keeps the only details that were allowed, and counts the others", () => {
  const { audit, last } = recorder({
    allowDetails: { "file.read": ["bytes"], "*": ["step"] },
  });
  const details = { bytes: 1, step: 2, home: "/home/alice" };
  audit.report({ ...READ, details });
  assertEquals(last().details, { bytes: 1, "…": "[+2]" });
  audit.report({ ...READ, kind: "login", details });
  assertEquals(last().details, { step: 2, "…": "[+2]" });
  audit.report({ ...READ, kind: "not a kind", details });
  assertEquals(last().details, { "[invalid kind]": "not a kind", step: 2, "…": "[+2]" });
  const none = recorder({ allowDetails: {} });
  none.audit.report({ ...READ, details });
  assertEquals(none.last().details, { "…": "[+3]" });
});

Deno.test("AuditLogger refuses options that cannot be meant", () => {
  const sinks = [memorySink()];
  const types: unknown[] = [
    {},
    { sinks: [] },
    { sinks: [{}] },
    { sinks: [{ name: "x" }] },
    { sinks, onSinkFailure: "ignore" },
    { sinks, principal: "alice" },
    { sinks, now: 5 },
    { sinks, redact: "token" },
    { sinks, redact: [""] },
    { sinks, allowDetails: { "file.read": "bytes" } },
    { sinks, allowDetails: 1 },
    { sinks, maxDepth: "3" },
    { sinks, hashIdentifiers: { key: new Uint8Array(15), keyId: "k" } },
    { sinks, hashIdentifiers: { key: "0123456789abcdef", keyId: "k" } },
    { sinks, hashIdentifiers: { key: new Uint8Array(16), keyId: "a:b" } },
    { sinks, hashIdentifiers: { key: new Uint8Array(16), keyId: "k", fields: ["reason"] } },
    { sinks, hashIdentifiers: { key: new Uint8Array(16), keyId: "k", fields: [] } },
  ];
  for (const options of types) assertThrows(() => new AuditLogger(options as never), TypeError);
  for (const name of ["maxStringLength", "maxDetailsBytes", "maxDepth", "maxMembers"]) {
    for (const value of [NaN, -1, 0, Infinity, 1.5, 1e9]) {
      assertThrows(() => new AuditLogger({ sinks, [name]: value }), RangeError);
    }
  }
});
