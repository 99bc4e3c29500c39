import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import type { DpopErrorReason } from "../../src/dpop/dpop_error.ts";
import type { TokenValidator } from "../../src/dpop/token_validator.ts";
import { forge, makeKey, signProof } from "./_proofs.ts";
import {
  guardFor,
  makeRequest,
  refused,
  type RequestInput,
  spyStore,
  TOKEN,
} from "./_verifiers.ts";

const key = await makeKey("ES256");
const other = await makeKey("Ed25519");

Deno.test("verifyRequest() grants a request whose sender holds the key of the token", async () => {
  for (const one of [key, other]) {
    const result = await guardFor(one.jkt).verifyRequest(await makeRequest({ key: one }));
    assert(result.ok);
    assert(result.scheme === "DPoP");
    assertEquals([result.jkt, result.principal], [one.jkt, "alice"]);
    assertEquals(result.claims, { sub: "alice" });
    assertEquals([result.proof.jkt, result.proof.claims.htm], [one.jkt, "GET"]);
    assertEquals([...result.headers], []);
  }
});

Deno.test("verifyRequest() reads neither Host nor X-Forwarded-*", async () => {
  const evil = "https://evil.example/notes";
  const headers = {
    host: "evil.example",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "http",
    forwarded: "host=evil.example;proto=http",
  };
  const guard = guardFor(key.jkt);
  // Whatever origin the framework found in the request, the configured one counts.
  for (const url of ["https://evil.example/notes?x=1", "http://127.0.0.1:8000/notes"]) {
    const good = await makeRequest({ key, url });
    for (const [name, value] of Object.entries(headers)) good.headers.set(name, value);
    assert((await guard.verifyRequest(good)).ok, url);
  }
  const bad = await makeRequest({ key, url: evil, claims: { htu: evil } });
  for (const [name, value] of Object.entries(headers)) bad.headers.set(name, value);
  refused(await guard.verifyRequest(bad), "invalid_dpop_proof", "htu-mismatch", 401);
  // The control: with the origin of the request, which the Host header gives, the proof fits.
  const resolveUrl = ({ url }: Request) => url;
  const naive = guardFor(key.jkt, { origin: undefined, resolveUrl } as never);
  assert((await naive.verifyRequest(bad)).ok);
});

Deno.test("verifyRequest() takes URL and method from resolveUrl and resolveMethod", async () => {
  const resolved: readonly unknown[] = [
    "https://api.example.com/notes",
    "https://api.example.com/notes?query#fragment",
    new URL("https://api.example.com/notes?query"),
    Promise.resolve("https://api.example.com/notes"),
  ];
  for (const url of resolved) {
    const guard = guardFor(key.jkt, {
      origin: undefined,
      resolveUrl: () => url,
      resolveMethod: ({ headers }: Request) => headers.get("x-forwarded-method"),
    } as never);
    const request = await makeRequest({
      key,
      url: "http://127.0.0.1/verify",
      claims: { htm: "PUT" },
    });
    request.headers.set("x-forwarded-method", "PUT");
    assert((await guard.verifyRequest(request)).ok);
  }
});

Deno.test("verifyRequest() answers 503 when nobody knows the URL or the method", async () => {
  const functions: readonly (() => unknown)[] = [
    () => null,
    () => undefined,
    () => "/notes",
    () => "ftp://api.example.com/notes",
    () => {
      throw new Error("secret");
    },
    () => Promise.reject(new Error("secret")),
  ];
  for (const resolveUrl of functions) {
    const guard = guardFor(key.jkt, { origin: undefined, resolveUrl } as never);
    const result = await guard.verifyRequest(await makeRequest({ key }));
    refused(result, "temporarily_unavailable", "url-unresolved", 503);
  }
  const guard = guardFor(key.jkt, { resolveMethod: () => null } as never);
  const result = await guard.verifyRequest(await makeRequest({ key }));
  refused(result, "temporarily_unavailable", "request-unreadable", 503);
});

interface RefusedCase {
  readonly name: string;
  readonly input: Partial<RequestInput>;
  readonly refusal: readonly [code: string | null, reason: DpopErrorReason, status: number];
  readonly validateToken?: TokenValidator;
}

const valid = await signProof({ key, accessToken: TOKEN });

const REFUSED: readonly RefusedCase[] = [
  {
    name: "no credentials",
    input: { authorization: null },
    refusal: [null, "no-credentials", 401],
  },
  {
    name: "credentials of another scheme",
    input: { authorization: "Basic YTpi" },
    refusal: [null, "no-credentials", 401],
  },
  {
    name: "two methods in Authorization",
    input: { authorization: `DPoP ${TOKEN}, Bearer ${TOKEN}` },
    refusal: ["invalid_request", "several-authorizations", 400],
  },
  {
    name: "a token that is none",
    input: { authorization: 'DPoP a"b' },
    refusal: ["invalid_request", "malformed-token", 400],
  },
  {
    name: "a token above the size cap",
    input: { authorization: `DPoP ${"a".repeat(16_385)}` },
    refusal: ["invalid_request", "malformed-token", 400],
  },
  {
    name: "a Bearer token",
    input: { authorization: `Bearer ${TOKEN}` },
    refusal: ["invalid_token", "dpop-required", 401],
  },
  {
    name: "no proof",
    input: { proofs: [] },
    refusal: ["invalid_dpop_proof", "proof-missing", 401],
  },
  {
    name: "two proofs",
    input: { proofs: [valid, await signProof({ key, accessToken: TOKEN })] },
    refusal: ["invalid_dpop_proof", "several-proofs", 401],
  },
  {
    name: "the same proof twice",
    input: { proofs: [valid, valid] },
    refusal: ["invalid_dpop_proof", "several-proofs", 401],
  },
  {
    name: "an empty proof",
    input: { proofs: [""] },
    refusal: ["invalid_dpop_proof", "malformed", 401],
  },
  {
    name: "a proof above the size cap",
    input: { proofs: ["a".repeat(1_000_000)] },
    refusal: ["invalid_dpop_proof", "proof-too-large", 401],
  },
  {
    name: "a proof for another method",
    input: { claims: { htm: "POST" } },
    refusal: ["invalid_dpop_proof", "htm-mismatch", 401],
  },
  {
    name: "a proof for another path",
    input: { url: "https://api.example.com/other" },
    refusal: ["invalid_dpop_proof", "htu-mismatch", 401],
  },
  {
    name: "a proof without the hash of the token",
    input: { claims: { ath: undefined } },
    refusal: ["invalid_dpop_proof", "ath-missing", 401],
  },
  {
    name: "a proof for another token",
    input: { accessToken: "another" },
    refusal: ["invalid_dpop_proof", "ath-mismatch", 401],
  },
  {
    name: "a token that is not valid",
    input: { authorization: "DPoP expired", accessToken: "expired" },
    refusal: ["invalid_token", "token-invalid", 401],
  },
  {
    name: "a token that is bound to nothing",
    input: {},
    validateToken: () => Promise.resolve({ claims: {} }),
    refusal: ["invalid_token", "token-not-bound", 401],
  },
  {
    name: "a token that is bound to another key",
    input: {},
    validateToken: () => Promise.resolve({ jkt: other.jkt, claims: {} }),
    refusal: ["invalid_token", "jkt-mismatch", 401],
  },
  {
    name: "a forged signature",
    input: { proofs: [forge(valid)] },
    refusal: ["invalid_dpop_proof", "signature-invalid", 401],
  },
];

for (const { name, input, refusal, validateToken } of REFUSED) {
  Deno.test(`verifyRequest() refuses ${name}, and the jti stays unused`, async () => {
    const replay = spyStore();
    const guard = guardFor(key.jkt, { replay, ...(validateToken && { validateToken }) });
    const request = await makeRequest({ key, ...input });
    const [code, reason, status] = refusal;
    const { response } = refused(await guard.verifyRequest(request), code, reason, status);
    assertEquals(replay.keys, []);
    const challenge = response.headers.get("www-authenticate") ?? "";
    assertStringIncludes(challenge, `algs="${guard.algs.join(" ")}"`);
    assertEquals(challenge.includes("error="), code !== null);
    assertEquals(challenge.includes(`error="${code}", error_description="`), code !== null);
    // The client learns the code, and nothing of the reason.
    assertFalse(challenge.includes(reason));
    assertEquals(response.body, null);
    assertEquals(response.headers.get("dpop-nonce"), null);
    assertEquals(
      response.headers.get("access-control-expose-headers"),
      "DPoP-Nonce, WWW-Authenticate",
    );
  });
}

Deno.test("verifyRequest() accepts a proof once, and its twin with another signature not at all", async () => {
  const guard = guardFor(key.jkt);
  const proof = await signProof({ key, accessToken: TOKEN, claims: { jti: "the-same-jti-1234" } });
  const twin = await signProof({ key, accessToken: TOKEN, claims: { jti: "the-same-jti-1234" } });
  const send = async (text: string) =>
    await guard.verifyRequest(await makeRequest({ key, proofs: [text] }));
  assert((await send(proof)).ok);
  refused(await send(proof), "invalid_dpop_proof", "replayed", 401);
  refused(await send(twin), "invalid_dpop_proof", "replayed", 401);
  // The control: without the store, both are good proofs.
  const open = guardFor(key.jkt, { replay: "dangerously-off" });
  for (const text of [proof, proof, twin]) {
    assert((await open.verifyRequest(await makeRequest({ key, proofs: [text] }))).ok);
  }
});

Deno.test("verifyRequest() takes the same jti of two keys for two proofs", async () => {
  const replay = spyStore();
  for (const one of [key, other]) {
    const claims = { jti: "the-same-jti-1234" };
    const request = await makeRequest({ key: one, claims });
    assert((await guardFor(one.jkt, { replay }).verifyRequest(request)).ok);
  }
  assertEquals(new Set(replay.keys).size, 2);
});

Deno.test("verifyRequest() accepts one of many copies of a proof at once", async () => {
  const guard = guardFor(key.jkt);
  const proofs = [await signProof({ key, accessToken: TOKEN })];
  const requests = await Promise.all(
    Array.from({ length: 20 }, () => makeRequest({ key, proofs })),
  );
  const results = await Promise.all(requests.map((request) => guard.verifyRequest(request)));
  assertEquals(results.filter(({ ok }) => ok).length, 1);
});

Deno.test("allowBearer grants tokens that are bound to nothing, and no others", async () => {
  const authorization = `Bearer ${TOKEN}`;
  const request = await makeRequest({ key, authorization, proofs: [] });
  const unbound = await guardFor(undefined, { allowBearer: true }).verifyRequest(request);
  assert(unbound.ok);
  assertEquals([unbound.scheme, unbound.jkt, unbound.principal], ["Bearer", undefined, "alice"]);

  const bound = guardFor(key.jkt, { allowBearer: true });
  const stolen = refused(
    await bound.verifyRequest(request),
    "invalid_token",
    "bound-token-as-bearer",
    401,
  );
  assertEquals(
    stolen.response.headers.get("www-authenticate"),
    'Bearer error="invalid_token", error_description="The access token is not valid", ' +
      `DPoP algs="${bound.algs.join(" ")}"`,
  );
  // With the proof, it is as good as ever.
  assert((await bound.verifyRequest(await makeRequest({ key }))).ok);
  // Bound to a certificate, which nobody here has seen.
  const claims = { cnf: { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } };
  const mtls = guardFor(undefined, {
    allowBearer: true,
    validateToken: () => Promise.resolve({ claims }),
  });
  refused(await mtls.verifyRequest(request), "invalid_token", "bound-token-as-bearer", 401);
});

Deno.test("a Bearer challenge has a parameter, also where there is nothing to say", async () => {
  const guard = guardFor(key.jkt, { allowBearer: true });
  const none = await guard.verifyRequest(await makeRequest({ key, authorization: null }));
  assertEquals(
    refused(none, null, "no-credentials", 401).response.headers.get("www-authenticate"),
    `DPoP algs="${guard.algs.join(" ")}", Bearer realm=""`,
  );
});

Deno.test("a forged proof by another key than the token's is the proof's fault", async () => {
  const other = await makeKey("ES256");
  const proof = await signProof({ key: other, accessToken: TOKEN });
  const guard = guardFor(key.jkt);
  const send = async (proofs: readonly string[]) =>
    await guard.verifyRequest(await makeRequest({ key: other, proofs }));
  refused(await send([proof]), "invalid_token", "jkt-mismatch", 401);
  const [header, payload] = proof.split(".");
  const forged = `${header}.${payload}.${"A".repeat(86)}`;
  refused(await send([forged]), "invalid_dpop_proof", "signature-invalid", 401);
});

Deno.test("a challenge names both schemes, the realm and the scope that is needed", async () => {
  const guard = guardFor(key.jkt, {
    allowBearer: true,
    realm: "notes (test)",
    validateToken: () =>
      Promise.reject(
        new DpopError("insufficient_scope", "scope-insufficient", "no", {
          details: { scope: "notes:read notes:write" },
        }),
      ),
  });
  const none = await guard.verifyRequest(await makeRequest({ key, authorization: null }));
  const algs = guard.algs.join(" ");
  assertEquals(
    refused(none, null, "no-credentials", 401).response.headers.get("www-authenticate"),
    `DPoP realm="notes (test)", algs="${algs}", Bearer realm="notes (test)"`,
  );
  const little = await guard.verifyRequest(await makeRequest({ key }));
  const { response } = refused(little, "insufficient_scope", "scope-insufficient", 403);
  assertEquals(
    response.headers.get("www-authenticate"),
    'DPoP realm="notes (test)", error="insufficient_scope", ' +
      'error_description="The access token does not allow this", scope="notes:read notes:write", ' +
      `algs="${algs}", Bearer realm="notes (test)"`,
  );
});

Deno.test("verifyRequest() of a resource server takes no binding", async () => {
  const guard = guardFor(key.jkt);
  const request = await makeRequest({ key });
  const wrong: readonly (readonly [options: unknown, says: string])[] = [
    [{ boundJkt: other.jkt }, "only an authorization server takes a binding"],
    [{ dpopJkt: other.jkt }, "only an authorization server takes a binding"],
    [{ requireProof: true }, "only an authorization server takes a binding"],
    [{ boundJkt: null }, "only an authorization server takes a binding"],
    [{ boundJKT: other.jkt }, "'boundJKT' is not an option"],
    [{ scopes: ["notes"] }, "'scopes' is not an option"],
    [null, "'options' must be an object: current value is null"],
    ["notes", "'options' must be an object"],
  ];
  for (const [options, says] of wrong) {
    await assertRejects(() => guard.verifyRequest(request, options as never), TypeError, says);
  }
  assert((await guard.verifyRequest(request, { boundJkt: undefined } as never)).ok);
});

Deno.test("metadata says which algorithms are accepted and whether Bearer is", () => {
  const guard = guardFor(key.jkt, { algs: ["ES256"] });
  assertEquals(guard.algs, ["ES256"]);
  assertEquals(guard.metadata, {
    dpop_signing_alg_values_supported: ["ES256"],
    dpop_bound_access_tokens_required: true,
  });
  const both = guardFor(key.jkt, { allowBearer: true });
  assertFalse(both.metadata.dpop_bound_access_tokens_required);
});
