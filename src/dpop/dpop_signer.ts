import { ALG_PARAMETERS, type AlgParameters, isDpopAlg } from "./_algs.ts";
import { publicMembers } from "./_public_jwk.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import { jwkThumbprint } from "./thumbprint.ts";

/** Public half of a key, with the members that its thumbprint is made of and no other (RFC 7638). */
export type PublicJwk = Readonly<
  | { kty: "EC"; crv: string; x: string; y: string }
  | { kty: "OKP"; crv: string; x: string }
  | { kty: "RSA"; n: string; e: string }
>;

/**
 * What signs proofs: a key of Web Crypto, or one that never leaves an HSM or KMS.
 */
export interface DpopSigner {
  /** Algorithm of the signature. */
  readonly alg: DpopAlg;
  /** Public half of the key. */
  readonly jwk: PublicJwk;
  /** SHA-256 thumbprint of the key, base64url (RFC 7638). */
  readonly jkt: string;
  /**
   * Signs.
   *
   * @param data The bytes to sign.
   * @returns The signature in the form of JWS: for ECDSA `r` and `s` side by side, no DER.
   */
  sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array | ArrayBuffer>;
}

/**
 * Where a client's keys come from when they rotate.
 *
 * It should return the same signer as long as the key is the same: what a client prepares for a key, it
 * prepares for each signer.
 */
export interface DpopKeyProvider {
  /**
   * The key to use now.
   *
   * @returns Its signer.
   * @throws {SecurityError} `key-store-unavailable` or `key-invalid`.
   */
  current(): Promise<DpopSigner>;

  /**
   * Finds the key that a token is bound to.
   *
   * @param jkt Thumbprint of the key.
   * @returns Its signer, or `undefined` when it is gone.
   * @throws {SecurityError} `key-store-unavailable` or `key-invalid`.
   */
  find(jkt: string): Promise<DpopSigner | undefined>;

  /**
   * Keeps a key for as long as a token is bound to it. A client calls it when it first uses a token that says
   * when it expires, and does not wait for it: neither a failure nor a store that hangs stops the request.
   * After a failure, or a minute without an answer, the next request with the token calls it again.
   *
   * @param jkt Thumbprint of the key.
   * @param untilSeconds When the token expires, in seconds since the epoch, as the token says.
   */
  retain?(jkt: string, untilSeconds: number): Promise<void>;
}

/** The two halves of a key: a `CryptoKeyPair`, or a private key with its public half as a JWK. */
export interface DpopSignerKeys {
  /** What signs; it need not be extractable. */
  readonly privateKey: CryptoKey;
  /** Its public half, extractable. @default {taken from `jwk`} */
  readonly publicKey?: CryptoKey;
  /** Its public half, where there is no `publicKey`. @default {undefined} */
  readonly jwk?: PublicJwk;
}

/** Options of {@linkcode createDpopSigner}. */
export interface DpopSignerOptions {
  /** Algorithm; it matters for Ed25519, which has two names. @default {what the key is for} */
  readonly alg?: DpopAlg;
}

/** Options of {@linkcode generateDpopKeyPair}. */
export interface DpopKeyPairOptions {
  /** Whether the private key may be taken out, which a script that was slipped in can do too. @default {false} */
  readonly extractable?: boolean;
  /** Bits of an RSA key, at least 2048. @default {2048} */
  readonly modulusLength?: number;
}

/** RFC 7518, sections 3.3 and 3.5. */
const MIN_RSA_BITS = 2048;

/**
 * Makes a key pair for proofs.
 *
 * @param alg The algorithm; ES256 is the one that every server and runtime has.
 * @param options Whether it is extractable, and the size of RSA keys.
 * @returns The keys; the public one is always extractable.
 * @throws {TypeError} If there is no such algorithm.
 * @throws {RangeError} If an RSA key would have fewer than 2048 bits.
 * @throws {DOMException} `NotSupportedError` if this runtime does not have the algorithm.
 *
 * @example Make a key that cannot be taken out
 * ```ts
 * import { generateDpopKeyPair } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKey, publicKey } = await generateDpopKeyPair("Ed25519");
 * assertEquals(privateKey.extractable, false);
 * assertEquals(publicKey.extractable, true);
 * ```
 */
export async function generateDpopKeyPair(
  alg: DpopAlg = "ES256",
  options: DpopKeyPairOptions = {},
): Promise<CryptoKeyPair> {
  const { extractable = false, modulusLength = MIN_RSA_BITS } = options;
  const { kty, keyParameters } = parametersOf(alg);
  const rsa = kty === "RSA";
  if (rsa && !(Number.isInteger(modulusLength) && modulusLength >= MIN_RSA_BITS)) {
    throw new RangeError(
      `Cannot make a key as 'modulusLength' must be an integer of at least ${MIN_RSA_BITS}: ` +
        `current value is ${modulusLength}`,
    );
  }
  const publicExponent = Uint8Array.of(1, 0, 1);
  const params = rsa ? { ...keyParameters, modulusLength, publicExponent } : keyParameters;
  const keys = await crypto.subtle.generateKey(params, extractable, ["sign", "verify"]);
  if ("privateKey" in keys) return keys;
  throw new TypeError(`Cannot make a key as ${alg} has no pairs`);
}

/**
 * Makes what signs proofs out of a key of Web Crypto.
 *
 * The private key stays what it is: one that cannot be extracted is never asked for. That the halves belong
 * together is tried out with one signature.
 *
 * @param keys A key pair, or a private key and its public JWK.
 * @param options The algorithm, where the key leaves a choice.
 * @returns The signer.
 * @throws {TypeError} If a key is of no use for proofs: of the wrong type, usage, algorithm or size (RSA of
 * fewer than 2048 bits), a public key that cannot be exported, a JWK with private members, or two halves of
 * different keys.
 *
 * @example Sign with a key of one's own
 * ```ts
 * import { createDpopSigner, generateDpopKeyPair } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const signer = await createDpopSigner(await generateDpopKeyPair("ES256"));
 * assertEquals(signer.alg, "ES256");
 * assertEquals(Object.keys(signer.jwk).sort(), ["crv", "kty", "x", "y"]);
 * ```
 */
export async function createDpopSigner(
  keys: DpopSignerKeys | CryptoKeyPair,
  options: DpopSignerOptions = {},
): Promise<DpopSigner> {
  const { privateKey } = keys;
  check("privateKey", privateKey, "private", "sign");
  const alg = options.alg ?? algOf(privateKey);
  const parameters = parametersOf(alg);
  if (!isFor(parameters, privateKey)) throw unusable("privateKey", `be a key for ${alg}`);
  const jwk = await publicHalf(keys, parameters, alg);
  if (!(await belongTogether(privateKey, jwk, parameters))) {
    throw unusable("privateKey", "belong to the public key");
  }
  const { signatureParameters } = parameters;
  return Object.freeze({
    alg,
    jwk,
    jkt: jwkThumbprint(jwk),
    sign: (data: Uint8Array<ArrayBuffer>) =>
      crypto.subtle.sign(signatureParameters, privateKey, data),
  });
}

async function publicHalf(
  keys: DpopSignerKeys | CryptoKeyPair,
  parameters: AlgParameters,
  alg: DpopAlg,
): Promise<PublicJwk> {
  const { publicKey } = keys;
  if (publicKey === undefined) {
    const jwk = "jwk" in keys ? keys.jwk : undefined;
    if (jwk !== undefined) return publicMembers(jwk, alg);
    throw unusable("publicKey", "be given where there is no 'jwk'");
  }
  check("publicKey", publicKey, "public");
  if (!isFor(parameters, publicKey)) throw unusable("publicKey", `be a key for ${alg}`);
  if (!publicKey.extractable) throw unusable("publicKey", "be extractable, or be given as a 'jwk'");
  return publicMembers(await crypto.subtle.exportKey("jwk", publicKey), alg);
}

/** One signature tells: two halves of the same algorithm may still be of two keys. */
async function belongTogether(
  privateKey: CryptoKey,
  jwk: PublicJwk,
  { keyParameters, signatureParameters }: AlgParameters,
): Promise<boolean> {
  const data = crypto.getRandomValues(new Uint8Array(32));
  const signature = await crypto.subtle.sign(signatureParameters, privateKey, data);
  try {
    const publicKey = await crypto.subtle.importKey("jwk", jwk, keyParameters, false, ["verify"]);
    return await crypto.subtle.verify(signatureParameters, publicKey, signature, data);
  } catch {
    // A JWK of another type or curve cannot even be imported.
    return false;
  }
}

function check(name: string, key: CryptoKey, type: KeyType, usage?: KeyUsage): void {
  if (typeof key !== "object" || key === null || key.type !== type) {
    throw unusable(name, `be a ${type} CryptoKey`);
  }
  if (usage !== undefined && !key.usages.includes(usage)) {
    throw unusable(name, `be usable to ${usage}`);
  }
  const { modulusLength } = read(key);
  if (modulusLength !== undefined && modulusLength < MIN_RSA_BITS) {
    throw unusable(name, `have at least ${MIN_RSA_BITS} bits: current size is ${modulusLength}`);
  }
}

/** The members of any key's algorithm; each type of key has some of them. */
function read(key: CryptoKey): {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash?: { readonly name: string };
  readonly modulusLength?: number;
} {
  return key.algorithm;
}

function isFor({ crv, keyParameters }: AlgParameters, key: CryptoKey): boolean {
  const { name, namedCurve, hash } = read(key);
  if (name !== keyParameters.name || hash?.name !== readHash(keyParameters)) return false;
  return namedCurve === undefined || namedCurve === crv;
}

function readHash(parameters: AlgParameters["keyParameters"]): string | undefined {
  return "hash" in parameters ? parameters.hash : undefined;
}

function algOf(key: CryptoKey): DpopAlg {
  const { name, namedCurve, hash } = read(key);
  const bits = hash?.name.replace("SHA-", "");
  const alg = {
    Ed25519: "Ed25519",
    ECDSA: namedCurve === "P-521" ? "ES512" : namedCurve?.replace("P-", "ES"),
    "RSA-PSS": `PS${bits}`,
    "RSASSA-PKCS1-v1_5": `RS${bits}`,
  }[name];
  if (alg !== undefined && isDpopAlg(alg)) return alg;
  throw unusable("privateKey", `be for an algorithm of proofs: current one is ${name}`);
}

function parametersOf(alg: DpopAlg): AlgParameters {
  const parameters = ALG_PARAMETERS.get(alg);
  if (parameters !== undefined) return parameters;
  throw new TypeError(
    `Cannot use a key as 'alg' must be an algorithm of proofs: current value is ${alg}`,
  );
}

function unusable(name: string, must: string): TypeError {
  return new TypeError(`Cannot sign proofs as '${name}' must ${must}`);
}
