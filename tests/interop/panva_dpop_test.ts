/** The clients `dpop` and `oauth4webapi` at servers that the verifier guards. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import * as dpop from "dpop";
import * as oauth from "oauth4webapi";
import { createDpopNonces } from "../../src/dpop/dpop_nonces.ts";
import { createDpopVerifier, type DpopGrantVerifier } from "../../src/dpop/dpop_verifier.ts";
import { createJwtTokenValidator } from "../../src/dpop/jwt_token_validator.ts";
import { serveGuarded } from "./_guarded_server.ts";
import { AUDIENCE, createIssuer, type Issuer } from "./_issuer.ts";

const ALGS: readonly dpop.JWSAlgorithm[] = ["Ed25519", "ES256", "PS256", "RS256"];
const HTTP = { [oauth.allowInsecureRequests]: true };
const CLIENT: oauth.Client = { client_id: "app" };

function validatorOf({ issuer, jwks }: Issuer) {
  return createJwtTokenValidator({ issuer, jwks, audience: AUDIENCE });
}

/** The challenge that a request is refused with. */
async function challengeOf(
  send: () => Promise<Response>,
): Promise<oauth.WWWAuthenticateChallengeError> {
  const error = await assertRejects(send, oauth.WWWAuthenticateChallengeError);
  await error.response.body?.cancel();
  return error;
}

for (const alg of ALGS) {
  Deno.test(`createDpopVerifier() lets in a proof of 'dpop' with ${alg}`, async () => {
    const issuer = await createIssuer();
    const keys = await dpop.generateKeyPair(alg);
    const jkt = await dpop.calculateThumbprint(keys.publicKey);
    const token = await issuer.issue(jkt);
    await using server = serveGuarded(validatorOf(issuer));
    const url = `${server.origin}/notes`;
    const send = async (nonce?: string) => {
      const proof = await dpop.generateProof(keys, url, "POST", nonce, token);
      const headers = { authorization: `DPoP ${token}`, dpop: proof };
      return await fetch(url, { method: "POST", headers });
    };
    const challenged = await send();
    assertEquals(challenged.status, 401);
    await challenged.body?.cancel();
    const granted = await send(challenged.headers.get("dpop-nonce") ?? undefined);
    assertEquals(await granted.json(), { principal: "alice", jkt, method: "POST" });
    assertEquals(server.outcomes, ["nonce-missing", "granted"]);
  });
}

Deno.test("oauth4webapi learns the nonce of createDpopVerifier() from its challenge", async () => {
  const issuer = await createIssuer();
  const keys = await oauth.generateKeyPair("ES256");
  const DPoP = oauth.DPoP(CLIENT, keys);
  const token = await issuer.issue(await DPoP.calculateThumbprint());
  await using server = serveGuarded(validatorOf(issuer));
  const url = new URL(`${server.origin}/a%20note?q=1#top`);
  const send = () =>
    oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, { DPoP, ...HTTP });
  const error = await challengeOf(send);
  assert(oauth.isDPoPNonceError(error));
  assertEquals(error.cause.map(({ scheme, parameters }) => [scheme, parameters.error]), [
    ["dpop", "use_dpop_nonce"],
  ]);
  for (let at = 0; at < 2; at++) {
    const response = await send();
    assertEquals((await response.json()).principal, "alice");
  }
  assertEquals(server.outcomes, ["nonce-missing", "granted", "granted"]);
});

Deno.test("oauth4webapi reads why createDpopVerifier() refuses the key of somebody else", async () => {
  const issuer = await createIssuer();
  const owner = oauth.DPoP(CLIENT, await oauth.generateKeyPair("ES256"));
  const DPoP = oauth.DPoP(CLIENT, await oauth.generateKeyPair("ES256"));
  const token = await issuer.issue(await owner.calculateThumbprint());
  await using server = serveGuarded(validatorOf(issuer));
  const url = new URL(server.origin);
  const error = await challengeOf(() =>
    oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, { DPoP, ...HTTP })
  );
  assertEquals([error.status, error.cause[0]?.parameters.error], [401, "invalid_token"]);
  assertEquals(server.outcomes, ["jkt-mismatch"]);
});

Deno.test("oauth4webapi gets a token from an authorization server that createDpopVerifier() guards", async () => {
  const issuer = await createIssuer();
  await using tokens = serveTokens(issuer);
  await using server = serveGuarded(validatorOf(issuer));
  const as: oauth.AuthorizationServer = {
    issuer: issuer.issuer,
    token_endpoint: `${tokens.origin}/token`,
    ...tokens.guard.metadata,
    dpop_signing_alg_values_supported: [...tokens.guard.metadata.dpop_signing_alg_values_supported],
  };
  const DPoP = oauth.DPoP(CLIENT, await oauth.generateKeyPair("Ed25519"));
  const request = async () => {
    const authentication = oauth.ClientSecretPost("secret");
    const parameters = new URLSearchParams();
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      CLIENT,
      authentication,
      parameters,
      {
        DPoP,
        ...HTTP,
      },
    );
    return await oauth.processClientCredentialsResponse(as, CLIENT, response);
  };
  const refusal = await assertRejects(request, oauth.ResponseBodyError);
  assert(oauth.isDPoPNonceError(refusal));
  const { access_token: token, token_type: type } = await request();
  assertEquals(type, "dpop");

  const send = () =>
    oauth.protectedResourceRequest(token, "GET", new URL(server.origin), undefined, undefined, {
      DPoP,
      ...HTTP,
    });
  await challengeOf(send);
  assertEquals((await (await send()).json()).jkt, await DPoP.calculateThumbprint());
});

/** A token endpoint that issues to anybody with a proof. */
function serveTokens(
  issuer: Issuer,
): AsyncDisposable & { readonly origin: string; readonly guard: DpopGrantVerifier } {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request): Promise<Response> => {
      const result = await guard.verifyRequest(request, { requireProof: true });
      if (!result.ok) return result.response;
      const { jkt, tokenType, headers } = result;
      const body = {
        access_token: await issuer.issue(jkt),
        token_type: tokenType,
        expires_in: 300,
      };
      return Response.json(body, { headers });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const guard: DpopGrantVerifier = createDpopVerifier({
    role: "authorization-server",
    origin,
    nonces: createDpopNonces({ secrets: [crypto.getRandomValues(new Uint8Array(32))] }),
  });
  return { origin, guard, [Symbol.asyncDispose]: () => server.shutdown() };
}
