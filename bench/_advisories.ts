import { fetchDatabase } from "../src/supply_chain/advisories/fetch_db.ts";
import { ZipMaker } from "../tests/supply_chain/advisories/make_zip.ts";

/** A generated database, as OSV publishes it and as `audit fetch` stores it. */
export interface GeneratedDatabase {
  /** Path of the archive. */
  readonly zip: string;
  /** Path of the stored database. */
  readonly index: string;
}

/** Writes a database of `count` records below `folder`. */
export async function writeDatabase(folder: string, count: number): Promise<GeneratedDatabase> {
  const maker = new ZipMaker({ zip64: true });
  for (const record of records(count)) {
    maker.add({ name: `${record.id}.json`, content: JSON.stringify(record) });
  }
  const zip = `${folder}/${count}.zip`;
  await Deno.writeFile(zip, maker.finish());
  const index = `${folder}/${count}`;
  await fetchDatabase({
    folder: index,
    urls: ["https://localhost/all.zip"],
    fetch: async () => new Response((await Deno.open(zip)).readable),
  });
  return { zip, index };
}

/**
 * Records in the proportions of OSV's npm export: most are malicious packages with one version, the
 * rest vulnerabilities with one or a few ranges, all with a text that the index leaves out.
 */
function* records(count: number): Generator<{ readonly id: string }> {
  for (let index = 0; index < count; index++) {
    const malicious = index % 10 !== 0;
    const name = malicious ? `malicious-${index}` : `package-${(index / 10) % 5000}`;
    yield {
      id: malicious ? `MAL-2026-${index}` : `GHSA-${index}`,
      ...{
        schema_version: "1.7.0",
        modified: new Date(Date.UTC(2026, 0, 1) + index * 1000).toISOString(),
        aliases: [`CVE-2026-${index}`],
        summary: `Something is wrong with ${name}`,
        details: "What is wrong, how it was found and what to do about it. ".repeat(12),
        severity: malicious
          ? []
          : [{ type: "CVSS_V3", score: "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H" }],
        affected: [{
          package: { ecosystem: "npm", name, purl: `pkg:npm/${name}` },
          ...(malicious ? { versions: ["1.0.0"] } : {
            ranges: [{
              type: "SEMVER",
              events: [{ introduced: "0" }, { fixed: `${index % 7}.5.0` }],
            }],
          }),
        }],
        references: [{ type: "ADVISORY", url: `https://example.com/${index}` }],
      },
    };
  }
}
