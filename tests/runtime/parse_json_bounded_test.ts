import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import {
  parseJsonBounded,
  type ParseJsonBoundedOptions,
  type ParseJsonOptions,
  parseJsonText,
} from "../../src/runtime/parse_json_bounded.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { settle, streamOf, watch } from "./_streams.ts";

const LARGE = { maxBytes: 100_000_000 };
const encode = (text: string) => new TextEncoder().encode(text);

/** The code of the refusal, and where. */
function refusal(
  input: string | Uint8Array,
  options: ParseJsonOptions = LARGE,
): readonly unknown[] {
  const { code, details } = assertThrows(
    () => parseJsonText(input, options),
    SecurityError,
  ) as SecurityError;
  return [code, details.position];
}

Deno.test("parseJsonText() parses what JSON.parse parses", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      const hasProto = /__proto__/.test(text);
      if (hasProto) return;
      const expected = JSON.parse(text);
      for (const input of [text, encode(text), JSON.stringify(expected, undefined, " ")]) {
        assertEquals(parseJsonText(input, LARGE), expected);
      }
    }),
    { seed: 26, numRuns: 1000 },
  );
  const numbers = '{"0":1,"10":2,"2":{"1":3},"":4,"-1":5,"1.5":6}';
  assertEquals(parseJsonText(numbers, LARGE), JSON.parse(numbers));
});

Deno.test("parseJsonText() refuses what is deep before it parses, in no time", () => {
  for (const depth of [65, 100_000, 5_000_000]) {
    for (const open of ["[", '{"a":']) {
      const text = open.repeat(depth);
      const start = performance.now();
      assertEquals(refusal(text, { maxBytes: 10 ** 9 }), ["json-too-deep", 64 * open.length]);
      assertLess(performance.now() - start, 1000);
    }
  }
  // The control: JSON.parse takes it, and what comes after overflows the stack.
  const deep: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  const depthOf = (value: unknown): number => Array.isArray(value) ? 1 + depthOf(value[0]) : 0;
  assertThrows(() => depthOf(deep), RangeError);
  const at64 = "[".repeat(64) + "]".repeat(64);
  assertEquals(JSON.stringify(parseJsonText(at64, LARGE)), at64);
  assertEquals(refusal("[]", { ...LARGE, maxDepth: 0 }), ["json-too-deep", 0]);
  assertEquals(parseJsonText("7", { ...LARGE, maxDepth: 0 }), 7);
  // Brackets in strings are none.
  assertEquals(
    parseJsonText(JSON.stringify("[".repeat(1000) + '"\\'), LARGE),
    "[".repeat(1000) + '"\\',
  );
});

Deno.test("parseJsonText() goes as deep as it may be told to", () => {
  const text = "[".repeat(1000) + "]".repeat(1000);
  assertEquals(JSON.stringify(parseJsonText(text, { ...LARGE, maxDepth: 1000 })), text);
});

Deno.test("parseJsonText() refuses what is wide before it parses", () => {
  const members = Array.from({ length: 1_000_000 }, (_, at) => `"k${at}":0`).join();
  const wide: readonly (readonly [string, number])[] = [
    [`{${members}}`, 1],
    [`[${"0,".repeat(1_000_000)}0]`, 1],
    [`[${'"",'.repeat(1_000_000)}""]`, 1],
    [`[${"[],".repeat(1_000_000)}[]]`, 1],
  ];
  for (const [text] of wide) {
    const start = performance.now();
    assertEquals(refusal(text)[0], "json-too-many-tokens");
    assertLess(performance.now() - start, 1000);
  }
  // Strings, {, [, comma and colon count.
  const text = '{"a":[1,2,"x"],"b":{}}';
  assertEquals(parseJsonText(text, { ...LARGE, maxTokens: 11 }), JSON.parse(text));
  assertEquals(refusal(text, { ...LARGE, maxTokens: 10 }), ["json-too-many-tokens", 19]);
});

Deno.test("parseJsonText() scans in a time that grows with the text", () => {
  const ends: number[] = [];
  for (const size of [1_000_000, 8_000_000]) {
    const inputs = ["\\\\", '"', "[]", " ", '"\\"",'].map((part) =>
      `[${part.repeat(size / part.length)}`
    );
    const start = performance.now();
    for (const input of inputs) refusal(input, { ...LARGE, maxTokens: 10 ** 9 });
    ends.push(performance.now() - start);
  }
  assertLess(ends[1]!, 50 * Math.max(1, ends[0]!));
});

Deno.test("parseJsonText() refuses a name that is there twice", () => {
  const twice = '{"role":"user","role":"admin"}';
  // The control: the last one counts, whatever a proxy has read.
  assertEquals(JSON.parse(twice), { role: "admin" });
  const table: readonly (readonly [string, number])[] = [
    [twice, 15],
    ['{"role":1,"r\\u006fle":2}', 10],
    ['{"a":{"b":1,"c":[{"d":1,"d":2}]}}', 24],
    ['{"1":0,"2":0,"1":0}', 13],
    ['{"":0,"":0}', 6],
    ['[{"a":1},{"a":1,"a":1}]', 16],
    ['{"a":{"a":1},"a":2}', 13],
    ['{ "a" : "x:y,{}" , "a" : "\\"" }', 19],
    ['{"__proto__":1,"__proto__":2}', 15],
    ['{"\\\\":1,"\\u005c":2}', 8],
  ];
  for (const [text, position] of table) {
    assertEquals(refusal(text), ["json-duplicate-key", position], text);
    assertEquals(parseJsonText(text, { ...LARGE, keys: "last" }), JSON.parse(text));
  }
  for (
    const text of [
      '{"a":{"a":{"a":1}}}',
      '[{"a":1},{"a":1}]',
      '{"a":"a:a","b":":,"}',
      '{"A":1,"a":2}',
    ]
  ) {
    assertEquals(parseJsonText(text, LARGE), JSON.parse(text));
  }
});

Deno.test("parseJsonText() finds every name that is there twice", () => {
  interface Made {
    readonly text: string;
    /** Made apart, as JSON.parse takes some names for others. */
    readonly value: unknown;
    readonly hasTwice: boolean;
  }
  const name = fc.constantFrom(
    '"a"',
    '"\\u0061"',
    '"b"',
    '"1"',
    '"\\u0031"',
    '"\\\\"',
    '"\\""',
    '""',
  );
  const { value } = fc.letrec<{ value: Made }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom("1", '"x"', '":"', "null", '"\\\\"', '"{\\","')
        .map((text) => ({ text, value: JSON.parse(text) as unknown, hasTwice: false })),
      fc.array(tie("value"), { maxLength: 3 }).map((items) => ({
        text: `[${items.map(({ text }) => text).join()}]`,
        value: items.map(({ value }) => value),
        hasTwice: items.some(({ hasTwice }) => hasTwice),
      })),
      fc.array(fc.tuple(name, tie("value")), { maxLength: 3 }).map((members) => ({
        text: `{${members.map(([name, { text }]) => `${name}:${text}`).join()}}`,
        value: Object.fromEntries(members.map(([name, { value }]) => [JSON.parse(name), value])),
        hasTwice: members.some(([, { hasTwice }]) => hasTwice) ||
          new Set(members.map(([name]) => JSON.parse(name))).size < members.length,
      })),
    ),
  }));
  let twice = 0;
  fc.assert(
    fc.property(value, ({ text, value, hasTwice }) => {
      assertEquals(parseJsonText(text, { ...LARGE, keys: "last" }), value);
      if (!hasTwice) return void assertEquals(parseJsonText(text, LARGE), value);
      twice++;
      const [code, position] = refusal(text);
      assertEquals([code, text[position as number]], ["json-duplicate-key", '"'], text);
    }),
    { seed: 29, numRuns: 5000 },
  );
  assert(twice > 100, `${twice}`);
});

Deno.test("parseJsonText() reads names as they are, whatever was parsed before", () => {
  const names = (value: unknown) => Object.keys(value as object);
  // What a stranger sends, so that the parser takes one name for another.
  for (let count = 0; count < 3; count++) {
    JSON.parse('{"role":1,"\\\\u006":2}');
    JSON.parse('{"admin":1,"\\\\u006":2}');
  }
  const hidden = '{"role":1,"\\u0061dmin":2}';
  const twice = '{"admin":1,"\\u0061dmin":2}';
  // The control: V8 15 finds another name, in somebody else's text, and so nothing that is there twice.
  const v8 = Number.parseInt(Deno.version.v8);
  if (v8 === 15) {
    assertEquals([names(JSON.parse(hidden)), names(JSON.parse(twice))], [["role", "\\u006"], [
      "admin",
      "\\u006",
    ]]);
  }
  for (const keys of ["strict", "last"] as const) {
    assertEquals(parseJsonText(hidden, { ...LARGE, keys }), { role: 1, admin: 2 });
  }
  assertEquals(refusal(twice), ["json-duplicate-key", 11]);
  assertEquals(parseJsonText(twice, { ...LARGE, keys: "last" }), { admin: 2 });
  const rest = '[{"\\n":[-0.5e-3,true,false,null,"\\ud83d",{}],"":[],"7":"\\\\"} , 1 ]';
  assertEquals(parseJsonText(rest, LARGE), [
    { "\n": [-0.5e-3, true, false, null, "\ud83d", {}], "": [], "7": "\\" },
    1,
  ]);
});

Deno.test("parseJsonText() counts names right when Object.prototype was polluted", () => {
  Object.defineProperty(Object.prototype, "polluted", {
    value: 1,
    enumerable: true,
    configurable: true,
  });
  try {
    assertEquals(refusal('{"a":1,"a":2}'), ["json-duplicate-key", 7]);
    assertEquals(Object.keys(parseJsonText('{"a":{"b":[{}]}}', LARGE) as object), ["a"]);
  } finally {
    delete (Object.prototype as { polluted?: unknown }).polluted;
  }
});

Deno.test("parseJsonText() refuses the name __proto__", () => {
  // The control: it is a member like any other, and where `__proto__` is a setter, whoever copies it sets it.
  assertEquals(Object.keys(JSON.parse('{"__proto__":{"isAdmin":true}}')), ["__proto__"]);
  for (const text of ['["__proto__"]', '{"a":"__proto__"}', '{"__proto":"\\u0041"}']) {
    assertEquals(parseJsonText(text, LARGE), JSON.parse(text));
  }
});

Deno.test("parseJsonText() says where it is no JSON, and does not quote it", () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ["", 0],
    ["{", 1],
    ["[1,]", 3],
    ['{"a":1,}', 7],
    ['"abc', 4],
    ['["secret', 8],
    ["nope", 0],
    ["[1] x", 4],
    ["\ufeff[]", 0],
    ["'a'", 0],
    ["]", 0],
    ['{"a" "b"}', 5],
    ["[NaN]", 1],
    ["[01]", 2],
    ["[1 2]", 3],
    ['{"a":1 "b":2}', 7],
    ["{,}", 1],
    ["[,]", 1],
    ["{]", 1],
    ["[[]}", 3],
    ['["\\x"]', 2],
    ['["\\u12g4"]', 2],
    ['["\n"]', 2],
    ["[tru]", 1],
    ["1.", 1],
    ['[{"a":[1,{"b":[]}]} ', 20],
    [" ", 1],
  ];
  for (const [text, position] of table) {
    assertEquals(refusal(text), ["json-invalid", position], text);
    const error = assertThrows(() => parseJsonText(text, LARGE), SecurityError);
    assertEquals(error.message, "The input is no JSON");
  }
});

Deno.test("parseJsonText() says where, whatever was changed in a text", () => {
  const texts = fc.tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(),
    fc.constantFrom(...'{}[],:"x1 \\\n'.split("")),
  );
  let refused = 0;
  fc.assert(
    fc.property(texts, ([text, at, sign]) => {
      const index = at % (text.length + 1);
      const changed = text.slice(0, index) + sign + text.slice(index + 1);
      try {
        JSON.parse(changed);
        return;
      } catch {
        refused++;
      }
      const [code, position] = refusal(changed);
      assertEquals(code, "json-invalid");
      // Nothing before what was changed is wrong, and nothing after the end.
      assert(position as number >= Math.min(index, text.length - 1) - 6, changed);
      assert(position as number <= changed.length);
    }),
    { seed: 30, numRuns: 5000 },
  );
  assert(refused > 1000);
});

Deno.test("parseJsonText() refuses bytes that are no UTF-8, and a byte order mark", () => {
  const quoted = (...bytes: number[]) => Uint8Array.from([0x22, ...bytes, 0x22]);
  for (
    const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [
      0xe2,
      0x82,
    ]]
  ) {
    assertEquals(refusal(quoted(...bytes)), ["json-invalid", undefined]);
  }
  assertEquals(refusal(encode("\ufeff[]"))[0], "json-invalid");
  assertEquals(refusal(Uint8Array.from([0xff, 0xfe, 0x5b, 0, 0x5d, 0]))[0], "json-invalid");
  assertEquals(parseJsonText(encode('"é€😀"'), LARGE), "é€😀");
});

Deno.test("parseJsonText() counts bytes of UTF-8, not characters", () => {
  for (const text of ['"abc"', '"é"', '"€"', '"😀"', '"a€é😀"']) {
    const { length } = encode(text);
    for (const input of [text, encode(text)]) {
      assertEquals(parseJsonText(input, { maxBytes: length }), JSON.parse(text));
      assertEquals(refusal(input, { maxBytes: length - 1 })[0], "too-large");
    }
  }
});

Deno.test("parseJsonBounded() reads texts, bytes, streams and bodies", async () => {
  const text = '{"a":[1,2,3],"é":null}';
  const request = new Request("http://localhost/", { method: "POST", body: text });
  const sources = [
    text,
    encode(text),
    streamOf(...Array.from(encode(text), (byte) => Uint8Array.of(byte))),
    request,
    new Response(text),
  ];
  for (const source of sources) {
    assertEquals(await parseJsonBounded(source, LARGE), JSON.parse(text));
  }
  const again = [text, encode(text), streamOf(encode(text)), new Response(text)];
  for (const source of again) {
    const error = await assertRejects(
      () => parseJsonBounded(source, { maxBytes: 10 }),
      SecurityError,
    );
    assertEquals(error.code, "too-large");
  }
  const error = await assertRejects(
    () => parseJsonBounded(new Response(null), LARGE),
    SecurityError,
  );
  assertEquals(error.code, "json-invalid");
});

Deno.test("parseJsonBounded() ends in time, and when the signal is aborted", async () => {
  const clock = new VirtualClock();
  const hanging = watch({ next: (index) => index === 0 ? encode("[") : new Promise(() => {}) });
  const late = assertRejects(
    () => parseJsonBounded(hanging.stream, { maxBytes: 10, timeoutMs: 5, clock }),
    SecurityError,
  );
  await settle();
  clock.advance(5);
  assertEquals([(await late).code, clock.timers], ["timeout", 0]);
  const reason = new Error("client gone");
  const signal = AbortSignal.abort(reason);
  for (const source of ["[]", encode("[]"), streamOf(encode("[]"))]) {
    assertEquals(
      await assertRejects(() => parseJsonBounded(source, { maxBytes: 10, signal })),
      reason,
    );
  }
});

Deno.test("parseJsonText() refuses wrong options and inputs", async () => {
  const table: readonly object[] = [
    ...[NaN, -1, Infinity, 0.5, undefined].map((maxBytes) => ({ maxBytes })),
    ...[NaN, -1, 1001, 0.5].map((maxDepth) => ({ maxBytes: 10, maxDepth })),
    ...[NaN, 0, -1, Infinity].map((maxTokens) => ({ maxBytes: 10, maxTokens })),
  ];
  for (const options of table) {
    assertThrows(() => parseJsonText("[]", options as ParseJsonOptions), RangeError);
    await assertRejects(
      () => parseJsonBounded("[]", options as ParseJsonBoundedOptions),
      RangeError,
    );
  }
  const keys = "first" as "last";
  assertThrows(() => parseJsonText("[]", { maxBytes: 10, keys }), TypeError);
  for (const input of [undefined, null, 7, {}, [], new ArrayBuffer(2)]) {
    assertThrows(() => parseJsonText(input as unknown as string, LARGE), TypeError);
  }
});
