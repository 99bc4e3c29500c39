import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SecurityError } from "../../../src/errors.ts";
import { OUTPUT_FORMATS, parseFormat } from "../../../src/supply_chain/output/format.ts";

Deno.test("parseFormat() returns every known format", () => {
  assertEquals(OUTPUT_FORMATS, ["human", "json", "sarif", "cyclonedx"]);
  for (const format of OUTPUT_FORMATS) assertEquals(parseFormat(format), format);
});

Deno.test("parseFormat() refuses what is not exactly a format", () => {
  for (const name of ["", "SARIF", "json ", "xml", "__proto__", "constructor", "\u001b[2J"]) {
    const error = assertThrows(() => parseFormat(name), SecurityError);
    assertEquals(error.code, "usage");
    assertStringIncludes(error.message, "human, json, sarif, cyclonedx");
    assertEquals(error.message.includes("\u001b"), false);
  }
});
