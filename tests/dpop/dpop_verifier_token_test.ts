import { assert, assertEquals, assertFalse } from "@std/assert";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import type { TokenValidator } from "../../src/dpop/token_validator.ts";
import { makeKey } from "./_proofs.ts";
import { guardFor, makeRequest, refused, TOKEN } from "./_verifiers.ts";

const key = await makeKey("ES256");

const thrown = (code: string): TokenValidator => () =>
  Promise.reject(Object.assign(new Error("secret"), { code }));

class Answer {
  readonly claims = { sub: "alice" };
}

const VALIDATORS: readonly (readonly [name: string, TokenValidator, "token" | "us"])[] = [
  ["null", () => null, "token"],
  ["undefined, as a Map does for what it does not have,", () => undefined, "token"],
  ["jose: expired", thrown("ERR_JWT_EXPIRED"), "token"],
  ["jose: claim", thrown("ERR_JWT_CLAIM_VALIDATION_FAILED"), "token"],
  ["jose: signature", thrown("ERR_JWS_SIGNATURE_VERIFICATION_FAILED"), "token"],
  ["jose: algorithm", thrown("ERR_JOSE_ALG_NOT_ALLOWED"), "token"],
  ["jose: unknown key", thrown("ERR_JWKS_NO_MATCHING_KEY"), "token"],
  ["jose: keys not in time", thrown("ERR_JWKS_TIMEOUT"), "us"],
  ["jose: keys are none", thrown("ERR_JWKS_INVALID"), "us"],
  ["an error of the network", thrown("ECONNREFUSED"), "us"],
  ["an error that is none", () => Promise.reject(undefined), "us"],
  ["a synchronous error", () => {
    throw new TypeError("secret");
  }, "us"],
  ["a string", () => Promise.resolve("ok" as never), "us"],
  ["true", () => Promise.resolve(true as never), "us"],
  ["an array", () => [] as never, "us"],
  ["an empty object", () => ({}), "us"],
  ["an introspection response", () => ({ active: false }) as never, "us"],
  ["an error", () => new Error("secret") as never, "us"],
  ["a response", () => new Response("secret") as never, "us"],
  ["a map", () => new Map([["jkt", key.jkt]]) as never, "us"],
  ["an object of a class", () => new Answer(), "us"],
  ["claims that are an array", () => ({ claims: [] }) as never, "us"],
  ["claims that are a map", () => ({ claims: new Map([["cnf", {}]]) }) as never, "us"],
  ["claims that are null beside none", () => ({ claims: null }) as never, "us"],
  ["claims that are none", () => Promise.resolve({ jkt: key.jkt, claims: 1 } as never), "us"],
  ["a principal that is none", () => Promise.resolve({ principal: {}, claims: {} } as never), "us"],
  ["a getter that throws", () =>
    Promise.resolve({
      get jkt(): string {
        throw new Error("secret");
      },
      claims: {},
    }), "us"],
  ["an empty thumbprint", () => Promise.resolve({ jkt: "", claims: {} }), "token"],
  ["a thumbprint that is none", () => Promise.resolve({ jkt: {}, claims: {} } as never), "token"],
];

for (const [name, validateToken, fault] of VALIDATORS) {
  Deno.test(`a token validator that gives ${name} is the fault of ${fault}`, async () => {
    for (const authorization of [`DPoP ${TOKEN}`, `Bearer ${TOKEN}`]) {
      const guard = guardFor(key.jkt, { validateToken, allowBearer: true });
      const result = await guard.verifyRequest(await makeRequest({ key, authorization }));
      const { response, error } = fault === "token"
        ? refused(result, "invalid_token", "token-invalid", 401)
        : refused(result, "temporarily_unavailable", "token-validator-unavailable", 503);
      assertEquals(response.headers.get("retry-after"), fault === "us" ? "1" : null);
      assertFalse(`${error.message}${[...response.headers]}`.includes("secret"));
    }
  });
}

Deno.test("a token validator may say as little as one thing", async () => {
  const bearer = { authorization: `Bearer ${TOKEN}`, proofs: [] };
  const answers = [
    [{ principal: "alice" }, bearer],
    [{ claims: {} }, bearer],
    [Object.assign(Object.create(null), { claims: Object.create(null) }), bearer],
    [{ jkt: key.jkt }, {}],
    [{ jkt: key.jkt, principal: null, claims: null }, {}],
  ] as const;
  for (const [answer, input] of answers) {
    const guard = guardFor(key.jkt, { validateToken: () => answer as never, allowBearer: true });
    const result = await guard.verifyRequest(await makeRequest({ key, ...input }));
    assert(result.ok, `${JSON.stringify(answer)}: ${result.ok || result.error.reason}`);
    assertEquals({ ...result.claims }, {});
  }
});

const CODES = ['x"\r\nset-cookie: a=b', 'x", realm="evil', "invalid_client", "constructor", ""];

Deno.test("a DpopError with a code that nobody knows is a failure of whoever threw it", async () => {
  for (const code of CODES) {
    const changed = new DpopError("invalid_token", "token-invalid", "secret");
    Object.defineProperty(changed, "code", { value: code });
    const throwers = [
      () => {
        throw new DpopError(code as never, "token-invalid", "secret");
      },
      () => Promise.reject(changed),
    ];
    for (const thrower of throwers) {
      const places = [
        [{ validateToken: thrower }, "token-validator-unavailable"],
        [{ origin: undefined, resolveUrl: thrower }, "url-unresolved"],
        [{ resolveMethod: thrower }, "request-unreadable"],
      ] as const;
      for (const [options, reason] of places) {
        const guard = guardFor(key.jkt, options as never);
        const result = await guard.verifyRequest(await makeRequest({ key }));
        const { response } = refused(result, "temporarily_unavailable", reason, 503);
        assertEquals(response.headers.get("www-authenticate"), null);
      }
    }
  }
});

Deno.test("a DpopError of the token validator is the answer", async () => {
  const guard = guardFor(key.jkt, {
    validateToken: () => Promise.reject(new DpopError("invalid_token", "token-invalid", "revoked")),
  });
  const result = await guard.verifyRequest(await makeRequest({ key }));
  const { error } = refused(result, "invalid_token", "token-invalid", 401);
  assertEquals(error.message, "revoked");
});
