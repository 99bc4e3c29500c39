import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../../src/errors.ts";
import type { Policy } from "../../../src/supply_chain/policy/policy.ts";
import {
  builtInPolicy,
  MAX_POLICY_LENGTH,
  parsePolicy,
} from "../../../src/supply_chain/policy/policy_file.ts";

function parsed(text: string): Promise<Policy> {
  return parsePolicy(text, { path: "deny.toml" });
}

async function problems(text: string): Promise<string[]> {
  const error = await assertRejects(() => parsed(text), SecurityError);
  assertEquals(error.code, "policy-invalid");
  return error.message.split("\n");
}

/** A policy of several files, read from a table; the first is the policy itself. */
function fromFiles(files: Record<string, string>): Promise<Policy> {
  const table = new Map(Object.entries(files));
  const [path, text] = [...table][0]!;
  return parsePolicy(text, {
    path,
    resolve: (path) => {
      const text = table.get(path);
      return text === undefined ? Promise.reject(new Error("none")) : Promise.resolve(text);
    },
  });
}

const TURBOMCP = `[bans]
multiple-versions = "deny"
wildcards = "deny"
[licenses]
unlicensed = "deny"
allow = ["MIT", "Apache-2.0", "BSD-3-Clause"]
[advisories]
vulnerability = "deny"
unmaintained = "warn"
notice = "warn"
`;

Deno.test("parsePolicy() accepts keys of an earlier form and names today's", async () => {
  const policy = await parsed(TURBOMCP);
  assertEquals(policy.bans.multipleVersions, "deny");
  assertEquals(policy.bans.wildcards, "deny");
  assertEquals(policy.licenses.unlicensed, "deny");
  assertEquals(policy.licenses.allow.map(({ text }) => text), [
    "MIT",
    "Apache-2.0",
    "BSD-3-Clause",
  ]);
  assertEquals(policy.licenses.allow[1], { text: "Apache-2.0", line: 6, column: 17 });
  assertEquals(policy.advisories.vulnerability, "deny");
  assertEquals(policy.advisories.unmaintained, { scope: "all", level: "warn" });
  assertEquals(policy.advisories.notice, "warn");
  assertEquals(
    policy.notes.map(({ code, severity, check, line, file }) => [
      code,
      severity,
      check,
      line,
      file,
    ]),
    [
      ["legacy-key", "note", "licenses", 5, "deny.toml"],
      ["legacy-key", "note", "advisories", 8, "deny.toml"],
      ["legacy-key", "note", "advisories", 9, "deny.toml"],
      ["legacy-key", "note", "advisories", 10, "deny.toml"],
    ],
  );
  assertStringIncludes(policy.notes[2]!.help, '{ scope = "all", level = "warn" }');
});

Deno.test("parsePolicy() has no notes about today's form", async () => {
  const policy = await parsed(`
[advisories]
unmaintained = { scope = "all", level = "warn" }
unsound = "workspace"
[licenses]
unlicensed = "warn"
`);
  assertEquals(policy.notes, []);
  assertEquals(policy.advisories.unmaintained, { scope: "all", level: "warn" });
  assertEquals(policy.advisories.unsound, { scope: "workspace", level: "deny" });
});

Deno.test("parsePolicy() fills a written section with cargo-deny's defaults", async () => {
  const { advisories, licenses, bans, sources, integrity, graph, notes } = await parsed(
    "[advisories]\n[licenses]\n[bans]\n[sources]\n[integrity]\n",
  );
  assertEquals(advisories.unmaintained, { scope: "all", level: "deny" });
  assertEquals(advisories.unsound, { scope: "workspace", level: "deny" });
  assertEquals([advisories.vulnerability, advisories.incomplete], ["deny", "deny"]);
  assertEquals([advisories.notice, advisories.yanked, advisories.deprecated], [
    "warn",
    "warn",
    "warn",
  ]);
  assertEquals(advisories.maximumDbStalenessSeconds, 90 * 86_400);
  assertEquals([licenses.allow.length, licenses.unlicensed], [0, "deny"]);
  assertEquals(licenses.confidenceThreshold, 0.8);
  assertEquals([bans.multipleVersions, bans.wildcards, bans.installScripts], [
    "warn",
    "warn",
    "warn",
  ]);
  assertEquals([sources.allowRegistry, sources.allowHost, sources.requiredGitSpec], [
    [],
    [],
    "any",
  ]);
  assertEquals([integrity.missingLock, integrity.missingHash, integrity.drift], [
    "deny",
    "deny",
    "warn",
  ]);
  assertEquals([graph.exclude, graph.excludeDev, notes], [[], false, []]);
});

Deno.test("parsePolicy() takes a section that is not written from the built-in policy", async () => {
  const policy = await parsed('[bans]\nmultiple-versions = "deny"\n');
  const builtIn = await builtInPolicy();
  assertEquals(policy.bans.multipleVersions, "deny");
  assertEquals(
    policy.licenses.allow.map(({ text }) => text),
    builtIn.licenses.allow.map(({ text }) => text),
  );
  // A place in the built-in text must not be shown as one in the user's file.
  assertEquals(policy.licenses.allow[0]!.file, "built-in");
  assertEquals(policy.path, "deny.toml");
});

Deno.test("parsePolicy() reads every key", async () => {
  const policy = await parsed(`
baseline = "audit/baseline.json"
[graph]
exclude = ["npm:esbuild", { package = "x@1", reason = "r" }]
exclude-dev = true
dev-paths = ["tests", "bench/"]
[advisories]
db-path = "db"
db-urls = ["https://example.com/all.zip"]
severity-threshold = "medium"
unmaintained = "transitive"
deprecated = "allow"
yanked = "deny"
unused-ignored-advisory = "deny"
maximum-db-staleness = "P1W"
incomplete = "warn"
ignore = [
  { id = "GHSA-35jh-r3h4-6jhm", reason = "not reached", package = "lodash@<5", path = "deno.json", until = "2027-01-31" },
  { id = "CVE-2020-1", reason = "r", until = 2028-02-29 },
  { crate = "x@1.0.0", reason = "withdrawn by mistake" },
  { code = "deprecated", name = "y", version = "^2", reason = "r" },
]
[licenses]
allow = ["MIT", "GPL-3.0-only WITH Classpath-exception-2.0", "LicenseRef-Acme"]
exceptions = [{ allow = ["MPL-2.0"], crate = "a" }, { allow = ["Zlib"], name = "b", version = "*" }]
confidence-threshold = 0.93
include-dev = true
private = { ignore = true, registries = ["https://npm.example.com"] }
unused-allowed-license = "allow"
unused-license-exception = "deny"
ignore = [{ code = "unlicensed", package = "x", reason = "r" }]
[[licenses.clarify]]
crate = "webpki"
expression = "ISC AND MIT"
license-files = [{ path = "docs/LICENSE", hash = "${"Ab".repeat(32)}" }]
[bans]
multiple-versions-include-dev = true
deny = [
  "a",
  { crate = "b@<1", wrappers = ["c", "@d/*"], reason = "r", use-instead = "e" },
  { name = "f", deny-multiple-versions = true },
]
allow = ["*"]
allow-workspace = true
skip = ["g@1", { package = "h", reason = "r" }]
skip-tree = ["i", { crate = "j", depth = 0 }]
install-scripts = "deny"
allow-build-scripts = ["k"]
build.allow-build-scripts = ["l"]
unused-skip = "allow"
[sources]
unknown-registry = "deny"
unknown-git = "deny"
unknown-host = "deny"
unpinned = "deny"
undeclared = "allow"
tarball = "deny"
allow-registry = ["npm", "jsr", "https://npm.example.com/a/"]
allow-scope = ["@std"]
allow-host = ["deno.land", "localhost:8000"]
allow-git = ["https://github.com/denoland/std"]
allow-org.github = ["denoland"]
allow-org.gitlab = ["a/b"]
private = ["https://git.example.com/"]
required-git-spec = "rev"
unused-allowed-source = "deny"
unused-allowed-org = "allow"
[integrity]
missing-hash = "warn"
drift = "deny"
frozen = "deny"
missing-lock = "warn"
minimum-dependency-age = "allow"
typosquat = "deny"
unknown-field = "allow"
allow-typosquat = ["lodahs"]
`);
  assertEquals(policy.notes, []);
  assertEquals(policy.baseline, "audit/baseline.json");
  assertEquals(policy.graph.exclude.map(({ spec, reason }) => [spec.name, reason]), [
    ["esbuild", undefined],
    ["x", "r"],
  ]);
  assertEquals([policy.graph.excludeDev, policy.graph.devPaths], [true, ["tests", "bench/"]]);
  const { advisories, licenses, bans, sources, integrity } = policy;
  assertEquals([advisories.dbPath, advisories.dbUrls], ["db", ["https://example.com/all.zip"]]);
  assertEquals([advisories.severityThreshold, advisories.incomplete], ["medium", "warn"]);
  assertEquals(advisories.unmaintained, { scope: "transitive", level: "deny" });
  assertEquals(advisories.maximumDbStalenessSeconds, 7 * 86_400);
  assertEquals(
    advisories.ignore.map(({ id, package: spec, path, until, line }) => [
      id,
      spec?.text,
      path,
      until,
      line,
    ]),
    [
      ["GHSA-35jh-r3h4-6jhm", "lodash@<5", "deno.json", "2027-01-31", 18],
      ["CVE-2020-1", undefined, undefined, "2028-02-29", 19],
      ["yanked", "x@1.0.0", undefined, undefined, 20],
      ["deprecated", "y@^2", undefined, undefined, 21],
    ],
  );
  assertEquals(licenses.allow.map(({ text }) => text), [
    "MIT",
    "GPL-3.0-only WITH Classpath-exception-2.0",
    "LicenseRef-Acme",
  ]);
  assertEquals(licenses.exceptions.map(({ spec, allow }) => [spec.text, allow]), [
    ["a", ["MPL-2.0"]],
    ["b@*", ["Zlib"]],
  ]);
  assertEquals([licenses.confidenceThreshold, licenses.includeDev], [0.93, true]);
  assertEquals(licenses.private, { ignore: true, registries: ["https://npm.example.com"] });
  assertEquals(licenses.clarify[0]!.expression, "ISC AND MIT");
  assertEquals(licenses.clarify[0]!.licenseFiles, [
    { path: "docs/LICENSE", hash: "ab".repeat(32) },
  ]);
  assertEquals(licenses.ignore[0]!.id, "unlicensed");
  assertEquals(
    bans.deny.map(({ spec, wrappers, useInstead }) => [spec.text, wrappers, useInstead]),
    [
      ["a", [], undefined],
      ["b@<1", [{ name: "c", text: "c" }, { name: "@d/*", text: "@d/*" }], "e"],
    ],
  );
  assertEquals(bans.denyMultipleVersions?.map(({ spec }) => spec.name), ["f"]);
  assertEquals(bans.skipTree.map(({ depth }) => depth), [Infinity, 0]);
  assertEquals(bans.allowBuildScripts.map(({ spec }) => spec.name), ["k", "l"]);
  assertEquals([bans.allowWorkspace, bans.installScripts, bans.unusedSkip], [
    true,
    "deny",
    "allow",
  ]);
  assertEquals(sources.allowRegistry.map(({ text }) => text), [
    "npm",
    "jsr",
    "https://npm.example.com/a/",
  ]);
  assertEquals(sources.allowOrg.github.map(({ text }) => text), ["denoland"]);
  assertEquals(sources.allowOrg.gitlab.map(({ text }) => text), ["a/b"]);
  assertEquals(sources.allowOrg.bitbucket, []);
  assertEquals(sources.private?.map(({ text }) => text), ["https://git.example.com/"]);
  assertEquals([sources.requiredGitSpec, sources.tarball], ["rev", "deny"]);
  assertEquals(integrity.allowTyposquat[0]!.spec.name, "lodahs");
  assertEquals([integrity.missingHash, integrity.drift, integrity.unknownField], [
    "warn",
    "deny",
    "allow",
  ]);
});

Deno.test("parsePolicy() notes the keys of cargo-deny that mean nothing here", async () => {
  const { notes, bans, advisories, graph } = await parsed(`
targets = []
exclude = ["old-place"]
[graph]
targets = ["x86_64-unknown-linux-gnu"]
all-features = true
no-default-features = false
features = ["a"]
exclude-unpublished = true
[output]
feature-depth = 1
[advisories]
version = 2
git-fetch-with-cli = true
db-urls = ["https://github.com/RustSec/advisory-db"]
disable-yank-checking = true
yanked = "deny"
[licenses]
version = 2
include-build = false
private.ignore-sources = ["https://example.com"]
[bans]
highlight = "all"
allow-wildcard-paths = true
workspace-dependencies = { unused = "deny" }
external-default-features = "allow"
workspace-default-features = "allow"
build.executables = "deny"
[bans.std-replacements]
scope = "all"
[[bans.features]]
crate = "reqwest"
`);
  const byCode = Map.groupBy(notes, ({ code }) => code);
  assertEquals(byCode.get("legacy-key")?.map(({ message }) => message), [
    "exclude is an earlier form, which still works",
  ]);
  assertEquals(graph.exclude.map(({ spec }) => spec.name), ["old-place"]);
  assertEquals(byCode.get("key-not-applicable")?.map(({ line }) => line), [
    ...[2, 5, 6, 7, 8, 9, 11, 13, 14, 15, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 31],
  ]);
  assertEquals(bans.deny, []);
  assertEquals([advisories.dbUrls, advisories.yanked], [[], "allow"]);
});

Deno.test("parsePolicy() says what became of the earlier keys of [licenses]", async () => {
  const { notes, licenses } = await parsed(`[licenses]
deny = ["GPL-3.0-only"]
copyleft = "deny"
default = "allow"
allow-osi-fsf-free = "both"
allow = ["MIT"]
`);
  assertEquals(licenses.allow.map(({ text }) => text), ["MIT"]);
  assertEquals(notes.map(({ line, message }) => [line, message.includes("allows nothing")]), [
    [2, false],
    [3, false],
    [4, true],
    [5, true],
  ]);
  assertStringIncludes(
    (await problems('[licenses]\ndeny = ["MIT"]\nallow = ["MIT"]'))[0]!,
    'deny.toml:2:9: licenses.deny: "MIT" is in licenses.allow too',
  );
});

Deno.test("parsePolicy() tells an empty list of registries from none", async () => {
  assertEquals((await parsed("[sources]")).sources.allowRegistry, []);
  assertEquals((await parsed("[sources]\nallow-registry = []")).sources.allowRegistry, [
    { text: "none", line: 2, column: 1 },
  ]);
});

Deno.test("parsePolicy() names place and cause of every problem", async () => {
  const table: readonly (readonly [string, string])[] = [
    ["[licences]\n", '1:1: unknown key "licences"; did you mean "licenses"?'],
    [
      '[bans]\n\n  mutliple-versions = "deny"',
      '3:3: unknown key "mutliple-versions" in bans; did you mean "multiple-versions"?',
    ],
    ["[bans]\n__proto__ = 1", '2:1: unknown key "__proto__" in bans'],
    ["[bans.constructor]", '1:1: unknown key "constructor" in bans'],
    ['bans = "x"', '1:1: bans: expected a table, found "x"'],
    ["[[bans]]", "1:1: bans: expected a table, found a list"],
    ['[bans]\nwildcards = "dney"', '2:1: bans.wildcards: expected "deny" or "warn" or "allow"'],
    ['[bans]\nwildcards = "dney"', 'did you mean "deny"?'],
    ["[bans]\nwildcards = true", "found the boolean true"],
    ['[bans]\ndeny = "x"', '2:1: bans.deny: expected a list, found "x"'],
    ["[bans]\ndeny = [\n  1,\n]", "3:3: bans.deny: expected a table, found the number 1"],
    ['[bans]\ndeny = ["a@"]', '2:9: bans.deny: "a@" names no package: nothing follows'],
    ["[bans]\ndeny = [{}]", '2:9: bans.deny: package = "NAME" is missing'],
    ['[bans]\ndeny = [{ crate = "a", name = "b" }]', "only one of package, crate and name"],
    ['[bans]\ndeny = [{ crate = "a", version = "1" }]', "version belongs to name"],
    ['[bans]\ndeny = [{ crate = "a", wraps = ["b"] }]', '2:24: unknown key "wraps" in bans.deny'],
    [
      '[bans]\ndeny = [{ crate = "a", wrappers = [], deny-multiple-versions = true }]',
      "2:9: bans.deny: deny-multiple-versions and wrappers exclude each other",
    ],
    ['[bans]\nskip-tree = [{ crate = "a", depth = -1 }]', "a whole number of levels"],
    ['[bans]\nskip-tree = [{ crate = "a", depth = 1.5 }]', "a whole number of levels"],
    ['[advisories]\nignore = ["GHSA-x"]', "2:11: advisories.ignore: an entry needs a reason"],
    ['[advisories]\nignore = [{ id = "GHSA-x" }]', "an entry needs a reason"],
    ['[advisories]\nignore = [{ id = "GHSA-x", reason = " " }]', "a text that is not empty"],
    ['[advisories]\nignore = [{ reason = "r" }]', "id or package is missing"],
    ['[advisories]\nignore = [{ code = "vulnerability", reason = "r" }]', "by the advisory's id"],
    ['[advisories]\nignore = [{ id = "A-1", code = "yanked", reason = "r" }]', "only one of id"],
    ['[bans]\nignore = [{ id = "A-1", reason = "r" }]', "id is for advisories"],
    ['[bans]\nignore = [{ code = "dupplicate", reason = "r" }]', 'did you mean "duplicate"?'],
    ['[bans]\nignore = [{ code = "typosquat", reason = "r" }]', "a code of the bans check"],
    ...["2027-02-29", "2027-13-01", "2027-1-1", "tomorrow"].map((day) =>
      [
        `[bans]\nignore = [{ code = "duplicate", reason = "r", until = "${day}" }]`,
        `expected a date such as "2027-01-31", found "${day}"`,
      ] as const
    ),
    [
      '[bans]\nignore = [{ code = "duplicate", reason = "r", until = 2027-02-31 }]',
      "found the date 2027-02-31",
    ],
    [
      '[bans]\nignore = [{ code = "duplicate", reason = "r", until = 2027-01-31T00:00:00Z }]',
      "expected a date",
    ],
    ['[licenses]\nallow = ["apache-2"]', 'did you mean "Apache-2.0"?'],
    ['[licenses]\nallow = ["MIT OR ISC"]', "list its licences one by one"],
    ["[licenses]\nconfidence-threshold = 1.1", "a number from 0.0 to 1.0"],
    ["[licenses]\nconfidence-threshold = nan", "a number from 0.0 to 1.0"],
    ['[licenses]\nexceptions = [{ crate = "a" }]', 'allow = ["LICENCE"] is missing'],
    [
      '[[licenses.clarify]]\ncrate = "a"\nlicense-files = []',
      "1:1: licenses.clarify: expression is",
    ],
    ['[[licenses.clarify]]\ncrate = "a"\nexpression = "MIT"', "license-files is missing"],
    [
      '[[licenses.clarify]]\ncrate = "a"\nexpression = "MIT"\n' +
      'license-files = [{ path = "../x", hash = "' + "0".repeat(64) + '" }]',
      "a path inside the package",
    ],
    [
      '[[licenses.clarify]]\ncrate = "a"\nexpression = "MIT"\nlicense-files = [{ path = "x" }]',
      "4:18: licenses.clarify.license-files: needs path and hash",
    ],
    [
      '[[licenses.clarify]]\ncrate = "a"\nexpression = "MIT"\n' +
      'license-files = [{ path = "x", hash = 0xbd0eed23 }]',
      "4:32: licenses.clarify.license-files.hash: expected a SHA-256 hash",
    ],
    ['[sources]\nallow-registry = ["npm.example.com"]', "the address of a registry"],
    ['[sources]\nallow-registry = ["https://u:p@example.com"]', "without credentials"],
    ['[sources]\nallow-host = ["https://deno.land"]', "a host such as"],
    ['[sources]\nallow-scope = ["std"]', "a scope such as"],
    ['[sources]\nallow-org.github = ["https://github.com/a"]', "the name of an organisation"],
    ['[sources]\nallow-org.gihub = ["a"]', 'did you mean "github"?'],
    ['[sources]\nrequired-git-spec = "commit"', '"any" or "branch" or "tag" or "rev"'],
    ['[advisories]\nmaximum-db-staleness = "90 days"', "an ISO 8601 duration"],
    ["[advisories]\nunmaintained = 1", "a scope such as"],
    ['[advisories]\nunmaintained = "al"', 'did you mean "all"?'],
    ['[graph]\ndev-paths = ["/etc"]', "a path inside the project"],
    [`[advisories]\ndb-path = "${"x".repeat(2001)}"`, "longer than 2000 characters"],
    ['baseline = "../b.json"', "1:1: baseline: expected a path inside the project"],
  ];
  for (const [text, expected] of table) {
    const [first, ...others] = await problems(text);
    assertStringIncludes(first!, expected);
    assert(first!.startsWith("deny.toml:"), first);
    assertEquals(others, [], text);
  }
});

Deno.test("parsePolicy() reports all problems together, in the order of the file", async () => {
  const text = "[bans]\nwildcards = 1\n[sources]\nunpinned = 2\n[advisories]\nyanked = 3\n";
  assertEquals((await problems(text)).map((line) => line.split(": ")[0]), [
    "deny.toml:2:1",
    "deny.toml:4:1",
    "deny.toml:6:1",
  ]);
});

Deno.test("parsePolicy() shows twenty problems and counts the rest", async () => {
  const keys = (count: number) =>
    Array.from({ length: count }, (_, index) => `zz${index} = 1\n`).join("");
  assertEquals((await problems(keys(20))).length, 20);
  const error = await assertRejects(() => parsed(keys(25)), SecurityError);
  const lines = error.message.split("\n");
  assertEquals([lines.length, lines.at(-1)], [21, "and 5 more"]);
  assertEquals(error.details.count, 25);
});

Deno.test("parsePolicy() points at what is no TOML", async () => {
  const error = await assertRejects(() => parsed("[bans]\nwildcards = \n"), SecurityError);
  assertEquals(error.code, "policy-invalid");
  assertStringIncludes(error.message, "deny.toml:2:13: ");
  assertFalse(error.message.includes("\n"));
  await assertRejects(() => parsed("a = 1\na = 2"), SecurityError, "deny.toml:2:1: ");
  await assertRejects(() => parsed("a = " + "[".repeat(40)), SecurityError, "nested");
});

Deno.test("parsePolicy() never shows control characters of the file", async () => {
  const [line] = await problems('"\\u001b[2J\\u202e" = 1');
  assertStringIncludes(line!, "\\u001b[2J\\u202e");
  assertFalse(line!.includes("\u001b") || line!.includes("\u202e"));
});

Deno.test("parsePolicy() refuses a file beyond its limit", async () => {
  const text = "#".repeat(MAX_POLICY_LENGTH);
  assertEquals((await parsed(text)).notes, []);
  await assertRejects(() => parsed(text + "#"), SecurityError, "longer than 1000000 characters");
});

Deno.test("parsePolicy() puts a file on top of those that it extends", async () => {
  const policy = await fromFiles({
    "deny.toml": `extends = ["policy/a.toml", "policy/b.toml"]
[bans]
wildcards = "allow"
deny = ["own"]
[licenses.private]
ignore = true
`,
    "policy/a.toml": `extends = "base.toml"
[bans]
wildcards = "deny"
multiple-versions = "deny"
deny = ["a"]
`,
    "policy/b.toml": `extends = "./base.toml"
baseline = "b.json"
[bans]
multiple-versions = "allow"
deny = ["b"]
[licenses.private]
registries = ["https://example.com"]
`,
    "policy/base.toml": `[bans]
unused-skip = "deny"
deny = ["base"]
[advisories]
notice = "deny"
`,
  });
  const { bans, licenses, advisories, baseline, notes } = policy;
  assertEquals([bans.wildcards, bans.multipleVersions, bans.unusedSkip], [
    "allow",
    "allow",
    "deny",
  ]);
  // The shared base counts once.
  assertEquals(bans.deny.map(({ spec, file, line }) => [spec.name, file, line]), [
    ["base", "policy/base.toml", 3],
    ["a", "policy/a.toml", 5],
    ["b", "policy/b.toml", 5],
    ["own", undefined, 4],
  ]);
  assertEquals(licenses.private, { ignore: true, registries: ["https://example.com"] });
  assertEquals(advisories.notice, "deny");
  assertEquals(baseline, "b.json");
  assertEquals(notes.map(({ code, file }) => [code, file]), [["legacy-key", "policy/base.toml"]]);
});

Deno.test("parsePolicy() lets a file name its own baseline", async () => {
  const policy = await fromFiles({
    "deny.toml": 'extends = "a.toml"\nbaseline = "own.json"',
    "a.toml": 'baseline = "a.json"',
  });
  assertEquals(policy.baseline, "own.json");
});

Deno.test("parsePolicy() extends files only, and without a cycle", async () => {
  const table: readonly (readonly [Record<string, string>, string])[] = [
    [{ "deny.toml": 'extends = "deny.toml"' }, "1:1: extends itself: deny.toml -> deny.toml"],
    [
      { "deny.toml": 'extends = "a.toml"', "a.toml": 'extends = "deny.toml"' },
      "a.toml:1:1: extends",
    ],
    [
      { "deny.toml": 'extends = "../a.toml"', "../a.toml": 'extends = "a.toml"' },
      "../a.toml:1:1: extends itself",
    ],
    [{ "deny.toml": 'extends = "x/../../a.toml"' }, "cannot read ../a.toml"],
    [{ "deny.toml": 'extends = "/etc/passwd"' }, "the path of another file"],
    [{ "deny.toml": 'extends = "https://example.com/a.toml"' }, "the path of another file"],
    [{ "deny.toml": 'extends = "//example.com/a.toml"' }, "the path of another file"],
    [{ "deny.toml": 'extends = "C:\\\\a.toml"' }, "the path of another file"],
    [{ "deny.toml": 'extends = "."' }, "the path of another file"],
    [{ "deny.toml": 'extends = ".."' }, "the path of another file"],
    [{ "deny.toml": 'extends = "../"' }, "the path of another file"],
    [{ "/p/deny.toml": 'extends = "../../../a.toml"' }, "the path of another file"],
    [{ "deny.toml": "extends = 1" }, "1:1: extends: expected a text"],
    [{ "deny.toml": 'extends = ["a.toml",\n1]' }, "2:1: extends: expected a text"],
    [{ "deny.toml": 'extends = "none.toml"' }, "cannot read none.toml, which it extends"],
    [{ "deny.toml": 'extends = "a.toml"', "a.toml": "bans = 1" }, "a.toml:1:1: bans: expected"],
    [{ "deny.toml": 'extends = "a.toml"', "a.toml": "bans = " }, "a.toml:1:8: "],
  ];
  for (const [files, expected] of table) {
    const error = await assertRejects(() => fromFiles(files), SecurityError);
    assertEquals(error.code, "policy-invalid");
    assertStringIncludes(error.message, expected);
  }
  await assertRejects(() => parsed('extends = "a.toml"'), SecurityError, "cannot be used here");
  const inFolder = await fromFiles({
    "config/deny.toml": 'extends = "../a.toml"',
    "a.toml": '[bans]\nwildcards = "deny"',
  });
  assertEquals(inFolder.bans.wildcards, "deny");
});

Deno.test("parsePolicy() extends a policy that the members of a repository share", async () => {
  const shared = '[bans]\nwildcards = "deny"\ndeny = ["a"]\n';
  const cases: readonly (readonly [path: string, text: string, shared: string])[] = [
    ["deny.toml", "../deny.base.toml", "../deny.base.toml"],
    ["deny.toml", "../../deny.toml", "../../deny.toml"],
    ["config/deny.toml", "../../common/deny.toml", "../common/deny.toml"],
    ["../team/deny.toml", "../deny.toml", "../deny.toml"],
    ["/w/team/deny.toml", "../deny.toml", "/w/deny.toml"],
  ];
  for (const [path, text, at] of cases) {
    const { bans } = await fromFiles({ [path]: `extends = "${text}"\n`, [at]: shared });
    assertEquals([bans.wildcards, bans.deny[0]!.file], ["deny", at], path);
  }
});

Deno.test("parsePolicy() limits how deep and how many files a policy extends", async () => {
  const chain = (depth: number) =>
    Object.fromEntries(
      Array.from({ length: depth + 1 }, (_, index) => [
        `${index}.toml`,
        index < depth ? `extends = "${index + 1}.toml"` : '[bans]\nwildcards = "deny"',
      ]),
    );
  assertEquals((await fromFiles(chain(8))).bans.wildcards, "deny");
  await assertRejects(() => fromFiles(chain(9)), SecurityError, "more than 8 files deep");

  const star = (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `${index}.toml`);
    const files = names.map((name) => [name, ""]);
    return { "deny.toml": `extends = ${JSON.stringify(names)}`, ...Object.fromEntries(files) };
  };
  assertEquals((await fromFiles(star(31))).notes, []);
  await assertRejects(() => fromFiles(star(32)), SecurityError, "more than 32 files");
});

/** Resolves to the policy, or to nothing after a SecurityError; anything else is thrown. */
async function tryParse(text: string): Promise<Policy | undefined> {
  try {
    return await parsed(text);
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "policy-invalid");
    assert(/^deny\.toml[: ]/.test(error.message), error.message);
    return undefined;
  }
}

Deno.test("parsePolicy() throws nothing but SecurityError on mutated policies", async () => {
  const piece = fc.oneof(
    fc.constantFrom("[", "]", "{", "}", '"', "'", '"""', "=", ",", ".", "\n", "#", "\\", "1", "[["),
    fc.constantFrom("[bans]\n", "[[licenses]]\n", "deny = ", "__proto__", "= 2027-02-31", "= nan"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  const edit = fc.tuple(fc.nat(TURBOMCP.length), fc.nat(12), piece);
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      let text = TURBOMCP;
      for (const [at, length, insert] of edits) {
        text = text.slice(0, at) + insert + text.slice(at + length);
      }
      if (await tryParse(text)) accepted++;
    }),
    { seed: 15, numRuns: 1500 },
  );
  // Were no mutation ever accepted, the code behind the syntax would not have been reached.
  assert(accepted > 0);
});

Deno.test("parsePolicy() throws nothing but SecurityError on any values for its keys", async () => {
  const { stringify } = await import("smol-toml");
  const value = fc.oneof(
    fc.constantFrom("deny", "all", "a@1", "MIT", "npm", "P1D", "https://example.com"),
    fc.string({ maxLength: 6 }),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.array(fc.constantFrom("a", "b@^1", "MIT", "GHSA-x"), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        "id",
        "code",
        "reason",
        "crate",
        "package",
        "path",
        "until",
        "scope",
        "allow",
      ),
      fc.constantFrom<unknown>("a", "yanked", "2027-01-31", 1, true, ["MIT"]),
    ),
  );
  const key = fc.constantFrom(
    ...["ignore", "deny", "allow", "skip-tree", "unmaintained", "clarify", "exceptions", "private"],
    ...["allow-org", "allow-registry", "build", "maximum-db-staleness", "__proto__", "toString"],
  );
  const document = fc.dictionary(
    fc.constantFrom("graph", "advisories", "licenses", "bans", "sources", "integrity", "extends"),
    fc.oneof(value, fc.dictionary(key, fc.oneof(value, fc.array(value, { maxLength: 2 })))),
  );
  await fc.assert(
    fc.asyncProperty(document, async (document) => {
      await tryParse(stringify(document as Record<string, unknown>));
    }),
    { seed: 16, numRuns: 1500 },
  );
});
