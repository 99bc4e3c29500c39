import { openAdvisoryDb } from "../src/supply_chain/advisories/advisory_db.ts";
import { affectedBy } from "../src/supply_chain/advisories/osv.ts";
const t0=performance.now();
const source = await openAdvisoryDb(Deno.args[0]!);
const t1=performance.now();
const packages = Array.from({ length: 2500 }, (_, index) => ({ ecosystem: "npm", name: index % 4 === 0 ? `package-${index}` : `clean-${index}`, version: `${index % 9}.4.0` }));
const found = await source.lookup(packages);
let hits=0,n=0;
for (const t of packages) for (const r of found.get(`npm:${t.name}`) ?? []) { n++; if (affectedBy(r,t)) hits++; }
console.log(source.description, "open", (t1-t0).toFixed(1), "lookup+eval", (performance.now()-t1).toFixed(1), "records", n, "hits", hits, "rss MB", Math.round(Deno.memoryUsage().rss/1e6));
