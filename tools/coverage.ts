/**
 * Says which lines of src/ the tests reached, and fails below the threshold in deno.json.
 *
 * Reads what `deno test --coverage` wrote into `coverage/`. Processes that the tests start write there
 * too; one that a test kills leaves a torn file, which `deno coverage` would stop at.
 *
 * @module
 */

/** Removes what is not whole from a folder of coverage profiles, and says how many there were. */
export async function removeTorn(folder: string): Promise<number> {
  let removed = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".json")) continue;
    try {
      JSON.parse(await Deno.readTextFile(`${folder}/${name}`));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      await Deno.remove(`${folder}/${name}`);
      removed++;
    }
  }
  return removed;
}

if (import.meta.main) {
  await removeTorn("coverage");
  const report = new Deno.Command("deno", { args: ["coverage", "--include=/src/"] });
  Deno.exit((await report.spawn().status).code);
}
