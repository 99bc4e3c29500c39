import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { createDpopVerifier, type DpopVerifier } from "@bartizan/security";
import { Hono } from "hono";
import { dpop, type DpopEnv, guarded, notesApp, notesGuard } from "../../examples/dpop_server.ts";
import { makeKey, signProof } from "./_proofs.ts";

const key = await makeKey("Ed25519");
const TOKEN = "a-token";
const ORIGIN = "https://notes.example.com";

type Handler = (request: Request) => Response | Promise<Response>;

function makeGuard(): DpopVerifier {
  return notesGuard(
    ORIGIN,
    (token) => token === TOKEN ? { jkt: key.jkt, principal: "alice", claims: {} } : null,
  );
}

/** Each adapter, with the same resource behind it. */
const ADAPTERS: readonly (readonly [name: string, make: () => Handler])[] = [
  [
    "Deno.serve",
    () => guarded(makeGuard(), (_request, access) => Response.json({ notesOf: access.principal })),
  ],
  ["Hono", () => {
    const app = notesApp(makeGuard());
    return (request) => app.fetch(request);
  }],
];

async function proofHeaders(nonce?: string): Promise<Record<string, string>> {
  const claims = { htu: `${ORIGIN}/notes`, iat: Math.floor(Date.now() / 1000), nonce };
  const dpop = await signProof({ key, claims, accessToken: TOKEN });
  return { authorization: `DPoP ${TOKEN}`, dpop };
}

for (const [name, make] of ADAPTERS) {
  Deno.test(`the adapter for ${name} guards a resource behind a real server`, async () => {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      make(),
    );
    const url = `http://127.0.0.1:${server.addr.port}/notes`;

    const challenged = await fetch(url);
    assertEquals([challenged.status, await challenged.text()], [401, ""]);
    assertEquals(challenged.headers.get("www-authenticate"), 'DPoP algs="Ed25519 ES256"');
    assertEquals(challenged.headers.get("cache-control"), "no-store");

    const asked = await fetch(url, { headers: await proofHeaders() });
    assertEquals([asked.status, await asked.text()], [401, ""]);
    assertStringIncludes(asked.headers.get("www-authenticate") ?? "", 'error="use_dpop_nonce"');
    const nonce = asked.headers.get("dpop-nonce") ?? "";

    const headers = await proofHeaders(nonce);
    const granted = await fetch(url, { headers });
    assertEquals([granted.status, await granted.json()], [200, { notesOf: "alice" }]);

    const replayed = await fetch(url, { headers });
    assertEquals([replayed.status, await replayed.text()], [401, ""]);
    assertStringIncludes(
      replayed.headers.get("www-authenticate") ?? "",
      'error="invalid_dpop_proof"',
    );
  });

  Deno.test(`the adapter for ${name} hands on the newest nonce`, async () => {
    let nonce = "n-1";
    const guard = createDpopVerifier({
      origin: ORIGIN,
      nonces: { issue: () => nonce, check: (text) => text.startsWith("n-") },
      validateToken: () => ({ jkt: key.jkt, claims: {} }),
    });
    const app = new Hono<DpopEnv>();
    app.use(dpop(guard));
    const headersOfHandler = {
      "cache-control": "public, max-age=60",
      "dpop-nonce": "n-0",
      "access-control-expose-headers": "ETag",
    };
    app.get("/notes", (c) => c.json({}, 200, headersOfHandler));
    const handle: Handler = name === "Hono"
      ? (request) => app.fetch(request)
      : guarded(guard, () => Response.json({}, { headers: headersOfHandler }));
    nonce = "n-2";
    const request = new Request(`${ORIGIN}/notes`, { headers: await proofHeaders("n-1") });
    const response = await handle(request);
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("dpop-nonce"), "n-2");
    assertEquals(response.headers.get("access-control-expose-headers"), "ETag, DPoP-Nonce");
    // A cache that keeps the response would hand an old nonce to everybody.
    assertEquals(response.headers.get("cache-control"), "no-store");
  });
}

/** Sends a request as it is written, which fetch() would repair, and reads what comes back. */
async function send(port: number, lines: readonly string[]): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = [...lines, "Connection: close", "", ""].join("\r\n");
  await connection.write(new TextEncoder().encode(request));
  const text = await new Response(connection.readable).text();
  return `${text.slice(9, 12)} ${text.slice(text.indexOf("\r\n\r\n") + 4)}`;
}

/** Requests with two readings: the proof is for the first, Hono's router goes by the second. */
const TWO_READINGS: readonly (readonly [name: string, host: string, target: string])[] = [
  ["a Host that ends in ?", "h/notes?", "/admin"],
  ["a Host that ends in #", "h/notes#", "/admin"],
  ["a Host with a query and no path", "h?", "/admin"],
  ["dot segments", "notes.example.com", "/admin/../notes"],
  ["escaped dot segments", "notes.example.com", "/admin/%2e%2e/notes"],
];

for (const [name, host, target] of TWO_READINGS) {
  Deno.test(`the adapter for Hono refuses a request with ${name}; control: what Hono takes it for`, async () => {
    const guard = createDpopVerifier({ origin: ORIGIN, validateToken: () => ({ jkt: key.jkt }) });
    const reached: string[] = [];
    const path: string[] = [];
    let isGuarded = false;
    const app = new Hono<DpopEnv>();
    app.use("*", async (c, next) => {
      path.push(new URL(c.req.raw.url).pathname);
      return isGuarded ? await dpop(guard)(c, next) : await next();
    });
    app.get("/admin/*", (c) => (reached.push("admin"), c.text("admin")));
    app.get("*", (c) => (reached.push("other"), c.text("other")));
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      app.fetch,
    );
    const { port } = server.addr;
    // The control: the path of the URL, which a proof is compared with, is not what was routed by.
    await send(port, [`GET ${target} HTTP/1.1`, `Host: ${host}`]);
    const signed = path[0] ?? "";
    assertFalse(signed.startsWith("/admin"));
    if (!host.startsWith("h/")) assertEquals(reached, ["admin"]);
    isGuarded = true;
    const claims = { htu: ORIGIN + signed, iat: Math.floor(Date.now() / 1000) };
    const proof = await signProof({ key, claims, accessToken: TOKEN });
    const credentials = [`Authorization: DPoP ${TOKEN}`, `DPoP: ${proof}`];
    const refusal = await send(port, [
      `GET ${target} HTTP/1.1`,
      `Host: ${host}`,
      ...credentials,
    ]);
    assertEquals(refusal, "400 ");
    assertEquals(reached.length, 1);
    // The proof is a good one, for the place that it was made for.
    const granted = await send(port, [`GET ${signed} HTTP/1.1`, "Host: h", ...credentials]);
    assertEquals(granted.slice(0, 3), "200");
  });
}

Deno.test("the adapter for Hono leaves other resources alone", async () => {
  const response = await notesApp(makeGuard()).request("/health");
  assertEquals([response.status, await response.text()], [200, "ok"]);
});
