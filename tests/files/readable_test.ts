import { assertEquals } from "@std/assert";
import { FileSecurityValidator } from "@bartizan/security";

Deno.test("readable() ends for its reader whenever it is aborted or the validator closes", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/f`, "text");
    for (let turns = 0; turns < 25; turns++) {
      for (const how of ["abort", "close"]) {
        const files = await FileSecurityValidator.open({
          roots: [root],
          audit: { report: () => Promise.resolve() },
        });
        const controller = new AbortController();
        const text = files.readable("f", { signal: controller.signal })
          .then((stream) => new Response(stream).text())
          .catch(() => "refused");
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        if (how === "abort") controller.abort();
        const closed = files.close();
        // A stream that never ends would make this test fail as one whose promise is pending.
        assertEquals(["text", "refused"].includes(await text), true);
        await closed;
      }
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
