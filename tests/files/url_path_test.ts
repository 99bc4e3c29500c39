import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  pathFromFileUrl,
  pathFromUrlPathname,
  resolveWithin,
  SecurityError,
} from "@bartizan/security";

/** What a function returns, or the reason of its refusal. */
function outcome(act: () => string): string {
  try {
    return act();
  } catch (error) {
    assertInstanceOf(error, SecurityError, String(error));
    assertEquals(error.code, "path-invalid");
    return `refused: ${error.details.reason}`;
  }
}

Deno.test("pathFromUrlPathname() decodes exactly once, and nothing that hides a separator", () => {
  const rows = [
    ["/", "."],
    ["/a", "a"],
    ["/a/b/", "a/b/"],
    ["/a%20b", "a b"],
    ["/a+b", "a+b"],
    ["/%e4%b8%96", "\u4e16"],
    ["/%F0%9F%98%80", "\u{1f600}"],
    ["/\u4e16", "\u4e16"],
    ["/%252e%252e", "%2e%2e"],
    ["/%252f", "%2f"],
    ["/%2500", "%00"],
    ["/..;/a", "..;/a"],
    ["/%2e%2e/a", "../a"],
    ["/a//b", "a//b"],
    ["/a\\b", "a\\b"],
    ["/C:/Windows", "./C:/Windows"],
    ["/c%3Aa", "./c:a"],
    ["/ab:c", "ab:c"],
    ["", "refused: not-absolute"],
    ["a", "refused: not-absolute"],
    ["%2fa", "refused: not-absolute"],
    ["https://example.com/a", "refused: not-absolute"],
    ["//etc/passwd", "refused: empty-segment"],
    ["/\\etc/passwd", "refused: empty-segment"],
    ["/..%2fa", "refused: encoded-separator"],
    ["/..%2Fa", "refused: encoded-separator"],
    ["/%5Ca", "refused: encoded-separator"],
    ["/..%5ca", "refused: encoded-separator"],
    ["/a%00.png", "refused: nul"],
    ["/a\0", "refused: nul"],
    ["/%", "refused: malformed-percent"],
    ["/%4", "refused: malformed-percent"],
    ["/%zz", "refused: malformed-percent"],
    ["/%u002e", "refused: malformed-percent"],
    ["/..%c0%af", "refused: malformed-percent"],
    ["/%ff", "refused: malformed-percent"],
    ["/%ed%a0%80", "refused: malformed-percent"],
  ] as const;
  for (const [pathname, expected] of rows) {
    assertEquals(outcome(() => pathFromUrlPathname(pathname)), expected, pathname);
  }
});

Deno.test("pathFromUrlPathname() gives what was encoded, for every path of names", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 })
    .filter((name) => !/[/\\\0]/.test(name) && name.isWellFormed());
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), (names) => {
      const pathname = `/${names.map(encodeURIComponent).join("/")}`;
      const drive = /^[A-Za-z]:/.test(names.join("/")) ? "./" : "";
      assertEquals(pathFromUrlPathname(pathname), drive + names.join("/"));
    }),
    { seed: 4, numRuns: 2000 },
  );
});

Deno.test("pathFromUrlPathname() never gives a path from the top, whatever is asked for", () => {
  const piece = fc.constantFrom(
    ...[
      "/",
      "//",
      "%2f",
      "%5C",
      "\\",
      "..",
      "%2e",
      ".",
      "a",
      "%",
      "%25",
      "2f",
      "%00",
      "\0",
      "\ud83d",
    ],
  );
  let count = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = `/${pieces.join("")}`;
      let path: string;
      try {
        path = pathFromUrlPathname(text);
      } catch (error) {
        return assertInstanceOf(error, SecurityError, String(error));
      }
      count++;
      assertEquals(/^$|^[/\\]|\0/.test(path), false, path);
      // No separator comes out that did not go in.
      assertEquals(path.split(/[/\\]/).length, text.slice(1).split(/[/\\]/).length);
    }),
    { seed: 4, numRuns: 5000 },
  );
  assertEquals(count > 500, true, `only ${count} were accepted`);
});

Deno.test("pathFromFileUrl() takes file URLs with the rules of the platform", () => {
  const rows = [
    ["posix", "file:///srv/a", "/srv/a"],
    ["posix", "file:/srv/a", "/srv/a"],
    ["posix", "file://localhost/srv/a", "/srv/a"],
    ["posix", "file:///srv/a%20b%25", "/srv/a b%"],
    ["posix", "file:///srv/%252e", "/srv/%2e"],
    ["posix", "file:///srv/x/%2E%2e/a", "/srv/a"],
    ["posix", "file:///C:/a", "/C:/a"],
    ["posix", "file://server/a", "refused: host"],
    ["windows", "file:///C:/a/b", "C:\\a\\b"],
    ["windows", "file://server/share/a", "\\\\server\\share\\a"],
    ["windows", "file:///srv/a", "refused: not-absolute"],
    ["windows", "file:////server/share", "refused: not-absolute"],
    ["windows", "file:///C:a", "refused: not-absolute"],
    ["windows", "file://./pipe/a", "refused: host"],
    ["windows", "FILE:/C:/a", "C:\\a"],
    ["posix", "FILE:/srv/a", "/srv/a"],
    ["posix", "file:///srv/a%3F%23", "/srv/a?#"],
  ] as const;
  for (const [platform, url, expected] of rows) {
    assertEquals(outcome(() => pathFromFileUrl(url, { platform })), expected, url);
  }
  for (const platform of ["posix", "windows"] as const) {
    for (
      const [url, reason] of [
        ["http://srv/a", "scheme"],
        ["/srv/a", "scheme"],
        ["", "scheme"],
        ["file:///C:/a?b", "query"],
        ["file:///C:/a#b", "query"],
        ["file:///C:/a?", "query"],
        ["file:///C:/a#", "query"],
        ["file:///C:/a%2f..%2fb", "encoded-separator"],
        ["file:///C:/a%5C..%5Cb", "encoded-separator"],
        ["file:///C:/a%00", "nul"],
        ["file:///C:/a%", "malformed-percent"],
        ["file:///C:/%c0%ae", "malformed-percent"],
        ["file:///C:/\ud800", "ill-formed"],
      ] as const
    ) {
      assertEquals(outcome(() => pathFromFileUrl(url, { platform })), `refused: ${reason}`, url);
    }
  }
});

Deno.test("pathFromFileUrl() takes a URL, and the system's own rules when no platform is given", () => {
  const windows = Deno.build.os === "windows";
  const url = new URL("file:///C:/a%20b");
  assertEquals(pathFromFileUrl(url), windows ? "C:\\a b" : "/C:/a b");
});

Deno.test("a path from a URL is refused by resolveWithin() when it leads outside", () => {
  const posix = { platform: "posix" } as const;
  const { pathname } = new URL("https://example.com/a/%2e%2e/%2e%2e/etc/passwd");
  // The URL standard has clamped it; a raw request target was not.
  assertEquals(resolveWithin("/srv", pathFromUrlPathname(pathname), posix), "/srv/etc/passwd");
  for (const target of ["/a/%2e%2e/%2e%2e/etc/passwd", "/..", "/%2e./x"]) {
    const path = pathFromUrlPathname(target);
    let code = "done";
    try {
      resolveWithin("/srv", path, posix);
    } catch (error) {
      assertInstanceOf(error, SecurityError);
      code = error.code;
    }
    assertEquals(code, "path-outside-root", target);
  }
});

Deno.test("pathFromUrlPathname() gives nothing that Windows takes for a path on a drive", () => {
  const windows = { platform: "windows" } as const;
  for (const target of ["/C:/data/a", "/C%3A/data/a", "/c:a", "/D:"]) {
    const path = pathFromUrlPathname(target);
    assertThrows(() => resolveWithin("C:\\data", path, windows), SecurityError, undefined, target);
    assertEquals(
      resolveWithin("/srv", path, { platform: "posix" }),
      `/srv${decodeURIComponent(target)}`,
    );
  }
});

Deno.test("pathFromFileUrl() throws TypeError when the platform is neither", () => {
  const options = { platform: "win32" } as unknown as { platform: "windows" };
  assertThrows(() => pathFromFileUrl("file:///C:/a", options), TypeError, "platform");
});
