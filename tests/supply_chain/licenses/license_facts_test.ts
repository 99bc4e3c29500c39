import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { join } from "@std/path";
import list from "spdx-license-list/full.js";
import type { LicenseClarification } from "../../../src/supply_chain/policy/policy.ts";
import { parsePackageSpec } from "../../../src/supply_chain/policy/package_spec.ts";
import type { NodeKind, PackageNode } from "../../../src/supply_chain/project/graph.ts";
import { readProject } from "../../../src/supply_chain/project/read_project.ts";
import {
  type LicenseFact,
  readLicenseFacts,
  type ReadLicenseFactsOptions,
} from "../../../src/supply_chain/licenses/license_facts.ts";
import { temporaryProject } from "../fixture.ts";

const MIT = list["MIT"]!.licenseText;
const APACHE = list["Apache-2.0"]!.licenseText;
const NOT_INSTALLED: LicenseFact = { from: "none", problem: "not-installed" };
const NO_LICENSE: LicenseFact = { from: "none", problem: "no-license" };

function nodeOf(
  kind: NodeKind,
  name: string,
  version: string,
  extra: Partial<PackageNode> = {},
): PackageNode {
  return {
    ...{ kind, name, version, label: `${kind}:${name}@${version}` },
    ...(kind === "npm" && { npm: { name, version } }),
    ...{ entries: 1, hasIntegrity: true, deprecated: false, scripts: false, dev: false },
    ...{ dependencies: [], dependents: [] },
    ...extra,
  };
}

const npm = (name: string, version = "1.0.0", extra: Partial<PackageNode> = {}) =>
  nodeOf("npm", name, version, extra);

/** Files of `node_modules/.deno` for `a@1.0.0`. */
function installed(files: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      `node_modules/.deno/a@1.0.0/node_modules/a/${name}`,
      content,
    ]),
  );
}

async function factsOf(
  files: Readonly<Record<string, unknown>>,
  nodes: readonly PackageNode[],
  options: ReadLicenseFactsOptions & { readonly cache?: boolean } = {},
): Promise<readonly LicenseFact[]> {
  await using folder = await temporaryProject({ "deno.json": {}, ...files });
  const denoDir = options.cache ? join(folder.path, "cache") : null;
  const facts = await readLicenseFacts(await readProject(folder.path), nodes, {
    denoDir,
    ...options,
  });
  return nodes.map((node) => facts.get(node)!);
}

async function factOf(
  files: Readonly<Record<string, unknown>>,
  node: PackageNode = npm("a"),
  options: ReadLicenseFactsOptions & { readonly cache?: boolean } = {},
): Promise<LicenseFact> {
  return (await factsOf(files, [node], options))[0]!;
}

const ANOTHER: LicenseFact = { from: "none", problem: "another-package" };
const FROM_PACKAGE: LicenseFact = { from: "package.json", file: "package.json", expression: "ISC" };
const FROM_DENO: LicenseFact = { from: "deno.json", file: "deno.json", expression: "ISC" };
const isc = (fields = {}) => ({ version: "1.0.0", license: "ISC", ...fields });

Deno.test("readLicenseFacts() finds npm packages wherever they are installed", async () => {
  const table: readonly (readonly [path: string, node: PackageNode])[] = [
    ["node_modules/.deno/a@1.0.0/node_modules/a", npm("a")],
    ["node_modules/.deno/a@1.0.0_1/node_modules/a", npm("a")],
    ["node_modules/.deno/@s+a@1.0.0/node_modules/@s/a", npm("@s/a")],
    ["node_modules/.deno/a@1.0.0-rc.1+b/node_modules/a", npm("a", "1.0.0-rc.1+b")],
    // Deno writes capital letters in base32, as some file systems fold them.
    ["node_modules/.deno/_jjju6tstorzgkyln@1.0.0/node_modules/JSONStream", npm("JSONStream")],
    ["node_modules/a", npm("a")],
    ["node_modules/@s/a", npm("@s/a")],
    ["node_modules/b/node_modules/a", npm("a", "1.0.0", { dependents: [npm("b")] })],
    ["member/node_modules/.deno/a@1.0.0/node_modules/a", npm("a")],
    ["cache/npm/registry.example/a/1.0.0", npm("a")],
    ["cache/npm/registry.example/@s/a/1.0.0", npm("@s/a")],
    ["cache/npm/registry.example/_jjju6tstorzgkyln/1.0.0", npm("JSONStream")],
    // The code of a CDN group is that of the npm package.
    [
      "node_modules/.deno/a@1.0.0/node_modules/a",
      nodeOf("https", "esm.sh/a", "1.0.0", { npm: { name: "a", version: "1.0.0" } }),
    ],
  ];
  for (const [path, node] of table) {
    const files = {
      "deno.json": { workspace: ["./member"] },
      "member/deno.json": {},
      // A package of this name at another version, to be passed over.
      "node_modules/a/package.json": { version: "9.0.0", license: "MIT" },
      [`${path}/package.json`]: isc({ version: node.version }),
    };
    assertEquals(await factOf(files, node, { cache: true }), FROM_PACKAGE, path);
    assertEquals(await factOf({}, node, { cache: true }), NOT_INSTALLED, path);
  }
});

Deno.test("readLicenseFacts() takes the registry that .npmrc names over another one's cache", async () => {
  const files = {
    ".npmrc": "@s:registry=https://npm.acme.example:8443/private/\n",
    "cache/npm/a.example/@s/a/1.0.0/package.json": isc({ license: "MIT" }),
  };
  // The same name may be another package elsewhere: it is not this one.
  assertEquals(await factOf(files, npm("@s/a"), { cache: true }), NOT_INSTALLED);
  const mapped = {
    ...files,
    "cache/npm/npm.acme.example_8443/private/@s/a/1.0.0/package.json": isc(),
  };
  assertEquals(await factOf(mapped, npm("@s/a"), { cache: true }), FROM_PACKAGE);
});

Deno.test("readLicenseFacts() finds JSR packages, remote modules and links", async () => {
  const jsr = nodeOf("jsr", "@s/n", "1.0.0");
  const x = nodeOf("https", "deno.land/x/x", "v1.0.0", {
    url: "https://deno.land/x/x@v1.0.0/mod.ts",
  });
  const std = nodeOf("https", "deno.land/std", "0.200.0", {
    url: "https://deno.land/std@0.200.0/path/mod.ts",
  });
  const raw = nodeOf("https", "github.com/o/r", "v1", {
    url: "https://raw.githubusercontent.com/o/r/v1/src/mod.ts",
  });
  const esm = nodeOf("https", "jsr.io/@s/n", "1.0.0", { url: "https://esm.sh/jsr/@s/n@1.0.0" });
  const table: readonly (readonly [path: string, node: PackageNode])[] = [
    ["vendor/jsr.io/@s/n/1.0.0", jsr],
    ["vendor/jsr.io/@s/n/1.0.0", esm],
    ["vendor/deno.land/x/x@v1.0.0", x],
    ["vendor/deno.land/std@0.200.0", std],
    ["vendor/raw.githubusercontent.com/o/r/v1", raw],
    ["linked", nodeOf("link", "../linked", "")],
    ["linked", nodeOf("link", "@s/linked", "1.0.0")],
  ];
  for (const [path, node] of table) {
    const files = {
      "deno.json": { links: ["../linked", "./linked"] },
      [`${path}/deno.json`]: isc({ name: "@s/linked" }),
    };
    const named = node.name === "../linked"
      ? { ...files, "deno.json": { links: ["./linked"] } }
      : files;
    const asked = node.name === "../linked" ? nodeOf("link", "./linked", "") : node;
    assertEquals(await factOf(named, asked), FROM_DENO, node.label);
    assertEquals(await factOf({}, asked), NOT_INSTALLED, node.label);
  }
});

Deno.test("readLicenseFacts() reads any manifest of a JSR package, deno.json first", async () => {
  const node = nodeOf("jsr", "@s/n", "1.0.0");
  const folder = "vendor/jsr.io/@s/n/1.0.0";
  const commented = '{\n  // the licence\n  "license": "ISC",\n}';
  for (const file of ["deno.json", "deno.jsonc", "jsr.json", "jsr.jsonc", "package.json"]) {
    const text = file === "package.json" ? JSON.stringify(isc()) : commented;
    const fact = await factOf({ [`${folder}/${file}`]: text }, node);
    const from = file === "package.json" ? "package.json" : "deno.json";
    assertEquals(fact, { from, file, expression: "ISC" });
  }
  const both = {
    [`${folder}/deno.json`]: isc(),
    [`${folder}/package.json`]: isc({ license: "MIT" }),
  };
  assertEquals(await factOf(both, node), FROM_DENO);
  // Deno vendors names without an extension with a hash.
  const vendored = { [`${folder}/mod.ts`]: "", [`${folder}/#license_c6932.js`]: MIT };
  assertEquals((await factOf(vendored, node)).expression, "MIT");
  assertEquals(await factOf({ [`${folder}/mod.ts`]: "" }, node), NO_LICENSE);
});

Deno.test("readLicenseFacts() reads Deno's cache of remote files", async () => {
  const node = nodeOf("jsr", "@s/n", "1.0.0");
  const cached = async (path: string, content: string) => {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(path));
    const meta = `\n// denoCacheMetadata={"headers":{},"url":"https://jsr.io${path}"}`;
    return { [`cache/remote/https/jsr.io/${new Uint8Array(hash).toHex()}`]: content + meta };
  };
  const manifest = await cached("/@s/n/1.0.0/deno.json", JSON.stringify(isc()));
  assertEquals(await factOf(manifest, node, { cache: true }), FROM_DENO);
  const license = await cached("/@s/n/1.0.0/LICENSE", MIT);
  assertEquals((await factOf(license, node, { cache: true })).expression, "MIT");
  const other = await cached("/@s/n/1.0.1/deno.json", JSON.stringify(isc()));
  assertEquals(await factOf(other, node, { cache: true }), NOT_INSTALLED);
  // What a clarification names is hashed as it was served.
  const content = JSON.stringify(isc());
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
  const clarify = [clarification("jsr:@s/n", new Uint8Array(digest).toHex(), "deno.json")];
  assertEquals((await factOf(manifest, node, { cache: true, clarify })).from, "clarification");
});

Deno.test("readLicenseFacts() understands every way to declare a licence", async () => {
  const table: readonly (readonly [fields: unknown, expected: LicenseFact])[] = [
    [{ license: "ISC" }, FROM_PACKAGE],
    [{ license: " ISC " }, FROM_PACKAGE],
    [{ license: "(MIT OR ISC)" }, { ...FROM_PACKAGE, expression: "(MIT OR ISC)" }],
    // Forms that npm deprecated: of several entries the user may choose one.
    [{ license: { type: "ISC", url: "https://example.com" } }, FROM_PACKAGE],
    [{ licenses: [{ type: "ISC" }] }, FROM_PACKAGE],
    [{ licenses: "ISC" }, FROM_PACKAGE],
    [{ licenses: [{ type: "ISC" }, { type: "MIT" }] }, {
      ...FROM_PACKAGE,
      expression: "ISC OR MIT",
    }],
    [{ license: ["ISC", "MIT AND Zlib"] }, {
      ...FROM_PACKAGE,
      expression: "ISC OR (MIT AND Zlib)",
    }],
    [{ licenses: [{ type: "ISC" }, { type: "Apache 2" }] }, {
      ...{ from: "package.json", file: "package.json", problem: "not-spdx" },
      declared: "ISC OR (Apache 2)",
    }],
    [{ license: "UNLICENSED" }, {
      ...{ from: "package.json", file: "package.json", problem: "proprietary" },
      declared: "UNLICENSED",
    }],
    // Not the same word.
    [{ license: "Unlicense" }, { ...FROM_PACKAGE, expression: "Unlicense" }],
    [{ license: "Apache 2" }, {
      ...{ from: "package.json", file: "package.json", problem: "not-spdx" },
      declared: "Apache 2",
    }],
    [{ license: "" }, NO_LICENSE],
    [{ license: "  " }, NO_LICENSE],
    [{ license: 5, licenses: {} }, NO_LICENSE],
    [{ licenses: [] }, NO_LICENSE],
    [{}, NO_LICENSE],
    ["[]", NO_LICENSE],
    ["null", NO_LICENSE],
    ["{", NO_LICENSE],
    ['{"__proto__":{"license":"ISC"}}', NO_LICENSE],
    ["[".repeat(200_000), NO_LICENSE],
    [{ license: `SEE LICENSE IN ${" ".repeat(100_000)}` }, {
      ...{ from: "package.json", file: "package.json", problem: "not-spdx" },
      declared: "SEE LICENSE IN",
    }],
  ];
  for (const [fields, expected] of table) {
    const files = installed({ "package.json": fields });
    assertEquals(await factOf(files), expected, JSON.stringify(fields).slice(0, 80));
  }
});

Deno.test("readLicenseFacts() matches licence files where no field tells", async () => {
  const match = async (files: Readonly<Record<string, unknown>>) =>
    await factOf(installed({ "package.json": {}, "index.js": "", ...files }));
  for (
    const file of ["LICENSE", "LICENCE", "license.md", "License.txt", "COPYING", "LICENSE-MIT"]
  ) {
    const expected: LicenseFact = { from: "license-file", file, expression: "MIT", confidence: 1 };
    assertEquals(await match({ [file]: MIT }), expected, file);
  }
  for (const file of ["NOTICE", "README.md", "license.js", "licenses.json", "LICENSE/MIT"]) {
    assertEquals(await match({ [file]: MIT }), NO_LICENSE, file);
  }
  // Several files: all of them hold.
  assertEquals(await match({ "LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE }), {
    ...{ from: "license-file", file: "LICENSE-APACHE, LICENSE-MIT", confidence: 1 },
    expression: "Apache-2.0 AND MIT",
  });
  assertEquals((await match({ LICENSE: MIT, "LICENSE.md": MIT })).expression, "MIT");
  // One that nobody recognizes is not passed over.
  const strange = { LICENSE: MIT, "LICENSE.md": "You owe me a beer." };
  assertEquals(await match(strange), {
    ...{ from: "license-file", file: "LICENSE.md", confidence: 0, problem: "low-confidence" },
  });
});

Deno.test("readLicenseFacts() counts a text from the threshold on", async () => {
  const words = MIT.split(" ").map((word, index) => index % 12 === 0 ? "changed" : word);
  const files = installed({ "package.json": {}, LICENSE: words.join(" ") });
  const { confidence } = await factOf(files, npm("a"), { confidenceThreshold: 0 });
  assert(confidence !== undefined && confidence > 0.7 && confidence < 0.95);
  const at = async (confidenceThreshold: number) =>
    await factOf(files, npm("a"), { confidenceThreshold });
  assertEquals((await at(confidence)).expression, "MIT");
  assertEquals(await at(confidence + 0.001), {
    ...{ from: "license-file", file: "LICENSE", confidence, problem: "low-confidence" },
  });
});

Deno.test("readLicenseFacts() looks into the file for a licence in other words", async () => {
  const other = { "package.json": { license: "Apache 2" }, LICENSE: MIT };
  assertEquals(await factOf(installed(other)), {
    ...{ from: "license-file", file: "LICENSE", expression: "MIT", confidence: 1 },
    ...{ declared: "Apache 2", problem: "not-spdx" },
  });
  const see = (path: string, files = {}) =>
    factOf(installed({ "package.json": { license: `SEE LICENSE IN ${path}` }, ...files }));
  const found: LicenseFact = { from: "license-file", expression: "MIT", confidence: 1 };
  for (const path of ["terms.txt", "./terms.txt", "<terms.txt>", "legal/terms.txt"]) {
    const file = path.replace(/^\.\/|[<>]/g, "");
    const fact = await see(path, { [file]: MIT });
    assertEquals(fact, { ...found, file, declared: `SEE LICENSE IN ${path}` });
  }
  assertEquals((await see("terms.txt", { LICENSE: MIT })).problem, "file-missing");
  assertEquals((await see("terms.txt", { "terms.txt": "Pay." })).problem, "low-confidence");
});

Deno.test("readLicenseFacts() never leaves the package for a file that it names", async () => {
  const secret = {
    "secret/LICENSE": MIT,
    "secret/package.json": isc(),
    "node_modules/.deno/b@1.0.0/node_modules/b/LICENSE": MIT,
  };
  for (
    const path of [
      "../../../../../secret/LICENSE",
      "../../../b@1.0.0/node_modules/b/LICENSE",
      "x/../../../../../../secret/LICENSE",
      "..\\..\\secret\\LICENSE",
      "/etc/passwd",
      "C:/secret/LICENSE",
      "LICENSE\0",
      ".",
      "",
    ]
  ) {
    const manifest = { "package.json": { license: `SEE LICENSE IN ${path}` } };
    const fact = await factOf({ ...secret, ...installed(manifest) });
    assertEquals(fact.expression, undefined, path);
    const hash = new Uint8Array(
      await crypto.subtle.digest("SHA-256", new TextEncoder().encode(MIT)),
    );
    const clarify = [clarification("a", hash.toHex(), path)];
    const clarified = await factOf({ ...secret, ...installed(manifest) }, npm("a"), { clarify });
    assertEquals(clarified.from !== "clarification", true, path);
  }
});

Deno.test("readLicenseFacts() never leaves its folders for a name or version", async () => {
  const files = {
    "secret/package.json": isc({ version: "../../../../../secret" }),
    "node_modules/.deno/x": "",
    "vendor/jsr.io/x": "",
    "cache/npm/r.example/x": "",
  };
  const up = "../".repeat(8) + "secret";
  for (
    const name of ["..", "../secret", "@s/../../secret", "@../secret", ".", "", "a/b/c", "a\0"]
  ) {
    for (const version of ["1.0.0", "..", "../../../../../secret", "1.0.0/../../../secret", up]) {
      for (const kind of ["npm", "jsr"] as const) {
        const fact = await factOf(files, nodeOf(kind, name, version), { cache: true });
        assertEquals(fact, NOT_INSTALLED, `${kind} ${name} ${version}`);
      }
      const url = `https://deno.land/${name}@${version}/mod.ts`;
      const remote = nodeOf("https", "deno.land/x", version, { url });
      assertEquals(await factOf(files, remote, { cache: true }), NOT_INSTALLED, url);
    }
  }
});

Deno.test({
  name: "readLicenseFacts() follows no link out of node_modules or a package",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await temporaryProject({
      "project/deno.json": {},
      "project/node_modules/.deno/b@1.0.0/node_modules/b/package.json": { license: "MIT" },
      "project/node_modules/.deno/c@1.0.0/node_modules/c/package.json": {},
      "project/node_modules/.deno/d@1.0.0/node_modules/x": "",
      "project/node_modules/d/x": "",
      "outside/package.json": isc(),
      "outside/LICENSE": MIT,
    });
    const root = join(folder.path, "project");
    const deno = join(root, "node_modules/.deno");
    const link = (target: string, path: string) => Deno.symlink(join(folder.path, target), path);
    await Deno.mkdir(join(deno, "a@1.0.0/node_modules"), { recursive: true });
    await link("outside", join(deno, "a@1.0.0/node_modules/a"));
    await link("outside/LICENSE", join(deno, "c@1.0.0/node_modules/c/LICENSE"));
    // The control: a link that stays inside is how Deno itself lays packages out.
    await link("project/node_modules/.deno/b@1.0.0/node_modules/b", join(root, "node_modules/b2"));
    await Deno.writeTextFile(
      join(deno, "b@1.0.0/node_modules/b/package.json"),
      JSON.stringify({ version: "1.0.0", license: "MIT" }),
    );
    const nodes = [npm("a"), npm("b2"), npm("c")];
    const facts = await readLicenseFacts(await readProject(root), nodes, { denoDir: null });
    assertEquals(facts.get(nodes[0]!), NOT_INSTALLED);
    assertEquals(facts.get(nodes[1]!)?.expression, "MIT");
    assertEquals(facts.get(nodes[2]!)?.expression, undefined);
  },
});

Deno.test("readLicenseFacts() reads files up to their limits and none beyond", async () => {
  const padded = (length: number) => JSON.stringify(isc()).padEnd(length);
  const limit = 1024 * 1024;
  assertEquals(await factOf(installed({ "package.json": padded(limit) })), FROM_PACKAGE);
  assertEquals(await factOf(installed({ "package.json": padded(limit + 1) })), NO_LICENSE);

  const text = (length: number) => ({ "package.json": {}, LICENSE: MIT.padEnd(length) });
  assertEquals((await factOf(installed(text(256 * 1024)))).expression, "MIT");
  assertEquals((await factOf(installed(text(256 * 1024 + 1)))).problem, "low-confidence");

  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`LICENSE-${i + 10}`, MIT]));
  assertEquals((await factOf(installed({ "package.json": {}, ...many(20) }))).expression, "MIT");
  assertEquals(
    (await factOf(installed({ "package.json": {}, ...many(21) }))).problem,
    "low-confidence",
  );

  const legacy = (count: number) => ({
    "package.json": {
      licenses: Array.from({ length: count }, (_, i) => ({ type: i < 50 ? "MIT" : "ISC" })),
    },
  });
  assertEquals((await factOf(installed(legacy(50)))).expression, "MIT");
  assertEquals((await factOf(installed(legacy(51)))).expression, "MIT");

  const see = (length: number) => ({
    "package.json": { license: "SEE LICENSE IN ".padEnd(length, "x") },
  });
  assertEquals((await factOf(installed(see(300)))).problem, "file-missing");
  assertEquals((await factOf(installed(see(301)))).problem, "not-spdx");

  const dependents = Array.from({ length: 20 }, (_, index) => npm(`b${index + 1}`));
  const nested = (parent: string) => ({
    [`node_modules/${parent}/node_modules/a/package.json`]: isc(),
    "node_modules/a/package.json": isc({ version: "9.0.0" }),
  });
  const node = npm("a", "1.0.0", { dependents });
  assertEquals(await factOf(nested("b19"), node), FROM_PACKAGE);
  assertEquals(await factOf(nested("b20"), node), NOT_INSTALLED);

  const clarified = async (length: number) => {
    const content = " ".repeat(length);
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
    const clarify = [clarification("a", new Uint8Array(digest).toHex())];
    return await factOf(installed({ LICENSE: content }), npm("a"), { clarify });
  };
  assertEquals((await clarified(4 * limit)).from, "clarification");
  assertEquals(
    (await clarified(4 * limit + 1)).refusedClarifications?.[0]?.problem,
    "missing-file",
  );
});

function clarification(spec: string, hash?: string, path = "LICENSE"): LicenseClarification {
  return {
    ...{ line: 1, column: 1, spec: parsePackageSpec(spec), expression: "Zlib" },
    licenseFiles: hash === undefined ? [] : [{ path, hash }],
  };
}

Deno.test("readLicenseFacts() lets a clarification win while its files are unchanged", async () => {
  const files = installed({ "package.json": isc(), LICENSE: MIT });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(MIT));
  const right = clarification("a@^1", new Uint8Array(digest).toHex().toUpperCase());
  const wrong = clarification("a", "0".repeat(64));
  const missing = clarification("a", "0".repeat(64), "TERMS");
  const clarified: LicenseFact = { from: "clarification", expression: "Zlib" };
  const of = (...clarify: LicenseClarification[]) => factOf(files, npm("a"), { clarify });
  assertEquals(await of(right), clarified);
  assertEquals(await of(clarification("a")), clarified);
  assertEquals(await of(wrong, right), clarified);
  assertEquals(await of(clarification("b")), FROM_PACKAGE);
  assertEquals(await of(clarification("a@^2")), FROM_PACKAGE);
  assertEquals(await of(wrong, missing), {
    ...FROM_PACKAGE,
    refusedClarifications: [
      { entry: wrong, problem: "hash-mismatch", path: "LICENSE" },
      { entry: missing, problem: "missing-file", path: "TERMS" },
    ],
  });
  // Without files to compare, the word of the policy is enough.
  assertEquals(await factOf({}, npm("a"), { clarify: [clarification("a")] }), clarified);
  assertEquals(await factOf({}, npm("a"), { clarify: [right] }), {
    ...NOT_INSTALLED,
    refusedClarifications: [{ entry: right, problem: "missing-file", path: "LICENSE" }],
  });
});

Deno.test("readLicenseFacts() finds Deno's cache by the environment", async () => {
  await using folder = await temporaryProject({
    "deno.json": {},
    "dir/npm/r.example/a/1.0.0/package.json": isc(),
    "home/.cache/deno/npm/r.example/a/1.0.0/package.json": isc({ license: "MIT" }),
    "home/Library/Caches/deno/npm/r.example/a/1.0.0/package.json": isc({ license: "MIT" }),
    "home/deno/npm/r.example/a/1.0.0/package.json": isc({ license: "MIT" }),
  });
  const project = await readProject(folder.path);
  const node = npm("a");
  const of = async (variables: Readonly<Record<string, string>>) => {
    const env = (name: string) => variables[name];
    return (await readLicenseFacts(project, [node], { env })).get(node)?.expression;
  };
  const home = join(folder.path, "home");
  assertEquals(await of({ DENO_DIR: join(folder.path, "dir"), HOME: home }), "ISC");
  assertEquals(await of({ HOME: home, LOCALAPPDATA: home }), "MIT");
  assertEquals(await of({}), undefined);
});

Deno.test("readLicenseFacts() takes further folders that are laid out like vendor/", async () => {
  const node = nodeOf("jsr", "@s/n", "1.0.0");
  await using folder = await temporaryProject({
    "project/deno.json": {},
    "store/jsr.io/@s/n/1.0.0/deno.json": isc(),
  });
  const project = await readProject(join(folder.path, "project"));
  const vendorFolders = [join(folder.path, "store")];
  const facts = await readLicenseFacts(project, [node], { denoDir: null, vendorFolders });
  assertEquals(facts.get(node), FROM_DENO);
});

Deno.test("readLicenseFacts() ends when it is told to", async () => {
  await using folder = await temporaryProject({ "deno.json": {} });
  const project = await readProject(folder.path);
  const signal = AbortSignal.abort(new RangeError("enough"));
  await assertRejects(
    () => readLicenseFacts(project, [npm("a")], { denoDir: null, signal }),
    RangeError,
    "enough",
  );
});

Deno.test("readLicenseFacts() is quick about packages that are nowhere", async () => {
  await using folder = await temporaryProject({ "deno.json": {} });
  const project = await readProject(folder.path);
  const nodes = Array.from({ length: 50_000 }, (_, index) => npm(`@s/p${index}`));
  const start = performance.now();
  const facts = await readLicenseFacts(project, nodes, { denoDir: null });
  assertLess(performance.now() - start, 2000);
  assertEquals(facts.size, nodes.length);
});

Deno.test("readLicenseFacts() reads the packages of this project", async () => {
  const facts = new Map<string, string | undefined>();
  const nodes = [
    npm("semver", "7.8.6"),
    npm("picocolors", "1.1.1"),
    npm("spdx-ranges", "2.1.1"),
    npm("spdx-license-list", "6.12.0"),
    npm("smol-toml", "1.9.1"),
  ];
  const project = await readProject(".");
  const found = await readLicenseFacts(project, nodes, { denoDir: null });
  for (const [{ name }, { expression }] of found) facts.set(name, expression);
  assertEquals(Object.fromEntries(facts), {
    "semver": "ISC",
    "picocolors": "ISC",
    "spdx-ranges": "(MIT AND CC-BY-3.0)",
    "spdx-license-list": "CC0-1.0",
    "smol-toml": "BSD-3-Clause",
  });
});

Deno.test("readLicenseFacts() does not take another package's licence for that of the one locked", async () => {
  const cases: readonly (readonly [manifest: Record<string, string>, expected: LicenseFact])[] = [
    [{ name: "other", version: "9.0.0" }, ANOTHER],
    [{ name: "other", version: "1.0.0" }, ANOTHER],
    [{ name: "a", version: "9.0.0" }, ANOTHER],
    [{ name: "a", version: "1.0.0" }, FROM_PACKAGE],
    // The registry writes these versions as 1.0.0.
    [{ name: "a", version: "v1.0.0" }, FROM_PACKAGE],
    [{ name: "a", version: "1.0.0+build" }, FROM_PACKAGE],
  ];
  for (const [fields, expected] of cases) {
    const manifest = { ...fields, license: "ISC" };
    const fact = await factOf(installed({ "package.json": manifest }));
    assertEquals(fact, expected, JSON.stringify(fields));
  }
  // Nor its licence file.
  const files = { "package.json": { name: "other", version: "1.0.0" }, LICENSE: MIT };
  assertEquals(await factOf(installed(files)), ANOTHER);
  // Another place may have the right one.
  const both = {
    ...installed({ "package.json": { name: "other", version: "1.0.0", license: "ISC" } }),
    "cache/npm/registry.example/a/1.0.0/package.json": { name: "a", ...isc() },
  };
  assertEquals(await factOf(both, npm("a"), { cache: true }), FROM_PACKAGE);
});
