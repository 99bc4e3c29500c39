/** The client at a server that `oauth4webapi` guards. */
import { assertEquals } from "@std/assert";
import { decodeJwt } from "jose";
import * as oauth from "oauth4webapi";
import { createDpopClient, type DpopClient } from "../../src/dpop/dpop_client.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { AUDIENCE, createIssuer, type Issuer } from "./_issuer.ts";

const ALGS: readonly DpopAlg[] = ["ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "RS256"];
const NONCE = "nonce-of-the-server";

interface Server extends AsyncDisposable {
  readonly origin: string;
  /** Status of each response. */
  readonly statuses: readonly number[];
}

/** A server whose nonce has to be used, since oauth4webapi leaves nonces to others. */
function serveWithOauth4webapi({ issuer, jwks }: Issuer): Server {
  const statuses: number[] = [];
  const as: oauth.AuthorizationServer = { issuer, jwks_uri: `${issuer}/jwks` };
  const answer = async (request: Request): Promise<Response> => {
    const proof = request.headers.get("dpop") ?? "";
    if (decodeJwt(proof).nonce !== NONCE) {
      const headers = { "dpop-nonce": NONCE, "www-authenticate": 'DPoP error="use_dpop_nonce"' };
      return new Response(null, { status: 401, headers });
    }
    try {
      const { sub } = await oauth.validateJwtAccessToken(as, request, AUDIENCE, {
        requireDPoP: true,
        [oauth.customFetch]: () => Promise.resolve(Response.json(jwks)),
      });
      return Response.json({ sub, body: await request.text() });
    } catch (error) {
      const description = error instanceof Error ? error.message : "";
      const challenge = `DPoP error="invalid_token", error_description="${description}"`;
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    }
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const response = await answer(request);
      statuses.push(response.status);
      return response;
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  return { origin, statuses, [Symbol.asyncDispose]: () => server.shutdown() };
}

for (const alg of ALGS) {
  Deno.test(`createDpopClient() with ${alg} is let in by oauth4webapi`, async () => {
    const issuer = await createIssuer();
    await using client = await createDpopClient({ alg });
    await using server = serveWithOauth4webapi(issuer);
    const accessToken = await issuer.issue(client.jkt);
    const response = await client.fetch(`${server.origin}/notes/%7Eme?page=2`, {
      accessToken,
      method: "PUT",
      body: "a note",
    });
    assertEquals(response.headers.get("www-authenticate"), null);
    assertEquals(await response.json(), { sub: "alice", body: "a note" });
    const again = await client.fetch(server.origin, { accessToken });
    assertEquals((await again.json()).sub, "alice");
    assertEquals(server.statuses, [401, 200, 200]);
  });
}

Deno.test("oauth4webapi refuses the token of createDpopClient() with the key of another client", async () => {
  const issuer = await createIssuer();
  await using owner = await createDpopClient();
  await using thief = await createDpopClient();
  await using server = serveWithOauth4webapi(issuer);
  const accessToken = await issuer.issue(owner.jkt);
  const send = async (client: DpopClient) => {
    const response = await client.fetch(server.origin, { accessToken, jkt: client.jkt });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await send(owner), await send(thief)], [200, 401]);
});
