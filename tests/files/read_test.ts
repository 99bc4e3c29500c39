import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  fail,
} from "@std/assert";
import { FileSecurityValidator, MiB, SecurityError } from "@bartizan/security";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { availableBackends } from "./_backends.ts";
import { makeTree, type Tree } from "./_tree.ts";
import { type Hooks, OpenHandles, wrapBackend } from "./_wrapped_backend.ts";

type Options = Omit<Parameters<typeof FileSecurityValidator.open>[0], "roots">;

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, SecurityError)).code;
}

/** Bytes of which each tells where it lies. */
function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
}

function put(tree: Tree, name: string, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  Deno.writeFileSync(`${tree.root}/${name}`, bytes);
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(
    await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer(),
  );
}

/** Every way to read a whole file, as bytes. */
const READERS: Readonly<
  Record<string, (files: FileSecurityValidator, path: string) => Promise<Uint8Array>>
> = {
  readFile: (files, path) => files.readFile(path),
  readTextFile: async (files, path) => new TextEncoder().encode(await files.readTextFile(path)),
  readRange: (files, path) => files.readRange(path),
  readInto: async (files, path) => {
    const buffer = new Uint8Array(4 * MiB);
    return buffer.subarray(0, await files.readInto(path, buffer));
  },
  readable: async (files, path) => await collect(await files.readable(path)),
};

const KIB = 1024;

for (const { protection, backend } of await availableBackends()) {
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test(`FileSecurityValidator (${protection}) ${name}`, fn);
  const open = (tree: Tree, options: Options = {}) =>
    FileSecurityValidator.open({ roots: [tree.root], backend, ...options });
  /** A validator whose backend a test can watch. */
  const watched = (tree: Tree, hooks: Hooks, options: Options = {}) => {
    const handles = new OpenHandles();
    const wrapped = wrapBackend(backend, hooks, handles);
    return { handles, opening: open(tree, { backend: wrapped, ...options }) };
  };

  test("reads files of every size as they are", async () => {
    using tree = makeTree([]);
    await using files = await open(tree);
    for (const size of [0, 1, 1000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MiB, 2 * MiB + 7]) {
      const expected = pattern(size);
      put(tree, "f", expected);
      for (const name of ["readFile", "readRange", "readInto", "readable"]) {
        const bytes = await READERS[name]!(files, "f");
        assertEquals(bytes.byteLength, size, name);
        assertEquals(bytes.every((byte, at) => byte === expected[at]), true, `${name} ${size}`);
      }
      // Nothing of another file hangs on to it.
      assertEquals((await files.readFile("f")).buffer.byteLength, size);
    }
  });

  test("two reads at once do not see each other's bytes", async () => {
    using tree = makeTree([]);
    await using files = await open(tree);
    const names = Array.from({ length: 20 }, (_, at) => `f${at}`);
    names.forEach((name, at) => put(tree, name, new Uint8Array(at % 2 ? 100 : 70_000).fill(at)));
    const results = await Promise.all(names.map((name) => files.readFile(name)));
    results.forEach((bytes, at) => assertEquals(bytes.every((byte) => byte === at), true));
  });

  test("accepts a file of the largest size, and none that is larger", async () => {
    using tree = makeTree(["size sparse 10737418240"]);
    for (const limit of [0, 1, 100, 64 * KIB, 100_000]) {
      await using files = await open(tree, { policy: { maxFileSizeBytes: limit } });
      put(tree, "ok", "x".repeat(limit));
      put(tree, "over", "x".repeat(limit + 1));
      for (const [name, read] of Object.entries(READERS)) {
        assertEquals((await read(files, "ok")).byteLength, limit, name);
        assertEquals(await codeOf(() => read(files, "over")), "file-too-large", name);
        assertEquals(await codeOf(() => read(files, "sparse")), "file-too-large", name);
      }
      assertEquals(await codeOf(() => files.open("over")), "file-too-large");
    }
  });

  test("maxBytes lowers the limit, and does not raise it", async () => {
    using tree = makeTree([]);
    put(tree, "f", "x".repeat(50));
    await using files = await open(tree, { policy: { maxFileSizeBytes: 40 } });
    await using larger = await open(tree, { policy: { maxFileSizeBytes: 60 } });
    const works = [
      (maxBytes: number) => files.readFile("f", { maxBytes }),
      (maxBytes: number) => files.readTextFile("f", { maxBytes }),
      (maxBytes: number) => files.readable("f", { maxBytes }),
    ];
    for (const work of works) {
      assertEquals(await codeOf(() => work(1000)), "file-too-large");
      for (const bad of [-1, 0.5, NaN]) await assertRejects(() => work(bad), RangeError);
    }
    assertEquals(await codeOf(() => larger.readFile("f", { maxBytes: 49 })), "file-too-large");
    assertEquals((await larger.readFile("f", { maxBytes: 50 })).byteLength, 50);
  });

  test("reads all of a file that is larger than it says, up to the limit", async () => {
    using tree = makeTree([]);
    const policy = { maxFileSizeBytes: 100_000 };
    for (const said of [0, 10, 65_000]) {
      const lie = { info: (truth: { size: number }) => ({ ...truth, size: said }) as never };
      const { opening } = watched(tree, lie, { policy });
      await using files = await opening;
      for (const size of [said + 1, 70_000, 100_000]) {
        put(tree, "f", "y".repeat(size));
        for (const [name, read] of Object.entries(READERS)) {
          assertEquals((await read(files, "f")).byteLength, size, `${name} ${size}`);
        }
      }
      put(tree, "f", "y".repeat(100_001));
      for (const [name, read] of Object.entries(READERS)) {
        const work = () => read(files, "f");
        if (name === "readable") await assertRejects(work);
        else assertEquals(await codeOf(work), "file-too-large", `${name} ${said}`);
      }
    }
  });

  test("notices a file that grows while it is read", async () => {
    using tree = makeTree([]);
    const grow = () =>
      Deno.writeFileSync(`${tree.root}/f`, new Uint8Array(50_000), { append: true });
    for (const read of ["readFile", "readTextFile", "readRange", "readInto"]) {
      put(tree, "f", new Uint8Array(100_000));
      let times = 0;
      const { handles, opening } = watched(tree, {
        async aroundRead(_into, read) {
          if (times++ === 0) grow();
          return await read();
        },
      }, { policy: { maxFileSizeBytes: 120_000 } });
      await using files = await opening;
      assertEquals(await codeOf(() => READERS[read]!(files, "f")), "file-too-large", read);
      assertEquals(handles.count, 0);
    }
  });

  test("reads what is left of a file that shrinks", async () => {
    using tree = makeTree([]);
    put(tree, "f", pattern(200_000));
    const { opening } = watched(tree, {
      async aroundRead(_into, read) {
        Deno.truncateSync(`${tree.root}/f`, 70_000);
        return await read();
      },
    });
    await using files = await opening;
    assertEquals(await files.readFile("f"), pattern(70_000));
  });

  test("readTextFile() refuses what is not UTF-8, and keeps a byte order mark", async () => {
    using tree = makeTree([]);
    await using files = await open(tree);
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
      put(tree, "f", Uint8Array.from(bytes));
      assertEquals(await codeOf(() => files.readTextFile("f")), "not-utf8");
    }
    for (const text of ["\uFEFFhello", "grüße 🏰", ""]) {
      put(tree, "f", text);
      assertEquals(await files.readTextFile("f"), text);
    }
  });

  test("readRange() reads the part that there is", async () => {
    using tree = makeTree([]);
    await using files = await open(tree);
    for (const size of [1000, 200_000]) {
      const expected = pattern(size);
      put(tree, "f", expected);
      for (const offset of [0, 1, 999, size - 1, size, size + 1, Number.MAX_SAFE_INTEGER]) {
        for (const length of [0, 1, 500, 66_000, size, Number.MAX_SAFE_INTEGER]) {
          const end = Math.min(size, offset + length);
          assertEquals(
            await files.readRange("f", { offset, length }),
            expected.slice(offset, Math.max(offset, end)),
            `${offset} ${length}`,
          );
        }
      }
    }
    for (const bad of [-1, 1.5, NaN, Infinity, "1" as unknown as number]) {
      await assertRejects(() => files.readRange("f", { offset: bad }), RangeError);
    }
    for (const bad of [-1, 1.5, NaN]) {
      await assertRejects(() => files.readRange("f", { length: bad }), RangeError);
    }
  });

  test("readInto() fills the part of the buffer that is meant, and nothing else", async () => {
    using tree = makeTree([]);
    await using files = await open(tree);
    for (const size of [100, 150_000]) {
      const expected = pattern(size);
      put(tree, "f", expected);
      const whole = new Uint8Array(size + 20).fill(7);
      // A view that does not begin at the beginning of its memory.
      const buffer = whole.subarray(5, size + 15);
      assertEquals(await files.readInto("f", buffer, { offset: 10, bufferOffset: 3 }), size - 10);
      assertEquals(buffer.slice(3, 3 + size - 10), expected.slice(10));
      assertEquals(whole.slice(0, 8), new Uint8Array(8).fill(7));
      assertEquals(whole.slice(5 + 3 + size - 10), new Uint8Array(22).fill(7));
      assertEquals(await files.readInto("f", buffer, { length: 2 }), 2);
      assertEquals(await files.readInto("f", buffer, { offset: size }), 0);
      assertEquals(await files.readInto("f", buffer, { bufferOffset: buffer.byteLength }), 0);
    }
    const buffer = new Uint8Array(10);
    const bad: { offset?: number; bufferOffset?: number; length?: number }[] = [
      { bufferOffset: 11 },
      { bufferOffset: -1 },
      { length: 11 },
      { bufferOffset: 5, length: 6 },
      { length: -1 },
      { length: 0.5 },
      { offset: -1 },
      { offset: NaN },
    ];
    for (const options of bad) {
      await assertRejects(() => files.readInto("f", buffer, options), RangeError);
    }
    for (
      const other of [new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), [1], "x", undefined]
    ) {
      await assertRejects(() => files.readInto("f", other as unknown as Uint8Array), TypeError);
    }
    assertEquals(buffer, new Uint8Array(10));
  });

  test("readInto() writes nothing above the limit into the buffer", async () => {
    using tree = makeTree([]);
    const lie = { info: (truth: { size: number }) => ({ ...truth, size: 1 }) as never };
    const { opening } = watched(tree, lie, { policy: { maxFileSizeBytes: 8 } });
    await using files = await opening;
    put(tree, "f", "x".repeat(50));
    const buffer = new Uint8Array(20);
    assertEquals(await codeOf(() => files.readInto("f", buffer)), "file-too-large");
    assertEquals(buffer.subarray(8), new Uint8Array(12));
    assertEquals(
      await codeOf(() => files.readRange("f", { offset: 8, length: 1 })),
      "file-too-large",
    );
    assertEquals((await files.readRange("f", { offset: 2, length: 6 })).byteLength, 6);
  });

  test("an abort ends a read at every await, and leaves nothing open", async () => {
    using tree = makeTree([]);
    put(tree, "f", new Uint8Array(3 * MiB));
    const reason = new Error("enough");
    for (const [name, work] of Object.entries(ABORTABLE)) {
      let count = 0;
      let abortAt = -1;
      let controller = new AbortController();
      const { handles, opening } = watched(tree, {
        async aroundRead(_into, read) {
          if (count++ === abortAt) controller.abort(reason);
          return await read();
        },
      });
      await using files = await opening;
      await work(files, controller.signal);
      const reads = count;
      for (abortAt = 0; abortAt < reads; abortAt++) {
        count = 0;
        controller = new AbortController();
        const result = await work(files, controller.signal).then(() => "done", (error) => error);
        assertStrictEquals(result, reason, `${name} ${abortAt}`);
        // A stream fails at once; what it is reading ends a little later.
        if (name !== "readable") assertEquals(handles.count, 0);
      }
      // The permits came back.
      assertEquals((await files.readFile("f")).byteLength, 3 * MiB);
      await files.close();
      assertEquals(handles.count, 0);
      if (reads < 3) fail(`${name} reads ${reads} times only`);
    }
  });

  test("an abort ends a wait for a permit", async () => {
    using tree = makeTree([]);
    put(tree, "f", new Uint8Array(MiB));
    for (const audit of [undefined, { report() {} }]) {
      await using files = await open(tree, {
        resources: { maxConcurrentOperations: 1 },
        ...(audit === undefined ? {} : { audit }),
      });
      const controller = new AbortController();
      const first = files.readFile("f");
      const second = files.readFile("f", { signal: controller.signal });
      const third = files.validate("f");
      controller.abort();
      assertInstanceOf(await second.catch((error) => error), DOMException);
      assertEquals((await first).byteLength, MiB);
      await third;
    }
  });

  test("readable() holds no permit while nobody reads, and closes its handle", async () => {
    using tree = makeTree([]);
    put(tree, "f", pattern(300_000));
    const { handles, opening } = watched(tree, {}, { resources: { maxConcurrentOperations: 1 } });
    await using files = await opening;
    const slow = await files.readable("f");
    const reader = slow.getReader();
    await reader.read();
    assertEquals(handles.count, 1);
    assertEquals(await collect(await files.readable("f")), pattern(300_000));
    assertEquals((await files.readFile("f")).byteLength, 300_000);
    await files.writeFile("f", "changed meanwhile");
    await reader.cancel();
    assertEquals(handles.count, 0);
  });

  test("readable() fills a caller's buffer", async () => {
    using tree = makeTree([]);
    put(tree, "f", pattern(1000));
    await using files = await open(tree);
    const reader = (await files.readable("f")).getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(10));
    assertEquals(value, pattern(10));
    await reader.cancel();
  });

  test("readable() hands out nothing above the limit of a file that grows", async () => {
    using tree = makeTree([]);
    put(tree, "f", new Uint8Array(100_000));
    const { handles, opening } = watched(tree, {}, { policy: { maxFileSizeBytes: 100_000 } });
    await using files = await opening;
    const reader = (await files.readable("f")).getReader();
    let received = (await reader.read()).value?.byteLength ?? 0;
    Deno.writeFileSync(`${tree.root}/f`, new Uint8Array(1), { append: true });
    const code = await codeOf(async () => {
      while (true) {
        const { done, value } = await reader.read();
        if (done) return;
        received += value.byteLength;
      }
    });
    assertEquals([code, received, handles.count], ["file-too-large", 100_000, 0]);
  });

  test("readable() fails when the signal is aborted or the validator closes", async () => {
    using tree = makeTree([]);
    put(tree, "f", new Uint8Array(300_000));
    const { handles, opening } = watched(tree, {});
    const files = await opening;
    const controller = new AbortController();
    const aborted = (await files.readable("f", { signal: controller.signal })).getReader();
    const closed = (await files.readable("f")).getReader();
    await aborted.read();
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await aborted.read().catch((error) => error), reason);
    assertEquals(handles.count, 1);
    await files.close();
    assertEquals(await codeOf(() => closed.read()), "closed");
    assertEquals(handles.count, 0);
  });

  test("readable() makes one event, at its end", async () => {
    using tree = makeTree([]);
    put(tree, "f", "hello");
    const told: unknown[] = [];
    const audit = {
      report: (
        { kind, outcome, details }: { kind: string; outcome: string; details?: unknown },
      ) => {
        told.push([kind, outcome, details]);
      },
    };
    await using files = await open(tree, { audit });
    const stream = await files.readable("f");
    assertEquals(told, []);
    await collect(stream);
    assertEquals(told, [["file.read", "success", { bytes: 5 }]]);
    await using strict = await open(tree, {
      audit: { report: () => Promise.reject(new Error("no")) },
    });
    const unrecorded = (await strict.readable("f")).getReader();
    await unrecorded.read();
    assertEquals(await codeOf(() => unrecorded.read()), "audit-unavailable");
  });

  test("open() gives Deno's own file, and creates and truncates nothing", async () => {
    using tree = makeTree(["d/"]);
    put(tree, "f", "hello");
    await using files = await open(tree);
    {
      using file = await files.open("f");
      assertEquals(
        new TextDecoder().decode(await new Response(file.readable).arrayBuffer()),
        "hello",
      );
    }
    {
      using file = await files.open("f", { write: true, read: false });
      await file.write(new TextEncoder().encode("J"));
    }
    {
      using file = await files.open("f", { append: true });
      await file.write(new TextEncoder().encode("!"));
    }
    assertEquals(await files.readTextFile("f"), "Jello!");
    assertEquals(await codeOf(() => files.open("none", { write: true })), "not-found");
    assertEquals(await codeOf(() => files.open("d")), "not-a-file");
    await assertRejects(() => files.open("f", { read: false }), TypeError);
  });

  test("stat() tells type, size and time below the root", async () => {
    using tree = makeTree(["d/f", "l => d"]);
    put(tree, "d/f", "hello");
    Deno.utimeSync(`${tree.root}/d/f`, 1, 1_000);
    await using files = await open(tree);
    assertEquals(await files.stat("l/f"), {
      path: "d/f",
      isFile: true,
      isDirectory: false,
      isSymlink: false,
      size: 5,
      mtime: new Date(1_000_000),
    });
    const { path, isDirectory } = await files.stat(".");
    assertEquals([path, isDirectory], ["", true]);
  });

  test("a reader waits for a change of the same path in this process", async () => {
    using tree = makeTree([]);
    put(tree, "f", "old");
    let reads: Promise<number>[] | undefined;
    const { opening } = watched(tree, {
      beforeWrite() {
        reads ??= [
          files.readTextFile("f").then(({ length }) => length),
          files.readFile("f").then(({ byteLength }) => byteLength),
          files.readInto("f", new Uint8Array(3 * MiB)),
        ];
      },
    });
    await using files = await opening;
    await files.writeFile("f", "x".repeat(2 * MiB), { atomic: false });
    // Never half of it.
    assertEquals(await Promise.all(reads ?? []), [2 * MiB, 2 * MiB, 2 * MiB]);
  });
}

/** Reads of a large file, with a signal. */
const ABORTABLE: Readonly<
  Record<string, (files: FileSecurityValidator, signal: AbortSignal) => Promise<unknown>>
> = {
  readFile: (files, signal) => files.readFile("f", { signal }),
  readTextFile: (files, signal) => files.readTextFile("f", { signal }),
  readRange: (files, signal) => files.readRange("f", { offset: 1, signal }),
  readInto: (files, signal) => files.readInto("f", new Uint8Array(4 * MiB), { signal }),
  readable: async (files, signal) => {
    for await (const _chunk of await files.readable("f", { signal }));
  },
};

Deno.test("readInto() measures a buffer itself, whatever a subclass says of its size", async () => {
  class Lying extends Uint8Array {
    override get byteLength(): number {
      return 4000;
    }
  }
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${root}/f`, new Uint8Array(4000));
    await using files = await FileSecurityValidator.open({ roots: [root] });
    assertEquals(await files.readInto("f", new Lying(8)), 8);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("readInto() does not take a buffer that shrank while it waited for the end of the file", async () => {
  using tree = makeTree(["size big 5000000", "size f 1000", "size large 100000"]);
  await using files = await FileSecurityValidator.open({
    roots: [tree.root],
    resources: { maxConcurrentOperations: 1 },
  });
  for (const [name, size] of [["f", 1000], ["large", 100_000]] as const) {
    for (const to of [0, 10, size - 1]) {
      const first = files.readFile("big");
      const buffer = new ArrayBuffer(size, { maxByteLength: size });
      const reads = [
        files.readInto(name, new Uint8Array(buffer), { length: size }),
        files.readInto(name, new Uint8Array(buffer, 5), { bufferOffset: 1 }),
      ];
      buffer.resize(to);
      await Promise.all(reads.map((read) => assertRejects(() => read, TypeError)));
      await first;
    }
  }
});

Deno.test("readInto() does not count bytes into a buffer that shrank with the last read", async () => {
  using tree = makeTree(["size f 100000"]);
  const buffer = new ArrayBuffer(100_000, { maxByteLength: 100_000 });
  await using files = await FileSecurityValidator.open({
    roots: [tree.root],
    backend: wrapBackend(openBestEffort, {
      aroundRead: async (_into, read) => {
        const bytes = await read();
        buffer.resize(10);
        return bytes;
      },
    }),
  });
  await assertRejects(() => files.readInto("f", new Uint8Array(buffer)), TypeError);
});
