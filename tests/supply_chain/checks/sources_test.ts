import { assertEquals, assertStringIncludes } from "@std/assert";
import { audit, type Finding } from "../../../src/supply_chain/mod.ts";
import { SHA256, SHA512, temporaryProject } from "../fixture.ts";

async function findingsOf(
  policy: string,
  files: Readonly<Record<string, unknown>>,
): Promise<readonly Finding[]> {
  await using project = await temporaryProject({
    "deno.json": {},
    "deno.toml": "",
    "deny.toml": `[sources]\n${policy}\n`,
    ...files,
  });
  return (await audit({ project: project.path, checks: ["sources"], env: () => undefined }))
    .findings;
}

const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code).sort();
const locked = (lock: Readonly<Record<string, unknown>>) => ({
  "deno.lock": { version: "5", ...lock },
});
const npm = (name: string, tarball?: string) => ({
  npm: { [`${name}@1.0.0`]: { integrity: SHA512, ...(tarball && { tarball }) } },
});
const remote = (address: string) => locked({ remote: { [address]: SHA256 } });
const standard = ["https://registry", "npmjs", "org"].join(".");

Deno.test("checkSources() takes the address of a default registry for its name", async () => {
  const allow = (...registries: readonly string[]) =>
    `undeclared = "allow"\nallow-registry = ${JSON.stringify(registries)}`;
  const lock = locked({
    ...npm("a"),
    jsr: { "@s/n@1.0.0": { integrity: SHA256 } },
  });
  assertEquals(codes(await findingsOf(allow(standard, "https://jsr.io"), lock)), []);
  assertEquals(codes(await findingsOf(allow(standard), lock)), ["source-not-allowed"]);
  const ofJsr = locked(npm("@jsr/std__path"));
  assertEquals(codes(await findingsOf('undeclared = "allow"', ofJsr)), []);
  assertEquals(codes(await findingsOf(allow("https://npm.jsr.io"), ofJsr)), []);
  assertEquals(codes(await findingsOf(allow("npm"), ofJsr)), [
    "source-not-allowed",
    "unmatched-source",
  ]);
});

Deno.test("checkSources() reports an archive that is not the package's own", async () => {
  const rc = "registry=https://npm.acme.example/npm/\n";
  const own = "https://npm.acme.example";
  // Package, address of its archive, .npmrc, and whether it is reported.
  const cases: readonly (readonly [string, string, string, boolean])[] = [
    ["a", `${standard}/a/-/a-1.0.0.tgz`, "", false],
    ["@s/a", `${standard}/@s/a/-/a-1.0.0.tgz`, "", false],
    ["@s/a", `${standard}/@s%2fa/-/a-1.0.0.tgz`, "", false],
    ["a", `${standard}/evil/-/evil-1.0.0.tgz`, "", true],
    ["a", `${standard}/a/-/a-0.9.0.tgz`, "", true],
    ["a", `${standard}/x/a/-/a-1.0.0.tgz`, "", true],
    ["a", `${standard.replace("https", "http")}/a/-/a-1.0.0.tgz`, "", true],
    ["a", "https://evil.example/a/-/a-1.0.0.tgz", "", true],
    ["a", "not an address", "", true],
    ["a", `${own}/npm/a/-/a-1.0.0.tgz`, rc, false],
    ["@s/a", `${own}/npm/@s/a/-/@s/a-1.0.0.tgz`, rc, false],
    ["@s/a", `${own}/download/@s/a/1.0.0/${"0".repeat(64)}`, rc, false],
    ["a", `${own}/npm/a/-/a-0.9.0.tgz`, rc, true],
    ["a", `${own}/npm/evil/-/evil-1.0.0.tgz`, rc, true],
    ["a", `${own}:8443/npm/a/-/a-1.0.0.tgz`, rc, true],
    ["@jsr/s__n", "https://npm.jsr.io/~/11/@jsr/s__n/1.0.0.tgz", "", false],
    ["@jsr/s__n", "https://npm.jsr.io/~/11/@jsr/s__n/0.9.0.tgz", "", true],
  ];
  const policy = 'tarball = "deny"\nundeclared = "allow"\nunknown-registry = "allow"';
  for (const [name, tarball, npmrc, isReported] of cases) {
    const files = { ...locked(npm(name, tarball)), ".npmrc": npmrc };
    const expected = isReported ? ["tarball-url"] : [];
    assertEquals(codes(await findingsOf(policy, files)), expected, tarball);
  }
});

Deno.test("checkSources() prints no credentials", async () => {
  const findings = await findingsOf('tarball = "deny"\nunpinned = "deny"', {
    ".npmrc": "registry=https://user:s3cret@npm.acme.example/\n",
    "package.json": { dependencies: { g: "git+https://user:s3cret@github.com/o/r.git" } },
    "main.ts": 'import "https://user:s3cret@x.example/a.ts";',
    ...locked({
      ...npm("a", "https://user:s3cret@cdn.example/a.tgz"),
      remote: { "https://user:s3cret@x.example/a.ts": SHA256 },
    }),
  });
  const messages = findings.map(({ message, why }) => `${message} ${JSON.stringify(why)}`);
  assertEquals(codes(findings), [
    "host-not-allowed",
    "source-not-allowed",
    "source-not-allowed",
    "tarball-url",
    "undeclared-import",
    "unpinned-import",
  ]);
  assertEquals(messages.filter((message) => message.includes("s3cret")), []);
});

Deno.test("checkSources() allows repositories below a private address, to the end of a name", async () => {
  const allowed = (prefix: string, owner: string) =>
    findingsOf(
      `undeclared = "allow"\nprivate = ["${prefix}"]`,
      remote(`https://raw.githubusercontent.com/${owner}/r/v1.0.0/x.ts`),
    );
  for (
    const prefix of ["https://github.com/acme", "https://github.com/acme/", "https://github.com"]
  ) {
    assertEquals(codes(await allowed(prefix, "acme")), [], prefix);
  }
  assertEquals(codes(await allowed("https://github.com/acme/r", "Acme")), []);
  for (const prefix of ["https://github.com/acme", "https://github.com/acme/"]) {
    assertEquals(codes(await allowed(prefix, "acme-evil")), [
      "source-not-allowed",
      "unmatched-source",
    ]);
  }
});

Deno.test("checkSources() says which package a finding about an import is of", async () => {
  const packagesOf = async (files: Readonly<Record<string, unknown>>) =>
    (await findingsOf('undeclared = "warn"', files)).map(({ package: of }) =>
      of && `${of.ecosystem}:${of.name}@${of.version}`
    ).sort();
  const specifiers = [
    "npm:a@1.0.0",
    "npm:@s/b@^1/sub",
    "jsr:@s/n",
    "https://deno.land/x/m@v1.0.0/mod.ts",
    "https://esm.sh/@s/b@1.0.0",
  ];
  const text = specifiers.map((specifier) => `import "${specifier}";`).join("\n");
  assertEquals(await packagesOf({ "main.ts": text, ...locked({}) }), [
    "https:deno.land/x/m@v1.0.0",
    "https:esm.sh/@s/b@1.0.0",
    "jsr:@s/n@",
    "npm:@s/b@",
    "npm:a@1.0.0",
  ]);
  const dependencies = { g: "github:o/r#v1", t: "https://x.example/t.tgz" };
  assertEquals(await packagesOf({ "package.json": { dependencies }, ...locked({}) }), [
    "https:github.com/o/r@v1",
    "https:x.example@",
  ]);
});

Deno.test("checkSources() says that an address is not pinned, whatever it names", async () => {
  const policy = 'undeclared = "allow"\nallow-host = ["esm.sh"]\nunpinned = "deny"';
  const [finding] = await findingsOf(policy, remote("https://esm.sh/lodash@^4"));
  assertEquals(finding!.code, "unpinned-import");
  assertStringIncludes(finding!.message, "is not pinned to a version or commit");
});
