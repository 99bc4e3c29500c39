/** Proofs for benchmarks, made by jose. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** The time of every benchmark, in seconds since the epoch. */
export const NOW = 1_760_000_000;

/** What proofs are made for. */
export const METHOD = "GET";

/** Where proofs are made for. */
export const RESOURCE = "https://api.example.com/notes";

/** A token as long as a JWT is. */
export const ACCESS_TOKEN = `eyJ${"mF_9.B5f-4.1JqM".repeat(40)}`;

/** A client: its public key, and proofs by it. */
export interface Prover {
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
  /** Makes a proof with a new `jti`. */
  prove(): Promise<string>;
}

/** The hash of the token, by Web Crypto. */
async function tokenHash(): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(ACCESS_TOKEN));
  return btoa(String.fromCharCode(...new Uint8Array(hash)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Makes a client. */
export async function makeProver(alg: string): Promise<Prover> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const ath = await tokenHash();
  return {
    publicKey,
    jwk,
    prove: () =>
      new SignJWT({ jti: crypto.randomUUID(), htm: METHOD, htu: RESOURCE, iat: NOW, ath })
        .setProtectedHeader({ typ: "dpop+jwt", alg, jwk })
        .sign(privateKey),
  };
}
