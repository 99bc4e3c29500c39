/** The stand-in for `@std/assert` must fail where the original fails, else no test means anything. */
import * as standIn from "../../tools/_std_assert.ts";

type Call = () => unknown;

const passes: Readonly<Record<string, Call>> = {
  assert: () => standIn.assert(1),
  assertFalse: () => standIn.assertFalse(0),
  assertEquals: () =>
    standIn.assertEquals({ a: [1, new Map([["b", 2]])] }, { a: [1, new Map([["b", 2]])] }),
  assertNotEquals: () => standIn.assertNotEquals({ a: 1 }, { a: 2 }),
  assertStrictEquals: () => standIn.assertStrictEquals(NaN, NaN),
  assertNotStrictEquals: () => standIn.assertNotStrictEquals({}, {}),
  assertExists: () => standIn.assertExists(0),
  assertMatch: () => standIn.assertMatch("abc", /b/),
  assertNotMatch: () => standIn.assertNotMatch("abc", /d/),
  assertStringIncludes: () => standIn.assertStringIncludes("abc", "bc"),
  assertInstanceOf: () => standIn.assertInstanceOf(new TypeError(), Error),
  assertGreater: () => standIn.assertGreater(2, 1),
  assertGreaterOrEqual: () => standIn.assertGreaterOrEqual(2n, 2n),
  assertLess: () => standIn.assertLess("a", "b"),
  assertLessOrEqual: () => standIn.assertLessOrEqual(1, 1),
  assertThrows: () => standIn.assertThrows(() => raise(new TypeError("ab")), TypeError, "b"),
  assertRejects: () => standIn.assertRejects(() => Promise.reject(new TypeError("ab")), Error, "b"),
};

const failures: readonly (readonly [string, Call])[] = [
  ["assert", () => standIn.assert(0)],
  ["assertFalse", () => standIn.assertFalse(1)],
  ["assertEquals", () => standIn.assertEquals({ a: 1 }, { a: 2 })],
  ["assertEquals (type)", () => standIn.assertEquals<unknown>(1, "1")],
  ["assertEquals (key)", () => standIn.assertEquals<unknown>({}, { a: undefined })],
  ["assertEquals (set)", () => standIn.assertEquals(new Set([1]), new Set([2]))],
  ["assertEquals (bytes)", () => standIn.assertEquals(new Uint8Array([1]), new Uint8Array([2]))],
  ["assertNotEquals", () => standIn.assertNotEquals({ a: 1 }, { a: 1 })],
  ["assertStrictEquals", () => standIn.assertStrictEquals({}, {})],
  ["assertNotStrictEquals", () => standIn.assertNotStrictEquals(1, 1)],
  ["assertExists (null)", () => standIn.assertExists(null)],
  ["assertExists (undefined)", () => standIn.assertExists(undefined)],
  ["assertMatch", () => standIn.assertMatch("abc", /d/)],
  ["assertNotMatch", () => standIn.assertNotMatch("abc", /b/)],
  ["assertStringIncludes", () => standIn.assertStringIncludes("abc", "d")],
  ["assertInstanceOf", () => standIn.assertInstanceOf(new Error(), TypeError)],
  ["assertGreater", () => standIn.assertGreater(1, 1)],
  ["assertGreater (NaN)", () => standIn.assertGreater(NaN, 1)],
  ["assertGreaterOrEqual", () => standIn.assertGreaterOrEqual(1, 2)],
  ["assertLess", () => standIn.assertLess(1, 1)],
  ["assertLess (NaN)", () => standIn.assertLess(NaN, 1)],
  ["assertLessOrEqual", () => standIn.assertLessOrEqual(2, 1)],
  ["assertThrows (does not)", () => standIn.assertThrows(() => 0)],
  ["assertThrows (class)", () => standIn.assertThrows(() => raise(new Error()), TypeError)],
  ["assertThrows (text)", () => standIn.assertThrows(() => raise(new Error("a")), Error, "b")],
  ["assertRejects (does not)", () => standIn.assertRejects(() => Promise.resolve())],
  ["assertRejects (throws)", () => standIn.assertRejects(() => raise(new Error()))],
  [
    "assertRejects (class)",
    () => standIn.assertRejects(() => Promise.reject(new Error()), TypeError),
  ],
  [
    "assertRejects (text)",
    () => standIn.assertRejects(() => Promise.reject(new Error("a")), Error, "b"),
  ],
  ["fail", () => standIn.fail()],
];

function raise(error: Error): never {
  throw error;
}

// Nothing here may rely on what is being tested, so that it throws on its own.
for (const [name, call] of Object.entries(passes)) {
  Deno.test(`${name}() of the stand-in passes what holds`, async () => {
    await call();
  });
}

for (const [name, call] of failures) {
  Deno.test(`${name} of the stand-in fails what does not hold`, async () => {
    let thrown: unknown;
    try {
      await call();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof standIn.AssertionError)) {
      throw new Error(`expected an AssertionError, got ${thrown}`);
    }
  });
}

Deno.test("every assertion of the stand-in is tested", () => {
  const functions = Object.keys(standIn).filter((name) => name !== "AssertionError");
  const bad = new Set(failures.map(([name]) => name.replace(/ .*/, "")));
  for (const name of functions) {
    if (!bad.has(name) || (name !== "fail" && passes[name] === undefined)) {
      throw new Error(`${name}() is not tested`);
    }
  }
});

Deno.test("assertThrows() and assertRejects() of the stand-in give what was thrown", async () => {
  const error = new TypeError("x");
  if (standIn.assertThrows(() => raise(error)) !== error) throw new Error("assertThrows");
  const rejected: TypeError = await standIn.assertRejects(() => Promise.reject(error), TypeError);
  if (rejected !== error) throw new Error("assertRejects");
});

Deno.test("a message of the caller's is in the stand-in's error", () => {
  const { message } = standIn.assertThrows(
    () => standIn.assertEquals(1, 2, "the count"),
    standIn.AssertionError,
  );
  if (!message.includes("the count")) throw new Error(message);
});
