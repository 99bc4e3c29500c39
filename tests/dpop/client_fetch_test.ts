import { assert, assertEquals, assertRejects } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { createDpopClient, type DpopClientOptions } from "../../src/dpop/dpop_client.ts";
import { createDpopSigner, generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import { type Arrival, askForNonce, askForNonceInBody, makePeer } from "./_client_peer.ts";
import { claimsOf } from "./_proofs.ts";

const API = "https://api.example.com/notes";
const accessToken = "Kz~8mXK1";

/** A client of a peer that gives these answers, and then 200. */
async function talk(answers: readonly Response[], options: DpopClientOptions = {}) {
  const left = [...answers];
  const { arrivals, fetch } = makePeer(() => left.shift() ?? new Response("ok"));
  const client = await createDpopClient({ alg: "Ed25519", fetch, ...options });
  return { client, arrivals };
}

function noncesOf(arrivals: readonly Arrival[]): unknown[] {
  return arrivals.map(({ claims }) => claims.nonce);
}

function redirect(location: string, status = 302): Response {
  return new Response(null, { status, headers: { location } });
}

Deno.test("DpopClient.fetch() sends the token with a proof", async () => {
  const { client, arrivals } = await talk([]);
  const response = await client.fetch(`${API}?q=1`, { accessToken, headers: { "x-own": "1" } });
  assertEquals(await response.text(), "ok");
  const [arrival] = arrivals;
  assertEquals(arrival?.headers.get("authorization"), `DPoP ${accessToken}`);
  assertEquals(arrival?.headers.get("x-own"), "1");
  assertEquals([arrival?.claims.htm, arrival?.claims.htu], ["GET", API]);
});

Deno.test("DpopClient.fetch() keeps the newest nonce of each origin, from any response", async () => {
  const nonce = (value: string, status = 200) =>
    new Response(null, { status, headers: { "dpop-nonce": value } });
  const { client, arrivals } = await talk([nonce("n1"), nonce("n2", 500), nonce("m1")]);
  await client.fetch(API, { accessToken });
  await client.fetch(API, { accessToken });
  await client.fetch("https://other.example.com/", { accessToken });
  await client.fetch(API, { accessToken });
  await client.fetch("https://other.example.com/", { accessToken });
  await client.fetch("https://api.example.com:8443/", { accessToken });
  assertEquals(noncesOf(arrivals), [undefined, "n1", undefined, "n2", "m1", undefined]);
  assertEquals(claimsOf(await client.proof({ method: "GET", url: API })).nonce, "n2");
});

Deno.test("DpopClient.fetch() knows the nonces of so many origins", async () => {
  const { fetch, arrivals } = makePeer(() =>
    new Response(null, { headers: { "dpop-nonce": "n" } })
  );
  const client = await createDpopClient({ alg: "Ed25519", fetch, maxNonceOrigins: 2 });
  for (const name of ["a", "b", "c", "a", "a"]) await client.fetch(`https://${name}.example/`);
  assertEquals(noncesOf(arrivals), [undefined, undefined, undefined, undefined, "n"]);
});

Deno.test("DpopClient.fetch() tries again with the nonce that a server asks for", async () => {
  for (const ask of [askForNonce, askForNonceInBody]) {
    const { client, arrivals } = await talk([ask("n1")]);
    const response = await client.fetch(API, { accessToken, method: "POST", body: "text" });
    assertEquals(response.status, 200);
    assertEquals(noncesOf(arrivals), [undefined, "n1"]);
    assertEquals(arrivals.map(({ body }) => body), ["text", "text"]);
    assert(arrivals[0]?.claims.jti !== arrivals[1]?.claims.jti);
  }
});

Deno.test("DpopClient.fetch() sends every kind of body twice that is still there", async () => {
  const form = new FormData();
  form.set("a", "1");
  const bodies: readonly BodyInit[] = [
    "text",
    new TextEncoder().encode("bytes"),
    new TextEncoder().encode("buffer").buffer,
    new DataView(new ArrayBuffer(2)),
    new URLSearchParams({ a: "1" }),
    form,
    new Blob(["blob"], { type: "text/x" }),
  ];
  for (const body of bodies) {
    const { client, arrivals } = await talk([askForNonce("n1")]);
    assertEquals((await client.fetch(API, { method: "POST", body })).status, 200);
    const [first, second] = arrivals.map(({ headers, body: text }) => {
      const type = headers.get("content-type");
      const boundary = type?.split("boundary=")[1];
      // Each time a form is written it has another boundary, and the header has to say which.
      if (boundary === undefined) return [type, text];
      assert(text.includes(boundary));
      return text.replaceAll(boundary, "-");
    });
    assertEquals(second, first);
    assertEquals(arrivals.length, 2);
  }
});

Deno.test("DpopClient.fetch() returns the refusal when the body is gone", async () => {
  const stream = () => ReadableStream.from([new TextEncoder().encode("stream")]);
  for (const ask of [askForNonce, askForNonceInBody]) {
    const { client, arrivals } = await talk([ask("n1"), ask("n2")]);
    const first = await client.fetch(API, { method: "POST", body: stream() });
    const second = await client.fetch(new Request(API, { method: "POST", body: "text" }));
    assert(first.status >= 400 && second.status >= 400);
    assert((await first.text()) !== "" && (await second.text()) !== "");
    assertEquals(arrivals.map(({ body }) => body), ["stream", "text"]);
    // The next one has it from the start.
    await client.fetch(API, { method: "POST", body: stream() });
    assertEquals(arrivals[2]?.claims.nonce, "n2");
  }
});

Deno.test("DpopClient.fetch() takes a Request as fetch does", async () => {
  const { client, arrivals } = await talk([askForNonce("n1")]);
  const request = new Request(API, { headers: { "x-own": "1" } });
  assertEquals((await client.fetch(request, { accessToken })).status, 200);
  assertEquals(arrivals.map(({ headers }) => headers.get("x-own")), ["1", "1"]);
  const posted = new Request(API, { method: "PUT", body: "own", headers: { "x-own": "1" } });
  await client.fetch(posted, { accessToken, headers: { "x-other": "1" } });
  const last = arrivals.at(-1);
  assertEquals([last?.method, last?.body, last?.claims.htm], ["PUT", "own", "PUT"]);
  assertEquals([last?.headers.has("x-own"), last?.headers.has("x-other")], [false, true]);
});

Deno.test("DpopClient.fetch() does not try again for anything else", async () => {
  const ok = { "www-authenticate": 'DPoP error="use_dpop_nonce"' };
  const json = { "content-type": "application/json", "dpop-nonce": "n1" };
  const body = '{"error":"use_dpop_nonce"}';
  const table: readonly (readonly [string, Response])[] = [
    ["no nonce", new Response(null, { status: 401, headers: ok })],
    ["an empty nonce", askForNonce("")],
    ["a nonce with a space", askForNonce("a b")],
    ["a nonce with a quote", askForNonce('a"b')],
    ["a nonce that is too long", askForNonce("x".repeat(1025))],
    ["another status", new Response(null, { status: 403, headers: { ...ok, "dpop-nonce": "n1" } })],
    [
      "another error",
      new Response(null, {
        status: 401,
        headers: { "www-authenticate": 'DPoP error="invalid_token"', "dpop-nonce": "n1" },
      }),
    ],
    ["another error in the body", askForNonceInBody("n1", '{"error":"invalid_request"}')],
    ["an error deeper down", askForNonceInBody("n1", `[${body}]`)],
    ["no JSON", askForNonceInBody("n1", "use_dpop_nonce")],
    ["null", askForNonceInBody("n1", "null")],
    ["an inherited error", askForNonceInBody("n1", `{"__proto__":${body}}`)],
    ["another type", new Response(body, { status: 400, headers: { "dpop-nonce": "n1" } })],
    ["another status with JSON", new Response(body, { status: 403, headers: json })],
    ["no body", new Response(null, { status: 400, headers: json })],
    [
      "a body that is too long",
      askForNonceInBody("n1", `{"error":"use_dpop_nonce","x":"${"x".repeat(20_000)}"}`),
    ],
    [
      "a length that is too long",
      new Response(body, { status: 400, headers: { ...json, "content-length": "99999" } }),
    ],
  ];
  for (const [why, response] of table) {
    const { client, arrivals } = await talk([response]);
    const got = await client.fetch(API, { accessToken });
    assertEquals(got, response, why);
    assertEquals(arrivals.length, 1, why);
    await got.text();
  }
});

Deno.test("DpopClient.fetch() reads no endless error to its end", async () => {
  let pulled = 0;
  const endless = new ReadableStream({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(1000).fill(0x20));
    },
  });
  const headers = { "content-type": "application/json", "dpop-nonce": "n1" };
  const { client } = await talk([new Response(endless, { status: 400, headers })]);
  const response = await client.fetch(API);
  assert(pulled < 30, `${pulled} pieces were read`);
  await response.body?.cancel();
});

Deno.test("DpopClient.fetch() tries again once, whatever a server says", async () => {
  let sent = 0;
  for (const ask of [askForNonce, askForNonceInBody]) {
    const { arrivals, fetch } = makePeer(() => ask(`n${++sent}`));
    const client = await createDpopClient({ alg: "Ed25519", fetch });
    const response = await client.fetch(API, { accessToken });
    assert(response.status >= 400);
    assertEquals(arrivals.length, 2);
    // The response that is returned is whole.
    assert((await response.text()).length > 0);
  }
});

Deno.test("DpopClient.fetch() does not try again with the nonce that was refused", async () => {
  const { client, arrivals } = await talk([askForNonce("n1"), new Response(), askForNonce("n1")]);
  await client.fetch(API);
  assertEquals((await client.fetch(API)).status, 401);
  assertEquals(noncesOf(arrivals), [undefined, "n1", "n1"]);
});

Deno.test("DpopClient.fetch() takes no nonce from an answer of another origin", async () => {
  const foreign = askForNonce("stolen");
  Object.defineProperty(foreign, "url", { value: "https://attacker.example/" });
  const { client, arrivals } = await talk([foreign]);
  assertEquals((await client.fetch(API)).status, 401);
  await client.fetch(API);
  await client.fetch("https://attacker.example/");
  assertEquals(noncesOf(arrivals), [undefined, undefined, undefined]);
});

Deno.test("DpopClient.fetch() follows redirects within the origin with new proofs", async () => {
  const start = () => ({ method: "POST", body: "text", headers: { "x-own": "1" }, accessToken });
  const table: readonly (readonly [number, string, string])[] = [
    [301, "GET", ""],
    [302, "GET", ""],
    [303, "GET", ""],
    [307, "POST", "text"],
    [308, "POST", "text"],
  ];
  for (const [status, method, body] of table) {
    const first = redirect("/moved?x#y", status);
    first.headers.set("dpop-nonce", "n1");
    const { client, arrivals } = await talk([first]);
    assertEquals((await client.fetch(API, start())).status, 200);
    const last = arrivals[1];
    assertEquals([last?.method, last?.body, last?.claims.htm], [method, body, method]);
    assertEquals(last?.url.split("#")[0], "https://api.example.com/moved?x");
    assertEquals([last?.claims.htu, last?.claims.nonce], ["https://api.example.com/moved", "n1"]);
    assertEquals(last?.headers.has("content-type"), method === "POST");
    assertEquals(last?.headers.get("x-own"), "1");
    assertEquals(last?.headers.get("authorization"), `DPoP ${accessToken}`);
    assert(last?.claims.jti !== arrivals[0]?.claims.jti);
  }
  for (const [method, status] of [["HEAD", 303], ["PUT", 302], ["DELETE", 301]] as const) {
    const { client, arrivals } = await talk([redirect("/moved", status)]);
    await client.fetch(API, { method });
    assertEquals(arrivals[1]?.method, method);
  }
});

Deno.test("DpopClient.fetch() follows no redirect that cannot be followed", async () => {
  const stream = () => ReadableStream.from([new TextEncoder().encode("stream")]);
  const table: readonly (readonly [string, RequestInit, string])[] = [
    ["https://user:secret@api.example.com/", {}, "credentials"],
    ["https://[", {}, "no URL"],
    ["/moved", { redirect: "error" }, "there was a redirect"],
    ["/moved", { method: "POST", body: stream() }, "body cannot follow"],
  ];
  for (const [location, init, message] of table) {
    const { client, arrivals } = await talk([redirect(location, 307)]);
    const error = await assertRejects(() => client.fetch(API, init), TypeError, message);
    assert(!error.message.includes("secret"));
    assertEquals(arrivals.length, 1);
  }
  const { arrivals, fetch } = makePeer(() => redirect("/again"));
  const client = await createDpopClient({ alg: "Ed25519", fetch });
  await assertRejects(() => client.fetch(API), TypeError, "too many redirects");
  assertEquals(arrivals.length, 21);
});

Deno.test("DpopClient.fetch() returns a redirect when it is told to, or it leads nowhere", async () => {
  const { client } = await talk([
    redirect("https://other.example/"),
    new Response(null, { status: 302 }),
  ]);
  assertEquals((await client.fetch(API, { redirect: "manual" })).status, 302);
  assertEquals((await client.fetch(API)).status, 302);
});

Deno.test("DpopClient.fetch() refuses a redirect that a browser hides", async () => {
  const opaque = () => {
    const response = Response.error();
    Object.defineProperty(response, "type", { value: "opaqueredirect" });
    return response;
  };
  const { client } = await talk([opaque(), opaque(), opaque()]);
  const error = await assertRejects(() => client.fetch(API), SecurityError);
  assertEquals(error.code, "cross-origin-redirect");
  await assertRejects(() => client.fetch(API, { redirect: "error" }), TypeError);
  assertEquals((await client.fetch(API, { redirect: "manual" })).type, "opaqueredirect");
});

Deno.test("DpopClient.fetch() takes no token to another origin, as bare fetch does", async () => {
  const stolen: (string | null)[] = [];
  const attacker = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    stolen.push(request.headers.get("dpop"));
    return new Response("thanks");
  });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => redirect(`http://127.0.0.1:${attacker.addr.port}/`),
  );
  try {
    const url = `http://127.0.0.1:${server.addr.port}/`;
    const client = await createDpopClient({ alg: "Ed25519" });
    const proof = await client.proof({ method: "GET", url, accessToken });
    // The control: fetch follows, and the proof arrives where it was not meant for.
    const headers = { authorization: `DPoP ${accessToken}`, dpop: proof };
    await (await fetch(url, { headers })).text();
    assertEquals(stolen, [proof]);
    for (const init of [{ accessToken }, {}]) {
      const error = await assertRejects(() => client.fetch(url, init), SecurityError);
      assertEquals(error.code, "cross-origin-redirect");
      assertEquals(error.details.to, `http://127.0.0.1:${attacker.addr.port}`);
    }
    assertEquals(stolen.length, 1);
  } finally {
    await Promise.all([server.shutdown(), attacker.shutdown()]);
  }
});

Deno.test("DpopClient.fetch() refuses redirects to another scheme, port and host", async () => {
  const table = [
    "http://api.example.com/",
    "https://api.example.com:8443/",
    "//attacker.example/",
    "https://api.example.com.attacker.example/",
    "\\\\attacker.example/",
    "data:text/plain,x",
    "javascript:1",
  ];
  for (const location of table) {
    const { client, arrivals } = await talk([redirect(location)]);
    const error = await assertRejects(() => client.fetch(API, { accessToken }), SecurityError);
    assertEquals(error.code, "cross-origin-redirect", location);
    assertEquals(arrivals.length, 1);
  }
});

Deno.test("DpopClient.fetch() sends nothing in the clear, except within the machine", async () => {
  const { client, arrivals } = await talk([]);
  const clear = [
    "http://api.example.com/",
    "http://127.0.0.1.example.com/",
    "http://localhost.example.com/",
    "http://10.0.0.1/",
    "http://[::2]/",
    "ftp://localhost.example.com/",
  ];
  for (const url of clear) {
    await assertRejects(() => client.fetch(url, { accessToken }), TypeError, "must be https");
    await assertRejects(() => client.fetch(url), TypeError, "must be https");
  }
  assertEquals(arrivals, []);
  for (
    const url of ["http://localhost:1/", "http://127.0.0.1:1/", "http://127.1/", "http://[::1]/"]
  ) {
    await client.fetch(url, { accessToken });
  }
  assertEquals(arrivals.length, 4);
  const weak = await talk([], { dangerouslyAllowHttp: true });
  await weak.client.fetch("http://api.example.com/", { accessToken });
  assertEquals(weak.arrivals.length, 1);
});

Deno.test("DpopClient.fetch() throws for headers that it would have to replace", async () => {
  const { client, arrivals } = await talk([]);
  const table: readonly (readonly [Record<string, string>, string | undefined])[] = [
    [{ authorization: "Bearer x" }, accessToken],
    [{ Authorization: "Basic x" }, accessToken],
    [{ authorization: "bearer x" }, undefined],
    [{ authorization: "DPoP x" }, undefined],
    [{ authorization: "Basic x, DPoP y" }, undefined],
    [{ DPoP: "x" }, accessToken],
    [{ dpop: "x" }, undefined],
  ];
  for (const [headers, token] of table) {
    const init = { headers, accessToken: token };
    await assertRejects(() => client.fetch(API, init), TypeError, "must not hold");
    await assertRejects(
      () => client.fetch(new Request(API, { headers }), { accessToken: token }),
      TypeError,
      "must not hold",
    );
  }
  await assertRejects(() => client.fetch(API, { accessToken: "a, b" }), TypeError, "'accessToken'");
  assertEquals(arrivals, []);
  // A client may have to authenticate to its authorization server.
  await client.fetch(API, { method: "POST", headers: { authorization: "Basic eDp5" } });
  assertEquals(arrivals[0]?.headers.get("authorization"), "Basic eDp5");
});

Deno.test("DpopClient.fetch() stops waiting when it is told to", async () => {
  const never = () => new Promise<never>(() => {});
  const { client, arrivals } = await talk([]);
  const reason = new Error("enough");
  const isReason = async (work: () => Promise<unknown>) => {
    const error = await assertRejects(work, Error);
    assertEquals(error, reason);
  };
  const signal = AbortSignal.abort(reason);
  await isReason(() => client.fetch(API, { signal }));
  await isReason(() => client.fetch(new Request(API, { signal })));
  assertEquals(arrivals, []);

  const signer = await createDpopSigner(await generateDpopKeyPair("Ed25519"));
  // Whatever is waited for when the signal comes.
  const stages: readonly ((reached: () => Promise<never>) => DpopClientOptions)[] = [
    (reached) => ({ alg: "Ed25519", fetch: reached }),
    (reached) => ({ signer: { ...signer, sign: reached } }),
    (reached) => ({ keys: { current: () => Promise.resolve(signer), find: reached } }),
    (reached) => {
      const stalled = new ReadableStream({ pull: reached }, { highWaterMark: 0 });
      const headers = { "content-type": "application/json", "dpop-nonce": "n1" };
      const response = new Response(stalled, { status: 400, headers });
      return { alg: "Ed25519", fetch: () => Promise.resolve(response) };
    },
  ];
  for (const [at, stage] of stages.entries()) {
    const controller = new AbortController();
    let isReached = false;
    const waiting = await createDpopClient(stage(() => {
      isReached = true;
      queueMicrotask(() => controller.abort(reason));
      return never();
    }));
    const jkt = at === 2 ? signer.jkt : undefined;
    await isReason(() => waiting.fetch(API, { signal: controller.signal, jkt }));
    assert(isReached);
  }
});
