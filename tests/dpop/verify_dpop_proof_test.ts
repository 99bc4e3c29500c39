import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import { verifyDpopProof, type VerifyDpopProofOptions } from "../../src/dpop/verify_dpop_proof.ts";
import {
  ALGS,
  claimsOf,
  forge,
  headerOf,
  makeKey,
  NOW,
  now,
  type ProofInput,
  segment,
  signProof,
  URL_OF_TESTS,
} from "./_proofs.ts";

const key = await makeKey("ES256");
const other = await makeKey("ES256");
const rsa = await makeKey("RS256");

type Changes = Partial<VerifyDpopProofOptions>;

function options(changes: Changes = {}): VerifyDpopProofOptions {
  return { method: "GET", url: URL_OF_TESTS, now, ...changes };
}

/** `accepted`, or the code and the reason. */
async function outcome(proof: string, changes: Changes = {}): Promise<string> {
  try {
    await verifyDpopProof(proof, options(changes));
    return "accepted";
  } catch (error) {
    return error instanceof DpopError ? `${error.code} ${error.reason}` : `${error}`;
  }
}

/** Checks a table of proofs that differ from a good one, and that the good one is good. */
async function checkReasons(
  rows: readonly (readonly [string, Omit<ProofInput, "key">, Changes?])[],
): Promise<void> {
  assertStrictEquals(await outcome(await signProof({ key })), "accepted");
  for (const [expected, input, changes] of rows) {
    const found = await outcome(await signProof({ key, ...input }), changes);
    const wanted = expected === "accepted" ? expected : `invalid_dpop_proof ${expected}`;
    assertEquals([found, input, changes], [wanted, input, changes]);
  }
}

const RFC_KEY =
  "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgt" +
  "MzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10Nn" +
  "Y5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
const RFC_JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const RFC_PROOFS: readonly (readonly [string, string, string, VerifyDpopProofOptions])[] = [
  [
    "figure 2",
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29t" +
    "L3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ",
    "2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    { method: "POST", url: "https://server.example.com/token", now: () => 1_562_262_616_000 },
  ],
  [
    "figure 7",
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29t" +
    "L3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ",
    "pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA",
    { method: "POST", url: "https://server.example.com/token", now: () => 1_562_265_296_000 },
  ],
  [
    "figure 13",
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9y" +
    "Zy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhX" +
    "WG9hTnk1OUlpS0NBcWtzbVFFbyJ9",
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    {
      method: "GET",
      url: "https://resource.example.org/protectedresource",
      accessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
      boundJkt: RFC_JKT,
      now: () => 1_562_262_618_000,
    },
  ],
];

Deno.test("verifyDpopProof() accepts the proofs of RFC 9449", async () => {
  for (const [name, payload, signature, expected] of RFC_PROOFS) {
    const proof = `${RFC_KEY}.${payload}.${signature}`;
    const { jkt, claims } = await verifyDpopProof(proof, expected);
    assertEquals([jkt, claims.htu, name], [RFC_JKT, expected.url, name]);
    const past = { ...expected, now: () => 1_562_200_000_000 };
    assertStrictEquals(await outcome(proof, past), "invalid_dpop_proof iat-in-future");
  }
});

Deno.test("verifyDpopProof() tells the key, the algorithm and the claims, whatever the algorithm", async () => {
  for (const alg of ALGS) {
    const made = await makeKey(alg);
    const proof = await signProof({ key: made, accessToken: "token", claims: { more: [1] } });
    const accepts = options({ accessToken: "token", boundJkt: made.jkt, algs: [alg] });
    // The first time the key is imported, the second time it is known.
    for (const _time of [1, 2]) {
      const found = await verifyDpopProof(proof, accepts);
      const { jkt, jwk } = made;
      assertEquals(found, { jkt, alg, jwk: { ...found.jwk }, claims: { ...found.claims } });
      assertEquals({ ...found.jwk }, jwk);
      assertEquals(claimsOf(proof), { ...found.claims });
    }
    assertStrictEquals(await outcome(forge(proof), { algs: [alg] }), invalid("signature-invalid"));
  }
});

function invalid(reason: string): string {
  return `invalid_dpop_proof ${reason}`;
}

Deno.test("verifyDpopProof() refuses what is no proof by its form", async () => {
  const proof = await signProof({ key });
  const [header = "", payload = "", signature = ""] = proof.split(".");
  const texts = [
    ...[
      "",
      ".",
      "..",
      "...",
      "a.b.c",
      header,
      `${header}.${payload}`,
      `${proof}.`,
      `${proof}.AAAA`,
    ],
    ...[`.${payload}.${signature}`, `${header}..${signature}`, `${header}.${payload}.`],
    ...[` ${proof}`, `${proof} `, `${proof}\n`, `${proof}=`, `${proof}, ${proof}`, `${proof},`],
    ...[`${header}=.${payload}.${signature}`, `${header}.${payload}=.${signature}`],
    ...[`${header}.${payload}.+${signature.slice(1)}`, `${header}.${payload}.é`],
    ...[
      `${segment("not json")}.${payload}.${signature}`,
      `${segment("[]")}.${payload}.${signature}`,
    ],
    ...[`${header}.${segment("null")}.${signature}`, `${header}.${segment("{")}.${signature}`],
    ...[`${header}.${segment(Uint8Array.of(0x7b, 0xff, 0x7d))}.${signature}`],
    ...[`${header}.${segment('\u{feff}{"jti":"1"}')}.${signature}`],
  ];
  for (const text of texts) assertStrictEquals(await outcome(text), invalid("malformed"), text);
});

Deno.test("verifyDpopProof() refuses a header that is not a proof's", async () => {
  const { jwk } = key;
  const twice = `{"typ":"dpop+jwt","alg":"ES256","jwk":${JSON.stringify(jwk)},"alg":"ES256"}`;
  await checkReasons([
    ["typ-invalid", { header: { typ: undefined } }],
    ["typ-invalid", { header: { typ: "JWT" } }],
    ["typ-invalid", { header: { typ: "at+jwt" } }],
    ["typ-invalid", { header: { typ: ["dpop+jwt"] } }],
    ["typ-invalid", { header: { typ: null } }],
    ["typ-invalid", { header: { typ: "dpop+jwt\n" } }],
    ["typ-invalid", { header: { typ: "text/dpop+jwt" } }],
    ["accepted", { header: { typ: "application/DPoP+JWT" } }],
    ["alg-invalid", { header: { alg: undefined } }],
    ["alg-invalid", { header: { alg: true } }],
    ["alg-invalid", { header: { alg: ["ES256"] } }],
    ["alg-not-allowed", { header: { alg: "none" } }],
    ["alg-not-allowed", { header: { alg: "HS256" } }],
    ["alg-not-allowed", { header: { alg: "es256" } }],
    ["alg-not-allowed", { header: { alg: "__proto__" } }],
    ["alg-not-allowed", { header: { alg: "ES384" } }],
    ["alg-not-allowed", {}, { algs: ["PS256"] }],
    ["crit-unsupported", { header: { crit: ["exp"] } }],
    ["crit-unsupported", { header: { crit: null } }],
    ["jwk-missing", { header: { jwk: undefined } }],
    ["jwk-invalid", { header: { jwk: [jwk] } }],
    ["jwk-invalid", { header: { jwk: JSON.stringify(jwk) } }],
    ["jwk-private", { header: { jwk: key.privateJwk } }],
    ["jwk-alg-mismatch", { header: { alg: "RS256" } }, { algs: ["RS256"] }],
    ["malformed", { rawHeader: twice }],
    ["accepted", { header: { kid: "1", jku: "https://evil.test/", x5c: [] } }],
  ]);
});

Deno.test("verifyDpopProof() refuses a point that is not on the curve", async () => {
  const jwk = { ...key.jwk, y: key.jwk["x"] };
  assertStrictEquals(
    await outcome(await signProof({ key, header: { jwk } })),
    invalid("jwk-invalid"),
  );
});

Deno.test("verifyDpopProof() refuses claims that are missing or of another type", async () => {
  await checkReasons([
    ["jti-missing", { claims: { jti: undefined } }],
    ...[null, "", 1, {}, ["a"], true, "x".repeat(1025)].map((jti) =>
      ["jti-invalid", { claims: { jti } }] as const
    ),
    ["accepted", { claims: { jti: "x".repeat(1024) } }],
    ["htm-missing", { claims: { htm: undefined } }],
    ...[null, "", "get", "GET ", "POST", ["GET"], {}].map((htm) =>
      ["htm-mismatch", { claims: { htm } }] as const
    ),
    ["accepted", { claims: { htm: "QUERY" } }, { method: "QUERY" }],
    ["htu-missing", { claims: { htu: undefined } }],
    ...[null, "", "/notes", `${URL_OF_TESTS}/`, [URL_OF_TESTS], {}].map((htu) =>
      ["htu-mismatch", { claims: { htu } }] as const
    ),
    ["accepted", { claims: { htu: "HTTPS://API.example.com:443/./%6eotes?a#b" } }],
    ["ath-missing", {}, { accessToken: "token" }],
    ["ath-mismatch", { accessToken: "other" }, { accessToken: "token" }],
    ["ath-mismatch", { claims: { ath: "" } }, { accessToken: "token" }],
    ["ath-mismatch", { claims: { ath: null } }, { accessToken: "token" }],
    ["ath-mismatch", { claims: { ath: 1 } }],
    ["accepted", { accessToken: "token" }, { accessToken: "token" }],
    ["accepted", { accessToken: "token" }],
    ["nonce-mismatch", { claims: { nonce: 1 } }],
    ["accepted", { claims: { nonce: "n" } }],
  ]);
});

Deno.test("verifyDpopProof() accepts a proof for as long as its window says, to the second", async () => {
  const at = (iat: unknown, more: Record<string, unknown> = {}) => ({ claims: { iat, ...more } });
  await checkReasons([
    ["iat-missing", at(undefined)],
    ...[null, "", `${NOW}`, [NOW], {}, true, -1].map((iat) => ["iat-invalid", at(iat)] as const),
    ["iat-invalid", { rawPayload: '{"jti":"1","htm":"GET","htu":"https://a/","iat":1e999}' }],
    ["accepted", at(NOW - 300)],
    ["iat-too-old", at(NOW - 300.5)],
    ["iat-too-old", at(NOW - 301)],
    ["iat-too-old", at(0)],
    ["accepted", at(NOW + 60)],
    ["iat-in-future", at(NOW + 60.5)],
    ["iat-in-future", at(NOW * 1000)],
    ["accepted", at(NOW - 10), { maxAgeSeconds: 10 }],
    ["iat-too-old", at(NOW - 11), { maxAgeSeconds: 10 }],
    ["iat-in-future", at(NOW + 1), { maxFutureSeconds: 0 }],
    ["accepted", at(NOW + 0.25)],
    ["accepted", at(NOW, { exp: NOW + 1 })],
    ["expired", at(NOW, { exp: NOW })],
    ["expired", at(NOW, { exp: `${NOW + 60}` })],
    ["expired", at(NOW, { exp: null })],
    ["accepted", at(NOW, { nbf: NOW + 60 })],
    ["not-yet-valid", at(NOW, { nbf: NOW + 61 })],
    ["not-yet-valid", at(NOW, { nbf: `${NOW}` })],
  ]);
});

Deno.test("verifyDpopProof() tells the operator, and not the client, by how much clocks differ", async () => {
  const error = await assertRejects(
    async () =>
      await verifyDpopProof(await signProof({ key, claims: { iat: NOW - 400 } }), options()),
    DpopError,
  );
  assertEquals([error.details, error.message.includes("400")], [{ skewSeconds: -400 }, false]);
});

Deno.test("verifyDpopProof() refuses another key than the token is bound to", async () => {
  const proof = await signProof({ key });
  assertStrictEquals(await outcome(proof, { boundJkt: key.jkt }), "accepted");
  const none = { boundJkt: null, accessToken: undefined, nonce: null };
  assertStrictEquals(await outcome(proof, none), "accepted");
  for (const boundJkt of [other.jkt, "", key.jkt.toLowerCase()]) {
    assertStrictEquals(await outcome(proof, { boundJkt }), invalid("jkt-mismatch"));
  }
});

Deno.test("verifyDpopProof() refuses a signature by another key or of other bytes, known key or not", async () => {
  const proof = await signProof({ key });
  const [header, payload, signature = ""] = proof.split(".");
  const [, otherPayload] = (await signProof({ key, claims: { htm: "GET", iat: NOW - 1 } })).split(
    ".",
  );
  const byOther = await signProof({ key: other, header: { jwk: key.jwk } });
  const proofs = [
    byOther,
    forge(proof),
    `${header}.${otherPayload}.${signature}`,
    `${segment(JSON.stringify({ ...headerOf(proof), kid: "1" }))}.${payload}.${signature}`,
    `${header}.${payload}.${segment(new Uint8Array(63))}`,
    `${header}.${payload}.${signature}AAAA`,
    // Nothing but zeros once convinced a Java library (CVE-2022-21449).
    `${header}.${payload}.${segment(new Uint8Array(64))}`,
    `${header}.${payload}.${segment(new Uint8Array(64).fill(0xff))}`,
  ];
  for (const bad of proofs) {
    assertStrictEquals(await outcome(bad), invalid("signature-invalid"), bad);
  }
  assertStrictEquals(await outcome(proof), "accepted");
  for (const bad of proofs) {
    assertStrictEquals(await outcome(bad), invalid("signature-invalid"), bad);
  }
});

Deno.test("verifyDpopProof() accepts an algorithm for one caller without another one having to", async () => {
  const proof = await signProof({ key: rsa });
  assertStrictEquals(await outcome(proof, { algs: ["RS256"] }), "accepted");
  // Its header is known by now.
  assertStrictEquals(await outcome(proof, { algs: ["ES256"] }), invalid("alg-not-allowed"));
  assertStrictEquals(await outcome(proof), invalid("alg-not-allowed"));
});

Deno.test("verifyDpopProof() compares the nonce last, and asks for one", async () => {
  const withNonce = await signProof({ key, claims: { nonce: "n-1" } });
  assertStrictEquals(await outcome(withNonce, { nonce: "n-1" }), "accepted");
  const missing = "use_dpop_nonce nonce-missing";
  assertStrictEquals(await outcome(await signProof({ key }), { nonce: "n-1" }), missing);
  const empty = await signProof({ key, claims: { nonce: "" } });
  assertStrictEquals(await outcome(empty, { nonce: "n-1" }), missing);
  const mismatch = "use_dpop_nonce nonce-mismatch";
  for (const nonce of ["n-2", "n-10", "N-1"]) {
    assertStrictEquals(await outcome(withNonce, { nonce }), mismatch);
  }
  // Whoever cannot sign learns nothing about nonces.
  assertStrictEquals(
    await outcome(forge(withNonce), { nonce: "n-2" }),
    invalid("signature-invalid"),
  );
});

Deno.test("verifyDpopProof() takes a URL object, and no proof for a proof that is missing", async () => {
  const proof = await signProof({ key });
  assertStrictEquals(await outcome(proof, { url: new URL(`${URL_OF_TESTS}?q#f`) }), "accepted");
  const none = JSON.parse("null");
  assertStrictEquals(await outcome(none), invalid("proof-missing"));
});

Deno.test("verifyDpopProof() throws at the caller for the caller's mistakes", async () => {
  const proof = await signProof({ key });
  const mistakes: readonly (readonly [Changes, string])[] = [
    [{ method: "" }, "TypeError: Cannot verify a DPoP proof: 'method' must be"],
    [{ accessToken: "" }, "TypeError: Cannot verify a DPoP proof: 'accessToken' must be"],
    [{ nonce: "" }, "TypeError: Cannot verify a DPoP proof: 'nonce' must be"],
    [{ url: "/notes" }, "TypeError: Cannot compare URLs: 'url' must be"],
    [{ algs: [] }, "TypeError: Cannot verify a DPoP proof: 'algs' must"],
    [{ algs: JSON.parse('["none"]') }, "TypeError: Cannot verify a DPoP proof: 'algs' must"],
    [{ algs: JSON.parse('["HS256"]') }, "TypeError: Cannot verify a DPoP proof: 'algs' must"],
    [{ maxAgeSeconds: -1 }, "RangeError: Cannot verify a DPoP proof: 'maxAgeSeconds' must"],
    [{ maxFutureSeconds: NaN }, "RangeError: Cannot verify a DPoP proof: 'maxFutureSeconds' must"],
    [{ maxProofBytes: Infinity }, "RangeError: Cannot verify a DPoP proof: 'maxProofBytes' must"],
    [{ boundjkt: "x" } as Changes, "TypeError: Cannot verify a DPoP proof: 'boundjkt' is not"],
    [{ now: JSON.parse("1") }, "TypeError: Cannot verify a DPoP proof: 'now' must be a function"],
    [{ now: () => NaN }, "TypeError: Cannot verify a DPoP proof: 'now' must"],
  ];
  for (const [changes, message] of mistakes) {
    const found = await outcome(proof, changes);
    assertStrictEquals(found.slice(0, message.length), message);
  }
});
