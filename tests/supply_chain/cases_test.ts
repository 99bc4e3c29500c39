import { assertEquals, assertGreater } from "@std/assert";
import type { OsvRecord } from "../../src/supply_chain/advisories/osv.ts";
import { audit } from "../../src/supply_chain/mod.ts";
import { isVulnerable } from "./advisories/oracle.ts";
import { CASES as cases } from "./cases.ts";

interface IndexRow {
  readonly folder: string;
  readonly version: string;
  readonly npm: number;
  readonly jsr: number;
  readonly remote: number;
}

function readIndex(): readonly IndexRow[] | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(new URL("locks/INDEX.md", cases));
  } catch {
    console.log("skipped: the folder of real lockfiles is not present");
    return undefined;
  }
  return [...text.matchAll(/^\| (\d\d-\S+) \|.*\{(.*)\}/gm)].map(([, folder, facts]) => {
    const fact = (name: string) => facts!.match(new RegExp(`'${name}': '?(\\d+)`))![1]!;
    return {
      folder: folder!,
      version: fact("version"),
      npm: Number(fact("npm")),
      jsr: Number(fact("jsr")),
      remote: Number(fact("remote")),
    };
  });
}

const rows = readIndex() ?? [];
const records: readonly OsvRecord[] = rows.length === 0 ? [] : readRecords();

function readRecords(): OsvRecord[] {
  return ["ghsa", "lwa", "mal", "mal-withdrawn"].flatMap((folder) => {
    const url = new URL(`osv/${folder}/`, cases);
    return [...Deno.readDirSync(url)]
      .map(({ name }) => JSON.parse(Deno.readTextFileSync(new URL(name, url))));
  });
}

for (const { folder, version, npm, jsr, remote } of rows) {
  Deno.test(`audit() accounts for every entry of the lockfile of ${folder}`, async () => {
    const report = await audit({
      project: new URL(`locks/${folder}`, cases).pathname,
      db: new URL("osv", cases).pathname,
      env: () => undefined,
    });
    assertEquals(report.lockfile, { path: "deno.lock", version });
    assertEquals(report.coverage.npm, { found: npm, checked: npm, unchecked: [] });
    assertEquals(report.coverage.jsr.found, jsr);
    assertEquals(report.coverage.https.files, remote);
    assertEquals(report.incomplete, []);
    for (const { check, why, package: of } of report.findings) {
      if (check === "advisories" && of) assertEquals(why[0]![0]!.startsWith("file:"), true);
    }
    const hits = report.findings
      .filter(({ code }) => code === "vulnerability" || code === "malicious")
      .map(({ package: of, advisory }) => `${advisory!.id} ${of!.name}@${of!.version}`);
    assertEquals(hits.sort(), expectedHits(folder).sort());
  });
}

/** What the specification's pseudocode finds in the npm section, read without the auditor. */
function expectedHits(folder: string): string[] {
  const text = Deno.readTextFileSync(new URL(`locks/${folder}/deno.lock`, cases));
  const { npm = {}, remote = {} } = JSON.parse(text);
  const packages = new Map<string, { name: string; version: string }>();
  for (const id of Object.keys(npm.packages ?? npm)) {
    const [, name, version] = id.match(/^(@?[^@]+)@([^_]+)/)!;
    packages.set(`${name}@${version}`, { name: name!, version: version! });
  }
  for (const address of Object.keys(remote)) {
    const [, name, version] = address.match(
      /^https:\/\/esm\.sh\/(?:v\d+\/)?((?:@[^/]+\/)?[^/@]+)@(\d+\.\d+\.\d+[^/?&]*)/,
    ) ?? [];
    if (name === undefined) continue;
    packages.set(`${name}@${version}`, { name, version: version! });
  }
  return records.flatMap((record) =>
    [...packages.values()].filter(({ name, version }) => isVulnerable(record, name, version))
      .map(({ name, version }) => `${record.id} ${name}@${version}`)
  );
}

Deno.test("the index of real lockfiles is read whole when it is present", () => {
  if (rows.length === 0) return console.log("skipped: no real lockfiles");
  assertEquals(rows.length, 14);
  assertGreater(rows.reduce((sum, { npm }) => sum + npm, 0), 5000);
});
