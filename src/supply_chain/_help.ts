/** What `audit --help` prints. */
export const HELP = `Audit the dependencies of a Deno project.

Usage:
  audit [check] [CHECK …]  check advisories, licenses, bans, sources, integrity
                           (all five when none is named)
  audit why NAME           every path by which the project comes to a package (human or json)
  audit list               packages by licence (human or json)
  audit fetch              download the advisory database for later use
  audit init               write a deny.toml that fits the project, add a task to deno.json
  audit baseline           accept the present findings, so that only new ones fail
  audit explain CODE       what a finding means and what to do about it, by its code or as the
                           report prints it: advisories/vulnerability

Options:
  --project DIR         folder of the project (default: the working directory)
  --lock FILE           lockfile (default: the one that deno.json names, or deno.lock)
  --config FILE         policy (default: deny.toml of the project, or the built-in one)
  --db PATH             advisories: a folder or zip archive of OSV records; for fetch, the
                        folder to store them in
  --offline             ask no network
  --require-complete    fail when advisories could not be looked up, whatever the policy says
  --format FORMAT       human, json, sarif or cyclonedx on standard output (default: human)
  --output FORMAT=FILE  also write a report to a file; may be given more than once
  --verbose             show every finding where the human report would fold them
  --help, --version

Exit code: 0 clean, 1 findings at error level, 2 the audit could not run, 3 incomplete.
`;
