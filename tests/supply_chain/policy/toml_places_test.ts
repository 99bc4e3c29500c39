import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { type Place, tomlPlaces } from "../../../src/supply_chain/policy/_toml_places.ts";

/** The text from the place of a path on, or from its value with `ofValue`. */
function textAt(text: string, path: readonly (string | number)[], ofValue = false): string {
  parse(text);
  let place: Place = tomlPlaces(text);
  for (const step of path) {
    const next = typeof step === "number" ? place.items[step] : place.keys.get(step);
    assert(next !== undefined, `no place for ${step} of ${path.join(".")}`);
    place = next;
  }
  return text.slice(ofValue ? place.value : place.offset).split("\n")[0]!;
}

const DOCUMENT = `# [not.a.table]
title = "a # b = [c]" # x = 1
[one] # [two]
a.b.c = 1
"quoted key" = '''
[two]
x = 1'''
"esc\\u0061ped" = """say ""\\"[three]\\\\"""""
list = [ # first
  "x", # "y",
  { k = "v", n.m = [1, [2, 3]] },
  [ ], {},
]
  [one.inner]
  date = 2027-01-31T10:00:00Z
[[two]]
n = 1
[[two]]
n = 2
[[two.three]]
n = 3
[two.four]
n = 4
`;

Deno.test("tomlPlaces() finds keys, elements and tables", () => {
  const table: readonly (readonly [readonly (string | number)[], string])[] = [
    [["title"], 'title = "a # b = [c]" # x = 1'],
    [["one"], "[one] # [two]"],
    [["one", "a", "b", "c"], "a.b.c = 1"],
    [["one", "quoted key"], "\"quoted key\" = '''"],
    [["one", "escaped"], '"esc\\u0061ped" = """say ""\\"[three]\\\\"""""'],
    [["one", "list", 0], '"x", # "y",'],
    [["one", "list", 1], '{ k = "v", n.m = [1, [2, 3]] },'],
    [["one", "list", 1, "k"], 'k = "v", n.m = [1, [2, 3]] },'],
    [["one", "list", 1, "n", "m", 1, 1], "3]] },"],
    [["one", "list", 3], "{},"],
    [["one", "inner"], "[one.inner]"],
    [["one", "inner", "date"], "date = 2027-01-31T10:00:00Z"],
    [["two", 0, "n"], "n = 1"],
    [["two", 1], "[[two]]"],
    [["two", 1, "n"], "n = 2"],
    [["two", 1, "three", 0, "n"], "n = 3"],
    [["two", 1, "four", "n"], "n = 4"],
  ];
  for (const [path, expected] of table) assertEquals(textAt(DOCUMENT, path), expected);
  const crlf = DOCUMENT.replaceAll("\n", "\r\n");
  for (const [path, expected] of table) assertEquals(textAt(crlf, path), expected + "\r");
  assertEquals(textAt(DOCUMENT, ["one", "inner", "date"], true), "2027-01-31T10:00:00Z");
});

Deno.test("tomlPlaces() is not misled by strings and comments", () => {
  const cases = [
    `a = "\\\\" # "\nb = 1`,
    `a = '\\' # '\nb = 1`,
    `a = """\\""""\nb = 1`,
    `a = """\n"""\nb = 1`,
    `a = ""\nb = 1`,
    `a = ''''x'''''\nb = 1`,
    `\ufeffa = [1, # ]\n 2]\nb = 1`,
    `a = { x = "}", y = '}' }\nb = 1`,
    `a = { x = 1, # }\n y = 2, }\nb = 1`,
  ];
  for (const text of cases) assertEquals(textAt(text, ["b"]), "b = 1", text);
});

/** Every key and element of the value has a place, and the text there begins with the key. */
function assertPlaced(value: unknown, place: Place, text: string): void {
  if (Array.isArray(value)) {
    assertStrictEquals(place.items.length, value.length);
    value.forEach((item, index) => assertPlaced(item, place.items[index]!, text));
  } else if (typeof value === "object" && value !== null && !(value instanceof Date)) {
    assertEquals([...place.keys.keys()].sort(), Object.keys(value).sort());
    for (const [key, inner] of Object.entries(value)) {
      const at = place.keys.get(key)!;
      assert(at.offset >= 0 && at.offset < text.length);
      assertPlaced(inner, at, text);
    }
  }
}

Deno.test("tomlPlaces() agrees with smol-toml on the shape of any document", () => {
  const key = fc.oneof(fc.stringMatching(/^[a-z-]{1,6}$/), fc.string({ maxLength: 6 }));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    value: fc.oneof(
      { depthSize: "small" },
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom('"""', "'''", "# [x]", "a\nb", "\\"),
      fc.array(tie("value"), { maxLength: 3 }),
      tie("tree"),
    ),
  }));
  fc.assert(
    fc.property(tree, (tree) => {
      const text = stringify(tree as Record<string, unknown>);
      assertPlaced(parse(text), tomlPlaces(text), text);
    }),
    { seed: 14, numRuns: 500 },
  );
});
