import { assertEquals } from "@std/assert";
import { audit } from "../../../src/supply_chain/mod.ts";
import { SHA256, SHA512, temporaryProject } from "../fixture.ts";

/** Codes and messages of an integrity check, without the two that most small projects would have. */
async function check(files: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  await using project = await temporaryProject({
    "deny.toml": '[integrity]\nfrozen = "allow"\n',
    ...files,
  });
  const { findings } = await audit({
    project: project.path,
    checks: ["integrity"],
    now: new Date("2026-11-24T12:00:00Z"),
    env: () => undefined,
  });
  return findings.map(({ code, message }) => `${code}: ${message}`);
}

const empty = { version: "5", workspace: {} };

Deno.test("checkIntegrity() takes the lockfile for frozen only when deno.json says so", async () => {
  const strict = { "deny.toml": '[integrity]\nfrozen = "deny"\n', "deno.lock": empty };
  for (const lock of [undefined, true, "deno.lock", {}, { frozen: false }, { frozen: "true" }]) {
    const found = await check({ ...strict, "deno.json": { lock } });
    assertEquals(found.length, 1, JSON.stringify(lock));
    assertEquals(found[0]!.startsWith("lockfile-not-frozen"), true);
  }
  assertEquals(await check({ ...strict, "deno.json": { lock: { frozen: true } } }), []);
});

Deno.test("checkIntegrity() misses a lockfile only where something is declared", async () => {
  assertEquals(await check({ "deno.json": {} }), []);
  const imports = { a: "npm:a1@1" };
  assertEquals(await check({ "deno.json": { imports } }), [
    "missing-lockfile: there is no deno.lock, so nothing pins what is installed",
  ]);
  assertEquals(await check({ "deno.json": { imports, lock: "locks/a.lock" } }), [
    "missing-lockfile: there is no locks/a.lock, so nothing pins what is installed",
  ]);
  assertEquals(await check({ "deno.json": { imports, lock: false }, "deno.lock": empty }), [
    "missing-lockfile: deno.json turns the lockfile off, so nothing pins what is installed",
  ]);
});

Deno.test("checkIntegrity() takes SHA-2 for a hash and nothing else", async () => {
  const cases: readonly (readonly [hash: unknown, code: string | undefined])[] = [
    [SHA512, undefined],
    [`sha1-AAAA= ${SHA512}`, undefined],
    ["sha256-" + "A".repeat(43) + "=", undefined],
    ["sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "weak-integrity"],
    ["md5-AAAA", "weak-integrity"],
    ["sha512-", "weak-integrity"],
    ["x", "weak-integrity"],
    ["", "missing-integrity"],
    [undefined, "missing-integrity"],
  ];
  for (const [integrity, code] of cases) {
    const found = await check({
      "deno.lock": { ...empty, npm: { "a1@1.0.0": { integrity } } },
    });
    assertEquals(found.map((text) => text.split(":")[0]), code === undefined ? [] : [code]);
  }
  const found = await check({
    "deno.lock": {
      ...empty,
      jsr: { "@s/a@1.0.0": {}, "@s/b@1.0.0": { integrity: SHA256 } },
      remote: { "https://x.example/a.ts": "", "https://y.example/b.ts": SHA256 },
    },
  });
  assertEquals(found.map((text) => text.split(" ").at(-1)), ["https:x.example", "jsr:@s/a@1.0.0"]);
});

Deno.test("checkIntegrity() asks no hash of a linked package, and of no other for its name", async () => {
  const lock = { version: "5", npm: { "a1@1.0.0": {} } };
  const linked = { workspace: { links: { "npm:a1@1.0.0": {} } } };
  assertEquals(await check({ "deno.lock": { ...lock, ...linked } }), []);
  // A folder called like a package.
  const found = await check({ "deno.json": { links: ["a1"] }, "deno.lock": lock });
  assertEquals(found, ["missing-integrity: the lockfile has no hash for npm:a1@1.0.0"]);
});

Deno.test("checkIntegrity() sees a lockfile drift in either direction", async () => {
  const found = await check({
    "deno.json": { imports: { a: "npm:a1@^2" } },
    "package.json": { overrides: { x: "3.0.0" } },
    "deno.lock": {
      version: "5",
      specifiers: { "npm:a1@1": "1.0.0" },
      npm: { "a1@1.0.0": { integrity: SHA512, dependencies: ["gone1@1.0.0"] } },
      workspace: { dependencies: ["npm:a1@1"], packageJson: { overrides: { x: "2.0.0" } } },
    },
  });
  assertEquals(found, [
    "lockfile-drift: deno.json asks for npm:a1@^2, which the lockfile does not have",
    "lockfile-drift: the lockfile has npm:a1@1 for the project, which does not ask for it",
    "lockfile-drift: the overrides of package.json are not those that the lockfile was made with",
    "lockfile-drift: npm:a1@1.0.0 depends on gone1@1.0.0, which the lockfile does not have",
  ]);
});

Deno.test("checkIntegrity() compares overrides whatever the order of their keys", async () => {
  const found = await check({
    "package.json": { overrides: { a: { b: "1", c: "2" }, d: "3" } },
    "deno.lock": {
      version: "5",
      workspace: { packageJson: { overrides: { d: "3", a: { c: "2", b: "1" } } } },
    },
  });
  assertEquals(found, []);
});

Deno.test("checkIntegrity() reports a minimum age below Deno's own, and exceptions from it", async () => {
  const cases: readonly (readonly [age: unknown, isShort: boolean])[] = [
    [0, true],
    ["0", true],
    [1439, true],
    [1440, false],
    ["2880", false],
    ["PT23H", true],
    ["P1D", false],
    ["P2W", false],
    ["2026-11-24", true],
    ["2026-11-23T11:00:00Z", false],
    ["2030-01-01", true],
    ["soon", true],
    [true, true],
    [{ age: "P1D" }, false],
    [{ age: "P1D", exclude: [] }, false],
    [{ age: "P1D", exclude: ["npm:a"] }, true],
    [{ exclude: [{ toString: 1 }] }, true],
    [{}, false],
    [null, false],
  ];
  for (const [minimumDependencyAge, isShort] of cases) {
    const found = await check({ "deno.json": { minimumDependencyAge }, "deno.lock": empty });
    assertEquals(found.length, isShort ? 1 : 0, JSON.stringify(minimumDependencyAge));
  }
});

Deno.test("checkIntegrity() reports an entry that readers disagree about", async () => {
  const found = await check({
    "deno.lock": { ...empty, npm: { "evil1@v1.0.0": { integrity: SHA512 } } },
  });
  assertEquals(found, [
    "malformed-entry: evil1@v1.0.0 is not how Deno writes a name and version that a registry could have",
  ]);
});

Deno.test("checkIntegrity() stays bounded when the lockfile has long names a thousand times", async () => {
  const fields = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`f${index}`, 1]));
  const found = await check({
    "deno.lock": { ...empty, npm: { [`a1@1.0.0_${"b".repeat(10_000)}@1.0.0`]: fields } },
  });
  assertEquals(found.length > 1000, true);
  assertEquals(Math.max(...found.map((text) => text.length)) < 3000, true);
});
