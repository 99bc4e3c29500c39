import { assertEquals, assertLess, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { formatWhy } from "../../../src/supply_chain/output/why.ts";
import { firstControl, HOSTILE } from "./_sample.ts";

Deno.test("formatWhy() prints what paths have in common once", () => {
  assertEquals(
    formatWhy([
      ["file:deno.json", "npm:a@1.0.0", "npm:c@1.0.0"],
      ["file:deno.json", "npm:b@1.0.0", "npm:c@1.0.0"],
      ["file:deno.json", "npm:b@1.0.0", "npm:d@1.0.0", "npm:c@1.0.0"],
      ["file:web/deno.json", "npm:c@1.0.0"],
    ]),
    [
      "file:deno.json",
      "├─ npm:a@1.0.0",
      "│  └─ npm:c@1.0.0",
      "└─ npm:b@1.0.0",
      "   ├─ npm:c@1.0.0",
      "   └─ npm:d@1.0.0",
      "      └─ npm:c@1.0.0",
      "file:web/deno.json",
      "└─ npm:c@1.0.0",
      "",
    ].join("\n"),
  );
});

Deno.test("formatWhy() prints nothing for no path", () => {
  assertEquals(formatWhy([]), "");
});

Deno.test("formatWhy() leaves out the middle of a path that no screen could show", () => {
  const path = Array.from({ length: 50_000 }, (_, index) => `npm:p${index}@1.0.0`);
  const text = formatWhy([path]);
  assertEquals(text.trimEnd().split("\n").length, 24);
  assertStringIncludes(text, "… 49,977 more …");
  assertStringIncludes(text, "npm:p49999@1.0.0");
  assertLess(text.length, 5000);
});

Deno.test("formatWhy() cuts long labels in the middle and keeps the version", () => {
  const [, line = ""] = formatWhy([["file:deno.json", `npm:${"n".repeat(300)}@1.2.3`]], {
    width: 60,
  }).split("\n");
  assertLessOrEqual(Array.from(line).length, 60);
  assertStringIncludes(line, "…");
  assertStringIncludes(line, "@1.2.3");
});

Deno.test("formatWhy() prints no control character of a hostile label", () => {
  assertEquals(
    firstControl(formatWhy(HOSTILE.map((text) => ["file:deno.json", text, text]))),
    undefined,
  );
});

Deno.test("formatWhy() dims the branches when colours are asked for", () => {
  const text = formatWhy([["a", "b"]], { color: true });
  assertEquals(text, "\u001b[2m\u001b[22ma\n\u001b[2m└─ \u001b[22mb\n");
});
