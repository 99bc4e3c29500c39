import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../../src/errors.ts";
import { fromSystemError } from "../../../src/files/_errors.ts";
import { missingForFdVerified } from "../../../src/files/backends/fd_verified.ts";
import { openKernel } from "../../../src/files/backends/kernel.ts";
import { Libc, type Symbols } from "../../../src/files/backends/_libc.ts";
import type { FileBackend, Located } from "../../../src/files/backends/backend.ts";
import { FileSecurityValidator } from "../../../src/files/file_security_validator.ts";
import { makeTree, SECRET, type Tree } from "../_tree.ts";
import { codeOf, countDescriptors, DENY, FOLLOW, Opened } from "./_opened.ts";

const LIBRARY = "libc.so.6";
const open = (): Promise<FileBackend> => openKernel(LIBRARY);
const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Why there is nothing to test, if so. */
const reason = await open().then((backend) => backend.close(), String);
if (reason !== undefined) console.log(`ignored: kernel (${reason})`);
const hasEveryPermission = missingForFdVerified().length === 0;

function test(
  name: string,
  lines: readonly string[],
  fn: (opened: Opened, tree: Tree) => void | Promise<void>,
  ignore = false,
): void {
  Deno.test({
    name: `kernel: ${name}`,
    ignore: ignore || reason !== undefined,
    fn: async () => {
      using tree = makeTree(lines);
      using opened = await Opened.at(open, tree.root);
      await fn(opened, tree);
    },
  });
}

function contentOf(located: Located): string {
  const file = located.openFile("read");
  const into = new Uint8Array(64);
  try {
    return new TextDecoder().decode(into.subarray(0, file.readSync(into, 0)));
  } finally {
    file.close();
  }
}

test("locate() finds what lies inside and nothing else", [
  "a/b/f",
  "in => a/b",
  "absolute => $ROOT/a/b/f",
  "detour => ../ROOT/a/b/f",
  "dangling => $ROOT/a/nothing",
  "out => ../OUTSIDE/secret",
  "out-absolute => $OUTSIDE/secret",
  "out-missing => $OUTSIDE/nothing",
  "magic => /proc/self/root",
  "loop => loop",
], async (opened, tree) => {
  const cases: readonly [path: string, follow: string, deny: string][] = [
    ["a/b/f", "a/b/f", "a/b/f"],
    ["in/f", "a/b/f", "symlink-denied"],
    ["absolute", "a/b/f", "symlink-denied"],
    ["detour", "a/b/f", "symlink-denied"],
    ["dangling", "not-found", "symlink-denied"],
    ["out", "path-outside-root", "symlink-denied"],
    ["out-absolute", "path-outside-root", "symlink-denied"],
    ["out-missing", "path-outside-root", "symlink-denied"],
    [`magic${"$ROOT"}/a/b/f`, "path-outside-root", "symlink-denied"],
    ["loop", "symlink-loop", "symlink-denied"],
    ["../OUTSIDE/secret", "path-outside-root", "path-outside-root"],
    ["a/\0", "path-invalid", "path-invalid"],
    ["a/\0\u00e9", "path-invalid", "path-invalid"],
    ["a/\ud800", "path-invalid", "path-invalid"],
    ["x/".repeat(2048) + "x", "name-too-long", "name-too-long"],
    ["\u00e9/".repeat(1400), "name-too-long", "name-too-long"],
    ["n".repeat(256), "name-too-long", "name-too-long"],
  ];
  const found = async (path: string, options: typeof FOLLOW): Promise<string> => {
    let name = "";
    const code = await codeOf(() => {
      const located = opened.locate(path, options);
      name = located.path.slice(tree.root.length + 1);
      return located;
    });
    return code === "done" ? name : code;
  };
  const actual: typeof cases[number][] = [];
  for (const [path] of cases) {
    const whole = tree.expand(path);
    actual.push([path, await found(whole, FOLLOW), await found(whole, DENY)]);
  }
  assertEquals(actual, cases);
  // The control: without the check, the same link shows what lies outside.
  assertEquals(Deno.readTextFileSync(`${tree.root}/out`), SECRET);
});

test(
  "a handle is let go whatever happens",
  ["f", "d/", "out => $OUTSIDE/secret"],
  async (opened) => {
    const { backend } = opened;
    const before = await countDescriptors(backend);
    for (let round = 0; round < 20; round++) {
      for (const path of ["f", "d", "nothing", "out"]) await codeOf(() => opened.locate(path));
      // Both orders: the handle that found a small file may be closed together with the file.
      const located = opened.locate("f");
      assertEquals(contentOf(located), "inside f");
      const file = located.openFile("read");
      located.close();
      located.close();
      assertEquals(file.readSync(new Uint8Array(9), 0), 8);
      file.close();
      file.close();
      const again = opened.locate("f");
      const large = again.openFile("read");
      again.close();
      assertEquals(await large.read(new Uint8Array(9), 0), 8);
      large.close();
    }
    assertEquals(await countDescriptors(backend), before);
    // The control: what is not closed is counted.
    const held = opened.locate("f");
    assertEquals(await countDescriptors(backend), before + 1);
    held.close();
  },
);

test("a name that is not UTF-8 is shown and leads nowhere", ["d/"], async (opened) => {
  const libc = Libc.load(LIBRARY);
  try {
    const located = opened.locate("d");
    const how = new Uint32Array([0o100 | 0o1 | 0o2000000, 0, 0o600, 0, 0, 0]);
    const odd = new Uint8Array([0x61, 0xff, 0]);
    const path = utf8(`${located.path}/`);
    const name = new Uint8Array([...path, ...odd]);
    libc.symbols.close(libc.check("open", libc.symbols.openat2(437n, -100, name, how, 24n)));
    assertEquals(await located.list(10), [{ name: "a\ufffd", type: "file" }]);
    assertEquals(located.lookup("a\ufffd"), undefined);
    assertEquals(await codeOf(() => opened.locate("d/a\ufffd")), "not-found");
    located.close();
  } finally {
    libc.release();
  }
});

test("locate() refuses what is too deep for a name", ["d/"], async (opened) => {
  // Deeper than any path can say: made, and found again, one handle after the other.
  const step = "n".repeat(200);
  const located: Located[] = [opened.locate("d")];
  const { backend } = opened;
  const root = backend.openRoot(opened.root.path);
  try {
    let at = "d";
    let code = "";
    for (let depth = 0; depth < 30 && code === ""; depth++) {
      located.at(-1)?.createDirectory(step, 0o700);
      at += `/${step}`;
      try {
        located.push(opened.locate(at));
      } catch (error) {
        code = await codeOf(() => {
          throw error;
        });
      }
    }
    assertEquals(code, "name-too-long");
  } finally {
    for (const one of located) one.close();
    root.close();
  }
});

test(
  "a removed name is not-found though the file lives on",
  ["f", "hard g f"],
  async (opened, tree) => {
    const located = opened.locate("f");
    Deno.removeSync(`${tree.root}/f`);
    // By its handle it is what it was, and nobody else's.
    assertEquals(contentOf(located), "inside f");
    assertEquals(located.info.nlink, 1);
    located.close();
    assertEquals(await codeOf(() => opened.locate("f")), "not-found");
    Deno.writeTextFileSync(`${tree.root}/f (deleted)`, "its real name");
    const real = opened.locate("f (deleted)");
    assertEquals(contentOf(real), "its real name");
    real.close();
  },
);

test("list() goes on off the thread and stays bounded", ["d/"], async (opened, tree) => {
  const names = Array.from({ length: 5000 }, (_, index) => `${index}`.padStart(40, "0"));
  for (const name of names) Deno.writeFileSync(`${tree.root}/d/${name}`, new Uint8Array());
  const located = opened.locate("d");
  const listing = located.list(names.length);
  assertInstanceOf(listing, Promise);
  assertEquals((await listing).map(({ name }) => name).sort(), names);
  for (const limit of [names.length - 1, 100, 0]) {
    const error = await assertRejects(async () => await located.list(limit), SecurityError);
    assertEquals([limit, error.code], [limit, "too-many-entries"]);
  }
  located.close();
});

test("list() needs no memory of its own for each directory", ["d/f", "e/"], async (opened) => {
  const libc = Libc.load(LIBRARY);
  const { symbols } = libc;
  const rooms = new Set<unknown>();
  (libc as { symbols: Symbols }).symbols = {
    ...symbols,
    getdents: (call, number, room, length) => {
      rooms.add(room);
      return symbols.getdents(call, number, room, length);
    },
  };
  try {
    for (const [path, names] of [["d", "f"], ["e", ""], ["", "d e"]] as const) {
      const located = opened.locate(path);
      assertEquals((await located.list(9)).map(({ name }) => name).sort().join(" "), names);
      located.close();
    }
  } finally {
    (libc as { symbols: Symbols }).symbols = symbols;
    libc.release();
  }
  assertEquals(rooms.size, 1);
});

test("read() and write() survive a buffer that is transferred meanwhile", ["f"], async (opened) => {
  const located = opened.locate("f");
  const file = located.openFile("write");
  const size = 1024 * 1024;
  const bytes = new Uint8Array(size).fill(7);
  await file.write(bytes, 0);
  const writing = file.write(bytes, 0);
  const taken = bytes.buffer.transfer();
  await assertRejects(() => writing, TypeError, "detached");
  const reader = located.openFile("read");
  const into = new Uint8Array(size);
  const reading = reader.read(into, 0);
  const kept = new Uint8Array(into.buffer.transfer());
  await assertRejects(() => reading, TypeError, "detached");
  // Nothing is written to memory that belongs to somebody else by now.
  assert(kept.every((byte) => byte === 0));
  assertEquals(taken.byteLength, size);
  file.close();
  reader.close();
  located.close();
});

test("close() of the backend waits for what is still open", ["f"], async (opened, tree) => {
  const backend = await openKernel(LIBRARY);
  const root = backend.openRoot(tree.root);
  const located = backend.locate({ find: () => root }, root, "f", FOLLOW);
  const file = located.openFile("read");
  backend.close();
  backend.close();
  assertEquals(file.readSync(new Uint8Array(4), 0), 4);
  assertEquals(await codeOf(() => backend.openRoot(tree.root)), "closed");
  const set = { find: () => root };
  assertEquals(await codeOf(() => backend.locate(set, root, "f", FOLLOW)), "closed");
  assertEquals(await codeOf(() => backend.locateAbsolute(set, "/", FOLLOW)), "closed");
  located.close();
  file.close();
  root.close();
  assertEquals(await codeOf(() => file.info()), "closed");
  // The other backend, of the same library, is not disturbed.
  opened.locate("f").close();
});

test("what belongs to another backend is refused", ["f"], (opened) => {
  const foreign = { path: opened.root.path, close: () => {} };
  const { backend, set } = opened;
  assertThrows(() => backend.locate(set, foreign, "f", FOLLOW), TypeError);
  const located = opened.locate("");
  const other: Located = { ...located, root: foreign, path: "/" } as Located;
  assertThrows(() => located.rename("f", other, "g"), TypeError);
  located.close();
});

const KEEP = { overwrite: false };

test("rename() replaces nothing when told so", ["f", "g", "d/", "e/", "l => nothing"], (opened) => {
  const directory = opened.locate("");
  for (const [from, to] of [["f", "g"], ["f", "d"], ["d", "e"], ["f", "l"], ["l", "f"]] as const) {
    const error = assertThrows(() => directory.rename(from, directory, to, KEEP));
    assertEquals([from, to, fromSystemError(error).code], [from, to, "already-exists"]);
  }
  directory.rename("f", directory, "h", KEEP);
  assertEquals([directory.lookup("f"), directory.lookup("h")?.type], [undefined, "file"]);
  // The control: nobody is told that it is kept without asking.
  directory.rename("h", directory, "g");
  directory.close();
});

/** Does something between a look at a name and the renaming. */
async function openBeforeRename(happen: () => void): Promise<FileBackend> {
  const backend = await open();
  const { locate } = backend;
  backend.locate = (...args) => {
    const located = locate.apply(backend, args);
    const { rename } = located;
    located.rename = (...args) => {
      happen();
      rename.apply(located, args);
    };
    return located;
  };
  return backend;
}

test("rename() keeps what appears after the look", ["f", "d/x"], async (_opened, tree) => {
  const theirs = `${tree.root}/theirs`;
  const appear = () => Deno.writeTextFileSync(theirs, "theirs", { createNew: true });
  await using files = await FileSecurityValidator.open({
    roots: [tree.root],
    backend: () => openBeforeRename(appear),
  });
  for (const name of ["f", "d"]) {
    assertEquals(await codeOf(() => files.rename(name, "theirs")), "already-exists", name);
    assertEquals(Deno.readTextFileSync(theirs), "theirs");
    assertEquals(await files.readTextFile("f"), "inside f");
    Deno.removeSync(theirs);
  }
  // The control: it is there, and would be replaced.
  await files.rename("f", "theirs", { overwrite: true });
  assertEquals(Deno.readTextFileSync(theirs), "inside f");
});

test(
  "rename() looks first where the file system cannot refuse",
  ["f", "g"],
  async (_opened, tree) => {
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend: open });
    // Every backend of this process calls the same library.
    const libc = Libc.load(LIBRARY);
    const { symbols } = libc;
    const asked: number[] = [];
    const unknownFlag = 0x8000;
    (libc as { symbols: Symbols }).symbols = {
      ...symbols,
      renameat2: (call, from, name, to, target, flags) => {
        asked.push(flags);
        // What the kernel says to a flag that a file system does not know.
        return symbols.renameat2(call, from, name, to, target, unknownFlag);
      },
    };
    try {
      assertEquals(await codeOf(() => files.rename("f", "g")), "already-exists");
      await files.rename("f", "h");
    } finally {
      (libc as { symbols: Symbols }).symbols = symbols;
      libc.release();
    }
    assertEquals(asked, [1]);
    assertEquals([...Deno.readDirSync(tree.root)].map(({ name }) => name).sort(), ["g", "h"]);
  },
);

test(
  "openFsFile() gives something with all methods of Deno.FsFile",
  ["f"],
  async (opened, tree) => {
    const located = opened.locate("f");
    const file = await located.openFsFile({ read: true, write: true, append: false });
    const append = await located.openFsFile({ read: false, write: false, append: true });
    const peer = Deno.openSync(`${tree.root}/f`, { read: true, write: true });
    try {
      for (const key of Object.getOwnPropertyNames(Deno.FsFile.prototype)) {
        assert(key in file, key);
      }
      const into = new Uint8Array(6);
      assertEquals(await file.read(into), 6);
      assertEquals(file.readSync(into), 2);
      assertEquals(await file.read(into), null);
      assertEquals(file.readSync(into), null);
      assertEquals(file.readSync(new Uint8Array()), 0);
      assertEquals(await file.seek(-4, Deno.SeekMode.End), 4);
      assertEquals(file.seekSync(1n, Deno.SeekMode.Current), 5);
      assertEquals(file.seekSync(0, Deno.SeekMode.Start), 0);
      assertThrows(() => file.seekSync(-1, Deno.SeekMode.Start), TypeError);
      assertEquals(file.writeSync(utf8("IN")), 2);
      assertEquals(await file.write(utf8("SIDE")), 4);
      assertEquals(await append.write(utf8("!")), 1);
      assertEquals(Deno.readTextFileSync(`${tree.root}/f`), "INSIDE f!");

      await file.utime(new Date(1_000_500), 2);
      const [mine, its] = [await file.stat(), peer.statSync()];
      assertEquals(mine.mtime?.getTime(), 2000);
      for (
        const key of [
          "isFile",
          "size",
          "dev",
          "ino",
          "mode",
          "nlink",
          "uid",
          "gid",
          "blocks",
        ] as const
      ) {
        assertEquals([key, mine[key]], [key, its[key]]);
      }
      assertEquals([mine.atime, mine.mtime], [its.atime, its.mtime]);
      assertThrows(() => file.utimeSync(NaN, 0), TypeError);

      await file.lock(true);
      assertEquals(await peer.tryLock(true), false);
      await file.unlock();
      peer.lockSync(true);
      assertEquals(await file.tryLock(), false);
      peer.unlockSync();
      assertEquals(file.tryLockSync(), true);
      file.unlockSync();
      file.lockSync();
      file.unlockSync();

      await file.truncate(3);
      assertEquals(file.statSync().size, 3);
      file.truncateSync();
      await file.sync();
      await file.syncData();
      file.syncSync();
      file.syncDataSync();
      assertEquals(file.isTerminal(), false);
      assertThrows(() => file.setRaw(true), TypeError);

      const large = new Uint8Array(300_000).map((_, index) => index);
      file.seekSync(0, Deno.SeekMode.Start);
      const writer = file.writable.getWriter();
      await writer.write(large);
      file.seekSync(0, Deno.SeekMode.Start);
      const whole = new Uint8Array(await new Response(file.readable).arrayBuffer());
      assertEquals(whole, large);
      assertEquals(await codeOf(() => file.statSync()), "closed");
      assertThrows(() => append.readSync(into));
    } finally {
      located.close();
      peer.close();
      file.close();
      append.close();
    }
  },
  hasEveryPermission,
);

test("openFsFile() takes no size and no position that is none", ["f"], async (opened) => {
  const located = opened.locate("f");
  using file = await located.openFsFile({ read: true, write: true, append: false });
  located.close();
  for (const size of [-1, 1.5, NaN, Infinity, 2 ** 53, 2 ** 64, 2 ** 65 + 2 ** 13]) {
    assertThrows(() => file.truncateSync(size), TypeError, `${size}`);
    await assertRejects(() => file.truncate(size), TypeError);
  }
  for (const whence of [-1, 3, 7, 1.5]) {
    assertThrows(() => file.seekSync(3, whence), TypeError, `${whence}`);
    await assertRejects(() => file.seek(3, whence), TypeError);
  }
  assertThrows(() => file.utimeSync(2 ** 64, 0), TypeError);
  assertEquals(file.seekSync(0, Deno.SeekMode.Current), 0);
  assertEquals(file.statSync().size, "inside f".length);
}, hasEveryPermission);

test("openFsFile() gives Deno's own class where it can", ["f"], async (opened) => {
  const located = opened.locate("f");
  const file = await located.openFsFile({ read: true, write: false, append: false });
  located.close();
  assertInstanceOf(file, Deno.FsFile);
  assertEquals(await new Response(file.readable).text(), "inside f");
}, !hasEveryPermission);

test("openFsFile() stops a stream with its reader", ["f"], async (opened) => {
  const located = opened.locate("f");
  const read = await located.openFsFile({ read: true, write: false, append: false });
  await read.readable.cancel();
  assertEquals(await codeOf(() => read[Symbol.dispose]()), "done");
  const write = await located.openFsFile({ read: false, write: true, append: false });
  await write.writable.abort();
  located.close();
});

Deno.test({
  name: "openHandles() lets go of /proc when there is no descriptor left for the root",
  ignore: reason !== undefined,
  fn: () => {
    const libc = Libc.load(LIBRARY);
    const { symbols } = libc;
    const [opened, closed]: [number[], number[]] = [[], []];
    (libc as { symbols: Symbols }).symbols = {
      ...symbols,
      openat2: (call, directory, path, how, size) => {
        // Of a descriptor that is none, as an error of the system.
        if (opened.length > 0) return symbols.close(-1);
        opened.push(symbols.openat2(call, directory, path, how, size));
        return opened[0] ?? -1;
      },
      close: (number) => {
        closed.push(number);
        return symbols.close(number);
      },
    };
    try {
      assertThrows(() => libc.openHandles());
    } finally {
      (libc as { symbols: Symbols }).symbols = symbols;
      libc.release();
    }
    assertEquals(closed, opened);
  },
});

Deno.test({
  name: "openKernel() rejects with protection-unavailable when the library does not do",
  ignore: reason !== undefined,
  fn: async () => {
    using tree = makeTree(["text.so"]);
    for (const library of ["libbartizan-is-not-there.so.1", `${tree.root}/text.so`]) {
      const error = await assertRejects(() => openKernel(library), SecurityError);
      assertEquals(error.code, "protection-unavailable");
      assertEquals(error.details.missing, ["library"]);
    }
  },
});
