/**
 * A check over a database of 200,000 records: what the stored index adds, against opening the archive
 * as it is.
 *
 * `deno bench --allow-read --allow-write --allow-env bench/advisories_bench.ts`
 */
import { openAdvisoryDb } from "../src/supply_chain/advisories/advisory_db.ts";
import type { AdvisoryPackage } from "../src/supply_chain/advisories/advisory_source.ts";
import { fetchDatabase } from "../src/supply_chain/advisories/fetch_db.ts";
import { affectedBy, type OsvRecord } from "../src/supply_chain/advisories/osv.ts";
import { ZipMaker } from "../tests/supply_chain/advisories/make_zip.ts";

const RECORDS = 200_000;
const PACKAGES = 2_500;

/**
 * Records in the proportions of OSV's npm export: most are malicious packages with one version, the
 * rest vulnerabilities with one or a few ranges, all with a text that the index leaves out.
 */
function* records(count: number): Generator<object> {
  for (let index = 0; index < count; index++) {
    const malicious = index % 10 !== 0;
    const name = malicious ? `malicious-${index}` : `package-${(index / 10) % 5000}`;
    const major = index % 7;
    yield {
      schema_version: "1.7.0",
      id: malicious ? `MAL-2026-${index}` : `GHSA-${index}`,
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
          ranges: [{ type: "SEMVER", events: [{ introduced: "0" }, { fixed: `${major}.5.0` }] }],
        }),
      }],
      references: [{ type: "ADVISORY", url: `https://example.com/${index}` }],
    };
  }
}

/** As in a large project: most packages have no record, some have several. */
const packages: AdvisoryPackage[] = Array.from({ length: PACKAGES }, (_, index) => ({
  ecosystem: "npm",
  name: index % 4 === 0 ? `package-${index}` : `clean-${index}`,
  version: `${index % 9}.4.0`,
}));

async function check(path: string): Promise<number> {
  const source = await openAdvisoryDb(path);
  const found = await source.lookup(packages);
  let hits = 0;
  for (const target of packages) {
    for (const record of found.get(`npm:${target.name}`) ?? []) {
      if (affectedBy(record, target)) hits++;
    }
  }
  return hits;
}

const folder = "/tmp/bzbench"; await Deno.mkdir(folder,{recursive:true});

async function prepare(count: number): Promise<{ zip: string; index: string }> {
  const maker = new ZipMaker({ zip64: true });
  for (const record of records(count)) {
    maker.add({ name: `${(record as OsvRecord).id}.json`, content: JSON.stringify(record) });
  }
  const zip = `${folder}/${count}.zip`;
  await Deno.writeFile(zip, maker.finish());
  const index = `${folder}/${count}`;
  const start = performance.now();
  await fetchDatabase({
    folder: index,
    urls: ["https://localhost/all.zip"],
    fetch: async () => new Response((await Deno.open(zip)).readable),
  });
  console.log(
    `index of ${count} records fetched from disk and built in ${
      Math.round(performance.now() - start)
    } ms`,
  );
  return { zip, index };
}

const large = await prepare(RECORDS);
