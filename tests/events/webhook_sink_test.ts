import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { toEcs } from "../../src/events/to_ecs.ts";
import { webhookSink, type WebhookSinkOptions } from "../../src/events/webhook_sink.ts";
import { auditEvent, HOSTILE, UNSAFE } from "./_mapped_events.ts";
import {
  type Answer,
  fixture,
  type Sent,
  seqs,
  settle,
  status,
  URL_WITH_SECRET,
  writeAll,
} from "./_webhook_receiver.ts";

Deno.test("webhookSink() sends what waits once there is enough of it, or the first has waited", async () => {
  const { sink, clock, sent } = fixture([], { batch: { maxEvents: 3, maxDelayMs: 500 } });
  writeAll(sink, 2);
  await settle();
  clock.advance(499);
  await settle();
  assertEquals([sent.length, sink.queued], [0, 2]);
  clock.advance(1);
  await settle();
  assertEquals([seqs(sent), sink.queued, sink.delivered], [[[0, 1]], 0, 2]);
  writeAll(sink, 7, 2);
  await settle();
  assertEquals(seqs(sent).slice(1), [[2, 3, 4], [5, 6, 7]]);
  clock.advance(500);
  await settle();
  assertEquals(seqs(sent).slice(3), [[8]]);
  assertEquals(clock.timers, 0);
  await sink.close();
});

Deno.test("webhookSink() bounds a request by its length, too", async () => {
  const length = JSON.stringify(auditEvent({ seq: 0 })).length;
  const { sink, sent } = fixture([], { batch: { maxBytes: length * 2 } });
  writeAll(sink, 5);
  await settle();
  assertEquals(seqs(sent), [[0, 1], [2, 3]]);
  await sink.close();
  assertEquals(seqs(sent), [[0, 1], [2, 3], [4]]);
  const { sink: small, sent: alone } = fixture([], { batch: { maxBytes: 1 } });
  writeAll(small, 2);
  await settle();
  assertEquals(seqs(alone), [[0], [1]]);
  await small.close();
});

Deno.test("webhookSink() posts JSON without redirects, what acts on terminals escaped", async () => {
  const { sink, sent } = fixture([], { headers: { authorization: "Bearer S3CR3T" } });
  for (const principal of HOSTILE) sink.write(auditEvent({ principal }));
  await sink.flush();
  const [{ url, init, headers, events } = {} as Sent] = sent;
  assertEquals([url, init.method, init.redirect], [URL_WITH_SECRET, "POST", "manual"]);
  assertEquals(headers.get("authorization"), "Bearer S3CR3T");
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(events.map(({ principal }) => principal), [...HOSTILE]);
  assertFalse(UNSAFE.test(String(init.body)));
  // The control.
  assert(UNSAFE.test(JSON.stringify(HOSTILE)));
  await sink.close();
});

Deno.test("webhookSink() sends what the mapper makes", async () => {
  const { sink, sent } = fixture([], { map: toEcs });
  sink.write(auditEvent());
  await sink.close();
  assertEquals(sent[0]?.events as unknown, [toEcs(auditEvent())]);
});

Deno.test("webhookSink() signs id, time and body, anew in each attempt, under one id", async () => {
  const key = new Uint8Array(32).fill(7);
  const { sink, clock, sent } = fixture([status(503), status(200)], {
    signing: { key, keyId: "2026-01" },
  });
  // What the caller does with its bytes later does not matter.
  key.fill(0);
  sink.write(auditEvent());
  const flushed = sink.flush();
  await settle();
  clock.advance(1000);
  await flushed;
  const hmac = await crypto.subtle.importKey(
    "raw",
    new Uint8Array(32).fill(7),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  const times: (string | null)[] = [];
  for (const { headers, init } of sent) {
    const [id, time] = [headers.get("webhook-id"), headers.get("webhook-timestamp")];
    times.push(time);
    const [version, base64 = ""] = (headers.get("webhook-signature") ?? "").split(",");
    const mac = Uint8Array.from(atob(base64), (unit) => unit.charCodeAt(0));
    const isSigned = (text: string) =>
      crypto.subtle.verify("HMAC", hmac, mac, new TextEncoder().encode(text));
    assertEquals([version, headers.get("webhook-key-id")], ["v1", "2026-01"]);
    assert(await isSigned(`${id}.${time}.${init.body}`));
    assertFalse(await isSigned(`${id}x.${time}.${init.body}`));
    assertFalse(await isSigned(`${id}.${Number(time) + 1}.${init.body}`));
  }
  assertEquals(times, ["1700000000", "1700000001"]);
  assertEquals(new Set(sent.map(({ headers }) => headers.get("webhook-id"))).size, 1);
  sink.write(auditEvent());
  await sink.close();
  assertNotEquals(sent[2]?.headers.get("webhook-id"), sent[0]?.headers.get("webhook-id"));
});

Deno.test("webhookSink() tries again what may be otherwise next time, ever later", async () => {
  const answers: Answer[] = [
    new TypeError(`error sending request for url (${URL_WITH_SECRET})`),
    status(500),
    status(408),
    status(429),
    status(200),
  ];
  const { sink, clock, sent } = fixture(answers, { retryDelayMs: 100, maxRetryDelayMs: 350 });
  sink.write(auditEvent());
  const flushed = sink.flush();
  for (const waitMs of [100, 200, 350, 350]) {
    await settle();
    const before = sent.length;
    clock.advance(waitMs - 1);
    await settle();
    assertEquals(sent.length, before);
    clock.advance(1);
  }
  await flushed;
  assertEquals([sent.length, sink.delivered, sink.lost], [5, 1, 0]);
  await sink.close();
});

Deno.test("webhookSink() spreads its retries between half of the wait and all of it", async () => {
  for (const [random, waitMs] of [[0, 50], [0.5, 75], [1, 100]] as const) {
    const { sink, clock, sent } = fixture([status(500), status(200)], {
      retryDelayMs: 100,
      random: () => random,
    });
    sink.write(auditEvent());
    const flushed = sink.flush();
    await settle();
    clock.advance(waitMs - 1);
    await settle();
    assertEquals(sent.length, 1);
    clock.advance(1);
    await flushed;
    assertEquals(sent.length, 2);
    await sink.close();
  }
});

Deno.test("webhookSink() waits as long as the receiver asks for, within its own bound", async () => {
  const cases: [string, number][] = [
    ["2", 2000],
    ["999999", 4000],
    ["0", 100],
    ["-1", 100],
    ["soon", 100],
    ["Tue, 14 Nov 2023 22:13:22 GMT", 2000],
    ["Tue, 14 Nov 2023 22:13:00 GMT", 100],
    ["Wed, 21 Oct 2026 07:28:00 GMT", 4000],
    ["Wed, 41 Oct 2026 07:28:00 GMT", 100],
    ["2026-10-21T07:28:00Z", 100],
  ];
  for (const [retryAfter, waitMs] of cases) {
    const { sink, clock, sent } = fixture(
      [status(503, { "retry-after": retryAfter }), status(200)],
      { retryDelayMs: 100, maxRetryDelayMs: 4000 },
    );
    sink.write(auditEvent());
    const flushed = sink.flush();
    await settle();
    clock.advance(waitMs - 1);
    await settle();
    assertEquals(sent.length, 1, retryAfter);
    clock.advance(1);
    await flushed;
    assertEquals(sent.length, 2);
    await sink.close();
  }
});

Deno.test("webhookSink() gives up what is refused or redirected, and tells of the gap", async () => {
  for (const code of [301, 302, 307, 308, 400, 401, 403, 404, 410, 422]) {
    const { sink, sent } = fixture([
      status(code, { location: "https://elsewhere.example/" }),
      status(200),
    ]);
    writeAll(sink, 3, 10);
    const error = await assertRejects(() => sink.flush(), SecurityError);
    assertEquals(error.code, "audit-unavailable");
    assertFalse(JSON.stringify([error.message, error.details, error.stack]).includes("S3CR3T"));
    sink.write(auditEvent({ seq: 13 }));
    await sink.close();
    assertEquals(seqs(sent), [[10, 11, 12], [-1], [13]]);
    const [gap] = sent[1]!.events;
    assertEquals([gap?.kind, gap?.seq, gap?.severity], ["audit.gap", 12, "error"]);
    assertEquals(gap?.details, {
      count: 3,
      firstTime: "2026-01-02T03:04:05.678Z",
      lastTime: "2026-01-02T03:04:05.678Z",
      cause: code < 400 ? "redirect" : `status ${code}`,
    });
    assertEquals([sink.delivered, sink.lost], [1, 3]);
    assertFalse(sent.some(({ url }) => url !== URL_WITH_SECRET));
  }
});

Deno.test("webhookSink() loses the newest when its queue is full, and counts them", async () => {
  const { sink, clock, sent } = fixture([status(500), status(200)], {
    maxQueued: 3,
    retries: 0,
    batch: { maxEvents: 2, maxDelayMs: 10 },
  });
  writeAll(sink, 3);
  for (let seq = 3; seq < 1000; seq++) {
    const error = assertThrows(() => sink.write(auditEvent({ seq })), SecurityError);
    assertEquals(error.code, "audit-unavailable");
  }
  assertThrows(() => sink.ready?.(), SecurityError);
  assertEquals([sink.queued, sink.lost], [3, 997]);
  await settle();
  clock.advance(10);
  await settle();
  // The first two are lost with their request; the third goes with the record of all that are missing.
  assertEquals(seqs(sent), [[0, 1], [-1, 2]]);
  const [gap] = sent[1]!.events;
  assertEquals([gap?.details["count"], gap?.details["cause"]], [999, "queue full, status 500"]);
  assertEquals([sink.delivered, sink.lost, sink.queued], [1, 999, 0]);
  assertEquals(sink.ready?.(), undefined);
  await sink.close();
});

Deno.test("webhookSink() bounds the length of what waits", () => {
  const { sink } = fixture(["never"], { maxQueuedBytes: 3000 });
  const large = auditEvent({ reason: "x".repeat(1400) });
  sink.write(large);
  assertThrows(() => sink.write(auditEvent({ reason: "x".repeat(2000) })), SecurityError);
  sink.write(auditEvent());
  assertEquals([sink.queued, sink.lost], [2, 1]);
  const closing = new AbortController();
  const { sink: aborted } = fixture(["never"], { signal: closing.signal });
  closing.abort();
  assertThrows(() => aborted.write(large), SecurityError);
});

Deno.test("webhookSink() keeps the record of a gap until it was delivered", async () => {
  const { sink, sent } = fixture([status(400), status(400), status(200)]);
  sink.write(auditEvent({ seq: 1, time: "2026-01-01T00:00:00.000Z" }));
  await assertRejects(() => sink.flush());
  assertEquals(seqs(sent), [[1], [-1]]);
  sink.write(auditEvent({ seq: 2, time: "2026-01-03T00:00:00.000Z" }));
  await sink.flush();
  assertEquals(seqs(sent).slice(2), [[-1, 2]]);
  const { details } = sent[2]!.events[0]!;
  assertEquals([details["count"], details["firstTime"]], [1, "2026-01-01T00:00:00.000Z"]);
  await sink.close();
  assertEquals(sent.length, 3);
});

Deno.test("webhookSink() adds up what is lost while the record of a gap is under way", async () => {
  const gate = Promise.withResolvers<Response>();
  const { sink, sent } = fixture([() => gate.promise, status(200)], {
    batch: { maxEvents: 1 },
    maxQueued: 1,
    map(event) {
      if (event.kind === "x") throw new Error("unknown kind");
      return event;
    },
  });
  assertThrows(() => sink.write(auditEvent({ kind: "x", seq: 1 })));
  sink.write(auditEvent({ seq: 2 }));
  assertThrows(() => sink.write(auditEvent({ seq: 3 })), SecurityError);
  await settle();
  gate.resolve(status(400));
  await settle();
  await sink.flush();
  assertEquals(seqs(sent), [[-1, 2], [-1]]);
  const { details, seq } = sent[1]!.events[0]!;
  assertEquals([details["count"], details["cause"], seq], [
    3,
    "not to be mapped, queue full, status 400",
    3,
  ]);
  await sink.close();
});

Deno.test("webhookSink() counts what the mapper throws at, but hides no gap from it", async () => {
  const { sink, sent } = fixture([], {
    map: ({ kind }) => {
      if (kind !== "file.read") throw new Error("unknown kind");
      return undefined;
    },
  });
  assertThrows(() => sink.write(auditEvent({ kind: "x" })), Error, "unknown kind");
  assertThrows(() => sink.write(auditEvent()), TypeError);
  assertEquals(sink.lost, 2);
  await sink.flush();
  assertEquals(sent[0]?.events.map(({ details }) => details["count"]), [2]);
  await sink.close();
});

Deno.test("webhookSink() gives up a request that is not answered in time", async () => {
  const { sink, clock, sent } = fixture(["never", status(200)], { timeoutMs: 1000, retries: 1 });
  sink.write(auditEvent());
  const flushed = sink.flush();
  await settle();
  clock.advance(1000);
  await settle();
  assert(sent[0]?.init.signal?.aborted);
  clock.advance(500);
  await flushed;
  assertEquals([sent.length, sink.delivered], [2, 1]);
  await sink.close();
  assertEquals(clock.timers, 0);
});

Deno.test("flush() rejects when the time is over, and close() then ends everything", async () => {
  const { sink, clock } = fixture(["never"], { flushTimeoutMs: 50, timeoutMs: 60_000 });
  writeAll(sink, 2);
  const flushed = sink.flush();
  await settle();
  clock.advance(50);
  const error = await assertRejects(() => flushed, SecurityError);
  assertEquals([error.code, error.details], ["audit-unavailable", { lost: 0, queued: 2 }]);
  const closed = sink.close();
  assertEquals(sink.close(), closed);
  assertThrows(() => sink.write(auditEvent()), SecurityError, "closed");
  await settle();
  clock.advance(50);
  await closed;
  assertEquals([sink.queued, sink.lost, clock.timers], [0, 2, 0]);
  await sink[Symbol.asyncDispose]();
});

Deno.test("flush() waits for what was written before it, not for what comes after", async () => {
  const gates: PromiseWithResolvers<Response>[] = [];
  const gated = () => {
    const gate = Promise.withResolvers<Response>();
    gates.push(gate);
    return gate.promise;
  };
  const { sink, sent } = fixture([gated], { batch: { maxEvents: 2 } });
  writeAll(sink, 3);
  let isFlushed = false;
  const flushed = sink.flush().then(() => isFlushed = true);
  await settle();
  gates[0]?.resolve(status(200));
  await settle();
  writeAll(sink, 4, 3);
  assertFalse(isFlushed);
  gates[1]?.resolve(status(200));
  await flushed;
  assertEquals(seqs(sent), [[0, 1], [2], [3, 4]]);
  gates[2]?.resolve(status(200));
  await settle();
  gates[3]?.resolve(status(200));
  await settle();
  assertEquals([sink.delivered, sink.queued], [7, 0]);
  await sink.close();
});

Deno.test("webhookSink() makes a required event wait for its delivery", async () => {
  const { sink, clock, sent } = fixture([status(200), status(403)], { required: true });
  assertEquals(sink.required, true);
  let isDone = false;
  const written = Promise.resolve(sink.write(auditEvent())).then(() => isDone = true);
  await settle();
  assertFalse(isDone);
  clock.advance(1000);
  await written;
  assertEquals(sent.length, 1);
  const refused = Promise.resolve(sink.write(auditEvent()));
  refused.catch(() => {});
  await settle();
  clock.advance(1000);
  const error = await assertRejects(() => refused, SecurityError);
  assertEquals(error.details, { cause: "status 403" });
  const late = Promise.resolve(sink.write(auditEvent()));
  late.catch(() => {});
  const closed = sink.close();
  await assertRejects(() => late, SecurityError);
  await closed;
});

Deno.test("webhookSink() ends at once when its signal is aborted, in whatever it does", async () => {
  for (const answers of [["never"], [status(500)]] as Answer[][]) {
    const controller = new AbortController();
    const { sink, clock, sent } = fixture(answers, {
      signal: controller.signal,
      batch: { maxEvents: 1 },
    });
    writeAll(sink, 2);
    await settle();
    controller.abort();
    await settle();
    assertEquals([sent.length, sink.queued, sink.lost, clock.timers], [1, 0, 2, 0]);
    assertThrows(() => sink.write(auditEvent()), SecurityError);
    await sink.close();
  }
  const waiting = new AbortController();
  const { sink, clock } = fixture([], { signal: waiting.signal });
  sink.write(auditEvent());
  waiting.abort();
  assertEquals([sink.queued, sink.lost, clock.timers], [0, 1, 0]);
});

Deno.test("webhookSink() refuses wrong options, and shows no secret of them", () => {
  const url = "https://siem.example/S3CR3T";
  const cases: [Record<string, unknown>, typeof TypeError | typeof RangeError][] = [
    [{ url: "http://siem.example/S3CR3T" }, TypeError],
    [{ url: "http://10.0.0.1/S3CR3T" }, TypeError],
    [{ url: "http://127.0.0.1.evil.example/S3CR3T" }, TypeError],
    [{ url: "ftp://siem.example/S3CR3T", dangerouslyAllowHttp: true }, TypeError],
    [{ url: "https://u:S3CR3T@siem.example/" }, TypeError],
    [{ url: "https://siem.example/#S3CR3T" }, TypeError],
    [{ url: "S3CR3T" }, TypeError],
    [{ url: 1 }, TypeError],
    [{ url, headers: { authorization: "S3CR3T\nx: y" } }, TypeError],
    [{ url, headers: { "webhook-signature": "S3CR3T" } }, TypeError],
    [{ url, headers: { Host: "S3CR3T" } }, TypeError],
    [{ url, signing: { key: "S3CR3T", keyId: "k" } }, RangeError],
    [{ url, signing: { key: 5, keyId: "k" } }, TypeError],
    [{ url, signing: { key: "x".repeat(16), keyId: "a\nb" } }, TypeError],
    [{ url, fetch: 1 }, TypeError],
    [{ url, map: 1 }, TypeError],
    [{ url, random: 1 }, TypeError],
    [{ url, retries: -1 }, RangeError],
    [{ url, retries: Infinity }, RangeError],
    [{ url, timeoutMs: NaN }, RangeError],
    [{ url, timeoutMs: 2 ** 31 }, RangeError],
    [{ url, maxQueued: 0 }, RangeError],
    [{ url, batch: { maxEvents: 0 } }, RangeError],
    [{ url, batch: { maxDelayMs: -1 } }, RangeError],
    [{ url, batch: { maxBytes: 1.5 } }, RangeError],
    [{ url, flushTimeoutMs: "1" }, TypeError],
  ];
  for (const [options, type] of cases) {
    const error = assertThrows(() => webhookSink(options as unknown as WebhookSinkOptions));
    assertInstanceOf(error, type, JSON.stringify(options));
    assertFalse(error.message.includes("S3CR3T"), error.message);
    assertMatch(error.message, /^Cannot make a webhook sink/);
  }
  for (
    const options of [
      { url: "http://127.0.0.1:1/" },
      { url: "http://localhost/" },
      { url: "http://[::1]/" },
      { url: new URL("http://siem.example/"), dangerouslyAllowHttp: true },
    ]
  ) assertEquals(webhookSink(options).required, false);
});

/** A server on loopback. */
async function serve(
  handler: (request: Request) => Response | Promise<Response>,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const listening = Promise.withResolvers<number>();
  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    onListen: ({ port }) => listening.resolve(port),
  }, handler);
  return {
    url: `http://127.0.0.1:${await listening.promise}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("webhookSink() delivers to a server, after it was down, and follows it nowhere", async () => {
  const bodies: AuditEvent[][] = [];
  let requests = 0;
  await using elsewhere = await serve(() => {
    requests++;
    return new Response();
  });
  const answers = [
    () => new Response("busy", { status: 503 }),
    () => new Response("x".repeat(1e5)),
    () => new Response(null, { status: 308, headers: { location: elsewhere.url } }),
    () => new Response(),
  ];
  await using server = await serve(async (request) => {
    bodies.push(await request.json());
    return answers[bodies.length - 1]!();
  });
  const sink = webhookSink({ url: server.url, retryDelayMs: 1 });
  writeAll(sink, 3);
  await sink.flush();
  assertEquals(bodies.map((events) => events.length), [3, 3]);
  sink.write(auditEvent({ seq: 3 }));
  await assertRejects(() => sink.flush(), SecurityError);
  await sink.close();
  assertEquals([requests, sink.delivered, sink.lost], [0, 3, 1]);
  assertEquals(bodies.at(-1)?.map(({ kind }) => kind), ["audit.gap"]);

  // The control: fetch on its own takes the events along.
  await using leading = await serve(() =>
    new Response(null, { status: 308, headers: { location: elsewhere.url } })
  );
  await (await fetch(leading.url, { method: "POST", body: "[]" })).body?.cancel();
  assertEquals(requests, 1);
});

Deno.test("webhookSink() keeps no program alive, nor says where it could not send to", async () => {
  const module = new URL("../../src/events/webhook_sink.ts", import.meta.url).href;
  const code = `
    import { webhookSink } from ${JSON.stringify(module)};
    const event = ${JSON.stringify(auditEvent())};
    const options = { retryDelayMs: 60_000, maxRetryDelayMs: 60_000, batch: { maxDelayMs: 60_000 } };
    webhookSink({ ...options, url: "http://127.0.0.1:9/S3CR3T" }).write(event);
    const failing = webhookSink({ ...options, url: "http://127.0.0.1:9/S3CR3T", flushTimeoutMs: 200 });
    failing.write(event);
    try { await failing.flush(); } catch (error) { console.log(Deno.inspect(error)); }`;
  const started = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", "--no-check", code],
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert(success, new TextDecoder().decode(stderr));
  assert(performance.now() - started < 30_000);
  assertStringIncludes(said, "audit-unavailable");
  assertFalse(said.includes("S3CR3T"));
});
