import { assert, assertEquals, assertRejects } from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { openFdVerified } from "../../../src/files/backends/fd_verified.ts";
import { makeTree, SECRET, type Tree } from "../_tree.ts";
import { codeOf, DENY, missing, openDescriptors, Opened } from "./_opened.ts";

const ignore = missing.length > 0;

function test(
  name: string,
  lines: readonly string[],
  fn: (opened: Opened, tree: Tree) => void | Promise<void>,
): void {
  Deno.test({
    name,
    ignore,
    fn: async () => {
      using tree = makeTree(lines);
      using opened = await Opened.at(openFdVerified, tree.root);
      await fn(opened, tree);
    },
  });
}

Deno.test({
  name: "openFdVerified() names the permissions that are missing",
  ignore: missing.length === 0,
  fn: async () => {
    const error = await assertRejects(() => openFdVerified(), SecurityError);
    assertEquals(error.code, "protection-unavailable");
    for (const one of missing) assert(error.message.includes(one), error.message);
    assertEquals(error.details.missing, missing);
  },
});

test("a handle stays with its object when the path is swapped", ["d/f", "n/"], async (
  opened,
  tree,
) => {
  const file = opened.locate("d/f");
  const directory = opened.locate("d");
  Deno.renameSync(`${tree.root}/d`, `${tree.root}/kept`);
  Deno.symlinkSync(`${tree.outside}/dir`, `${tree.root}/d`);
  Deno.renameSync(`${tree.outside}/dir/outside-name`, `${tree.outside}/dir/f`);
  // The control: by the path, the same name is outside now.
  assertEquals(Deno.readTextFileSync(`${tree.root}/d/f`), SECRET);

  const open = file.openFile("read");
  const into = new Uint8Array(100);
  assertEquals(new TextDecoder().decode(into.subarray(0, open.readSync(into, 0))), "inside d/f");
  open.close();
  const own = await file.openFsFile({ read: true, write: false, append: false });
  assertEquals(await new Response(own.readable).text(), "inside d/f");

  assertEquals((await directory.list(10)).map(({ name }) => name), ["f"]);
  assertEquals(directory.lookup("f")?.ino, file.info.ino);
  directory.createFile("new", 0o600).close();
  directory.createDirectory("sub", 0o700);
  const n = opened.locate("n");
  directory.rename("f", n, "f");
  n.rename("f", directory, "back");
  directory.removeFile("back");
  directory.removeDirectory("sub");
  n.close();
  file.close();
  directory.close();
  assertEquals([...Deno.readDirSync(`${tree.root}/kept`)].map(({ name }) => name), ["new"]);
  assertEquals(Deno.readTextFileSync(`${tree.outside}/dir/f`), SECRET);
  assertEquals([...Deno.readDirSync(`${tree.outside}/dir`)].length, 1);
  assertEquals(await codeOf(() => opened.locate("d/f")), "path-outside-root");
});

test("links of /proc are judged by what they name", ["f", "gone", "gone2 (deleted)"], async (
  opened,
  tree,
) => {
  const fs = await import("node:fs");
  const link = (name: string, number: number) =>
    Deno.symlinkSync(`/proc/self/fd/${number}`, `${tree.root}/${name}`);
  const numbers = [
    fs.openSync(`${tree.root}/f`, "r"),
    fs.openSync(`${tree.outside}/secret`, "r"),
    fs.openSync(`${tree.root}/gone`, "r"),
    fs.openSync(`${tree.root}/gone2 (deleted)`, "r"),
  ];
  ["in", "out", "removed", "odd"].forEach((name, index) => link(name, numbers[index] ?? -1));
  Deno.removeSync(`${tree.root}/gone`);
  Deno.symlinkSync("/proc/self/exe", `${tree.root}/exe`);
  Deno.symlinkSync("/proc/self/ns/net", `${tree.root}/nameless`);
  const expected = [
    ["in", "done"],
    ["out", "path-outside-root"],
    ["removed", "not-found"],
    ["odd", "done"],
    ["exe", "path-outside-root"],
    ["nameless", "path-outside-root"],
  ];
  for (const [name = "", code] of expected) {
    assertEquals([name, await codeOf(() => opened.locate(name))], [name, code]);
    assertEquals([name, await codeOf(() => opened.locate(name, DENY))], [
      name,
      code === "not-found" ? code : "symlink-denied",
    ]);
  }
  assertEquals(
    await codeOf(() => opened.absolute(`/proc/self/fd/${numbers[2]}`)),
    "path-outside-root",
  );
  assertEquals(await codeOf(() => opened.absolute(`/proc/self/fd/${numbers[0]}`)), "done");
  // Even a set of roots that takes everything takes nothing without a path.
  const everything = { find: () => opened.root };
  const nameless = () =>
    opened.backend.locate(everything, opened.root, "nameless", { symlinks: "within-root" });
  assertEquals(await codeOf(nameless), "path-outside-root");
  for (const number of numbers) fs.closeSync(number);
});

test("a link to a name of the same length is a link", [
  "one/dir/file",
  "one/dir/life",
  "one/rid => dir",
  "one/dir/elif => file",
  "one/far => ../two/dir",
  "two/dir/file",
], async (_opened, tree) => {
  using opened = await Opened.at(openFdVerified, `${tree.root}/one`, `${tree.root}/two`);
  const cases = {
    "dir/file": "one/dir/file",
    "rid/file": "one/dir/file", // Begins and ends alike.
    "dir/elif": "one/dir/file", // Begins alike.
    "far/file": "two/dir/file", // Ends alike.
  };
  for (const [path, name] of Object.entries(cases)) {
    const located = opened.locate(path);
    assertEquals(located.path, `${tree.root}/${name}`);
    located.close();
    const code = path === "dir/file" ? "done" : "symlink-denied";
    assertEquals([path, await codeOf(() => opened.locate(path, DENY))], [path, code]);
  }
});

test("the top of the file system is a root as well", [], async () => {
  using opened = await Opened.at(openFdVerified, "/");
  const set = { find: () => opened.root };
  for (const [path, name] of [["", "/"], ["proc", "/proc"]] as const) {
    const located = opened.backend.locate(set, opened.root, path, DENY);
    assertEquals(located.path, name);
    located.close();
  }
});

test("a name that is no text is outside", ["f"], async (opened, tree) => {
  const library = Deno.dlopen("libc.so.6", {
    mkdir: { parameters: ["buffer", "u32"], result: "i32" },
    symlink: { parameters: ["buffer", "buffer"], result: "i32" },
  });
  const bytes = (path: string, last?: number) =>
    new Uint8Array([...new TextEncoder().encode(path), ...last === undefined ? [] : [last], 0]);
  try {
    assertEquals(library.symbols.mkdir(bytes(`${tree.root}/`, 0xff), 0o700), 0);
    assertEquals(library.symbols.symlink(bytes("", 0xff), bytes(`${tree.root}/l`)), 0);
    assertEquals(await codeOf(() => opened.locate("l")), "path-outside-root");
  } finally {
    library.close();
  }
});

test("no descriptor is left open, whatever happens", [
  "f",
  "d/f",
  "l => f",
  "out => $OUTSIDE/secret",
  "out-missing => $OUTSIDE/nothing",
  "loop => loop",
  "fifo p",
], async (opened, tree) => {
  const located = opened.locate("d");
  const work: readonly (() => unknown)[] = [
    () => opened.locate("f"),
    () => opened.locate("f").openFile("read"),
    () => opened.locate("out"),
    () => opened.locate("out-missing"),
    () => opened.locate("loop"),
    () => opened.locate("nothing/below"),
    () => opened.locate("l", DENY),
    () => opened.absolute(`${tree.rootLink}/nothing/below`),
    () => opened.absolute(`${tree.outside}/secret`),
    () => opened.absolute(`${tree.rootLink}/f`, DENY),
    () => opened.backend.openRoot(`${tree.root}/f`),
    () => opened.backend.openRoot(`${tree.root}/d`),
    () => located.createFile("f", 0o600),
    () => located.list(0),
    () => located.list(10),
  ];
  const pipe = opened.locate("p");
  // Closed while they are at work: the number is held until the end, and not for longer.
  const interrupted = async () => {
    const [directory, file] = [opened.locate("d"), opened.locate("f")];
    const open = file.openFile("read");
    const running = [directory.list(10), open.read(new Uint8Array(8), 0)];
    for (const one of [directory, file, open]) one.close();
    await Promise.all(running);
  };
  await interrupted();
  const before = openDescriptors();
  for (let round = 0; round < 200; round++) {
    for (const one of work) {
      if (one === work[1]) {
        const file = opened.locate("f");
        await codeOf(() => file.openFile("read"));
        file.close();
      } else await codeOf(one);
    }
    await interrupted();
    await codeOf(() => pipe.openFile("read"));
    await codeOf(() => pipe.openFsFile({ read: true, write: false, append: false }));
  }
  assertEquals(openDescriptors(), before);
  pipe.close();
  located.close();
  assertEquals(openDescriptors(), before - 2);
});

test("a closed root and a closed handle are of no use", ["f"], async (opened, tree) => {
  const root = opened.backend.openRoot(tree.root);
  root.close();
  root.close();
  const set = opened.set;
  const again = () => opened.backend.locate(set, root, "f", { symlinks: "within-root" });
  assertEquals(await codeOf(again), "closed");
});
