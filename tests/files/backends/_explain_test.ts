import { assertEquals, assertStrictEquals } from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { explain, explainAbsolute, type LinkReader } from "../../../src/files/backends/_explain.ts";
import type { RootSet } from "../../../src/files/backends/backend.ts";

/** A tree of links by path; `undefined` is something else that exists. */
function readerOf(
  separator: "/" | "\\",
  links: Readonly<Record<string, string | undefined>>,
  asked: string[] = [],
): LinkReader {
  return {
    separator,
    readLink: (path) => {
      asked.push(path);
      if (Object.hasOwn(links, path)) return links[path];
      throw new Error("nothing there");
    },
  };
}

function rootsOf(separator: string, ...paths: string[]): RootSet {
  return {
    find: (path) => {
      const found = paths.find((root) => path === root || path.startsWith(root + separator));
      return found === undefined ? undefined : { path: found, close: () => {} };
    },
  };
}

const ORIGINAL = Object.assign(new Error("nothing there"), { code: "ENOENT" });

const codeOf = (error: unknown): string =>
  error === ORIGINAL ? "as it was" : error instanceof SecurityError ? error.code : String(error);

const POSIX = { "/r/a": undefined, "/r/out": "/etc/x", "/r/up": "../../..", "/r/back": "../r/a" };
const WINDOWS = {
  "C:\\r\\a": undefined,
  "C:\\r\\out": "C:\\Windows\\x",
  "C:\\r\\long": "\\\\?\\D:\\secret",
  "C:\\r\\share": "\\\\server\\share\\x",
  "C:\\r\\rooted": "\\Windows",
  "C:\\r\\up": "..\\..\\..",
  "C:\\r\\slash": "../s/x",
  "C:\\r\\back": "..\\r\\a",
  "C:\\r\\whole": "C:/r/a",
};

for (
  const [separator, links, cases] of [
    ["/", POSIX, [
      ["a/nothing", "as it was"],
      ["out", "path-outside-root"],
      ["out/more", "path-outside-root"],
      ["up/x", "path-outside-root"],
      ["back/nothing", "as it was"],
    ]],
    ["\\", WINDOWS, [
      ["a/nothing", "as it was"],
      ["out", "path-outside-root"],
      ["long", "path-outside-root"],
      ["share", "path-outside-root"],
      ["rooted", "path-outside-root"],
      ["up/x", "path-outside-root"],
      ["slash", "path-outside-root"],
      ["back/nothing", "as it was"],
      ["whole/nothing", "as it was"],
    ]],
  ] as const
) {
  const root = separator === "/" ? "/r" : "C:\\r";
  const roots = rootsOf(separator, root);
  const reader = readerOf(separator, links);
  for (const [path, expected] of cases) {
    Deno.test(`explain() says ${expected} of ${path} with ${separator}`, () => {
      const follow = explain(ORIGINAL, roots, root, path, { symlinks: "within-root" }, reader);
      assertEquals(codeOf(follow), expected);
      const deny = explain(ORIGINAL, roots, root, path, { symlinks: "deny" }, reader);
      assertEquals(codeOf(deny), path === "a/nothing" ? "as it was" : "symlink-denied");
    });
  }
}

Deno.test("explain() asks nothing about what lies outside", () => {
  const asked: string[] = [];
  const reader = readerOf(
    "/",
    { "/r": undefined, "/r/l": "/etc/a/../b/c", "/r/b": "../x/../r/a" },
    asked,
  );
  const roots = rootsOf("/", "/r");
  const options = { symlinks: "within-root" } as const;
  assertEquals(codeOf(explain(ORIGINAL, roots, "/r", "l/d", options, reader)), "path-outside-root");
  assertEquals(asked, ["/r/l"]);
  assertEquals(codeOf(explain(ORIGINAL, roots, "/r", "b", options, reader)), "as it was");
  assertEquals(asked, ["/r/l", "/r/b", "/r", "/r/a"]);
});

Deno.test("explain() gives up after 40 links", () => {
  const links = Object.fromEntries(
    Array.from({ length: 50 }, (_, index) => [`/r/l${index}`, `l${index + 1}`]),
  );
  const options = { symlinks: "within-root" } as const;
  const of = (path: string) =>
    codeOf(explain(ORIGINAL, rootsOf("/", "/r"), "/r", path, options, readerOf("/", links)));
  assertEquals(of("l10"), "as it was");
  assertEquals(of("l9"), "symlink-loop");
});

Deno.test("explain() and explainAbsolute() pass on what says nothing about the path", () => {
  const roots = rootsOf("/", "/r");
  const reader = readerOf("/", POSIX);
  const options = { symlinks: "within-root" } as const;
  for (const code of ["EMFILE", "ENFILE", "ENOMEM"]) {
    const error = Object.assign(new Error(code), { code });
    assertStrictEquals(explain(error, roots, "/r", "out", options, reader), error);
    assertStrictEquals(
      explainAbsolute(error, roots, "/x", options, reader, (path) => path),
      error,
    );
  }
});

Deno.test("explainAbsolute() goes no further than what exists", () => {
  const asked: string[] = [];
  const canonical = (path: string): string => {
    asked.push(path);
    if (path === "/" || path === "/x") return path;
    if (path === "/x/link") return "/r";
    throw new Error("nothing there");
  };
  const options = { symlinks: "within-root" } as const;
  const of = (path: string) =>
    codeOf(
      explainAbsolute(
        ORIGINAL,
        rootsOf("/", "/r"),
        path,
        options,
        readerOf("/", { "/r/l": "/etc" }),
        canonical,
      ),
    );
  assertEquals(of(`/y${"/z".repeat(1000)}`), "path-outside-root");
  assertEquals(asked, ["/", "/y"]);
  assertEquals(of("/x/link/a/b"), "as it was");
  assertEquals(of("/x/link/l/b"), "path-outside-root");
  assertEquals(of("/x/other"), "path-outside-root");
  assertEquals(of("relative"), "path-outside-root");
});
