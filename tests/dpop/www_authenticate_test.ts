import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { challengesForNonce, readChallenges } from "../../src/dpop/_www_authenticate.ts";

function plain(header: string | null): unknown {
  return readChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);
}

Deno.test("readChallenges() reads every challenge of a header", () => {
  const table: readonly (readonly [string | null, unknown])[] = [
    [null, []],
    ["", []],
    ["DPoP", [["dpop", {}]]],
    ["Basic, DPoP", [["basic", {}], ["dpop", {}]]],
    ['DPoP error="use_dpop_nonce"', [["dpop", { error: "use_dpop_nonce" }]]],
    ["dpop ERROR=use_dpop_nonce", [["dpop", { error: "use_dpop_nonce" }]]],
    ['DPoP a = "1" , b\t=2', [["dpop", { a: "1", b: "2" }]]],
    ['Bearer realm="a, b", DPoP algs="ES256 PS256"', [
      ["bearer", { realm: "a, b" }],
      ["dpop", { algs: "ES256 PS256" }],
    ]],
    ['Bearer realm="a \\"b\\" \\\\", error=x', [["bearer", { realm: 'a "b" \\', error: "x" }]]],
    ["Negotiate YII/+a==, DPoP error=x", [["negotiate", {}], ["dpop", { error: "x" }]]],
    [", ,DPoP error=x,, b=y ,", [["dpop", { error: "x", b: "y" }]]],
  ];
  for (const [header, expected] of table) assertEquals(plain(header), expected, String(header));
});

Deno.test("readChallenges() reads nothing out of a header that is malformed", () => {
  const table = [
    'error="use_dpop_nonce"',
    'DPoP error="use_dpop_nonce',
    'DPoP error="use_dpop_nonce" algs="ES256"',
    'DPoP error="use_dpop_nonce", error="invalid_token"',
    'DPoP error="use_dpop_nonce", ERROR=x',
    'Bearer realm=a b, DPoP error="use_dpop_nonce"',
    'DPoP error=,"use_dpop_nonce"',
    'DPoP error="use_dpop_nonce", (',
  ];
  for (const header of table) assertEquals(plain(header), [], header);
});

Deno.test("challengesForNonce() heeds only the error of a DPoP challenge", () => {
  const table: readonly (readonly [string, boolean])[] = [
    ['DPoP error="use_dpop_nonce"', true],
    ['Bearer error="invalid_token", dPoP algs="ES256", error="use_dpop_nonce"', true],
    ['DPoP realm="a", Bearer, DPoP error="use_dpop_nonce"', true],
    ['Bearer error="use_dpop_nonce"', false],
    ['DPoP algs="ES256", Bearer error="use_dpop_nonce"', false],
    ['Bearer realm="x, DPoP error=\\"use_dpop_nonce\\""', false],
    ['DPoP error="invalid_token", error_description="use_dpop_nonce"', false],
    ['DPoP error="USE_DPOP_NONCE"', false],
    ['XDPoP error="use_dpop_nonce"', false],
  ];
  for (const [header, expected] of table) {
    assertEquals(challengesForNonce(header), expected, header);
  }
});

Deno.test("readChallenges() reads back what was written", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
  const params = fc.dictionary(name, fc.stringMatching(/^[\x20-\x7e]{0,20}$/), { maxKeys: 4 });
  const challenges = fc.array(fc.tuple(name, params), { maxLength: 5 });
  fc.assert(
    fc.property(challenges, (list) => {
      const header = list.map(([scheme, entries]) =>
        `${scheme} ${
          Object.entries(entries).map(([key, value]) =>
            `${key}="${value.replace(/["\\]/g, "\\$&")}"`
          ).join(", ")
        }`.trim()
      ).join(", ");
      assertEquals(plain(header), list.map(([scheme, entries]) => [scheme, { ...entries }]));
    }),
    { seed: 9449, numRuns: 200 },
  );
});

Deno.test("readChallenges() takes little time for a header made to take much", () => {
  const bombs = [
    "DPoP ".repeat(2000),
    "a,".repeat(4000),
    `DPoP a="${"\\\\".repeat(4000)}`,
    `DPoP ${"a".repeat(8000)}`,
    `DPoP ${"a=".repeat(4000)}`,
    `DPoP a${" ".repeat(8000)}b`,
    `${"x".repeat(8000)}\u0000`,
  ];
  const start = performance.now();
  for (const bomb of bombs) readChallenges(bomb);
  // A parser that goes back over what it has read takes minutes for one of them.
  assert(performance.now() - start < 1000);
  // The limit is reached: one character less is still read.
  const long = `DPoP error="use_dpop_nonce", a="${"x".repeat(8192 - 33)}"`;
  assertEquals(long.length, 8192);
  assertEquals(challengesForNonce(long), true);
  assertEquals(challengesForNonce(`${long} `), false);
});
