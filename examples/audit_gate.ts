/**
 * A gate of one's own: refuses a release when a dependency is malicious or has a critical advisory,
 * and otherwise only prints what was found.
 *
 * ```sh
 * deno run --allow-read --allow-env --allow-net=api.osv.dev examples/audit_gate.ts [FOLDER]
 * ```
 *
 * @module
 */
import { audit, type Finding } from "@bartizan/security/audit";

/** The findings that stop a release. */
export function blocking(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ code, advisory }) =>
    code === "malicious" || (advisory?.cvss?.score ?? 0) >= 9
  );
}

if (import.meta.main) {
  const report = await audit({ project: Deno.args[0] ?? ".", checks: ["advisories"] });
  for (const { severity, message } of report.findings) console.log(`${severity}: ${message}`);
  for (const { reason, packages } of report.incomplete) {
    console.log(`not checked: ${packages} packages (${reason})`);
  }
  // What nobody looked at must not pass for clean.
  const refused = report.incomplete.length > 0 || blocking(report.findings).length > 0;
  console.log(refused ? "refused" : "released");
  Deno.exitCode = refused ? 1 : 0;
}
