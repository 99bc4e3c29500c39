import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { CODES, explainCode, findCode } from "../../src/supply_chain/codes.ts";
import { CHECKS } from "../../src/supply_chain/report.ts";

Deno.test("CODES has one complete entry for each code", () => {
  assertEquals(new Set(CODES.map(({ code }) => code)).size, CODES.length);
  for (const { code, checks, severity, meaning, help } of CODES) {
    assertMatch(code, /^[a-z]+(-[a-z]+)*$/);
    assert(checks.length === 1 || checks.length === CHECKS.length, code);
    assert(["error", "warning", "note"].includes(severity), code);
    assert(meaning.endsWith(".") && help.endsWith("."), code);
  }
});

Deno.test("explainCode() tells what every code means", () => {
  for (const { code, meaning, help } of CODES) {
    const text = explainCode(code);
    assert(text.startsWith(`${code} (`));
    assertStringIncludes(text, meaning);
    assertStringIncludes(text, help);
  }
  assertStringIncludes(explainCode("legacy-key"), "every check; note by default");
  assertStringIncludes(explainCode("banned"), "bans; error by default");
});

Deno.test("explainCode() takes a code as the human report prints it", () => {
  assertEquals(explainCode("advisories/vulnerability"), explainCode("vulnerability"));
  assertEquals(explainCode("bans/ignore-expired"), explainCode("ignore-expired"));
  for (const code of ["bans/vulnerability", "x/vulnerability", "advisories/", "/vulnerability"]) {
    assertThrows(() => explainCode(code), SecurityError, "there is no code");
  }
});

Deno.test("explainCode() suggests the nearest for an unknown code", () => {
  const error = assertThrows(() => explainCode("vulnerabilty"), SecurityError);
  assertEquals(error.code, "usage");
  assertStringIncludes(error.message, 'did you mean "vulnerability"?');
  for (const code of ["__proto__", "toString", "", "\x1b[2J"]) {
    const { message } = assertThrows(() => explainCode(code), SecurityError);
    assert(!message.includes("\x1b"));
  }
});

Deno.test("findCode() finds a code by its exact name only", () => {
  assertEquals(findCode("typosquat")?.checks, ["integrity"]);
  assertEquals(findCode("Typosquat"), undefined);
});
