import { assertEquals, assertGreater } from "@std/assert";
import { createGuardedServer } from "../../examples/guarded_server.ts";
import { functionSink, jsonLinesSink, memorySink, verifyAuditLog } from "@bartizan/security";

const info = (hostname: string) => ({
  remoteAddr: { transport: "tcp" as const, hostname, port: 4711 },
  completed: Promise.resolve(),
});

const post = (body: BodyInit) => new Request("http://localhost/", { method: "POST", body });

Deno.test("the server answers, and records what it did with source and correlation", async () => {
  const sink = memorySink();
  await using server = createGuardedServer(sink);
  const request = post('"three small words"');
  request.headers.set("x-correlation-id", "client-7");
  const response = await server.handler(request, info("198.51.100.1"));
  assertEquals(await response.json(), { words: 3 });
  assertEquals(response.headers.get("ratelimit"), '"default";r=19;t=1');
  const [event] = sink.events;
  assertEquals(
    [event?.kind, event?.outcome, event?.source?.address, event?.clientCorrelationId],
    ["words.count", "success", "198.51.100.1", "client-7"],
  );
});

const REFUSED: readonly (readonly [string, BodyInit, number, string])[] = [
  ["no JSON", "{", 400, "json-invalid"],
  ["a name twice", '{"a":1,"a":2}', 400, "json-duplicate-key"],
  ["deep JSON", "[".repeat(100_000), 400, "json-too-deep"],
  ["a body that is too large", new Uint8Array(2 ** 21), 413, "too-large"],
];

for (const [name, body, status, code] of REFUSED) {
  Deno.test(`the server refuses ${name} with ${status}`, async () => {
    const sink = memorySink();
    await using server = createGuardedServer(sink);
    const response = await server.handler(post(body), info("198.51.100.1"));
    await response.body?.cancel();
    assertEquals([response.status, sink.events[0]?.code], [status, code]);
  });
}

Deno.test("the server blocks who goes on after being refused, and nobody else", async () => {
  const sink = memorySink();
  await using server = createGuardedServer(sink);
  const statuses: number[] = [];
  for (let at = 0; at < 40; at++) {
    const response = await server.handler(post('"x"'), info("198.51.100.1"));
    await response.body?.cancel();
    statuses.push(response.status);
  }
  assertEquals(statuses.slice(0, 20), new Array(20).fill(200));
  assertEquals(statuses[20], 429);
  assertEquals(statuses.at(-1), 403);
  const other = await server.handler(post('"x"'), info("198.51.100.2"));
  assertEquals(await other.json(), { words: 1 });
  assertEquals(sink.events.some(({ kind }) => kind === "runtime.block"), true);
});

Deno.test("the server gives no answer that it cannot record", async () => {
  const sink = functionSink("broken", () => {
    throw new Error("the disk is full");
  });
  await using server = createGuardedServer(sink);
  const response = await server.handler(post('"x"'), info("198.51.100.1"));
  await response.body?.cancel();
  assertEquals(response.status, 503);
});

Deno.test("the server shows its metrics to the same machine alone", async () => {
  await using server = createGuardedServer(memorySink());
  const ask = (hostname: string) =>
    server.handler(new Request("http://localhost/metrics"), info(hostname));
  const mine = await ask("127.0.0.1");
  assertEquals([mine.status, (await mine.text()).includes("bartizan_")], [200, true]);
  const other = await ask("198.51.100.1");
  await other.body?.cancel();
  assertGreater(other.status, 399);
});

Deno.test("the server's log verifies", async () => {
  const folder = await Deno.makeTempDir({ prefix: "guarded_server_test_" });
  try {
    const path = `${folder}/audit.jsonl`;
    {
      await using server = createGuardedServer(
        jsonLinesSink({ path, durability: "fsync", chain: {} }),
      );
      const response = await server.handler(post('"a b"'), info("198.51.100.1"));
      await response.body?.cancel();
    }
    const report = await verifyAuditLog([path]);
    assertEquals(report.ok, true);
    assertGreater(report.records, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
