import { assertEquals, assertGreater } from "@std/assert";
import { audit } from "../../src/supply_chain/mod.ts";

/** Real lockfiles and advisories, which are checked against where they are present. */
const cases = new URL("../../../shared/cases/", import.meta.url);

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
  });
}

Deno.test("the index of real lockfiles is read whole when it is present", () => {
  if (rows.length === 0) return console.log("skipped: no real lockfiles");
  assertEquals(rows.length, 14);
  assertGreater(rows.reduce((sum, { npm }) => sum + npm, 0), 5000);
});
