import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { makeTree, SECRET, snapshot, specialKinds, type Tree } from "../_tree.ts";
import { codeOf, DENY, FOLLOW, Opened, variants } from "./_opened.ts";
import type { Located } from "../../../src/files/backends/backend.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function contentOf(located: Located): string {
  const file = located.openFile("read");
  try {
    const into = new Uint8Array(64);
    return new TextDecoder().decode(into.subarray(0, file.readSync(into, 0)));
  } finally {
    file.close();
  }
}

/** Runs a test for every backend, each with a fresh tree. */
function each(
  name: string,
  lines: readonly string[],
  test: (opened: Opened, tree: Tree) => void | Promise<void>,
): void {
  for (const { name: backend, open, ignore } of variants) {
    Deno.test({
      name: `${backend}: ${name}`,
      ignore,
      fn: async () => {
        using tree = makeTree(lines);
        using opened = await Opened.at(open, tree.root);
        await test(opened, tree);
      },
    });
  }
}

const LINKS = [
  "a/b/c.txt",
  "d/",
  "inward => a/b/c.txt",
  "inward-dir => a",
  "absolute => $ROOT/a/b/c.txt",
  "spelled => $ROOTLINK/a/b/c.txt",
  "up/back => ../a/b/c.txt",
  "out => ../OUTSIDE/secret",
  "out-absolute => $OUTSIDE/secret",
  "out-dir => ../OUTSIDE",
  "out-missing => ../OUTSIDE/nothing",
  "out-below-file => ../OUTSIDE/secret/x",
  "out-loop => $OUTSIDE/loop",
  "out-then-in => ../ROOT/a/b/c.txt",
  "out-then-missing => ../ROOT/a/nothing",
  "chain => chain2",
  "chain2 => out-missing",
  "chain-in => inward",
  "dangling => a/nothing",
  "dangling-up => a/b/../../nothing",
  "loop => loop",
  "loop1 => loop2",
  "loop2 => loop1",
  "x (deleted)",
];

const LOCATED: readonly [path: string, follow: string, deny: string][] = [
  ["", "", ""],
  ["a", "a", "a"],
  ["a/b/c.txt", "a/b/c.txt", "a/b/c.txt"],
  ["x (deleted)", "x (deleted)", "x (deleted)"],
  ["inward", "a/b/c.txt", "symlink-denied"],
  ["inward-dir/b", "a/b", "symlink-denied"],
  ["inward-dir/nothing", "not-found", "symlink-denied"],
  ["absolute", "a/b/c.txt", "symlink-denied"],
  ["spelled", "a/b/c.txt", "symlink-denied"],
  ["up/back", "a/b/c.txt", "symlink-denied"],
  ["out-then-in", "a/b/c.txt", "symlink-denied"],
  ["out-then-missing", "not-found", "symlink-denied"],
  ["chain-in", "a/b/c.txt", "symlink-denied"],
  ["out", "path-outside-root", "symlink-denied"],
  ["out-absolute", "path-outside-root", "symlink-denied"],
  ["out-dir", "path-outside-root", "symlink-denied"],
  ["out-dir/secret", "path-outside-root", "symlink-denied"],
  ["out-dir/nothing", "path-outside-root", "symlink-denied"],
  ["out-dir/secret/below", "path-outside-root", "symlink-denied"],
  ["out-missing", "path-outside-root", "symlink-denied"],
  ["out-missing/more", "path-outside-root", "symlink-denied"],
  ["out-below-file", "path-outside-root", "symlink-denied"],
  ["out-loop", "path-outside-root", "symlink-denied"],
  [`out-dir/${"n".repeat(256)}`, "path-outside-root", "symlink-denied"],
  ["chain", "path-outside-root", "symlink-denied"],
  ["dangling", "not-found", "symlink-denied"],
  ["dangling-up", "not-found", "symlink-denied"],
  ["loop", "symlink-loop", "symlink-denied"],
  ["loop1", "symlink-loop", "symlink-denied"],
  ["loop1/below", "symlink-loop", "symlink-denied"],
  ["nothing", "not-found", "not-found"],
  ["nothing/below", "not-found", "not-found"],
  ["a/b/c.txt/below", "not-a-directory", "not-a-directory"],
  ["n".repeat(256), "name-too-long", "name-too-long"],
];

each("locate() finds what lies inside and nothing else", LINKS, async (opened, tree) => {
  Deno.symlinkSync("loop", `${tree.outside}/loop`);
  const found = async (work: () => Located): Promise<string> => {
    let path = "";
    const code = await codeOf(() => {
      const located = work();
      path = located.path;
      return located;
    });
    return code === "done" ? path.slice(tree.root.length + 1) : code;
  };
  const actual: typeof LOCATED[number][] = [];
  for (const [path] of LOCATED) {
    actual.push([
      path,
      await found(() => opened.locate(path)),
      await found(() => opened.locate(path, DENY)),
    ]);
  }
  assertEquals(actual, LOCATED);
  // The control: without the check, the same link shows what lies outside.
  assertEquals(Deno.readTextFileSync(`${tree.root}/out`), SECRET);
});

each("locateAbsolute() takes any spelling that leads inside", LINKS, async (opened, tree) => {
  const cases: readonly [path: string, follow: string, deny: string][] = [
    ["$ROOTLINK/a/b/c.txt", "done", "symlink-denied"],
    ["$ROOTLINK", "done", "symlink-denied"],
    ["$ROOT/a", "done", "done"],
    ["$OUTSIDE/in/b", "done", "symlink-denied"],
    ["$ROOTLINK/a/nothing", "not-found", "not-found"],
    ["$ROOTLINK/a/b/c.txt/below", "not-a-directory", "not-a-directory"],
    ["$ROOTLINK/out-missing", "path-outside-root", "symlink-denied"],
    ["$ROOTLINK/dangling", "not-found", "symlink-denied"],
    ["$ROOTLINK/loop", "symlink-loop", "symlink-denied"],
    ["$OUTSIDE/secret", "path-outside-root", "path-outside-root"],
    ["$OUTSIDE/nothing", "path-outside-root", "path-outside-root"],
    ["$OUTSIDE/secret/below", "path-outside-root", "path-outside-root"],
    ["$OUTSIDE/loop", "path-outside-root", "path-outside-root"],
    ["$WORK", "path-outside-root", "path-outside-root"],
    ["/", "path-outside-root", "path-outside-root"],
    ["/nothing", "path-outside-root", "path-outside-root"],
    ["/dev/null", "path-outside-root", "path-outside-root"],
    ["$ROOT_evil", "path-outside-root", "path-outside-root"],
  ];
  Deno.symlinkSync("loop", `${tree.outside}/loop`);
  Deno.symlinkSync("../ROOT/a", `${tree.outside}/in`);
  const actual: typeof cases[number][] = [];
  for (const [path] of cases) {
    const whole = path === "$ROOT_evil" ? `${tree.root}_evil` : tree.expand(path);
    actual.push([
      path,
      await codeOf(() => opened.absolute(whole)),
      await codeOf(() => opened.absolute(whole, DENY)),
    ]);
  }
  assertEquals(actual, cases);
});

for (const { name, open, ignore } of variants) {
  Deno.test({
    name: `${name}: locate() follows a link from root to root and tells the innermost`,
    ignore,
    fn: async () => {
      using tree = makeTree(["inner/f", "to-other => $OUTSIDE/dir/outside-name", "l => inner/f"]);
      const paths = [tree.root, `${tree.root}/inner`, `${tree.outside}/dir`];
      using opened = await Opened.at(open, ...paths);
      const rootOf = (path: string): unknown => {
        const located = opened.locate(path);
        located.close();
        return located.root;
      };
      assertStrictEquals(rootOf("inner"), opened.roots[1]);
      assertStrictEquals(rootOf("inner/f"), opened.roots[1]);
      assertStrictEquals(rootOf("l"), opened.roots[1]);
      assertStrictEquals(rootOf("to-other"), opened.roots[2]);
      assertStrictEquals(rootOf(""), opened.root);
      assertEquals(await codeOf(() => opened.locate("to-other", DENY)), "symlink-denied");
      // The other root is gone: a directory in its place is not that root.
      Deno.renameSync(`${tree.outside}/dir`, `${tree.outside}/old`);
      Deno.mkdirSync(`${tree.outside}/dir`);
      Deno.writeTextFileSync(`${tree.outside}/dir/outside-name`, "another");
      assertEquals(await codeOf(() => opened.locate("to-other")), "root-moved");
      const path = `${tree.outside}/dir/outside-name`;
      assertEquals(await codeOf(() => opened.absolute(path)), "root-moved");
    },
  });
}

each("locate() says root-moved when the root was moved", ["f", "d/"], async (opened, tree) => {
  Deno.renameSync(tree.root, `${tree.work}/MOVED`);
  try {
    for (const path of ["", "f", "d", "nothing"]) {
      assertEquals([path, await codeOf(() => opened.locate(path))], [path, "root-moved"]);
    }
    Deno.mkdirSync(tree.root); // Another directory of the same name is another directory.
    Deno.writeTextFileSync(`${tree.root}/f`, "");
    assertEquals(await codeOf(() => opened.locate("f")), "root-moved");
    Deno.removeSync(tree.root, { recursive: true });
  } finally {
    Deno.renameSync(`${tree.work}/MOVED`, tree.root);
  }
  assertEquals(await codeOf(() => opened.locate("f")), "done");
  Deno.removeSync(tree.root, { recursive: true });
  for (const path of ["", "f"]) {
    assertEquals([path, await codeOf(() => opened.locate(path))], [path, "root-moved"]);
  }
});

each("openRoot() takes a directory by any path and nothing else", ["f"], async (opened, tree) => {
  const { backend } = opened;
  const root = backend.openRoot(tree.rootLink);
  assertEquals(root.path, tree.root);
  root.close();
  assertEquals(await codeOf(() => backend.openRoot(`${tree.root}/f`)), "not-a-directory");
  assertEquals(await codeOf(() => backend.openRoot(`${tree.root}/nothing`)), "not-found");
  Deno.mkdirSync(`${tree.work}/x (deleted)`);
  const odd = backend.openRoot(`${tree.work}/x (deleted)`);
  assertEquals(odd.path, `${tree.work}/x (deleted)`);
  odd.close();
});

for (const { name, open, ignore } of variants) {
  Deno.test({
    name: `${name}: locate() works below the root /`,
    ignore,
    fn: async () => {
      using tree = makeTree(["l => f", "f"]);
      const backend = await open();
      const root = backend.openRoot("/");
      assertEquals(root.path, "/");
      const set = { find: () => root };
      for (const options of [FOLLOW, DENY]) {
        const located = backend.locate(set, root, tree.root.slice(1), options);
        assertEquals(located.path, tree.root);
        located.close();
        backend.locate(set, root, "", options).close();
      }
      const link = `${tree.root}/l`.slice(1);
      assertEquals(await codeOf(() => backend.locate(set, root, link, DENY)), "symlink-denied");
      root.close();
      backend.close();
    },
  });
}

each("openFile() reads, writes and appends without truncating", ["f"], async (opened) => {
  const located = opened.locate("f");
  assertEquals(located.info.type, "file");
  assertEquals(located.info.size, 8);
  assertEquals(located.info.nlink, 1);
  assert(located.info.ino > 0 && located.info.dev > 0 && located.info.modifiedMs > 0);
  assertStrictEquals(located.info, located.info);
  assertEquals(contentOf(located), "inside f");

  const written = located.openFile("write");
  assertEquals(written.info().size, 8);
  assertEquals(written.info().ino, located.info.ino);
  await written.write(utf8("INS"), 0);
  await written.write(new Uint8Array(), 0);
  assertEquals(contentOf(located), "INSide f");
  written.truncate(5);
  await written.sync();
  assertEquals(written.info().size, 5);
  written.close();
  written.close();

  const appended = located.openFile("append");
  await appended.write(utf8("+1"), 0);
  await appended.write(utf8("+2"), 0);
  appended.close();
  assertEquals(contentOf(located), "INSid+1+2");

  const read = located.openFile("read");
  const into = new Uint8Array(4);
  assertEquals(await read.read(into, 5), 4);
  assertEquals(new TextDecoder().decode(into), "+1+2");
  assertEquals(await read.read(into, 9), 0);
  assertEquals(read.readSync(into, 9), 0);
  assertEquals(read.readSync(into.subarray(0, 2), 1), 2);
  assertEquals(new TextDecoder().decode(into), "NS+2");
  assertEquals(read.readSync(new Uint8Array(), 0), 0);
  read.close();
  located.close();
  located.close();
  assertEquals(await codeOf(() => located.openFile("read")), "closed");
  assertEquals(await codeOf(() => located.lookup("x")), "closed");
});

each("openFile() moves more than one call's worth", ["f"], async (opened) => {
  const bytes = new Uint8Array(3 * 1024 * 1024 + 1).map((_, index) => index * 7);
  const located = opened.locate("f");
  const written = located.openFile("write");
  await written.write(bytes, 10);
  written.close();
  const read = located.openFile("read");
  const [one, other] = [new Uint8Array(bytes.length), new Uint8Array(bytes.length)];
  const counts = await Promise.all([read.read(one, 10), read.read(other, 10)]);
  assertEquals(counts, [bytes.length, bytes.length]);
  assertEquals(one, bytes);
  assertEquals(other, bytes);
  read.close();
  located.close();
});

each("close() waits for what runs on the file", ["f", "other"], async (opened, tree) => {
  Deno.writeFileSync(`${tree.root}/f`, new Uint8Array(1024 * 1024).fill(1));
  const located = opened.locate("f");
  const file = located.openFile("read");
  const into = new Uint8Array(1024 * 1024);
  const reading = file.read(into, 0);
  file.close();
  located.close();
  // These take the lowest free numbers: the one of the file, were it free already.
  const others = Array.from({ length: 8 }, () => opened.locate("other"));
  try {
    const code = await codeOf(async () => assertEquals(await reading, into.length));
    // Deno's own class refuses; a number that is given away must at least not be read.
    if (code === "done") assertEquals(into.every((byte) => byte === 1), true);
    else assertEquals(code, "io-error");
  } finally {
    for (const other of others) other.close();
  }
  assertEquals(await codeOf(() => file.info()) === "done", false);
});

each("openFile() and openFsFile() refuse everything but a regular file", [
  "d/",
  ...specialKinds.map((kind) => `${kind} ${kind}`),
], async (opened) => {
  const expected = [["d", "not-a-file"], ...specialKinds.map((kind) => [kind, "special-file"])];
  for (const [path = "", code] of expected) {
    const located = opened.locate(path);
    for (const access of ["read", "write", "append"] as const) {
      assertEquals([path, await codeOf(() => located.openFile(access))], [path, code]);
    }
    const options = { read: true, write: false, append: false };
    assertEquals([path, await codeOf(() => located.openFsFile(options))], [path, code]);
    located.close();
  }
});

each("openFsFile() gives Deno's own class", ["f"], async (opened) => {
  const located = opened.locate("f");
  const read = await located.openFsFile({ read: true, write: false, append: false });
  assert(read instanceof Deno.FsFile);
  const both = await located.openFsFile({ read: true, write: true, append: false });
  const append = await located.openFsFile({ read: false, write: false, append: true });
  located.close();
  assertEquals(both.statSync().size, 8);
  both.writeSync(utf8("INS"));
  append.writeSync(utf8("!"));
  assertEquals(await new Response(read.readable).text(), "INSide f!");
  assertThrows(() => append.readSync(new Uint8Array(1)));
  both.close();
  append.close();
});

each("list() and lookup() follow no link", [
  "d/f",
  "d/sub/",
  "d/l => $OUTSIDE/secret",
  ...specialKinds.map((kind) => `${kind} d/${kind}`),
], async (opened) => {
  const located = opened.locate("d");
  const names = 3 + specialKinds.length;
  const entries = await located.list(names);
  const types = Object.fromEntries(entries.map(({ name, type }) => [name, type]));
  const special = Object.fromEntries(specialKinds.map((kind) => [kind, "special"]));
  assertEquals(types, { f: "file", sub: "directory", l: "symlink", ...special });
  for (const [name, type] of Object.entries(types)) {
    assertEquals(located.lookup(name)?.type, type);
  }
  assertEquals(located.lookup("nothing"), undefined);
  const error = await assertRejects(async () => await located.list(names - 1), SecurityError);
  assertEquals(error.code, "too-many-entries");
  located.close();
  const file = opened.locate("d/f");
  assertEquals(await codeOf(() => file.list(10)), "not-a-directory");
  file.close();
});

each("list() outlives a close() that comes meanwhile", ["d/f"], async (opened, tree) => {
  const located = opened.locate("d");
  const listing = located.list(10);
  located.close();
  // Were the number free already, one of these would take it and be listed instead.
  const others = Array.from({ length: 8 }, () => opened.locate(""));
  try {
    const code = await codeOf(async () => assertEquals((await listing)[0]?.name, "f"));
    assert(code === "done" || code === "closed", code);
  } finally {
    for (const other of others) other.close();
  }
  assertEquals(Deno.statSync(tree.root).isDirectory, true);
});

each("a directory creates, renames and removes the names in it", [
  "d/taken",
  "d/link => nothing",
  "d/link-out => $OUTSIDE/new",
  "d/link-dir => ../e",
  "d/full/f",
  "e/",
  "mine/f",
], async (opened, tree) => {
  const outside = snapshot(tree.outside);
  const d = opened.locate("d");
  const e = opened.locate("e");
  const file = d.createFile("new", 0o640);
  assertEquals(file.info().type, "file");
  assertEquals(file.info().mode, 0o640);
  await file.write(utf8("text"), 0);
  file.close();
  for (const name of ["taken", "link", "link-out", "link-dir", "full"]) {
    assertEquals([name, await codeOf(() => d.createFile(name, 0o600))], [name, "already-exists"]);
    assertEquals(await codeOf(() => d.createDirectory(name, 0o700)), "already-exists");
  }
  d.createDirectory("sub", 0o700);
  assertEquals(d.lookup("sub")?.mode, 0o700);

  assertEquals(await codeOf(() => d.removeFile("sub")), "not-a-file");
  assertEquals(await codeOf(() => d.removeFile("nothing")), "not-found");
  assertEquals(await codeOf(() => d.removeDirectory("taken")), "not-a-directory");
  assertEquals(await codeOf(() => d.removeDirectory("link-dir")), "not-a-directory");
  assertEquals(await codeOf(() => d.removeDirectory("full")), "directory-not-empty");
  assertEquals(await codeOf(() => d.removeDirectory("nothing")), "not-found");

  d.rename("new", e, "moved");
  assertEquals(d.lookup("new"), undefined);
  d.rename("link-out", e, "still-a-link");
  assertEquals(e.lookup("still-a-link")?.type, "symlink");
  d.rename("taken", e, "still-a-link"); // Replaces the link, not what it names.
  assertEquals(e.lookup("still-a-link")?.type, "file");
  assertEquals(await codeOf(() => d.rename("nothing", e, "x")), "not-found");
  assertEquals(await codeOf(() => d.rename("sub", e, "moved")), "not-a-directory");

  d.removeDirectory("sub");
  d.removeFile("link");
  d.removeFile("link-dir");
  e.removeFile("moved");
  assertEquals((await d.list(10)).map(({ name }) => name), ["full"]);
  assertEquals((await e.list(10)).map(({ name }) => name), ["still-a-link"]);
  assertEquals(snapshot(tree.outside), outside);
  d.close();
  e.close();
});

each("a directory takes no name that leads out of it", ["d/f"], async (opened, tree) => {
  const before = snapshot(tree.work);
  const d = opened.locate("d");
  for (const name of ["", ".", "..", "../x", "/x", "a/b", "f\0x", "../../OUTSIDE/secret"]) {
    const codes = await Promise.all([
      codeOf(() => d.lookup(name)),
      codeOf(() => d.createFile(name, 0o600)),
      codeOf(() => d.createDirectory(name, 0o700)),
      codeOf(() => d.removeFile(name)),
      codeOf(() => d.removeDirectory(name)),
      codeOf(() => d.rename(name, d, "x")),
      codeOf(() => d.rename("f", d, name)),
    ]);
    assertEquals([name, ...codes], [name, ...codes.map(() => "path-invalid")]);
  }
  d.close();
  assertEquals(snapshot(tree.work), before);
});

Deno.test("a backend takes no root and no directory of another", async () => {
  using tree = makeTree(["f"]);
  const opened: Opened[] = [];
  for (const { open, ignore } of variants) {
    if (!ignore) opened.push(await Opened.at(open, tree.root));
  }
  const foreign = { path: tree.root, close: () => {} };
  for (const one of opened) {
    const set = { find: () => foreign };
    assertThrows(() => one.backend.locate(set, foreign, "f", FOLLOW), TypeError);
    assertThrows(() => one.backend.locateAbsolute(set, `${tree.root}/f`, FOLLOW), TypeError);
    const located = one.locate("");
    assertThrows(() => located.rename("f", { ...located } as Located, "x"), TypeError);
    located.close();
    assertNotStrictEquals(one.root, foreign);
  }
  for (const one of opened) one[Symbol.dispose]();
});
