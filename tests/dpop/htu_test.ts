import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExpectedUrl, normalizeHtu } from "../../src/dpop/_htu.ts";

const SAME: readonly (readonly [string, string])[] = [
  ["https://api.example.com/a", "https://api.example.com/a"],
  ["https://api.example.com/a?x=1", "https://api.example.com/a"],
  ["https://api.example.com/a", "https://api.example.com/a?x=1#y"],
  ["https://api.example.com/a#y?z", "https://api.example.com/a"],
  ["https://api.example.com", "https://api.example.com/"],
  ["https://api.example.com?x", "https://api.example.com/"],
  ["HTTPS://API.Example.COM/a", "https://api.example.com/a"],
  ["https://api.example.com:443/a", "https://api.example.com/a"],
  ["http://api.example.com:80/a", "http://api.example.com/a"],
  ["https://api.example.com:/a", "https://api.example.com/a"],
  ["https://api.example.com/%7euser/%41%2D", "https://api.example.com/~user/A-"],
  ["https://api.example.com/a%2fb", "https://api.example.com/a%2Fb"],
  ["https://api.example.com/./a/../b/./c", "https://api.example.com/b/c"],
  ["https://api.example.com/%2e/a/%2E%2e/b", "https://api.example.com/b"],
  ["https://api.example.com/../../b", "https://api.example.com/b"],
  ["https://api.example.com/a/b/..", "https://api.example.com/a/"],
  ["https://api.example.com/a/.", "https://api.example.com/a/"],
  ["https://api.example.com/a//../b", "https://api.example.com/a/b"],
  ["https://%61pi.example.com/", "https://api.example.com/"],
  ["https://%41pi.example.com/%2f", "https://api.example.com/%2F"],
  ["https://a%2fb.example.com/", "https://A%2Fb.example.com/"],
  ["https://[::1]:443/a", "https://[::1]/a"],
  ["https://[2001:DB8::A]:8443/a", "https://[2001:db8::a]:8443/a"],
  ["http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"],
  ["https://api.example.com/a|b", "https://api.example.com/a|b?q"],
];

const OTHER: readonly (readonly [string, string])[] = [
  ["http://api.example.com/a", "https://api.example.com/a"],
  ["https://api.example.com/A", "https://api.example.com/a"],
  ["https://api.example.com/a/", "https://api.example.com/a"],
  ["https://api.example.com//a", "https://api.example.com/a"],
  ["https://api.example.com/a%2Fb", "https://api.example.com/a/b"],
  ["https://api.example.com/a%3Fb", "https://api.example.com/a?b"],
  ["https://api.example.com/a+b", "https://api.example.com/a%20b"],
  ["https://api.example.com/%252e", "https://api.example.com/%2e"],
  ["https://api.example.com/a%2C", "https://api.example.com/a,"],
  ["https://api.example.com/%2e%2e%2fb", "https://api.example.com/b"],
  ["https://api.example.com:80/a", "https://api.example.com/a"],
  ["http://api.example.com:443/a", "http://api.example.com/a"],
  ["https://api.example.com:8443/a", "https://api.example.com/a"],
  ["https://api.example.com./a", "https://api.example.com/a"],
  ["https://api.example.com.evil.test/a", "https://api.example.com/a"],
  ["https://evil.test/https://api.example.com/a", "https://api.example.com/a"],
];

/** What WHATWG URL repairs, or takes for the same place. */
const REPAIRED: readonly string[] = [
  "https:\\\\api.example.com\\a",
  "https://api.example.com\\a",
  "https:/api.example.com/a",
  "https:api.example.com/a",
  "https:///api.example.com/a",
  " https://api.example.com/a",
  "https://api.example.com/a ",
  "https://api.example.com/\ta",
  "https://api.exam\nple.com/a",
  "https://user@api.example.com/a",
  "https://user:secret@api.example.com/a",
  "https://@api.example.com/a",
  "https://api.example.com:0443/a",
  "https://ａpi.example.com/a",
];

Deno.test("ExpectedUrl.equals() knows the spellings of one place, whichever side has which", () => {
  for (const [a, b] of SAME) {
    assertEquals([new ExpectedUrl(b).equals(a), a], [true, a]);
    assertEquals([new ExpectedUrl(a).equals(b.split("?")[0] ?? ""), b], [true, b]);
  }
});

Deno.test("ExpectedUrl.equals() keeps apart what are two places, whichever side has which", () => {
  for (const [a, b] of OTHER) {
    assertEquals([new ExpectedUrl(b).equals(a), a], [false, a]);
    assertEquals([new ExpectedUrl(a).equals(b), b], [false, b]);
  }
});

Deno.test("ExpectedUrl.equals() refuses what URL repairs", () => {
  const expected = new ExpectedUrl("https://api.example.com/a");
  for (const htu of REPAIRED) {
    // The control: whoever compares by URL takes it for the place, or for one that differs in the user.
    assertEquals([new URL(htu).host, new URL(htu).pathname], ["api.example.com", "/a"], htu);
    assertFalse(expected.equals(htu), htu);
  }
});

Deno.test("ExpectedUrl.equals() refuses what is no http or https URL", () => {
  const expected = new ExpectedUrl("https://api.example.com/");
  const others = [
    ...["", "/", "//api.example.com/", "api.example.com", "https://", "https:///"],
    ...["ws://api.example.com/", "https://api.example.com:65536/", "https://api.example.com:x/"],
    ...["https://api.example.com/%", "https://api.example.com/%zz", "https://api.example.com/é"],
    ...["https://[::1/", "https://a b/", "https://%/", "httpſ://api.example.com/"],
  ];
  for (const htu of others) assertFalse(expected.equals(htu), htu);
});

Deno.test("ExpectedUrl.equals() knows what clients make of a URL that is not ASCII", () => {
  const expected = new ExpectedUrl("https://münchen.example/café?q=é#é");
  assert(expected.equals("https://xn--mnchen-3ya.example/caf%C3%A9"));
  assert(expected.equals("https://münchen.example/café"));
  assertFalse(expected.equals("https://münchen.example/cafe"));
});

Deno.test("ExpectedUrl.equals() takes nothing for what URL() would make of it by repairing it", () => {
  const signed = "https://api.example.com/caf%C3%A9";
  for (
    const path of ["/café\x01", "/café\x1f", "/ca\x7f\tfé", "/x\\..\\café", "/caf\né", "/ca fé"]
  ) {
    const url = `https://api.example.com${path}`;
    let isEqual = false;
    try {
      isEqual = new ExpectedUrl(url).equals(signed);
    } catch (error) {
      assert(error instanceof TypeError);
    }
    assertFalse(isEqual, JSON.stringify(path));
  }
  // Two of them are the same to URL(), which drops and turns what it does not like.
  assertEquals(new URL("https://api.example.com/café\x01").href, signed);
  assertEquals(new URL("https://api.example.com/x\\..\\café").href, signed);
});

Deno.test("ExpectedUrl refuses a URL that nothing could be compared with", () => {
  for (
    const url of [
      "",
      "/notes",
      "api.example.com",
      "ftp://a/",
      "https://",
      "https://u@a/",
      "https://a\\\\b",
      "https://a b/",
    ]
  ) {
    assertThrows(() => new ExpectedUrl(url), TypeError, "'url' must be absolute");
  }
});

Deno.test("normalizeHtu() leaves its own result alone, and means what URL means", () => {
  const piece = fc.constantFrom(
    ...[
      "/",
      ".",
      "..",
      "/./",
      "/../",
      "aa",
      "B",
      "%2e",
      "%2E",
      "%2f",
      "%7e",
      "%C3%A9",
      "bc:d",
      "@",
      "//",
    ],
  );
  const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join("")}`);
  const host = fc.constantFrom("api.example.com", "API.example.com:443", "[::1]:8443", "a:80");
  fc.assert(
    fc.property(host, path, (authority, rest) => {
      const url = `https://${authority}${rest}`;
      const normalized = normalizeHtu(url);
      assertFalse(normalized === undefined, url);
      assertStrictEquals(normalizeHtu(normalized ?? ""), normalized);
      // URL removes dot segments as well: what it makes of a request's URL is the same place.
      assertStrictEquals(normalizeHtu(new URL(url).href), normalized);
    }),
    { seed: 9449, numRuns: 3000 },
  );
});

Deno.test("normalizeHtu() answers to anything, in linear time", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      normalizeHtu(text);
      normalizeHtu(`https://${text}`);
      normalizeHtu(`https://a/${text}`);
    }),
    { seed: 9449, numRuns: 2000 },
  );
  for (const unit of ["/..", "%2e", "/%2e%2e", ":1", "a:", "/", "%", "["]) {
    const start = performance.now();
    normalizeHtu(`https://a${unit.repeat(100_000)}`);
    normalizeHtu(`https://${unit.repeat(100_000)}/`);
    assertFalse(performance.now() - start > 2000, unit);
  }
});
