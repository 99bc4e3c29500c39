/**
 * The supply-chain auditor: what is this project made of, and may it be?
 *
 * One graph over everything that a Deno project consists of (packages of npm and JSR, remote modules,
 * links, workspace members) and five checks over it: advisories, licences, bans, sources, integrity.
 * Each package is accounted for, and what could not be checked is counted and said.
 *
 * Run it as a command, with `--help` for the rest:
 *
 * ```sh
 * deno run --allow-read --allow-env --allow-net=api.osv.dev jsr:@bartizan/security/audit
 * ```
 *
 * Or call it: {@linkcode audit} returns the same report that `--format json` prints.
 *
 * The policy is a `deny.toml` with cargo-deny's sections and keys; without one, a built-in policy
 * applies. `audit explain CODE` tells what a finding means.
 *
 * @module
 */

import { audit } from "./audit.ts";

export { audit };
export type { AuditOptions } from "./audit.ts";
export type {
  AuditReport,
  Check,
  Coverage,
  CoverageRow,
  Ecosystem,
  ExitCode,
  Finding,
  FindingAdvisory,
  FindingLocation,
  FindingPackage,
  HttpsCoverageRow,
  Incomplete,
  Severity,
} from "./report.ts";

if (import.meta.main) {
  const { runCli } = await import("./cli.ts");
  const { processContext } = await import("./_process.ts");
  Deno.exitCode = await runCli(Deno.args, processContext());
}
