import { assert, assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import { parseExpression } from "../../../src/supply_chain/licenses/spdx.ts";
import { suggestion } from "../../../src/supply_chain/licenses/suggestion.ts";

Deno.test("suggestion() finds the id behind usual words", () => {
  const table: Readonly<Record<string, string>> = {
    "Apache 2": "Apache-2.0",
    "Apache2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "MIT/X11": "MIT",
    "ISC License": "ISC",
    "BSD 2-Clause": "BSD-2-Clause",
    "New BSD": "BSD-3-Clause",
    "mpl 2.0": "MPL-2.0",
    "CC0": "CC0-1.0",
    "CC-BY 4.0": "CC-BY-4.0",
    "zlib": "Zlib",
    "MIT/Apache-2.0": "MIT OR Apache-2.0",
    "MIT, Apache 2": "MIT OR Apache-2.0",
    "LGPL 2.1": "LGPL-2.1-only",
    "GNU Lesser General Public License v2.1 or later": "LGPL-2.1-or-later",
    "AGPLv3+": "AGPL-3.0-or-later",
  };
  for (const [text, expected] of Object.entries(table)) {
    assertEquals(suggestion(text), expected, text);
  }
});

Deno.test("suggestion() takes the stricter licence where words leave it open", () => {
  // spdx-correct makes "or later" of it, which the author never said.
  assertEquals(suggestion("GPLv3"), "GPL-3.0-only");
  assertEquals(suggestion("GPL-2"), "GPL-2.0-only");
  assertEquals(suggestion("BSD"), "BSD-3-Clause");
});

Deno.test("suggestion() says nothing about words that name no licence", () => {
  for (const text of ["", "Commercial", "Public Domain", "see above", "GPL", "x".repeat(201)]) {
    assertEquals(suggestion(text), undefined, text);
  }
});

Deno.test("suggestion() gives valid SPDX quickly whatever the text", () => {
  const start = performance.now();
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ maxLength: 250, unit: "binary" }),
        fc.array(fc.constantFrom("gpl", "mit", "/", " or ", "v2", "bsd", "license", ",", "+"), {
          maxLength: 60,
        }).map((words) => words.join("")),
      ),
      (text) => {
        const found = suggestion(text);
        assert(found === undefined || parseExpression(found) !== undefined, `${text}: ${found}`);
      },
    ),
    { seed: 5, numRuns: 2000 },
  );
  assertLess(performance.now() - start, 10_000);
});
