import { assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { calculateJwkThumbprint } from "jose";
import { decodeBase64Url } from "../../src/_internal/base64url.ts";
import { jwkThumbprint, type ThumbprintMembers } from "../../src/dpop/thumbprint.ts";
import { makeKey } from "./_proofs.ts";

const RFC_7638 = {
  kty: "RSA",
  n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP" +
    "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY36" +
    "8QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lF" +
    "d2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
  e: "AQAB",
  alg: "RS256",
  kid: "2011-04-29",
};

const RFC_8037 = {
  kty: "OKP",
  crv: "Ed25519",
  x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
};

Deno.test("jwkThumbprint() agrees with the examples of RFC 7638 and RFC 8037", () => {
  assertStrictEquals(jwkThumbprint(RFC_7638), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  assertStrictEquals(jwkThumbprint(RFC_8037), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

Deno.test("jwkThumbprint() agrees with jose and Web Crypto, whatever else a key has", async () => {
  for (const alg of ["ES256", "ES384", "ES512", "Ed25519", "RS256"] as const) {
    const { jwk, jkt, privateJwk } = await makeKey(alg);
    const reversed = Object.fromEntries(Object.entries(jwk).reverse());
    assertStrictEquals(jwkThumbprint(jwk), jkt);
    assertStrictEquals(jwkThumbprint({ ...privateJwk, ...jwk }), jkt);
    assertStrictEquals(jwkThumbprint(reversed), await calculateJwkThumbprint(reversed));
  }
});

Deno.test("jwkThumbprint() tells keys apart", () => {
  const other = { ...RFC_8037, x: RFC_8037.x.replace("11", "12") };
  assertNotEquals(jwkThumbprint(other), jwkThumbprint(RFC_8037));
  assertNotEquals(jwkThumbprint({ ...RFC_8037, crv: "X25519" }), jwkThumbprint(RFC_8037));
});

Deno.test("jwkThumbprint() refuses what is no public key", () => {
  const { n, e } = RFC_7638;
  const { crv, x } = RFC_8037;
  const refused: readonly ThumbprintMembers[] = [
    {},
    { kty: "oct" },
    { kty: "toString" },
    { kty: "RSA", n },
    { kty: "RSA", e },
    { kty: "RSA", n: `${n}=`, e },
    { kty: "OKP", x },
    { kty: "OKP", crv },
    { kty: "OKP", crv, x: "" },
    { kty: "OKP", crv: "", x },
    { kty: "OKP", crv, x: `"${x}` },
    { kty: "EC", crv: "P-256", x },
    JSON.parse('{"kty":"OKP","crv":["Ed25519"],"x":"AA"}'),
    JSON.parse('{"kty":"OKP","crv":"Ed25519","x":{"toString":"AA"}}'),
  ];
  for (const jwk of refused) {
    assertThrows(() => jwkThumbprint(jwk), TypeError, "Cannot make a thumbprint");
  }
});

Deno.test("jwkThumbprint() of the key of RFC 9449, figure 2, is what the token of figure 8 is bound to", () => {
  const token = "eyJhbGciOiJFUzI1NiIsImtpZCI6IkJlQUxrYiJ9.eyJzdWIiOiJzb21lb25lQGV4YW1" +
    "wbGUuY29tIiwiaXNzIjoiaHR0cHM6Ly9zZXJ2ZXIuZXhhbXBsZS5jb20iLCJuYmYiOjE" +
    "1NjIyNjI2MTEsImV4cCI6MTU2MjI2NjIxNiwiY25mIjp7ImprdCI6IjBaY09DT1JaTll" +
    "5LURXcHFxMzBqWnlKR0hUTjBkMkhnbEJWM3VpZ3VBNEkifX0.3Tyo8VTcn6u_PboUmAO" +
    "YUY1kfAavomW_YwYMkmRNizLJoQzWy2fCo79Zi5yObpIzjWb5xW4OGld7ESZrh0fsrA";
  const key = {
    kty: "EC",
    crv: "P-256",
    x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
  };
  const payload = decodeBase64Url(token.split(".")[1] ?? "");
  const claims: unknown = JSON.parse(new TextDecoder().decode(payload));
  assertEquals(claims, {
    sub: "someone@example.com",
    iss: "https://server.example.com",
    nbf: 1_562_262_611,
    exp: 1_562_266_216,
    cnf: { jkt: jwkThumbprint(key) },
  });
});
