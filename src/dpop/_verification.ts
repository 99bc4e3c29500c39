/**
 * What both kinds of server do with a proof.
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { sha256 } from "../_internal/sha256.ts";
import { SecurityError } from "../errors.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import type { TokenScheme } from "./_authorization.ts";
import { invalidProof } from "./_invalid_proof.ts";
import { type OpenProof, openProof } from "./_proof.ts";
import { readMethod, readUrl } from "./_request_facts.ts";
import type { VerifierSettings } from "./_verifier_options.ts";
import { DpopError, type DpopErrorReason } from "./dpop_error.ts";
import type { DpopNonces } from "./dpop_nonces.ts";
import type { VerifiedDpopProof } from "./verify_dpop_proof.ts";

/** One verification, and what came to light in it. */
export interface Attempt {
  readonly request: Request;
  readonly signal: AbortSignal | undefined;
  method?: string;
  url?: string;
  scheme?: TokenScheme;
  /** The proof as it was opened; whether it was signed is another question. */
  proof?: OpenProof;
  /** Whether the signature was verified. */
  signed?: boolean;
}

/** A proof that still has to be shown to be signed, current and new. */
export interface PendingProof {
  readonly opened: OpenProof;
  /** Verifies the signature, then the nonce, then that the proof is new. */
  finish(): Promise<FinishedProof>;
}

/** A proof that was verified. */
export interface FinishedProof {
  readonly proof: VerifiedDpopProof;
  /** The newest nonce, where the client does not have it. */
  readonly nonce: string | undefined;
}

/** Does everything to a proof that can be done without waiting for anybody. */
export async function openPendingProof(
  header: string,
  attempt: Attempt,
  settings: VerifierSettings,
  accessToken?: string,
): Promise<PendingProof> {
  const { maxProofBytes } = settings;
  // Two fields are folded into one with a comma; the core, which sees one value, would call it malformed.
  if (header.length <= 2 * maxProofBytes + 2 && header.includes(",")) {
    throw new DpopError("invalid_dpop_proof", "several-proofs", "More than one DPoP proof");
  }
  const method = attempt.method = await readMethod(attempt, settings);
  const { text, expected } = await readUrl(attempt, settings);
  attempt.url = text;
  const opened = attempt.proof = openProof(header, {
    method,
    url: expected,
    algs: settings.algSet,
    maxAgeSeconds: settings.maxAgeSeconds,
    maxFutureSeconds: settings.maxFutureSeconds,
    maxProofBytes,
    nowSeconds: readClock(settings),
    ...(accessToken !== undefined && { accessToken }),
  });
  return {
    opened,
    async finish() {
      await opened.verifySignature();
      attempt.signed = true;
      const nonce = await checkNonce(opened.claims.nonce, attempt, settings);
      // Last of all: a proof that is refused for any other reason must not use up its jti, or whoever saw
      // it could spoil it.
      await requireNew(opened, readYoung(opened, settings), attempt, settings);
      // "New" counts only while a store that answered late cannot have forgotten the proof's first use.
      readYoung(opened, settings);
      const { jkt, alg, jwk, claims } = opened;
      return { proof: { jkt, alg, jwk, claims }, nonce };
    },
  };
}

/** The newest nonce, for a challenge. */
export async function issueNonce(attempt: Attempt, settings: VerifierSettings): Promise<string> {
  return await askNonces(attempt, settings, async (nonces) => {
    const nonce: unknown = await nonces.issue();
    // It goes into a header, and must come back unchanged (RFC 9449, section 8.1).
    if (typeof nonce !== "string" || !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(nonce)) {
      throw new TypeError("issue() gave no nonce");
    }
    return nonce;
  });
}

/** Whether a thumbprint has the form of one (RFC 7638 with SHA-256). */
export function isThumbprint(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9_-]{43}$/.test(value);
}

/** What the clock says, in whole seconds; without a time, every comparison with it would be false. */
function readClock({ now }: VerifierSettings): number {
  let cause: unknown;
  try {
    const seconds = Math.floor(now() / 1000);
    if (Number.isSafeInteger(seconds)) return seconds;
  } catch (error) {
    cause = error;
  }
  throw unavailable("clock-invalid", cause);
}

/**
 * The time, in which the proof still has to be young enough: meanwhile the token was validated and nonces
 * were asked for. A proof that grows too old while one waits is about to be forgotten, and would count again.
 */
function readYoung({ claims }: OpenProof, settings: VerifierSettings): number {
  const nowSeconds = readClock(settings);
  const skewSeconds = claims.iat - nowSeconds;
  if (-skewSeconds <= settings.maxAgeSeconds) return nowSeconds;
  throw invalidProof("iat-too-old", "The DPoP proof is too old", { skewSeconds });
}

/** Tells the newest nonce if the client does not have it. */
async function checkNonce(
  nonce: unknown,
  attempt: Attempt,
  settings: VerifierSettings,
): Promise<string | undefined> {
  if (settings.nonces === undefined) return undefined;
  if (nonce === undefined || nonce === "") {
    if (settings.requireNonce) throw nonceError("nonce-missing");
    return await issueNonce(attempt, settings);
  }
  if (typeof nonce !== "string") throw nonceError("nonce-mismatch");
  const good: unknown = await askNonces(attempt, settings, (nonces) => nonces.check(nonce));
  if (good !== true) throw nonceError("nonce-mismatch");
  const newest = await issueNonce(attempt, settings);
  return newest === nonce ? undefined : newest;
}

function nonceError(reason: DpopErrorReason): DpopError {
  return new DpopError("use_dpop_nonce", reason, "The DPoP proof has no nonce of this server");
}

async function askNonces<T>(
  { signal }: Attempt,
  { nonces, replayTimeoutMs }: VerifierSettings,
  ask: (nonces: DpopNonces) => T | PromiseLike<T>,
): Promise<T> {
  try {
    if (nonces === undefined) throw new TypeError("there is no such service");
    return await answerWithin(() => ask(nonces), { timeoutMs: replayTimeoutMs, signal });
  } catch (cause) {
    throw unavailable("nonce-service-unavailable", cause);
  }
}

async function requireNew(
  { jkt, claims }: OpenProof,
  nowSeconds: number,
  { signal }: Attempt,
  { replay, replayTimeoutMs, maxAgeSeconds, maxFutureSeconds }: VerifierSettings,
): Promise<void> {
  if (replay === undefined) return;
  // Of the key and the jti: another key's proof with the same jti is another proof, and the bytes of a
  // proof would not do, as an ECDSA signature has a twin that is as valid.
  const key = encodeBase64Url(sha256(`${jkt}.${claims.jti}`).subarray(0, 16));
  // Accepted until the clock shows another second than `iat + maxAgeSeconds`, and a machine whose clock is
  // behind accepts it longer.
  const expires = Math.ceil(claims.iat + maxAgeSeconds + Math.max(1, maxFutureSeconds));
  let isNew: unknown;
  try {
    isNew = await answerWithin(
      (within) => replay.add(key, expires, { signal: within, nowSeconds, jkt }),
      { timeoutMs: replayTimeoutMs, signal },
    );
  } catch (cause) {
    throw unavailable(replayReason(cause), cause);
  }
  if (isNew === false) {
    throw new DpopError("invalid_dpop_proof", "replayed", "The DPoP proof was used before");
  }
  // `undefined`, "OK" or 1 may mean anything, and is no reason to let a proof through.
  if (isNew !== true) throw unavailable("replay-store-unavailable", "add() answered neither");
}

function replayReason(error: unknown): DpopErrorReason {
  const code = error instanceof SecurityError ? error.code : undefined;
  return code === "replay-store-full" || code === "replay-quota-exceeded"
    ? code
    : "replay-store-unavailable";
}

/** A failure of this side; never blamed on the proof, which the client would make anew. */
export function unavailable(reason: DpopErrorReason, cause: unknown): DpopError {
  return new DpopError("temporarily_unavailable", reason, "The request cannot be decided now", {
    cause,
  });
}
