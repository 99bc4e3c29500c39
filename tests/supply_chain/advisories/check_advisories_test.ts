import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { CheckContext } from "../../../src/supply_chain/_check.ts";
import type { AdvisorySource } from "../../../src/supply_chain/advisories/advisory_source.ts";
import {
  type AdvisoryCheckOptions,
  type AdvisoryResult,
  checkAdvisories,
} from "../../../src/supply_chain/advisories/check_advisories.ts";
import type { OsvAffected, OsvRecord } from "../../../src/supply_chain/advisories/osv.ts";
import { parsePolicy } from "../../../src/supply_chain/policy/policy_file.ts";
import type { PackageNode } from "../../../src/supply_chain/project/graph.ts";
import type { Finding } from "../../../src/supply_chain/report.ts";

const NOW = new Date("2026-06-15T12:00:00Z");
const HIGH = "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H";

function nodeOf(label: string, more: Partial<PackageNode> = {}): PackageNode {
  const [kind, rest] = [label.slice(0, label.indexOf(":")), label.slice(label.indexOf(":") + 1)];
  const at = rest.lastIndexOf("@");
  const [name, version] = at > 0 ? [rest.slice(0, at), rest.slice(at + 1)] : [rest, ""];
  return {
    kind: kind as PackageNode["kind"],
    label,
    name,
    version,
    entries: 1,
    ...(kind === "npm" && { npm: { name, version } }),
    hasIntegrity: true,
    deprecated: false,
    scripts: false,
    dependencies: [],
    dependents: [],
    dev: false,
    ...more,
  };
}

function recordOf(
  id: string,
  more: Partial<OsvRecord> & { entry?: Partial<OsvAffected> } = {},
): OsvRecord {
  const { entry, ...rest } = more;
  return {
    id,
    affected: [{
      package: { ecosystem: "npm", name: "left" },
      ranges: [{
        type: "SEMVER",
        events: [{ introduced: "0" }, { fixed: "1.5.0" }, { introduced: "2.0.0" }, {
          fixed: "2.1.0",
        }],
      }],
      ...entry,
    }],
    ...rest,
  };
}

function sourceOf(
  records: readonly OsvRecord[],
  more: Partial<AdvisorySource> = {},
): AdvisorySource & { asked: string[] } {
  const asked: string[] = [];
  return {
    description: "test records",
    asked,
    covers: (ecosystem) => ecosystem === "npm",
    lookup(packages) {
      asked.push(...packages.map(({ name, version }) => `${name}@${version}`));
      const found = new Map<string, OsvRecord[]>();
      for (const record of records) {
        const names = new Set(
          record.affected!.map((entry) => `${entry.package!.ecosystem}:${entry.package!.name}`),
        );
        for (const key of names) found.set(key, [...found.get(key) ?? [], record]);
      }
      return Promise.resolve(found);
    },
    ...more,
  };
}

interface Setup extends Partial<AdvisoryCheckOptions> {
  readonly packages?: readonly PackageNode[];
  readonly records?: readonly OsvRecord[];
  readonly policy?: string;
  readonly scopes?: Record<string, string>;
  readonly registry?: string;
  readonly context?: Partial<CheckContext>;
  readonly root?: string;
}

async function check(setup: Setup = {}): Promise<AdvisoryResult> {
  const { packages = [nodeOf("npm:left@1.0.0")], records = [], policy = "", context = {} } = setup;
  const text = `[advisories]\nunused-ignored-advisory = "warn"\n${policy}`;
  const full: CheckContext = {
    project: {
      root: setup.root ?? "/nonexistent",
      name: "test",
      configs: [],
      npmrc: {
        ...(setup.registry && { registry: setup.registry }),
        scopes: new Map(Object.entries(setup.scopes ?? {})),
        privateScopes: new Set(Object.keys(setup.scopes ?? {})),
      },
    } as unknown as CheckContext["project"],
    graph: { roots: [], packages },
    policy: await parsePolicy(text, { path: "deny.toml" }),
    now: NOW,
    locate: () => ({ file: "deno.lock", line: 7, column: 5 }),
    why: (node) => [["file:deno.json", "npm:top@1.0.0", node.label]],
    isDirect: () => false,
    isOnlyThrough: (_, label) => label === "npm:top@1.0.0",
    ...context,
  };
  return await checkAdvisories(full, {
    source: setup.source === undefined ? sourceOf(records) : setup.source,
    ...(setup.sourceError !== undefined && { sourceError: setup.sourceError }),
    ...(setup.denoDir !== undefined && { denoDir: setup.denoDir }),
  });
}

function brief({ findings }: { findings: readonly Finding[] }): string[] {
  return findings.map(({ code, severity, advisory }) =>
    [code, severity, advisory?.id].filter(Boolean).join(" ")
  );
}

Deno.test("checkAdvisories() reports a vulnerability with all that a reader needs", async () => {
  const record = recordOf("GHSA-1", {
    aliases: ["CVE-1"],
    summary: "Bad \u001b[2Jthing",
    severity: [{ type: "CVSS_V3", score: HIGH }],
  });
  const result = await check({ records: [record] });
  assertEquals(result.findings, [{
    check: "advisories",
    code: "vulnerability",
    severity: "error",
    message: "npm:left@1.0.0 has a vulnerability (GHSA-1): Bad \\u001b[2Jthing",
    package: { ecosystem: "npm", name: "left", version: "1.0.0" },
    advisory: {
      id: "GHSA-1",
      aliases: ["CVE-1"],
      summary: "Bad \\u001b[2Jthing",
      url: "https://github.com/advisories/GHSA-1",
      cvss: { version: "3.1", score: 7.2, vector: HIGH },
      fixed: ["1.5.0", "2.1.0"],
    },
    why: [["file:deno.json", "npm:top@1.0.0", "npm:left@1.0.0"]],
    location: { file: "deno.lock", line: 7, column: 5 },
    help: "Update left to 1.5.0 or later. It is brought in by npm:top@1.0.0.",
  }]);
  assertEquals([result.unchecked.size, result.incomplete.length], [0, 0]);
  assertEquals(await check({ records: [record], packages: [nodeOf("npm:left@1.5.0")] }), {
    findings: [],
    unchecked: new Map(),
    incomplete: [],
  });
});

Deno.test("checkAdvisories() finds an npm package behind a CDN", async () => {
  const cdn = nodeOf("https:esm.sh/left@1.0.0", { npm: { name: "left", version: "1.0.0" } });
  const result = await check({ records: [recordOf("GHSA-1")], packages: [cdn] });
  assertEquals(brief(result), ["vulnerability error GHSA-1"]);
  assertEquals(result.findings[0]!.package, {
    ecosystem: "npm",
    name: "left",
    version: "1.0.0",
  });
  assertEquals(
    result.findings[0]!.message,
    "https:esm.sh/left@1.0.0 serves npm:left@1.0.0, which has a vulnerability (GHSA-1)",
  );
  const unclear = recordOf("GHSA-2", { entry: { ranges: [] } });
  assertStringIncludes(
    (await check({ records: [unclear], packages: [cdn] })).findings[0]!.message,
    "applies to npm:left@1.0.0, served by https:esm.sh/left@1.0.0:",
  );
  const inexact = nodeOf("https:esm.sh/left@1", { npmName: "left" });
  const { unchecked } = await check({ packages: [inexact] });
  assertStringIncludes(unchecked.get(inexact)!, "no exact version");
});

Deno.test("checkAdvisories() reports a record once per package, and aliases apart", async () => {
  const packages = [nodeOf("npm:left@1.0.0"), nodeOf("npm:left@2.0.0")];
  const records = [
    recordOf("GHSA-1", { aliases: ["GHSA-2"] }),
    recordOf("GHSA-1"),
    recordOf("GHSA-2", { aliases: ["GHSA-1"] }),
  ];
  assertEquals(brief(await check({ packages, records })), [
    "vulnerability error GHSA-1",
    "vulnerability error GHSA-2",
    "vulnerability error GHSA-1",
    "vulnerability error GHSA-2",
  ]);
});

Deno.test("checkAdvisories() makes malicious packages errors under every policy", async () => {
  const policy = 'severity-threshold = "critical"\n';
  const low = {
    severity: [{ type: "CVSS_V3", score: "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L" }],
  };
  const malicious = [
    recordOf("MAL-2026-1"),
    recordOf("LWA-2026-1"),
    recordOf("GHSA-1", { database_specific: { "malicious-packages-origins": [] } }),
    recordOf("GHSA-2", { database_specific: { cwe_ids: ["CWE-506"] } }),
    recordOf("GHSA-3", { entry: { database_specific: { cwes: [{ cweId: "CWE-506" }] } } }),
  ].map((record) => ({ ...record, ...low }));
  assertEquals(brief(await check({ policy, records: malicious })), [
    "malicious error MAL-2026-1",
    "malicious error LWA-2026-1",
    "malicious error GHSA-1",
    "malicious error GHSA-2",
    "malicious error GHSA-3",
  ]);
  // Not through an alias, which may be another database's mistake.
  const [finding] =
    (await check({ records: [recordOf("GHSA-4", { aliases: ["MAL-2026-1"] })] })).findings;
  assertEquals(finding?.code, "vulnerability");
  const gone = recordOf("MAL-2026-2", { withdrawn: "2026-01-01T00:00:00Z" });
  assertEquals(brief(await check({ records: [gone] })), []);
});

Deno.test("checkAdvisories() lets nothing ignore a malicious package", async () => {
  const records = [recordOf("MAL-2026-1", { aliases: ["GHSA-1"] })];
  const policy = `ignore = [
    { id = "MAL-2026-1", reason = "a false alarm" },
    { package = "left", reason = "trusted" },
    { id = "GHSA-1", reason = "by its alias" },
  ]`;
  const result = await check({ policy, records });
  assertEquals(brief(result), [
    "malicious error MAL-2026-1",
    "advisory-not-detected warning",
    "advisory-not-detected warning",
    "advisory-not-detected warning",
    "advisory-not-detected note",
  ]);
  assertStringIncludes(result.findings[0]!.message, "cannot be ignored");
  const refused = result.findings[3]!;
  assertStringIncludes(refused.message, "ignore MAL-2026-1 ignores nothing");
  assertStringIncludes(refused.help, "Remove the package");
  assertEquals(refused.location, { file: "deny.toml", line: 4, column: 5 });
  // An entry that ignores nothing malicious says so only where it is wanted.
  const quiet = 'ignore = [{ id = "MAL-2026-1", reason = "x" }]\n';
  assertEquals(brief(await check({ records, policy: quiet })).length, 2);
  const plain = await check({ records });
  assertEquals(plain.findings[0]!.message.includes("cannot be ignored"), false);
});

Deno.test("checkAdvisories() treats informational advisories as the policy says", async () => {
  const records = ["unmaintained", "unsound", "notice"].map((informational, index) =>
    recordOf(`RUSTSEC-${index}`, { entry: { database_specific: { informational } } })
  );
  const table: readonly [string, boolean, string[]][] = [
    ['unmaintained = "all"\nunsound = "all"\nnotice = "warn"', false, [
      "unmaintained error",
      "unsound error",
      "notice warning",
    ]],
    ['unmaintained = "workspace"\nunsound = "transitive"\nnotice = "allow"', false, [
      "unsound error",
    ]],
    ['unmaintained = "workspace"\nunsound = "transitive"\nnotice = "deny"', true, [
      "unmaintained error",
      "notice error",
    ]],
    ['unmaintained = "none"\nunsound = "none"\nnotice = "allow"', true, []],
    ['unmaintained = "warn"\nunsound = { scope = "all", level = "warn" }\nnotice = "allow"', true, [
      "unmaintained warning",
      "unsound warning",
    ]],
  ];
  for (const [policy, direct, expected] of table) {
    const result = await check({ policy, records, context: { isDirect: () => direct } });
    assertEquals(brief(result).map((line) => line.replace(/ RUSTSEC-\d/, "")), expected, policy);
  }
  // An unknown kind, and one entry of two, are vulnerabilities.
  const [entry] = recordOf("X").affected!;
  const mixed = {
    id: "X-2",
    affected: [entry!, { ...entry!, database_specific: { informational: "notice" } }],
  };
  const other = recordOf("X-1", { entry: { database_specific: { informational: "other" } } });
  assertEquals(brief(await check({ records: [other, mixed] })), [
    "vulnerability error X-1",
    "vulnerability error X-2",
  ]);
});

Deno.test("checkAdvisories() makes what is below the severity threshold a note", async () => {
  const score = (id: string, vector?: string) =>
    recordOf(id, vector ? { severity: [{ type: "CVSS_V3", score: vector }] } : {});
  const records = [
    score("GHSA-1", HIGH),
    score("GHSA-2", HIGH.replace("C:H/I:H/A:H", "C:L/I:N/A:N")),
    score("GHSA-3"),
  ];
  const expected = (
    first: string,
    second: string,
  ) => [
    `vulnerability ${first} GHSA-1`,
    `vulnerability ${second} GHSA-2`,
    "vulnerability error GHSA-3",
  ];
  assertEquals(brief(await check({ records })), expected("error", "error"));
  assertEquals(
    brief(await check({ records, policy: 'severity-threshold = "high"' })),
    expected("error", "note"),
  );
  assertEquals(
    brief(await check({ records, policy: 'severity-threshold = "critical"' })),
    expected("note", "note"),
  );
  assertEquals(
    brief(await check({ records, policy: 'severity-threshold = "low"' })),
    expected("error", "error"),
  );
  assertEquals(brief(await check({ records, policy: 'vulnerability = "allow"' })), []);
});

Deno.test("checkAdvisories() ignores by the record's own id, and says so", async () => {
  const ignore = (entry: string) => `ignore = [{ ${entry}, reason = "not reached" }]`;
  const records = [recordOf("GHSA-1", { aliases: ["CVE-1", "GHSA-9"] })];
  const result = await check({ records, policy: ignore('id = "GHSA-1"') });
  assertEquals(brief(result), ["advisory-ignored note GHSA-1"]);
  assertStringIncludes(result.findings[0]!.message, "not reached");

  const alias = await check({ records, policy: ignore('id = "CVE-1"') });
  assertEquals(brief(alias), [
    "vulnerability error GHSA-1",
    "advisory-not-detected warning",
    "advisory-not-detected note",
  ]);
  const note = alias.findings[2]!;
  assertStringIncludes(note.message, "GHSA-1");
  assertEquals(note.location?.file, "deny.toml");

  const scoped = async (entry: string) =>
    brief(await check({ records, policy: ignore(`id = "GHSA-1", ${entry}`) }))[0];
  assertEquals(await scoped('package = "left"'), "advisory-ignored note GHSA-1");
  assertEquals(await scoped('package = "left@^2"'), "vulnerability error GHSA-1");
  assertEquals(await scoped('path = "npm:top@1.0.0"'), "advisory-ignored note GHSA-1");
  assertEquals(await scoped('path = "npm:other@1.0.0"'), "vulnerability error GHSA-1");
  assertEquals(await scoped('until = "2026-06-15"'), "advisory-ignored note GHSA-1");
  const expired = await check({ records, policy: ignore('id = "GHSA-1", until = "2026-06-14"') });
  assertEquals(brief(expired), ["vulnerability error GHSA-1", "ignore-expired error"]);
});

Deno.test("checkAdvisories() reports unused ignores, unless nobody could look", async () => {
  const policy = 'ignore = [{ id = "GHSA-1", reason = "x" }]';
  assertEquals(brief(await check({ policy })), ["advisory-not-detected warning"]);
  assertEquals(brief(await check({ policy, records: [recordOf("GHSA-1")] })), [
    "advisory-ignored note GHSA-1",
  ]);
  assertEquals(brief(await check({ policy, source: null })), []);
  const failing = sourceOf([], { lookup: () => Promise.reject(new Error("down")) });
  assertEquals(brief(await check({ policy, source: failing })), []);
});

Deno.test("checkAdvisories() warns about what cannot be decided", async () => {
  const node = nodeOf("npm:left@1.0.0");
  const events = [{ introduced: "0" }, { fixed: "next" }];
  const records = [recordOf("GHSA-1", { entry: { ranges: [{ type: "SEMVER", events }] } })];
  const result = await check({ packages: [node], records });
  assertEquals(brief(result), ["advisory-undecidable warning GHSA-1"]);
  assert(result.unchecked.has(node));
  const policy = 'ignore = [{ id = "GHSA-1", reason = "checked by hand" }]';
  assertEquals(brief(await check({ packages: [node], records, policy })), [
    "advisory-ignored note GHSA-1",
  ]);
  // Affected by one copy of the record, unclear in the other.
  assertEquals(brief(await check({ records: [...records, recordOf("GHSA-1")] })), [
    "vulnerability error GHSA-1",
  ]);

  const broken = await check({ source: sourceOf([], { invalid: 2 }) });
  assertEquals(brief(broken), ["advisory-undecidable warning"]);
  assertStringIncludes(broken.findings[0]!.message, "2 malformed advisories");
});

Deno.test("checkAdvisories() notes records without versions, and counts them as no hits", async () => {
  const node = nodeOf("npm:left@1.0.0");
  const records = [
    recordOf("GHSA-1", { entry: { ranges: [{ type: "GIT", events: [{ introduced: "0" }] }] } }),
    recordOf("GHSA-2", { entry: { ranges: [] } }),
  ];
  const { findings, unchecked } = await check({ packages: [node], records });
  assertEquals(findings.map(({ code, severity, advisory }) => [code, severity, advisory]), [
    ["advisory-undecidable", "note", undefined],
    ["advisory-undecidable", "note", undefined],
  ]);
  assertStringIncludes(findings[0]!.message, "GHSA-1 applies to npm:left@1.0.0");
  assertEquals(unchecked.size, 0);
  const policy = ["GHSA-1", "GHSA-2"].map((id) => `{ id = "${id}", reason = "read it" }`);
  assertEquals(brief(await check({ packages: [node], records, policy: `ignore = [${policy}]` })), [
    "advisory-ignored note",
    "advisory-ignored note",
  ]);
  // The other copies of a record say more.
  const events = [{ introduced: "0" }, { fixed: "next" }];
  const unclear = recordOf("GHSA-2", { entry: { ranges: [{ type: "SEMVER", events }] } });
  assertEquals(brief(await check({ records: [...records, unclear, recordOf("GHSA-1")] })), [
    "vulnerability error GHSA-1",
    "advisory-undecidable warning GHSA-2",
  ]);
});

Deno.test("checkAdvisories() is incomplete without a source, and says how many packages it concerns", async () => {
  const packages = [
    nodeOf("npm:left@1.0.0"),
    nodeOf("npm:right@1.0.0"),
    nodeOf("jsr:@std/path@1.0.0"),
    nodeOf("https:deno.land/x/oak@v1"),
    nodeOf("link:npm:y@1.0.0"),
  ];
  const none = await check({ packages, source: null, sourceError: "offline" });
  assertEquals(none.incomplete, [{ check: "advisories", reason: "offline", packages: 2 }]);
  assertEquals(none.unchecked.size, 5);
  const failing = sourceOf([], {
    lookup: () => Promise.reject(new Error("the service is down\u001b[2J")),
  });
  const failed = await check({ packages, source: failing });
  assertEquals(failed.incomplete, [{
    check: "advisories",
    reason: "the service is down\\u001b[2J",
    packages: 2,
  }]);
  assertEquals(failed.unchecked.get(packages[0]!), "the service is down\\u001b[2J");
  const other = await check({ packages, source: sourceOf([], { covers: () => false }) });
  assertEquals(other.incomplete.map(({ packages }) => packages), [2]);
  // What no database covers is unchecked, not incomplete.
  const fine = await check({ packages });
  assertEquals([fine.incomplete.length, fine.unchecked.size], [0, 3]);
});

Deno.test("checkAdvisories() looks JSR packages up where the source covers them", async () => {
  const jsr = nodeOf("jsr:@std/path@1.0.0");
  const record: OsvRecord = {
    id: "JSR-1",
    affected: [{ package: { ecosystem: "JSR", name: "@std/path" }, versions: ["1.0.0"] }],
  };
  const source = sourceOf([record], { covers: () => true });
  const result = await check({ packages: [jsr], source });
  assertEquals(brief(result), ["vulnerability error JSR-1"]);
  assertEquals(result.unchecked.size, 0);
  assertEquals(result.findings[0]!.advisory!.url, "https://osv.dev/vulnerability/JSR-1");
});

Deno.test("checkAdvisories() never sends the names of private scopes out", async () => {
  const packages = [
    nodeOf("npm:left@1.0.0"),
    nodeOf("npm:@acme/secret@1.0.0"),
    nodeOf("npm:@open/x@1.0.0"),
    nodeOf("npm:@ACME/Other@1.0.0"),
  ];
  const scopes = { "@acme": "https://npm.acme.example/" };
  const remote = sourceOf([], { remote: true });
  // The default registry is a mirror of the public one, for all that this shows.
  for (const registry of [undefined, "https://mirror.example/"]) {
    remote.asked.length = 0;
    const result = await check({ packages, scopes, source: remote, ...(registry && { registry }) });
    assertEquals(remote.asked, ["left@1.0.0", "@open/x@1.0.0"]);
    assertStringIncludes(result.unchecked.get(packages[1]!)!, "private registry");
    // They were not checked: an .npmrc from elsewhere could map any scope.
    assertEquals(result.incomplete.map(({ check, packages }) => [check, packages]), [
      ["advisories", 2],
    ]);
    assertStringIncludes(result.incomplete[0]!.reason, "test records");
    assertStringIncludes(result.incomplete[0]!.reason, "audit fetch");
  }
  // A local database is asked about all of them.
  const local = sourceOf([]);
  assertEquals((await check({ packages, scopes, source: local })).incomplete, []);
  assertEquals(local.asked.length, 4);
  // Nothing but private scopes.
  const only = await check({
    packages: [packages[1]!],
    scopes,
    source: sourceOf([], { remote: true }),
  });
  assertEquals(only.incomplete.map(({ packages }) => packages), [1]);
});

Deno.test("checkAdvisories() reports deprecated packages without any source", async () => {
  const packages = [nodeOf("npm:left@1.0.0", { deprecated: true })];
  assertEquals(brief(await check({ packages, source: null })), ["deprecated warning"]);
  assertEquals(brief(await check({ packages, policy: 'deprecated = "deny"' })), [
    "deprecated error",
  ]);
  assertEquals(brief(await check({ packages, policy: 'deprecated = "allow"' })), []);
  const policy = 'ignore = [{ code = "deprecated", package = "left", reason = "no successor" }]';
  assertEquals(brief(await check({ packages, policy })), ["advisory-ignored note"]);
});

Deno.test("checkAdvisories() ignores what the publisher says by the package alone", async () => {
  const policy = 'ignore = [{ package = "left@1.0.0", reason = "no successor" }]';
  const left = nodeOf("npm:left@1.0.0", { deprecated: true });
  const records = [recordOf("GHSA-1")];
  // But no advisory about it.
  assertEquals(brief(await check({ packages: [left], policy, records })), [
    "advisory-ignored note",
    "vulnerability error GHSA-1",
  ]);
  const other = nodeOf("npm:left@1.0.1", { deprecated: true });
  const unused = await check({ packages: [other], policy });
  assertEquals(brief(unused), ["deprecated warning", "advisory-not-detected warning"]);
  assertEquals(unused.findings[1]!.message, "ignore left@1.0.0 matches nothing");
  // The code without a package is about what was yanked, and nothing else.
  const yanked = 'ignore = [{ code = "yanked", reason = "none of ours" }]';
  assertEquals(brief(await check({ packages: [left], policy: yanked })), [
    "deprecated warning",
    "advisory-not-detected warning",
  ]);
});

Deno.test("checkAdvisories() reports yanked JSR packages from vendor/ and Deno's cache", async () => {
  const root = await Deno.makeTempDir();
  try {
    const meta = JSON.stringify({
      versions: { "1.0.0": { yanked: true }, "1.1.0": {}, "__proto__": { yanked: true } },
    });
    await Deno.mkdir(`${root}/vendor/jsr.io/@std/path`, { recursive: true });
    await Deno.writeTextFile(`${root}/vendor/jsr.io/@std/path/meta.json`, meta);
    await Deno.writeTextFile(`${root}/vendor/secret.json`, meta);
    const cache = `${root}/cache/remote/https/jsr.io`;
    await Deno.mkdir(cache, { recursive: true });
    const hash = new Uint8Array(
      await crypto.subtle.digest("SHA-256", new TextEncoder().encode("/@std/fs/meta.json")),
    ).toHex();
    await Deno.writeTextFile(
      `${cache}/${hash}`,
      `${meta}\n// denoCacheMetadata={"headers":{},"url":"x"}`,
    );

    const yanked = async (label: string, denoDir: string | null = null) =>
      brief(await check({ packages: [nodeOf(label)], root, denoDir }));
    assertEquals(await yanked("jsr:@std/path@1.0.0"), ["yanked warning"]);
    assertEquals(await yanked("jsr:@std/path@1.1.0"), []);
    assertEquals(await yanked("jsr:@std/path@constructor"), []);
    assertEquals(await yanked("jsr:@std/fs@1.0.0"), []);
    assertEquals(await yanked("jsr:@std/fs@1.0.0", `${root}/cache`), ["yanked warning"]);
    assertEquals(await yanked("npm:@std/path@1.0.0"), []);
    // Names from a lockfile make no paths unless JSR could have given them out.
    assertEquals(await yanked("jsr:@std/../../secret.json/../jsr.io/@std/path@1.0.0"), []);
    const packages = [nodeOf("jsr:@std/path@1.0.0")];
    for (
      const entry of ['package = "@std/path"', 'code = "yanked"', 'code = "yanked", package = "*"']
    ) {
      const policy = `ignore = [{ ${entry}, reason = "x" }]`;
      assertEquals(
        brief(await check({ packages, root, policy })),
        ["advisory-ignored note"],
        entry,
      );
    }
    const policy = 'yanked = "deny"';
    assertEquals(brief(await check({ packages: [nodeOf("jsr:@std/path@1.0.0")], root, policy })), [
      "yanked error",
    ]);
    await Deno.writeTextFile(`${root}/vendor/jsr.io/@std/path/meta.json`, "{broken");
    assertEquals(await yanked("jsr:@std/path@1.0.0"), []);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("checkAdvisories() refuses a stale database", async () => {
  const stale = (more: Partial<AdvisorySource>, policy = "") =>
    check({ source: sourceOf([], more), policy }).then(brief);
  const day = (ago: number) => new Date(NOW.getTime() - ago * 86_400_000).toISOString();
  assertEquals(await stale({ fetched: day(91) }), ["database-stale error"]);
  assertEquals(await stale({ fetched: day(89) }), []);
  // Files that somebody gave are as old as their newest record, whenever they were copied.
  assertEquals(await stale({ modified: day(200) }), ["database-stale warning"]);
  assertEquals(await stale({ modified: day(89) }), []);
  // Of the stored database either the records or the copy may be young.
  assertEquals(await stale({ modified: day(200), fetched: day(2) }), []);
  assertEquals(await stale({ modified: day(2), fetched: day(200) }), []);
  assertEquals(await stale({ modified: day(200) }, 'maximum-db-staleness = "P1Y"'), []);
  assertEquals(await stale({ modified: day(10) }, 'maximum-db-staleness = "P7D"'), [
    "database-stale warning",
  ]);
  assertEquals(await stale({ fetched: day(10) }, 'maximum-db-staleness = "P7D"'), [
    "database-stale error",
  ]);
  // A date in the future keeps nothing fresh.
  assertEquals(await stale({ modified: day(-3000), fetched: day(200) }), ["database-stale error"]);
  assertEquals(await stale({ modified: day(-3000) }), ["database-stale warning"]);
  assertEquals(await stale({ remote: true, modified: day(200) }), []);
  assertEquals(await stale({}), []);
});

Deno.test("checkAdvisories() gives the age of a database in a unit that shows it", async () => {
  const message = async (hours: number, limit: string) => {
    const fetched = new Date(NOW.getTime() - hours * 3_600_000).toISOString();
    const policy = `maximum-db-staleness = "${limit}"`;
    return (await check({ source: sourceOf([], { fetched }), policy })).findings[0]?.message;
  };
  const table = [
    [91 * 24, "P90D", "91 days old; the policy allows 90 days"],
    [48, "P1D", "2 days old; the policy allows 24 hours"],
    [30, "P1D", "30 hours old; the policy allows 24 hours"],
    [1, "PT30M", "60 minutes old; the policy allows 30 minutes"],
    [0.01, "PT1S", "36 seconds old; the policy allows 1 seconds"],
  ] as const;
  for (const [hours, limit, expected] of table) {
    assertEquals(await message(hours, limit), `test records is ${expected}`);
  }
  const source = sourceOf([], { modified: "2999-01-01T00:00:00Z" });
  const [future] = (await check({ source })).findings;
  assertStringIncludes(future!.message, "dated into the future");
});

Deno.test("checkAdvisories() stops when it is told to", async () => {
  const signal = AbortSignal.abort(new RangeError("enough"));
  const source = sourceOf([], { lookup: (_, given) => Promise.reject(given!.reason) });
  await assertRejects(() => check({ source, context: { signal } }), RangeError, "enough");
});
