import { assert, assertEquals } from "@std/assert";
import { readToken } from "../../src/dpop/_token_claims.ts";
import { readTokenOptions } from "../../src/dpop/_token_options.ts";
import { createJwtTokenValidator } from "../../src/dpop/jwt_token_validator.ts";
import { makeKey, now, signSegments } from "./_proofs.ts";
import { AUDIENCE, CLAIMS, ISSUER, keySet } from "./_tokens.ts";

const settings = readTokenOptions({}, []);

/** Claims that are so many levels deep, themselves included. */
function nested(depth: number, open = "[", close = "]"): Record<string, unknown> {
  return JSON.parse(`{"sub":"alice","more":${open.repeat(depth - 1)}${close.repeat(depth - 1)}}`);
}

Deno.test("readToken() freezes claims to the last level, and refuses those that go deeper", () => {
  const claims = nested(16);
  assert(readToken(claims, settings) !== null);
  let levels = 0;
  for (let value: unknown = claims["more"]; Array.isArray(value); value = value[0]) {
    assert(Object.isFrozen(value));
    levels++;
  }
  assertEquals(levels, 15);
  assertEquals(readToken(nested(17), settings), null);
  assertEquals(readToken(nested(9000), settings), null);
  assertEquals(readToken(nested(100_000), settings), null);
});

Deno.test("createJwtTokenValidator() refuses a token that is nested beyond what recursion can do", async () => {
  const key = await makeKey("ES256");
  const validate = createJwtTokenValidator({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: keySet(key),
    now,
  });
  const header = JSON.stringify({ typ: "at+jwt", alg: "ES256" });
  const sign = (more: string) =>
    signSegments(key, header, `${JSON.stringify(CLAIMS).slice(0, -1)},"more":${more}}`);
  assert(await validate(await sign("[[1]]")) !== null);
  assertEquals(await validate(await sign(`${"[".repeat(9000)}${"]".repeat(9000)}`)), null);
});
