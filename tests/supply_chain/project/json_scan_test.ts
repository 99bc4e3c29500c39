import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { scanJson } from "../../../src/supply_chain/project/_json_scan.ts";

const limits = { maxDepth: 64, maxContainers: 100, maxDuplicates: 3 };

Deno.test("scanJson() finds where keys stand when names and values hold quotes and braces", () => {
  const text = '{"a":"}\\"{","b":{"c\\\\":["{",{"d":1}],"e":{}}}';
  const { offsets } = scanJson(text, limits);
  assertEquals([...offsets.get("")!.keys()], ["a", "b"]);
  assertEquals([...offsets.get("\0b")!.keys()], ["c\\", "e"]);
  assertEquals(text.slice(offsets.get("\0b")!.get("e")!).startsWith('"e":{}'), true);
});

Deno.test("scanJson() reports duplicates, also when one is written with escapes", () => {
  const { duplicates } = scanJson('{"npm":{"a":1,"\\u0061":2},"x":{"a":1}}', limits);
  assertEquals(duplicates, [{ path: ["npm"], key: "a", offset: 14 }]);
});

Deno.test("scanJson() stops at the depth limit", () => {
  assertEquals(scanJson("[".repeat(65), limits).exceeded?.offset, 64);
  assertEquals(scanJson("[".repeat(64), limits).exceeded, undefined);
});

Deno.test("scanJson() stops at the limit of containers and lists duplicates up to theirs", () => {
  assertEquals(scanJson(`[${"[],".repeat(99)}[]]`, limits).exceeded, {
    limit: "maxContainers",
    offset: 298,
  });
  assertEquals(scanJson(`[${"[],".repeat(98)}[]]`, limits).exceeded, undefined);
  assertEquals(scanJson(`{${'"a":1,'.repeat(9)}"a":1}`, limits).duplicates.length, 3);
});

Deno.test("scanJson() finds every key that JSON.parse finds", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.dictionary(fc.string(), fc.json())), (value) => {
      const { offsets, duplicates } = scanJson(JSON.stringify(value, null, 1), {
        ...limits,
        maxDepth: 1000,
        maxContainers: Infinity,
      });
      assertEquals(duplicates.filter(({ path }) => path.length < 2), []);
      assertEquals([...offsets.get("")!.keys()].sort(), Object.keys(value).sort());
    }),
    { seed: 1 },
  );
});

Deno.test("scanJson() takes any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]":,\\ a\n') }), (text) => {
      scanJson(text, limits);
    }),
    { seed: 1, numRuns: 1000 },
  );
});
