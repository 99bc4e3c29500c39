import { assertEquals } from "@std/assert";
import { didYouMean, nearest } from "../../src/supply_chain/_nearest.ts";

Deno.test("nearest() finds what a word was meant to be", () => {
  const candidates = ["multiple-versions", "wildcards", "skip", "skip-tree", "deny"];
  const table: readonly (readonly [string, string | undefined])[] = [
    ["mutliple-versions", "multiple-versions"],
    ["multiple_versions", "multiple-versions"],
    ["Wildcard", "wildcards"],
    ["skiptree", "skip-tree"],
    ["dney", "deny"],
    ["banana", undefined],
    ["", undefined],
  ];
  for (const [word, expected] of table) assertEquals(nearest(word, candidates), expected, word);
});

Deno.test("nearest() does not compare words beyond its limit", () => {
  assertEquals(nearest("a".repeat(64), ["a".repeat(63)]), "a".repeat(63));
  assertEquals(nearest("a".repeat(65), ["a".repeat(64)]), undefined);
  assertEquals(nearest("a".repeat(64), ["a".repeat(65)]), undefined);
});

Deno.test("didYouMean() is empty when nothing is near", () => {
  assertEquals(didYouMean("sorces", ["sources"]), '; did you mean "sources"?');
  assertEquals(didYouMean("zzz", ["sources"]), "");
});
