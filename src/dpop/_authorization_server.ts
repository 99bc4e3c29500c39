/**
 * A request to an authorization server (RFC 9449, sections 5, 8 and 10).
 *
 * @module
 */

import { successHeaders } from "./_challenge.ts";
import { readHeader } from "./_request_facts.ts";
import { type Attempt, isThumbprint, openPendingProof } from "./_verification.ts";
import type { VerifierSettings } from "./_verifier_options.ts";
import { DpopError } from "./dpop_error.ts";
import type { DpopGrant, DpopGrantRequest } from "./dpop_verifier.ts";

/** Decides about a request; a refusal is thrown. */
export async function decideGrant(
  attempt: Attempt,
  settings: VerifierSettings,
  { boundJkt, dpopJkt, requireProof }: DpopGrantRequest,
): Promise<DpopGrant> {
  // An empty one is no missing one: taken for that, it would unbind the grant.
  const isBound = boundJkt !== undefined && boundJkt !== null;
  const announced = dpopJkt ?? undefined;
  if (announced !== undefined && !isThumbprint(announced)) {
    throw new DpopError("invalid_request", "dpop-jkt-invalid", "'dpop_jkt' is no thumbprint");
  }
  const header = readHeader(attempt.request, "dpop");
  if (header === null) {
    if (isBound || requireProof) {
      throw new DpopError("invalid_dpop_proof", "proof-missing", "The request has no DPoP proof");
    }
    const headers = successHeaders(undefined);
    return { ok: true, tokenType: "Bearer", announcedJkt: announced, headers };
  }
  const { opened, finish } = await openPendingProof(header, attempt, settings);
  const { jkt } = opened;
  if (isBound && boundJkt !== jkt) {
    throw new DpopError("invalid_grant", "jkt-mismatch", "The grant is bound to another key");
  }
  if (announced !== undefined && announced !== jkt) {
    throw new DpopError("invalid_request", "jkt-mismatch", "'dpop_jkt' names another key");
  }
  const { proof, nonce } = await finish();
  return {
    ok: true,
    tokenType: "DPoP",
    jkt,
    cnf: { jkt },
    proof,
    headers: successHeaders(nonce),
  };
}
