import { assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { checkBans } from "../../../src/supply_chain/checks/bans.ts";
import { audit, type Finding } from "../../../src/supply_chain/mod.ts";
import { parsePolicy } from "../../../src/supply_chain/policy/policy_file.ts";
import type { PackageNode } from "../../../src/supply_chain/project/graph.ts";
import { SHA256, SHA512, temporaryProject } from "../fixture.ts";

const lock = {
  version: "5",
  specifiers: { "npm:a1@1": "1.0.0" },
  npm: {
    "a1@1.0.0": { integrity: SHA512, dependencies: ["b1"] },
    "b1@1.0.0": { integrity: SHA512, scripts: true },
  },
  workspace: { dependencies: ["npm:a1@1"] },
};
const config = { imports: { a: "npm:a1@^1.0.0" }, lock: { frozen: true } };

async function bansOf(
  changes: Readonly<Record<string, unknown>>,
  bans = "",
): Promise<readonly Finding[]> {
  await using project = await temporaryProject({
    "deno.json": config,
    "deno.lock": lock,
    "deny.toml": `[bans]\n${bans}\n`,
    ...changes,
  });
  const options = { project: project.path, checks: ["bans"] as const, env: () => undefined };
  return (await audit(options)).findings;
}

const codesOf = (findings: readonly Finding[]) => findings.map(({ code }) => code);

function node(kind: PackageNode["kind"], name: string, fields: Partial<PackageNode>): PackageNode {
  const version = fields.version ?? "";
  return {
    ...{ kind, name, version, label: `${kind}:${name}@${version}`, entries: 1 },
    ...{ hasIntegrity: true, deprecated: false, scripts: false, dev: false },
    ...{ dependencies: [], dependents: [] },
    ...(kind === "npm" && { npm: { name, version } }),
    ...fields,
  };
}

async function check(packages: readonly PackageNode[], policy: string): Promise<Finding[]> {
  return checkBans({
    project: { root: "/", name: "x", configs: [], npmrc: { scopes: new Map() } } as never,
    graph: { roots: [], packages },
    policy: await parsePolicy(policy, { path: "deny.toml" }),
    now: new Date(0),
    locate: () => undefined,
    why: () => [],
    isDirect: () => false,
    isOnlyThrough: () => false,
  }, { undeclared: [] });
}

Deno.test("checkBans() finds a banned package whatever its version is spelled like", async () => {
  const packages = [
    node("npm", "lodash", { version: "=4.17.20" }),
    node("npm", "lodash", { version: "v4.17.20" }),
    node("npm", "lodash", { version: "who knows" }),
    node("npm", "lodash", { version: "5.0.0" }),
    node("npm", "lodash-es", { version: "4.0.0" }),
  ];
  const policy = '[bans]\nmultiple-versions = "allow"\ndeny = ["lodash@<5"]\n';
  const findings = await check(packages, policy);
  assertEquals(codesOf(findings), ["banned", "banned", "banned"]);
  assertEquals(findings.map(({ package: of }) => of!.version), [
    "=4.17.20",
    "v4.17.20",
    "who knows",
  ]);
});

Deno.test("checkBans() finds a banned package behind a CDN whose address names no version", async () => {
  const packages = [
    node("https", "cdn.jsdelivr.net/lodash", { npmName: "lodash" }),
    node("https", "esm.sh/lodash", { npmName: "lodash", version: "4" }),
    node("https", "esm.sh/react", { npmName: "react" }),
  ];
  for (const spec of ["lodash", "npm:lodash", "lodash@<5"]) {
    const findings = await check(packages, `[bans]\ndeny = ["${spec}"]\n`);
    assertEquals(codesOf(findings), ["banned", "banned"], spec);
  }
  for (const spec of ["jsr:@s/lodash", "https:esm.sh/lodash@9", "lodash-es"]) {
    assertEquals(await check(packages, `[bans]\ndeny = ["${spec}"]\n`), [], spec);
  }
  // What permits something must not: the version may be any.
  const findings = await check(packages, '[bans]\nallow = ["lodash@4.17.21", "react"]\n');
  assertEquals(codesOf(findings), ["unmatched-allow", "not-allowed", "not-allowed"]);
});

Deno.test("checkBans() reports entries that allow nothing", async () => {
  const packages = [node("npm", "a1", { version: "1.0.0" })];
  const policy =
    '[bans]\nunused-skip = "deny"\nallow = ["a1", "b1"]\nallow-build-scripts = ["c1"]\n';
  const findings = await check(packages, policy);
  assertEquals(findings.map(({ code, severity, location }) => [code, severity, location?.line]), [
    ["unmatched-allow", "error", 3],
    ["unmatched-allow", "error", 4],
  ]);
  assertStringIncludes(findings[0]!.message, "bans.allow lists b1");
  assertStringIncludes(findings[1]!.message, "bans.allow-build-scripts lists c1");
  const quiet = policy.replace('"deny"', '"allow"');
  assertEquals(await check(packages, quiet), []);
});

Deno.test("checkBans() says which package a wildcard is about", async () => {
  const findings = await bansOf({
    "deno.json": {
      ...config,
      imports: {
        ...config.imports,
        b: "npm:b1",
        gone: "jsr:@s/gone",
        x: "https://deno.land/x/x1/mod.ts",
      },
    },
  });
  const wildcards = findings.filter(({ code }) => code === "wildcard");
  assertEquals(
    wildcards.map(({ package: of }) => of).sort((a, b) => a!.name < b!.name ? -1 : 1),
    [
      { ecosystem: "jsr", name: "@s/gone", version: "" },
      { ecosystem: "npm", name: "b1", version: "1.0.0" },
      { ecosystem: "https", name: "deno.land/x/x1", version: "" },
    ],
  );
  for (const { location } of wildcards) assertEquals(location?.file, "deno.json");
});

Deno.test("checkBans() knows what allowScripts runs", async () => {
  const cases: readonly (readonly [allowScripts: unknown, flagged: boolean, bans?: string])[] = [
    [undefined, true],
    [[], true],
    [["npm:b1"], false],
    [["b1@^1"], false],
    [["npm:b1@2"], true],
    [true, true],
    [{ allow: ["npm:b1"] }, false],
    [{ allow: true, deny: ["npm:b1"] }, false],
    [{ allow: ["npm:b1"], deny: ["npm:b1"] }, false],
    [{ allow: true, deny: ["npm:other"] }, true],
    [undefined, false, 'allow-build-scripts = ["b1"]'],
  ];
  for (const [allowScripts, flagged, bans] of cases) {
    const findings = await bansOf({ "deno.json": { ...config, allowScripts } }, bans);
    const name = JSON.stringify(allowScripts);
    assertEquals(codesOf(findings), flagged ? ["install-script-not-allowed"] : [], name);
    const all = "allowScripts is true, which allows the scripts of every package";
    const isAll = JSON.stringify(allowScripts ?? null).includes("true");
    if (flagged) assertEquals(findings[0]!.message.includes(all), isAll, name);
  }
});

Deno.test("checkBans() reports an entry of allowScripts that names no package, at its place", async () => {
  const text = (allowScripts: string) =>
    JSON.stringify(config).replace(/\}$/, `,\n"allowScripts": ${allowScripts}}`);
  for (const [field, column] of [['["@@"]', 18], ['{"deny": ["a1", "@@"]}', 33]] as const) {
    const findings = await bansOf({ "deno.json": text(field) });
    const [finding] = findings.filter(({ message }) => message.includes("names no package"));
    assertEquals([finding?.code, finding?.severity], ["install-script-not-allowed", "warning"]);
    assertEquals(finding?.location, { file: "deno.json", line: 2, column });
    // It allows nothing, either.
    assertEquals(findings.length, 2);
  }
  assertEquals((await bansOf({ "deno.json": text('["", 5, "a1@"]') })).length, 4);
  assertEquals(await bansOf({ "deno.json": text('["@@"]') }, 'install-scripts = "allow"'), []);
});

Deno.test("checkBans() compares a long policy with a large project in little time", async () => {
  const names = Array.from({ length: 20_000 }, (_, index) => `"x${index}"`).join(", ");
  const patterns = Array.from({ length: 20_000 }, () => '"q*a*b*c@<2"').join(", ");
  const policy = `[bans]\nunused-skip = "allow"\nskip = [${names}]\ndeny = [${patterns}]\n`;
  const packages = Array.from(
    { length: 5000 },
    (_, index) => node("npm", `p${index >> 1}`, { version: `1.0.${index}` }),
  );
  const start = performance.now();
  const findings = await check(packages, policy);
  assertEquals(findings.length, 2500);
  // 200 million comparisons one by one take some 20 seconds.
  assertLess(performance.now() - start, 8000);
});

Deno.test("checkBans() applies skips and wrappers as it did one by one", async () => {
  const parent = node("npm", "parent", { version: "1.0.0" });
  const packages = [
    node("npm", "a", { version: "1.0.0", dependents: [parent] }),
    node("npm", "a", { version: "2.0.0" }),
    node("npm", "b", { version: "1.0.0" }),
    parent,
    node("https", "deno.land/x/x1", { version: "v1", url: "https://deno.land/x/x1@v1/mod.ts" }),
  ];
  const skips = await check(
    packages,
    '[bans]\nmultiple-versions = "deny"\nskip = ["a@1", "b", "absent", "p*"]\n',
  );
  assertEquals(
    skips.map(({ code, message }) => `${code} ${message}`).sort(),
    [
      "unmatched-skip absent is not in the graph",
      "unnecessary-skip b is there in one version only",
      "unnecessary-skip p* is there in one version only",
    ],
  );
  const denied = await check(
    packages,
    '[bans]\nmultiple-versions = "allow"\n' +
      'deny = [{ package = "a@1", wrappers = ["parent"] }, { package = "b", wrappers = ["other"] }]\n',
  );
  assertEquals(codesOf(denied).sort(), [
    "allowed-by-wrapper",
    "allowed-by-wrapper",
    "unused-wrapper",
  ]);
});

Deno.test("checkBans() leaves out what bans.skip-tree reaches, level by level", async () => {
  // root -> mid -> low, each in two versions.
  const low = node("npm", "low", { version: "1.0.0" });
  const mid = node("npm", "mid", { version: "1.0.0", dependencies: [low] });
  const root = node("npm", "root", { version: "1.0.0", dependencies: [mid] });
  const others = ["low", "mid", "root"].map((name) => node("npm", name, { version: "2.0.0" }));
  const packages = [root, mid, low, ...others];
  const duplicates = async (skipTree: string) => {
    const findings = await check(packages, `[bans]\nskip-tree = [${skipTree}]\n`);
    return findings.map(({ package: of }) => of!.name).sort();
  };
  const at = (depth: number) => `{ package = "root@1", depth = ${depth} }`;
  assertEquals(await duplicates(""), ["low", "mid", "root"]);
  assertEquals(await duplicates(at(0)), ["low", "mid"]);
  assertEquals(await duplicates(at(1)), ["low"]);
  assertEquals(await duplicates('"root@1"'), []);
  assertEquals(await duplicates(`"mid@1", ${at(1)}`), []);
  assertEquals(await duplicates(`{ package = "mid@1", depth = 0 }, ${at(2)}`), []);
});

Deno.test("checkBans() finds nothing where the lockfile has none of what is banned", async () => {
  const remote = { "https://deno.land/x/x1@v1.0.0/mod.ts": SHA256 };
  const npm = { ...lock.npm, "b1@1.0.0": { integrity: SHA512 } };
  const findings = await bansOf({ "deno.lock": { ...lock, npm, remote } }, 'deny = ["c1"]');
  assertEquals(findings, []);
});
