import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import { createDpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import {
  createJwtTokenValidator,
  type JwtTokenValidatorOptions,
} from "../../src/dpop/jwt_token_validator.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { ALGS, makeKey, NOW, now, segment, signProof, signSegments } from "./_proofs.ts";
import { AUDIENCE, CLAIMS, ISSUER, JKT, keySet, signToken, validatorOf } from "./_tokens.ts";

const key = await makeKey("ES256");
const stranger = await makeKey("ES256");
const JWKS = keySet(key);
const URL_OF_KEYS = new URL("https://as.example.com/jwks");

const validator = (options?: Partial<JwtTokenValidatorOptions>) => validatorOf(key, options);

async function isAccepted(
  token: string,
  options: Partial<JwtTokenValidatorOptions> = {},
): Promise<boolean> {
  return await validator(options)(token) !== null;
}

Deno.test("createJwtTokenValidator() tells what a token says", async () => {
  const validated = await validator()(await signToken(key));
  assertEquals(validated, { jkt: JKT, principal: "alice", claims: { ...CLAIMS } });
});

Deno.test("createJwtTokenValidator() tells no key for a token that is bound to none", async () => {
  const validated = await validator()(await signToken(key, { cnf: undefined }));
  assert(validated && !("jkt" in validated));
});

for (const alg of ALGS) {
  Deno.test(`createJwtTokenValidator() accepts ${alg} by default`, async () => {
    const one = await makeKey(alg);
    assert(await isAccepted(await signToken(one), { jwks: keySet(one) }));
  });
}

const refusedClaims: ReadonlyArray<[string, Readonly<Record<string, unknown>>]> = [
  ["another issuer", { iss: "https://evil.example.com" }],
  ["an issuer with a slash more", { iss: `${ISSUER}/` }],
  ["no issuer", { iss: undefined }],
  ["another audience", { aud: "https://other.example.com" }],
  ["other audiences", { aud: ["https://other.example.com", "x"] }],
  ["no audience", { aud: undefined }],
  ["an expiry now", { exp: NOW }],
  ["no expiry", { exp: undefined }],
  ["an expiry that is a string", { exp: `${NOW + 60}` }],
  ["a beginning in the future", { nbf: NOW + 1 }],
  ["no subject", { sub: undefined }],
  ["no client", { client_id: undefined }],
  ["a subject that is empty", { sub: "" }],
  ["a subject that is a number", { sub: 7 }],
  ["a subject that is a list", { sub: ["alice"] }],
  ["a client that is empty", { client_id: "" }],
  ["a client that is null", { client_id: null }],
  ["an identifier that is empty", { jti: "" }],
  ["an identifier that is an object", { jti: {} }],
  ["no time of issue", { iat: undefined }],
  ["no identifier", { jti: undefined }],
  ["an empty confirmation", { cnf: {} }],
  ["a confirmation that is null", { cnf: null }],
  ["a confirmation that is a string", { cnf: JKT }],
  ["a confirmation that is a list", { cnf: [JKT] }],
  ["a certificate as confirmation", { cnf: { "x5t#S256": JKT } }],
  ["a certificate beside the thumbprint", { cnf: { jkt: JKT, "x5t#S256": JKT } }],
  ["a thumbprint that is too short", { cnf: { jkt: JKT.slice(1) } }],
  ["a thumbprint that is too long", { cnf: { jkt: `${JKT}A` } }],
  ["a thumbprint with padding", { cnf: { jkt: `${JKT}=` } }],
  ["a thumbprint in another alphabet", { cnf: { jkt: `+${JKT.slice(1)}` } }],
  ["a thumbprint with stray bits", { cnf: { jkt: `${JKT.slice(0, -1)}J` } }],
  ["a thumbprint that is empty", { cnf: { jkt: "" } }],
  ["a thumbprint that is a number", { cnf: { jkt: 1 } }],
];
for (const [what, claims] of refusedClaims) {
  Deno.test(`createJwtTokenValidator() does not accept ${what}`, async () => {
    assertEquals(await validator()(await signToken(key, claims)), null);
  });
}

const refusedHeaders: ReadonlyArray<[string, Readonly<Record<string, unknown>>]> = [
  ["type of ID tokens", { typ: "JWT" }],
  ["type of proofs", { typ: "dpop+jwt" }],
  ["missing type", { typ: undefined }],
  ["unknown key", { kid: "k9" }],
  ["unknown critical extension", { crit: ["x"], x: 1 }],
  ["payload that is not encoded", { crit: ["b64"], b64: false }],
  ["algorithm of another kind of key", { alg: "RS256" }],
];
for (const [what, header] of refusedHeaders) {
  Deno.test(`createJwtTokenValidator() does not accept a header with the ${what}`, async () => {
    assertEquals(await validator()(await signToken(key, {}, header)), null);
  });
}

Deno.test("createJwtTokenValidator() does not accept a forged signature", async () => {
  assertEquals(await validator()(await signToken(stranger)), null);
});

Deno.test("createJwtTokenValidator() does not accept an unsigned token, or one signed with the public key", async () => {
  const claims = JSON.stringify(CLAIMS);
  const unsigned = `${segment('{"typ":"at+jwt","alg":"none"}')}.${segment(claims)}.`;
  assertEquals(await validator()(unsigned), null);
  const input = `${segment('{"typ":"at+jwt","alg":"HS256","kid":"k1"}')}.${segment(claims)}`;
  const secret = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(JSON.stringify(JWKS.keys[0])),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const code = await crypto.subtle.sign("HMAC", secret, new TextEncoder().encode(input));
  assertEquals(await validator()(`${input}.${segment(new Uint8Array(code))}`), null);
});

Deno.test("createJwtTokenValidator() does not accept an algorithm that it was not given", async () => {
  const token = await signToken(key);
  assert(await isAccepted(token, { algs: ["ES256"] }));
  assertEquals(await isAccepted(token, { algs: ["Ed25519", "RS256"] }), false);
});

Deno.test("createJwtTokenValidator() answers anything that is no token with null", async () => {
  const validate = validator();
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), async (text) => {
      assertEquals(await validate(text), null);
    }),
    { seed: 20260901, numRuns: 200 },
  );
  const token = await signToken(key);
  for (
    const bad of ["", ".", "..", "....", `${token}.`, token.slice(0, -1), ` ${token}`, `${token}=`]
  ) {
    assertEquals(await validate(bad), null);
  }
  const deep = "[".repeat(100_000);
  assertEquals(
    await validate(await signSegments(key, '{"alg":"ES256","typ":"at+jwt"}', deep)),
    null,
  );
});

Deno.test("createJwtTokenValidator() takes one of several audiences", async () => {
  const audience = ["https://v2.example.com", AUDIENCE];
  assert(await isAccepted(await signToken(key), { audience }));
  assert(await isAccepted(await signToken(key, { aud: ["x", AUDIENCE] }), { audience }));
  assertEquals(await isAccepted(await signToken(key, { aud: "x" }), { audience }), false);
});

Deno.test("createJwtTokenValidator() looks at the type that it is told", async () => {
  const plain = await signToken(key, { jti: undefined }, { typ: "JWT" });
  assert(await isAccepted(plain, { typ: "JWT" }));
  const untyped = await signToken(key, {}, { typ: undefined });
  assertEquals(await isAccepted(untyped, { typ: "JWT" }), false);
  assert(await isAccepted(untyped, { typ: "dangerously-any" }));
  assert(await isAccepted(await signToken(key, {}, { typ: "application/at+jwt" })));
});

Deno.test("createJwtTokenValidator() needs the claims that it is told, and always an expiry", async () => {
  const bare = await signToken(key, { jti: undefined, exp: NOW + 1 });
  assert(await isAccepted(bare, { requiredClaims: ["sub"] }));
  assertEquals(await isAccepted(bare, { requiredClaims: ["tenant"] }), false);
  const endless = await signToken(key, { exp: undefined });
  assertEquals(await isAccepted(endless, { requiredClaims: [] }), false);
});

Deno.test("createJwtTokenValidator() lets clocks differ by as much as it is told", async () => {
  const late = await signToken(key, { exp: NOW - 4 });
  assertEquals(await isAccepted(late), false);
  assert(await isAccepted(late, { clockToleranceSeconds: 5 }));
  assertEquals(await isAccepted(late, { clockToleranceSeconds: 4 }), false);
  const early = await signToken(key, { nbf: NOW + 5 });
  assert(await isAccepted(early, { clockToleranceSeconds: 5 }));
});

Deno.test("createJwtTokenValidator() rejects without the scopes, and says which", async () => {
  const validate = validator({ requiredScopes: ["notes", "admin"] });
  for (const scope of ["notes files", "notes administrator", undefined, ["notes", "admin"]]) {
    const error = await assertRejects(
      async () => await validate(await signToken(key, { scope })),
      DpopError,
    );
    assertEquals([error.code, error.reason, error.status], [
      "insufficient_scope",
      "scope-insufficient",
      403,
    ]);
    assertEquals(error.details.scope, "notes admin");
  }
  assert(await validate(await signToken(key, { scope: "admin x notes" })) !== null);
});

Deno.test("createJwtTokenValidator() asks for the principal", async () => {
  const token = await signToken(key);
  const named = await validator({ principal: ({ client_id }) => `client:${client_id}` })(token);
  assertEquals(named?.principal, "client:app");
  const unnamed = await validator({ requiredClaims: [] })(await signToken(key, { sub: 7 }));
  assert(unnamed && !("principal" in unnamed));
});

Deno.test("createJwtTokenValidator() gives claims that nobody can change for the next request", async () => {
  const validated = await validator()(await signToken(key, { roles: ["reader"] }));
  const roles = validated?.claims?.roles as string[];
  assertThrows(() => roles.push("admin"), TypeError);
});

Deno.test("createJwtTokenValidator() remembers accepted tokens for as long as it is told", async () => {
  let nowMs = NOW * 1000;
  let asked = 0;
  const validate = validator({
    now: () => nowMs,
    cacheSeconds: 30,
    jwks: () => {
      asked++;
      return key.publicKey;
    },
  });
  const token = await signToken(key);
  const first = await validate(token);
  const again = validate(token);
  assert(first !== null && !(again instanceof Promise));
  assertEquals(again, first);
  assertEquals(asked, 1);
  nowMs += 30_000;
  await validate(token);
  assertEquals(asked, 2);
  const short = await signToken(key, { exp: NOW + 40 });
  assert(await validate(short) !== null);
  nowMs = (NOW + 40) * 1000;
  assertEquals(await validate(short), null);
});

Deno.test("createJwtTokenValidator() remembers no token that was not accepted", async () => {
  let asked = 0;
  const jwks: JwtTokenValidatorOptions["jwks"] = () => {
    asked++;
    return key.publicKey;
  };
  const validate = validator({ cacheSeconds: 30, jwks, requiredScopes: ["admin"] });
  const forged = await signToken(stranger);
  const weak = await signToken(key);
  for (let at = 0; at < 2; at++) {
    assertEquals(await validate(forged), null);
    await assertRejects(async () => await validate(weak), DpopError);
  }
  assertEquals(asked, 4);
});

Deno.test("createJwtTokenValidator() remembers no more tokens than it is told", async () => {
  let asked = 0;
  const jwks: JwtTokenValidatorOptions["jwks"] = () => {
    asked++;
    return key.publicKey;
  };
  const validate = validator({ cacheSeconds: 30, maxCachedTokens: 2, jwks });
  const tokens = await Promise.all([1, 2, 3].map((jti) => signToken(key, { jti: `${jti}` })));
  for (const token of tokens) await validate(token);
  await validate(tokens[2] ?? "");
  assertEquals(asked, 3);
  await validate(tokens[0] ?? "");
  assertEquals(asked, 4);
});

Deno.test("createJwtTokenValidator() does not decide by a clock that gives no time", async () => {
  const token = await signToken(key);
  for (const time of [NaN, Infinity, 1e300]) {
    const error = await assertRejects(
      async () => await validator({ now: () => time })(token),
      DpopError,
    );
    assertEquals(error.reason, "clock-invalid");
  }
});

const wrongOptions: ReadonlyArray<[string, Record<string, unknown>]> = [
  ["algs", { algs: ["HS256"] }],
  ["algs", { algs: ["none"] }],
  ["algs", { algs: [] }],
  ["algs", { algs: "ES256" }],
  ["issuer", { issuer: "" }],
  ["issuer", { issuer: undefined }],
  ["audience", { audience: undefined }],
  ["audience", { audience: [] }],
  ["audience", { audience: [""] }],
  ["jwks", { jwks: undefined }],
  ["jwks", { jwks: {} }],
  ["jwks", { jwks: { keys: ["k"] } }],
  ["jwks", { jwks: "https://as.example.com/jwks" }],
  ["jwks", { jwks: "https://user:pass@as.example.com/jwks" }],
  ["jwks", { jwks: "https://as.example.com/jwks?key=pass#pass" }],
  ["jwks", { jwks: "https://user:pass@[" }],
  ["jwks", { jwks: new URL("http://as.example.com/jwks") }],
  ["jwks", { jwks: new URL("https://user:pass@as.example.com/jwks") }],
  ["jwks", { jwks: new URL("file:///etc/keys") }],
  ["typ", { typ: "" }],
  ["requiredClaims", { requiredClaims: "sub" }],
  ["requiredScopes", { requiredScopes: ["a b"] }],
  ["principal", { principal: "sub" }],
  ["fetch", { fetch: 1 }],
  ["now", { now: 1 }],
  ["requiredScope", { requiredScope: ["admin"] }],
];
for (const [name, options] of wrongOptions) {
  Deno.test(`createJwtTokenValidator() refuses ${name}: ${options[name] instanceof URL ? options[name] : Deno.inspect(options[name])}`, () => {
    const all = { issuer: ISSUER, audience: AUDIENCE, jwks: JWKS, ...options };
    const error = assertThrows(
      () => createJwtTokenValidator(all as JwtTokenValidatorOptions),
      TypeError,
    );
    assertStringIncludes(error.message, `'${name}'`);
    assert(!error.message.includes("pass"));
  });
}

Deno.test("createJwtTokenValidator() refuses numbers that are out of range", () => {
  for (
    const options of [
      { clockToleranceSeconds: -1 },
      { clockToleranceSeconds: 0.5 },
      { cacheSeconds: NaN },
      { maxCachedTokens: 0 },
      { timeoutMs: 2 ** 31 },
      { maxResponseBytes: 0 },
      { cacheMaxAgeSeconds: 0 },
      { cooldownSeconds: -1 },
    ]
  ) assertThrows(() => validator(options), RangeError);
});

Deno.test("createJwtTokenValidator() is not changed by what happens to its options", async () => {
  const jwks = keySet(key);
  const algs: DpopAlg[] = ["ES256"];
  const validate = validator({ jwks, algs });
  jwks.keys.length = 0;
  algs.length = 0;
  assert(await validate(await signToken(key)) !== null);
});

Deno.test("createJwtTokenValidator() guards a resource server, down to the status", async () => {
  const client = await makeKey("Ed25519");
  const cnf = { jkt: client.jkt };
  const guard = (options: Partial<JwtTokenValidatorOptions>) =>
    createDpopVerifier({ origin: AUDIENCE, now, validateToken: validator(options) });
  const send = async (token: string, options: Partial<JwtTokenValidatorOptions> = {}) => {
    const proof = await signProof({ key: client, accessToken: token });
    const headers = { authorization: `DPoP ${token}`, dpop: proof };
    return await guard(options).verifyRequest(new Request(`${AUDIENCE}/notes`, { headers }));
  };
  const granted = await send(await signToken(key, { cnf }));
  assert(granted.ok);
  assertEquals([granted.jkt, granted.principal], [client.jkt, "alice"]);

  const fetch = () => Promise.reject(new TypeError("connection refused"));
  const cases: ReadonlyArray<[string, Partial<JwtTokenValidatorOptions>, number, string]> = [
    [await signToken(key), {}, 401, "jkt-mismatch"],
    [await signToken(key, { cnf, exp: NOW }), {}, 401, "token-invalid"],
    [await signToken(key, { cnf: undefined }), {}, 401, "token-not-bound"],
    [await signToken(key, { cnf }), { requiredScopes: ["admin"] }, 403, "scope-insufficient"],
    [
      await signToken(key, { cnf }),
      { jwks: URL_OF_KEYS, fetch },
      503,
      "token-validator-unavailable",
    ],
  ];
  for (const [token, options, status, reason] of cases) {
    const result = await send(token, options);
    assert(!result.ok);
    assertEquals([result.response.status, result.error.reason], [status, reason]);
    const challenge = result.response.headers.get("www-authenticate");
    assertEquals(challenge === null, status === 503);
    if (status === 403) assertStringIncludes(challenge ?? "", 'scope="admin"');
  }
});
