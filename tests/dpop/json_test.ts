import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { parseJsonObject } from "../../src/dpop/_json.ts";

Deno.test("parseJsonObject() reads objects", () => {
  const texts = [
    "{}",
    ' {"a":1,"b":{"a":[{"a":null},{"a":":"}]}} ',
    '{"a":"\\"b\\":1","c\\\\":"\\\\"}',
    '{"":0,"__proto__":{"x":1},"constructor":2}',
    '{"a:b":"{[,:"}',
    '{"é":"\\u00e9\\ud83d"}',
  ];
  for (const text of texts) assertEquals(parseJsonObject(text), JSON.parse(text), text);
});

Deno.test("parseJsonObject() refuses what is no object", () => {
  const texts = ["", " ", "null", "1", '"a"', "[]", "[{}]", "{", "}", '{"a"}', '{"a":1}x', "{a:1}"];
  const more = ["{'a':1}", '{"a":1,}', '{"a":01}', '{"a":NaN}', '\u{feff}{"a":1}', '{"a', '{"a\\'];
  for (const text of [...texts, ...more]) {
    assertStrictEquals(parseJsonObject(text), undefined, text);
  }
});

Deno.test("parseJsonObject() refuses a name that comes twice, however it is spelled", () => {
  const texts = [
    '{"htu":"https://a/","htu":"https://b/"}',
    '{"jti":1,"\\u006ati":1}',
    '{"a":{"b":1,"b":1}}',
    '{"a":[{"b":1},{"c":1,"d":2,"c":3}]}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":{"x":1,"y":2},"a":3}',
    '{"a":{"a":1},"a":{"a":1}}',
    '{"":1,"":2}',
  ];
  for (const text of texts) {
    // The control: JSON.parse() takes the last one and says nothing.
    assertStrictEquals(typeof JSON.parse(text), "object");
    assertStrictEquals(parseJsonObject(text), undefined, text);
  }
});

Deno.test("parseJsonObject() reads escaped names as they are when others came before", () => {
  // A name that ends in the middle of an escape: V8 takes it for the beginning of the next one.
  const before = '{"jti":1,"\\\\u006":2}';
  assertEquals(Object.keys(JSON.parse(before)), ["jti", "\\u006"]);
  assertEquals(parseJsonObject('{"jti":"a","\\u0061th":"b"}'), { jti: "a", ath: "b" });
  assertStrictEquals(parseJsonObject('{"jti":"a","\\u006ati":"b"}'), undefined);
});

Deno.test("parseJsonObject() refuses depth, and reads it up to 16", () => {
  const nested = (depth: number) => '{"a":'.repeat(depth) + "1" + "}".repeat(depth);
  assertEquals(parseJsonObject(nested(16)), JSON.parse(nested(16)));
  for (const depth of [17, 1000, 200_000]) {
    assertStrictEquals(parseJsonObject(nested(depth)), undefined);
    assertStrictEquals(parseJsonObject(`{"a":${"[".repeat(depth)}`), undefined);
  }
});

Deno.test("parseJsonObject() reads every object that JSON.stringify() writes", () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 }));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 2, "\t"), (object, space) => {
      const text = JSON.stringify(object, null, space);
      assertEquals(parseJsonObject(text), JSON.parse(text));
    }),
    { seed: 9449, numRuns: 1000 },
  );
});

Deno.test("parseJsonObject() answers to any text, and never otherwise than JSON.parse()", () => {
  const token = fc.constantFrom(
    ...['{"a":', '"a"', ":", ",", "}", "]", "[", "{", "1", "\\", '"', " ", "\\u0061", '{"b":1}'],
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 10 }), (tokens) => {
      const text = tokens.join("");
      const found = parseJsonObject(text);
      if (found !== undefined) assertEquals(found, JSON.parse(text));
    }),
    { seed: 9449, numRuns: 3000 },
  );
});
