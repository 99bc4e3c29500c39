/** Access tokens and key sets for tests of validators. */
import {
  createJwtTokenValidator,
  type JwtTokenValidatorOptions,
} from "../../src/dpop/jwt_token_validator.ts";
import type { TokenValidator } from "../../src/dpop/token_validator.ts";
import { NOW, now, signSegments, type TestKey } from "./_proofs.ts";

/** Who issues the tokens of tests. */
export const ISSUER = "https://as.example.com";
/** Whom they are for. */
export const AUDIENCE = "https://api.example.com";
/** What they are bound to. */
export const JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/** Claims of an access token that is as it should be. */
export const CLAIMS: Readonly<Record<string, unknown>> = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: "alice",
  client_id: "app",
  iat: NOW - 10,
  exp: NOW + 60,
  jti: "token-1",
  scope: "notes files",
  cnf: { jkt: JKT },
};

/** Signs an access token, correct but for the members that are replaced; `undefined` leaves one out. */
export async function signToken(
  key: TestKey,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return await signSegments(
    key,
    JSON.stringify({ typ: "at+jwt", alg: key.alg, kid: "k1", ...header }),
    JSON.stringify({ ...CLAIMS, ...claims }),
  );
}

/** A key set; the first key is `k1`, the second `k2`, and so on. */
export function keySet(...keys: readonly TestKey[]): { readonly keys: object[] } {
  return { keys: keys.map(({ jwk, alg }, at) => ({ ...jwk, alg, use: "sig", kid: `k${at + 1}` })) };
}

/** Accepts the tokens of {@linkcode signToken}, unless told otherwise. */
export function validatorOf(
  key: TestKey,
  options: Partial<JwtTokenValidatorOptions> = {},
): TokenValidator {
  return createJwtTokenValidator({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: keySet(key),
    now,
    ...options,
  });
}
