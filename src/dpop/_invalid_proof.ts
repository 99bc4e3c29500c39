import type { SecurityErrorDetails } from "../errors.ts";
import { DpopError, type DpopErrorReason } from "./dpop_error.ts";

/** The error of a proof that does not hold. */
export function invalidProof(
  reason: DpopErrorReason,
  message: string,
  details?: SecurityErrorDetails,
  cause?: unknown,
): DpopError {
  return new DpopError("invalid_dpop_proof", reason, message, {
    ...(details !== undefined && { details }),
    ...(cause !== undefined && { cause }),
  });
}
