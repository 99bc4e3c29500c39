import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import type { AuditSink } from "../../src/events/audit_sink.ts";
import { functionSink } from "../../src/events/function_sink.ts";
import { memorySink } from "../../src/events/memory_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const READ: AuditEventInput = { kind: "file.read", outcome: "success" };

async function refusal(work: () => unknown): Promise<SecurityError> {
  const error = await assertRejects(async () => await work());
  assertInstanceOf(error, SecurityError);
  return error;
}

/** Lets everything go on that needs no timer. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("report() refuses when too much is under way to a required sink that hangs", async () => {
  for (const onSinkFailure of ["refuse", "count"] as const) {
    const written = Promise.withResolvers<void>();
    let asked = 0;
    const hanging = functionSink("hanging", () => (asked++, written.promise));
    const audit = new AuditLogger({ sinks: [hanging], maxPending: 3, onSinkFailure });
    const waiting = [audit.report(READ), audit.report(READ), audit.report(READ)];
    for (let at = 0; at < 5; at++) {
      if (onSinkFailure === "count") assertEquals(audit.report(READ), undefined);
      else assertEquals((await refusal(() => audit.report(READ))).code, "audit-unavailable");
    }
    assertEquals([asked, audit.stats().lost], [3, 5]);
    assertEquals(audit.stats().sinks[0]?.lastErrorCode, "queue-full");
    if (onSinkFailure === "refuse") {
      assertEquals((await refusal(() => audit.ready())).code, "audit-unavailable");
    }
    written.resolve();
    await Promise.all(waiting);
    await audit.ready();
    await audit.report(READ);
    assertEquals([asked, audit.stats().recorded], [4, 4]);
  }
});

Deno.test("a sink that waits for what it reports itself is stopped", async () => {
  let calls = 0;
  const audit: AuditLogger = new AuditLogger({
    sinks: [
      functionSink("again", async () => {
        calls++;
        await undefined;
        await audit.success("sink.wrote");
      }),
    ],
    maxPending: 50,
  });
  // Control: nothing but the bound ends it, as it is not recursive.
  assertEquals((await refusal(() => audit.success("file.read"))).code, "audit-unavailable");
  assertEquals([calls, audit.stats().lost], [50, 51]);
});

Deno.test("close() has one deadline for the flush and the close of all sinks", async () => {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const never = () => new Promise<void>(() => {});
  const hanging = (name: string, required: boolean): AuditSink => ({
    name,
    required,
    write: () => {},
    flush: never,
    close: (signal) => {
      calls.push(`${name} ${signal?.aborted}`);
      return never();
    },
  });
  const closing = Promise.withResolvers<void>();
  const good: AuditSink = {
    name: "good",
    write: () => {},
    flush: () => void calls.push("flush"),
    close: (signal) => {
      calls.push(`good ${signal?.aborted}`);
      return closing.promise;
    },
  };
  const audit = new AuditLogger({
    sinks: [hanging("webhook", false), good],
    clock,
    flushTimeoutMs: 100,
  });
  let isClosed = false;
  const closed = audit.close().then(() => isClosed = true);
  await turn();
  // One that hangs keeps no other from being closed.
  assertEquals(calls, ["flush", "good false"]);
  closing.resolve();
  await turn();
  assertEquals(isClosed, false);
  clock.advance(100);
  await closed;
  assertEquals(calls, ["flush", "good false", "webhook true"]);
  assertEquals(clock.timers, 0);

  const late = new AuditLogger({ sinks: [hanging("late", true)], clock, flushTimeoutMs: 100 });
  const refused = refusal(() => late.close());
  await turn();
  clock.advance(100);
  assertInstanceOf((await refused).cause, SecurityError);
  assertEquals([clock.timers, calls.at(-1)], [0, "late true"]);
});

Deno.test("close() tells a sink that is late while it closes", async () => {
  const clock = new VirtualClock();
  let reason: unknown;
  const slow: AuditSink = {
    name: "slow",
    write: () => {},
    close: (signal) =>
      new Promise<void>((_, reject) => {
        signal?.addEventListener("abort", () => reject(reason = signal.reason));
      }),
  };
  const audit = new AuditLogger({ sinks: [slow], clock, flushTimeoutMs: 100 });
  const closed = refusal(() => audit.close());
  await turn();
  assertEquals(reason, undefined);
  clock.advance(100);
  assertEquals((await closed).code, "audit-unavailable");
  assertInstanceOf(reason, SecurityError);
  assertEquals([reason.code, clock.timers], ["timeout", 0]);
});

Deno.test("stats() counts as lost what a sink lost later", () => {
  let lostLater: unknown = 0;
  const sink: AuditSink = {
    name: "webhook",
    get lostLater() {
      if (lostLater === "throws") throw new Error("hostile");
      return lostLater as number;
    },
    write: () => {},
  };
  const audit = new AuditLogger({ sinks: [sink, memorySink()] });
  for (let at = 0; at < 5; at++) audit.report(READ);
  const counts = () => {
    const { recorded, lost, sinks: [first] } = audit.stats();
    return [recorded, lost, first?.written, first?.lost];
  };
  assertEquals(counts(), [5, 0, 5, 0]);
  lostLater = 2;
  assertEquals(counts(), [3, 2, 3, 2]);
  for (const wrong of [NaN, -1, 1.5, "2", undefined, "throws"]) {
    lostLater = wrong;
    assertEquals(counts(), [5, 0, 5, 0]);
  }
  // No more than it has taken.
  lostLater = 7;
  assertEquals(counts(), [0, 5, 0, 5]);
  const optional: AuditSink = { name: "x", required: false, lostLater: 1, write: () => {} };
  const other = new AuditLogger({ sinks: [optional] });
  other.report(READ);
  assertEquals([other.stats().recorded, other.stats().sinks[0]?.lost], [1, 1]);
});

Deno.test("AuditLogger refuses options that it does not know", () => {
  const sinks = [memorySink()];
  const hashIdentifiers = { key: new Uint8Array(16), keyId: "k" };
  const wrong = [
    { sinks, hashIdentifer: {} },
    { sinks, onSinkfailure: "count" },
    { sinks, hashIdentifiers: { ...hashIdentifiers, field: ["source"] } },
  ];
  for (const options of wrong) assertThrows(() => new AuditLogger(options as never), TypeError);
  assert(new AuditLogger({ sinks, hashIdentifiers }) instanceof AuditLogger);
});
