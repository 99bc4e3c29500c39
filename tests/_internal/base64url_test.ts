import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import {
  decodeBase64Url,
  decodeBase64UrlText,
  encodeBase64Url,
  portableEncode,
} from "../../src/_internal/base64url.ts";

const VECTORS: readonly (readonly [string, string])[] = [
  ["", ""],
  ["f", "Zg"],
  ["fo", "Zm8"],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg"],
  ["fooba", "Zm9vYmE"],
  ["foobar", "Zm9vYmFy"],
  ["é€😀", "w6nigqzwn5iA"],
  ["\u{feff}x", "77u_eA"],
];

const MALFORMED: readonly string[] = [
  "Z",
  "Zm9vY",
  "Zg==",
  "Zm8=",
  "Zh",
  "Zm9",
  " Zg",
  "Zg\n",
  "Z g",
  "Zm+v",
  "Zm/v",
  "Zm9é",
  "Zm9\u{212a}",
  "Zm9\u{1f600}v",
  "Zm9.",
  "\0\0\0\0",
];

Deno.test("encodeBase64Url() and both decoders agree with the vectors of RFC 4648", () => {
  for (const [text, encoded] of VECTORS) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(encodeBase64Url(bytes), encoded);
    assertEquals(portableEncode(bytes), encoded);
    assertEquals(decodeBase64Url(encoded), bytes);
    assertStrictEquals(decodeBase64UrlText(encoded), text);
  }
});

Deno.test("decodeBase64Url() and decodeBase64UrlText() refuse every other spelling", () => {
  for (const text of MALFORMED) {
    assertStrictEquals(decodeBase64Url(text), undefined, JSON.stringify(text));
    assertStrictEquals(decodeBase64UrlText(text), undefined, JSON.stringify(text));
  }
});

Deno.test("decodeBase64UrlText() refuses what is no UTF-8", () => {
  const invalid = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0x61, 0x80]];
  for (const bytes of invalid) {
    const encoded = encodeBase64Url(Uint8Array.from(bytes));
    assertStrictEquals(portableEncode(Uint8Array.from(bytes)), encoded);
    assertStrictEquals(decodeBase64UrlText(encoded), undefined, encoded);
    assertEquals(decodeBase64Url(encoded), Uint8Array.from(bytes));
  }
});

Deno.test("decodeBase64Url() brings back any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assertEquals(decodeBase64Url(encodeBase64Url(bytes)), new Uint8Array(bytes));
    }),
    { seed: 9449 },
  );
});

Deno.test("decodeBase64Url() accepts one spelling of any bytes only", () => {
  const text = fc.string({
    unit: fc.constantFrom(..."ABCQgwz0159-_+/= .\u00e9"),
    maxLength: 12,
  });
  fc.assert(
    fc.property(text, (encoded) => {
      const bytes = decodeBase64Url(encoded);
      if (bytes !== undefined) assertStrictEquals(encodeBase64Url(bytes), encoded);
      assertStrictEquals(decodeBase64UrlText(encoded) === undefined || bytes !== undefined, true);
    }),
    { seed: 9449, numRuns: 2000 },
  );
});
