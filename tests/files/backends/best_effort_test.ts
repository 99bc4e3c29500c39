import { assertEquals } from "@std/assert";
import { openBestEffort } from "../../../src/files/backends/best_effort.ts";
import { FileSecurityValidator } from "../../../src/files/file_security_validator.ts";
import { makeTree, SECRET, type Tree } from "../_tree.ts";
import { codeOf, Opened } from "./_opened.ts";

type NodeFs = typeof import("node:fs");

/** Runs `swap` right before the first `openSync` of `node:fs`. */
async function swapping(swap: () => void): Promise<NodeFs> {
  const real = await import("node:fs");
  let isDone = false;
  return {
    ...real,
    openSync: (...args: Parameters<NodeFs["openSync"]>) => {
      if (!isDone) swap();
      isDone = true;
      return real.openSync(...args);
    },
  };
}

/** Runs `swap` right before the next `Deno.open`. */
function swapBeforeOpen(swap: () => void): Disposable {
  const real = Deno.open;
  const put = (value: typeof Deno.open) =>
    Object.defineProperty(Deno, "open", { value, configurable: true, writable: true });
  put((...args) => {
    swap();
    return real(...args);
  });
  return { [Symbol.dispose]: () => void put(real) };
}

function swapDirectory(tree: Tree): void {
  Deno.renameSync(`${tree.root}/d`, `${tree.root}/kept`);
  Deno.symlinkSync(tree.outside, `${tree.root}/d`);
}

const LINES = ["d/secret", "d/taken"];

Deno.test("openFile() gives out nothing when the path is swapped before it opens", async () => {
  using tree = makeTree(LINES);
  const fs = await swapping(() => swapDirectory(tree));
  using opened = await Opened.at(() => openBestEffort({ fs }), tree.root);
  const located = opened.locate("d/secret");
  assertEquals(await codeOf(() => located.openFile("read")), "not-found");
  // The control: what was opened in that moment lies outside.
  assertEquals(Deno.readTextFileSync(`${tree.root}/d/secret`), SECRET);
});

Deno.test("openFile() refuses what was swapped after it was located", async () => {
  using tree = makeTree(LINES);
  using opened = await Opened.at(openBestEffort, tree.root);
  const located = opened.locate("d/secret");
  const directory = opened.locate("d");
  swapDirectory(tree);
  const options = { read: true, write: false, append: false };
  for (
    const work of [
      () => located.openFile("read"),
      () => located.openFsFile(options),
      () => directory.list(10),
      () => directory.lookup("secret"),
      () => directory.createFile("new", 0o600),
      () => directory.createDirectory("sub", 0o700),
      () => directory.removeFile("secret"),
      () => directory.removeDirectory("hollow"),
      () => directory.rename("secret", opened.locate(""), "stolen"),
      () => opened.locate("").rename("kept", directory, "hollow"),
    ]
  ) assertEquals(await codeOf(work), "path-outside-root");
  assertEquals(Deno.readTextFileSync(`${tree.outside}/secret`), SECRET);
});

Deno.test("openFile() refuses another file of the same name", async () => {
  using tree = makeTree(LINES);
  using opened = await Opened.at(openBestEffort, tree.root);
  const located = opened.locate("d/secret");
  Deno.renameSync(`${tree.root}/d/taken`, `${tree.root}/d/secret`);
  assertEquals(await codeOf(() => located.openFile("read")), "not-found");
});

Deno.test("openFsFile() gives out nothing when the path is swapped between its two opens", async () => {
  using tree = makeTree(LINES);
  using opened = await Opened.at(openBestEffort, tree.root);
  const located = opened.locate("d/secret");
  using _swap = swapBeforeOpen(() => swapDirectory(tree));
  const options = { read: true, write: false, append: false };
  assertEquals(await codeOf(() => located.openFsFile(options)), "not-found");
  assertEquals(Deno.readTextFileSync(`${tree.root}/d/secret`), SECRET);
});

Deno.test("createFile() gives out nothing when the directory is swapped before it creates", async () => {
  using tree = makeTree(LINES);
  const fs = await swapping(() => swapDirectory(tree));
  using opened = await Opened.at(() => openBestEffort({ fs }), tree.root);
  const located = opened.locate("d");
  assertEquals(await codeOf(() => located.createFile("new", 0o600)), "path-outside-root");
  // What is documented: the name may come to be outside, but no byte of content does.
  assertEquals(Deno.readTextFileSync(`${tree.outside}/new`), "");
});

Deno.test("createDirectory() tells that the directory was swapped in that moment", async () => {
  using tree = makeTree(LINES);
  using opened = await Opened.at(openBestEffort, tree.root);
  const located = opened.locate("d");
  const real = Deno.mkdirSync;
  const put = (value: typeof Deno.mkdirSync) =>
    Object.defineProperty(Deno, "mkdirSync", { value, configurable: true, writable: true });
  put((...args) => {
    swapDirectory(tree);
    real(...args);
  });
  try {
    assertEquals(await codeOf(() => located.createDirectory("new", 0o700)), "path-outside-root");
  } finally {
    put(real);
  }
});

Deno.test("a file that is replaced without node:fs is read by nobody who could not before", async () => {
  using tree = makeTree(["f", "g"]);
  await using files = await FileSecurityValidator.open({
    roots: [tree.root],
    backend: () => openBestEffort({ fs: null }),
  });
  for (const [mode, expected] of [[0o644, 0o600], [0o600, 0o600], [0o400, 0o400]] as const) {
    Deno.chmodSync(`${tree.root}/f`, mode);
    await files.writeFile("f", `${mode}`);
    assertEquals(Deno.readTextFileSync(`${tree.root}/f`), `${mode}`);
    const found = Deno.statSync(`${tree.root}/f`).mode;
    if (found !== null) assertEquals([mode, found & 0o777], [mode, expected]);
  }
  Deno.chmodSync(`${tree.root}/f`, 0o644);
  await files.copy("g", "f", { overwrite: true });
  assertEquals(Deno.readTextFileSync(`${tree.root}/f`), "inside g");
});

for (const fs of [undefined, null]) {
  const where = fs === null ? " without node:fs" : "";
  const open = () => openBestEffort(fs === null ? { fs } : {});

  Deno.test(`an upload leaves nothing when its directory is renamed meanwhile${where}`, async () => {
    using tree = makeTree(["a/d/"]);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend: open });
    for (const [from, to] of [["a/d", "a/e"], ["a", "b"]] as const) {
      Deno.mkdirSync(`${tree.root}/a/d`, { recursive: true });
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writing = codeOf(() => files.writeFile("a/d/f", readable));
      const writer = writable.getWriter();
      // The second is taken when the first was written.
      for (let chunk = 0; chunk < 2; chunk++) await writer.write(new Uint8Array(9));
      await files.rename(from, to);
      await writer.close();
      assertEquals(await writing, "not-found");
      await files.remove(from === "a" ? "b/d" : to);
    }
  });

  Deno.test(`a directory that was renamed by another process holds nothing${where}`, async () => {
    using tree = makeTree(["a/d/", "b/"]);
    using opened = await Opened.at(open, tree.root);
    const root = opened.locate("");
    const located = opened.locate("a/d");
    located.createFile("f", 0o600).close();
    root.rename("a", root, "c");
    assertEquals(located.lookup("f")?.type, "file");
    Deno.renameSync(`${tree.root}/c`, `${tree.root}/e`);
    assertEquals(await codeOf(() => located.removeFile("f")), "not-found");
    located.close();
  });
}
