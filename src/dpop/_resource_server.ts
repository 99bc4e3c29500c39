/**
 * A request to a resource server (RFC 9449, section 7).
 *
 * @module
 */

import { answerWithin } from "../_internal/answer_within.ts";
import { readCredentials } from "./_authorization.ts";
import { isAnswer, successHeaders } from "./_challenge.ts";
import { readHeader } from "./_request_facts.ts";
import { type Attempt, isThumbprint, openPendingProof, unavailable } from "./_verification.ts";
import type { ResourceServerSettings } from "./_verifier_options.ts";
import { DpopError } from "./dpop_error.ts";
import type { DpopAccess } from "./dpop_verifier.ts";

/** Errors of `jose` that say something about the token; its others are about keys out of reach. */
const TOKEN_ERROR =
  /^ERR_(?:JW[STE]_|JOSE_ALG_NOT_ALLOWED$|JOSE_NOT_SUPPORTED$|JWKS_NO_MATCHING_KEY$|JWKS_MULTIPLE_MATCHING_KEYS$)/;

/** Decides about a request; a refusal is thrown. */
export async function decideAccess(
  attempt: Attempt,
  settings: ResourceServerSettings,
): Promise<DpopAccess> {
  const { request } = attempt;
  const authorization = readHeader(request, "authorization");
  const credentials = readCredentials(authorization, settings.maxTokenBytes);
  if (credentials === undefined) {
    throw new DpopError(null, "no-credentials", "The request has no access token");
  }
  const { scheme, token } = credentials;
  attempt.scheme = scheme;
  if (scheme === "Bearer") return await decideBearer(token, attempt, settings);
  const header = readHeader(request, "dpop");
  if (header === null) {
    throw new DpopError("invalid_dpop_proof", "proof-missing", "The request has no DPoP proof");
  }
  const pending = await openPendingProof(header, attempt, settings, token);
  const validated = await validate(token, attempt, settings);
  if (validated.jkt === undefined) {
    throw new DpopError("invalid_token", "token-not-bound", "The access token is bound to no key");
  }
  if (validated.jkt !== pending.opened.jkt) {
    // A key that is none, or did not sign, is the proof's fault, whatever the token is bound to.
    await pending.opened.verifySignature();
    throw new DpopError(
      "invalid_token",
      "jkt-mismatch",
      "The access token is bound to another key",
    );
  }
  const { proof, nonce } = await pending.finish();
  return { ...accessOf(validated), scheme, jkt: proof.jkt, proof, headers: successHeaders(nonce) };
}

async function decideBearer(
  token: string,
  attempt: Attempt,
  settings: ResourceServerSettings,
): Promise<DpopAccess> {
  if (!settings.allowBearer) {
    throw new DpopError("invalid_token", "dpop-required", "Access tokens need the scheme DPoP");
  }
  const validated = await validate(token, attempt, settings);
  // A stolen token would need no proof (RFC 9449, section 7.2). A `cnf` without a thumbprint binds it to
  // something that nobody here has asked for.
  if (validated.jkt !== undefined || hasConfirmation(validated.claims)) {
    throw new DpopError(
      "invalid_token",
      "bound-token-as-bearer",
      "The access token is bound to a key",
    );
  }
  return { ...accessOf(validated), scheme: "Bearer", headers: successHeaders(undefined) };
}

function accessOf({ principal, claims }: Token): Pick<DpopAccess, "ok" | "principal" | "claims"> {
  return { ok: true, principal, claims };
}

/** A {@linkcode ValidatedToken} as it was read. */
interface Token {
  readonly jkt: string | undefined;
  readonly principal: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

async function validate(
  token: string,
  { signal }: Attempt,
  { validateToken, timeoutMs }: ResourceServerSettings,
): Promise<Token> {
  let answer: unknown;
  try {
    answer = await answerWithin((within) => validateToken(token, { signal: within }), {
      timeoutMs,
      signal,
    });
  } catch (error) {
    if (isAnswer(error)) throw error;
    const code: unknown = (error as { code?: unknown } | null | undefined)?.code;
    if (typeof code === "string" && TOKEN_ERROR.test(code)) throw invalidToken(error);
    throw unavailable("token-validator-unavailable", error);
  }
  if (answer === null || answer === undefined) throw invalidToken(undefined);
  return readValidated(answer);
}

/**
 * Reads what somebody's function says, once, and without trust in its types. What says nothing of a token
 * (an error that was returned, `{ active: false }` as introspection has it, a Map) is no acceptance.
 */
function readValidated(answer: unknown): Token {
  try {
    if (!isPlainObject(answer)) throw new TypeError("it is no object of its own");
    const jkt = answer.jkt ?? undefined;
    const principal = answer.principal ?? undefined;
    const claims = answer.claims ?? undefined;
    if (jkt === undefined && principal === undefined && claims === undefined) {
      throw new TypeError("it has neither 'jkt' nor 'principal' nor 'claims'");
    }
    if (claims !== undefined && !isPlainObject(claims)) throw new TypeError("'claims'");
    if (principal !== undefined && typeof principal !== "string") {
      throw new TypeError("'principal'");
    }
    // Anything but a thumbprint binds to no key that exists; to take it for "not bound" would unbind it.
    if (jkt !== undefined && !isThumbprint(jkt)) throw invalidToken("'jkt' is no thumbprint");
    return { jkt, principal, claims: claims ?? {} };
  } catch (error) {
    throw error instanceof DpopError ? error : unavailable("token-validator-unavailable", error);
  }
}

/** Whether something is an object as literals and JSON make them, of whichever realm. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function hasConfirmation(claims: Readonly<Record<string, unknown>>): boolean {
  return claims.cnf !== undefined && claims.cnf !== null;
}

function invalidToken(cause: unknown): DpopError {
  return new DpopError("invalid_token", "token-invalid", "The access token is not valid", {
    cause,
  });
}
