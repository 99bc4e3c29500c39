import { assert, assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
// @ts-types="@types/spdx-satisfies"
import satisfies from "spdx-satisfies";
import {
  evaluate,
  formatLicense,
  licenseMatches,
  MAX_EXPRESSION_LENGTH,
  parseExpression,
  type SpdxLicense,
} from "../../../src/supply_chain/licenses/spdx.ts";

function licenseOf(text: string): SpdxLicense {
  const expression = parseExpression(text);
  assert(expression !== undefined && !("conjunction" in expression), text);
  return expression;
}

function isSatisfied(text: string, allow: readonly string[]): boolean {
  const allowed = allow.map(licenseOf);
  const expression = parseExpression(text);
  assert(expression !== undefined, text);
  return evaluate(expression, (license) => allowed.some((it) => licenseMatches(license, it)))
    .satisfied;
}

Deno.test("parseExpression() gives AND precedence over OR", () => {
  const or = parseExpression("MIT OR ISC AND Zlib");
  assert(or !== undefined && "conjunction" in or);
  assertEquals(or.conjunction, "or");
  assertEquals(or.left, { license: "MIT" });
});

Deno.test("parseExpression() reads what SPDX allows", () => {
  const cases: readonly (readonly [text: string, license: string])[] = [
    ["MIT", "MIT"],
    ["(MIT)", "MIT"],
    // Annex D: licence ids match in any case.
    ["mit", "MIT"],
    ["APACHE-2.0", "Apache-2.0"],
    ["EPL-1.0+", "EPL-1.0+"],
    ["GPL-2.0", "GPL-2.0"],
    ["Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"],
    ["LicenseRef-Acme-1", "LicenseRef-Acme-1"],
    ["DocumentRef-x:LicenseRef-y", "DocumentRef-x:LicenseRef-y"],
  ];
  for (const [text, license] of cases) assertEquals(formatLicense(licenseOf(text)), license);
});

Deno.test("parseExpression() refuses what is no SPDX expression", () => {
  const cases = [
    "",
    " ",
    "Apache 2",
    "GPLv3",
    "MIT License",
    "MIT/X11",
    "MIT, ISC",
    "OR",
    "MIT OR",
  ];
  // The last ones are taken by the parser below, which skips characters and cuts words apart.
  cases.push("(MIT", "MIT)", "MIT +", "Nonsense-1.0", "MIT WITH Nonsense", "MIT AND AND ISC");
  cases.push("UNLICENSED", "SEE LICENSE IN LICENSE", "MIT\nOR ISC", "\u202eMIT", "$$$MIT");
  cases.push("MIT ORISC", "MIT ANDISC", "__proto__", "constructor", "toString");
  for (const text of cases) assertEquals(parseExpression(text), undefined, JSON.stringify(text));
});

Deno.test("parseExpression() is bounded when an expression is made to exhaust it", () => {
  const start = performance.now();
  const deep = (depth: number) => "(".repeat(depth) + "MIT" + ")".repeat(depth);
  const long = (length: number) => `${"MIT OR ".repeat(580)}MIT`.padEnd(length);
  assertEquals(parseExpression(deep(100_000)), undefined);
  assertEquals(parseExpression("MIT OR ".repeat(150_000) + "MIT"), undefined);
  assertEquals(parseExpression("(".repeat(4000)), undefined);
  assertEquals(parseExpression(")".repeat(4000)), undefined);
  assertEquals(parseExpression("A".repeat(MAX_EXPRESSION_LENGTH)), undefined);
  // Each limit binds where it says it does.
  assert(parseExpression(deep(64)));
  assertEquals(parseExpression(deep(65)), undefined);
  assert(parseExpression(long(MAX_EXPRESSION_LENGTH)));
  assertEquals(parseExpression(long(MAX_EXPRESSION_LENGTH + 1)), undefined);
  assertLess(performance.now() - start, 2000);
});

Deno.test("licenseMatches() compares licences as the policy's reader means them", () => {
  const table: readonly (readonly [license: string, allowed: string, expected: boolean])[] = [
    ["MIT", "MIT", true],
    ["MIT", "MIT-0", false],
    ["LicenseRef-a", "LicenseRef-a", true],
    ["LicenseRef-a", "LicenseRef-A", false],
    // An exception is part of the licence, in both directions.
    ["Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception", true],
    ["Apache-2.0 WITH LLVM-exception", "Apache-2.0", false],
    ["Apache-2.0", "Apache-2.0 WITH LLVM-exception", false],
    // GNU: every spelling is an entry of its own.
    ["GPL-3.0", "GPL-3.0", true],
    ["GPL-3.0", "GPL-3.0-only", false],
    ["GPL-3.0-only", "GPL-3.0", false],
    ["GPL-3.0-only", "GPL-3.0-or-later", false],
    ["GPL-3.0-or-later", "GPL-3.0-only", false],
    ["GPL-2.0-or-later", "GPL-3.0-or-later", false],
    ["GPL-2.0+", "GPL-2.0+", true],
    ["GPL-2.0+", "GPL-2.0", false],
    ["GPL-2.0", "GPL-2.0+", false],
    ["GPL-2.0+", "GPL-2.0-or-later", true],
    ["GPL-2.0-or-later", "GPL-2.0+", true],
    ["GPL-2.0+", "GPL-2.0-only", false],
    ["GPL-2.0-only", "GPL-2.0+", false],
    ["AGPL-3.0+", "AGPL-3.0-or-later", true],
    ["GPL-2.0+ WITH Classpath-exception-2.0", "GPL-2.0-or-later", false],
    ["GPL-2.0+", "GPL-3.0", false],
    ["LGPL-2.1-only", "LGPL-2.1-or-later", false],
    ["AGPL-3.0-only", "GPL-3.0-only", false],
    ["GFDL-1.2+", "GFDL-1.3", false],
    // Elsewhere: this version or a later one.
    ["EPL-1.0+", "EPL-1.0", true],
    ["EPL-1.0+", "EPL-2.0", true],
    ["EPL-2.0+", "EPL-1.0", false],
    ["EPL-1.0", "EPL-2.0", false],
    ["EPL-2.0", "EPL-1.0+", true],
    ["EPL-1.0", "EPL-1.0+", true],
    ["EPL-1.0", "EPL-2.0+", false],
    ["EPL-1.0+", "EPL-2.0+", true],
    ["EPL-2.0+", "EPL-1.0+", true],
    ["OLDAP-2.2+", "OLDAP-2.2.1", true],
    ["MPL-1.0+", "EPL-2.0", false],
    // A number that is no version.
    ["BSD-2-Clause+", "BSD-3-Clause", false],
    ["BSD-3-Clause", "BSD-2-Clause+", false],
  ];
  for (const [license, allowed, expected] of table) {
    const actual = licenseMatches(licenseOf(license), licenseOf(allowed));
    assertEquals(actual, expected, `${license} by ${allowed}`);
  }
});

Deno.test("evaluate() names the licences that were refused, each once", () => {
  const isAllowed = ({ license }: SpdxLicense) => license === "MIT";
  const of = (text: string) => evaluate(parseExpression(text)!, isAllowed);
  assertEquals(of("MIT OR GPL-3.0-only"), { satisfied: true, refused: [] });
  assertEquals(of("MIT AND GPL-3.0-only"), { satisfied: false, refused: ["GPL-3.0-only"] });
  assertEquals(of("(Zlib AND MIT) OR (Zlib AND EPL-1.0+)").refused, ["Zlib", "EPL-1.0+"]);
});

Deno.test("evaluate() asks about every licence, so that used entries are known", () => {
  const asked: string[] = [];
  evaluate(parseExpression("MIT OR ISC OR (Zlib AND 0BSD)")!, (license) => {
    asked.push(license.license);
    return true;
  });
  assertEquals(asked, ["MIT", "ISC", "Zlib", "0BSD"]);
});

const LEAVES = ["MIT", "ISC", "Zlib", "0BSD", "Unlicense", "Apache-2.0"];

/** An expression as text, and as the function of its leaves that it stands for. */
interface Sample {
  readonly text: string;
  readonly truth: (allowed: ReadonlySet<string>) => boolean;
}

function expressions(maxDepth: number): fc.Arbitrary<Sample> {
  const leaf = fc.constantFrom(...LEAVES).map((text): Sample => ({
    text,
    truth: (allowed) => allowed.has(text),
  }));
  const { node } = fc.letrec<{ node: Sample }>((tie) => ({
    node: fc.oneof(
      { maxDepth },
      { arbitrary: leaf, weight: 1 },
      {
        arbitrary: fc.tuple(tie("node"), fc.boolean(), tie("node")).map((
          [a, isAnd, b],
        ): Sample => ({
          text: `(${a.text} ${isAnd ? "AND" : "OR"} ${b.text})`,
          truth: (allowed) =>
            isAnd ? a.truth(allowed) && b.truth(allowed) : a.truth(allowed) || b.truth(allowed),
        })),
        weight: 4,
      },
    ),
  }));
  return node;
}

Deno.test("evaluate() agrees with the truth table of random expressions", () => {
  let longest = 0;
  fc.assert(
    fc.property(expressions(6), ({ text, truth }) => {
      longest = Math.max(longest, text.length);
      const expression = parseExpression(text);
      assert(expression !== undefined, text);
      for (let row = 0; row < 1 << LEAVES.length; row++) {
        const allowed = new Set(LEAVES.filter((_, bit) => row & (1 << bit)));
        const { satisfied, refused } = evaluate(expression, ({ license }) => allowed.has(license));
        assertEquals(satisfied, truth(allowed), text);
        assertEquals(refused.length === 0, satisfied);
        assert(refused.every((license) => !allowed.has(license)));
      }
    }),
    { seed: 3, numRuns: 200 },
  );
  assertLess(100, longest);
});

Deno.test("evaluate() agrees with spdx-satisfies where no licence has versions", () => {
  fc.assert(
    // Deeper, the peer needs exponential time.
    fc.property(expressions(3), fc.subarray(LEAVES, { minLength: 1 }), ({ text }, allow) => {
      assertEquals(isSatisfied(text, allow), satisfies(text, allow), `${text} by ${allow}`);
    }),
    { seed: 4, numRuns: 300 },
  );
});
