import { assertEquals } from "@std/assert";
import { createDpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import { verifyDpopProof } from "../../src/dpop/verify_dpop_proof.ts";
import { makeKey, NOW, now, segment, signProof, type TestKey, URL_OF_TESTS } from "./_proofs.ts";

const OURS = "temporarily_unavailable crypto-unavailable 503";

async function outcome(proof: string): Promise<string> {
  try {
    const algs = ["ES256", "Ed25519", "PS256"] as const;
    await verifyDpopProof(proof, { method: "GET", url: URL_OF_TESTS, algs, now });
    return "accepted";
  } catch (error) {
    return error instanceof DpopError
      ? `${error.code} ${error.reason} ${error.status}`
      : `${error}`;
  }
}

/** Lets a method of Web Crypto reject, or be missing, while something is awaited. */
async function without<T>(
  name: "importKey" | "verify",
  failure: Error | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const value = failure === undefined ? undefined : () => Promise.reject(failure);
  Object.defineProperty(crypto.subtle, name, { value, configurable: true });
  try {
    return await work();
  } finally {
    Reflect.deleteProperty(crypto.subtle, name);
  }
}

const FAILURES: readonly (Error | undefined)[] = [
  new DOMException("out of handles", "OperationError"),
  new DOMException("no such algorithm", "NotSupportedError"),
  new TypeError("of the runtime"),
  undefined,
];

Deno.test("verifyDpopProof() does not blame a proof when the runtime cannot verify", async () => {
  for (const failure of FAILURES) {
    const key = await makeKey("ES256");
    const proof = await signProof({ key });
    for (const name of ["importKey", "verify"] as const) {
      assertEquals(await without(name, failure, () => outcome(proof)), OURS, `${name} ${failure}`);
    }
    assertEquals(await outcome(proof), "accepted");
    // The key is known by now.
    assertEquals(await without("verify", failure, () => outcome(proof)), OURS);
    assertEquals(await without("importKey", failure, () => outcome(proof)), "accepted");
  }
});

Deno.test("verifyDpopProof() blames a proof for a key that cannot be imported", async () => {
  const proof = await signProof({ key: await makeKey("PS256") });
  const failure = new DOMException("no key", "DataError");
  const found = await without("importKey", failure, () => outcome(proof));
  assertEquals(found, "invalid_dpop_proof jwk-invalid 401");
  assertEquals(await outcome(proof), "accepted");
});

Deno.test("verifyDpopProof() lets no client bring about an error of the runtime", async () => {
  const made = await makeKey("ES256");
  const withJwk = (jwk: TestKey["jwk"], key = made) => signProof({ key, header: { jwk } });
  const large = segment(new Uint8Array(8192 / 8).fill(0xff));
  const rsa = await makeKey("PS256");
  const ed = await makeKey("Ed25519");
  const two = new Uint8Array(32);
  two[0] = 2;
  const noPoint = segment(two);
  const rows: readonly (readonly [string, string, string])[] = [
    ["EC, not on the curve", await withJwk({ ...made.jwk, y: made.jwk["x"] ?? "" }), "jwk-invalid"],
    ["RSA, beyond Deno", await withJwk({ ...rsa.jwk, n: large }, rsa), "jwk-invalid"],
    ["Ed25519, no point", await withJwk({ ...ed.jwk, x: noPoint }, ed), "signature-invalid"],
  ];
  for (const [name, proof, reason] of rows) {
    assertEquals([name, await outcome(proof)], [name, `invalid_dpop_proof ${reason} 401`]);
  }
});

Deno.test("verifyRequest() answers 503 when the runtime cannot verify, and uses up no proof", async () => {
  const key = await makeKey("ES256");
  const guard = createDpopVerifier({
    origin: new URL(URL_OF_TESTS).origin,
    validateToken: () => ({ jkt: key.jkt, claims: {} }),
    now,
  });
  const dpop = await signProof({ key, accessToken: "token", claims: { iat: NOW } });
  const request = new Request(URL_OF_TESTS, { headers: { authorization: "DPoP token", dpop } });
  const failure = new DOMException("out of handles", "OperationError");
  const refused = await without("verify", failure, () => guard.verifyRequest(request));
  assertEquals([refused.ok, refused.ok || refused.response.status], [false, 503]);
  assertEquals((await guard.verifyRequest(request)).ok, true);
});
