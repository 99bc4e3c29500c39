import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import { createDpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import {
  createIntrospectionValidator,
  type IntrospectionValidatorOptions,
} from "../../src/dpop/introspection_validator.ts";
import { makeKey, NOW, now, signProof } from "./_proofs.ts";
import { AUDIENCE, ISSUER, JKT } from "./_tokens.ts";

const ENDPOINT = "https://as.example.com/introspect";
const TOKEN = "opaque~token/of+tests==";
const ACTIVE = {
  active: true,
  iss: ISSUER,
  aud: AUDIENCE,
  sub: "alice",
  scope: "notes files",
  exp: NOW + 60,
  token_type: "DPoP",
  cnf: { jkt: JKT },
};

/** A validator, and the requests that it sent. */
function validator(
  answer: unknown = ACTIVE,
  options: Partial<IntrospectionValidatorOptions> = {},
) {
  const requests: Request[] = [];
  const validate = createIntrospectionValidator({
    endpoint: ENDPOINT,
    authorization: { clientId: "api", clientSecret: "secret" },
    now,
    fetch: (url, init) => {
      requests.push(new Request(url, init));
      return Promise.resolve(
        answer instanceof Response ? answer.clone() : Response.json(answer),
      );
    },
    ...options,
  });
  return { validate, requests };
}

async function isAccepted(
  answer: unknown,
  options: Partial<IntrospectionValidatorOptions> = {},
): Promise<boolean> {
  return await validator(answer, options).validate(TOKEN) !== null;
}

Deno.test("createIntrospectionValidator() tells what the authorization server says", async () => {
  const validated = await validator().validate(TOKEN);
  assertEquals(validated, { jkt: JKT, principal: "alice", claims: ACTIVE });
});

Deno.test("createIntrospectionValidator() asks as RFC 7662 says", async () => {
  const { validate, requests } = validator();
  await validate(TOKEN);
  const [request] = requests;
  assert(request !== undefined);
  assertEquals([request.method, request.url, request.redirect], ["POST", ENDPOINT, "manual"]);
  assertEquals(request.headers.get("accept"), "application/json");
  assertEquals(request.headers.get("content-type"), "application/x-www-form-urlencoded");
  assertEquals(request.headers.get("authorization"), `Basic ${btoa("api:secret")}`);
  assertEquals(
    await request.text(),
    "token=opaque%7Etoken%2Fof%2Btests%3D%3D&token_type_hint=access_token",
  );
});

Deno.test("createIntrospectionValidator() encodes identifier and secret before it joins them", async () => {
  const authorization = { clientId: "https://api.example.com", clientSecret: "é: +%&" };
  const { validate, requests } = validator(ACTIVE, { authorization });
  await validate(TOKEN);
  assertEquals(
    atob(requests[0]?.headers.get("authorization")?.slice(6) ?? ""),
    "https%3A%2F%2Fapi.example.com:%C3%A9%3A+%2B%25%26",
  );
});

Deno.test("createIntrospectionValidator() asks for the headers of each request", async () => {
  let calls = 0;
  const authorization = () => Promise.resolve({ authorization: `Bearer rs-${++calls}` });
  const { validate, requests } = validator(ACTIVE, { authorization });
  await validate(TOKEN);
  await validate(TOKEN);
  assertEquals(requests.map(({ headers }) => headers.get("authorization")), [
    "Bearer rs-1",
    "Bearer rs-2",
  ]);
});

const refusals: ReadonlyArray<[string, Record<string, unknown>]> = [
  ["is not active", { active: false }],
  ["has expired", { exp: NOW }],
  ["has an expiry that is a string", { exp: `${NOW + 60}` }],
  ["has an expiry that is null", { exp: null }],
  ["is not yet valid", { nbf: NOW + 1 }],
  ["begins at a string", { nbf: "0" }],
  ["is of another type", { token_type: "N_A" }],
  ["has a type that is a number", { token_type: 1 }],
  ["has no type, as refresh tokens", { token_type: undefined }],
  ["is said to be a Bearer token, and bound", { token_type: "Bearer" }],
  ["is said to be a DPoP token, and not bound", { cnf: undefined }],
  ["has an empty confirmation", { cnf: {} }],
  ["has a confirmation that is null", { cnf: null }],
  ["is bound to a certificate", { cnf: { "x5t#S256": JKT } }],
  ["is bound to a certificate too", { cnf: { jkt: JKT, "x5t#S256": JKT } }],
  ["has a malformed thumbprint", { cnf: { jkt: `${JKT}=` } }],
];
for (const [what, change] of refusals) {
  Deno.test(`createIntrospectionValidator() does not accept a token that ${what}`, async () => {
    assertEquals(await validator({ ...ACTIVE, ...change }).validate(TOKEN), null);
  });
}

Deno.test("createIntrospectionValidator() reads token_type whatever its case", async () => {
  for (const type of ["DPoP", "dpop", "DPOP"]) {
    assert(await isAccepted({ ...ACTIVE, token_type: type }));
  }
  for (const type of ["Bearer", "bearer"]) {
    assert(await isAccepted({ ...ACTIVE, cnf: undefined, token_type: type }));
  }
});

Deno.test("createIntrospectionValidator() accepts no refresh token, unless it may have no type", async () => {
  const refreshToken = { ...ACTIVE, token_type: undefined };
  assertEquals(await isAccepted(refreshToken), false);
  // The control: with nothing else to tell it by, its holder needs no access token.
  assert(await isAccepted(refreshToken, { requireTokenType: false }));
});

Deno.test("createIntrospectionValidator() looks at issuer and audience where it is told them", async () => {
  const options = { issuer: ISSUER, audience: ["https://v2.example.com", AUDIENCE] };
  assert(await isAccepted(ACTIVE, options));
  assert(await isAccepted({ ...ACTIVE, aud: ["x", AUDIENCE] }, options));
  for (
    const change of [{ iss: "x" }, { iss: undefined }, { aud: "x" }, { aud: undefined }, {
      aud: [],
    }]
  ) {
    const answer = { ...ACTIVE, ...change };
    assertEquals(await isAccepted(answer, options), false);
    assert(await isAccepted(answer));
  }
});

Deno.test("createIntrospectionValidator() lets clocks differ by as much as it is told", async () => {
  const late = { ...ACTIVE, exp: NOW - 4, nbf: NOW + 4 };
  assertEquals(await isAccepted(late, { clockToleranceSeconds: 3 }), false);
  assertEquals(await isAccepted({ ...late, nbf: NOW }, { clockToleranceSeconds: 4 }), false);
  assert(await isAccepted(late, { clockToleranceSeconds: 5 }));
});

Deno.test("createIntrospectionValidator() rejects without the scopes", async () => {
  const { validate } = validator(ACTIVE, { requiredScopes: ["notes", "admin"] });
  const error = await assertRejects(async () => await validate(TOKEN), DpopError);
  assertEquals([error.code, error.status, error.details.scope], [
    "insufficient_scope",
    403,
    "notes admin",
  ]);
  assert(await isAccepted(ACTIVE, { requiredScopes: ["files"] }));
});

const json = { headers: { "content-type": "application/json" } };
const brokenAnswers: ReadonlyArray<[string, unknown]> = [
  ["refuses our credentials", Response.json({ error: "invalid_client" }, { status: 401 })],
  ["fails", new Response("no", { status: 500 })],
  ["redirects", Response.redirect("https://evil.example.com/")],
  ["sends no JSON", new Response("{", json)],
  ["calls it something else", new Response(JSON.stringify(ACTIVE))],
  [
    "signs its answer",
    new Response("a.b.c", {
      headers: { "content-type": "application/token-introspection+jwt" },
    }),
  ],
  ["sends a list", [ACTIVE]],
  ["does not say whether it is active", { ...ACTIVE, active: undefined }],
  ["says active in a string", { ...ACTIVE, active: "true" }],
  ["says active in a number", { ...ACTIVE, active: 1 }],
  ["says active twice", new Response('{"active":false,"active":true,"token_type":"Bearer"}', json)],
  ["sends what is no UTF-8", new Response(new Uint8Array([0x7b, 0xff, 0x7d]), json)],
  ["sends too much", { ...ACTIVE, x: "x".repeat(70_000) }],
];
for (const [what, answer] of brokenAnswers) {
  Deno.test(`createIntrospectionValidator() says that it cannot tell when the server ${what}`, async () => {
    const { validate } = validator(answer, { cacheSeconds: 9, inactiveCacheSeconds: 9 });
    for (let at = 0; at < 2; at++) {
      const error = await assertRejects(async () => await validate(TOKEN), DpopError);
      assertEquals([error.code, error.reason, error.status], [
        "temporarily_unavailable",
        "token-validator-unavailable",
        503,
      ]);
      for (const secret of [TOKEN, "secret"]) {
        assert(!`${error.message}${error.cause}`.includes(secret));
      }
    }
  });
}

Deno.test("createIntrospectionValidator() says that it cannot tell when it gets no answer", async () => {
  const failing: ReadonlyArray<Partial<IntrospectionValidatorOptions>> = [
    { fetch: () => Promise.reject(new TypeError("connection refused")) },
    { fetch: () => new Promise(() => {}), timeoutMs: 5 },
    { authorization: () => Promise.reject(new Error("no token")) },
    {
      fetch: () => Promise.resolve(new Response(new ReadableStream({}), json)),
      timeoutMs: 5,
    },
  ];
  for (const options of failing) {
    const { validate } = validator(ACTIVE, options);
    const error = await assertRejects(async () => await validate(TOKEN), DpopError);
    assertEquals(error.reason, "token-validator-unavailable");
  }
});

Deno.test("createIntrospectionValidator() stops when the request is abandoned", async () => {
  const controller = new AbortController();
  let seen: AbortSignal | null | undefined;
  const { validate } = validator(ACTIVE, {
    fetch: (_url, { signal }) => {
      seen = signal;
      controller.abort(new Error("gone"));
      return new Promise(() => {});
    },
  });
  const { signal } = controller;
  await assertRejects(async () => await validate(TOKEN, { signal }), Error, "gone");
  assertEquals(seen?.aborted, true);
});

Deno.test("createIntrospectionValidator() asks each time unless it is told otherwise", async () => {
  for (const answer of [ACTIVE, { active: false }]) {
    const { validate, requests } = validator(answer);
    await validate(TOKEN);
    await validate(TOKEN);
    assertEquals(requests.length, 2);
  }
});

Deno.test("createIntrospectionValidator() remembers what is active, never beyond its end", async () => {
  let nowMs = NOW * 1000;
  const { validate, requests } = validator(ACTIVE, { cacheSeconds: 45, now: () => nowMs });
  const first = await validate(TOKEN);
  assertEquals(validate(TOKEN), first);
  await validate("another");
  assertEquals(requests.length, 2);
  nowMs += 44_999;
  assertEquals(validate(TOKEN), first);
  nowMs += 1;
  await validate(TOKEN);
  assertEquals(requests.length, 3);
  nowMs += 14_999;
  assertEquals(validate(TOKEN), first);
  nowMs += 1;
  assertEquals(await validate(TOKEN), null);
  assertEquals(requests.length, 4);
});

Deno.test("createIntrospectionValidator() remembers a token without an end as long as it is told", async () => {
  let nowMs = NOW * 1000;
  const answer = { ...ACTIVE, exp: undefined };
  const { validate, requests } = validator(answer, { cacheSeconds: 45, now: () => nowMs });
  await validate(TOKEN);
  nowMs += 45_000;
  await validate(TOKEN);
  assertEquals(requests.length, 2);
});

Deno.test("createIntrospectionValidator() remembers what is not active apart", async () => {
  let nowMs = NOW * 1000;
  const options = { cacheSeconds: 45, maxCachedTokens: 2, now: () => nowMs };
  const requests: string[] = [];
  const { validate } = validator(ACTIVE, {
    ...options,
    inactiveCacheSeconds: 5,
    fetch: (_url, { body }) => {
      const token = new URLSearchParams(`${body}`).get("token") ?? "";
      requests.push(token);
      return Promise.resolve(Response.json(token === TOKEN ? ACTIVE : { active: false }));
    },
  });
  await validate(TOKEN);
  // As many made-up tokens as there is room for do not push out the real one.
  for (const token of ["made-up-1", "made-up-2", "made-up-3"]) {
    assertEquals(await validate(token), null);
  }
  assertEquals(await validate("made-up-3"), null);
  await validate(TOKEN);
  assertEquals(requests, [TOKEN, "made-up-1", "made-up-2", "made-up-3"]);
  nowMs += 5_000;
  await validate("made-up-3");
  assertEquals(requests.length, 5);
});

Deno.test("createIntrospectionValidator() answers or rejects with its error, whatever it is told", async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.string(), async (answer, token) => {
      const { validate } = validator(new Response(answer, json));
      try {
        await validate(token);
      } catch (error) {
        assert(error instanceof DpopError);
      }
    }),
    { seed: 20260902, numRuns: 200 },
  );
});

Deno.test("createIntrospectionValidator() gives claims that nobody can change for the next request", async () => {
  const { validate } = validator(ACTIVE, { cacheSeconds: 45 });
  const cnf = (await validate(TOKEN))?.claims?.cnf as Record<string, unknown>;
  assertThrows(() => cnf.jkt = "other", TypeError);
});

const wrongOptions: ReadonlyArray<[string, Record<string, unknown>]> = [
  ["endpoint", { endpoint: "http://as.example.com/introspect" }],
  ["endpoint", { endpoint: "https://as.example.com/introspect#x" }],
  ["endpoint", { endpoint: "https://api:pass@as.example.com/introspect" }],
  ["endpoint", { endpoint: "http://as.example.com/introspect?key=pass" }],
  ["endpoint", { endpoint: "api:pass@as.example.com/introspect" }],
  ["endpoint", { endpoint: "https://api:pass@[" }],
  ["endpoint", { endpoint: "/introspect" }],
  ["endpoint", { endpoint: undefined }],
  ["authorization", { authorization: undefined }],
  ["authorization", { authorization: { clientId: "", clientSecret: "secret" } }],
  ["authorization", { authorization: { clientId: "api" } }],
  ["issuer", { issuer: "" }],
  ["audience", { audience: [] }],
  ["requireTokenType", { requireTokenType: "no" }],
  ["requiredScopes", { requiredScopes: "notes" }],
  ["audiences", { audiences: [AUDIENCE] }],
];
for (const [name, options] of wrongOptions) {
  Deno.test(`createIntrospectionValidator() refuses ${name}: ${Deno.inspect(options[name])}`, () => {
    const authorization = { clientId: "api", clientSecret: "secret" };
    const all = { endpoint: ENDPOINT, authorization, ...options };
    const error = assertThrows(
      () => createIntrospectionValidator(all as IntrospectionValidatorOptions),
      TypeError,
    );
    assertStringIncludes(error.message, `'${name}'`);
    assert(!error.message.includes('secret"') && !error.message.includes("pass"));
  });
}

Deno.test("createIntrospectionValidator() takes http on loopback addresses only", () => {
  for (const host of ["localhost:1", "127.0.0.1", "[::1]:8"]) {
    assert(validator(ACTIVE, { endpoint: `http://${host}/` }));
  }
  for (const host of ["127.0.0.1.example.com", "localhost.example.com", "0.0.0.0"]) {
    const options = { endpoint: new URL(`http://${host}/`) };
    assertThrows(() => validator(ACTIVE, options), TypeError);
  }
});

Deno.test("createIntrospectionValidator() refuses numbers that are out of range", () => {
  for (const options of [{ cacheSeconds: -1 }, { inactiveCacheSeconds: 0.5 }, { timeoutMs: 0 }]) {
    assertThrows(() => validator(ACTIVE, options), RangeError);
  }
});

Deno.test("createIntrospectionValidator() guards a resource server, down to the status", async () => {
  const client = await makeKey("Ed25519");
  const send = async (answer: unknown) => {
    const { validate } = validator(answer);
    const guard = createDpopVerifier({ origin: AUDIENCE, now, validateToken: validate });
    const proof = await signProof({ key: client, accessToken: TOKEN });
    const headers = { authorization: `DPoP ${TOKEN}`, dpop: proof };
    return await guard.verifyRequest(new Request(`${AUDIENCE}/notes`, { headers }));
  };
  const granted = await send({ ...ACTIVE, cnf: { jkt: client.jkt } });
  assert(granted.ok);
  assertEquals([granted.jkt, granted.principal], [client.jkt, "alice"]);
  const cases: ReadonlyArray<[unknown, number, string]> = [
    [ACTIVE, 401, "jkt-mismatch"],
    [{ active: false }, 401, "token-invalid"],
    [{ ...ACTIVE, cnf: undefined, token_type: "Bearer" }, 401, "token-not-bound"],
    [new Response("no", { status: 500 }), 503, "token-validator-unavailable"],
  ];
  for (const [answer, status, reason] of cases) {
    const result = await send(answer);
    assert(!result.ok);
    assertEquals([result.response.status, result.error.reason], [status, reason]);
    if (status === 401) {
      assertMatch(result.response.headers.get("www-authenticate") ?? "", /^DPoP /);
    }
  }
});
