import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { canonicalJson, escapeJson, escapeText, toJsonLine } from "../../src/events/_json_line.ts";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { event } from "./_audit_logs.ts";

Deno.test("canonicalJson() writes the example of RFC 8785, section 3.2.2", () => {
  const value = JSON.parse(
    `{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],` +
      `"string":"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}`,
  );
  assertEquals(
    canonicalJson(value),
    `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],` +
      `"string":"\u20ac$\\u000f\\nA'B\\"\\\\\\\\\\"/"}`,
  );
});

Deno.test("canonicalJson() sorts names by UTF-16 units, as RFC 8785, section 3.2.3, has it", () => {
  const value = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  const names = [...canonicalJson(value).matchAll(/"([^"]*)":/g)].map(([, name]) => name);
  assertEquals(names, ["\\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"]);
});

/** IEEE 754 bits and the number as it is written: RFC 8785, appendix B. */
const numbers: Readonly<Record<string, string | undefined>> = {
  "0000000000000000": "0",
  "8000000000000000": "0",
  "0000000000000001": "5e-324",
  "8000000000000001": "-5e-324",
  "7fefffffffffffff": "1.7976931348623157e+308",
  "ffefffffffffffff": "-1.7976931348623157e+308",
  "4340000000000000": "9007199254740992",
  "c340000000000000": "-9007199254740992",
  "4430000000000000": "295147905179352830000",
  "7fffffffffffffff": undefined,
  "7ff0000000000000": undefined,
  "44b52d02c7e14af5": "9.999999999999997e+22",
  "44b52d02c7e14af6": "1e+23",
  "44b52d02c7e14af7": "1.0000000000000001e+23",
  "444b1ae4d6e2ef4e": "999999999999999700000",
  "444b1ae4d6e2ef4f": "999999999999999900000",
  "444b1ae4d6e2ef50": "1e+21",
  "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
  "3eb0c6f7a0b5ed8d": "0.000001",
  "41b3de4355555553": "333333333.3333332",
  "41b3de4355555554": "333333333.33333325",
  "41b3de4355555555": "333333333.3333333",
  "41b3de4355555556": "333333333.3333334",
  "41b3de4355555557": "333333333.33333343",
  "becbf647612f3696": "-0.0000033333333333333333",
  "43143ff3c1cb0959": "1424953923781206.2",
};

Deno.test("canonicalJson() writes numbers as RFC 8785, appendix B, has them", () => {
  for (const [bits, expected] of Object.entries(numbers)) {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(`0x${bits}`));
    const number = view.getFloat64(0);
    if (expected === undefined) assertThrows(() => canonicalJson([number]), TypeError);
    else assertEquals(canonicalJson({ number }), `{"number":${expected}}`);
  }
});

const name = fc.oneof(
  fc.string({ unit: "binary", maxLength: 4 }),
  fc.nat(120).map(String),
  fc.constantFrom("__proto__", "toJSON", "constructor", "-1", "01", ""),
);
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom("C:\\udp", "\\ud800", "\\\\ud800\\"),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.array(tie("value").map((element) => element ?? null), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie("value")), { maxLength: 6 }).map((members) => {
      const made: Record<string, unknown> = {};
      for (const [key, member] of members) {
        Object.defineProperty(made, key, {
          value: member,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      }
      return made;
    }),
  ),
})).value;

Deno.test("canonicalJson() agrees with canonicalize on everything that both take", () => {
  fc.assert(
    fc.property(value, (one) => {
      const given = { a: 1, one };
      assertEquals(canonicalJson(given), canonicalize(given));
    }),
    { seed: 8785, numRuns: 3000 },
  );
});

Deno.test("canonicalJson() writes text that reads as the same value, in its one spelling", () => {
  fc.assert(
    fc.property(value, (one) => {
      const text = canonicalJson({ one });
      assertEquals(canonicalJson(JSON.parse(text)), text);
      assertEquals(canonicalJson(JSON.parse(escapeJson(text))), text);
    }),
    { seed: 8785, numRuns: 1000 },
  );
});

Deno.test("canonicalJson() throws when a string has a lone surrogate, and only then", () => {
  for (const text of ["\ud800", "a\udfff", "\ude00\ud83d", "\\\ud800", "\\\\\udc00"]) {
    // What most would write, and not all read alike.
    assertStringIncludes(JSON.stringify(text), "\\ud");
    for (const given of [text, [text], { text }, { [text]: 1 }, { b: { z: text, a: 1 } }]) {
      assertThrows(() => canonicalJson(given), TypeError, "lone surrogate");
    }
  }
  for (const text of ["\ud83d\ude00", "\\ud800", "C:\\udp", "\\\\ud800"]) {
    assertEquals(canonicalJson(text), JSON.stringify(text));
  }
});

Deno.test("canonicalJson() throws when something is no plain JSON", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = { b: cycle, a: 1 };
  class Special {}
  const given = [undefined, 1n, Symbol(), () => {}, NaN, Infinity, new Date(0), new Map(), cycle];
  for (const one of [...given, new Special(), [undefined], { toJSON: () => 1 }]) {
    assertThrows(() => canonicalJson({ z: 1, a: [one] }), TypeError);
  }
  let deep: unknown = 1;
  for (let level = 0; level < 129; level++) deep = [deep];
  assertThrows(() => canonicalJson(deep), TypeError, "128 levels");
  assertEquals(canonicalJson((deep as unknown[])[0]), `${"[".repeat(128)}1${"]".repeat(128)}`);
});

Deno.test("canonicalJson() changes nothing of what it is given", () => {
  const inner = Object.freeze({ z: 1, a: Object.freeze([Object.freeze({ y: 1, b: 2 })]) });
  assertEquals(
    canonicalJson(Object.freeze({ k: inner, b: 1 })),
    '{"b":1,"k":{"a":[{"b":2,"y":1}],"z":1}}',
  );
  assertEquals(Object.keys(inner), ["z", "a"]);
});

const hostile =
  "\x1b[2J\x9b31m\x7f\xad\u061c\u200b\u2028\u2029\u202e\u2066\ufeff\ufff9\u{e0041}\u{e01ef}";

Deno.test("escapeJson() leaves nothing raw that acts or hides, and changes no value", () => {
  const bare = JSON.stringify(hostile);
  assertStringIncludes(bare, "\x9b");
  assertStringIncludes(bare, "\u202e");
  const escaped = escapeJson(canonicalJson({ text: hostile }));
  assert(/^[ -~]*$/.test(escaped));
  assertEquals(JSON.parse(escaped), { text: hostile });
});

Deno.test("escapeJson() leaves no point raw that Unicode calls a control, a format or ignorable", () => {
  const raw: string[] = [];
  for (let point = 0; point < 0x110000; point++) {
    const character = String.fromCodePoint(point);
    if (!/[\p{DI}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Bidi_C}]/u.test(character)) continue;
    const json = JSON.stringify(character);
    const escaped = escapeJson(json);
    if (escaped.includes(character)) raw.push(point.toString(16));
    assertEquals(JSON.parse(escaped), character);
  }
  assertEquals(raw, []);
  // What people write with is left to be read.
  const readable = "é 日本 \u{1f600} \u{1d15e} \u{20000} العربية";
  assertEquals(escapeJson(readable), readable);
});

Deno.test("escapeText() lets no field end, and no line begin", () => {
  const text = escapeText(`x","role":"admin\n${hostile}`);
  assert(/^[ -~]*$/.test(text));
  assertEquals(JSON.parse(`"${text}"`), `x","role":"admin\n${hostile}`);
});

Deno.test("toJsonLine() writes an event as one line", () => {
  const made: AuditEvent = { ...event({ principal: "bob\nINFO login ok" }), seq: 1 };
  const line = toJsonLine(made);
  assertEquals(line.split("\n").length, 1);
  assertEquals(JSON.parse(line), made);
});
