import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { KeyHash } from "../../src/runtime/_key_hash.ts";

function hashOf(hash: KeyHash, text: string): string {
  hash.hash(text);
  return hash.words.join(" ");
}

Deno.test("KeyHash tells strings apart, and always says the same of one", () => {
  const hash = new KeyHash();
  const seen = new Map<string, string>();
  const unit = fc.constantFrom("a", "b", "\u0001", "\u00ff", "\u0100", "\u0101", "日");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
      const words = hashOf(hash, text);
      assertEquals(hashOf(hash, text), words);
      assertEquals(seen.get(words) ?? text, text);
      seen.set(words, text);
    }),
    { seed: 6, numRuns: 5_000 },
  );
  // All lengths around the ends of blocks, which are filled up with zeros.
  for (let length = 0; length < 70; length++) {
    for (const text of ["\0".repeat(length), "a".repeat(length), `${"a".repeat(length)}\0`]) {
      const words = hashOf(hash, text);
      assertEquals(seen.get(words) ?? text, text);
      seen.set(words, text);
    }
  }
});

Deno.test("KeyHash changes about half of the bits with each bit of a key", () => {
  const hash = new KeyHash();
  const text = "principal:20:abcdefghijklmnopqrst";
  hash.hash(text);
  const before = hash.words.slice();
  for (let at = 0; at < text.length; at++) {
    for (let bit = 0; bit < 7; bit++) {
      const other = String.fromCharCode(text.charCodeAt(at) ^ 1 << bit);
      hash.hash(text.slice(0, at) + other + text.slice(at + 1));
      let changed = 0;
      for (let word = 0; word < 4; word++) {
        for (let bits = before[word]! ^ hash.words[word]!; bits !== 0; bits &= bits - 1) changed++;
      }
      assert(changed > 28 && changed < 100, `${changed} of 128 bits`);
    }
  }
});

Deno.test("KeyHash has a secret: who knows how it works cannot choose where keys fall", () => {
  const [one, other] = [new KeyHash(), new KeyHash()];
  // The control: keys that were chosen to fall onto one slot of the first table.
  const chosen: string[] = [];
  for (let at = 0; chosen.length < 200; at++) {
    one.hash(`key ${at}`);
    if (one.words[0]! >>> 24 === 0) chosen.push(`key ${at}`);
  }
  const slots = new Set(chosen.map((key) => {
    other.hash(key);
    return other.words[0]! >>> 24;
  }));
  assert(slots.size > 80, `${slots.size} of 256 slots`);
});
