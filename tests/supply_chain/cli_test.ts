import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { runCli } from "../../src/supply_chain/cli.ts";
import { VERSION } from "../../src/supply_chain/_version.ts";
import denoJson from "../../deno.json" with { type: "json" };
import { SHA256, SHA512, temporaryProject } from "./fixture.ts";

async function run(...args: readonly string[]) {
  let [out, error] = ["", ""];
  const code = await runCli(args, {
    out: (text) => out += text,
    error: (text) => error += text,
    audit: { now: new Date("2026-11-24T12:00:00Z"), env: () => undefined },
  });
  return { code, out, error };
}

const files = {
  "deno.json": `{
  // kept
  "name": "@acme/app",
  "imports": { "a": "npm:a1@^1.0.0" },
  "lock": { "frozen": true }
}
`,
  "deno.lock": {
    version: "5",
    specifiers: { "npm:a1@1": "1.0.0" },
    npm: {
      "a1@1.0.0": { integrity: SHA512, dependencies: ["b1"] },
      "b1@1.0.0": { integrity: SHA512 },
    },
    workspace: { dependencies: ["npm:a1@1"] },
  },
  "node_modules/.deno/a1@1.0.0/node_modules/a1/package.json": {
    name: "a1",
    version: "1.0.0",
    license: "MIT",
  },
  "node_modules/.deno/b1@1.0.0/node_modules/b1/package.json": {
    name: "b1",
    version: "1.0.0",
    license: "ISC",
  },
  "db/GHSA-xxxx-xxxx-0001.json": {
    id: "GHSA-xxxx-xxxx-0001",
    modified: "2026-11-01T00:00:00Z",
    affected: [{
      package: { ecosystem: "npm", name: "b1" },
      ranges: [{ type: "SEMVER", events: [{ introduced: "0" }, { fixed: "1.0.1" }] }],
    }],
  },
};

Deno.test("audit prints help and version, which is that of deno.json", async () => {
  assertStringIncludes((await run("--help")).out, "Usage:");
  assertEquals(await run("--version"), { code: 0, out: `${VERSION}\n`, error: "" });
  assertEquals(VERSION, denoJson.version);
});

Deno.test("audit ends with 1 when there is an error, and with 0 when the check finds none", async () => {
  await using project = await temporaryProject(files);
  const common = ["--project", project.path, "--db", join(project.path, "db")];
  const failed = await run("check", ...common);
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.out, "GHSA-xxxx-xxxx-0001");
  assertStringIncludes(failed.out, "npm:b1@1.0.0");
  assertEquals((await run("check", "bans", "sources", ...common)).code, 0);
  assertEquals((await run("licenses", ...common)).code, 0);
});

Deno.test("audit ends with 3 when advisories cannot be checked, unless the policy allows it", async () => {
  await using project = await temporaryProject(files);
  const common = ["advisories", "--project", project.path, "--offline"];
  const denied = await run(...common);
  assertEquals(denied.code, 3);
  assertMatch(denied.out, /2\s+0\s+2/);
  const config = join(project.path, "warn.toml");
  await Deno.writeTextFile(config, '[advisories]\nincomplete = "warn"\n');
  const allowed = await run(...common, "--config", config);
  assertEquals(allowed.code, 0);
  assertMatch(allowed.out, /incomplete|could not be checked|not checked/);
  assertEquals((await run(...common, "--config", config, "--require-complete")).code, 3);
});

Deno.test("audit prefers 1 to 3", async () => {
  await using project = await temporaryProject({
    ...files,
    "deny.toml": '[bans]\ndeny = ["b1"]\n',
  });
  assertEquals((await run("--project", project.path, "--offline")).code, 1);
});

Deno.test("audit writes one report to standard output and others to files", async () => {
  await using project = await temporaryProject(files);
  const path = (name: string) => join(project.path, name);
  const { out, code } = await run(
    ...["--project", project.path, "--db", path("db"), "--format", "json"],
    ...["--output", `sarif=${path("a.sarif")}`, "--output", `cyclonedx=${path("bom.json")}`],
    ...["--output", `human=${path("a=b.txt")}`],
  );
  const report = JSON.parse(out);
  assertEquals(code, 1);
  assertEquals(report.exitCode, 1);
  assertEquals(report.version, 1);
  const [finding] = report.findings;
  assertEquals(finding.check, "advisories");
  assertEquals(finding.package, { ecosystem: "npm", name: "b1", version: "1.0.0" });
  assertEquals(finding.why, [["file:deno.json", "npm:a1@1.0.0", "npm:b1@1.0.0"]]);
  assertEquals(finding.location, { file: "deno.lock", line: 13, column: 5 });
  assertEquals(finding.advisory.fixed, ["1.0.1"]);
  assertEquals(JSON.parse(await Deno.readTextFile(path("a.sarif"))).version, "2.1.0");
  assertEquals(JSON.parse(await Deno.readTextFile(path("bom.json"))).specVersion, "1.6");
  assertStringIncludes(await Deno.readTextFile(path("a=b.txt")), "audit failed");
});

Deno.test("audit says what is wrong with the command line, before any work", async () => {
  const cases: readonly (readonly [args: readonly string[], message: string])[] = [
    [["--offlin"], 'did you mean "--offline"?'],
    [["chek"], 'did you mean "check"?'],
    [["check", "licences"], 'did you mean "licenses"?'],
    [["--format", "xml"], "human, json, sarif, cyclonedx"],
    [["--output", "json"], "--output takes FORMAT=FILE"],
    [["--output", "xml=x"], 'Unknown format "xml"'],
    [["--project"], "--project"],
    [["why"], "why takes the name of a package"],
    [["why", "a", "b"], "why takes the name of a package"],
    [["explain", "vulnerabilty"], 'did you mean "vulnerability"?'],
    [["list", "x"], "list takes no arguments"],
    [["list", "--format", "sarif"], "list prints human or json"],
    [["why", "a", "--format", "cyclonedx"], "why prints human or json"],
    [["why", "a", "--format", "xml"], "why prints human or json"],
  ];
  for (const [args, message] of cases) {
    const { code, out, error } = await run(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(error, message);
    assertStringIncludes(error, "`audit --help` lists commands and options.");
  }
});

Deno.test("audit ends with 2 when it cannot run", async () => {
  await using project = await temporaryProject({
    ...files,
    "bad.lock": "{",
    "bad.toml": "[bans]\nx=1",
  });
  const path = (name: string) => join(project.path, name);
  const common = ["--project", project.path, "--offline"];
  const cases: readonly (readonly [args: readonly string[], code: string])[] = [
    [["--project", path("absent")], "project-unreadable"],
    [["--project", path("db"), "--lock", path("absent.lock")], "lockfile-unreadable"],
    [[...common, "--lock", path("bad.lock")], "lockfile-unreadable"],
    [[...common, "--config", path("bad.toml")], "policy-invalid"],
    [[...common, "--config", path("absent.toml")], "policy-invalid"],
    [[...common, "--db", path("absent")], "database-unreadable"],
    [[...common, "bans", "--output", `json=${path("absent/x.json")}`], "output-refused"],
  ];
  for (const [args, code] of cases) {
    const result = await run(...args);
    assertEquals(result.code, 2, args.join(" "));
    assertStringIncludes(result.error, `error[${code}]`);
  }
});

Deno.test("audit why prints every path, and names near misses", async () => {
  await using project = await temporaryProject(files);
  const { code, out } = await run("why", "b1", "--project", project.path);
  assertEquals(code, 0);
  for (const label of ["file:deno.json", "npm:a1@1.0.0", "npm:b1@1.0.0"]) {
    assertStringIncludes(out, label);
  }
  const json = await run("why", "b1", "--project", project.path, "--format", "json");
  assertEquals(JSON.parse(json.out), [{
    package: "npm:b1@1.0.0",
    dev: false,
    paths: [["file:deno.json", "npm:a1@1.0.0", "npm:b1@1.0.0"]],
    complete: true,
  }]);
  const missing = await run("why", "b2", "--project", project.path);
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.error, "did you mean");
});

Deno.test("audit list prints packages by licence", async () => {
  await using project = await temporaryProject(files);
  const human = await run("list", "--project", project.path);
  assertEquals(human.code, 0);
  for (const text of ["MIT", "ISC", "npm:a1@1.0.0"]) assertStringIncludes(human.out, text);
  const json = await run("list", "--project", project.path, "--format", "json");
  assertEquals(JSON.parse(json.out), [
    { package: "npm:a1@1.0.0", license: "MIT" },
    { package: "npm:b1@1.0.0", license: "ISC" },
  ]);
});

Deno.test("audit explain tells what a code means", async () => {
  const { code, out } = await run("explain", "typosquat");
  assertEquals(code, 0);
  assertStringIncludes(out, "What to do:");
});

Deno.test("audit init writes a policy that the audit then passes, and keeps comments", async () => {
  await using project = await temporaryProject(files);
  const path = (name: string) => join(project.path, name);
  const { code, out } = await run("init", "--project", project.path);
  assertEquals(code, 0);
  assertStringIncludes(out, "wrote deny.toml");
  const config = await Deno.readTextFile(path("deno.json"));
  assertStringIncludes(config, "// kept");
  assertStringIncludes(config, '"audit":');
  const audited = await run("licenses", "bans", "sources", "integrity", "--project", project.path);
  assertEquals([audited.code, audited.error], [0, ""]);
  const again = await run("init", "--project", project.path);
  assertEquals(again.code, 2);
  assertStringIncludes(again.error, "deno.json has a task audit already");
});

Deno.test("audit init says what it could not do", async () => {
  await using node = await temporaryProject({ "package.json": { name: "x", version: "1.0.0" } });
  const first = await run("init", "--project", node.path);
  assertEquals([first.code, first.error], [0, ""]);
  assertStringIncludes(first.out, "there is no deno.json to add the task to");
  assertStringIncludes(first.out, "Next: deno run ");
  assertEquals((await run("init", "--project", node.path)).code, 2);

  await using project = await temporaryProject({ ...files, "deny.toml": "# mine\n" });
  const { code, out } = await run("init", "--project", project.path);
  assertEquals(code, 0);
  assertStringIncludes(out, "deny.toml exists already and stays as it is");
  assertStringIncludes(out, 'added the task "audit" to deno.json');
  assertEquals(await Deno.readTextFile(join(project.path, "deny.toml")), "# mine\n");
});

Deno.test("audit baseline accepts what there is, and only that", async () => {
  await using project = await temporaryProject(files);
  const common = ["--project", project.path, "--db", join(project.path, "db")];
  assertEquals((await run(...common)).code, 1);
  assertEquals((await run("baseline", ...common)).code, 0);
  assertEquals((await run(...common)).code, 0);
  await Deno.writeTextFile(join(project.path, "deny.toml"), '[bans]\ndeny = ["a1"]\n');
  const { code, out } = await run(...common);
  assertEquals(code, 1);
  assertStringIncludes(out, "bans/banned");
});

Deno.test("audit baseline writes nothing when the audit is incomplete", async () => {
  await using project = await temporaryProject(files);
  const { code, error } = await run("baseline", "--project", project.path, "--offline");
  assertEquals(code, 3);
  assertStringIncludes(error, "not written");
  assertEquals(
    [...Deno.readDirSync(project.path)].some(({ name }) => name.includes("baseline")),
    false,
  );
});

Deno.test("audit baseline writes nothing when it is incomplete, even if there is an error", async () => {
  await using project = await temporaryProject({
    ...files,
    "deny.toml": '[bans]\ndeny = ["b1"]\n',
  });
  const common = ["--project", project.path, "--offline"];
  assertEquals((await run(...common)).code, 1);
  assertEquals((await run("baseline", ...common)).code, 3);
  const config = join(project.path, "warn.toml");
  const text = '[advisories]\nincomplete = "warn"\n[bans]\ndeny = ["b1"]\n';
  await Deno.writeTextFile(config, text);
  const warn = [...common, "--config", config];
  assertEquals((await run("baseline", ...warn, "--require-complete")).code, 3);
  assertEquals((await run("baseline", ...warn)).code, 0);
});

Deno.test({
  name: "audit baseline writes into the project only, whatever links there are",
  ignore: Deno.build.os === "windows",
  async fn() {
    const cases: readonly (readonly [link: string, target: string, path: string])[] = [
      ["deny.baseline.json", "../victim/rc", "deny.baseline.json"],
      ["d", "../victim", "d/x.json"],
      ["d", "../victim", "d/rc"],
      ["deny.baseline.json", "inside.json", "deny.baseline.json"],
      ["unused", "x", "absent/x.json"],
      ["unused", "x", "db"],
    ];
    for (const [link, target, path] of cases) {
      await using folder = await temporaryProject({
        ...Object.fromEntries(
          Object.entries(files).map(([name, content]) => [`project/${name}`, content]),
        ),
        "project/deny.toml": `baseline = ${JSON.stringify(path)}\n`,
        "project/inside.json": "precious",
        "victim/rc": "precious",
      });
      const root = join(folder.path, "project");
      await Deno.symlink(target, join(root, link));
      const db = ["--db", join(root, "db")];
      const { code, error, out } = await run("baseline", "--project", root, ...db);
      assertEquals([code, out], [2, ""], path);
      assertStringIncludes(error, "error[output-refused]");
      const texts = [join(folder.path, "victim/rc"), join(root, "inside.json")];
      for (const text of texts) assertEquals(await Deno.readTextFile(text), "precious", path);
      assertEquals([...Deno.readDirSync(join(folder.path, "victim"))].length, 1, path);
      assertEquals([...Deno.readDirSync(root)].some(({ name }) => name.endsWith(".tmp")), false);
    }
    // Control: where no link leads out, the same command writes.
    await using project = await temporaryProject({
      ...files,
      "deny.toml": 'baseline = "d/x.json"\n',
      "real/old.json": "{}",
    });
    await Deno.symlink("real", join(project.path, "d"));
    const db = ["--db", join(project.path, "db")];
    assertEquals((await run("baseline", "--project", project.path, ...db)).code, 0);
    assertEquals(JSON.parse(await Deno.readTextFile(join(project.path, "real/x.json"))).version, 1);
  },
});

Deno.test("audit never prints control characters of a policy's baseline", async () => {
  const name = "x\u001b[31m\u202ey.json";
  await using project = await temporaryProject({
    ...files,
    "deny.toml": `baseline = ${JSON.stringify(name)}\n`,
  });
  const { code, out } = await run(
    "baseline",
    "--project",
    project.path,
    "--db",
    join(project.path, "db"),
  );
  assertEquals(code, 0);
  assertStringIncludes(out, "wrote x\\u001b[31m\\u202ey.json:");
});

Deno.test("audit never prints control characters of a lockfile", async () => {
  const name = "\u001b[2J\u202eevil\u0007";
  await using project = await temporaryProject({
    ...files,
    "deno.lock": {
      ...files["deno.lock"],
      npm: {
        ...files["deno.lock"].npm,
        [`${name}@1.0.0`]: { integrity: "x" },
        "../../etc/passwd@1.0.0": {},
        "__proto__@1.0.0": {},
      },
      jsr: { [`@${name}/x@1.0.0`]: { integrity: SHA256 } },
      remote: { [`https://example.com/${name}`]: "x" },
      [name]: 1,
    },
  });
  for (const format of ["human", "json", "sarif", "cyclonedx"]) {
    const { out, code, error } = await run(
      "--project",
      project.path,
      "--offline",
      "--format",
      format,
    );
    assertEquals([code, error], [1, ""], format);
    // deno-lint-ignore no-control-regex
    assertEquals(out.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/), null, format);
    assertStringIncludes(out, "evil");
  }
  for (const command of [["list"], ["why", "*evil*"]]) {
    const { out } = await run(...command, "--project", project.path);
    // deno-lint-ignore no-control-regex
    assertEquals(out.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/), null);
  }
});

Deno.test("audit refuses a lockfile of 100 MB without reading it", async () => {
  await using project = await temporaryProject({ "deno.json": {} });
  const file = await Deno.open(join(project.path, "deno.lock"), { write: true, createNew: true });
  await file.truncate(100 * 1024 * 1024);
  file.close();
  const { code, error } = await run("--project", project.path, "--offline");
  assertEquals(code, 2);
  assertStringIncludes(error, "larger than the limit");
});
