import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { webhookSink } from "../../src/events/webhook_sink.ts";
import { auditEvent } from "./_mapped_events.ts";
import { type Answer, fixture, seqs, settle, status, writeAll } from "./_webhook_receiver.ts";

Deno.test("close() ends at once when it is told that nobody waits", async () => {
  for (const isToldLater of [false, true]) {
    const { sink, clock, sent } = fixture(["never"]);
    writeAll(sink, 2);
    const controller = new AbortController();
    if (!isToldLater) controller.abort();
    const closed = sink.close(controller.signal);
    await settle();
    controller.abort();
    await closed;
    assertEquals([sent.length, sink.queued, sink.lost, clock.timers], [1, 0, 2, 0]);
  }
});

Deno.test("close() does not try again what a flush has given up", async () => {
  const { sink, clock, sent } = fixture(["never", status(200), status(200), "never"], {
    retries: 0,
  });
  sink.write(auditEvent());
  const given = sink.flush();
  await settle();
  // No longer than a logger waits: it would close the sink in the middle of it.
  clock.advance(5000);
  await assertRejects(() => given, SecurityError);
  clock.advance(5000);
  await settle();
  // What is delivered since then, such as the record of the gap, is a reason to try again.
  sink.write(auditEvent());
  await sink.flush();
  writeAll(sink, 2);
  const late = sink.flush();
  await settle();
  clock.advance(5000);
  await assertRejects(() => late, SecurityError);
  await sink.close();
  assertEquals([sent.length, sink.delivered, sink.lost, clock.timers], [4, 1, 3, 0]);
});

Deno.test("close() of a logger waits once for a receiver that hangs", async () => {
  const { sink, clock } = fixture(["never"]);
  const audit = new AuditLogger({ sinks: [sink], clock });
  await audit.success("file.read");
  const closed = audit.close();
  for (let waitedMs = 0; waitedMs < 5000; waitedMs += 500) {
    await settle();
    clock.advance(500);
  }
  await settle();
  assertEquals([sink.queued, sink.lost, clock.timers], [0, 1, 0]);
  await closed;
});

Deno.test("webhookSink() says how many events were lost after it had taken them", async () => {
  const { sink } = fixture([status(403), status(200)], { maxQueued: 3 });
  writeAll(sink, 3);
  assertThrows(() => sink.write(auditEvent()), SecurityError);
  await assertRejects(() => sink.flush(), SecurityError);
  assertEquals([sink.lost, sink.lostLater], [4, 3]);
  await sink.close();
  // Whoever waits for an event hears of its loss, and counts it.
  const { sink: required, clock } = fixture([status(403)], { required: true });
  const written = Promise.resolve(required.write(auditEvent()));
  clock.advance(0);
  await assertRejects(() => written, SecurityError);
  assertEquals([required.lost, required.lostLater], [1, 0]);
  await required.close();
});

Deno.test("webhookSink() sends less at once when a request was too large, and loses only what fits in none", async () => {
  const tooLarge: Answer = ({ init }) => status(String(init.body).length > 2500 ? 413 : 200);
  const { sink, clock, sent } = fixture([tooLarge], { batch: { maxDelayMs: 10 } });
  writeAll(sink, 20);
  sink.write(auditEvent({ seq: 20, reason: "x".repeat(3000) }));
  writeAll(sink, 10, 21);
  await assertRejects(() => sink.flush(), SecurityError);
  assertEquals([sink.delivered, sink.lost, sink.queued], [30, 1, 0]);
  const taken = sent.filter(({ init }) => String(init.body).length <= 2500);
  assertEquals(
    seqs(taken).flat().filter((seq) => seq >= 0),
    Array.from({ length: 31 }, (_, seq) => seq).filter((seq) => seq !== 20),
  );
  const gap = taken.flatMap(({ events }) => events).find(({ kind }) => kind === "audit.gap");
  assertEquals([gap?.details["count"], gap?.details["cause"]], [1, "status 413"]);
  // What is known to be too large is not tried again, nor does it wait for a larger request.
  const before = sent.length;
  writeAll(sink, 30, 31);
  await settle();
  clock.advance(10);
  await settle();
  assertEquals([sink.delivered, sink.lost, sink.queued], [60, 1, 0]);
  assert(sent.slice(before).every(({ init }) => String(init.body).length <= 2500));
  const ids = sent.map(({ headers }) => headers.get("webhook-id"));
  assertEquals(new Set(ids).size, sent.length, "other events are another message");
  await sink.close();
});

Deno.test("webhookSink() keeps the record of a gap when the request was too large", async () => {
  const { sink, sent } = fixture([status(400), status(413), status(200)]);
  sink.write(auditEvent({ seq: 1 }));
  // The record of the gap follows at once, and is too large.
  await assertRejects(() => sink.flush(), SecurityError);
  writeAll(sink, 2, 2);
  await sink.flush();
  assertEquals(seqs(sent), [[1], [-1], [-1, 2, 3]]);
  await sink.close();
});

Deno.test("webhookSink() is held up by no answer that goes on without end", async () => {
  let isCancelled = false;
  const trickle = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
        cancel: () => {
          isCancelled = true;
          return new Promise(() => {});
        },
      }),
    );
  const { sink, clock, sent } = fixture([trickle], { batch: { maxEvents: 10 }, maxQueued: 20 });
  for (let turn = 0; turn < 5; turn++) {
    writeAll(sink, 10, turn * 10);
    await settle();
  }
  assertEquals([sent.length, sink.delivered, sink.lost, isCancelled], [5, 50, 0, true]);
  assertEquals(clock.timers, 0);
  await sink.close();
});

Deno.test("webhookSink() refuses a mapper that gives a promise", async () => {
  const { sink, sent } = fixture([], { map: (event) => Promise.resolve(event) });
  assertThrows(() => sink.write(auditEvent()), TypeError, "'map'");
  assertEquals([sink.lost, sink.queued], [1, 0]);
  await sink.flush();
  assertEquals(sent[0]?.events.map(({ kind, details }) => [kind, details["cause"]]), [
    ["audit.gap", "not to be mapped"],
  ]);
  await sink.close();
  // The control: what JSON makes of it.
  assertEquals(JSON.stringify(Promise.resolve(auditEvent())), "{}");
});

Deno.test("ready() of a required webhook says no from a failure on until something is delivered", async () => {
  for (const failure of [status(401), status(503), new TypeError("unreachable")]) {
    const { sink, clock, sent } = fixture([failure, failure, status(200)], {
      required: true,
      retries: 0,
      retryDelayMs: 100,
    });
    assertEquals(sink.ready?.(), undefined);
    const written = Promise.resolve(sink.write(auditEvent()));
    clock.advance(0);
    await assertRejects(() => written, SecurityError);
    await settle();
    // Nobody reports while it says no, so that it asks by itself, but not as often as it is asked.
    for (const requests of [2, 3]) {
      for (let times = 0; times < 10; times++) {
        const error = assertThrows(() => sink.ready?.(), SecurityError);
        assertEquals(error.code, "audit-unavailable");
        clock.advance(9);
        await settle();
      }
      assertEquals(sent.length, requests - 1);
      clock.advance(10);
      await settle();
      assertEquals(sent.length, requests);
    }
    assertEquals(seqs(sent).slice(1), [[-1], [-1]]);
    assertEquals(sink.ready?.(), undefined);
    assertEquals(clock.timers, 0);
    await sink.close();
  }
});

Deno.test("ready() of a required webhook says no while a request is sent again", async () => {
  const { sink, clock } = fixture([status(503), status(200)], {
    required: true,
    retryDelayMs: 100,
  });
  const written = Promise.resolve(sink.write(auditEvent()));
  clock.advance(0);
  await settle();
  assertThrows(() => sink.ready?.(), SecurityError);
  clock.advance(100);
  await written;
  assertEquals(sink.ready?.(), undefined);
  await sink.close();
  // One that is not required keeps events meanwhile.
  const { sink: other } = fixture([status(401)]);
  other.write(auditEvent());
  await assertRejects(() => other.flush(), SecurityError);
  assertEquals(other.ready?.(), undefined);
  await other.close();
});

Deno.test("webhookSink() lets no required event wait for others", async () => {
  const { sink, clock, sent } = fixture([], { required: true });
  const written = [sink.write(auditEvent({ seq: 0 })), sink.write(auditEvent({ seq: 1 }))];
  clock.advance(0);
  await Promise.all(written);
  assertEquals(seqs(sent), [[0, 1]]);
  await sink.close();
});

Deno.test("webhookSink() uses one connection for answers that are short", async () => {
  const ports = new Set<number>();
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (_request, { remoteAddr }) => {
      if (remoteAddr.transport === "tcp") ports.add(remoteAddr.port);
      return new Response("ok");
    },
  );
  await using sink = webhookSink({ url: `http://127.0.0.1:${server.addr.port}/` });
  for (let turn = 0; turn < 10; turn++) {
    sink.write(auditEvent());
    await sink.flush();
  }
  assertEquals(sink.delivered, 10);
  assertFalse(ports.size > 2, `${ports.size} connections`);
});
