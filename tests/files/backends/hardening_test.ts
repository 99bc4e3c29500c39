/** Attacks from within the process: on its permissions, its memory and its descriptors. */
import { assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import { openBestEffort } from "../../../src/files/backends/best_effort.ts";
import { openKernel } from "../../../src/files/backends/kernel.ts";
import type { OpenFile } from "../../../src/files/backends/backend.ts";
import { makeTree, type Tree } from "../_tree.ts";
import { codeOf, countDescriptors, missing, Opened, type Variant, variants } from "./_opened.ts";

const openLibc = () => openKernel("libc.so.6");
const why = await openLibc().then((backend) => backend.close(), String);
if (why !== undefined) console.log(`ignored: kernel (${why})`);
const kernel: Variant = { name: "kernel", open: openLibc, ignore: why !== undefined };
/** With every permission, `openFsFile()` gives Deno's own class. */
const kernelFile: Variant = { ...kernel, ignore: kernel.ignore || missing.length === 0 };
const EVERY: readonly Variant[] = [...variants, kernel];
if (missing.length === 0) console.log("ignored: files of FFI; another test has fewer permissions");

function testEach(
  ways: readonly Variant[],
  name: string,
  lines: readonly string[],
  fn: (opened: Opened, tree: Tree) => Promise<void>,
): void {
  for (const way of ways) {
    Deno.test({
      name: `${way.name}: ${name}`,
      ignore: way.ignore,
      fn: async () => {
        using tree = makeTree(lines);
        using opened = await Opened.at(way.open, tree.root);
        await fn(opened, tree);
      },
    });
  }
}

// --- Permissions: Deno asks at a terminal for each path that it was not granted

/** What the program below says of a series of works. */
interface Told {
  readonly codes: Readonly<Record<string, string>>;
  /** Calls of Deno with a path that is not granted, each of which would prompt. */
  readonly asked: readonly string[];
}

/** Runs `work` in a process with few permissions, for best-effort with and without `node:fs`. */
async function scoped(flags: readonly string[], work: string): Promise<Told[]> {
  const source = (path: string) => new URL(`../../../src/files/${path}`, import.meta.url).href;
  const program = `
    import { openBestEffort } from "${source("backends/best_effort.ts")}";
    import { fromSystemError } from "${source("_errors.ts")}";
    const asked = [];
    for (const name of ["realPathSync", "lstatSync", "readLinkSync", "openSync", "open", "readDir",
      "mkdirSync", "removeSync", "renameSync"]) {
      const real = Deno[name];
      const value = (path, ...rest) => {
        const { state } = Deno.permissions.querySync({ name: "read", path });
        if (state !== "granted") asked.push(name + " " + path);
        return real(path, ...rest);
      };
      Object.defineProperty(Deno, name, { value, configurable: true, writable: true });
    }
    const told = [];
    for (const options of [{}, { fs: null }]) {
      const backend = await openBestEffort(options);
      const codes = {};
      const note = async (name, work) => {
        try {
          (await work())?.close?.();
          codes[name] = "done";
        } catch (error) {
          const { code, details } = fromSystemError(error);
          codes[name] = [code, ...Object.values(details ?? {})].join(" ");
        }
      };
      const setOf = (...roots) => ({
        find: (path) => roots.find((root) => (path + "/").startsWith(root.path + "/")),
      });
      asked.length = 0;
      ${work}
      told.push({ codes, asked: [...asked] });
    }
    console.log(JSON.stringify(told));
  `;
  const process = new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", "--no-check", ...flags, "-"],
    cwd: new URL("../../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await process.output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const literal = (value: unknown): string => JSON.stringify(value);
const NO_READ = "permission-missing --allow-read";
const NO_WRITE = "permission-missing --allow-write";

Deno.test("openRoot() of best-effort does not prompt for a root that only its link grants", async () => {
  using tree = makeTree(["f"]);
  const work = `
    await note("link", () => backend.openRoot(${literal(tree.rootLink)}));
    await note("root", () => backend.openRoot(${literal(tree.root)}));`;
  const only = await scoped([`--allow-read=${tree.rootLink}`], work);
  for (const { codes, asked } of only) {
    assertEquals(codes, { link: NO_READ, root: NO_READ });
    assertEquals(asked, []);
  }
  for (const { codes } of await scoped([`--allow-read=${tree.rootLink},${tree.root}`], work)) {
    assertEquals(codes, { link: "done", root: "done" });
  }
});

Deno.test("locateAbsolute() of best-effort looks at nothing that it may not read", async () => {
  using tree = makeTree(["d/f", "$OUTSIDE/in => $ROOT/d", "$OUTSIDE/out => /nothing"]);
  const { root, outside, work: above } = tree;
  const cases = {
    [`${outside}/missing`]: "path-outside-root",
    [`${outside}/missing/more`]: "path-outside-root",
    [`${outside}/secret`]: "path-outside-root",
    [`${outside}/out`]: "path-outside-root",
    [`${outside}/in/missing`]: "not-found",
    [`${outside}/in/f`]: "done",
    // As a file's parent: the file alone may be granted.
    [above]: "path-outside-root",
    [`${above}/missing`]: "path-outside-root",
  };
  const told = await scoped(
    [`--allow-read=${root},${outside}`],
    `
    const root = backend.openRoot(${literal(root)});
    for (const path of ${literal(Object.keys(cases))}) {
      await note(path, () => backend.locateAbsolute(setOf(root), path, { symlinks: "within-root" }));
    }`,
  );
  for (const { codes, asked } of told) {
    assertEquals(codes, cases);
    assertEquals(asked, []);
  }
});

Deno.test("locate() of best-effort asks before it enters a root that was revoked", async () => {
  using tree = makeTree(["to => $OUTSIDE/dir", "gone => $OUTSIDE/nothing", "f"]);
  const { root, outside } = tree;
  const told = await scoped(
    [`--allow-read=${root},${outside}`],
    `
    const [root, other] = ${literal([root, outside])}.map((path) => backend.openRoot(path));
    const follow = { symlinks: "within-root" };
    const look = async (when) => {
      for (const path of ["to", "gone", "f"]) {
        await note(when + " " + path, () => backend.locate(setOf(root, other), root, path, follow));
      }
      await note(when + " absolute", () =>
        backend.locateAbsolute(setOf(root, other), ${literal(`${root}/to`)}, follow));
    };
    await look("before");
    const path = ${literal(outside)};
    if (options.fs !== null) continue;
    Deno.permissions.revokeSync({ name: "read", path });
    await look("after");`,
  );
  // What was revoked stays so: only the last of the two gets to it.
  for (const { codes, asked } of told) {
    assertEquals(codes, {
      ...{ "before to": "done", "before gone": "not-found", "before f": "done" },
      ...{ "before absolute": "done", "after absolute": NO_READ },
      ...{ "after to": NO_READ, "after gone": NO_READ, "after f": "done" },
    });
    assertEquals(asked, []);
  }
  assertEquals(told.length, 1);
});

Deno.test("a directory of best-effort asks before it acts by a permission that was revoked", async () => {
  using tree = makeTree(["d/f"]);
  const told = await scoped(
    [`--allow-read=${tree.root}`, `--allow-write=${tree.root}`],
    `
    if (options.fs !== null) continue;
    const path = ${literal(tree.root)};
    const root = backend.openRoot(path);
    const locate = (path) => backend.locate(setOf(root), root, path, { symlinks: "within-root" });
    const [d, f] = [locate("d"), locate("d/f")];
    const reads = {
      read: () => f.openFile("read"),
      open: () => f.openFsFile({ read: true, write: false, append: false }),
      list: () => d.list(9),
      lookup: () => d.lookup("f"),
    };
    const writes = {
      write: () => f.openFile("write"),
      append: () => f.openFile("append"),
      openWrite: () => f.openFsFile({ read: true, write: true, append: false }),
      create: () => d.createFile("g", 0o600),
      mkdir: () => d.createDirectory("g", 0o700),
      remove: () => d.removeFile("f"),
      rmdir: () => d.removeDirectory("f"),
      rename: () => d.rename("f", d, "g"),
    };
    Deno.permissions.revokeSync({ name: "write", path });
    for (const [name, work] of Object.entries({ ...reads, ...writes })) await note(name, work);
    Deno.permissions.revokeSync({ name: "read", path });
    for (const [name, work] of Object.entries(reads)) await note("revoked " + name, work);`,
  );
  assertEquals(told.length, 1);
  const [{ codes, asked }] = told as [Told];
  assertEquals(codes, {
    ...{ read: "done", open: "done", list: "done", lookup: "done" },
    ...{ write: NO_WRITE, append: NO_WRITE, openWrite: NO_WRITE, create: NO_WRITE },
    ...{ mkdir: NO_WRITE, remove: NO_WRITE, rmdir: NO_WRITE, rename: NO_WRITE },
    ...{ "revoked read": NO_READ, "revoked open": NO_READ },
    ...{ "revoked list": NO_READ, "revoked lookup": NO_READ },
  });
  assertEquals(asked, []);
  assertEquals([...Deno.readDirSync(`${tree.root}/d`)].map(({ name }) => name), ["f"]);
});

Deno.test("open() of best-effort asks nobody about the file that it just opened", async () => {
  using tree = makeTree(["f"]);
  const told = await scoped(
    [`--allow-read=${tree.root}`],
    `
    if (options.fs !== null) continue;
    const path = ${literal(tree.root)};
    const root = backend.openRoot(path);
    const f = backend.locate(setOf(root), root, "f", { symlinks: "within-root" });
    const open = Deno.open;
    Deno.open = async (...args) => {
      const file = await open(...args);
      Deno.permissions.revokeSync({ name: "read", path });
      return file;
    };
    // The flag is the word of this layer; of Deno's own refusal, which is a prompt elsewhere, nobody says it.
    await note("open", () => f.openFsFile({ read: true, write: false, append: false }));`,
  );
  assertEquals(told.map(({ codes }) => codes), [{ open: NO_READ }]);
});

// --- Links

const LINK_SYMBOLS = {
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  symlink: { parameters: ["buffer", "buffer"], result: "i32" },
} as const;

/** A C string in which `?` stands for a byte that is no UTF-8. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`).map((byte) => byte === 0x3f ? 0xff : byte);
}

testEach(
  EVERY,
  "a link to a name that is no UTF-8 leads to no other name, and tells nothing",
  ["d\ufffd/f"],
  async (opened, { root, outside }) => {
    const library = Deno.dlopen("libc.so.6", LINK_SYMBOLS);
    try {
      const { mkdir, symlink } = library.symbols;
      for (const path of [`${root}/d?`, `${root}/d?/f`, `${outside}/d?`]) {
        assertEquals(mkdir(bytesOf(path), 0o700), 0);
      }
      const links = { in: "d?", none: "n?", out: `${outside}/d?`, "out-none": `${outside}/n?` };
      for (const [name, target] of Object.entries(links)) {
        assertEquals(symlink(bytesOf(target), bytesOf(`${root}/${name}`)), 0);
      }
      for (const name of Object.keys(links)) {
        for (const path of [name, `${name}/f`]) {
          const code = await codeOf(() => opened.locate(path));
          // Of what is not there, inside, both are true.
          if (name === "none" && code === "not-found") continue;
          assertEquals([path, code], [path, "path-outside-root"]);
        }
      }
      // The control: what it would be taken for.
      assertEquals(await codeOf(() => opened.locate("d\ufffd/f")), "done");
    } finally {
      library.close();
    }
  },
);

for (const restores of [false, true]) {
  const when = restores ? "is swapped only for one look" : "is swapped right after it was resolved";
  Deno.test(`info of best-effort shows nothing of outside when a directory ${when}`, async () => {
    using tree = makeTree(["d/secret"]);
    using opened = await Opened.at(openBestEffort, tree.root);
    const { root, outside } = tree;
    const real = Deno.lstatSync;
    const put = (value: typeof Deno.lstatSync) =>
      Object.defineProperty(Deno, "lstatSync", { value, configurable: true, writable: true });
    let shown = 0;
    put((path) => {
      if (shown > 0 || path !== `${root}/d/secret`) return real(path);
      Deno.renameSync(`${root}/d`, `${root}/kept`);
      Deno.symlinkSync(outside, `${root}/d`);
      const info = real(path);
      shown = info.size;
      if (restores) {
        Deno.removeSync(`${root}/d`);
        Deno.renameSync(`${root}/kept`, `${root}/d`);
      }
      return info;
    });
    try {
      const code = await codeOf(() => opened.locate("d/secret").info);
      assertEquals(code, restores ? "not-found" : "path-outside-root");
    } finally {
      put(real);
    }
    // The control: that look was at what lies outside.
    assertEquals(shown, real(`${outside}/secret`).size);
  });
}

// --- Memory

/** Says of itself that it is longer than it is, and gives out no part but itself. */
class Liar extends Uint8Array<ArrayBuffer> {
  override get byteLength(): number {
    return 2 * super.byteLength;
  }
  override get length(): number {
    return this.byteLength;
  }
  override subarray(): Uint8Array<ArrayBuffer> {
    return this;
  }
}

/** The same by properties of a plain one. */
function liarByProperties(
  buffer: ArrayBuffer,
  start: number,
  size: number,
): Uint8Array<ArrayBuffer> {
  const view = new Uint8Array(buffer, start, size);
  return Object.defineProperties(view, {
    byteLength: { value: 2 * size },
    subarray: { value: () => view },
  });
}

const LIARS = [
  (...[buffer, start, size]: [ArrayBuffer, number, number]) => new Liar(buffer, start, size),
  liarByProperties,
];

/** One on the thread, one off it. */
const SIZES = [8, 100_000];

testEach(
  EVERY,
  "no size is believed that a Uint8Array claims to have",
  ["f"],
  async (opened, tree) => {
    for (const size of SIZES) {
      for (const lie of LIARS) {
        Deno.writeFileSync(`${tree.root}/f`, new Uint8Array(4 * size).fill(65));
        // The memory behind its end is part of the same buffer here, so that nothing else breaks.
        const around = new Uint8Array(4 * size);
        const view = lie(around.buffer, size, size);
        assertEquals(view.byteLength, 2 * size);
        const expected = new Uint8Array(4 * size).fill(65, size, 2 * size);
        const located = opened.locate("f");
        const file = located.openFile("read");
        assertEquals(await file.read(view, 0), size);
        assertEquals(around, expected);
        around.fill(0);
        assertEquals(file.readSync(view, 0), size);
        assertEquals(around, expected);
        file.close();
        const target = located.openFile("write");
        target.truncate(0);
        await target.write(view, 0);
        assertEquals(target.info().size, size);
        target.close();
        located.close();
      }
    }
  },
);

testEach([kernelFile], "open() believes no size either", ["f"], async (opened, tree) => {
  for (const size of SIZES) {
    for (const lie of LIARS) {
      Deno.writeFileSync(`${tree.root}/f`, new Uint8Array(4 * size).fill(65));
      const around = new Uint8Array(4 * size);
      const view = lie(around.buffer, size, size);
      const expected = new Uint8Array(4 * size).fill(65, size, 2 * size);
      const located = opened.locate("f");
      using file = await located.openFsFile({ read: true, write: true, append: false });
      located.close();
      assertEquals(await file.read(view), size);
      assertEquals(around, expected);
      around.fill(0);
      assertEquals(file.readSync(view), size);
      assertEquals(around, expected);
      await file.truncate();
      await file.seek(0, Deno.SeekMode.Start);
      assertEquals(await file.write(view), size);
      assertEquals(file.writeSync(view), size);
      assertEquals((await file.stat()).size, 2 * size);
      const writer = file.writable.getWriter();
      await writer.write(view);
      assertEquals((await file.stat()).size, 3 * size);
      await writer.close();
    }
  }
});

/** Views without memory: they are not empty ones. */
function gone(): Uint8Array<ArrayBuffer>[] {
  const transferred = new Uint8Array(8);
  transferred.buffer.transfer();
  const cut = new Uint8Array(new ArrayBuffer(16, { maxByteLength: 16 }), 4, 8);
  (cut.buffer as ArrayBuffer).resize(6);
  return [transferred, cut];
}

testEach(
  EVERY,
  "a view without memory is a mistake, an empty one is not",
  ["f"],
  async (opened) => {
    const located = opened.locate("f");
    const [reader, writer] = [located.openFile("read"), located.openFile("write")];
    for (const view of gone()) {
      assertEquals(view.byteLength, 0);
      assertThrows(() => reader.readSync(view, 0), TypeError);
      await assertRejects(() => reader.read(view, 0), TypeError);
      await assertRejects(() => writer.write(view, 0), TypeError);
    }
    const empty = [new Uint8Array(), new Uint8Array(new ArrayBuffer(8, { maxByteLength: 8 }), 8)];
    for (const view of empty) {
      assertEquals(reader.readSync(view, 0), 0);
      assertEquals(await reader.read(view, 0), 0);
      await writer.write(view, 0);
    }
    assertEquals(reader.info().size, "inside f".length);
    reader.close();
    writer.close();
    located.close();
  },
);

testEach([kernelFile], "open() takes no view without memory", ["f"], async (opened) => {
  const located = opened.locate("f");
  using file = await located.openFsFile({ read: true, write: true, append: false });
  located.close();
  for (const view of gone()) {
    assertThrows(() => file.readSync(view), TypeError);
    assertThrows(() => file.writeSync(view), TypeError);
    await assertRejects(() => file.read(view), TypeError);
    await assertRejects(() => file.write(view), TypeError);
  }
  assertEquals(await file.read(new Uint8Array()), 0);
  assertEquals(await file.write(new Uint8Array()), 0);
});

/** Ways to take the memory away from under a call that runs on another thread. */
const LOSSES: readonly [string, (buffer: ArrayBuffer) => void][] = [
  ["transferred", (buffer) => void buffer.transfer()],
  ["cut off", (buffer) => buffer.resize(0)],
  ["shortened", (buffer) => buffer.resize(70_000)],
];
const LARGE_BYTES = 3 * 1024 * 1024;

for (const [loss, lose] of LOSSES) {
  const name = `a buffer that is ${loss} while it is read into or written from is a mistake`;
  testEach(EVERY, name, ["size f 4000000"], async (opened) => {
    const located = opened.locate("f");
    const files = { read: located.openFile("read"), write: located.openFile("write") };
    const calls: readonly ((view: Uint8Array) => Promise<unknown>)[] = [
      (view) => files.read.read(view, 0),
      // At the end nothing comes; the answer is the same.
      (view) => files.read.read(view, 4_000_000),
      (view) => files.write.write(view, 0),
    ];
    for (const call of calls) {
      // One of a fixed length, and one that follows the buffer.
      for (const length of [LARGE_BYTES, undefined]) {
        const buffer = new ArrayBuffer(LARGE_BYTES, { maxByteLength: LARGE_BYTES });
        const running = call(new Uint8Array(buffer, 0, length));
        lose(buffer);
        await assertRejects(() => running, TypeError);
      }
    }
    files.read.close();
    files.write.close();
    located.close();
  });
}

// --- Descriptors

testEach([kernel], "files that stay open hold one descriptor each", ["f"], async (opened) => {
  const count = (): Promise<number> => countDescriptors(opened.backend);
  const before = await count();
  const many = 20;
  const files: OpenFile[] = [];
  for (let index = 0; index < many; index++) {
    const located = opened.locate("f");
    files.push(located.openFile("read"));
    located.close();
  }
  // The last one may still have the handle that found it next to its own.
  assertLessOrEqual(await count(), before + many + 1);
  for (const file of files) {
    assertEquals(file.readSync(new Uint8Array(8), 0), 8);
    file.close();
  }
  assertEquals(await count(), before);
});
