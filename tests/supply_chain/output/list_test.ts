import { assertEquals, assertLess, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { formatList } from "../../../src/supply_chain/output/list.ts";
import { firstControl, HOSTILE } from "./_sample.ts";

Deno.test("formatList() groups packages by licence, the unlicensed last", () => {
  assertEquals(
    formatList([
      { package: "npm:z@1.0.0", license: null },
      { package: "npm:y@1.0.0", license: null },
      { package: "npm:x@1.0.0", license: null },
      { package: "npm:c@1.0.0", license: "ISC" },
      { package: "npm:b@1.0.0", license: "MIT" },
      { package: "jsr:@a/a@1.0.0", license: "MIT" },
      { package: "npm:d@1.0.0", license: "Apache-2.0" },
    ]),
    [
      "MIT  2 packages",
      "  jsr:@a/a@1.0.0, npm:b@1.0.0",
      "",
      "Apache-2.0  1 package",
      "  npm:d@1.0.0",
      "",
      "ISC  1 package",
      "  npm:c@1.0.0",
      "",
      "unlicensed  3 packages",
      "  npm:x@1.0.0, npm:y@1.0.0, npm:z@1.0.0",
      "",
      "7 packages, 3 licences, 3 unlicensed",
      "",
    ].join("\n"),
  );
});

Deno.test("formatList() keeps a licence called unlicensed apart from none", () => {
  const text = formatList([
    { package: "npm:a@1.0.0", license: "unlicensed" },
    { package: "npm:b@1.0.0", license: null },
  ]);
  assertStringIncludes(text, "2 packages, 1 licence, 1 unlicensed");
});

Deno.test("formatList() says that there is nothing", () => {
  assertEquals(formatList([]), "0 packages, 0 licences, 0 unlicensed\n");
});

Deno.test("formatList() wraps names and prints no control character", () => {
  const rows = HOSTILE.flatMap((text) => [
    { package: text, license: "MIT" },
    { package: "npm:a@1.0.0", license: text },
    { package: `npm:${text}@1.0.0`, license: null },
  ]);
  const text = formatList(rows, { width: 60 });
  assertEquals(firstControl(text), undefined);
  for (const line of text.split("\n")) assertLessOrEqual(Array.from(line).length, 60, line);
});

Deno.test("formatList() does not change the rows", () => {
  const rows = [{ package: "npm:b@1.0.0", license: "MIT" }, {
    package: "npm:a@1.0.0",
    license: "MIT",
  }];
  const before = structuredClone(rows);
  formatList(rows);
  assertEquals(rows, before);
});

Deno.test("formatList() writes 50,000 packages in less than a second", () => {
  const rows = Array.from({ length: 50_000 }, (_, index) => ({
    package: `npm:package-${index}@1.0.0`,
    license: index % 3 === 0 ? null : `License-${index % 50}`,
  }));
  const start = performance.now();
  formatList(rows);
  assertLess(performance.now() - start, 1000);
});
