import { assertEquals, assertRejects } from "@std/assert";
import { FileSecurityValidator } from "@bartizan/security";
import type { BackendFactory } from "../../src/files/backends/backend.ts";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { availableBackends } from "./_backends.ts";
import { codeOf, Recorder, testEach } from "./_each_backend.ts";
import { makeTree } from "./_tree.ts";
import { wrapBackend } from "./_wrapped_backend.ts";

// --- Roots that lie below

testEach("subroot() narrows the roots below as well", ["a/b/f.txt", "a/b/s/f.txt"], async (t) => {
  const { root } = t.tree;
  const inner = { path: `${root}/a/b`, maxDepth: 3, allowedExtensions: ["txt", "sh"] };
  const files = await t.open({ roots: [root, inner] });
  Deno.symlinkSync("f.txt", `${root}/a/b/l.txt`);
  Deno.linkSync(`${root}/a/b/f.txt`, `${root}/a/b/hard.txt`);

  const readOnly = await files.subroot("a", { readOnly: true });
  assertEquals(await codeOf(readOnly.writeFile("b/new.txt", "x")), "read-only-root");
  assertEquals(await readOnly.readTextFile("b/f.txt"), "inside a/b/f.txt");

  const small = await files.subroot("a", { maxFileSizeBytes: 3, deniedExtensions: ["sh"] });
  assertEquals(await codeOf(small.writeFile("b/x.txt", "yyyy")), "file-too-large");
  assertEquals(await codeOf(small.writeFile("b/x.sh", "y")), "extension-denied");
  assertEquals(await codeOf(small.writeFile("b/x.md", "y")), "extension-denied");
  await small.writeFile("b/x.txt", "yyy");
  // Narrowed again, both hold.
  const again = await small.subroot(".", { maxFileSizeBytes: 100, deniedExtensions: ["txt"] });
  assertEquals(await codeOf(again.writeFile("b/x.txt", "y")), "extension-denied");
  assertEquals(await codeOf(again.writeFile("b/x.sh", "y")), "extension-denied");

  const strict = await files.subroot("a", { symlinks: "deny", hardLinks: "deny" });
  assertEquals(await codeOf(strict.stat("b/l.txt")), "symlink-denied");
  assertEquals(await codeOf(strict.stat("b/hard.txt")), "hard-link-denied");

  for (const forbidden of ["b/s", `${root}/a/b/s`, "s"]) {
    const hidden = await files.subroot("a", { forbiddenPaths: [forbidden] });
    assertEquals(await codeOf(hidden.stat("b/s/f.txt")), "path-forbidden", forbidden);
    await hidden.stat("b/f.txt");
  }

  // Depth counts from the directory that was narrowed to.
  const flat = await files.subroot("a", { maxDepth: 2 });
  await flat.stat("b/f.txt");
  assertEquals(await codeOf(flat.stat("b/s/f.txt")), "path-too-deep");
  const flatter = await files.subroot("a", { maxDepth: 0 });
  assertEquals(await codeOf(flatter.list("b")), "path-too-deep");
  assertEquals(await codeOf(flatter.list(`${root}/a/b`)), "path-too-deep");

  // The roots of the validator itself are as they were.
  await files.writeFile("a/b/x.sh", "yyyy");
});

testEach("subroot() lets the rules of a root below stand", ["a/b/f.md", "a/f.md"], async (t) => {
  const { root } = t.tree;
  const inner = { path: `${root}/a/b`, readOnly: true, allowedExtensions: ["md"], maxDepth: 1 };
  const files = await t.open({ roots: [root, inner] });
  const below = await files.subroot("a", { maxDepth: 30, allowedExtensions: ["md", "txt"] });
  assertEquals(await codeOf(below.writeFile("b/f.md", "")), "read-only-root");
  assertEquals(await codeOf(below.stat("b/f.txt")), "extension-denied");
  assertEquals(await codeOf(below.stat("b/c/f.md")), "path-too-deep");
  await below.writeFile("f.md", "");
});

testEach(
  "what a root below refuses is refused whether it is there or not",
  ["a/b/f.exe"],
  async (t) => {
    const { root } = t.tree;
    const inner = { path: `${root}/a/b`, deniedExtensions: ["exe"] };
    const files = await t.open({ roots: [root, inner] });
    for (const path of ["a/b/f.exe", "a/b/absent.exe", `${root}/a/b/absent.exe`]) {
      assertEquals(await codeOf(files.stat(path)), "extension-denied", path);
    }
    assertEquals(await codeOf(files.stat("a/absent.txt")), "not-found");
  },
);

testEach(
  "subroot() allows what both lists of extensions allow",
  ["t/a.tar.gz", "t/b.gz"],
  async (t) => {
    const files = await t.open({ policy: { allowedExtensions: ["gz"] } });
    const below = await files.subroot("t", { allowedExtensions: [".tar.gz"] });
    await below.stat("a.tar.gz");
    assertEquals(await codeOf(below.stat("b.gz")), "extension-denied");
  },
);

// --- What was said when the validator opened

testEach(
  "a subroot keeps what was forbidden when its parent opened",
  ["a/sec/x", "a/b/y"],
  async (t) => {
    const forbiddenPaths = ["a/sec"];
    const allowedExtensions = ["x"];
    const roots = [{ path: t.tree.root, allowedExtensions }];
    const files = await t.open({ roots, policy: { forbiddenPaths } });
    forbiddenPaths.length = 0;
    allowedExtensions.push("y");
    const below = await files.subroot("a");
    assertEquals(await codeOf(below.stat("sec/x")), "path-forbidden");
    assertEquals(await codeOf((await files.subroot(".")).stat("a/sec/x")), "path-forbidden");
    assertEquals(await codeOf(files.subroot("a/sec")), "path-forbidden");
  },
);

Deno.test("open() takes what is said when it is called", async () => {
  using tree = makeTree(["sec"]);
  const forbiddenPaths = ["sec"];
  const opening = FileSecurityValidator.open({ roots: [tree.root], policy: { forbiddenPaths } });
  forbiddenPaths.length = 0;
  await using files = await opening;
  assertEquals(await codeOf(files.stat("sec")), "path-forbidden");
});

testEach(
  "a subroot keeps where a forbidden link led when its parent opened",
  ["a/s1/x", "a/s2/x", "a/cur => s1"],
  async (t) => {
    const files = await t.open({ policy: { forbiddenPaths: ["a/cur"] } });
    Deno.removeSync(`${t.tree.root}/a/cur`);
    const below = await files.subroot("a");
    assertEquals(await codeOf(below.stat("s1/x")), "path-forbidden");
    const inside = await below.subroot("s2", { forbiddenPaths: ["y"] });
    await inside.stat("x");
    assertEquals(await codeOf(inside.stat("y")), "path-forbidden");
  },
);

// --- Options that are none

class Rules {
  get maxDepth(): number {
    return 1;
  }
}

const WRONG: readonly unknown[] = [
  null,
  "deny",
  [],
  new Rules(),
  Object.create({ maxDepth: 1 }),
  new Map([["maxDepth", 1]]),
  { deniedExtensions: "sh" },
  { allowedExtensions: "sh" },
  { forbiddenPaths: "sh" },
  { forbiddenPaths: new Set(["sh"]) },
  { deniedExtensions: null },
  { [Symbol("maxDepth")]: 1 },
  Object.defineProperty({}, "maxDepht", { value: 1 }),
];

Deno.test("a policy is a plain object with known options, or refused", async () => {
  using tree = makeTree(["a/"]);
  const open = (options: unknown) =>
    FileSecurityValidator.open(options as { roots: string[] }).then((files) => files.close());
  await using files = await FileSecurityValidator.open({ roots: [tree.root] });
  for (const [at, wrong] of WRONG.entries()) {
    await assertRejects(() => open({ roots: [tree.root], policy: wrong }), TypeError, "", `${at}`);
    const subroot = () => files.subroot("a", wrong as Record<string, never>);
    await assertRejects(subroot, TypeError, "", `${at}`);
    if (typeof wrong !== "object" || wrong === null || !Object.isExtensible(wrong)) continue;
    const root = Object.defineProperty(wrong, "path", { value: tree.root, enumerable: true });
    await assertRejects(() => open({ roots: [root] }), TypeError, "", `${at}`);
  }
  for (const readOnly of [null, "no", 1]) {
    const overrides = { readOnly } as unknown as { readOnly: boolean };
    await assertRejects(() => files.subroot("a", overrides), TypeError);
  }
  await assertRejects(() => open({ roots: [tree.root], resources: null }), TypeError);
  // deno-lint-ignore no-sparse-arrays
  await assertRejects(() => open({ roots: [, tree.root] }), TypeError);
  await assertRejects(() => open({ roots: [null] }), TypeError);
});

Deno.test("a policy may have no prototype, and inherits nothing", async () => {
  using tree = makeTree(["a/b/c"]);
  const policy = Object.assign(Object.create(null), { maxDepth: 1 });
  await using files = await FileSecurityValidator.open({ roots: [tree.root], policy });
  assertEquals(await codeOf(files.stat("a/b")), "path-too-deep");
});

// --- What is said of it

testEach("subroot() is recorded under its own name", ["a/"], async (t) => {
  const audit = new Recorder();
  const files = await t.open({ audit });
  await files.subroot("a");
  await codeOf(files.subroot("b"));
  assertEquals(
    audit.events.map(({ kind, operation, outcome }) => [kind, operation, outcome]),
    [["file.open", "subroot", "success"], ["file.open", "subroot", "failure"]],
  );
});

Deno.test("requiredPermissions() names the library where the backend does", async () => {
  using tree = makeTree([]);
  const backendWith = (libraries: readonly string[] | undefined): BackendFactory => async () =>
    Object.defineProperties(await openBestEffort(), {
      protection: { value: "kernel" },
      libraries: { value: libraries },
    });
  for (
    const [libraries, flag] of [
      [undefined, "--allow-ffi"],
      [["/lib/libc.so.6"], "--allow-ffi=/lib/libc.so.6"],
    ] as const
  ) {
    const backend = backendWith(libraries);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    assertEquals(files.requiredPermissions().flags.at(-1), flag);
  }
});

// --- Directories that are exchanged meanwhile

for (const { protection, backend } of await availableBackends()) {
  Deno.test(`${protection}: subroot() opens the directory that was found, not another of its path`, async () => {
    using tree = makeTree(["a/x/who", "b/x/who"]);
    const { root } = tree;
    const exchange = () => {
      Deno.renameSync(`${root}/a`, `${root}/c`);
      Deno.renameSync(`${root}/b`, `${root}/a`);
      Deno.renameSync(`${root}/c`, `${root}/b`);
    };
    let attack: (() => void) | undefined;
    await using files = await FileSecurityValidator.open({
      roots: [root],
      backend: wrapBackend(backend, { beforeOpenRoot: () => attack?.() }),
    });
    await using tenant = await files.subroot("a");
    attack = exchange;
    // The tenant's own directory is `b` by now; by the path, `a/x` is somebody else's.
    assertEquals(await codeOf(tenant.subroot("x")), "not-found");
    exchange();
    attack = () => {
      Deno.renameSync(root, `${root}.away`);
      Deno.mkdirSync(`${root}/a/x`, { recursive: true });
    };
    assertEquals(await codeOf(files.subroot("a/x")), "not-found");
    attack = undefined;
    Deno.removeSync(root, { recursive: true });
    Deno.renameSync(`${root}.away`, root);
    await using inner = await tenant.subroot("x");
    assertEquals(await inner.readTextFile("who"), "inside a/x/who");
  });
}
