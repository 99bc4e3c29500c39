import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExpectedUrl } from "../../src/dpop/_htu.ts";
import { openProof, type ProofExpectation } from "../../src/dpop/_proof.ts";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import {
  ALGS,
  forge,
  makeKey,
  NOW,
  proofHeader,
  segment,
  signProof,
  signSegments,
  URL_OF_TESTS,
} from "./_proofs.ts";

const key = await makeKey("ES256");
const good = await signProof({ key, accessToken: "token" });
const [header = "", payload = "", signature = ""] = good.split(".");

function expectation(changes: Partial<ProofExpectation> = {}): ProofExpectation {
  return {
    method: "GET",
    url: URL_OF_TESTS,
    algs: new Set(ALGS),
    maxAgeSeconds: 300,
    maxFutureSeconds: 60,
    maxProofBytes: 8192,
    nowSeconds: NOW,
    ...changes,
  };
}

/** What becomes of a proof: `accepted` or the reason; anything but a DpopError fails the test. */
async function fate(proof: string, changes: Partial<ProofExpectation> = {}): Promise<string> {
  try {
    await openProof(proof, expectation(changes)).verifySignature();
    return "accepted";
  } catch (error) {
    assert(error instanceof DpopError, `${error} for ${proof.slice(0, 200)}`);
    assertStrictEquals(error.code, "invalid_dpop_proof");
    return error.reason;
  }
}

Deno.test("openProof() says everything about a proof before its signature is looked at", async () => {
  const opened = openProof(forge(good), expectation({ accessToken: "token" }));
  assertEquals([opened.jkt, opened.alg, { ...opened.jwk }], [key.jkt, "ES256", key.jwk]);
  assertStrictEquals(opened.claims.htu, URL_OF_TESTS);
  assertStrictEquals(await fate(forge(good)), "signature-invalid");
  assertStrictEquals(await fate(good, { accessToken: "token" }), "accepted");
  assertStrictEquals(await fate(good, { accessToken: "other" }), "ath-mismatch");
});

Deno.test("openProof() compares the hash of a token, whatever its length, known key or not", async () => {
  const made = await makeKey("ES256");
  for (const length of [1, 255, 256, 2000]) {
    const accessToken = "t".repeat(length);
    const proof = await signProof({ key: made, accessToken });
    assertStrictEquals(await fate(proof, { accessToken }), "accepted");
    assertStrictEquals(await fate(proof, { accessToken: `${accessToken}t` }), "ath-mismatch");
    assertStrictEquals(await fate(proof, { accessToken }), "accepted");
  }
});

Deno.test("openProof() takes a URL that was prepared once", async () => {
  const url = new ExpectedUrl(URL_OF_TESTS);
  for (let time = 0; time < 3; time++) assertStrictEquals(await fate(good, { url }), "accepted");
  assertStrictEquals(await fate(good, { url: new ExpectedUrl("https://b/") }), "htu-mismatch");
});

Deno.test("openProof() checks in the order of its documentation", async () => {
  const wrong = {
    header: { typ: "JWT", alg: "none", crit: [], jwk: {} },
    claims: { jti: "", iat: 0, htm: "PUT", htu: "https://b/", ath: "x", nonce: 1 },
  };
  const steps: readonly (readonly [string, "header" | "claims", string, unknown])[] = [
    ["typ-invalid", "header", "typ", "dpop+jwt"],
    ["alg-not-allowed", "header", "alg", "ES256"],
    ["crit-unsupported", "header", "crit", undefined],
    ["jwk-invalid", "header", "jwk", key.jwk],
    ["jti-invalid", "claims", "jti", "1"],
    ["iat-too-old", "claims", "iat", NOW],
    ["htm-mismatch", "claims", "htm", "GET"],
    ["htu-mismatch", "claims", "htu", URL_OF_TESTS],
    ["ath-mismatch", "claims", "ath", undefined],
    ["nonce-mismatch", "claims", "nonce", undefined],
  ];
  const parts: Record<"header" | "claims", Record<string, unknown>> = structuredClone(wrong);
  const other = await makeKey("ES256");
  for (const [reason, part, name, right] of steps) {
    const proof = await signProof({ key: { ...other, jwk: key.jwk }, ...parts });
    const changes = reason === "ath-mismatch" ? { accessToken: "token" } : {};
    assertStrictEquals(await fate(proof, changes), reason);
    parts[part][name] = right;
  }
  const proof = await signProof({ key: { ...other, jwk: key.jwk }, ...parts });
  assertStrictEquals(await fate(proof), "signature-invalid");
});

Deno.test("openProof() refuses by size alone, at once, and at exactly the limit", async () => {
  assertStrictEquals(await fate(good, { maxProofBytes: good.length }), "accepted");
  assertStrictEquals(await fate(good, { maxProofBytes: good.length - 1 }), "proof-too-large");
  const texts = [
    "a".repeat(1 << 20),
    ".".repeat(1 << 20),
    `${segment(`{"a":${"[".repeat(700_000)}`)}.${payload}.${signature}`,
    `${header}.${segment(`{"a":"${"x".repeat(700_000)}"}`)}.${signature}`,
  ];
  for (const text of texts) {
    assertThrows(() => openProof(text, expectation()), DpopError, "must not be longer than 8192");
    const start = performance.now();
    for (let time = 0; time < 100; time++) {
      assertThrows(() => openProof(text, expectation()), DpopError);
    }
    // 1 ms each would be 100; this leaves room for a machine that is busy.
    assertLess(performance.now() - start, 100);
  }
});

Deno.test("openProof() reads what a large limit lets in without an exception of another kind", async () => {
  const maxProofBytes = 1 << 22;
  const deep = "[".repeat(400_000);
  const wide = JSON.stringify(
    Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [at, at])),
  );
  const texts: readonly (readonly [string, string])[] = [
    [`${segment(`{"a":${deep}${"]".repeat(400_000)}}`)}.${payload}.${signature}`, "malformed"],
    [`${header}.${segment(`{"a":${deep}`)}.${signature}`, "malformed"],
    [`${segment(wide)}.${payload}.${signature}`, "typ-invalid"],
    [`${header}.${segment(wide)}.${signature}`, "jti-missing"],
    [`${header}.${payload}.${"A".repeat(1 << 20)}`, "signature-invalid"],
    ["A".repeat(1 << 20), "malformed"],
    [".".repeat(1 << 20), "malformed"],
  ];
  for (const [text, reason] of texts) {
    assertStrictEquals(await fate(text, { maxProofBytes }), reason);
  }
});

Deno.test("openProof() does not take one header for another that is known", async () => {
  assertStrictEquals(await fate(good), "accepted");
  const other = await makeKey("ES256");
  const headers = [
    JSON.stringify({ typ: "dpop+jwt", alg: "ES256", jwk: other.jwk }),
    ` ${proofHeader({ key })}`,
  ];
  for (const text of headers) {
    const proof = `${segment(text)}.${payload}.${signature}`;
    assertStrictEquals(await fate(proof), "signature-invalid");
  }
});

Deno.test("openProof() remembers no key whose signature did not hold", async () => {
  const victim = await makeKey("Ed25519");
  const forged = forge(await signProof({ key: victim }));
  // A key that was imported for nothing is imported again: both take the path of a new key.
  for (const _time of [1, 2]) assertStrictEquals(await fate(forged), "signature-invalid");
  assertStrictEquals(await fate(await signProof({ key: victim })), "accepted");
  assertStrictEquals(await fate(forged), "signature-invalid");
});

Deno.test("openProof() verifies Ed25519 by node:crypto as strictly as Web Crypto does", async () => {
  const ed = await makeKey("Ed25519");
  const proof = await signProof({ key: ed });
  const [h, p, s = ""] = proof.split(".");
  const bytes = Uint8Array.from(
    atob(s.replaceAll("-", "+").replaceAll("_", "/")),
    (octet) => octet.charCodeAt(0),
  );
  // s + L is the same number modulo the order, and must not be a second signature (RFC 8032, 5.1.7).
  const order = [
    ...[
      0xed,
      0xd3,
      0xf5,
      0x5c,
      0x1a,
      0x63,
      0x12,
      0x58,
      0xd6,
      0x9c,
      0xf7,
      0xa2,
      0xde,
      0xf9,
      0xde,
      0x14,
    ],
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10],
  ];
  const twin = bytes.slice();
  let carry = 0;
  order.forEach((value, at) => {
    carry += value + (bytes[32 + at] ?? 0);
    twin[32 + at] = carry & 0xff;
    carry >>= 8;
  });
  const signed = new TextEncoder().encode(`${h}.${p}`);
  assertStrictEquals(await crypto.subtle.verify("Ed25519", ed.publicKey, bytes, signed), true);
  assertStrictEquals(await crypto.subtle.verify("Ed25519", ed.publicKey, twin, signed), false);
  assertStrictEquals(await fate(proof), "accepted");
  assertStrictEquals(await fate(`${h}.${p}.${segment(twin)}`), "signature-invalid");
});

Deno.test("openProof() answers to any text with a DpopError", async () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom(".", "..", header, payload, signature, segment("{}"), segment("[]"), "=", " "),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => segment(new Uint8Array(bytes))),
    fc.json().map((text) => segment(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
      const text = pieces.join("");
      if (text !== good) await fate(text);
      await fate(pieces.join("."));
    }),
    { seed: 9449, numRuns: 1000 },
  );
});

Deno.test("openProof() accepts no proof that was cut, padded or changed in one place", async () => {
  const change = fc.constantFrom(..."A_-.=+/ é\0\n");
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length), change, async (at, character) => {
      const changed = [
        good.slice(0, at),
        good.slice(at),
        good.slice(0, at) + character + good.slice(at),
        good.slice(0, at) + character + good.slice(at + 1),
        good.slice(0, at) + good.slice(at + 1),
      ];
      for (const text of changed) {
        if (text !== good) assert(await fate(text) !== "accepted", text);
      }
    }),
    { seed: 9449, numRuns: 200 },
  );
});

Deno.test("openProof() answers to any signed header and claims with a DpopError", async () => {
  const member = fc.constantFrom(
    "typ",
    "alg",
    "jwk",
    "crit",
    "kty",
    "crv",
    "x",
    "y",
    "n",
    "e",
    "__proto__",
  );
  const claim = fc.constantFrom(
    "jti",
    "htm",
    "htu",
    "iat",
    "ath",
    "nonce",
    "exp",
    "nbf",
    "__proto__",
  );
  const leaf = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(...ALGS, "EC", "OKP", "RSA"),
  );
  const jwk = fc.dictionary(member, leaf);
  const changes = fc.tuple(
    fc.dictionary(member, fc.oneof(leaf, jwk), { maxKeys: 2 }),
    fc.dictionary(member, leaf, { maxKeys: 2 }),
    fc.dictionary(claim, leaf, { maxKeys: 2 }),
  );
  await fc.assert(
    fc.asyncProperty(changes, async ([inHeader, inJwk, inClaims]) => {
      const base = { typ: "dpop+jwt", alg: "ES256", jwk: { ...key.jwk, ...inJwk } };
      const claims = { jti: "1", htm: "GET", htu: URL_OF_TESTS, iat: NOW, ...inClaims };
      const head = JSON.stringify({ ...base, ...inHeader });
      await fate(await signSegments(key, head, JSON.stringify(claims)));
    }),
    { seed: 9449, numRuns: 300 },
  );
});
