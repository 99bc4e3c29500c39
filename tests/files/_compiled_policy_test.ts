import { assertEquals, assertFalse, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import { reasonOf } from "../../src/files/_errors.ts";
import { type CompileOptions, compilePolicy } from "../../src/files/_compiled_policy.ts";
import type { SecurityPolicy } from "../../src/files/policy.ts";

const EXACT: CompileOptions = { caseInsensitive: false };

/** The code that a check throws, or "" when it accepts. */
function codeOf(check: () => void): string {
  try {
    check();
    return "";
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    return error.code;
  }
}

/** A policy as somebody without types would write it. */
function untyped(policy: unknown): SecurityPolicy {
  return policy as SecurityPolicy;
}

Deno.test("compilePolicy() has strict defaults", () => {
  const policy = compilePolicy({}, "/root");
  assertEquals(policy.maxFileSizeBytes, 10 * 1024 * 1024);
  assertEquals(policy.maxDepth, 32);
  assertEquals(policy.symlinks, "within-root");
  assertEquals(policy.hardLinks, "allow");
  assertEquals(policy.requireAbsolutePaths, false);
  policy.checkName("Makefile");
});

Deno.test("compilePolicy() takes undefined for absent", () => {
  const policy = compilePolicy(
    untyped({ maxDepth: undefined, allowedExtensions: undefined }),
    "/r",
  );
  assertEquals(policy.maxDepth, 32);
  policy.checkName("any.thing");
});

const MISTAKES: readonly (readonly [unknown, typeof TypeError | typeof RangeError, string])[] = [
  [null, TypeError, "policy"],
  [[], TypeError, "policy"],
  [{ maxDepht: 3 }, TypeError, "maxDepht"],
  [{ readOnly: true }, TypeError, "readOnly"],
  [{ maxDepth: "3" }, TypeError, "maxDepth"],
  [{ maxDepth: NaN }, RangeError, "maxDepth"],
  [{ maxDepth: -1 }, RangeError, "maxDepth"],
  [{ maxDepth: 1.5 }, RangeError, "maxDepth"],
  [{ maxDepth: Infinity }, RangeError, "maxDepth"],
  [{ maxFileSizeBytes: NaN }, RangeError, "maxFileSizeBytes"],
  [{ maxFileSizeBytes: -1 }, RangeError, "maxFileSizeBytes"],
  [{ maxFileSizeBytes: 10n }, TypeError, "maxFileSizeBytes"],
  [{ symlinks: "follow" }, TypeError, "symlinks"],
  [{ symlinks: null }, TypeError, "symlinks"],
  [{ hardLinks: true }, TypeError, "hardLinks"],
  [{ requireAbsolutePaths: "false" }, TypeError, "requireAbsolutePaths"],
  [{ allowedExtensions: ".txt" }, TypeError, "allowedExtensions"],
  [{ allowedExtensions: [1] }, TypeError, "allowedExtensions"],
  // deno-lint-ignore no-sparse-arrays
  [{ allowedExtensions: [, ".a"] }, TypeError, "allowedExtensions"],
  [{ allowedExtensions: [""] }, RangeError, "allowedExtensions"],
  [{ allowedExtensions: ["."] }, RangeError, "allowedExtensions"],
  [{ deniedExtensions: ["*.sh"] }, RangeError, "deniedExtensions"],
  [{ deniedExtensions: ["a/b"] }, RangeError, "deniedExtensions"],
  [{ deniedExtensions: ["sh."] }, RangeError, "deniedExtensions"],
  [{ deniedExtensions: ["\ud800"] }, RangeError, "deniedExtensions"],
  [{ forbiddenPaths: ".git" }, TypeError, "forbiddenPaths"],
  [{ forbiddenPaths: [null] }, TypeError, "forbiddenPaths"],
  [{ forbiddenPaths: [""] }, RangeError, "forbiddenPaths"],
  [{ forbiddenPaths: ["./"] }, RangeError, "forbiddenPaths"],
  [{ forbiddenPaths: ["a/../b"] }, RangeError, "forbiddenPaths"],
  [{ forbiddenPaths: ["/a/../b"] }, RangeError, "forbiddenPaths"],
  [{ forbiddenPaths: ["a\0b"] }, RangeError, "forbiddenPaths"],
  [{ forbiddenPaths: ["a\udc00"] }, RangeError, "forbiddenPaths"],
];

Deno.test("compilePolicy() names the option that is a mistake", () => {
  for (const [policy, kind, name] of MISTAKES) {
    assertThrows(() => compilePolicy(untyped(policy), "/root"), kind, name);
  }
});

Deno.test("checkPath() counts the levels below the root", () => {
  const path = (depth: number, name: string) => Array(depth).fill(name).join("/");
  for (const maxDepth of [1, 2, 3, 32]) {
    const policy = compilePolicy({ maxDepth }, "/root");
    for (const name of ["a", "long-name"]) {
      policy.checkPath(path(maxDepth, name));
      assertEquals(codeOf(() => policy.checkPath(path(maxDepth + 1, name))), "path-too-deep");
    }
    policy.checkPath("x".repeat(200));
    policy.checkPath("");
  }
});

Deno.test("checkPath() accepts the root alone when maxDepth is 0", () => {
  const policy = compilePolicy({ maxDepth: 0 }, "/root");
  policy.checkPath("");
  assertEquals(codeOf(() => policy.checkPath("a")), "path-too-deep");
});

Deno.test("checkSize() refuses what is larger by one byte and says the limit", () => {
  const policy = compilePolicy({ maxFileSizeBytes: 10 }, "/root");
  policy.checkSize(10);
  const error = assertThrows(() => policy.checkSize(11), SecurityError);
  assertEquals([error.code, error.details.maxBytes], ["file-too-large", 10]);
  assertEquals(codeOf(() => policy.checkSize(NaN)), "file-too-large");
});

const ALLOW = [".txt", "MD", ".tar.gz", "env"];
const NAMES: readonly (readonly [string, boolean])[] = [
  ["a.txt", true],
  ["a.TXT", true],
  ["a.md", true],
  ["a.tar.gz", true],
  ["A.Tar.GZ", true],
  [".tar.gz", true],
  ["a.gz", false],
  ["atar.gz", false],
  [".env", true],
  ["production.env", true],
  [".env.example", false],
  ["a.env.example", false],
  ["txt", false],
  ["Makefile", false],
  ["a.txt.", false],
  ["a.txt ", false],
  ["a.", false],
  [".", false],
  ["", false],
];

Deno.test("checkName() knows extensions when there is an allow list", () => {
  const policy = compilePolicy({ allowedExtensions: ALLOW }, "/root");
  for (const [name, good] of NAMES) {
    assertEquals(codeOf(() => policy.checkName(name)), good ? "" : "extension-denied", name);
  }
});

Deno.test("checkName() refuses the same names when there is a deny list", () => {
  const policy = compilePolicy({ deniedExtensions: ALLOW }, "/root");
  for (const [name, hit] of NAMES) {
    assertEquals(codeOf(() => policy.checkName(name)), hit ? "extension-denied" : "", name);
  }
});

Deno.test("checkName() lets a deny list win", () => {
  const policy = compilePolicy({ allowedExtensions: ["gz"], deniedExtensions: ["tar.gz"] }, "/r");
  policy.checkName("a.gz");
  const error = assertThrows(() => policy.checkName("a.tar.gz"), SecurityError);
  assertEquals(reasonOf(error), '"a.tar.gz" has a denied extension');
  assertFalse(error.message.includes("tar"));
});

Deno.test("checkName() refuses every name when the allow list is empty, none when a deny list is", () => {
  const none = compilePolicy({ allowedExtensions: [] }, "/root");
  for (const name of ["a", "a.txt", ".env"]) {
    assertEquals(codeOf(() => none.checkName(name)), "extension-denied");
  }
  compilePolicy({ deniedExtensions: [] }, "/root").checkName("a");
});

Deno.test("checkName() denies letters that meet in upper case only", () => {
  const policy = compilePolicy({ deniedExtensions: [".sh", ".k"] }, "/root");
  for (const name of ["x.SH", "x.\u017fh", "x.\u212a"]) {
    assertEquals(codeOf(() => policy.checkName(name)), "extension-denied", name);
  }
});

Deno.test("isForbidden() covers whole components below the root", () => {
  const policy = compilePolicy({ forbiddenPaths: [".git", "./a//b/", "x\\y"] }, "/root", EXACT);
  for (const path of [".git", ".git/config", "a/b", "a/b/c", "x\\y"]) {
    assertEquals(policy.isForbidden(path), true, path);
    assertEquals(codeOf(() => policy.checkPath(path)), "path-forbidden");
  }
  for (const path of ["", ".gitignore", "sub/.git", "a", "a/bc", ".GIT", "x", "x/y"]) {
    assertEquals(policy.isForbidden(path), false, path);
  }
});

Deno.test("isForbidden() takes absolute paths for the roots that they touch", () => {
  const forbiddenPaths = ["/srv/data/secrets", "/etc", "/srv/database"];
  const data = compilePolicy({ forbiddenPaths }, "/srv/data", EXACT);
  assertEquals(data.isForbidden("secrets/key"), true);
  assertEquals(data.isForbidden("etc"), false);
  assertEquals(data.isForbidden("base"), false);
  const secrets = compilePolicy({ forbiddenPaths }, "/srv/data/secrets/deep", EXACT);
  assertEquals(secrets.isForbidden(""), true);
  assertEquals(secrets.isForbidden("x"), true);
  const everything = compilePolicy({ forbiddenPaths: ["/"] }, "/srv", EXACT);
  assertEquals(everything.isForbidden("x"), true);
  const all = compilePolicy({ forbiddenPaths: ["/etc", "usr"] }, "/", EXACT);
  assertEquals([all.isForbidden("etc/passwd"), all.isForbidden("usr"), all.isForbidden("")], [
    true,
    true,
    false,
  ]);
});

Deno.test("isForbidden() knows the real spelling beside the written one", () => {
  const links: Record<string, string> = {
    "/alias": "/root/vault",
    "/root/secrets": "/root/vault",
    "/root/away": "/elsewhere",
  };
  const canonicalize = (path: string) => {
    const real = links[path];
    if (real === undefined) throw new Error("ENOENT");
    return real;
  };
  for (const written of ["/alias", "secrets", "/root/secrets"]) {
    const policy = compilePolicy({ forbiddenPaths: [written] }, "/root", {
      ...EXACT,
      canonicalize,
    });
    assertEquals(policy.isForbidden("vault/key"), true, written);
    assertEquals(policy.isForbidden("secrets"), written !== "/alias", written);
  }
  const deep = compilePolicy({ forbiddenPaths: ["secrets/not/yet"] }, "/root", {
    ...EXACT,
    canonicalize,
  });
  assertEquals(deep.isForbidden("vault/not/yet/there"), true);
  assertEquals(deep.isForbidden("vault/not"), false);
  const away = compilePolicy({ forbiddenPaths: ["away"] }, "/root", { ...EXACT, canonicalize });
  assertEquals(away.isForbidden("away/x"), true);
});

Deno.test("isForbidden() takes the spelling of the root that was configured", () => {
  const options = { ...EXACT, spellings: ["/link"] };
  const policy = compilePolicy({ forbiddenPaths: ["/link/secrets"] }, "/srv/data", options);
  assertEquals(policy.isForbidden("secrets"), true);
});

Deno.test("isForbidden() folds case and normal form when the file system does", () => {
  const policy = compilePolicy({ forbiddenPaths: ["Caf\u00e9", "/Root/Key"] }, "/root", {
    caseInsensitive: true,
  });
  for (const path of ["caf\u00e9", "CAFE\u0301/x", "KEY", "\u212aey"]) {
    assertEquals(policy.isForbidden(path), true, path);
  }
});

Deno.test("isForbidden() reads Windows paths when the root is one", () => {
  const forbiddenPaths = ["sub\\secrets", "C:\\Data\\Keys", "D:/other", "c:/data/deep/x"];
  const policy = compilePolicy({ forbiddenPaths }, "C:\\data");
  for (const path of ["sub/SECRETS/x", "keys", "Deep/X"]) {
    assertEquals(policy.isForbidden(path), true, path);
  }
  assertEquals(policy.isForbidden("other"), false);
  const share = compilePolicy({ forbiddenPaths: ["\\\\host\\share\\a"] }, "\\\\host\\share");
  assertEquals(share.isForbidden("a/b"), true);
  for (const half of ["\\secrets", "C:secrets"]) {
    assertThrows(
      () => compilePolicy({ forbiddenPaths: [half] }, "C:\\data"),
      RangeError,
      "forbiddenPaths",
    );
  }
});

Deno.test("holdsForbidden() sees what a rename of a directory would carry along", () => {
  const policy = compilePolicy({ forbiddenPaths: ["a/b/secrets"] }, "/root", EXACT);
  for (const path of ["", "a", "a/b", "a/b/secrets", "a/b/secrets/x"]) {
    assertEquals(policy.holdsForbidden(path), true, path);
  }
  for (const path of ["b", "a/c", "a/b/secrets2", "a/b/s"]) {
    assertEquals(policy.holdsForbidden(path), false, path);
  }
  assertEquals(compilePolicy({}, "/root").holdsForbidden(""), false);
});

Deno.test("isForbidden() agrees with a comparison component by component", () => {
  const path = fc.array(fc.constantFrom("a", "b", "ab", ".git"), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(path, { maxLength: 3 }), path, (entries, asked) => {
      const forbiddenPaths = entries.map((parts) => parts.join("/"));
      const policy = compilePolicy({ forbiddenPaths }, "/root", EXACT);
      const expected = entries.some((parts) => parts.every((part, at) => asked[at] === part));
      assertEquals(policy.isForbidden(asked.join("/")), expected);
    }),
    { seed: 4, numRuns: 2000 },
  );
});
