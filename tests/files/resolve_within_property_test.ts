import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { posix as nodePosix, win32 as nodeWindows } from "node:path";
import { resolveWithin, SecurityError } from "@bartizan/security";
import { isCleanPosix, relativePosix } from "../../src/files/_posix_path.ts";
import {
  cleanWindowsRoot,
  isCleanWindows,
  relativeWindows,
} from "../../src/files/_windows_path.ts";
import { relativeWithin } from "../../src/files/resolve_within.ts";

type Platform = "posix" | "windows";

/** Pieces of which hostile paths are made; joined, they meet every rule. */
const PIECES: Readonly<Record<Platform, readonly string[]>> = {
  posix: [
    ...[
      "/",
      "/",
      "/",
      "//",
      ".",
      "..",
      "../",
      "./",
      "a",
      "b",
      "ab",
      " ",
      "\\",
      "\0",
      "\n",
      "~",
      "%2e",
    ],
    ...["/r/oot", "/r", "r", "oot", "\ud83d\ude00", "\ud83d", "\u20ac", "...", "/./", "/../"],
  ],
  windows: [
    ...[
      "\\",
      "\\",
      "\\",
      "/",
      "/",
      "\\\\",
      ".",
      "..",
      "..\\",
      "../",
      "a",
      "b",
      "ab",
      " ",
      ":",
      "\0",
    ],
    ...[
      "C:",
      "c:\\",
      "C:\\R",
      "c:/r/oot",
      "\\oot",
      "oot",
      "\\\\?\\",
      "//./",
      "\\??\\",
      "~1",
      "\u212a",
    ],
    ...["con", "Com1", "lpt\u00b3", "nul.", "console", "\x01", "<", "?", "$DATA", "\ud83d\ude00"],
    ...["\ud83d", "\\\\srv\\share", "//SRV/share/", "\u0130", "i\u0307", "..."],
  ],
};

const ROOTS: Readonly<Record<Platform, readonly string[]>> = {
  posix: ["/", "/r", "/r/oot", "/a/b", "/\u20ac"],
  windows: ["C:\\", "C:\\R", "C:\\r\\oot", "\\\\srv\\share", "\\\\srv\\share\\a", "C:\\i\u0307"],
};

function paths(platform: Platform): fc.Arbitrary<readonly [root: string, input: string]> {
  const root = fc.constantFrom(...ROOTS[platform]);
  const hostile = fc.array(fc.constantFrom(...PIECES[platform]), { maxLength: 9 })
    .map((pieces) => pieces.join(""));
  const any = fc.string({ unit: "binary", maxLength: 12 });
  const separator = platform === "posix" ? "/" : "\\";
  return fc.tuple(root, fc.oneof({ weight: 8, arbitrary: hostile }, any), fc.boolean())
    .map(([root, input, below]) => [root, below ? root + separator + input : input]);
}

function accepted(root: string, input: string, platform: Platform): string | undefined {
  try {
    return resolveWithin(root, input, { platform });
  } catch (error) {
    assertInstanceOf(error, SecurityError, String(error));
    return undefined;
  }
}

/** Without the separator that node:path leaves after a share. */
function withoutLast(path: string): string {
  return path.replace(/^(\\\\[^\\]+\\[^\\]+)\\$/, "$1").toLowerCase();
}

for (const platform of ["posix", "windows"] as const) {
  const peer = platform === "posix" ? nodePosix : nodeWindows;

  Deno.test(`resolveWithin() stays inside, is stable and agrees with node:path on ${platform}`, () => {
    let count = 0;
    fc.assert(
      fc.property(paths(platform), ([root, input]) => {
        const path = accepted(root, input, platform);
        if (path === undefined) {
          assertThrows(() => relativeWithin(root, input, platform), SecurityError);
          return;
        }
        count++;
        const prefix = root.endsWith(peer.sep) ? root : root + peer.sep;
        assertEquals(path === root || path.startsWith(prefix), true, path);
        const names = path.slice(prefix.length).split(peer.sep);
        assertEquals(names.includes("..") || names.includes("."), false, path);
        assertEquals(names.includes("") && path !== root, false, path);
        assertStrictEquals(resolveWithin(root, path, { platform }), path);
        const rest = relativeWithin(root, input, platform);
        assertEquals(rest, path.slice(prefix.length).replaceAll(peer.sep, "/"));
        if (rest !== "") assertEquals(accepted(root, rest, platform), path);
        const theirs = peer.resolve(root, input);
        if (platform === "posix") assertEquals(path, theirs);
        // Their answer keeps the client's spelling of the root; ours is the operator's.
        else assertEquals(withoutLast(path), withoutLast(theirs));
      }),
      { seed: 4, numRuns: 20_000 },
    );
    // A property about accepted paths says nothing where none is accepted.
    assertEquals(count > 2000, true, `only ${count} were accepted`);
  });

  Deno.test(`resolveWithin() refuses on ${platform} what node:path resolves outside`, () => {
    let count = 0;
    fc.assert(
      fc.property(paths(platform), ([root, input]) => {
        const theirs = peer.relative(root, peer.resolve(root, input));
        const outside = theirs === ".." || theirs.startsWith(`..${peer.sep}`) ||
          peer.isAbsolute(theirs);
        if (!outside) return;
        count++;
        assertEquals(accepted(root, input, platform), undefined);
      }),
      { seed: 4, numRuns: 20_000 },
    );
    assertEquals(count > 1000, true, `only ${count} were outside`);
  });
}

/** Paths that are written canonically but for a piece here and there. */
function nearlyClean(platform: Platform): fc.Arbitrary<string> {
  const piece = fc.constantFrom(...PIECES[platform]);
  const name = fc.oneof({ weight: 4, arbitrary: fc.constantFrom("a", "b.c", "Co", "n~") }, piece);
  const names = fc.array(fc.array(name, { maxLength: 2 }), { minLength: 1, maxLength: 4 });
  return names.map((names) =>
    names.map((parts) => parts.join("")).join(platform === "posix" ? "/" : "\\")
  );
}

Deno.test("the short ways say yes only to what the careful ways leave as it is", () => {
  const root = cleanWindowsRoot("C:\\r");
  const ways = {
    posix: [isCleanPosix, (input: string) => relativePosix("/r", input)],
    windows: [
      isCleanWindows,
      (input: string) => relativeWindows(root, input).replaceAll("/", "\\"),
    ],
  } as const;
  for (const platform of ["posix", "windows"] as const) {
    const [isClean, resolve] = ways[platform];
    const prefix = platform === "posix" ? "/r/" : "C:\\r\\";
    let count = 0;
    fc.assert(
      fc.property(nearlyClean(platform), (input) => {
        if (!isClean(input, 0)) return;
        count++;
        assertEquals(resolve(input), input);
        // And so below the root, where the scan begins behind it.
        const full = prefix + input;
        assertEquals(isClean(full, prefix.length), true, full);
        assertEquals(resolve(full), input);
      }),
      { seed: 4, numRuns: 20_000 },
    );
    assertEquals(count > 2000, true, `only ${count} were clean on ${platform}`);
  }
});

Deno.test("the short way takes the paths that are written canonically", () => {
  for (const path of ["a", "a/b", ".a/..b/c..", "...", "a b/c\\d", "notes/\u00e4.md"]) {
    assertEquals(isCleanPosix(path, 0), true, path);
  }
  for (
    const path of ["a", "a\\b", ".a\\..b", "readme.md", "components\\api-2 (x)\\config", "a`[b]{c}"]
  ) {
    assertEquals(isCleanWindows(path, 0), true, path);
  }
  // These may be devices: the careful way has to look.
  for (
    const path of [
      ...["aux", "con.md", "COM1", "com0.txt", "LPT0", "lpt\u00b9", "prn ", "coming.md", "conin$"],
      "a\\NUL",
    ]
  ) {
    assertEquals(isCleanWindows(path, 0), false, path);
  }
});

Deno.test("isCleanWindows() agrees with the careful way on every character", () => {
  const root = cleanWindowsRoot("C:\\r");
  for (let code = 0; code < 0x300; code++) {
    const char = String.fromCharCode(code);
    for (const input of [char, `${char}a`, `a${char}`, `a${char}b`]) {
      if (!isCleanWindows(input, 0)) continue;
      assertEquals(relativeWindows(root, input).replaceAll("/", "\\"), input);
      assertEquals(code >= 0x20 && code < 0x7e, true, JSON.stringify(input));
    }
  }
});
