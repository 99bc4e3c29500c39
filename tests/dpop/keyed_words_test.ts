import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { decodeBase64Url, encodeBase64Url } from "../../src/_internal/base64url.ts";
import { sha256 } from "../../src/_internal/sha256.ts";
import { KeyedWords } from "../../src/dpop/_keyed_words.ts";

function wordsOf(keyed: KeyedWords, key: string): string {
  keyed.setKey(key);
  return keyed.words.join();
}

/** Keys as a client gets them that tries hashes until their first 40 bits are the same. */
function groundKeys(count: number): string[] {
  return Array.from({ length: count }, (_, at) => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setUint32(8, at);
    return encodeBase64Url(bytes);
  });
}

Deno.test("setKey() gives the same words for the same key, and others under another secret", () => {
  const [one, other] = [new KeyedWords(), new KeyedWords()];
  const key = "n4bQgYhMfWWaL-qgxVrQFQ";
  assertEquals(wordsOf(one, key), wordsOf(one, key));
  assertNotEquals(wordsOf(one, key), wordsOf(other, key));
});

Deno.test("setKey() gives distinct words for each bit of 128 that differs", () => {
  const keyed = new KeyedWords();
  const seen = new Set([wordsOf(keyed, encodeBase64Url(new Uint8Array(16)))]);
  for (let bit = 0; bit < 128; bit++) {
    const bytes = new Uint8Array(16);
    bytes[bit >> 3] = 1 << (bit & 7);
    seen.add(wordsOf(keyed, encodeBase64Url(bytes)));
  }
  assertEquals(seen.size, 129);
});

Deno.test("setKey() gives distinct words for any two strings that differ", () => {
  const keyed = new KeyedWords();
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 50 }),
    fc.string({
      minLength: 20,
      maxLength: 44,
      unit: fc.constantFrom("A", "Q", "B", "_", "é", "="),
    }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map(encodeBase64Url),
  );
  fc.assert(
    fc.property(text, text, (a, b) => a === b || wordsOf(keyed, a) !== wordsOf(keyed, b)),
    { seed: 9449, numRuns: 500 },
  );
});

Deno.test("setThumbprint() tells thumbprints apart, and takes any string", () => {
  const keyed = new KeyedWords();
  const texts = ["", "a", "A".repeat(43), "B".repeat(43), "é".repeat(43), "A".repeat(44), "\ud800"];
  const words = texts.map((text) => {
    keyed.setThumbprint(text);
    return keyed.words.join();
  });
  assertEquals(new Set(words).size, texts.length);
});

Deno.test("setKey() spreads keys that a client ground to one place; control: the bare bytes pile up", () => {
  const keys = groundKeys(1000);
  const places = 4096;
  const bare = keys.map((key) => {
    const bytes = decodeBase64Url(key);
    assert(bytes);
    return Math.floor(new DataView(bytes.buffer).getUint32(0) * places / 2 ** 32);
  });
  assertEquals(new Set(bare).size, 1);

  const keyed = new KeyedWords();
  const spread = keys.map((key) => {
    keyed.setKey(key);
    return Math.floor((keyed.words[0] ?? 0) * places / 2 ** 32);
  });
  // Of 1000 balls thrown into 4096 urns, 887 urns are hit on average, with a deviation of 9.
  const hit = new Set(spread).size;
  assert(hit > 800, `${hit} places`);
});

/** The replay key with four given words before the permutation, which everybody can compute. */
function keyWith(words: Uint32Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  let text = "";
  let tail = 0;
  words.forEach((word, to) => {
    for (let shift = 24; shift >= 0; shift -= 6) text += alphabet[word >>> shift & 63];
    tail |= word >>> 30 << 2 * to;
  });
  return text + alphabet[tail >> 2] + alphabet[(tail & 3) << 4];
}

Deno.test("setKey() salts the hash of a long key, for which a key of 22 characters could be made", () => {
  const keyed = new KeyedWords();
  for (const salt of [0, 32]) {
    const text = "any other string";
    const bytes = new DataView(new ArrayBuffer(salt + text.length * 2));
    for (let at = 0; at < text.length; at++) bytes.setUint16(salt + at * 2, text.charCodeAt(at));
    const hash = new DataView(sha256(new Uint8Array(bytes.buffer)).buffer);
    const words = Uint32Array.from([0, 4, 8, 12], (at) => hash.getUint32(at));
    const twin = keyWith(words);
    assert(decodeBase64Url(twin));
    assertNotEquals(wordsOf(keyed, twin), wordsOf(keyed, text));
  }
});
