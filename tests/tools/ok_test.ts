import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { countTests, runSteps, type Step, steps } from "../../tools/ok.ts";

async function collect(chosen: readonly Step[]) {
  let printed = "";
  const count = await runSteps(chosen, (text) => {
    printed += text;
  });
  return { printed, ...count };
}

/** A step that runs `deno test` over one file with the given text. */
async function testStep(text: string): Promise<Step & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "ok_test_" });
  await Deno.writeTextFile(`${folder}/a_test.ts`, text);
  return {
    name: "test",
    command: ["deno", "test", "--no-config", "--no-check", `${folder}/a_test.ts`],
    counts: true,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

const deno = (name: string, script: string): Step => ({ name, command: ["deno", "eval", script] });

Deno.test("steps() runs the tests by the command that is asked for", () => {
  const names = steps([]).map(({ name }) => name);
  assertEquals(names, ["fmt", "lint", "check", "doc", "publish", "test", "coverage"]);
  const testOf = (args: string[]) => steps(args).find(({ name }) => name === "test")?.command;
  const flags = ["--coverage", "--clean", "--coverage-raw-data-only"];
  assertEquals(testOf([]), ["deno", "task", "test", ...flags]);
  const words = ["npx", "--yes", "deno@2.9.6", "task", "test"] as const;
  assertEquals(testOf(["--test", ...words]), [...words, ...flags]);
  assertThrows(() => steps(["--test"]), TypeError, "usage");
  assertThrows(() => steps(["--tests", "x"]), TypeError, "usage");
});

Deno.test("steps() names every export to deno doc", async () => {
  const text = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  const { exports, tasks } = JSON.parse(text);
  const files = Object.values<string>(exports).map((path) => path.replace("./", ""));
  assertEquals(tasks.doc.command, `deno doc --lint ${files.join(" ")}`);
});

Deno.test("countTests() reads the summary of deno test", () => {
  assertEquals(countTests("ok | 12 passed | 0 failed (5s)\n"), { passed: 12, failed: 0 });
  const long = "\nFAILED | 3 passed (1 step) | 1 failed | 2 ignored (7ms)\n";
  assertEquals(countTests(long), { passed: 3, failed: 1 });
  const nested = "ok | 999 passed | 0 failed (5s)\n----- output end -----\n" + long;
  assertEquals(countTests(nested), { passed: 3, failed: 1 });
  assertEquals(countTests("error: Type checking failed."), undefined);
  assertEquals(countTests("it printed ok | 1 passed | 0 failed"), undefined);
});

Deno.test("runSteps() counts what deno test counted", async () => {
  await using good = await testStep(
    'Deno.test("a", async (t) => void await t.step("s", () => {})); Deno.test("b", () => {});' +
      'Deno.test.ignore("c", () => {});',
  );
  const { printed, passed, failed } = await collect([good]);
  assertEquals([passed, failed], [2, 0]);
  assertMatch(printed, /^test +ok \(\d+\.\d s, 2 passed, 0 failed\)\n$/);

  await using bad = await testStep(
    'Deno.test("a", () => { throw new Error("broken"); }); Deno.test("b", () => {});',
  );
  const red = await collect([bad]);
  assertEquals([red.passed, red.failed], [1, 1]);
  assertMatch(red.printed, /^test +FAILED \(\d+\.\d s, 1 passed, 1 failed\)\n/);
  assertStringIncludes(red.printed, "broken");
});

Deno.test("runSteps() counts tests that did not run as a failure", async () => {
  await using broken = await testStep("const a = ;");
  const { passed, failed, printed } = await collect([broken]);
  assertEquals([passed, failed], [0, 1]);
  assertStringIncludes(printed, "Expression expected");
  await using none = await testStep("");
  assertEquals((await collect([none])).failed, 1);
});

Deno.test("runSteps() goes on after a red step, shows its output and counts it", async () => {
  const { printed, passed, failed } = await collect([
    deno("fine", 'console.log("not shown")'),
    deno("red", 'console.error("the reason"); Deno.exit(3)'),
    deno("later", ""),
  ]);
  assertEquals([passed, failed], [0, 1]);
  const lines = printed.trimEnd().split("\n");
  assertMatch(lines[0]!, /^fine +ok \(\d+\.\d s\)$/);
  assertMatch(lines[1]!, /^red +FAILED \(\d+\.\d s\)$/);
  assertEquals(lines[3], "the reason");
  assertMatch(lines[4]!, /^later +ok /);
});
