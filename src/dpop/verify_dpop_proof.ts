import { equalsInConstantTime } from "../_internal/sha256.ts";
import { DEFAULT_ALGS, readAlgs } from "./_algs.ts";
import { ExpectedUrl } from "./_htu.ts";
import { invalidProof } from "./_invalid_proof.ts";
import { openProof } from "./_proof.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import { DpopError, type DpopErrorReason } from "./dpop_error.ts";
import type { PublicJwk } from "./dpop_signer.ts";

/** Claims of a proof (RFC 9449, section 4.2). */
export interface DpopProofClaims {
  /** Identifier of the proof, unique among those of its key. */
  readonly jti: string;
  /** Method of the request. */
  readonly htm: string;
  /** URL of the request, as the client wrote it. */
  readonly htu: string;
  /** When it was made, in seconds since the epoch, perhaps with a fraction. */
  readonly iat: number;
  /** Hash of the access token. */
  readonly ath?: string;
  /** Nonce of the server. */
  readonly nonce?: string;
  /** Whatever else the client has to say. */
  readonly [name: string]: unknown;
}

/** A proof that was verified. */
export interface VerifiedDpopProof {
  /** SHA-256 thumbprint of the key, base64url. */
  readonly jkt: string;
  /** Algorithm of the signature. */
  readonly alg: DpopAlg;
  /** Public half of the key. */
  readonly jwk: PublicJwk;
  /** The claims. */
  readonly claims: DpopProofClaims;
}

/** Options of {@linkcode verifyDpopProof}. */
export interface VerifyDpopProofOptions {
  /** Method of the request, which must be the proof's, letter by letter. */
  readonly method: string;
  /** URL under which the client knows the resource; query and fragment do not count. */
  readonly url: string | URL;
  /** The access token that came with the proof, whose `ath` must be its hash. @default {undefined} */
  readonly accessToken?: string | null | undefined;
  /** Thumbprint of the key that the token or grant is bound to. @default {undefined} */
  readonly boundJkt?: string | null | undefined;
  /** The nonce that the proof must carry. @default {undefined} */
  readonly nonce?: string | null | undefined;
  /** Accepted algorithms. @default {["Ed25519", "ES256"]} */
  readonly algs?: readonly DpopAlg[];
  /** How old a proof may be, in seconds. @default {300} */
  readonly maxAgeSeconds?: number;
  /** How far a client's clock may be ahead, in seconds. @default {60} */
  readonly maxFutureSeconds?: number;
  /** Longest proof, in bytes. @default {8192} */
  readonly maxProofBytes?: number;
  /** The clock, in milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
}

const OPTIONS: Readonly<Record<keyof VerifyDpopProofOptions, true>> = {
  method: true,
  url: true,
  accessToken: true,
  boundJkt: true,
  nonce: true,
  algs: true,
  maxAgeSeconds: true,
  maxFutureSeconds: true,
  maxProofBytes: true,
  now: true,
};

const defaultAlgs: ReadonlySet<DpopAlg> = new Set(DEFAULT_ALGS);

/**
 * Verifies a DPoP proof: its form, type, algorithm, key, claims, method, URL, token hash, key binding,
 * signature and nonce, in this order.
 *
 * It remembers nothing of the proof, so it does NOT detect that one is used a second time; a server
 * wants `createDpopVerifier`, which also reads the headers, keeps a replay store and makes the answers.
 * URLs are compared by RFC 3986, sections 6.2.2 and 6.2.3: case of scheme and host, default port, dot
 * segments and the escapes of characters that need none make no difference.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-4.3 RFC 9449, section 4.3}
 *
 * @example The proof of RFC 9449, figure 2
 * ```ts
 * import { verifyDpopProof } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
 *   "VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
 *   "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
 *   "QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj" +
 *   "oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia" +
 *   "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg" +
 *   "4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
 *
 * const { jkt, claims } = await verifyDpopProof(proof, {
 *   method: "POST",
 *   url: "https://server.example.com/token",
 *   now: () => 1_562_262_616_000,
 * });
 * assertEquals(jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
 * assertEquals(claims.jti, "-BwC3ESc6acc2lTc");
 * ```
 *
 * @param proof The value of the one `DPoP` header.
 * @param options What the proof has to fit.
 * @returns The key and the claims.
 * @throws {DpopError} `invalid_dpop_proof`; `use_dpop_nonce` for a nonce that is missing or another;
 * `temporarily_unavailable` where the runtime's cryptography fails or lacks the algorithm. `reason` says
 * more.
 * @throws {TypeError} If an option is unknown or has the wrong type, `url` is not absolute, or `algs` names `none`, a
 * symmetric or an unknown algorithm.
 * @throws {RangeError} If a duration or size is out of range.
 */
export async function verifyDpopProof(
  proof: string,
  options: VerifyDpopProofOptions,
): Promise<VerifiedDpopProof> {
  // A binding that is misspelt would be no binding.
  for (const name in options) {
    if (!Object.hasOwn(OPTIONS, name)) {
      throw new TypeError(`Cannot verify a DPoP proof: '${name}' is not an option`);
    }
  }
  const { algs } = options;
  const accessToken = options.accessToken ?? undefined;
  const boundJkt = options.boundJkt ?? undefined;
  const nonce = options.nonce ?? undefined;
  requireText("method", options.method);
  if (accessToken !== undefined) requireText("accessToken", accessToken);
  if (nonce !== undefined) requireText("nonce", nonce);
  // A caller without types passes what headers.get() gave.
  if (typeof proof !== "string") throw invalidProof("proof-missing", "There is no DPoP proof");

  const opened = openProof(proof, {
    method: options.method,
    url: new ExpectedUrl(String(options.url)),
    algs: algs === undefined ? defaultAlgs : readAlgs(algs, "verify a DPoP proof"),
    maxAgeSeconds: readNumber("maxAgeSeconds", options.maxAgeSeconds, 300),
    maxFutureSeconds: readNumber("maxFutureSeconds", options.maxFutureSeconds, 60),
    maxProofBytes: readNumber("maxProofBytes", options.maxProofBytes, 8192),
    nowSeconds: readClock(options.now),
    ...(accessToken !== undefined && { accessToken }),
  });
  const { jkt, alg, jwk, claims } = opened;
  if (boundJkt !== undefined && boundJkt !== jkt) {
    throw invalidProof("jkt-mismatch", "The DPoP proof is made with another key");
  }
  await opened.verifySignature();
  if (nonce !== undefined) checkNonce(claims.nonce, nonce);
  return { jkt, alg, jwk, claims };
}

function checkNonce(sent: string | undefined, expected: string): void {
  if (sent === undefined || sent === "") throw nonceError("nonce-missing");
  if (!equalsInConstantTime(sent, expected)) throw nonceError("nonce-mismatch");
}

function nonceError(reason: DpopErrorReason): DpopError {
  return new DpopError("use_dpop_nonce", reason, "The DPoP proof must carry the server's nonce");
}

function requireText(name: string, value: unknown): void {
  if (typeof value === "string" && value !== "") return;
  // The value is not named: it may be a token or a nonce.
  throw new TypeError(`Cannot verify a DPoP proof: '${name}' must be a string that is not empty`);
}

function readNumber(name: string, value: number | undefined, ifMissing: number): number {
  if (value === undefined) return ifMissing;
  if (Number.isFinite(value) && value >= 0) return value;
  throw new RangeError(
    `Cannot verify a DPoP proof: '${name}' must be a number of at least 0: current value is ${value}`,
  );
}

/** Whole seconds; without a time, every comparison with it would be false. */
function readClock(now: () => number = Date.now): number {
  const seconds = typeof now === "function" ? Math.floor(now() / 1000) : NaN;
  if (Number.isFinite(seconds)) return seconds;
  throw new TypeError(
    "Cannot verify a DPoP proof: 'now' must be a function that returns milliseconds since the epoch",
  );
}
