import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  equalsInConstantTime,
  hmacSha256,
  portableSha256,
  sha256,
} from "../../src/_internal/sha256.ts";

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

Deno.test("sha256() agrees with Web Crypto on every length around its blocks and its buffer", async () => {
  for (let length = 0; length < 1200; length += length < 300 ? 1 : 7) {
    const bytes = Uint8Array.from({ length }, (_, at) => at * 31 + length);
    const expected = await digest(bytes);
    assertEquals(sha256(bytes), expected, `${length} bytes`);
    assertEquals(portableSha256(bytes), expected, `${length} bytes, without the runtime`);
  }
});

Deno.test("sha256() hashes the UTF-8 of a string, whatever its length", async () => {
  for (const unit of ["a", "é", "€", "😀", "\ud800"]) {
    for (const count of [0, 1, 20, 55, 56, 63, 64, 333, 341, 342, 5000]) {
      const text = unit.repeat(count);
      const expected = await digest(new TextEncoder().encode(text));
      assertEquals(sha256(text), expected);
      assertEquals(portableSha256(text), expected);
    }
  }
});

Deno.test("sha256() gives a hash that a later call leaves alone", () => {
  const first = sha256("first");
  const copy = first.slice();
  sha256("second");
  assertEquals(first, copy);
});

Deno.test("hmacSha256() agrees with Web Crypto for any key and message", async () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 150 });
  await fc.assert(
    fc.asyncProperty(bytes, bytes, async (secret, message) => {
      const parameters = { name: "HMAC", hash: "SHA-256" };
      const [raw, data] = [new Uint8Array(secret), new Uint8Array(message)];
      const key = await crypto.subtle.importKey("raw", raw, parameters, false, ["sign"]);
      const expected = new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
      assertEquals(hmacSha256(raw, data), expected);
    }),
    { seed: 9449 },
  );
});

Deno.test("equalsInConstantTime() compares as === does", () => {
  const pairs = [["", ""], ["a", "a"], ["a", "b"], ["a", "aa"], ["ab", "ac"], ["bb", "ab"], [
    "é",
    "e",
  ]];
  for (const [a = "", b = ""] of pairs) assertEquals(equalsInConstantTime(a, b), a === b);
});
