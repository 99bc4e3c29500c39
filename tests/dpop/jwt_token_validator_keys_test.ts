/** Where createJwtTokenValidator() has its keys from. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import {
  createJwtTokenValidator,
  type JwtTokenValidatorOptions,
} from "../../src/dpop/jwt_token_validator.ts";
import { makeKey, now } from "./_proofs.ts";
import { AUDIENCE, ISSUER, keySet, signToken } from "./_tokens.ts";

const key = await makeKey("ES256");
const stranger = await makeKey("ES256");
const JWKS = keySet(key);
const URL_OF_KEYS = new URL("https://as.example.com/jwks");

function validator(options: Partial<JwtTokenValidatorOptions> = {}) {
  return createJwtTokenValidator({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: JWKS,
    now,
    ...options,
  });
}

async function isAccepted(
  token: string,
  options: Partial<JwtTokenValidatorOptions> = {},
): Promise<boolean> {
  return await validator(options)(token) !== null;
}

Deno.test("createJwtTokenValidator() tries the keys that a token without 'kid' may have", async () => {
  const others = await Promise.all([1, 2, 3, 4].map(() => makeKey("ES256")));
  const token = await signToken(key, {}, { kid: undefined });
  assert(await isAccepted(token, { jwks: keySet(...others.slice(0, 3), key) }));
  assertEquals(await isAccepted(token, { jwks: keySet(...others, key) }), false);
  assertEquals(await isAccepted(token, { jwks: keySet(...others.slice(0, 3)) }), false);
});

Deno.test("createJwtTokenValidator() asks a function for the key", async () => {
  const token = await signToken(key);
  const kids: unknown[] = [];
  const jwks: JwtTokenValidatorOptions["jwks"] = ({ kid }) => {
    kids.push(kid);
    return key.publicKey;
  };
  assert(await isAccepted(token, { jwks }));
  assertEquals(kids, ["k1"]);
  assert(await isAccepted(token, { jwks: () => Promise.resolve({ ...key.jwk }) }));
  assertEquals(await isAccepted(token, { jwks: () => stranger.publicKey }), false);
  assertEquals(await isAccepted(token, { jwks: () => undefined }), false);
  // What a client writes into the header decides nothing but which key is looked for.
  const other = await makeKey("Ed25519");
  assertEquals(await isAccepted(token, { jwks: () => other.publicKey }), false);
});

Deno.test("createJwtTokenValidator() says that it cannot tell when the function fails", async () => {
  const token = await signToken(key);
  const failures: ReadonlyArray<JwtTokenValidatorOptions["jwks"]> = [
    () => Promise.reject(new Error("no database")),
    () => key.privateKey,
    () => "key" as unknown as CryptoKey,
    () => new Uint8Array(32) as unknown as CryptoKey,
  ];
  for (const jwks of failures) {
    const error = await assertRejects(async () => await validator({ jwks })(token), DpopError);
    assertEquals([error.code, error.reason], [
      "temporarily_unavailable",
      "token-validator-unavailable",
    ]);
  }
});

Deno.test("createJwtTokenValidator() does not wait for a function longer than it is told", async () => {
  const validate = validator({ timeoutMs: 5, jwks: () => new Promise(() => {}) });
  const error = await assertRejects(async () => await validate(await signToken(key)), DpopError);
  assertEquals((error.cause as DOMException).name, "TimeoutError");
});

Deno.test("createJwtTokenValidator() stops waiting when the request is abandoned", async () => {
  const controller = new AbortController();
  const validate = validator({
    jwks: () => {
      controller.abort(new Error("gone"));
      return new Promise(() => {});
    },
    timeoutMs: 100,
  });
  const token = await signToken(key);
  const { signal } = controller;
  await assertRejects(async () => await validate(token, { signal }), Error, "gone");
  await assertRejects(async () => await validate(token, { signal }), Error, "gone");
});

Deno.test("createJwtTokenValidator() fetches keys once, and again for one that it does not know", async () => {
  let published = JWKS;
  const requests: [string, RequestInit][] = [];
  const fetch = (url: string, init: RequestInit) => {
    requests.push([url, init]);
    return Promise.resolve(Response.json(published));
  };
  const validate = validator({ jwks: URL_OF_KEYS, fetch, cooldownSeconds: 0 });
  const old = await signToken(key);
  await Promise.all([validate(old), validate(old), validate(old)]);
  assertEquals(requests.length, 1);
  assertEquals([requests[0]?.[0], requests[0]?.[1].redirect], [URL_OF_KEYS.href, "manual"]);
  published = keySet(key, stranger);
  assert(await validate(await signToken(stranger, {}, { kid: "k2" })) !== null);
  assertEquals(requests.length, 2);
});

Deno.test("createJwtTokenValidator() does not let made-up keys cause more than one fetch in a while", async () => {
  let fetches = 0;
  const fetch = () => {
    fetches++;
    return Promise.resolve(Response.json(JWKS));
  };
  const guarded = validator({ jwks: URL_OF_KEYS, fetch });
  const open = validator({ jwks: URL_OF_KEYS, fetch, cooldownSeconds: 0 });
  const counts: number[] = [];
  for (const validate of [guarded, open]) {
    fetches = 0;
    for (let at = 0; at < 10; at++) {
      assertEquals(await validate(await signToken(stranger, {}, { kid: `made-up-${at}` })), null);
    }
    counts.push(fetches);
  }
  // The second is the control: what happens without the pause.
  assertEquals(counts, [1, 11]);
});

const brokenServers: ReadonlyArray<[string, () => Promise<Response>]> = [
  ["is out of reach", () => Promise.reject(new TypeError("connection refused"))],
  ["fails", () => Promise.resolve(new Response("no", { status: 500 }))],
  ["redirects", () => Promise.resolve(Response.redirect("https://evil.example.com/jwks"))],
  ["sends no JSON", () => Promise.resolve(new Response("<html>"))],
  ["sends no key set", () => Promise.resolve(Response.json({ keys: 1 }))],
  ["sends too much", () => Promise.resolve(Response.json({ ...JWKS, x: "x".repeat(70_000) }))],
  ["does not answer", () => new Promise(() => {})],
];
for (const [what, fetch] of brokenServers) {
  Deno.test(`createJwtTokenValidator() says that it cannot tell when the server of keys ${what}`, async () => {
    const validate = validator({ jwks: URL_OF_KEYS, fetch, timeoutMs: 20 });
    const error = await assertRejects(async () => await validate(await signToken(key)), DpopError);
    assertEquals([error.code, error.reason, error.status], [
      "temporarily_unavailable",
      "token-validator-unavailable",
      503,
    ]);
    assertInstanceOf(error.cause, Error);
  });
}
