import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import fc from "fast-check";
import currentIds from "spdx-license-ids/index.json" with { type: "json" };
import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };
import {
  formatCycloneDx,
  type FormatCycloneDxOptions,
} from "../../../src/supply_chain/output/cyclonedx.ts";
import { buildGraph } from "../../../src/supply_chain/project/build_graph.ts";
import { parseLockfile } from "../../../src/supply_chain/project/lockfile.ts";
import { readProject } from "../../../src/supply_chain/project/read_project.ts";
import type { PackageGraph } from "../../../src/supply_chain/project/graph.ts";
import type { FindingAdvisory } from "../../../src/supply_chain/report.ts";
import { assertGolden } from "./_golden.ts";
import {
  findingOf,
  firstControl,
  graphOf,
  HOSTILE,
  hostileSample,
  reportOf,
  SAMPLE_GRAPH,
  SAMPLE_INTEGRITY,
  SAMPLE_LICENSES,
  SAMPLE_REPORT,
  unlicensed,
} from "./_sample.ts";
import { assertValid, cycloneDxValidator } from "./_schema.ts";

const validate = await cycloneDxValidator();

const NOW = new Date("2026-03-02T10:20:30.456Z");

const SAMPLE: FormatCycloneDxOptions = {
  report: SAMPLE_REPORT,
  graph: SAMPLE_GRAPH,
  licenses: SAMPLE_LICENSES,
  integrity: SAMPLE_INTEGRITY,
  version: "0.1.0",
  now: NOW,
};

/** The parts of a bill of materials that the tests look at. */
interface Bom {
  readonly serialNumber: string;
  readonly metadata: {
    readonly timestamp: string;
    readonly component: Component & { readonly components?: Component[] };
    readonly properties: { readonly name: string; readonly value: string }[];
  };
  readonly components: Component[];
  readonly dependencies: { readonly ref: string; readonly dependsOn: string[] }[];
  readonly compositions?: { readonly dependencies: string[] }[];
  readonly vulnerabilities: {
    readonly id: string;
    readonly source: { readonly name: string; readonly url?: string };
    readonly ratings?: { readonly method: string; readonly severity: string; score?: number }[];
    readonly affects: { readonly ref: string; readonly versions: unknown[] }[];
  }[];
}

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly group?: string;
  readonly version?: string;
  readonly scope?: string;
  readonly purl?: string;
  readonly hashes?: unknown[];
  readonly licenses?: unknown[];
  readonly externalReferences?: { readonly url: string }[];
}

function bomOf(options: Partial<FormatCycloneDxOptions>): Bom {
  const text = formatCycloneDx({
    report: reportOf(),
    graph: graphOf([], []),
    licenses: new Map(),
    now: NOW,
    ...options,
  });
  const bom = JSON.parse(text);
  assertValid(validate, bom);
  assertConsistent(bom);
  assertEquals(firstControl(text), undefined);
  return bom;
}

/** What the schema cannot say: names are unique, and every name that is used exists. */
function assertConsistent(bom: Bom): void {
  const all = [
    bom.metadata.component,
    ...bom.metadata.component.components ?? [],
    ...bom.components,
  ].map((component) => component["bom-ref"]);
  const refs = new Set(all);
  assertEquals(refs.size, all.length);
  assertEquals(new Set(bom.dependencies.map(({ ref }) => ref)), refs);
  assertEquals(bom.dependencies.length, refs.size);
  for (const { dependsOn } of bom.dependencies) {
    for (const ref of dependsOn) assert(refs.has(ref), ref);
    assertEquals(dependsOn, [...new Set(dependsOn)].sort());
  }
  const used = [
    ...bom.vulnerabilities.flatMap(({ affects }) => affects.map(({ ref }) => ref)),
    ...bom.compositions?.flatMap(({ dependencies }) => dependencies) ?? [],
  ];
  for (const ref of used) assert(refs.has(ref), ref);
}

function purlOf(label: string, extra: Partial<PackageGraph["packages"][0]> = {}): unknown {
  return bomOf({ graph: graphOf([{ label, ...extra }], []) }).components[0]!.purl;
}

Deno.test("formatCycloneDx() writes the sample project, and the schema accepts it", async () => {
  const text = formatCycloneDx(SAMPLE);
  assertValid(validate, JSON.parse(text));
  assertConsistent(JSON.parse(text));
  await assertGolden("sample.cdx.json", text);
});

Deno.test("formatCycloneDx() writes what the schema would not accept when it is broken", () => {
  const text = formatCycloneDx(SAMPLE);
  for (
    const [found, broken] of [
      ['"id": "MIT"', '"id": "MIT License"'],
      ['"method": "CVSSv31"', '"method": "CVSSv3.1"'],
      ['"specVersion"', '"specversion"'],
      ['"content": "ab', '"content": "xy'],
      ['"timestamp": "2026-03-02T', '"timestamp": "2026-03-02 '],
      ['"scope": "excluded"', '"scope": "dev"'],
    ] as const
  ) {
    assert(text.includes(found), found);
    assertThrows(
      () => assertValid(validate, JSON.parse(text.replace(found, broken))),
      Error,
      "not",
    );
  }
});

Deno.test("formatCycloneDx() has a component for each package and no other", () => {
  const bom = bomOf(SAMPLE);
  assertEquals(bom.components.length, SAMPLE_GRAPH.packages.length);
  assertEquals(
    bom.components.map(({ group, name }) => group === undefined ? name : `${group}/${name}`),
    SAMPLE_GRAPH.packages.map(({ name }) => name),
  );
  assertEquals(bom.components.map(({ version }) => version ?? ""), [
    ...SAMPLE_GRAPH.packages.map(({ version }) => version),
  ]);
});

Deno.test("formatCycloneDx() writes a package URL for each kind of package", () => {
  const commit = "0123456789012345678901234567890123456789";
  const url = "https://deno.land/std@0.224.0/a.ts";
  const download = "?download_url=https%3A%2F%2Fdeno.land%2Fstd%400.224.0%2Fa.ts";
  for (
    const [label, extra, expected] of [
      ["npm:name@1.0.0", {}, "pkg:npm/name@1.0.0"],
      ["npm:JSONStream@1.3.5", {}, "pkg:npm/JSONStream@1.3.5"],
      ["npm:@scope/name@1.0.0-rc.1", {}, "pkg:npm/%40scope/name@1.0.0-rc.1"],
      ["jsr:@std/path@1.1.3", {}, "pkg:jsr/%40std/path@1.1.3"],
      ["link:@acme/shared", {}, "pkg:generic/%40acme/shared"],
      ["https:deno.land/std@0.224.0", { url }, `pkg:generic/deno.land/std@0.224.0${download}`],
      ["https:deno.land/x/oak@v12.0.0", {}, "pkg:generic/deno.land/x/oak@v12.0.0"],
      ["https:github.com/acme/tools@" + commit, {}, `pkg:github/acme/tools@${commit}`],
      ["https:jsr.io/@std/path@1.1.3", {}, "pkg:jsr/%40std/path@1.1.3"],
      [
        "https:esm.sh/lodash@4.17.20",
        { npm: { name: "lodash", version: "4.17.20" } },
        "pkg:npm/lodash@4.17.20",
      ],
      ["npm:../evil@1.0.0", {}, undefined],
      ["npm:a//b@1.0.0", {}, undefined],
    ] as const
  ) {
    assertEquals(purlOf(label, extra), expected);
  }
});

Deno.test("formatCycloneDx() writes addresses as RFC 3986 has them, without passwords", () => {
  const referencesOf = (url: string) => {
    const graph = graphOf([{ label: "https:a.example@1.0.0", url }], []);
    return bomOf({ graph }).components[0]!.externalReferences?.map((reference) => reference.url);
  };
  for (
    const [url, expected] of [
      ["https://a.example/a@1?x=1&y#z", "https://a.example/a@1?x=1&y#z"],
      ["https://a.example/a|b^c[d]{e}%zz%20", "https://a.example/a%7Cb%5Ec%5Bd%5D%7Be%7D%25zz%20"],
      ["https://a.example/ü?q='#a#b", "https://a.example/%C3%BC?q=%27#a%23b"],
      ["https://user:secret@[::1]:8080/a", "https://[::1]:8080/a"],
      ["HTTP://A.example", "http://a.example/"],
      ["javascript:alert(1)", undefined],
      ["file:///etc/passwd", undefined],
      ["", undefined],
    ] as const
  ) {
    assertEquals(referencesOf(url), expected === undefined ? undefined : [expected]);
  }
  const secret = graphOf([{ label: "https:a@1", url: "https://user:secret@a.example/" }], []);
  assertFalse(
    formatCycloneDx({ report: reportOf(), graph: secret, licenses: new Map() }).includes("secret"),
  );
});

Deno.test("formatCycloneDx() keeps packages apart that share a package URL", () => {
  const npm = { name: "a", version: "1.0.0" };
  const graph = graphOf(
    [{ label: "npm:a@1.0.0" }, { label: "https:esm.sh/a@1.0.0", npm }],
    ["https:esm.sh/a@1.0.0 -> npm:a@1.0.0"],
  );
  const { components, dependencies } = bomOf({ graph });
  assertEquals(components.map(({ purl }) => purl), Array(2).fill("pkg:npm/a@1.0.0"));
  assertEquals(dependencies[2], {
    ref: "pkg:npm/a@1.0.0#2",
    dependsOn: ["pkg:npm/a@1.0.0"],
  });
});

Deno.test("formatCycloneDx() makes the project the root, with the members below it", () => {
  const graph = graphOf([
    { label: "file:deno.json" },
    { label: "file:package.json" },
    { label: "file:deno.lock" },
    { label: "file:packages/a/deno.json" },
    { label: "file:packages/a/package.json" },
    { label: "file:packages/a/config/import_map.json" },
    { label: "file:packages/ab/deno.jsonc" },
    ...["r", "p", "l", "d", "q", "i", "b"].map((name) => ({ label: `npm:${name}@1.0.0` })),
  ], [
    "file:deno.json -> npm:r@1.0.0",
    "file:package.json -> npm:p@1.0.0, npm:r@1.0.0",
    "file:deno.lock -> npm:l@1.0.0",
    "file:packages/a/deno.json -> npm:d@1.0.0",
    "file:packages/a/package.json -> npm:q@1.0.0",
    "file:packages/a/config/import_map.json -> npm:i@1.0.0",
    "file:packages/ab/deno.jsonc -> npm:b@1.0.0",
  ]);
  const { metadata, dependencies } = bomOf({ graph });
  assertEquals(metadata.component.components?.map(({ name }) => name), [
    "packages/a",
    "packages/ab",
  ]);
  const npm = (...names: string[]) => names.map((name) => `pkg:npm/${name}@1.0.0`);
  assertEquals(dependencies.slice(0, 3), [
    {
      ref: "project:@acme/api",
      dependsOn: ["member:packages/a", "member:packages/ab", ...npm("l", "p", "r")],
    },
    { ref: "member:packages/a", dependsOn: npm("d", "i", "q") },
    { ref: "member:packages/ab", dependsOn: npm("b") },
  ]);
});

Deno.test("formatCycloneDx() declares the dependencies of remote modules as unknown", () => {
  const graph = graphOf([{ label: "https:deno.land/std@0.1.0" }, { label: "npm:a@1.0.0" }], []);
  assertEquals(bomOf({ graph }).compositions?.[0]?.dependencies, [
    "pkg:generic/deno.land/std@0.1.0",
  ]);
  assertEquals(bomOf({}).compositions, undefined);
});

Deno.test("formatCycloneDx() puts under id, expression and name what the schema has there", () => {
  const graph = graphOf([{ label: "npm:a@1.0.0" }], []);
  const licensesOf = (license: string) =>
    bomOf({ graph, licenses: new Map([[graph.packages[0]!, license]]) }).components[0]!.licenses;
  for (
    const [license, expected] of [
      ["MIT", { license: { id: "MIT" } }],
      ["GPL-2.0", { license: { id: "GPL-2.0" } }],
      ["MIT OR Apache-2.0", { expression: "MIT OR Apache-2.0" }],
      ["GPL-2.0-only WITH Classpath-exception-2.0", {
        expression: "GPL-2.0-only WITH Classpath-exception-2.0",
      }],
      ["LicenseRef-Acme", { expression: "LicenseRef-Acme" }],
      ["mit", { license: { name: "mit" } }],
      ["GPLv3", { license: { name: "GPLv3" } }],
      ["SEE LICENSE IN x", { license: { name: "SEE LICENSE IN x" } }],
      ["\u001b[2J", { license: { name: "\\u001b[2J" } }],
      ["(".repeat(100_000), { license: { name: "(".repeat(2000) + "…" } }],
    ] as const
  ) {
    assertEquals(licensesOf(license), [expected]);
  }
  assertEquals(bomOf({ graph }).components[0]!.licenses, undefined);
});

Deno.test("formatCycloneDx() uses no licence id that the schema does not list", () => {
  const ids = [...currentIds, ...deprecatedIds];
  const graph = graphOf(ids.map((_, index) => ({ label: `npm:p${index}@1.0.0` })), []);
  const licenses = new Map(graph.packages.map((node, index) => [node, ids[index]!]));
  const { components } = bomOf({ graph, licenses });
  assertEquals(components.map(({ licenses }) => licenses), ids.map((id) => [{ license: { id } }]));
});

Deno.test("formatCycloneDx() writes the hashes of the lockfile in hex", () => {
  const graph = graphOf([{ label: "npm:a@1.0.0" }], []);
  const hashesOf = (integrity: string) =>
    bomOf({ graph, integrity: new Map([[graph.packages[0]!, integrity]]) }).components[0]!.hashes;
  const sri = (name: string, bytes: number) => `${name}-${btoa("\u00ab".repeat(bytes))}`;
  assertEquals(hashesOf(sri("sha512", 64)), [{ alg: "SHA-512", content: "ab".repeat(64) }]);
  assertEquals(hashesOf(`${sri("sha1", 20)}  ${sri("sha384", 48)}`), [
    { alg: "SHA-1", content: "ab".repeat(20) },
    { alg: "SHA-384", content: "ab".repeat(48) },
  ]);
  assertEquals(hashesOf("AB".repeat(32)), [{ alg: "SHA-256", content: "ab".repeat(32) }]);
  for (const wrong of ["", sri("sha512", 63), sri("md5", 16), "sha512-%%%", "__proto__-aaaa"]) {
    assertEquals(hashesOf(wrong), undefined);
  }
});

Deno.test("formatCycloneDx() makes one vulnerability of an advisory, with all it affects", () => {
  const { vulnerabilities } = bomOf(SAMPLE);
  assertEquals(vulnerabilities.map(({ id }) => id), ["GHSA-35jh-r3h4-6jhm", "MAL-2026-1"]);
  assertEquals(vulnerabilities[0]!.affects, [
    {
      ref: "pkg:npm/lodash@4.17.20",
      versions: [
        { version: "4.17.21", status: "unaffected" },
        { version: "4.17.20", status: "affected" },
      ],
    },
    {
      ref: "pkg:npm/lodash@4.17.20?download_url=https%3A%2F%2Fesm.sh%2Flodash%404.17.20",
      versions: [
        { version: "4.17.21", status: "unaffected" },
        { version: "4.17.20", status: "affected" },
      ],
    },
  ]);
  assertEquals(vulnerabilities[1]!.ratings, [{ severity: "critical", method: "other" }]);
});

Deno.test("formatCycloneDx() finds what a CDN serves by the name of the npm package", () => {
  const graph = graphOf(
    [{ label: "https:esm.sh/a@1.0.0", npm: { name: "a", version: "1.0.0" } }],
    [],
  );
  const advisory = SAMPLE_REPORT.findings[0]!.advisory!;
  const found = findingOf({ advisory, package: { ecosystem: "npm", name: "a", version: "1.0.0" } });
  const absent = findingOf({
    advisory,
    package: { ecosystem: "npm", name: "b", version: "1.0.0" },
  });
  const affects = (finding: typeof found) =>
    bomOf({ graph, report: reportOf({ findings: [finding] }) }).vulnerabilities[0]!.affects;
  assertEquals(affects(found).map(({ ref }) => ref), ["pkg:npm/a@1.0.0"]);
  assertEquals(affects(absent), []);
});

Deno.test("formatCycloneDx() names the method and severity of every CVSS version", () => {
  const base = SAMPLE_REPORT.findings[0]!.advisory!;
  const findings =
    ([["2.0", 10], ["2.0", 0], ["3.0", 3.9], ["3.1", 9], ["4.0", 0], ["5.0", 5]] as const)
      .map(([version, score], index) => {
        const advisory: FindingAdvisory = {
          ...base,
          id: `CVE-${index}`,
          cvss: { version, score, vector: "v" },
        };
        return findingOf({ advisory });
      });
  assertEquals(
    bomOf({ report: reportOf({ findings }) }).vulnerabilities.map(({ ratings }) =>
      `${ratings?.[0]?.method} ${ratings?.[0]?.severity}`
    ),
    ["CVSSv2 high", "CVSSv2 low", "CVSSv3 low", "CVSSv31 critical", "CVSSv4 none", "other medium"],
  );
});

Deno.test("formatCycloneDx() says how much was checked", () => {
  const { properties } = bomOf(SAMPLE).metadata;
  const value = (name: string) => properties.find((property) => property.name === name)?.value;
  assertEquals(value("bartizan:coverage:npm:found"), "4");
  assertEquals(value("bartizan:coverage:npm:checked"), "2");
  assertEquals(
    value("bartizan:incomplete:advisories"),
    "no advisory database covers JSR (packages: 1)",
  );
});

Deno.test("formatCycloneDx() gives the same input the same document, and the same serial", () => {
  assertEquals(formatCycloneDx(SAMPLE), formatCycloneDx(SAMPLE));
  const first = bomOf(SAMPLE).serialNumber;
  assertMatch(
    first,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const later = bomOf({ ...SAMPLE, now: new Date(NOW.getTime() + 1000) });
  assertEquals(later.serialNumber, first);
  assertEquals(later.metadata.timestamp, "2026-03-02T10:20:31.456Z");
  assertNotEquals(bomOf({ ...SAMPLE, licenses: new Map() }).serialNumber, first);
  const serial = "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79";
  assertEquals(bomOf({ ...SAMPLE, serial }).serialNumber, serial);
});

Deno.test("formatCycloneDx() of a hostile project is valid and loses no package", () => {
  const { report, graph } = hostileSample();
  const licenses = new Map(
    graph.packages.map((node, index) => [node, HOSTILE[index % HOSTILE.length]!]),
  );
  const bom = bomOf({ report, graph, licenses, integrity: licenses });
  assertEquals(bom.components.length, graph.packages.length);
  assertEquals(bom.vulnerabilities.every(({ source }) => source.url === undefined), true);
});

Deno.test("formatCycloneDx() is valid whatever names, versions and licences are", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: fc.constantFrom("/", ".", "@", " ", "a", ":", "?", "#", "%"), maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text, text), { maxLength: 5 }), (rows) => {
      const graph = graphOf(
        rows.flatMap(([name, version], index) =>
          (["npm", "jsr", "https", "link"] as const).map((kind) => ({
            label: `${kind}:${index}`,
            kind,
            name,
            version,
            url: version,
          }))
        ),
        [],
      );
      const licenses = new Map(
        graph.packages.map((node, index) => [node, rows[index % rows.length]![2]]),
      );
      assertEquals(bomOf({ graph, licenses }).components.length, graph.packages.length);
    }),
    { seed: 20260301, numRuns: 200 },
  );
});

Deno.test("formatCycloneDx() is valid for real projects", async () => {
  const folder = new URL("../../../../shared/cases/locks/", import.meta.url);
  let projects: Deno.DirEntry[];
  try {
    projects = (await Array.fromAsync(Deno.readDir(folder))).filter((entry) => entry.isDirectory);
  } catch {
    console.log("skipped: ../shared/cases/locks is not here");
    return;
  }
  assertGreater(projects.length, 0);
  for (const { name } of projects) {
    const path = fromFileUrl(new URL(name, folder));
    const lock = parseLockfile(await Deno.readTextFile(`${path}/deno.lock`), "deno.lock");
    const graph = buildGraph(await readProject(path, {}), lock);
    const { components } = bomOf({ graph });
    assertEquals(components.length, graph.packages.length);
    for (const { purl, "bom-ref": ref } of components) assertEquals(purl, ref);
  }
});

Deno.test("formatCycloneDx() writes 20,000 packages and findings before time runs out", () => {
  const names = Array.from({ length: 20_000 }, (_, index) => `npm:package-${index}@1.0.0`);
  const graph = graphOf(
    names.map((label) => ({ label })),
    names.slice(1).map((label, index) => `${names[index]} -> ${label}`),
  );
  const advisory = SAMPLE_REPORT.findings[0]!.advisory!;
  const report = reportOf({
    findings: unlicensed(20_000).map((finding, index) => ({
      ...finding,
      advisory: { ...advisory, id: `GHSA-${index}` },
    })),
  });
  const licenses = new Map(graph.packages.map((node) => [node, "MIT OR Apache-2.0"]));
  const start = performance.now();
  assertGreater(formatCycloneDx({ report, graph, licenses }).length, 20_000 * 100);
  assertLess(performance.now() - start, 5000);
});
