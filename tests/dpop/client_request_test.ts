/** What DpopClient.fetch() takes, and what arrives of it: as with fetch itself. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createDpopClient, type DpopFetchInit } from "../../src/dpop/dpop_client.ts";
import { askForNonce, makePeer } from "./_client_peer.ts";

const API = "https://api.example.com/notes";
const accessToken = "Kz~8mXK1";

/** A client, and what its fetch was called with. */
async function listen(answers: readonly Response[] = []) {
  const left = [...answers];
  const calls: { input: string | URL | Request; init: Record<string, unknown> }[] = [];
  const { arrivals, fetch } = makePeer(() => left.shift() ?? new Response("ok"));
  const client = await createDpopClient({
    alg: "Ed25519",
    fetch: (input, init) => {
      calls.push({ input, init: { ...init } });
      return fetch(input, init);
    },
  });
  return { client, calls, arrivals };
}

/** Another fetch parameter than the types know: what a runtime adds. */
function extended(init: Readonly<Record<string, unknown>>): DpopFetchInit {
  return init as DpopFetchInit;
}

Deno.test("DpopClient.fetch() goes through the proxy that a Request was made with", async () => {
  const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const proxy = Deno.serve(options, () => new Response("through the proxy"));
  const direct = Deno.serve(options, () => new Response("past the proxy"));
  const url = `http://127.0.0.1:${direct.addr.port}/`;
  const through = Deno.createHttpClient({
    proxy: { url: `http://127.0.0.1:${proxy.addr.port}` },
    poolMaxIdlePerHost: 0,
  });
  try {
    const client = await createDpopClient({ alg: "Ed25519" });
    const make = () => new Request(url, extended({ client: through }));
    // The control: what fetch does with it, and with a copy that was made from its URL.
    assertEquals(await (await fetch(make())).text(), "through the proxy");
    assertEquals(await (await fetch(make().url)).text(), "past the proxy");
    const text = async (input: string | Request, init?: DpopFetchInit) =>
      await (await client.fetch(input, { accessToken, ...init })).text();
    assertEquals(await text(make()), "through the proxy");
    assertEquals(await text(make(), { headers: { "x-own": "1" } }), "through the proxy");
    assertEquals(await text(url, extended({ client: through })), "through the proxy");
    assertEquals(await text(url), "past the proxy");
  } finally {
    through.close();
    await Promise.all([proxy.shutdown(), direct.shutdown()]);
  }
});

Deno.test("DpopClient.fetch() sends a Request itself, and again for a nonce", async () => {
  const { client, calls, arrivals } = await listen([askForNonce("n1")]);
  const request = new Request(API, { method: "DELETE", headers: { "x-own": "1" } });
  assertEquals((await client.fetch(request, { accessToken })).status, 200);
  assertEquals(calls.length, 2);
  for (const { input } of calls) assertStrictEquals(input, request);
  for (const { method, headers } of arrivals) {
    assertEquals([method, headers.get("x-own")], ["DELETE", "1"]);
  }
});

Deno.test("DpopClient.fetch() takes along what can be read from a Request that is redirected", async () => {
  const moved = new Response(null, { status: 307, headers: { location: "/moved" } });
  const { client, calls } = await listen([moved]);
  const request = new Request(API, { cache: "no-store", credentials: "omit" });
  Object.defineProperty(request, "cf", { value: { cacheTtl: 5 } });
  const dispatcher = {};
  await client.fetch(request, { accessToken, ...extended({ dispatcher }) });
  const last = calls[1];
  assertEquals(last?.input, "https://api.example.com/moved");
  assertEquals([last?.init.cf, last?.init.dispatcher], [{ cacheTtl: 5 }, dispatcher]);
  assertEquals([last?.init.cache, last?.init.credentials], ["no-store", "omit"]);
});

Deno.test("DpopClient.fetch() takes second whatever fetch takes", async () => {
  class Defaults {
    get method() {
      return "PUT";
    }
    get headers() {
      return { "x-own": "1" };
    }
    get body() {
      return "text";
    }
  }
  const settings = { method: "PUT", headers: { "x-own": "1" }, body: "text" };
  const table: readonly (readonly [string, () => unknown])[] = [
    ["an object", () => settings],
    ["a Request", () => new Request("https://other.example/", settings)],
    ["an instance", () => new Defaults()],
    ["an object with a prototype", () => Object.create(settings)],
  ];
  for (const [what, make] of table) {
    // The control: what fetch would have sent.
    const plain = new Request(API, make() as RequestInit);
    assertEquals([plain.method, plain.headers.get("x-own")], ["PUT", "1"], what);
    const { client, arrivals } = await listen();
    await client.fetch(API, make() as DpopFetchInit);
    const [arrival] = arrivals;
    assertEquals([arrival?.method, arrival?.body, arrival?.url], ["PUT", "text", API], what);
    assertEquals([arrival?.headers.get("x-own"), arrival?.claims.htm], ["1", "PUT"], what);
  }
  const { client, arrivals } = await listen();
  await client.fetch(API, null as unknown as DpopFetchInit);
  assertEquals(arrivals[0]?.method, "GET");
  // Its headers are looked at like those of anything else.
  const request = new Request(API, { headers: { authorization: "Bearer x" } });
  await assertRejects(
    () => client.fetch(API, request as RequestInit),
    TypeError,
    "must not hold Authorization",
  );
});

Deno.test("DpopClient.fetch() stops for the signal of a Request that comes second", async () => {
  const { client, arrivals } = await listen();
  const reason = new Error("enough");
  const request = new Request(API, { signal: AbortSignal.abort(reason) });
  const error = await assertRejects(() => client.fetch(API, request as RequestInit), Error);
  assertStrictEquals(error, reason);
  assertEquals(arrivals, []);
  // One that is replaced ends nothing.
  assertEquals((await client.fetch(request, { signal: null })).status, 200);
});

Deno.test("DpopClient.fetch() keeps the body of a Request where none is given, as fetch does", async () => {
  for (const [body, sent] of [[null, "own"], [undefined, "own"], ["other", "other"]] as const) {
    const { client, arrivals } = await listen();
    const request = new Request(API, { method: "POST", body: "own" });
    await client.fetch(request, extended({ body }));
    assertEquals(arrivals[0]?.body, sent);
  }
  const { client, arrivals } = await listen();
  const request = new Request(API, { method: "POST", body: "own" });
  await assertRejects(() => client.fetch(request, { method: "GET" }), TypeError, "body");
  assertEquals(arrivals, []);
});

Deno.test("DpopClient.fetch() gives neither token nor key to fetch as a setting", async () => {
  const { client, calls } = await listen();
  await client.fetch(API, { accessToken, jkt: client.jkt });
  const { init } = calls[0]!;
  assert(!("accessToken" in init) && !("jkt" in init));
});

Deno.test("DpopClient.fetch() throws for a redirect that it was told not to meet, with Location or not", async () => {
  for (const headers of [{}, { location: "/moved" }]) {
    const { client, arrivals } = await listen([new Response(null, { status: 302, headers })]);
    await assertRejects(
      () => client.fetch(API, { redirect: "error" }),
      TypeError,
      "there was a redirect",
    );
    assertEquals(arrivals.length, 1);
  }
});

Deno.test("DpopClient.fetch() throws for a mode of redirects that there is not", async () => {
  const { client, arrivals } = await listen();
  const init = extended({ redirect: "eror" });
  // The control: fetch does not take it either.
  await assertRejects(() => fetch(API, init), TypeError);
  await assertRejects(() => client.fetch(API, init), TypeError, "'redirect' must be one of");
  assertEquals(arrivals, []);
});
