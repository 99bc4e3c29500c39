import { assertEquals } from "@std/assert";
import { printable } from "../../src/supply_chain/_text.ts";

Deno.test("printable() shows every character that would show as nothing, or move others", () => {
  const table: readonly (readonly [character: string, shown: string])[] = [
    ["\u001b", "\\u001b"],
    ["\u009b", "\\u009b"],
    ["\u00ad", "\\u00ad"],
    ["\u115f", "\\u115f"],
    ["\u1160", "\\u1160"],
    ["\u180e", "\\u180e"],
    ["\u200b", "\\u200b"],
    ["\u2028", "\\u2028"],
    ["\u202e", "\\u202e"],
    ["\u2800", "\\u2800"],
    ["\u3164", "\\u3164"],
    ["\ufe0f", "\\ufe0f"],
    ["\ufeff", "\\ufeff"],
    ["\uffa0", "\\uffa0"],
    ["\ufff9", "\\ufff9"],
    ["\ufffb", "\\ufffb"],
    ["\ud800", "\\ud800"],
    ["\udc00", "\\udc00"],
    ["\u{e0041}", "\\u{e0041}"],
    ["\u{e007f}", "\\u{e007f}"],
  ];
  for (const [character, shown] of table) assertEquals(printable(`a${character}b`), `a${shown}b`);
});

Deno.test("printable() leaves text of any language as it is", () => {
  const text = "naïve — 日本語 한국어 العربية עברית 😀 └─";
  assertEquals(printable(text), text);
  assertEquals(printable("abc", 2), "ab…");
});
