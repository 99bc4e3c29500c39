/**
 * Keys and proofs for tests: made by Web Crypto alone, so that what is tested does not sign its own
 * proofs, and willing to sign what no client should.
 */
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { decodeBase64Url, encodeBase64Url } from "../../src/_internal/base64url.ts";

/** The time of every test: seconds since the epoch. */
export const NOW = 1_760_000_000;

/** A clock that stands still: milliseconds since the epoch. */
export function now(): number {
  return NOW * 1000;
}

/** Every algorithm of a proof. */
export const ALGS: readonly DpopAlg[] = [
  "Ed25519",
  "EdDSA",
  "ES256",
  "ES384",
  "ES512",
  "PS256",
  "PS384",
  "PS512",
  "RS256",
  "RS384",
  "RS512",
];

/** A key pair with the public half as it stands in a proof. */
export interface TestKey {
  readonly alg: DpopAlg;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** Public members only. */
  readonly jwk: Readonly<Record<string, string>>;
  /** All members, the private ones included. */
  readonly privateJwk: Readonly<Record<string, unknown>>;
  /** Thumbprint by Web Crypto. */
  readonly jkt: string;
}

interface Scheme {
  readonly generate: EcKeyGenParams | RsaHashedKeyGenParams | { readonly name: string };
  readonly sign: AlgorithmIdentifier | EcdsaParams | RsaPssParams;
}

function schemeOf(alg: DpopAlg, modulusLength: number): Scheme {
  const bits = Number(alg.slice(2));
  const hash = `SHA-${bits}`;
  if (alg.startsWith("ES")) {
    const namedCurve = bits === 512 ? "P-521" : `P-${bits}`;
    return { generate: { name: "ECDSA", namedCurve }, sign: { name: "ECDSA", hash } };
  }
  if (alg.startsWith("E")) return { generate: { name: "Ed25519" }, sign: { name: "Ed25519" } };
  const name = alg.startsWith("PS") ? "RSA-PSS" : "RSASSA-PKCS1-v1_5";
  return {
    generate: { name, hash, modulusLength, publicExponent: Uint8Array.of(1, 0, 1) },
    sign: alg.startsWith("PS") ? { name, saltLength: bits / 8 } : { name },
  };
}

const PUBLIC_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
  RSA: ["e", "kty", "n"],
};

/** SHA-256 by Web Crypto, in base64url. */
export async function webCryptoHash(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeBase64Url(new Uint8Array(hash));
}

/** Makes a key pair; slow for RSA, so make one a file. */
export async function makeKey(
  alg: DpopAlg = "ES256",
  options: { readonly modulusLength?: number } = {},
): Promise<TestKey> {
  const { generate } = schemeOf(alg, options.modulusLength ?? 2048);
  const pair = await crypto.subtle.generateKey(generate, true, ["sign", "verify"]) as CryptoKeyPair;
  const privateJwk = await crypto.subtle.exportKey("jwk", pair.privateKey);
  const members = new Map<string, unknown>(Object.entries(privateJwk));
  const names = PUBLIC_MEMBERS[privateJwk.kty ?? ""] ?? [];
  const jwk = Object.fromEntries(names.map((name) => [name, String(members.get(name))]));
  return {
    alg,
    privateKey: pair.privateKey,
    publicKey: pair.publicKey,
    jwk,
    privateJwk: Object.fromEntries(members),
    jkt: await webCryptoHash(JSON.stringify(jwk)),
  };
}

/** Encodes text as it stands in a segment of a JWS. */
export function segment(text: string | Uint8Array): string {
  return encodeBase64Url(typeof text === "string" ? new TextEncoder().encode(text) : text);
}

/** Signs any two texts; neither has to be JSON. */
export async function signSegments(
  key: TestKey,
  header: string | Uint8Array,
  payload: string | Uint8Array,
): Promise<string> {
  const input = `${segment(header)}.${segment(payload)}`;
  const { sign } = schemeOf(key.alg, 2048);
  const data = new TextEncoder().encode(input);
  const signature = await crypto.subtle.sign(sign, key.privateKey, data);
  return `${input}.${segment(new Uint8Array(signature))}`;
}

let proofs = 0;

/**
 * What goes into a proof. A member that is `undefined` is left out; `rawHeader` and `rawPayload` are
 * signed as they are.
 */
export interface ProofInput {
  readonly key: TestKey;
  /** Replaces members of `{ typ, alg, jwk }`. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Replaces members of `{ jti, htm: "GET", htu: "https://api.example.com/notes", iat: NOW }`. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The token whose hash becomes `ath`. */
  readonly accessToken?: string;
  readonly rawHeader?: string | Uint8Array;
  readonly rawPayload?: string | Uint8Array;
}

/** Where the proofs of tests go unless they say otherwise. */
export const URL_OF_TESTS = "https://api.example.com/notes";

/** The header of a proof, as JSON. */
export function proofHeader(input: ProofInput): string {
  const { key } = input;
  return JSON.stringify({ typ: "dpop+jwt", alg: key.alg, jwk: key.jwk, ...input.header });
}

/** Signs a proof, correct but for what the input changes. */
export async function signProof(input: ProofInput): Promise<string> {
  const { key, claims, accessToken } = input;
  const payload = JSON.stringify({
    jti: `proof-${++proofs}-of-these-tests`,
    htm: "GET",
    htu: URL_OF_TESTS,
    iat: NOW,
    ...(accessToken !== undefined && { ath: await webCryptoHash(accessToken) }),
    ...claims,
  });
  return await signSegments(
    key,
    input.rawHeader ?? proofHeader(input),
    input.rawPayload ?? payload,
  );
}

/** The claims of a proof, unverified. */
export function claimsOf(proof: string): Record<string, unknown> {
  const bytes = decodeBase64Url(proof.split(".")[1] ?? "");
  return JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()));
}

/** The header of a proof, unverified. */
export function headerOf(proof: string): Record<string, unknown> {
  const bytes = decodeBase64Url(proof.split(".")[0] ?? "");
  return JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()));
}

/** The same proof with one bit of the signature changed. */
export function forge(proof: string): string {
  const [header = "", payload = "", signature = ""] = proof.split(".");
  const bytes = decodeBase64Url(signature) ?? new Uint8Array(1);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return `${header}.${payload}.${encodeBase64Url(bytes)}`;
}
