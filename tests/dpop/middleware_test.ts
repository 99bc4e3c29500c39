import { assertEquals, assertStringIncludes } from "@std/assert";
import { createDpopVerifier, type DpopVerifier } from "@bartizan/security";
import { guarded, notesApp, notesGuard } from "../../examples/dpop_server.ts";
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
    const app = notesApp(guard);
    const handle: Handler = name === "Hono"
      ? (request) => app.fetch(request)
      : guarded(guard, () => Response.json({}));
    nonce = "n-2";
    const request = new Request(`${ORIGIN}/notes`, { headers: await proofHeaders("n-1") });
    const response = await handle(request);
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("dpop-nonce"), "n-2");
    assertEquals(response.headers.get("access-control-expose-headers"), "DPoP-Nonce");
  });
}

Deno.test("the adapter for Hono leaves other resources alone", async () => {
  const response = await notesApp(makeGuard()).request("/health");
  assertEquals([response.status, await response.text()], [200, "ok"]);
});
