import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import list from "spdx-license-list/full.js";
import { runAudit } from "../../../src/supply_chain/audit.ts";
import type { Finding } from "../../../src/supply_chain/report.ts";
import { SHA512, temporaryProject } from "../fixture.ts";

const MIT = list["MIT"]!.licenseText;

type Files = Readonly<Record<string, unknown>>;

const UNUSED_OFF = 'unused-allowed-license = "allow"';

/** What is asked of the check: the policy's [licenses] section, packages and other files. */
interface Case {
  readonly policy?: string;
  /** Manifest of each npm package; `null` for one that is not installed. */
  readonly packages?: Readonly<Record<string, unknown>>;
  readonly config?: unknown;
  readonly files?: Files;
  readonly dev?: boolean;
}

async function check(
  {
    policy = `allow = ["MIT"]\n${UNUSED_OFF}`,
    packages = {},
    config = {},
    files = {},
    dev = false,
  }: Case,
): Promise<{ findings: readonly Finding[]; unknown: number }> {
  const names = Object.keys(packages);
  const dependencies = Object.fromEntries(names.map((name) => [name, "^1.0.0"]));
  const manifests = Object.entries(packages).filter(([, manifest]) => manifest !== null).map((
    [name, manifest],
  ) => [
    `node_modules/.deno/${name}@1.0.0/node_modules/${name}/package.json`,
    { name, version: "1.0.0", ...(manifest as Files) },
  ]);
  await using folder = await temporaryProject({
    "deno.json": config,
    "package.json": dev ? { devDependencies: dependencies } : { dependencies },
    "deno.lock": {
      version: "5",
      specifiers: Object.fromEntries(names.map((name) => [`npm:${name}@1`, "1.0.0"])),
      npm: Object.fromEntries(names.map((name) => [`${name}@1.0.0`, { integrity: SHA512 }])),
      workspace: { packageJson: { dependencies: names.map((name) => `npm:${name}@1`) } },
    },
    "deny.toml": `[licenses]\n${policy}\n`,
    ...Object.fromEntries(manifests),
    ...files,
  });
  const { report, licenses } = await runAudit({
    project: folder.path,
    checks: ["licenses"],
    env: () => undefined,
    now: new Date("2026-06-01T12:00:00Z"),
  });
  const unknown = [...licenses.values()].filter(({ expression }) => expression === undefined);
  const findings = report.findings.filter(({ code }) => code !== "legacy-key");
  return { findings, unknown: unknown.length };
}

async function codes(input: Case): Promise<readonly string[]> {
  const { findings } = await check(input);
  return findings.map(({ severity, code, package: of }) =>
    `${severity} ${code}${of ? ` ${of.name}` : ""}`
  );
}

async function only(input: Case): Promise<Finding> {
  const { findings } = await check(input);
  assertEquals(findings.length, 1, findings.map(({ message }) => message).join("\n"));
  return findings[0]!;
}

Deno.test("checkLicenses() says nothing when every licence is allowed", async () => {
  const packages = { a: { license: "MIT" }, b: { license: "MIT OR GPL-3.0-only" } };
  assertEquals(await codes({ packages }), []);
});

Deno.test("checkLicenses() rejects what the policy does not allow, and names it", async () => {
  const finding = await only({ packages: { a: { license: "MIT AND (GPL-3.0-only OR ISC)" } } });
  assertEquals(finding.code, "rejected");
  assertEquals(finding.severity, "error");
  assertEquals(finding.package, { ecosystem: "npm", name: "a", version: "1.0.0" });
  assertEquals(finding.why, [["file:package.json", "npm:a@1.0.0"]]);
  assertEquals(finding.location?.file, "deno.lock");
  assertStringIncludes(finding.message, "MIT AND (GPL-3.0-only OR ISC)");
  assertStringIncludes(finding.message, "does not allow GPL-3.0-only, ISC");
});

Deno.test("checkLicenses() rejects UNLICENSED whatever unlicensed says", async () => {
  const finding = await only({
    policy: `unlicensed = "allow"\nallow = ["Unlicense"]\n${UNUSED_OFF}`,
    packages: { a: { license: "UNLICENSED" } },
  });
  assertEquals([finding.severity, finding.code], ["error", "rejected"]);
  assertStringIncludes(finding.message, "proprietary");
});

Deno.test("checkLicenses() reports a package without licence at the level of unlicensed", async () => {
  for (const [level, severity] of [["deny", "error"], ["warn", "warning"]] as const) {
    const policy = `unlicensed = "${level}"`;
    const bare = await only({ policy, packages: { a: null } });
    assertEquals([bare.code, bare.severity], ["unlicensed", severity]);
    assertStringIncludes(bare.help, "Run deno install");
    const installed = await only({ policy, packages: { a: {} } });
    assertEquals([installed.code, installed.severity], ["unlicensed", severity]);
    assert(!installed.help.includes("deno install"));
    const missing = await only({ policy, packages: { a: { license: "SEE LICENSE IN X" } } });
    assertEquals([missing.code, missing.severity], ["unlicensed", severity]);
    const strange = await only({
      policy,
      packages: { a: {} },
      files: { "node_modules/.deno/a@1.0.0/node_modules/a/LICENSE": "You owe me a beer." },
    });
    assertEquals([strange.code, strange.severity], ["low-confidence", severity]);
  }
  assertEquals(await codes({ policy: 'unlicensed = "allow"', packages: { a: null, b: {} } }), []);
});

Deno.test("checkLicenses() tells what is not SPDX, with a guess that decides nothing", async () => {
  const policy = `unlicensed = "allow"\nallow = ["GPL-3.0-only"]\n${UNUSED_OFF}`;
  const finding = await only({ policy, packages: { a: { license: "GPLv3" } } });
  assertEquals([finding.severity, finding.code], ["error", "parse-error"]);
  assertStringIncludes(finding.message, '"GPLv3"');
  assertStringIncludes(finding.help, "GPL-3.0-only");
  const plain = await only({ packages: { a: { license: "Commercial" } } });
  assert(!plain.help.includes("may mean"));
});

Deno.test("checkLicenses() judges what is not SPDX by the licence file", async () => {
  const packages = { a: { license: "Expat-like" } };
  const files = { "node_modules/.deno/a@1.0.0/node_modules/a/LICENSE": MIT };
  const allowed = await only({ packages, files });
  assertEquals([allowed.severity, allowed.code], ["warning", "parse-error"]);
  const policy = `allow = ["ISC"]\n${UNUSED_OFF}`;
  const refused = await only({ policy, packages, files });
  assertEquals([refused.severity, refused.code], ["error", "rejected"]);
  assertStringIncludes(refused.message, "LICENSE");
});

Deno.test("checkLicenses() applies an exception to its package only", async () => {
  const policy = 'allow = ["MIT"]\nexceptions = [{ package = "a@^1", allow = ["ISC"] }]';
  const packages = { a: { license: "ISC" }, b: { license: "ISC" }, c: { license: "MIT" } };
  assertEquals(await codes({ policy, packages }), ["error rejected b"]);
});

Deno.test("checkLicenses() reports entries that no package needs", async () => {
  const policy = (level: string) => `
allow = ["MIT", "ISC", "EPL-2.0"]
exceptions = [
  { package = "absent", allow = ["ISC"] },
  # The allow list suffices.
  { package = "a", allow = ["MIT"] },
  { package = "b", allow = ["Zlib"] },
]
unused-allowed-license = "${level}"
unused-license-exception = "${level}"`;
  // A licence that a choice did not need was met all the same.
  const packages = { a: { license: "MIT OR ISC" }, b: { license: "Zlib" } };
  assertEquals(await codes({ policy: policy("allow"), packages }), []);
  for (const [level, severity] of [["deny", "error"], ["warn", "warning"]] as const) {
    const { findings } = await check({ policy: policy(level), packages });
    assertEquals(findings.map(({ code, location }) => [code, location?.file, location?.line]), [
      ["license-exception-not-encountered", "deny.toml", 7],
      ["license-exception-not-encountered", "deny.toml", 5],
      ["license-not-encountered", "deny.toml", 3],
    ]);
    assert(findings.every((finding) => finding.severity === severity));
  }
  // As long as a licence is unknown, nobody can tell what is needed.
  const unknown = { ...packages, c: null };
  const { findings } = await check({ policy: policy("deny"), packages: unknown });
  const entries = findings.filter(({ code }) => code.endsWith("-not-encountered"));
  assertEquals(entries.map(({ severity }) => severity), ["note", "note", "note"]);
});

Deno.test("checkLicenses() says which clarifications did not hold", async () => {
  const policy = (path: string) => `
allow = ["MIT"]
unused-allowed-license = "allow"
[[licenses.clarify]]
package = "a"
expression = "MIT"
license-files = [{ path = "${path}", hash = "${"0".repeat(64)}" }]`;
  const packages = { a: { license: "GPL-3.0-only" } };
  const files = { "node_modules/.deno/a@1.0.0/node_modules/a/LICENSE": MIT };
  assertEquals(await codes({ policy: policy("TERMS"), packages, files }), [
    "error rejected a",
    "warning missing-clarification-file a",
  ]);
  const { findings } = await check({ policy: policy("LICENSE"), packages, files });
  assertEquals(findings.map(({ code }) => code), ["rejected", "clarification-mismatch"]);
  assertStringIncludes(findings[0]!.help, "clarification was not applied");
  assertEquals(findings[1]!.location?.line, 5);
  // Nothing is there to compare: that is one finding, not two.
  const bare = await codes({ policy: policy("LICENSE"), packages: { a: null } });
  assertEquals(bare, ["error unlicensed a"]);
});

Deno.test("checkLicenses() applies a clarification without files to what is not installed", async () => {
  const policy = `
allow = ["MIT"]
[[licenses.clarify]]
package = "a"
expression = "MIT"
license-files = []`;
  assertEquals(await codes({ policy, packages: { a: null } }), []);
});

Deno.test("checkLicenses() leaves development packages out unless include-dev", async () => {
  const packages = { a: { license: "GPL-3.0-only" } };
  const policy = 'allow = ["MIT"]\nunused-allowed-license = "allow"';
  assertEquals(await codes({ policy, packages, dev: true }), []);
  const included = `${policy}\ninclude-dev = true`;
  assertEquals(await codes({ policy: included, packages, dev: true }), ["error rejected a"]);
});

Deno.test("checkLicenses() ignores what an entry names, and says so", async () => {
  const packages = { a: { license: "GPL-3.0-only" }, b: { license: "GPL-3.0-only" } };
  const policy = (entry: string) => `allow = []\nignore = [{ ${entry}, reason = "known" }]`;
  const one = await check({ policy: policy('code = "rejected", package = "a"'), packages });
  assertEquals(one.findings.map(({ severity, code }) => `${severity} ${code}`), [
    "error rejected",
    "note rejected",
  ]);
  assertStringIncludes(one.findings[1]!.message, "(ignored: known)");
  const through = 'code = "rejected", path = "file:package.json"';
  assertEquals(await codes({ policy: policy(through), packages }), [
    "note rejected a",
    "note rejected b",
  ]);
  const held = 'code = "rejected", package = "a", until = "2026-06-01"';
  assertEquals((await codes({ policy: policy(held), packages })).length, 2);
  const expired = 'code = "rejected", package = "a", until = "2026-05-31"';
  assertEquals(await codes({ policy: policy(expired), packages }), [
    "error ignore-expired",
    "error rejected a",
    "error rejected b",
  ]);
  assertEquals(await codes({ policy: policy('code = "unlicensed"'), packages }), [
    "error rejected a",
    "error rejected b",
    "warning unused-ignore",
  ]);
});

Deno.test("checkLicenses() checks the project's own packages", async () => {
  const named = { name: "@s/n", version: "1.0.0", exports: "./mod.ts" };
  const table: readonly (readonly [config: Files, expected: readonly string[]])[] = [
    [{ ...named, license: "MIT" }, []],
    [{ ...named, license: "GPL-3.0-only" }, ["error rejected @s/n"]],
    [{ ...named, license: "GPLv3" }, ["error parse-error @s/n"]],
    [named, ["error unlicensed @s/n"]],
    // An application: nobody receives it.
    [{}, []],
    [{ name: "@s/n" }, []],
    [{ license: "GPL-3.0-only" }, ["error rejected deno.json"]],
    // Kept to oneself: no licence is needed, but one that is declared counts.
    [{ ...named, publish: false }, []],
    [{ ...named, publish: false, license: "GPL-3.0-only" }, ["error rejected @s/n"]],
    [{ ...named, license: "UNLICENSED" }, []],
  ];
  const policy = `allow = ["MIT"]\n${UNUSED_OFF}`;
  for (const [config, expected] of table) {
    assertEquals(await codes({ config, policy }), expected, JSON.stringify(config));
  }
  const { findings: [finding] } = await check({ config: table[1]![0], policy });
  assertEquals(finding?.package?.ecosystem, "workspace");
  assertEquals(finding?.why, [["file:deno.json"]]);
  assertEquals(finding?.location, { file: "deno.json", line: 5, column: 14 });
  const allowed = `${policy}\nexceptions = [{ package = "@s/n", allow = ["GPL-3.0-only"] }]`;
  assertEquals(await codes({ config: table[1]![0], policy: allowed }), []);
});

Deno.test("checkLicenses() lets the root's licence stand for members that state none", async () => {
  const member = { name: "@s/n", version: "1.0.0", exports: "./mod.ts" };
  const config = { workspace: ["./member"] };
  const policy = `allow = ["MIT"]\n${UNUSED_OFF}`;
  const of = (files: Files, root: Files = {}) =>
    codes({
      policy,
      config: { ...config, ...root },
      files: { "member/deno.json": member, ...files },
    });
  assertEquals(await of({}), ["error unlicensed @s/n"]);
  assertEquals(await of({ LICENSE: MIT }), []);
  assertEquals(await of({ "member/LICENSE": MIT, LICENSE: "Pay." }), []);
  assertEquals(await of({ "member/LICENSE": "Pay.", LICENSE: MIT }), ["error low-confidence @s/n"]);
  assertEquals(await of({}, { license: "MIT" }), []);
});

Deno.test("checkLicenses() matches a path of an ignore entry to the member itself", async () => {
  const named = { name: "@s/n", version: "1.0.0", exports: "./mod.ts", license: "GPL-3.0-only" };
  const policy = (path: string) =>
    `allow = []\nignore = [{ code = "rejected", path = "${path}", reason = "ours" }]`;
  assertEquals(await codes({ config: named, policy: policy("file:deno.json") }), [
    "note rejected @s/n",
  ]);
  assertEquals(await codes({ config: named, policy: policy("file:other/deno.json") }), [
    "error rejected @s/n",
    "warning unused-ignore",
  ]);
});

Deno.test("checkLicenses() leaves private packages out when the policy says so", async () => {
  const registry = "https://npm.acme.example/";
  const policy = (ignore: boolean) =>
    `allow = []\nprivate = { ignore = ${ignore}, registries = ["https://npm.acme.example"] }`;
  const own = { name: "@s/n", version: "1.0.0", license: "GPL-3.0-only" };
  const packages = { a: { license: "GPL-3.0-only" } };
  const files = { ".npmrc": `registry=${registry}\n` };
  for (
    const input of [
      { config: { ...own, publish: false } },
      { files: { "package.json": { ...own, private: true } } },
      { files: { "package.json": { ...own, publishConfig: { registry } } } },
      { packages, files },
    ]
  ) {
    const [ignored] = await codes({ ...input, policy: policy(true) });
    assert(ignored?.startsWith("note skipped-private-workspace-package"), ignored);
    const [checked] = await codes({ ...input, policy: policy(false) });
    assert(checked?.startsWith("error rejected"), checked);
  }
  // The control: another registry is not private.
  const other = { ".npmrc": "registry=https://npm.other.example/\n" };
  const [checked] = await codes({ packages, files: other, policy: policy(true) });
  assertEquals(checked, "error rejected a");
});

Deno.test("checkLicenses() prints nothing that moves the cursor or reorders a line", async () => {
  const hostile = "\u001b[2J\u202eTIM";
  const { findings } = await check({
    packages: { a: { license: hostile }, b: { license: `SEE LICENSE IN ${hostile}` } },
    config: { name: hostile, version: "1.0.0", exports: "./m.ts", license: "GPL-3.0-only" },
    files: { [`node_modules/.deno/b@1.0.0/node_modules/b/${hostile}`]: "Pay." },
  });
  assertEquals(findings.filter(({ severity }) => severity === "error").length, 3);
  // deno-lint-ignore no-control-regex
  for (const { message, help } of findings) assert(!/[\u0000-\u001f\u202e]/.test(message + help));
});

Deno.test("checkLicenses() is quick about thousands of packages that are not installed", async () => {
  const packages = Object.fromEntries(
    Array.from({ length: 2500 }, (_, index) => [`p${index}`, null]),
  );
  const start = performance.now();
  const { findings, unknown } = await check({ packages });
  assertLess(performance.now() - start, 5000);
  assertEquals(unknown, 2500);
  assertEquals(findings.filter(({ code }) => code === "unlicensed").length, 2500);
});

Deno.test("checkLicenses() does not trust a folder that holds another package", async () => {
  const finding = await only({
    packages: { a: { name: "other", version: "9.0.0", license: "MIT" } },
  });
  assertEquals([finding.code, finding.severity, finding.package?.name], [
    "unlicensed",
    "error",
    "a",
  ]);
  assertStringIncludes(finding.message, "names another package or version");
});

Deno.test("checkLicenses() reports a clarification that is about no package", async () => {
  const clarify = (name: string) =>
    `clarify = [{ package = "${name}", expression = "MIT", license-files = [] }]\n`;
  const allow = `allow = ["MIT"]\n${UNUSED_OFF}\n`;
  const packages = { a: { license: "MIT" } };
  assertEquals(await codes({ policy: allow + clarify("a"), packages }), []);
  const unused = await only({ policy: allow + clarify("b"), packages });
  assertEquals(
    [unused.code, unused.severity, unused.location?.line],
    ["license-clarification-not-encountered", "warning", 4],
  );
  const level = 'unused-license-exception = "deny"\n';
  // That other licences are not known changes nothing about it.
  const strict = { policy: allow + level + clarify("b"), packages: { a: null } };
  assertEquals(await codes(strict), [
    "error license-clarification-not-encountered",
    "error unlicensed a",
  ]);
  const off = level.replace("deny", "allow");
  assertEquals(await codes({ policy: allow + off + clarify("b"), packages }), []);
});

Deno.test("checkLicenses() ignores what an entry says of a member, by its file or folder", async () => {
  const member = {
    name: "@acme/m",
    version: "1.0.0",
    exports: "./mod.ts",
    license: "GPL-3.0-only",
  };
  const config = { workspace: ["./packages/m"] };
  const files = { "packages/m/deno.json": member };
  for (
    const path of ["packages", "packages/m", "packages/m/deno.json", "file:packages/m/deno.json"]
  ) {
    const ignore = `ignore = [{ code = "rejected", path = "${path}", reason = "ours" }]`;
    const policy = `allow = ["MIT"]\n${UNUSED_OFF}\n${ignore}`;
    assertEquals(await codes({ policy, config, files }), ["note rejected @acme/m"], path);
  }
  for (const path of ["pack", "packages/m2", "deno.json"]) {
    const ignore = `ignore = [{ code = "rejected", path = "${path}", reason = "ours" }]`;
    const policy = `allow = ["MIT"]\n${UNUSED_OFF}\n${ignore}`;
    assertEquals(
      (await codes({ policy, config, files })).includes("error rejected @acme/m"),
      true,
      path,
    );
  }
});
