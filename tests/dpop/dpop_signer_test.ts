import { assert, assertEquals, assertRejects } from "@std/assert";
import { calculateJwkThumbprint } from "jose";
import {
  createDpopSigner,
  type DpopSignerKeys,
  generateDpopKeyPair,
} from "../../src/dpop/dpop_signer.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { ALGS, makeKey } from "./_proofs.ts";

const data = new TextEncoder().encode("header.payload");

for (const alg of ALGS) {
  const name = `createDpopSigner() signs by ${alg} with a key that cannot be extracted`;
  Deno.test(name, async () => {
    let keys: CryptoKeyPair;
    try {
      keys = await generateDpopKeyPair(alg);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      console.log(`ignored: ${alg} (this runtime does not have it)`);
      return;
    }
    assertEquals(keys.privateKey.extractable, false);
    await assertRejects(() => crypto.subtle.exportKey("jwk", keys.privateKey));
    const signer = await createDpopSigner(keys, { alg });
    assertEquals(signer.alg, alg);
    const signature = new Uint8Array(await signer.sign(data));
    assertEquals(signer.jkt, await calculateJwkThumbprint(signer.jwk));
    const { hash } = keys.publicKey.algorithm as { hash?: { name: string } };
    const bits = Number(alg.slice(-3));
    const params = alg.startsWith("ES")
      ? { name: "ECDSA", hash: `SHA-${bits}` }
      : alg.startsWith("PS")
      ? { name: "RSA-PSS", saltLength: bits / 8 }
      : { name: keys.publicKey.algorithm.name };
    if (hash !== undefined) assertEquals(hash.name, `SHA-${bits}`);
    assert(await crypto.subtle.verify(params, keys.publicKey, signature, data));
  });
}

Deno.test("createDpopSigner() finds the algorithm of a key", async () => {
  for (const alg of ["Ed25519", "ES256", "ES384", "PS256", "RS512"] as const) {
    assertEquals((await createDpopSigner(await generateDpopKeyPair(alg))).alg, alg);
  }
});

Deno.test("createDpopSigner() takes a private key with its public JWK", async () => {
  const { privateKey, jwk, jkt } = await makeKey();
  const signer = await createDpopSigner({ privateKey, jwk: asJwk({ ...jwk, kid: "1" }) });
  assertEquals(signer.jkt, jkt);
  assertEquals({ ...signer.jwk }, { ...jwk } as typeof signer.jwk);
});

Deno.test("generateDpopKeyPair() makes an extractable key when it is told to", async () => {
  const { privateKey } = await generateDpopKeyPair("Ed25519", { extractable: true });
  assertEquals(privateKey.extractable, true);
});

Deno.test("generateDpopKeyPair() makes no key for what is no algorithm of proofs", async () => {
  for (const alg of ["none", "HS256", "es256", "ES256K"]) {
    await assertRejects(() => generateDpopKeyPair(alg as DpopAlg), TypeError, "'alg' must be");
  }
});

Deno.test("generateDpopKeyPair() makes no RSA key that is too small", async () => {
  for (const modulusLength of [1024, 2047, 2048.5, NaN]) {
    await assertRejects(() => generateDpopKeyPair("PS256", { modulusLength }), RangeError);
  }
  const { publicKey } = await generateDpopKeyPair("PS256", { modulusLength: 3072 });
  assertEquals((publicKey.algorithm as RsaKeyAlgorithm).modulusLength, 3072);
});

Deno.test("createDpopSigner() refuses keys that are of no use for proofs", async () => {
  const ec = await generateDpopKeyPair("ES256", { extractable: true });
  const other = await generateDpopKeyPair("ES256");
  const ed = await generateDpopKeyPair("Ed25519");
  const weak = await makeKey("RS256", { modulusLength: 1024 });
  const ecdh = await crypto.subtle.generateKey(
    { name: "ECDH", namedCurve: "P-256" },
    false,
    ["deriveBits"],
  ) as CryptoKeyPair;
  const privateJwk = await crypto.subtle.exportKey("jwk", ec.privateKey);
  const publicJwk = await crypto.subtle.exportKey("jwk", ec.publicKey);
  const otherJwk = await crypto.subtle.exportKey("jwk", other.publicKey);
  const hidden = await crypto.subtle.importKey(
    "jwk",
    publicJwk,
    { name: "ECDSA", namedCurve: "P-256" },
    false,
    ["verify"],
  );
  const { privateKey } = ec;
  const table: readonly (readonly [DpopSignerKeys, string, DpopAlg?])[] = [
    [{ privateKey: ec.publicKey, publicKey: ec.publicKey }, "must be a private CryptoKey"],
    [{ privateKey, publicKey: privateKey }, "must be a public CryptoKey"],
    [ecdh, "must be usable to sign"],
    [{ privateKey }, "where there is no 'jwk'"],
    [{ privateKey, publicKey: hidden }, "must be extractable"],
    [{ privateKey, publicKey: ed.publicKey }, "must be a key for ES256"],
    [{ privateKey, publicKey: other.publicKey }, "must belong to the public key"],
    [{ privateKey, jwk: asJwk(privateJwk) }, "without private members"],
    [{ privateKey, jwk: asJwk({ kty: "EC" }) }, "must be a public key for ES256"],
    // On no curve at all, and of another key.
    [
      { privateKey, jwk: asJwk({ ...publicJwk, y: publicJwk.x }) },
      "must be a public key for ES256",
    ],
    [{ privateKey, jwk: asJwk(otherJwk) }, "must belong to the public key"],
    [ec, "must be a key for ES384", "ES384"],
    [ec, "must be an algorithm of proofs", "none" as DpopAlg],
    [{ privateKey: weak.privateKey, publicKey: weak.publicKey }, "must have at least 2048 bits"],
  ];
  for (const [keys, message, alg] of table) {
    await assertRejects(
      () => createDpopSigner(keys, alg === undefined ? {} : { alg }),
      TypeError,
      message,
    );
  }
});

/** What no type lets through, but a caller without types does. */
function asJwk(value: object): NonNullable<DpopSignerKeys["jwk"]> {
  return value as NonNullable<DpopSignerKeys["jwk"]>;
}
