import { assertEquals } from "@std/assert";
import { removeTorn } from "../../tools/coverage.ts";

Deno.test("removeTorn() removes profiles that are cut short, and nothing else", async () => {
  const folder = await Deno.makeTempDir({ prefix: "coverage_test_" });
  try {
    const profile = JSON.stringify({ url: "file:///a.ts", functions: [] });
    await Deno.writeTextFile(`${folder}/whole.json`, profile);
    await Deno.writeTextFile(`${folder}/empty.json`, "");
    await Deno.writeTextFile(`${folder}/torn.json`, profile.slice(0, -3));
    await Deno.writeTextFile(`${folder}/other.txt`, "");
    assertEquals(await removeTorn(folder), 2);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(names, ["other.txt", "whole.json"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
