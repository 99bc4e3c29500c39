/**
 * Requests to a resource server: verifyRequest with a memory replay store against oauth4webapi's
 * validateJwtAccessToken, and 16 at once against as many bare signatures.
 *
 * Limits: 0.45 of oauth4webapi, which verifies two signatures, the token's and the proof's; 1.10 of
 * `crypto.subtle.verify` at 16 at once.
 *
 * All of one table take turns in this process; what counts are the ratios to the first line, which
 * bench/README.md publishes. Run with `deno task bench bench/dpop_verifier_bench.ts`.
 */
import { base64url, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import type { DpopAlg } from "../src/dpop/dpop_alg.ts";
import { createDpopVerifier } from "../src/dpop/dpop_verifier.ts";
import { createJwtTokenValidator } from "../src/dpop/jwt_token_validator.ts";
import { MemoryReplayStore } from "../src/dpop/memory_replay_store.ts";
import { jwkThumbprint, type ThumbprintMembers } from "../src/dpop/thumbprint.ts";
import type { TokenValidator } from "../src/dpop/token_validator.ts";
import { benchOnce, formatTurns, SIGNATURES, takeTurns } from "./_turns.ts";

const ISSUER = "https://as.example.com";
const ORIGIN = "https://api.example.com";
const RESOURCE = `${ORIGIN}/notes`;
const AT_ONCE = 16;

/** A client with a token, and the authorization server's keys. */
interface Scene {
  readonly jkt: string;
  readonly jwk: JWK;
  readonly token: string;
  readonly jwks: { readonly keys: JWK[] };
  /** A proof that nobody has seen. */
  prove(): Promise<string>;
}

async function makeScene(alg: DpopAlg): Promise<Scene> {
  const as = await generateKeyPair("ES256");
  const client = await generateKeyPair(alg);
  const jwk = await exportJWK(client.publicKey);
  const jkt = jwkThumbprint(jwk as ThumbprintMembers);
  const token = await new SignJWT({ client_id: "app", scope: "notes", cnf: { jkt } })
    .setProtectedHeader({ typ: "at+jwt", alg: "ES256", kid: "as-1" })
    .setIssuer(ISSUER)
    .setAudience(ORIGIN)
    .setSubject("alice")
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime("1 hour")
    .sign(as.privateKey);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  const ath = base64url.encode(new Uint8Array(hash));
  const key = { ...await exportJWK(as.publicKey), kid: "as-1", alg: "ES256", use: "sig" };
  return {
    jkt,
    jwk,
    token,
    jwks: { keys: [key] },
    prove: () =>
      new SignJWT({ jti: crypto.randomUUID(), htm: "GET", htu: RESOURCE, ath })
        .setProtectedHeader({ typ: "dpop+jwt", alg, jwk })
        .setIssuedAt()
        .sign(client.privateKey),
  };
}

/** Requests with proofs that nobody has seen, one after the other. */
async function makeRequests({ prove, token }: Scene, count: number): Promise<() => Request> {
  const requests: Request[] = [];
  while (requests.length < count) {
    const headers = { authorization: `DPoP ${token}`, dpop: await prove() };
    requests.push(new Request(RESOURCE, { headers }));
  }
  return () => requests.pop()!;
}

/** One verification; a refusal would be measured as if it were an answer. */
function verifier(validateToken: TokenValidator): (request: Request) => Promise<void> {
  const replay = new MemoryReplayStore({ capacity: 100_000, maxPerKey: 100_000 });
  const guard = createDpopVerifier({
    origin: ORIGIN,
    algs: ["ES256", "Ed25519"],
    replay,
    validateToken,
  });
  return async (request) => {
    const result = await guard.verifyRequest(request);
    if (!result.ok) throw result.error;
  };
}

/** The cheapest validator: the token is known. */
function knownToken({ jkt }: Scene): TokenValidator {
  const validated = { jkt, principal: "alice", claims: { sub: "alice" } };
  return () => validated;
}

async function againstOauth4webapi(alg: DpopAlg): Promise<string> {
  const scene = await makeScene(alg);
  const calls = 50;
  const rounds = 41;
  const count = calls * (rounds + 8);
  const jwt = { issuer: ISSUER, audience: ORIGIN, jwks: scene.jwks };
  const contenders: [string, (request: Request) => unknown][] = [
    ["verifyRequest, the token is known: 1 signature", verifier(knownToken(scene))],
    [
      "verifyRequest, JWT remembered for 60 s: 1 signature",
      verifier(createJwtTokenValidator({ ...jwt, cacheSeconds: 60 })),
    ],
    ["verifyRequest, JWT: 2 signatures", verifier(createJwtTokenValidator(jwt))],
  ];
  const runs: { name: string; run: () => unknown }[] = [];
  const as: oauth.AuthorizationServer = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` };
  const jwksCache = {
    jwks: scene.jwks,
    uat: Math.floor(Date.now() / 1000),
  } as oauth.JWKSCacheInput;
  const theirs = await makeRequests(scene, count);
  runs.push({
    name: "validateJwtAccessToken of oauth4webapi: 2 signatures",
    run: () =>
      oauth.validateJwtAccessToken(as, theirs(), ORIGIN, {
        requireDPoP: true,
        [oauth.jwksCache]: jwksCache,
      }),
  });
  for (const [name, verify] of contenders) {
    const next = await makeRequests(scene, count);
    runs.push({ name, run: () => verify(next()) });
  }
  return formatTurns(`${alg}, one request`, await takeTurns(runs, { rounds, calls }));
}

async function atOnce(alg: DpopAlg): Promise<string> {
  const scene = await makeScene(alg);
  const calls = 8;
  const rounds = 61;
  const next = await makeRequests(scene, calls * (rounds + 8) * AT_ONCE);
  const verify = verifier(knownToken(scene));
  const bare = await bareVerify(alg, scene);
  const together = (run: () => unknown) => () => Promise.all(Array.from({ length: AT_ONCE }, run));
  const turns = await takeTurns([
    { name: `crypto.subtle.verify alone, ${AT_ONCE} at once`, run: together(bare) },
    { name: "verifyRequest, the token is known", run: together(() => verify(next())) },
  ], { rounds, calls });
  return formatTurns(`${alg}, ${AT_ONCE} requests at once`, turns);
}

/** What the signature alone takes: everything else is prepared. */
async function bareVerify(alg: DpopAlg, { jwk, prove }: Scene): Promise<() => Promise<boolean>> {
  const publicKey = await importJWK({ ...jwk }, alg) as CryptoKey;
  const proof = await prove();
  const end = proof.lastIndexOf(".");
  const signed = new TextEncoder().encode(proof.slice(0, end));
  const signature = new Uint8Array(base64url.decode(proof.slice(end + 1)));
  return () => crypto.subtle.verify(SIGNATURES[alg]!, publicKey, signature, signed);
}

benchOnce("one request, ES256 (table below)", () => againstOauth4webapi("ES256"));
benchOnce("one request, Ed25519 (table below)", () => againstOauth4webapi("Ed25519"));
benchOnce("16 requests at once, ES256 (table below)", () => atOnce("ES256"));
benchOnce("16 requests at once, Ed25519 (table below)", () => atOnce("Ed25519"));
