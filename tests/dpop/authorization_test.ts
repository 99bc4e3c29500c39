import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { readCredentials } from "../../src/dpop/_authorization.ts";
import { DpopError, type DpopErrorReason } from "../../src/dpop/dpop_error.ts";

Deno.test("readCredentials() reads scheme and token", () => {
  const cases: readonly (readonly [header: string, scheme: "DPoP" | "Bearer", token: string])[] = [
    ["DPoP abc", "DPoP", "abc"],
    ["dpop abc", "DPoP", "abc"],
    ["DPOP   abc", "DPoP", "abc"],
    ["Bearer abc.def-_~+/==", "Bearer", "abc.def-_~+/=="],
    ["bEARER x", "Bearer", "x"],
  ];
  for (const [header, scheme, token] of cases) {
    assertEquals(readCredentials(header, 100), { scheme, token }, header);
  }
});

Deno.test("readCredentials() finds no token where there is no scheme that carries one", () => {
  for (const header of [null, "", "Basic abc", "DPoPx abc", "x", 'Digest a="b", c="d"']) {
    assertEquals(readCredentials(header, 100), undefined, header ?? "null");
  }
});

Deno.test("readCredentials() refuses what is malformed, and two where one has to be", () => {
  const cases: readonly (readonly [header: string, reason: DpopErrorReason])[] = [
    ["DPoP", "malformed-token"],
    ["DPoP ", "malformed-token"],
    ['DPoP abc"def', "malformed-token"],
    ["DPoP abc def", "malformed-token"],
    ["DPoP \tabc", "malformed-token"],
    ["DPoP\tabc", "malformed-token"],
    ["bearer\tabc", "malformed-token"],
    ["DPoP\t", "malformed-token"],
    ["DPoP\tabc, Bearer abc", "several-authorizations"],
    ["DPoP =abc", "malformed-token"],
    ["DPoP a=b", "malformed-token"],
    ["DPoP é", "malformed-token"],
    [`DPoP ${"a".repeat(101)}`, "malformed-token"],
    [`Basic ${"a".repeat(1000)}`, "malformed-token"],
    ["DPoP abc, Bearer abc", "several-authorizations"],
    ["Bearer abc,DPoP abc", "several-authorizations"],
    ["DPoP abc, DPoP abc", "several-authorizations"],
    ["DPoP abc, Basic abc", "several-authorizations"],
    ["Basic abc, DPoP abc", "several-authorizations"],
    ["Basic abc,bearer abc", "several-authorizations"],
    ["DPoP, Bearer abc", "several-authorizations"],
    ["DPoP,abc", "several-authorizations"],
  ];
  for (const [header, reason] of cases) {
    const error = assertThrows(() => readCredentials(header, 100), DpopError);
    assertEquals([error.code, error.reason], ["invalid_request", reason], header);
  }
});

Deno.test("readCredentials() gives a token, nothing or a refusal for any text", () => {
  const word = fc.constantFrom("DPoP", "bearer", "Basic", " ", ",", "\t", "=", "a", '"', "é", "\0");
  fc.assert(
    fc.property(fc.array(word).map((words) => words.join("")), (header) => {
      try {
        const found = readCredentials(header, 100);
        if (found !== undefined) assert(header.endsWith(found.token) && found.token.length > 0);
      } catch (error) {
        assert(error instanceof DpopError && error.code === "invalid_request", header);
      }
    }),
    { seed: 9449, numRuns: 2000 },
  );
});
