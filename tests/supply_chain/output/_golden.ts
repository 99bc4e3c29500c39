import { assertEquals } from "@std/assert";

const FOLDER = new URL("../../testdata/reports/", import.meta.url);

/**
 * Compares text with a file of `tests/testdata/reports/`; `UPDATE_GOLDEN=1` writes the file instead,
 * where the test run may read that variable and write there.
 */
export async function assertGolden(name: string, actual: string): Promise<void> {
  const file = new URL(name, FOLDER);
  if (await mayUpdate()) await Deno.writeTextFile(file, actual);
  // A checkout on Windows may have turned the line ends.
  const expected = (await Deno.readTextFile(file)).replaceAll("\r\n", "\n");
  assertEquals(actual, expected);
}

async function mayUpdate(): Promise<boolean> {
  const { state } = await Deno.permissions.query({ name: "env", variable: "UPDATE_GOLDEN" });
  return state === "granted" && Deno.env.get("UPDATE_GOLDEN") === "1";
}
