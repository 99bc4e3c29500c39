import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { scanJson } from "../../../src/supply_chain/project/_json_scan.ts";

Deno.test("scanJson() finds where keys stand when names and values hold quotes and braces", () => {
  const text = '{"a":"}\\"{","b":{"c\\\\":["{",{"d":1}],"e":{}}}';
  const { offsets } = scanJson(text, { maxDepth: 10 });
  assertEquals([...offsets.get("")!.keys()], ["a", "b"]);
  assertEquals([...offsets.get("\0b")!.keys()], ["c\\", "e"]);
  assertEquals(text.slice(offsets.get("\0b")!.get("e")!).startsWith('"e":{}'), true);
});

Deno.test("scanJson() reports duplicates, also when one is written with escapes", () => {
  const { duplicates } = scanJson('{"npm":{"a":1,"\\u0061":2},"x":{"a":1}}', { maxDepth: 10 });
  assertEquals(duplicates, [{ path: ["npm"], key: "a", offset: 14 }]);
});

Deno.test("scanJson() stops at the depth limit", () => {
  assertEquals(scanJson("[".repeat(65), { maxDepth: 64 }).tooDeepAt, 64);
  assertEquals(scanJson("[".repeat(64), { maxDepth: 64 }).tooDeepAt, undefined);
});

Deno.test("scanJson() finds every key that JSON.parse finds", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.dictionary(fc.string(), fc.json())), (value) => {
      const { offsets, duplicates } = scanJson(JSON.stringify(value, null, 1), { maxDepth: 1000 });
      assertEquals(duplicates.filter(({ path }) => path.length < 2), []);
      assertEquals([...offsets.get("")!.keys()].sort(), Object.keys(value).sort());
    }),
    { seed: 1 },
  );
});

Deno.test("scanJson() takes any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]":,\\ a\n') }), (text) => {
      scanJson(text, { maxDepth: 8 });
    }),
    { seed: 1, numRuns: 1000 },
  );
});
