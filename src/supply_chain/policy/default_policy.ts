/** Licences that ask for no more than attribution, by SPDX identifier. */
export const PERMISSIVE_LICENSES: readonly string[] = [
  "0BSD",
  "Apache-2.0",
  "Apache-2.0 WITH LLVM-exception",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC-BY-3.0",
  "CC-BY-4.0",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Python-2.0",
  "Unicode-3.0",
  "Unicode-DFS-2016",
  "Unlicense",
  "WTFPL",
  "Zlib",
];

/**
 * The policy that applies when a project has no deny.toml.
 *
 * It fails for what is dangerous whoever the user is (a known vulnerability, no lockfile, an entry
 * without a hash, a licence that asks for something in return) and warns about the rest. It says
 * nothing about entries of its own lists that a project does not need.
 */
export const BUILT_IN_POLICY = `\
# Levels: "deny" is an error and fails the audit, "warn" is a warning, "allow" says nothing.
# Sections and keys are those of cargo-deny where they mean the same.

[advisories]
# A package that nobody maintains is worth knowing about; whether to leave it is a decision.
unmaintained = { scope = "all", level = "warn" }
unsound = { scope = "workspace", level = "warn" }
# Withdrawn by its publisher (yanked), or marked as not to be used any more (deprecated).
yanked = "warn"
deprecated = "warn"
# An audit that could not look advisories up is not a clean audit. "warn" says so and passes.
incomplete = "deny"
# A stored database that is older than this is not used in silence.
maximum-db-staleness = "P90D"
unused-ignored-advisory = "allow"
# Each entry needs a reason, and should have a last day:
# ignore = [{ id = "GHSA-xxxx-xxxx-xxxx", reason = "…", until = "2027-01-31" }]

[licenses]
# Licences that ask for no more than attribution. MPL-2.0 is not among them: it asks that changes to
# its files are published, which a project should decide about by itself.
allow = [
${PERMISSIVE_LICENSES.map((id) => `  "${id}",\n`).join("")}]
# Whether a licence can be found depends on what is installed, so its absence is a warning here.
unlicensed = "warn"
unused-allowed-license = "allow"
unused-license-exception = "allow"

[bans]
# Nearly every npm graph has packages in several versions; warnings about them would hide the others.
multiple-versions = "allow"
wildcards = "warn"
# Install scripts that deno.json's allowScripts does not name.
install-scripts = "warn"
unused-skip = "allow"

[sources]
unknown-registry = "warn"
unknown-git = "warn"
# Hosts of https imports. These serve what was published under a version; a host that serves whatever
# anybody has put on a branch, such as raw.githubusercontent.com, is a matter of allow-git.
unknown-host = "warn"
allow-host = ["deno.land", "esm.sh", "jsr.io"]
unpinned = "warn"
undeclared = "warn"
tarball = "warn"
unused-allowed-source = "allow"
unused-allowed-org = "allow"

[integrity]
# Without a lockfile or a hash nothing else that is checked here can be relied on.
missing-lock = "deny"
missing-hash = "deny"
drift = "warn"
frozen = "warn"
minimum-dependency-age = "warn"
typosquat = "warn"
unknown-field = "warn"
`;
