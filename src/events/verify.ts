/**
 * The verifier of audit logs: was this log changed since it was written?
 *
 * Run it as a command, with `--help` for the rest:
 *
 * ```sh
 * deno run --allow-read jsr:@bartizan/security/verify --key KEY audit.jsonl
 * ```
 *
 * Or call it: {@linkcode verifyAuditLog} returns the report that `--json` prints.
 *
 * Every record carries the hash of the one before, so a change of one is seen from the next on. Anybody can
 * make all hashes anew, and nobody the signatures of checkpoints: only a key makes the answer worth something.
 * A log whose end was cut off is a good log that is shorter: only a checkpoint that was kept elsewhere tells.
 *
 * @module
 */

export { verifyAuditLog } from "./verify_audit_log.ts";
export type {
  AuditLogChain,
  AuditLogFailure,
  AuditLogFailureCause,
  AuditLogReport,
  VerifyAuditLogOptions,
} from "./verify_audit_log.ts";

if (import.meta.main) {
  const { runVerifyCli } = await import("./_verify_cli.ts");
  Deno.exitCode = await runVerifyCli(Deno.args, {
    out: (text) => writeAll(Deno.stdout, text),
    error: (text) => writeAll(Deno.stderr, text),
  });
}

/** One write may take only a part. */
function writeAll(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}
