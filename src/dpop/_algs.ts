/**
 * What Web Crypto has to be told about each algorithm.
 *
 * @module
 */

import type { DpopAlg } from "./dpop_alg.ts";

/** An algorithm in the words of JWK and of Web Crypto. */
export interface AlgParameters {
  /** Key type of the JWK. */
  readonly kty: "EC" | "OKP" | "RSA";
  /** Curve of the JWK; `undefined` for RSA. */
  readonly crv: string | undefined;
  /** Octets of a coordinate of the public key (RFC 7518, section 6.2.1.2; RFC 8037); 0 for RSA. */
  readonly coordinateBytes: number;
  /** Octets of a signature; 0 for RSA, where it is as long as the modulus. */
  readonly signatureBytes: number;
  /** What a key is imported and generated with; an RSA key also needs its size. */
  readonly keyParameters:
    | { readonly name: string }
    | { readonly name: string; readonly namedCurve: string }
    | { readonly name: string; readonly hash: string };
  /** What a signature is made and verified with. */
  readonly signatureParameters: {
    readonly name: string;
    readonly hash?: string;
    readonly saltLength?: number;
  };
}

function edwards(): AlgParameters {
  const parameters = { name: "Ed25519" };
  return {
    kty: "OKP",
    crv: "Ed25519",
    coordinateBytes: 32,
    signatureBytes: 64,
    keyParameters: parameters,
    signatureParameters: parameters,
  };
}

function ecdsa(crv: string, hash: string, coordinateBytes: number): AlgParameters {
  return {
    kty: "EC",
    crv,
    coordinateBytes,
    signatureBytes: 2 * coordinateBytes,
    keyParameters: { name: "ECDSA", namedCurve: crv },
    signatureParameters: { name: "ECDSA", hash },
  };
}

function rsa(name: string, bits: number): AlgParameters {
  return {
    kty: "RSA",
    crv: undefined,
    coordinateBytes: 0,
    signatureBytes: 0,
    keyParameters: { name, hash: `SHA-${bits}` },
    // The salt is as long as the hash (RFC 7518, section 3.5).
    signatureParameters: name === "RSA-PSS" ? { name, saltLength: bits / 8 } : { name },
  };
}

/** Every algorithm that a proof can have; `none` and the symmetric ones are not among them. */
export const ALG_PARAMETERS: ReadonlyMap<string, AlgParameters> = new Map<DpopAlg, AlgParameters>([
  ["Ed25519", edwards()],
  ["EdDSA", edwards()],
  ["ES256", ecdsa("P-256", "SHA-256", 32)],
  ["ES384", ecdsa("P-384", "SHA-384", 48)],
  ["ES512", ecdsa("P-521", "SHA-512", 66)],
  ["PS256", rsa("RSA-PSS", 256)],
  ["PS384", rsa("RSA-PSS", 384)],
  ["PS512", rsa("RSA-PSS", 512)],
  ["RS256", rsa("RSASSA-PKCS1-v1_5", 256)],
  ["RS384", rsa("RSASSA-PKCS1-v1_5", 384)],
  ["RS512", rsa("RSASSA-PKCS1-v1_5", 512)],
]);

/** What a verifier accepts until it is told otherwise. */
export const DEFAULT_ALGS: readonly DpopAlg[] = Object.freeze(["Ed25519", "ES256"] as const);

/** Whether a value names an algorithm of proofs. */
export function isDpopAlg(value: unknown): value is DpopAlg {
  return typeof value === "string" && ALG_PARAMETERS.has(value);
}

/** What Web Crypto has to be told about an algorithm. */
export function algParameters(alg: DpopAlg): AlgParameters {
  const parameters = ALG_PARAMETERS.get(alg);
  if (parameters === undefined) throw new TypeError(`Unknown algorithm: current value is ${alg}`);
  return parameters;
}

/**
 * Checks a configured list of algorithms.
 *
 * @param algs The list.
 * @param what What cannot be done with a bad one, such as `verify a DPoP proof`.
 * @returns The list as a set.
 * @throws {TypeError} If it is empty, or names `none`, a symmetric or an unknown algorithm.
 */
export function readAlgs(algs: Iterable<DpopAlg>, what: string): ReadonlySet<DpopAlg> {
  const set = new Set(algs);
  if (set.size === 0) {
    throw new TypeError(`Cannot ${what}: 'algs' must name an algorithm: current value is empty`);
  }
  for (const alg of set) {
    if (!isDpopAlg(alg)) {
      throw new TypeError(
        `Cannot ${what}: 'algs' must name asymmetric algorithms of JWS only: current value is ${alg}`,
      );
    }
  }
  return set;
}
