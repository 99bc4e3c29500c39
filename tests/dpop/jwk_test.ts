import { assertEquals, assertStrictEquals } from "@std/assert";
import { encodeBase64Url } from "../../src/_internal/base64url.ts";
import { parsePublicJwk } from "../../src/dpop/_jwk.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import { ALGS, makeKey } from "./_proofs.ts";

function reasonOf(jwk: unknown, alg: DpopAlg): string {
  try {
    parsePublicJwk(jwk, alg);
    return "accepted";
  } catch (error) {
    return error instanceof DpopError ? `${error.code} ${error.reason}` : `${error}`;
  }
}

const refused = (reason: string) => `invalid_dpop_proof ${reason}`;
const ec = await makeKey("ES256");
const okp = await makeKey("Ed25519");
const rsa = await makeKey("PS256");

/** An RSA key of that many bits, which nobody has factors of, and an exponent of these bytes. */
function rsaLike(bits: number, exponent: readonly number[] = [1, 0, 1]): Record<string, string> {
  const modulus = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
  modulus[0] = 0xff >> (8 - bits % 8) % 8;
  return {
    kty: "RSA",
    n: encodeBase64Url(modulus),
    e: encodeBase64Url(Uint8Array.from(exponent)),
  };
}

Deno.test("parsePublicJwk() reads the key of every algorithm, without what is not of the key", async () => {
  for (const alg of ALGS) {
    const { jwk } = await makeKey(alg);
    const noise = { kid: "1", use: "enc", key_ops: ["sign"], alg: "none", ext: 1, x5c: [null] };
    const found = parsePublicJwk({ ...noise, ...jwk }, alg);
    assertEquals(found, jwk);
    // In this order it is hashed.
    assertEquals(Object.keys(found), Object.keys(found).toSorted());
  }
});

Deno.test("parsePublicJwk() refuses private members, whatever they hold", () => {
  for (const name of ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]) {
    for (const value of ["AQAB", "", null, undefined, 0, false, []]) {
      for (const key of [ec, okp, rsa]) {
        assertStrictEquals(
          reasonOf({ ...key.jwk, [name]: value }, key.alg),
          refused("jwk-private"),
        );
      }
    }
  }
  assertStrictEquals(reasonOf({ kty: "oct", k: "AAAA" }, "ES256"), refused("jwk-private"));
});

Deno.test("parsePublicJwk() refuses what is no key", () => {
  const { x, y } = ec.jwk;
  const point = { kty: "EC", crv: "P-256" };
  const values: readonly unknown[] = [
    ...[null, true, 1, "", JSON.stringify(ec.jwk), [], [ec.jwk], {}],
    ...[{ ...ec.jwk, kty: "ec" }, { ...ec.jwk, kty: ["EC"] }, { ...ec.jwk, kty: "AKP" }],
    ...[{ ...ec.jwk, crv: "P-999" }, { ...ec.jwk, crv: "p-256" }, { ...ec.jwk, crv: null }],
    ...[{ ...point, x }, { ...point, y }, { ...point, x: 1, y }, { ...point, x, y: [y] }],
    ...[{ ...point, x: `AA${x}`, y }, { ...point, x: x?.slice(2), y }, { ...point, x: "", y }],
    ...[{ ...point, x: `${x}=`, y }, { ...point, x: `${x?.slice(0, 42)}B`, y }],
    { ...point, x: ` ${x?.slice(1)}`, y },
    ...[{ ...point, x, y: x }, { ...point, x: y, y: x }, { ...point, x: "A".repeat(43), y }],
  ];
  for (const value of values) {
    assertStrictEquals(reasonOf(value, "ES256"), refused("jwk-invalid"), JSON.stringify(value));
  }
});

Deno.test("parsePublicJwk() refuses a key that does not fit the algorithm", async () => {
  const es384 = await makeKey("ES384");
  const pairs: readonly (readonly [Readonly<Record<string, string>>, DpopAlg])[] = [
    [ec.jwk, "ES384"],
    [es384.jwk, "ES256"],
    [ec.jwk, "Ed25519"],
    [ec.jwk, "RS256"],
    [okp.jwk, "ES256"],
    [rsa.jwk, "ES256"],
    [rsa.jwk, "EdDSA"],
    [{ ...okp.jwk, crv: "X25519" }, "Ed25519"],
    [{ ...okp.jwk, crv: "Ed448" }, "EdDSA"],
    [{ ...ec.jwk, crv: "secp256k1" }, "ES256"],
    [{ ...okp.jwk, kty: "EC" }, "Ed25519"],
  ];
  for (const [jwk, alg] of pairs) {
    assertStrictEquals(reasonOf(jwk, alg), refused("jwk-alg-mismatch"), `${jwk["crv"]} ${alg}`);
  }
});

Deno.test("parsePublicJwk() refuses RSA keys below 2048 bits, above 4096, and poor exponents", () => {
  const keys: readonly (readonly [Record<string, string>, string])[] = [
    [rsaLike(2048), "accepted"],
    [rsaLike(2049), "accepted"],
    [rsaLike(4096), "accepted"],
    [rsaLike(2048, [0xff, 0xff, 0xff, 0xff]), "accepted"],
    [rsaLike(2047), refused("jwk-too-weak")],
    [rsaLike(1024), refused("jwk-too-weak")],
    [rsaLike(1), refused("jwk-too-weak")],
    [rsaLike(4097), refused("jwk-invalid")],
    [rsaLike(2048, [1]), refused("jwk-too-weak")],
    [rsaLike(2048, [3]), refused("jwk-too-weak")],
    [rsaLike(2048, [1, 0, 0]), refused("jwk-invalid")],
    [rsaLike(2048, [1, 0, 0, 0, 1]), refused("jwk-invalid")],
    [rsaLike(2048, [0, 1, 0, 1]), refused("jwk-invalid")],
    [rsaLike(2048, []), refused("jwk-invalid")],
    [{ ...rsaLike(2048), n: `AA${"A".repeat(341)}` }, refused("jwk-invalid")],
    // The same number with a zero before it would be the same key with another thumbprint.
    [
      { ...rsaLike(2048), n: encodeBase64Url(new Uint8Array(257).fill(0xff, 1)) },
      refused("jwk-invalid"),
    ],
    [
      { ...rsaLike(2048), n: encodeBase64Url(new Uint8Array(256).fill(0xfe)) },
      refused("jwk-invalid"),
    ],
  ];
  for (const alg of ["RS256", "PS512"] as const) {
    for (const [jwk, reason] of keys) assertStrictEquals(reasonOf(jwk, alg), reason);
  }
});
