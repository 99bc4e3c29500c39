/**
 * A live oidc-provider under Node: prints its issuer, and ends with its standard input.
 *
 * DPoP with nonces that are required; tokens are JWTs for `urn:example:jwt`, opaque for
 * `urn:example:opaque`. Whoever asks for authorization is `alice`, and consents.
 */
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import process from "node:process";
import { Provider } from "oidc-provider";

const SCOPE = "notes";
const RESOURCES = ["urn:example:jwt", "urn:example:opaque"];

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "as-1" };

const common = { response_types: [], redirect_uris: [], id_token_signed_response_alg: "ES256" };
const clients = [
  {
    ...common,
    client_id: "machine",
    client_secret: "of the machine",
    grant_types: ["client_credentials"],
    dpop_bound_access_tokens: true,
  },
  { ...common, client_id: "api", client_secret: "of the: api", grant_types: [] },
  {
    ...common,
    client_id: "app",
    application_type: "native",
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    redirect_uris: ["http://127.0.0.1/callback"],
    dpop_bound_access_tokens: true,
  },
];

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [jwk] },
    cookies: { keys: [randomBytes(32).toString("hex")] },
    scopes: ["openid", "offline_access"],
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: () => true,
    ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 600, RefreshToken: 600, Session: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (_context, { clientId }) => clientId === "api",
      },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => ({
          scope: SCOPE,
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: resource === RESOURCES[0] ? "jwt" : "opaque",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  const serve = provider.callback();
  server.on("request", (request, response) => {
    if (request.url.startsWith("/interaction/")) consent(provider, request, response);
    else serve(request, response);
  });
  console.log(`issuer ${issuer}`);
});

async function consent(provider, request, response) {
  const { params, prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    await provider.interactionFinished(request, response, { login: { accountId: "alice" } });
    return;
  }
  const grant = new provider.Grant({ accountId: "alice", clientId: params.client_id });
  grant.addOIDCScope("openid offline_access");
  for (const resource of RESOURCES) grant.addResourceScope(resource, SCOPE);
  await provider.interactionFinished(request, response, {
    consent: { grantId: await grant.save() },
  });
}

process.stdin.resume();
process.stdin.on("end", () => process.exit());
