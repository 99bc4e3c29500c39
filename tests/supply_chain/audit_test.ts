import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { SecurityError } from "../../src/errors.ts";
import { audit } from "../../src/supply_chain/mod.ts";
import { SHA512, temporaryProject } from "./fixture.ts";

const lock = {
  version: "5",
  specifiers: { "npm:a1@1": "1.0.0", "npm:dev1@1": "1.0.0" },
  npm: {
    "a1@1.0.0": { integrity: SHA512, dependencies: ["b1"] },
    "b1@1.0.0": { integrity: SHA512 },
    "dev1@1.0.0": { integrity: SHA512, dependencies: ["b1", "c1"] },
    "c1@1.0.0": { integrity: SHA512 },
    "far1@1.0.0": { integrity: SHA512, os: ["sunos"] },
  },
  workspace: { dependencies: ["npm:a1@1", "npm:dev1@1"] },
};
const config = { imports: { a: "npm:a1@^1.0.0", dev: "npm:dev1@^1.0.0" }, lock: { frozen: true } };
const files = { "deno.json": config, "deno.lock": lock };
const env = () => undefined;

Deno.test("audit() counts what the policy excludes, and checks what is left", async () => {
  await using project = await temporaryProject({
    ...files,
    "deny.toml": '[graph]\nexclude = ["dev1"]\n[bans]\ndeny = ["c1", "b1"]\n',
  });
  const report = await audit({ project: project.path, checks: ["bans"], env });
  assertEquals(report.coverage.npm, {
    found: 5,
    checked: 3,
    unchecked: [{ reason: "excluded by the policy", packages: 2 }],
  });
  const banned = report.findings.filter(({ code }) => code === "banned");
  assertEquals(banned.map(({ package: of }) => of!.name), ["b1"]);
});

Deno.test("audit() leaves out what only the development paths import, and nothing else", async () => {
  const policy = '[graph]\ndev-paths = ["tests"]\nexclude-dev = true\n[bans]\ndeny = ["*"]\n';
  const cases: readonly (readonly [sources: Record<string, string>, names: readonly string[]])[] = [
    [{ "tests/x.ts": 'import "dev";', "main.ts": 'import "a";' }, ["a1", "b1", "far1"]],
    [{ "tests/x.ts": 'import "dev/sub.ts";' }, ["a1", "b1", "far1"]],
    // Shipped code imports it, too.
    [{ "tests/x.ts": 'import "dev";', "main.ts": 'await import("dev");' }, [
      "a1",
      "b1",
      "c1",
      "dev1",
      "far1",
    ]],
    // Nobody imports it: that proves nothing.
    [{}, ["a1", "b1", "c1", "dev1", "far1"]],
    // An import in a comment or a string is none.
    [{ "tests/x.ts": '// import "dev";\nconst x = `import "dev"`;' }, [
      "a1",
      "b1",
      "c1",
      "dev1",
      "far1",
    ]],
  ];
  for (const [sources, names] of cases) {
    await using project = await temporaryProject({ ...files, ...sources, "deny.toml": policy });
    const { findings } = await audit({ project: project.path, checks: ["bans"], env });
    const banned = findings.filter(({ code }) => code === "banned").map(({ package: of }) =>
      of!.name
    );
    assertEquals(banned, names, JSON.stringify(sources));
  }
});

Deno.test("audit() notes that a package for another platform cannot be judged here", async () => {
  await using project = await temporaryProject({
    ...files,
    "deny.toml": '[licenses]\nallow = ["MIT"]\n',
  });
  const { findings } = await audit({ project: project.path, checks: ["licenses"], env });
  const severities = new Map(findings.map(({ package: of, severity }) => [of?.name, severity]));
  assertEquals([severities.get("a1"), severities.get("far1")], ["error", "note"]);
});

Deno.test("audit() reads the lockfile that deno.json or the option names", async () => {
  await using project = await temporaryProject({
    "deno.json": { ...config, lock: { path: "locks/other.lock", frozen: true } },
    "locks/other.lock": lock,
  });
  const report = await audit({ project: project.path, checks: [], env });
  assertEquals(report.lockfile, { path: "locks/other.lock", version: "5" });
  assertEquals(report.coverage.npm.found, 5);
  await assertRejects(
    () => audit({ project: project.path, lock: join(project.path, "absent"), env }),
    SecurityError,
    "there is no lockfile",
  );
});

Deno.test("audit() sends no names anywhere when it is offline", async () => {
  await using project = await temporaryProject(files);
  let requests = 0;
  const fetch = () => {
    requests++;
    return Promise.reject(new TypeError("refused"));
  };
  const report = await audit({ project: project.path, offline: true, fetch, env });
  assertEquals(requests, 0);
  assertEquals(report.exitCode, 3);
  assertEquals(report.incomplete[0]!.packages, 5);
});

Deno.test("audit() never sends the names of private scopes", async () => {
  await using project = await temporaryProject({
    ...files,
    ".npmrc": "@acme:registry=https://npm.acme.example/\n",
    "deno.lock": { ...lock, npm: { ...lock.npm, "@acme/secret1@1.0.0": { integrity: SHA512 } } },
  });
  const bodies: string[] = [];
  const report = await audit({
    project: project.path,
    checks: ["advisories"],
    env,
    fetch: (_input, init) => {
      bodies.push(String(init?.body));
      const { queries } = JSON.parse(String(init?.body));
      return Promise.resolve(Response.json({ results: queries.map(() => ({})) }));
    },
  });
  assertEquals(bodies.join("").includes("a1"), true);
  assertEquals(bodies.join("").includes("secret1"), false);
  assertEquals(report.coverage.npm.checked, 5);
  assertEquals(report.coverage.npm.unchecked.length, 1);
});

Deno.test("audit() stops when its signal is aborted", async () => {
  await using project = await temporaryProject(files);
  const fetch = () => Promise.reject(new TypeError("refused"));
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => audit({ project: project.path, signal, fetch, env }), Error, "enough");
});

Deno.test("audit() is incomplete when it cannot tell which versions are in use", async () => {
  const imports = { a: "npm:a1@1.0.0", std: "jsr:@std/path@1" };
  const record = { id: "GHSA-1", affected: [{ package: { ecosystem: "npm", name: "z" } }] };
  const cases: readonly (readonly [lock: unknown, packages: number])[] = [
    [undefined, 1],
    [{ version: "5" }, 1],
    [{ version: "5", specifiers: { "npm:a1@1.0.0": "1.0.0" } }, 2],
    [{ version: "5", npm: { "b1@1.0.0": { integrity: SHA512, dependencies: ["c1@1.0.0"] } } }, 2],
    // Another version of the name is locked: that one is installed, and checked.
    [{ version: "5", npm: { "a1@2.0.0": { integrity: SHA512 } } }, 0],
  ];
  for (const [deno, packages] of cases) {
    await using project = await temporaryProject({
      "deno.json": { imports },
      ...(deno !== undefined && { "deno.lock": deno }),
      "db/1.json": record,
    });
    const report = await audit({
      project: project.path,
      db: join(project.path, "db"),
      checks: ["advisories"],
      env,
    });
    assertEquals(
      report.incomplete.map(({ packages }) => packages),
      packages === 0 ? [] : [packages],
    );
    assertEquals(report.exitCode, packages === 0 ? 0 : 3);
  }
});
