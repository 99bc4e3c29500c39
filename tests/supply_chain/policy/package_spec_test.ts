import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../../src/errors.ts";
import {
  parsePackageSpec,
  SpecIndex,
  specMatches,
  type SpecSubject,
} from "../../../src/supply_chain/policy/package_spec.ts";

function subject(label: string, npm?: readonly [string, string]): SpecSubject {
  const [, kind, name, version] = label.match(/^(\w+):(.+?)(?:@([^@/]*))?$/)!;
  return {
    kind: kind as SpecSubject["kind"],
    name: name!,
    version: version ?? "",
    ...(npm && { npm: { name: npm[0], version: npm[1] } }),
  };
}

Deno.test("parsePackageSpec() reads every form", () => {
  const table: readonly (readonly [string, string | undefined, string, string | undefined])[] = [
    ["lodash", undefined, "lodash", undefined],
    ["lodash@^4", undefined, "lodash", "^4"],
    ["@scope/x@1.2.3", undefined, "@scope/x", "1.2.3"],
    ["npm:lodash", "npm", "lodash", undefined],
    ["npm:@scope/x@>=1 <2", "npm", "@scope/x", ">=1 <2"],
    ["jsr:@std/*", "jsr", "@std/*", undefined],
    ["jsr:*", "jsr", "*", undefined],
    ["https:deno.land/x/oak@v12", "https", "deno.land/x/oak", "v12"],
    ["https://deno.land/x/oak@v12", "https", "deno.land/x/oak", "v12"],
    ["https:esm.sh/@scope/x@1.0.0", "https", "esm.sh/@scope/x", "1.0.0"],
    ["https:esm.sh/@scope/x", "https", "esm.sh/@scope/x", undefined],
    ["deno.land/std@0.200.0", undefined, "deno.land/std", "0.200.0"],
    ["link:@scope/x", "link", "@scope/x", undefined],
    ["*", undefined, "*", undefined],
    ["a:<=1.2,>0.2", undefined, "a", "<=1.2,>0.2"],
    ["a:=0.1.0", undefined, "a", "=0.1.0"],
    ["npm:a:^1", "npm", "a", "^1"],
    ["npm", undefined, "npm", undefined],
    ["a@1.0.0 - 2.0.0 || ^3", undefined, "a", "1.0.0 - 2.0.0 || ^3"],
    ["__proto__", undefined, "__proto__", undefined],
  ];
  for (const [text, ecosystem, name, range] of table) {
    assertEquals(
      parsePackageSpec(text),
      { ...(ecosystem && { ecosystem }), name, ...(range && { range }), text } as ReturnType<
        typeof parsePackageSpec
      >,
      text,
    );
  }
});

Deno.test("parsePackageSpec() says what is expected of an invalid spec", () => {
  const table: readonly (readonly [string, string])[] = [
    ["", "expected NAME"],
    ["npm:", "expected NAME"],
    ["@scope", "expected NAME"],
    ["@scope/", "expected NAME"],
    ["a/b", "expected NAME"],
    ["a b", "expected NAME"],
    ["a<1", "expected NAME"],
    ["a\x1b[2J", "expected NAME"],
    ["a@", "nothing follows"],
    ["a@ ", "nothing follows"],
    ["a@latest", "not a version"],
    ["a:b", "not a version"],
    ["jsr:path", "has a scope"],
    ["a".repeat(513), "longer than 512"],
  ];
  for (const [text, expected] of table) {
    const error = assertThrows(() => parsePackageSpec(text), SecurityError);
    assertEquals(error.code, "policy-invalid");
    assertStringIncludes(error.message, expected);
    assertFalse(error.message.includes("\x1b"));
  }
  assertEquals(parsePackageSpec("a".repeat(512)).name.length, 512);
});

Deno.test("specMatches() compares ecosystem, name and version", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["lodash", "npm:lodash@4.17.23", true],
    ["lodash", "npm:lodash.merge@4.6.2", false],
    ["lodash@^4", "npm:lodash@4.17.23", true],
    ["lodash@^4", "npm:lodash@3.10.1", false],
    ["lodash@4.17.23", "npm:lodash@4.17.23", true],
    ["lodash@4.17.23", "npm:lodash@4.17.24", false],
    ["a:<=0.7,>0.2", "npm:a@0.3.0", true],
    ["a:<=0.7,>0.2", "npm:a@0.2.0", false],
    ["@std/*", "jsr:@std/path@1.0.0", true],
    ["@std/*", "npm:@std/path@1.0.0", true],
    ["jsr:@std/*", "npm:@std/path@1.0.0", false],
    ["npm:@std/path", "jsr:@std/path@1.0.0", false],
    ["*", "https:deno.land/x/oak@v12.0.0", true],
    ["https:deno.land/x/oak@v12.0.0", "https:deno.land/x/oak@v12.0.0", true],
    ["https:deno.land/x/oak@12.0.0", "https:deno.land/x/oak@v12.0.0", true],
    ["https:deno.land/x/oak@v12", "https:deno.land/x/oak@v12.6.1", true],
    ["https:deno.land/x/oak@v12", "https:deno.land/x/oak@v12", true],
    ["https:deno.land/x/oak@v12", "https:deno.land/x/oak@v13.0.0", false],
    ["https:deno.land/x/oak@main", "https:deno.land/x/oak@main", true],
    ["https:deno.land/x/oak@main", "https:deno.land/x/oak@dev", false],
    ["link:x", "link:x", true],
    ["x@*", "link:x", true],
    ["x@^1", "link:x", false],
    ["Lodash", "npm:lodash@1.0.0", false],
  ];
  for (const [spec, node, expected] of table) {
    assertEquals(specMatches(parsePackageSpec(spec), subject(node)), expected, `${spec} ${node}`);
  }
});

Deno.test("specMatches() counts prereleases by precedence", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["a@<2.0.0", "1.5.0-beta.1", true],
    ["a@>=1.0.0", "1.5.0-beta.1", true],
    ["a@^1", "2.0.0-rc.1", false],
    ["a@>=2.0.0", "2.0.0-rc.1", false],
    ["a@*", "2.0.0-rc.1", true],
    ["a@2.0.0-rc.1", "2.0.0-rc.1", true],
  ];
  for (const [spec, version, expected] of table) {
    const matches = specMatches(parsePackageSpec(spec), subject(`npm:a@${version}`));
    assertEquals(matches, expected, `${spec} ${version}`);
  }
});

Deno.test("specMatches() finds the npm package that a CDN serves", () => {
  const node = subject("https:esm.sh/lodash@4.17.20", ["lodash", "4.17.20"]);
  assert(specMatches(parsePackageSpec("npm:lodash@<4.17.21"), node));
  assert(specMatches(parsePackageSpec("lodash"), node));
  assert(specMatches(parsePackageSpec("https:esm.sh/lodash"), node));
  assertFalse(specMatches(parsePackageSpec("jsr:@x/lodash"), node));
  assertFalse(specMatches(parsePackageSpec("https:lodash"), node));
  assertFalse(specMatches(parsePackageSpec("npm:lodash@>4.17.20"), node));
});

Deno.test("specMatches() takes no pieces of a name twice", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["ab*ba", "aba", false],
    ["*a*b*", "ba", false],
    ["*a*b*", "xaxbx", true],
    ["@*/types", "@acme/types", true],
    ["**", "anything", true],
  ];
  for (const [pattern, name, expected] of table) {
    const spec = parsePackageSpec(`npm:${pattern}`);
    assertEquals(specMatches(spec, { kind: "npm", name, version: "1.0.0" }), expected, pattern);
  }
});

Deno.test("specMatches() is quick for a pattern made of stars", () => {
  const pattern = "*a".repeat(250);
  const spec = parsePackageSpec(pattern);
  const name = "a".repeat(249) + "b".repeat(100_000);
  const start = performance.now();
  assertFalse(specMatches(spec, { kind: "npm", name, version: "1.0.0" }));
  // A backtracking matcher would not end; the bound only has to tell the two apart.
  assertLess(performance.now() - start, 2000);
});

const word = fc.stringMatching(/^[a-z][a-z0-9._-]{0,12}$/);
const name = fc.oneof(word, fc.tuple(word, word).map(([scope, name]) => `@${scope}/${name}`));
const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join("."));
const range = fc.tuple(fc.constantFrom("", "^", "~", ">=", "<", "="), version).map((p) =>
  p.join("")
);

Deno.test("parsePackageSpec() gives back the parts that a spec was built from", () => {
  fc.assert(
    fc.property(
      fc.option(fc.constantFrom("npm", "link"), { nil: undefined }),
      name,
      fc.option(range, { nil: undefined }),
      (ecosystem, name, range) => {
        const text = (ecosystem ? `${ecosystem}:` : "") + name + (range ? `@${range}` : "");
        const spec = parsePackageSpec(text);
        assertEquals([spec.ecosystem, spec.name, spec.range], [ecosystem, name, range]);
        assertEquals(parsePackageSpec(spec.text), spec);
      },
    ),
    { seed: 11 },
  );
});

Deno.test("specMatches() matches the package that a spec was written for", () => {
  fc.assert(
    fc.property(name, version, (name, version) => {
      const node: SpecSubject = { kind: "npm", name, version };
      assert(specMatches(parsePackageSpec(`npm:${name}@${version}`), node));
      assertFalse(specMatches(parsePackageSpec(`npm:${name}@<${version}`), node));
    }),
    { seed: 12 },
  );
});

Deno.test("parsePackageSpec() throws nothing but SecurityError", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.array(fc.constantFrom("@", "/", ":", "*", "npm", "jsr", "https", ".", "1", "^", "a", " "))
      .map(
        (parts) => parts.join(""),
      ),
  );
  fc.assert(
    fc.property(text, (text) => {
      try {
        const spec = parsePackageSpec(text);
        specMatches(spec, { kind: "npm", name: text, version: "1.0.0" });
        assertEquals(spec.text, text);
      } catch (error) {
        assert(error instanceof SecurityError, String(error));
      }
    }),
    { seed: 13, numRuns: 2000 },
  );
});

Deno.test("specMatches() reads versions as loosely as lockfiles may spell them", () => {
  for (const version of ["4.17.20", "=4.17.20", "v4.17.20", "= 4.17.20"]) {
    const node: SpecSubject = { kind: "npm", name: "lodash", version };
    assert(specMatches(parsePackageSpec("lodash@<5"), node), version);
    assert(specMatches(parsePackageSpec("lodash@4.17.20"), node), version);
    assertFalse(specMatches(parsePackageSpec("lodash@<4"), node), version);
  }
});

Deno.test("SpecIndex does not let a version pass a ban that cannot be compared", () => {
  const cdn: SpecSubject = {
    kind: "https",
    name: "cdn.jsdelivr.net/lodash",
    version: "4",
    npmName: "lodash",
  };
  const odd: SpecSubject = { kind: "npm", name: "lodash", version: "?" };
  const link: SpecSubject = { kind: "link", name: "lodash", version: "" };
  const table: readonly (readonly [string, SpecSubject, matches: boolean, may: boolean])[] = [
    ["lodash", cdn, true, true],
    ["npm:lodash", cdn, true, true],
    ["lod*", cdn, true, true],
    ["lodash@<5", cdn, false, true],
    ["npm:lodash@>9", cdn, false, true],
    ["https:cdn.jsdelivr.net/lodash@9", cdn, false, false],
    ["jsr:*", cdn, false, false],
    ["lodash@<5", odd, false, true],
    ["lodash@<5", link, false, false],
    ["react@<5", cdn, false, false],
  ];
  for (const [spec, node, matches, may] of table) {
    const index = new SpecIndex([{ spec: parsePackageSpec(spec) }]);
    const found = [{}, { unknownVersions: true }].map((it) => index.matching(node, it).length > 0);
    assertEquals(found, [matches, may], spec);
  }
});

Deno.test("SpecIndex finds what comparing every spec finds, in the same order", () => {
  const name = fc.constantFrom("a", "b", "@s/a", "a*", "*", "*b", "@s/*", "a*b*", "esm.sh/a");
  const range = fc.constantFrom("", "@1", "@<2", "@1.0.0");
  const text = fc.tuple(fc.constantFrom("", "npm:", "https:"), name, range)
    .map((parts) => parts.join("")).filter((text) => !/^(?:npm|https):.*\/.*\*?$/.test(text));
  const node: fc.Arbitrary<SpecSubject> = fc.record({
    kind: fc.constantFrom("npm", "https", "link"),
    name: fc.constantFrom("a", "b", "ab", "@s/a", "esm.sh/a", "__proto__"),
    version: fc.constantFrom("", "1.0.0", "2.0.0", "=1.0.0"),
    npmName: fc.constantFrom("a", "@s/b"),
  });
  fc.assert(
    fc.property(fc.array(text), fc.array(node), (texts, nodes) => {
      const entries = texts.map((text) => ({ spec: parsePackageSpec(text) }));
      const index = new SpecIndex(entries);
      for (const node of nodes) {
        assertEquals(index.matching(node), entries.filter(({ spec }) => specMatches(spec, node)));
      }
    }),
    { seed: 8, numRuns: 500 },
  );
});
