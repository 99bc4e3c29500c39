/** The client against a live oidc-provider, and its tokens at a guarded server. */
import {
  assert,
  assertEquals,
  assertExists,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { encodeBase64Url } from "../../src/_internal/base64url.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { createDpopClient, type DpopClient } from "../../src/dpop/dpop_client.ts";
import {
  createIntrospectionValidator,
  type IntrospectionValidatorOptions,
} from "../../src/dpop/introspection_validator.ts";
import { createJwtTokenValidator } from "../../src/dpop/jwt_token_validator.ts";
import type { TokenValidator } from "../../src/dpop/token_validator.ts";
import { serveGuarded } from "./_guarded_server.ts";
import { hasNode, startOidcProvider } from "./_oidc_provider.ts";

const JWT = "urn:example:jwt";
const OPAQUE = "urn:example:opaque";
const REDIRECT_URI = "http://127.0.0.1/callback";
const ALGS: readonly DpopAlg[] = ["ES256", "Ed25519"];

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasNode, fn });
}

interface TokenResponse {
  readonly access_token: string;
  readonly token_type: string;
  readonly refresh_token?: string;
}

/** Asks for a token, and tells how many requests that took. */
async function requestToken(
  client: DpopClient,
  issuer: string,
  parameters: Readonly<Record<string, string>>,
): Promise<TokenResponse> {
  const response = await client.fetch(`${issuer}/token`, {
    method: "POST",
    headers: parameters.client_id === undefined
      ? { authorization: `Basic ${btoa("machine:of+the+machine")}` }
      : {},
    body: new URLSearchParams(parameters),
  });
  const body = await response.json();
  assertEquals([response.status, body.token_type], [200, "DPoP"], JSON.stringify(body));
  return body;
}

function machineToken(
  client: DpopClient,
  issuer: string,
  resource: string,
): Promise<TokenResponse> {
  return requestToken(client, issuer, {
    grant_type: "client_credentials",
    scope: "notes",
    resource,
  });
}

function jwtValidator(issuer: string): TokenValidator {
  return createJwtTokenValidator({
    issuer,
    audience: JWT,
    jwks: new URL(`${issuer}/jwks`),
    requiredScopes: ["notes"],
  });
}

function introspected(issuer: string): IntrospectionValidatorOptions {
  return {
    endpoint: `${issuer}/token/introspection`,
    authorization: { clientId: "api", clientSecret: "of the: api" },
    issuer,
    principal: ({ sub, client_id }) => String(sub ?? client_id),
  };
}

for (const alg of ALGS) {
  test(`createDpopClient() with ${alg} gets a JWT from oidc-provider, with nonces, and is let in`, async () => {
    await using provider = await startOidcProvider();
    const { issuer } = provider;
    let sent = 0;
    await using client = await createDpopClient({
      alg,
      fetch: (input, init) => {
        sent++;
        return fetch(input, init);
      },
    });
    const { access_token: accessToken } = await machineToken(client, issuer, JWT);
    // The first was refused for want of a nonce.
    assertEquals(sent, 2);
    await machineToken(client, issuer, JWT);
    assertEquals(sent, 3);

    await using server = serveGuarded(jwtValidator(issuer));
    const response = await client.fetch(`${server.origin}/notes?page=2`, { accessToken });
    assertEquals(response.status, 200);
    assertEquals(await response.json(), { principal: "machine", jkt: client.jkt, method: "GET" });
    const again = await client.fetch(`${server.origin}/notes`, { accessToken, method: "DELETE" });
    assertEquals((await again.json()).method, "DELETE");
    assertEquals(server.outcomes, ["nonce-missing", "granted", "granted"]);
  });
}

test("a token of oidc-provider is of no use to another key, nor as Bearer", async () => {
  await using provider = await startOidcProvider();
  await using client = await createDpopClient();
  await using thief = await createDpopClient();
  const { access_token: accessToken } = await machineToken(client, provider.issuer, JWT);
  await using server = serveGuarded(jwtValidator(provider.issuer));
  const stolen = await thief.fetch(server.origin, { accessToken, jkt: thief.jkt });
  assertEquals(stolen.status, 401);
  await stolen.body?.cancel();
  const bearer = await fetch(server.origin, {
    headers: { authorization: `Bearer ${accessToken}` },
  });
  assertEquals(bearer.status, 401);
  assertStringIncludes(bearer.headers.get("www-authenticate") ?? "", 'DPoP error="invalid_token"');
  await bearer.body?.cancel();
  const owner = await client.fetch(server.origin, { accessToken });
  assertEquals(owner.status, 200);
  await owner.body?.cancel();
  assertEquals(server.outcomes, ["jkt-mismatch", "dpop-required", "nonce-missing", "granted"]);
});

test("createIntrospectionValidator() asks oidc-provider about opaque tokens", async () => {
  await using provider = await startOidcProvider();
  const { issuer } = provider;
  await using client = await createDpopClient();
  const { access_token: accessToken } = await machineToken(client, issuer, OPAQUE);
  assert(!accessToken.includes("."));
  await using server = serveGuarded(
    createIntrospectionValidator({ ...introspected(issuer), audience: OPAQUE }),
  );
  const response = await client.fetch(server.origin, { accessToken });
  assertEquals(await response.json(), { principal: "machine", jkt: client.jkt, method: "GET" });
  const unknown = await client.fetch(server.origin, { accessToken: "made-up" });
  assertEquals(unknown.status, 401);
  await unknown.body?.cancel();
  assertEquals(server.outcomes, ["nonce-missing", "granted", "token-invalid"]);
});

test("createIntrospectionValidator() says that it cannot tell with the wrong secret", async () => {
  await using provider = await startOidcProvider();
  await using client = await createDpopClient();
  const { access_token: accessToken } = await machineToken(client, provider.issuer, OPAQUE);
  const authorization = { clientId: "api", clientSecret: "of another" };
  await using server = serveGuarded(
    createIntrospectionValidator({ ...introspected(provider.issuer), authorization }),
  );
  const response = await client.fetch(server.origin, { accessToken });
  assertEquals(response.status, 503);
  await response.body?.cancel();
  assertEquals(server.outcomes, ["token-validator-unavailable"]);
});

test("createDpopClient() gets an authorization code bound by dpop_jkt, and refreshes its token", async () => {
  await using provider = await startOidcProvider();
  const { issuer } = provider;
  await using client = await createDpopClient({ alg: "ES256" });
  await using server = serveGuarded(jwtValidator(issuer));
  const first = await authorize(client, issuer, JWT);
  const read = await client.fetch(server.origin, { accessToken: first.access_token });
  assertEquals((await read.json()).principal, "alice");

  const refresh = {
    grant_type: "refresh_token",
    client_id: "app",
    refresh_token: first.refresh_token ?? "",
  };
  const second = await requestToken(client, issuer, refresh);
  assertNotEquals(second.access_token, first.access_token);
  const later = await client.fetch(server.origin, { accessToken: second.access_token });
  assertEquals((await later.json()).jkt, client.jkt);

  // A public client's refresh token is bound to its key (RFC 9449, section 5).
  await using thief = await createDpopClient({ alg: "ES256" });
  const stolen = await thief.fetch(`${issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({ ...refresh, refresh_token: second.refresh_token ?? "" }),
  });
  assertEquals([stolen.status, (await stolen.json()).error], [400, "invalid_grant"]);
});

test("createIntrospectionValidator() does not take a refresh token of oidc-provider for an access token", async () => {
  await using provider = await startOidcProvider();
  const { issuer } = provider;
  await using client = await createDpopClient();
  const { refresh_token: refreshToken } = await authorize(client, issuer, OPAQUE);
  assertExists(refreshToken);
  const outcomes: unknown[] = [];
  for (const requireTokenType of [true, false]) {
    // oidc-provider says no audience of a refresh token.
    const validate = createIntrospectionValidator({
      ...introspected(issuer),
      requireTokenType,
    });
    await using server = serveGuarded(validate);
    const response = await client.fetch(server.origin, { accessToken: refreshToken });
    await response.body?.cancel();
    outcomes.push(server.outcomes.at(-1));
  }
  // The second is the control: the same key, and a token that lives longer than any access token.
  assertEquals(outcomes, ["token-invalid", "granted"]);
});

/** Goes through the authorization endpoint the way a browser does, and exchanges the code. */
async function authorize(
  client: DpopClient,
  issuer: string,
  resource: string,
): Promise<TokenResponse> {
  const verifier = encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const start = new URL(`${issuer}/auth`);
  start.search = new URLSearchParams({
    client_id: "app",
    response_type: "code",
    redirect_uri: REDIRECT_URI,
    scope: "openid offline_access notes",
    prompt: "consent",
    resource,
    code_challenge: encodeBase64Url(new Uint8Array(hash)),
    code_challenge_method: "S256",
    dpop_jkt: client.jkt,
  }).toString();
  const cookies = new Map<string, string>();
  let url = start;
  for (let hops = 0; !url.href.startsWith(REDIRECT_URI) && hops < 10; hops++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    await response.body?.cancel();
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    url = new URL(response.headers.get("location") ?? "", url);
  }
  const code = url.searchParams.get("code") ?? "";
  assertMatch(code, /./, url.href);
  return await requestToken(client, issuer, {
    grant_type: "authorization_code",
    client_id: "app",
    code,
    code_verifier: verifier,
    redirect_uri: REDIRECT_URI,
    resource,
  });
}
