import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { printable } from "../../../src/supply_chain/_text.ts";
import { toJson } from "../../../src/supply_chain/output/_json.ts";
import { formatJson } from "../../../src/supply_chain/output/json.ts";
import { assertGolden } from "./_golden.ts";
import { firstControl, hostileSample, reportOf, SAMPLE_REPORT } from "./_sample.ts";

Deno.test("formatJson() writes the sample report", async () => {
  await assertGolden("sample.json", formatJson(SAMPLE_REPORT));
});

Deno.test("formatJson() keeps the order of the published shape, whoever built the report", () => {
  const reversed = Object.fromEntries(Object.entries(SAMPLE_REPORT).reverse());
  const text = formatJson(reversed as unknown as typeof SAMPLE_REPORT);
  assertEquals(text, formatJson(SAMPLE_REPORT));
  const parsed = JSON.parse(text);
  assertEquals(Object.keys(parsed), [
    "version",
    "project",
    "lockfile",
    "policy",
    "checks",
    "advisorySource",
    "coverage",
    "findings",
    "summary",
    "incomplete",
    "exitCode",
  ]);
  assertEquals(Object.keys(parsed.findings[0]), [
    "check",
    "code",
    "severity",
    "message",
    "package",
    "advisory",
    "why",
    "location",
    "help",
  ]);
  assert(text.endsWith("}\n"));
});

Deno.test("formatJson() writes null where there is no lockfile, policy or source", () => {
  const parsed = JSON.parse(
    formatJson(reportOf({ lockfile: null, policy: null, advisorySource: null })),
  );
  assertEquals([parsed.lockfile, parsed.policy, parsed.advisorySource], [null, null, null]);
});

Deno.test("formatJson() leaves out what is not part of the shape", () => {
  const text = formatJson({ ...SAMPLE_REPORT, token: "hunter2" } as typeof SAMPLE_REPORT);
  assertFalse(text.includes("hunter2"));
});

Deno.test("formatJson() gives every value of a hostile report back, and no control character", () => {
  const { report } = hostileSample();
  const text = formatJson(report);
  assertEquals(firstControl(text), undefined);
  assertEquals(JSON.parse(text), JSON.parse(JSON.stringify(report)));
});

Deno.test("toJson() escapes every character that printable() escapes", () => {
  const astral = [0x1d173, 0xe0041, 0xe01ef, 0x1f600];
  for (const code of [...Array(0x10000).keys(), ...astral]) {
    const character = String.fromCodePoint(code);
    const text = toJson(character);
    assertEquals(JSON.parse(text), character);
    if (printable(character) !== character) {
      assertFalse(text.slice(0, -1).includes(character), `U+${code.toString(16)}`);
    }
  }
});

Deno.test("toJson() round-trips any value", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = toJson(value);
      assertEquals(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assertEquals(firstControl(text), undefined);
    }),
    { seed: 20260301, numRuns: 500 },
  );
});
