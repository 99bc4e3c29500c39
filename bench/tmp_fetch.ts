import { fetchDatabase } from "../src/supply_chain/advisories/fetch_db.ts";
await fetchDatabase({folder:"/tmp/bzbench/again", urls:["https://localhost/all.zip"], fetch: async () => new Response((await Deno.open("/tmp/bzbench/200000.zip")).readable)});
