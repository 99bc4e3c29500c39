import { assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { algParameters, DEFAULT_ALGS, isDpopAlg, readAlgs } from "../../src/dpop/_algs.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { ALGS, makeKey } from "./_proofs.ts";

/** What a caller without types may pass. */
function untyped(...names: unknown[]): readonly DpopAlg[] {
  return JSON.parse(JSON.stringify(names));
}

Deno.test("readAlgs() takes every asymmetric algorithm", () => {
  assertEquals([...readAlgs(ALGS, "test")], [...ALGS]);
  assertEquals([...readAlgs(DEFAULT_ALGS, "test")], ["Ed25519", "ES256"]);
});

Deno.test("readAlgs() refuses none, symmetric, unknown and misspelled algorithms, and no algorithm", () => {
  for (const name of ["none", "HS256", "HS512", "ES256K", "es256", "", "toString", null, 1]) {
    assertThrows(() => readAlgs(untyped("ES256", name), "test"), TypeError, "Cannot test: 'algs'");
    assertFalse(isDpopAlg(name));
  }
  assertThrows(() => readAlgs([], "test"), TypeError, "must name an algorithm");
});

Deno.test("algParameters() agrees with the keys and signatures of Web Crypto", async () => {
  for (const alg of ALGS) {
    const { jwk, publicKey, privateKey } = await makeKey(alg);
    const parameters = algParameters(alg);
    const { kty, crv, coordinateBytes, signatureBytes, signatureParameters } = parameters;
    assertStrictEquals(kty, jwk["kty"]);
    assertStrictEquals(crv, jwk["crv"]);
    if (crv !== undefined) {
      assertStrictEquals(jwk["x"]?.length, Math.ceil(coordinateBytes * 4 / 3));
    }
    const data = Uint8Array.of(1, 2, 3);
    const signature = await crypto.subtle.sign(signatureParameters, privateKey, data);
    assertStrictEquals(signature.byteLength, crv === undefined ? 256 : signatureBytes);
    assertStrictEquals(
      await crypto.subtle.verify(signatureParameters, publicKey, signature, data),
      true,
    );
    await crypto.subtle.importKey("jwk", { ...jwk }, parameters.keyParameters, true, ["verify"]);
  }
});
