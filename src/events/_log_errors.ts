import { SecurityError } from "../errors.ts";

/** What is thrown when no record can be made. */
export function unavailable(cause: unknown): SecurityError {
  return new SecurityError("audit-unavailable", "The audit log cannot be written", { cause });
}

/** What is thrown after the end. */
export function closed(): SecurityError {
  return new SecurityError("closed", "The audit log is closed");
}
