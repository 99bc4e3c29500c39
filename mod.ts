/**
 * Defence in depth for Deno servers that touch files, tools and tokens.
 *
 * Importing this module runs nothing, reads nothing and asks for no permission; it loads in Node, Bun,
 * browsers and workerd as well. The supply-chain auditor has an entry point of its own,
 * `@bartizan/security/audit`.
 *
 * - **Errors**: {@linkcode SecurityError} is what every refusal by policy throws, with a stable code.
 * - **Events**: every layer tells an {@linkcode AuditReporter} what happened.
 *
 * @example Branch on the code of a refusal
 * ```ts
 * import { SecurityError } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * function describe(error: unknown): string {
 *   return error instanceof SecurityError ? `refused: ${error.code}` : "failed";
 * }
 *
 * const error = new SecurityError("policy-invalid", "deny.toml:3: unknown key");
 * assertEquals(describe(error), "refused: policy-invalid");
 * ```
 *
 * @module
 */

// Errors
export {
  SecurityError,
  type SecurityErrorCode,
  type SecurityErrorDetails,
  type SecurityErrorOptions,
  type SupplyChainErrorCode,
} from "./src/errors.ts";

// Events
export {
  type AuditEvent,
  type AuditEventInput,
  type AuditOutcome,
  type AuditReporter,
  type AuditSeverity,
  type AuditSource,
  defaultSeverity,
  silentReporter,
} from "./src/events/audit_event.ts";
