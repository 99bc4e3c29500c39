/** An authorization server and a resource server on loopback, for clients in any runtime. */
import { SignJWT } from "jose";
import { createDpopNonces } from "../../src/dpop/dpop_nonces.ts";
import { createDpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import { createJwtTokenValidator } from "../../src/dpop/jwt_token_validator.ts";
import { MemoryReplayStore } from "../../src/dpop/memory_replay_store.ts";
import type { Servers } from "./_runtime_client.ts";

/** The two servers. */
export interface RunningServers extends Servers, AsyncDisposable {
  /** What was asked since the last time, and how it was answered, without preflights. */
  takeLog(): string[];
  /** How many preflights there were since the last time. */
  takePreflights(): number;
}

/** Starts them, each with nonces of its own, and open to pages of all origins. */
export async function startServers(): Promise<RunningServers> {
  const key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const jwk = { ...await crypto.subtle.exportKey("jwk", key.publicKey), alg: "ES256", kid: "as-1" };
  let log: string[] = [];
  let preflights = 0;

  /** Serves pages of other origins, which may not read more than the handler exposes to them. */
  function serve(
    handle: (request: Request, path: string) => Response | Promise<Response>,
  ): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      if (request.method === "OPTIONS") {
        preflights++;
        return new Response(null, {
          status: 204,
          headers: {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "authorization, content-type, dpop",
          },
        });
      }
      const { pathname } = new URL(request.url);
      const response = await handle(request, pathname);
      response.headers.set("access-control-allow-origin", "*");
      log.push(`${request.method} ${pathname} ${response.status}`);
      return response;
    });
  }

  const as = serve(async (request, path) => {
    if (path === "/jwks") {
      return Response.json({ keys: [jwk] }, { headers: { "x-not-exposed": "seen" } });
    }
    const granted = await grants.verifyRequest(request, { requireProof: true });
    if (!granted.ok) return granted.response;
    const token = await new SignJWT({ client_id: "app", cnf: granted.cnf })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "as-1" })
      .setIssuer(issuer)
      .setAudience(api)
      .setSubject("alice")
      .setIssuedAt()
      .setExpirationTime("10 minutes")
      .setJti(crypto.randomUUID())
      .sign(key.privateKey);
    const { headers, tokenType } = granted;
    return Response.json({ access_token: token, token_type: tokenType }, { headers });
  });
  const rs = serve(async (request, path) => {
    // A redirect is nobody's secret, and a proof for it is for no other request.
    if (path === "/moved") return redirect("/notes");
    if (path === "/away") return redirect(`${issuer}/notes`);
    const result = await guard.verifyRequest(request);
    if (!result.ok) return result.response;
    const { principal, jkt, headers } = result;
    return Response.json({ principal, jkt, body: await request.text() }, { headers });
  });

  const issuer = `http://127.0.0.1:${as.addr.port}`;
  const api = `http://127.0.0.1:${rs.addr.port}`;
  const common = () => ({
    nonces: createDpopNonces({ secrets: [crypto.getRandomValues(new Uint8Array(32))] }),
    replay: new MemoryReplayStore({ capacity: 1000 }),
  });
  const grants = createDpopVerifier({ role: "authorization-server", origin: issuer, ...common() });
  const guard = createDpopVerifier({
    origin: api,
    validateToken: createJwtTokenValidator({ issuer, audience: api, jwks: { keys: [jwk] } }),
    ...common(),
  });
  return {
    issuer,
    api,
    takeLog() {
      const taken = log;
      log = [];
      return taken;
    },
    takePreflights() {
      const taken = preflights;
      preflights = 0;
      return taken;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([as.shutdown(), rs.shutdown()]);
    },
  };
}

function redirect(location: string): Response {
  return new Response(null, { status: 307, headers: { location } });
}
