import { assertEquals } from "@std/assert";
import { parseNpmId } from "../../../src/supply_chain/project/npm_id.ts";

Deno.test("parseNpmId() splits name, version and peers", () => {
  const cases: readonly (readonly [id: string, ...parts: string[]])[] = [
    ["lodash@4.17.21", "lodash", "4.17.21", ""],
    ["@std/path@1.0.0", "@std/path", "1.0.0", ""],
    ["a_b@1.0.0-rc.1+x", "a_b", "1.0.0-rc.1+x", ""],
    ["vitest@1.0.0_@types+node@20.0.0", "vitest", "1.0.0", "_@types+node@20.0.0"],
    ["x@1.0.0__proto__@2.0.0", "x", "1.0.0", "__proto__@2.0.0"],
  ];
  for (const [id, name, version, peers] of cases) {
    assertEquals(parseNpmId(id), { name, version, peers } as ReturnType<typeof parseNpmId>, id);
  }
});

Deno.test("parseNpmId() returns undefined when there is no name or version", () => {
  for (const id of ["", "lodash", "@std/path", "lodash@", "lodash@_x@1"]) {
    assertEquals(parseNpmId(id), undefined, id);
  }
});
