import { assertEquals } from "@std/assert";
import { parseRequest } from "../../../src/supply_chain/project/specifier.ts";

Deno.test("parseRequest() splits name, range and subpath", () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["npm:lodash", "lodash", "", ""],
    ["npm:lodash@^4", "lodash", "^4", ""],
    ["npm:lodash@4/fp", "lodash", "4", "/fp"],
    ["npm:lodash/fp", "lodash", "", "/fp"],
    ["npm:@a/b@1/c@2/d", "@a/b", "1", "/c@2/d"],
    ["npm:@a/b/c@2", "@a/b", "", "/c@2"],
    ["npm:/preact@10/", "preact", "10", "/"],
    ["jsr:@std/path@^1.0.0-rc.1/posix", "@std/path", "^1.0.0-rc.1", "/posix"],
    ["jsr:/@std/path@1/", "@std/path", "1", "/"],
  ];
  for (const [specifier, name, range, subpath] of cases) {
    const kind = specifier.slice(0, 3) as "npm" | "jsr";
    assertEquals(parseRequest(specifier), { kind, name, range, subpath }, specifier);
  }
});

Deno.test("parseRequest() returns undefined when it is no request for a package", () => {
  for (
    const text of ["", "lodash", "npm:", "npm:@a", "jsr:@a/", "node:fs", "https://deno.land/x"]
  ) {
    assertEquals(parseRequest(text), undefined, text);
  }
});
