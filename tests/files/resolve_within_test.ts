import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { resolveWithin, SecurityError } from "@bartizan/security";
import { nativePlatform, relativeWithin } from "../../src/files/resolve_within.ts";

type Platform = "posix" | "windows";

/** What a path resolves to, or the code and the reason of the refusal. */
function outcome(root: string, input: string, platform: Platform): string {
  try {
    return resolveWithin(root, input, { platform });
  } catch (error) {
    assertInstanceOf(error, SecurityError, String(error));
    const { reason } = error.details;
    return reason === undefined ? error.code : `${error.code}: ${reason}`;
  }
}

type Row = readonly [root: string, input: string, outcome: string];

const POSIX: readonly Row[] = [
  // Written canonically.
  ["/srv/data", "a", "/srv/data/a"],
  ["/srv/data", "a/b.txt", "/srv/data/a/b.txt"],
  ["/srv/data", "/srv/data/a", "/srv/data/a"],
  ["/srv/data", "/srv/data", "/srv/data"],
  // Another spelling.
  ["/srv/data", ".", "/srv/data"],
  ["/srv/data", "./a//b/.", "/srv/data/a/b"],
  ["/srv/data", "a/../t", "/srv/data/t"],
  ["/srv/data", "a/..", "/srv/data"],
  ["/srv/data", "a/", "/srv/data/a"],
  ["/srv/data", "//srv///data/./a", "/srv/data/a"],
  ["/srv/data", "/srv/x/../data/a", "/srv/data/a"],
  ["/srv/data", "/srv/data/../data/a", "/srv/data/a"],
  ["/srv/data", "/../srv/data/a", "/srv/data/a"],
  // Names that are nothing but names.
  ["/srv/data", "...", "/srv/data/..."],
  ["/srv/data", "..a/b..", "/srv/data/..a/b.."],
  ["/srv/data", ".a", "/srv/data/.a"],
  ["/srv/data", "..\\..\\etc", "/srv/data/..\\..\\etc"],
  ["/srv/data", "C:\\x", "/srv/data/C:\\x"],
  ["/srv/data", "%2e%2e/etc", "/srv/data/%2e%2e/etc"],
  ["/srv/data", "~/x", "/srv/data/~/x"],
  ["/srv/data", "\n\x7f\u200b\ufeff", "/srv/data/\n\x7f\u200b\ufeff"],
  ["/srv/data", " a ", "/srv/data/ a "],
  ["/srv/data", "e\u0301\u{1f600}", "/srv/data/e\u0301\u{1f600}"],
  ["/srv/data", "nul", "/srv/data/nul"],
  // Out of the root.
  ["/srv/data", "..", "path-outside-root"],
  ["/srv/data", "../data/a", "path-outside-root"],
  ["/srv/data", "a/../../data/a", "path-outside-root"],
  ["/srv/data", "a/../..", "path-outside-root"],
  ["/srv/data", "/", "path-outside-root"],
  ["/srv/data", "/srv", "path-outside-root"],
  ["/srv/data", "/srv/data/..", "path-outside-root"],
  ["/srv/data", "/srv/data2", "path-outside-root"],
  ["/srv/data", "/srv/data/../data2/a", "path-outside-root"],
  ["/srv/data", "/SRV/data/a", "path-outside-root"],
  // Not valid.
  ["/srv/data", "", "path-invalid: empty"],
  ["/srv/data", "\0", "path-invalid: nul"],
  ["/srv/data", "/srv/data/a\0.png", "path-invalid: nul"],
  ["/srv/data", "\ud800", "path-invalid: ill-formed"],
  ["/srv/data", "a/\udc00\ud800", "path-invalid: ill-formed"],
  // Roots are cleaned once.
  ["/", "a", "/a"],
  ["/", "/", "/"],
  ["/", "/a/..", "/"],
  ["/", "..", "path-outside-root"],
  ["//srv/./data/", "a", "/srv/data/a"],
  ["/home/user/project/../safe", "/home/user/safe/file", "/home/user/safe/file"],
  ["/../srv/\u{1f600}", "/srv/\u{1f600}/a", "/srv/\u{1f600}/a"],
];

const WINDOWS: readonly Row[] = [
  // Written canonically.
  ["C:\\data", "a", "C:\\data\\a"],
  ["C:\\data", "a\\b.txt", "C:\\data\\a\\b.txt"],
  ["C:\\data", "C:\\data\\a", "C:\\data\\a"],
  ["C:\\data", "C:\\data", "C:\\data"],
  ["C:\\", "a", "C:\\a"],
  ["C:\\", "c:\\", "C:\\"],
  ["\\\\server\\share", "a", "\\\\server\\share\\a"],
  ["\\\\server\\share", "\\\\server\\share\\a", "\\\\server\\share\\a"],
  ["\\\\server\\share", "\\\\server\\share", "\\\\server\\share"],
  // Another spelling.
  ["C:\\data", "a/b//c/./d/..", "C:\\data\\a\\b\\c"],
  ["C:\\data", "c:/DATA/A", "C:\\data\\A"],
  ["C:\\data", "C:\\x\\..\\data\\a\\", "C:\\data\\a"],
  ["C:\\\u00c4", "c:\\\u00e4\\a", "C:\\\u00c4\\a"],
  ["\\\\server\\share\\d", "//SERVER/share//D/a", "\\\\server\\share\\d\\a"],
  ["C:/data/", "a", "C:\\data\\a"],
  ["\\\\?\\C:\\data", "C:\\data\\a", "C:\\data\\a"],
  ["\\\\?\\UNC\\server\\share", "a", "\\\\server\\share\\a"],
  ["C:\\Users\\RUNNER~1\\T", "C:\\Users\\RUNNER~1\\T\\a", "C:\\Users\\RUNNER~1\\T\\a"],
  ["C:\\Users\\RUNNER~1\\T", "c:/users/runner~1/t/a", "C:\\Users\\RUNNER~1\\T\\a"],
  // Names that only look special.
  ["C:\\data", "console.log", "C:\\data\\console.log"],
  ["C:\\data", "com10", "C:\\data\\com10"],
  ["C:\\data", "com00.txt", "C:\\data\\com00.txt"],
  ["C:\\data", "lpt", "C:\\data\\lpt"],
  ["C:\\data", "a.con", "C:\\data\\a.con"],
  ["C:\\data", "..a", "C:\\data\\..a"],
  ["C:\\data", " a", "C:\\data\\ a"],
  ["C:\\data", "~a~", "C:\\data\\~a~"],
  ["C:\\data", "a-long-name~1", "C:\\data\\a-long-name~1"],
  ["C:\\data", "\u0441on", "C:\\data\\\u0441on"],
  ["C:\\data", "\u{1f600}", "C:\\data\\\u{1f600}"],
  // Out of the root.
  ["C:\\data", "..", "path-outside-root"],
  ["C:\\data", "a/..\\..", "path-outside-root"],
  ["C:\\data", "../data/a", "path-outside-root"],
  ["C:\\data", "C:\\", "path-outside-root"],
  ["C:\\data", "C:\\data2", "path-outside-root"],
  ["C:\\data", "D:\\data\\a", "path-outside-root"],
  ["C:\\data", "\\data\\a", "path-outside-root"],
  ["C:\\data", "/", "path-outside-root"],
  ["C:\\data", "C:a", "path-outside-root: drive-relative"],
  ["C:\\data", "C:", "path-outside-root: drive-relative"],
  ["C:\\data", "\\\\server\\share\\data", "path-outside-root"],
  ["C:\\data", "\\\\\\C:\\data", "path-outside-root"],
  ["\\\\server\\share", "\\\\server\\other\\a", "path-outside-root"],
  ["\\\\server\\share", "\\\\server", "path-outside-root"],
  // Folded in one direction alone these would be the root: other names on the disk.
  ["C:\\book", "C:\\boo\u212a\\a", "path-outside-root"],
  ["C:\\s", "C:\\\u017f\\a", "path-outside-root"],
  // Folding that changes the length must not move where the rest begins.
  ["C:\\i\u0307", "C:\\\u0130\\xcon", "path-outside-root"],
  // Namespaces and devices.
  ["C:\\data", "\\\\?\\C:\\data\\a", "path-invalid: namespace"],
  ["C:\\data", "//?/C:/data/a", "path-invalid: namespace"],
  ["C:\\data", "\\\\.\\C:\\data\\a", "path-invalid: namespace"],
  ["C:\\data", "\\??\\C:\\data\\a", "path-invalid: namespace"],
  ["C:\\data", "\\\\?", "path-invalid: namespace"],
  ["C:\\data", "nul", "path-invalid: device-name"],
  ["C:\\data", "a\\CoN.tar.gz", "path-invalid: device-name"],
  ["C:\\data", "AUX ", "path-invalid: device-name"],
  ["C:\\data", "PRN  .txt", "path-invalid: device-name"],
  ["C:\\data", "conin$", "path-invalid: device-name"],
  ["C:\\data", "CONOUT$", "path-invalid: device-name"],
  ["C:\\data", "com\u00b2", "path-invalid: device-name"],
  ["C:\\data", "lpt9:x", "path-invalid: device-name"],
  ["C:\\data", "com\u00b9.log", "path-invalid: device-name"],
  ["C:\\data", "LPT\u00b3", "path-invalid: device-name"],
  ["C:\\data", "com0", "path-invalid: device-name"],
  ["C:\\data", "a\\COM0.txt", "path-invalid: device-name"],
  ["C:\\data", "Lpt0", "path-invalid: device-name"],
  ["C:\\data", "LPT0 .tar.gz", "path-invalid: device-name"],
  ["C:\\data", "C:\\data\\lpt0:x", "path-invalid: device-name"],
  ["C:\\data", "nul\\..\\a", "path-invalid: device-name"],
  ["C:\\data", "C:\\data\\nul", "path-invalid: device-name"],
  // What Win32 would read as something else.
  ["C:\\data", "a.txt:hidden", "path-invalid: colon"],
  ["C:\\data", "C:\\x:y\\..\\data\\a", "path-invalid: colon"],
  ["C:\\data", "a.txt::$DATA", "path-invalid: colon"],
  ["C:\\data", "a.", "path-invalid: trailing-dot-space"],
  ["C:\\data", "a ", "path-invalid: trailing-dot-space"],
  ["C:\\data", "...", "path-invalid: trailing-dot-space"],
  ["C:\\data", ".. \\a", "path-invalid: trailing-dot-space"],
  ["C:\\data", "x\\.. \\..\\a", "path-invalid: trailing-dot-space"],
  ["C:\\data", "PROGRA~1", "path-invalid: short-name"],
  ["C:\\data", "a\\SECRE~10.TXT", "path-invalid: short-name"],
  ["C:\\RUNNER~1", "C:\\RUNNER~1\\RUNNER~1", "path-invalid: short-name"],
  ["C:\\data", "C:\\x\\..\\data\\ABCDEF~1", "path-invalid: short-name"],
  ["C:\\data", "", "path-invalid: empty"],
  ["C:\\data", "a\0b", "path-invalid: nul"],
  ["C:\\data", "a\ud800", "path-invalid: ill-formed"],
  ...Array.from(
    '\x01\x1f<>"|?*',
    (char): Row => ["C:\\data", `a${char}b`, "path-invalid: invalid-char"],
  ),
];

for (const [platform, rows] of [["posix", POSIX], ["windows", WINDOWS]] as const) {
  Deno.test(`resolveWithin() decides by the rules of ${platform}`, () => {
    for (const [root, input, expected] of rows) {
      assertEquals(outcome(root, input, platform), expected, JSON.stringify([root, input]));
    }
  });
}

Deno.test("resolveWithin() returns the input itself when it is absolute and canonical", () => {
  for (
    const [root, input, platform] of [
      ["/srv/data", "/srv/data/a/b", "posix"],
      ["C:\\data", "C:\\data\\a\\b", "windows"],
    ] as const
  ) {
    assertStrictEquals(resolveWithin(root, input, { platform }), input);
  }
});

Deno.test("resolveWithin() refuses paths that are too long, and takes those that are just not", () => {
  // Three bytes each: what counts are bytes, and the short way must not let more of them through.
  const wide = "\u20ac".repeat(1365);
  const far = (count: number) => "a/".repeat(count).slice(0, -1);
  const rows = [
    [far(2048), "posix", "/r/"],
    [`${far(2048)}b`, "posix", undefined],
    [wide, "posix", "/r/"],
    [`${wide}b`, "posix", undefined],
    [`./${wide}`, "posix", "/r/"],
    [`/r/${far(2048)}`, "posix", ""],
    [`/r/${far(2048)}b`, "posix", undefined],
    ["./".repeat(16_383) + "a", "posix", "cleaned"],
    ["./".repeat(16_384), "posix", undefined],
    [far(16_384), "windows", "cleaned"],
    [`${far(16_384)}b`, "windows", undefined],
  ] as const;
  for (const [input, platform, prefix] of rows) {
    const root = platform === "posix" ? "/r" : "C:\\r";
    const result = outcome(root, input, platform);
    const what = `${input.slice(0, 9)} (${input.length})`;
    if (prefix === undefined) assertEquals(result, "name-too-long", what);
    else if (prefix !== "cleaned") assertEquals(result, prefix + input.replace("./", ""), what);
    else assertEquals(result.startsWith(root), true, what);
  }
  const plain = "a\\".repeat(16_383) + "a";
  assertEquals(outcome("C:\\r", plain, "windows"), `C:\\r\\${plain}`);
  assertEquals(outcome("C:\\r", `${plain}a`, "windows"), "name-too-long");
});

Deno.test("resolveWithin() throws TypeError when the root is not one", () => {
  const roots: Readonly<Record<Platform, readonly string[]>> = {
    posix: ["", "a", "./a", "C:\\a", "/a\0", "/a\ud800"],
    windows: [
      ...["", "a", "\\a", "C:a", "C:", "/a", "\\\\server", "\\\\?\\Volume{1}\\a", "\\\\.\\pipe\\a"],
      ...["\\??\\C:\\a", "//?/C:/a", "C:\\a\0", "C:\\a\ud800", "C:\\a.", "C:\\a ", "C:\\a:b"],
      ...["C:\\nul\\a", "C:\\a?", "\\\\server\\..", "\\\\ser|ver\\share"],
    ],
  };
  for (const platform of ["posix", "windows"] as const) {
    for (const root of roots[platform]) {
      for (const input of ["a", "./a", root === "" ? "a" : root]) {
        assertThrows(
          () => resolveWithin(root, input, { platform }),
          TypeError,
          "root",
          `${platform} ${root}`,
        );
      }
    }
  }
});

Deno.test("resolveWithin() remembers a root for its platform alone", () => {
  assertEquals(outcome("/a", "b", "posix"), "/a/b");
  assertThrows(() => resolveWithin("/a", "b", { platform: "windows" }), TypeError);
  assertEquals(outcome("/a", "b", "posix"), "/a/b");
  assertEquals(outcome("/c/../d", "b", "posix"), "/d/b");
  assertEquals(outcome("/c/../d", "/a/b", "posix"), "path-outside-root");
});

Deno.test("resolveWithin() tells a client neither the root nor where the path leads", () => {
  for (const [platform, rows] of [["posix", POSIX], ["windows", WINDOWS]] as const) {
    for (const [root, input] of rows) {
      try {
        resolveWithin(root, input, { platform });
      } catch (error) {
        const { message, details } = error as SecurityError;
        const told = message + JSON.stringify(details);
        for (const secret of ["srv", "data", "server", "RUNNER"]) {
          assertEquals(told.includes(secret), false, told);
        }
      }
    }
  }
});

Deno.test("resolveWithin() follows the system's own rules when no platform is given", () => {
  const windows = Deno.build.os === "windows";
  assertEquals(nativePlatform(), windows ? "windows" : "posix");
  const root = windows ? "C:\\a" : "/a";
  assertEquals(resolveWithin(root, "b"), root + (windows ? "\\" : "/") + "b");
});

Deno.test("relativeWithin() tells the path from the root, with slashes", () => {
  for (
    const [root, input, platform, expected] of [
      ["/a", "b/c", "posix", "b/c"],
      ["/a", "./b//c", "posix", "b/c"],
      ["/a", "/a/b", "posix", "b"],
      ["/a", "/a", "posix", ""],
      ["/", "/", "posix", ""],
      ["/", "/b", "posix", "b"],
      ["C:\\a", "b\\c", "windows", "b/c"],
      ["C:\\a", "b/c", "windows", "b/c"],
      ["C:\\a", "c:\\A\\b", "windows", "b"],
      ["C:\\", "C:\\b", "windows", "b"],
      ["C:\\a", "C:/a", "windows", ""],
    ] as const
  ) {
    assertEquals(relativeWithin(root, input, platform), expected);
  }
  assertThrows(() => relativeWithin("/a", "/ab", "posix"), SecurityError);
  assertThrows(() => relativeWithin("C:\\a", "C:\\ab", "windows"), SecurityError);
});

Deno.test("resolveWithin() throws TypeError when the input is not a string", () => {
  let reads = 0;
  // A path at the first look, another at the second: the scan must not be asked about the first alone.
  const turncoat = { length: 1, toString: () => reads++ === 0 ? "a" : "../../etc/passwd" };
  for (const input of [turncoat, ["a"], 1, undefined, null]) {
    for (const root of ["/srv/data", "/srv/./data"]) {
      assertThrows(
        () => resolveWithin(root, input as unknown as string, { platform: "posix" }),
        TypeError,
        "input",
      );
    }
  }
});

Deno.test("resolveWithin() throws TypeError when the platform is neither", () => {
  for (const platform of ["win32", "linux", "POSIX", ""]) {
    const options = { platform } as unknown as { platform: Platform };
    // By the rules of POSIX this would be one name, and on Windows it climbs.
    assertThrows(() => resolveWithin("/srv", "..\\..\\a", options), TypeError, "platform");
  }
});
