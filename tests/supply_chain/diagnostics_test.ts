import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { audit, type AuditReport } from "../../src/supply_chain/mod.ts";
import { CODES } from "../../src/supply_chain/codes.ts";
import { SHA256, SHA512, temporaryProject } from "./fixture.ts";

type Files = Readonly<Record<string, unknown>>;

/** A project that no check has anything to say about. */
const config = {
  name: "@acme/app",
  version: "1.0.0",
  license: "MIT",
  imports: {
    a: "npm:a1@^1.0.0",
    std: "jsr:@s/n@^1.0.0",
    x: "https://deno.land/x/x1@v1.0.0/mod.ts",
  },
  lock: { frozen: true },
};
const lock = {
  version: "5",
  specifiers: { "npm:a1@1": "1.0.0", "jsr:@s/n@1": "1.0.0" },
  jsr: { "@s/n@1.0.0": { integrity: SHA256 } },
  npm: {
    "a1@1.0.0": { integrity: SHA512, dependencies: ["b1"] },
    "b1@1.0.0": { integrity: SHA512 },
  },
  remote: { "https://deno.land/x/x1@v1.0.0/mod.ts": SHA256 },
  workspace: { dependencies: ["jsr:@s/n@1", "npm:a1@1"] },
};
const policy = `
[advisories]
[licenses]
allow = ["MIT"]
[[licenses.clarify]]
package = "https:deno.land/*"
expression = "MIT"
license-files = []
[bans]
multiple-versions = "deny"
[sources]
allow-host = ["deno.land"]
[integrity]
frozen = "deny"
`;
const manifest = (name: string, license?: unknown) => ({
  [`node_modules/.deno/${name}@1.0.0/node_modules/${name}/package.json`]: {
    name,
    version: "1.0.0",
    license,
  },
});
const record = (id: string, fields: Readonly<Record<string, unknown>> = {}) => ({
  [`db/${id}.json`]: {
    id,
    modified: "2026-11-01T00:00:00Z",
    affected: [{
      package: { ecosystem: "npm", name: "b1" },
      ranges: [{ type: "SEMVER", events: [{ introduced: "0" }, { fixed: "1.0.1" }] }],
    }],
    ...fields,
  },
});
const clean: Files = {
  "deno.json": config,
  "deno.lock": lock,
  "deny.toml": policy,
  ...manifest("a1", "MIT"),
  ...manifest("b1", "MIT"),
  "vendor/jsr.io/@s/n/1.0.0/deno.json": { name: "@s/n", version: "1.0.0", license: "MIT" },
  ...record("GHSA-xxxx-xxxx-0001", {
    affected: [{ package: { ecosystem: "npm", name: "other" } }],
  }),
};

const withPolicy = (text: string): Files => ({ "deny.toml": policy + text });
/** The policy with lines added to a section that it has. */
const inSection = (section: string, lines: string): Files => ({
  "deny.toml": policy.replace(`[${section}]\n`, `[${section}]\n${lines}\n`),
});
const withLock = (fields: Readonly<Record<string, unknown>>): Files => ({
  "deno.lock": { ...lock, ...fields },
});
const withConfig = (fields: Readonly<Record<string, unknown>>): Files => ({
  "deno.json": { ...config, ...fields },
});
const withNpm = (entries: Readonly<Record<string, unknown>>): Files =>
  withLock({ npm: { ...lock.npm, ...entries } });
const entry = (fields: Readonly<Record<string, unknown>> = {}) => ({
  integrity: SHA512,
  ...fields,
});
const inline = (name: string, version = "1.0.0") => ({
  specifiers: { ...lock.specifiers, [`npm:${name}@1`]: version },
  npm: { ...lock.npm, [`${name}@${version}`]: entry() },
});
const remote = (address: string): Files =>
  withLock({ remote: { ...lock.remote, [address]: SHA256 } });

/** What to change in the clean project so that a code is reported. */
const TRIGGERS: Readonly<Record<string, Files>> = {
  vulnerability: record("GHSA-xxxx-xxxx-0002"),
  malicious: record("MAL-2026-1"),
  unmaintained: record("RUSTSEC-1", { database_specific: { informational: "unmaintained" } }),
  unsound: {
    ...record("RUSTSEC-2", { database_specific: { informational: "unsound" } }),
    ...inSection("advisories", 'unsound = "all"'),
  },
  notice: record("RUSTSEC-3", { database_specific: { informational: "notice" } }),
  deprecated: withNpm({ "b1@1.0.0": entry({ deprecated: true }) }),
  yanked: {
    "vendor/jsr.io/@s/n/meta.json": {
      scope: "s",
      name: "n",
      versions: { "1.0.0": { yanked: true } },
    },
  },
  "advisory-undecidable": record("GHSA-xxxx-xxxx-0003", {
    affected: [{
      package: { ecosystem: "npm", name: "b1" },
      ranges: [{ type: "SEMVER", events: [{ introduced: "not a version" }] }],
    }],
  }),
  "advisory-ignored": {
    ...record("GHSA-xxxx-xxxx-0004"),
    ...inSection("advisories", 'ignore = [{ id = "GHSA-xxxx-xxxx-0004", reason = "unreachable" }]'),
  },
  "advisory-not-detected": inSection(
    "advisories",
    'ignore = [{ id = "GHSA-xxxx-xxxx-0005", reason = "unreachable" }]',
  ),
  "database-stale": { ".now": "2027-11-24T12:00:00Z" },

  rejected: manifest("b1", "GPL-3.0-only"),
  unlicensed: manifest("b1"),
  "parse-error": manifest("b1", "GPLv3 or so"),
  "low-confidence": {
    ...manifest("b1"),
    "node_modules/.deno/b1@1.0.0/node_modules/b1/LICENSE":
      "Permission is hereby granted, free of charge, to everybody and for everything.\n",
  },
  "license-not-encountered": { "deny.toml": policy.replace('["MIT"]', '["MIT", "ISC"]') },
  "license-exception-not-encountered": inSection(
    "licenses",
    'exceptions = [{ package = "absent", allow = ["ISC"] }]',
  ),
  "license-clarification-not-encountered": withPolicy(`
[[licenses.clarify]]
package = "absent"
expression = "MIT"
license-files = []
`),
  "missing-clarification-file": withPolicy(`
[[licenses.clarify]]
package = "b1"
expression = "MIT"
license-files = [{ path = "LICENSE", hash = "${SHA256}" }]
`),
  "clarification-mismatch": {
    ...withPolicy(`
[[licenses.clarify]]
package = "b1"
expression = "MIT"
license-files = [{ path = "LICENSE", hash = "${SHA256}" }]
`),
    "node_modules/.deno/b1@1.0.0/node_modules/b1/LICENSE": "changed",
  },
  "skipped-private-workspace-package": {
    ...withConfig({ publish: false }),
    ...inSection("licenses", "private = { ignore = true }"),
  },

  banned: inSection("bans", 'deny = ["b1"]'),
  "unmatched-wrapper": inSection("bans", 'deny = [{ package = "b1", wrappers = ["other"] }]'),
  "allowed-by-wrapper": inSection("bans", 'deny = [{ package = "b1", wrappers = ["a1"] }]'),
  "unused-wrapper": inSection("bans", 'deny = [{ package = "b1", wrappers = ["a1", "other"] }]'),
  "not-allowed": inSection("bans", 'allow = ["a1"]'),
  "unmatched-allow": inSection("bans", 'allow-build-scripts = ["absent"]'),
  duplicate: withLock({ ...inline("b1", "1.5.0") }),
  wildcard: {
    ...withConfig({ imports: { ...config.imports, c: "npm:b1" } }),
    ...withLock({
      specifiers: { ...lock.specifiers, "npm:b1@*": "1.0.0" },
      workspace: { dependencies: [...lock.workspace.dependencies, "npm:b1@*"] },
    }),
  },
  "unmatched-skip": inSection("bans", 'skip = ["absent"]'),
  "unnecessary-skip": inSection("bans", 'skip = ["b1"]'),
  "unmatched-skip-root": inSection("bans", 'skip-tree = ["absent"]'),
  "install-script-not-allowed": withNpm({ "b1@1.0.0": entry({ scripts: true }) }),

  "source-not-allowed": {
    ".npmrc": "@acme:registry=https://npm.acme.example/\n",
    ...withNpm({ "@acme/c@1.0.0": entry() }),
  },
  "scope-not-allowed": inSection("sources", 'allow-scope = ["@other"]'),
  "host-not-allowed": remote("https://example.com/mod.ts"),
  "insecure-import": remote("http://deno.land/x/x2@v1.0.0/mod.ts"),
  "git-source-underspecified": {
    ...remote("https://raw.githubusercontent.com/o/r/main/mod.ts"),
    ...inSection("sources", 'required-git-spec = "rev"'),
  },
  "tarball-url": withNpm({ "b1@1.0.0": entry({ tarball: "https://cdn.example/b1.tgz" }) }),
  "unpinned-import": remote("https://deno.land/x/x2/mod.ts"),
  "undeclared-import": { "src/main.ts": 'import "npm:b1@1.0.0";\n' },
  "unmatched-source": inSection("sources", 'allow-git = ["https://github.com/o/r"]'),
  "unmatched-organization": inSection("sources", 'allow-org = { github = ["o"] }'),

  "missing-lockfile": { "deno.lock": undefined },
  "missing-integrity": withNpm({ "b1@1.0.0": {} }),
  "weak-integrity": withNpm({
    "b1@1.0.0": entry({ integrity: "sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=" }),
  }),
  "lockfile-drift": withConfig({ imports: { ...config.imports, new: "npm:new1@^1" } }),
  "lockfile-not-frozen": withConfig({ lock: undefined }),
  "minimum-dependency-age": withConfig({ minimumDependencyAge: "P0D" }),
  typosquat: withNpm({ "lodahs@1.0.0": entry() }),
  "unknown-lockfile-field": withLock({ future: {} }),
  "malformed-entry": withNpm({ "b2@v1.0.0": entry() }),
  "duplicate-key": { "deno.lock": JSON.stringify(lock).replace('"remote"', '"jsr":{},"remote"') },

  "ignore-expired": inSection(
    "bans",
    'ignore = [{ code = "wildcard", reason = "later", until = "2026-01-01" }]',
  ),
  "unused-ignore": inSection("bans", 'ignore = [{ code = "wildcard", reason = "later" }]'),
  "legacy-key": inSection("licenses", 'unlicensed = "deny"'),
  "key-not-applicable": withPolicy("[graph]\nall-features = true\n"),
  "baseline-unused": {
    "deny.baseline.json": {
      version: 1,
      findings: [{ check: "bans", code: "banned", package: "npm:b1" }],
    },
  },
};

async function reportOf(changes: Files): Promise<AuditReport> {
  const files = Object.entries({ ...clean, ...changes }).filter(([, text]) => text !== undefined);
  await using project = await temporaryProject(Object.fromEntries(files));
  return await audit({
    project: project.path,
    db: join(project.path, "db"),
    now: new Date(String(changes[".now"] ?? "2026-11-24T12:00:00Z")),
    env: () => undefined,
  });
}

Deno.test("audit() finds nothing in a clean project", async () => {
  const report = await reportOf({});
  assertEquals(report.findings, []);
  assertEquals(report.exitCode, 0);
  assertEquals(report.coverage, {
    npm: { found: 2, checked: 2, unchecked: [] },
    jsr: {
      found: 1,
      checked: 0,
      unchecked: [{ reason: report.coverage.jsr.unchecked[0]!.reason, packages: 1 }],
    },
    https: {
      found: 1,
      checked: 0,
      unchecked: [{ reason: report.coverage.https.unchecked[0]!.reason, packages: 1 }],
      files: 1,
    },
    link: { found: 0, checked: 0, unchecked: [] },
  });
});

for (const [code, changes] of Object.entries(TRIGGERS)) {
  Deno.test(`audit() reports ${code} when the project has it`, async () => {
    const { findings } = await reportOf(changes);
    const found = findings.filter((finding) => finding.code === code);
    assertEquals(
      found.length > 0,
      true,
      findings.map(({ code, message }) => `${code}: ${message}`).join("\n"),
    );
    for (const { help, message } of found) assertEquals([help, message].includes(""), false);
  });
}

Deno.test("every code of the catalogue has a project that triggers it, and no other code is used", () => {
  assertEquals(Object.keys(TRIGGERS).sort(), CODES.map(({ code }) => code).sort());
});
