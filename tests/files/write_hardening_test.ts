import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { FileSecurityValidator, MiB } from "@bartizan/security";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { codeOf, hand, namesIn, streamOf, testEach } from "./_each_backend.ts";
import { isTemporary, temporaryName } from "../../src/files/_temporary_name.ts";
import { makeTree } from "./_tree.ts";
import { wrapBackend } from "./_wrapped_backend.ts";

const sizeOf = (path: string): number => Deno.statSync(path).size;
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Waits until something is on the disk. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (let found = look();; found = look()) {
    if (found !== undefined) return found;
    await turn();
  }
}

const temporaryIn = (folder: string): string | undefined => namesIn(folder).find(isTemporary);

// --- Temporary names

Deno.test("isTemporary() knows the names that are made, wherever they lie, and no others", () => {
  const name = temporaryName();
  for (const path of [name, `a/${name}`, name.toUpperCase()]) assert(isTemporary(path), path);
  const others = ["", ".bartizan-", `${name}0`, name.slice(0, -1), `x${name}`, `a/x${name}`];
  others.push(`${name}/x`, name.replace("b", "c"), `${name.slice(0, -1)}g`, "a".repeat(42));
  for (const path of others) assert(!isTemporary(path), path);
});

testEach("a file that is being written is out of every client's reach", ["d/", "f"], async (t) => {
  const files = await t.open();
  const { stream, send, end } = hand();
  const writing = files.writeFile("d/new", stream);
  send("one");
  const name = `d/${await until(() => temporaryIn(`${t.tree.root}/d`))}`;
  Deno.symlinkSync(`${t.tree.root}/${name}`, `${t.tree.root}/link`);
  const works: Record<string, (path: string) => Promise<unknown>> = {
    validate: (path) => files.validate(path),
    open: async (path) => (await files.open(path)).close(),
    readFile: (path) => files.readFile(path),
    readTextFile: (path) => files.readTextFile(path),
    readRange: (path) => files.readRange(path),
    readInto: (path) => files.readInto(path, new Uint8Array(9)),
    readable: (path) => files.readable(path),
    append: (path) => files.writeFile(path, "x", { append: true }),
    replace: (path) => files.writeFile(path, "x"),
    mkdir: (path) => files.mkdir(path),
    remove: (path) => files.remove(path),
    rename: (path) => files.rename(path, "g"),
    renameTo: (path) => files.rename("f", path, { overwrite: true }),
    copy: (path) => files.copy(path, "g"),
    copyTo: (path) => files.copy("f", path, { overwrite: true }),
    stat: (path) => files.stat(path),
    list: (path) => files.list(path),
    walk: (path) => Array.fromAsync(files.walk(path)),
    subroot: (path) => files.subroot(path),
  };
  for (const path of [name, `${t.tree.root}/${name}`, `${t.tree.rootLink}/${name}`]) {
    for (const [what, work] of Object.entries(works)) {
      assertEquals(await codeOf(work(path)), "path-forbidden", `${what} ${path}`);
    }
  }
  for (const what of ["validate", "readFile", "append", "replace", "stat", "copy"]) {
    assertEquals(await codeOf(works[what]!("link")), "path-forbidden", what);
  }
  const made = files.mkdir(`x/${temporaryName()}/y`, { recursive: true });
  assertEquals(await codeOf(made), "path-forbidden");
  assertEquals(await files.list("d"), []);
  const walked = (await Array.fromAsync(files.walk("."))).map(({ path }) => path);
  assertEquals(walked, ["d", "f", "link"]);
  end();
  await writing;
  assertEquals(namesIn(`${t.tree.root}/d`), ["new"]);
});

testEach(
  "what another process added to a file that is being written is not kept",
  [],
  async (t) => {
    const files = await t.open({ policy: { maxFileSizeBytes: 10 } });
    const { stream, send, end } = hand();
    const writing = codeOf(files.writeFile("f", stream));
    send("one");
    const name = await until(() => temporaryIn(t.tree.root));
    await until(() => sizeOf(`${t.tree.root}/${name}`) === 3 ? true : undefined);
    Deno.writeTextFileSync(`${t.tree.root}/${name}`, "x".repeat(1000), { append: true });
    end();
    assertEquals(await writing, "io-error");
    assertEquals(namesIn(t.tree.root), []);
  },
);

testEach("what a crash left of a write goes with its directory", ["a/d/f.txt", "b/"], async (t) => {
  const { root } = t.tree;
  const rules = { allowedExtensions: ["txt"] };
  const files = await t.open({
    roots: [`${root}/a`, { path: `${root}/b`, ...rules }],
    policy: rules,
  });
  const stale = temporaryName();
  Deno.writeTextFileSync(`${root}/a/d/${stale}`, "half");
  await files.rename("d", `${root}/b/d`);
  assertEquals(namesIn(`${root}/b/d`), [stale, "f.txt"]);
  await files.remove(`${root}/b/d`, { recursive: true });
  assertEquals(namesIn(`${root}/b`), []);
});

// --- Streams into a file where it lies

for (const options of [{ append: true }, { atomic: false }]) {
  const how = JSON.stringify(options);

  testEach(`${how}: a stream does not follow a file into another root`, ["a/", "b/"], async (t) => {
    const { root } = t.tree;
    const b = { path: `${root}/b`, maxFileSizeBytes: 10 };
    const files = await t.open({ roots: [`${root}/a`, b] });
    // The relative path means the file in the other root then, and there is less allowed.
    for (const [input, code] of [[`${root}/a/x`, "not-found"], ["y", "file-too-large"]] as const) {
      const name = input.at(-1)!;
      const { stream, send, end } = hand();
      const writing = codeOf(files.writeFile(input, stream, options));
      send("five.");
      await until(() =>
        namesIn(`${root}/a`).includes(name) && sizeOf(`${root}/a/${name}`) || undefined
      );
      await files.rename(input, `${root}/b/${name}`);
      send("x".repeat(1000));
      end();
      assertEquals(await writing, code);
      assertEquals(Deno.readTextFileSync(`${root}/b/${name}`), "five.");
    }
  });

  testEach(`${how}: a stream keeps to the file that it began with`, ["other"], async (t) => {
    const { root } = t.tree;
    const files = await t.open();
    const { stream, send, end } = hand();
    const writing = codeOf(files.writeFile("x", stream, options));
    send("five.");
    await until(() => namesIn(root).includes("x") && sizeOf(`${root}/x`) || undefined);
    Deno.renameSync(`${root}/other`, `${root}/x`);
    send("more");
    end();
    assertEquals(await writing, "not-found");
    assertEquals(Deno.readTextFileSync(`${root}/x`), "inside other");
  });

  testEach(
    `${how}: where a stream's file lies now decides its limit`,
    ["a/d/", "b/", "a/l => d"],
    async (t) => {
      const { root } = t.tree;
      const b = { path: `${root}/b`, maxFileSizeBytes: 10 };
      const files = await t.open({ roots: [`${root}/a`, b] });
      const { stream, send, end } = hand();
      const writing = codeOf(files.writeFile("l/x", stream, options));
      send("five.");
      await until(() =>
        namesIn(`${root}/a/d`).includes("x") && sizeOf(`${root}/a/d/x`) || undefined
      );
      Deno.renameSync(`${root}/a/d`, `${root}/b/d`);
      Deno.removeSync(`${root}/a/l`);
      Deno.symlinkSync(`${root}/b/d`, `${root}/a/l`);
      send("six...");
      end();
      assertEquals(await writing, "file-too-large");
      assertEquals(Deno.readTextFileSync(`${root}/b/d/x`), "five.");
    },
  );
}

Deno.test("writeFile() refuses more uploads than may be open", async () => {
  using tree = makeTree([]);
  const resources = { maxConcurrentOperations: 1 };
  await using files = await FileSecurityValidator.open({ roots: [tree.root], resources });
  const uploads = Array.from({ length: 64 }, (_, at) => {
    const { stream, end } = hand();
    return { end, done: files.writeFile(`f${at}`, stream, { append: at % 2 === 0 }) };
  });
  const [first] = uploads;
  assertEquals(await codeOf(files.writeFile("more", streamOf("x"))), "too-many-operations");
  await files.writeFile("memory", "x");
  first!.end();
  await first!.done;
  await files.writeFile("more", streamOf("x"));
  for (const { end } of uploads.slice(1)) end();
  await Promise.all(uploads.map(({ done }) => done));
  assertEquals(namesIn(tree.root).length, 66);
});

// --- Memory that its owner takes away

function shrink(buffer: ArrayBuffer, size: number): void {
  (buffer as ArrayBuffer & { resize(size: number): void }).resize(size);
}

function resizable(size: number): ArrayBuffer {
  const Resizable = ArrayBuffer as unknown as {
    new (size: number, options: { maxByteLength: number }): ArrayBuffer;
  };
  return new Resizable(size, { maxByteLength: 8 * MiB });
}

testEach("writeFile() writes all of a buffer or fails", ["f"], async (t) => {
  const files = await t.open();
  const take: Record<string, () => { data: Uint8Array; take: () => void }> = {
    transferred: () => {
      const data = new Uint8Array(3 * MiB);
      return { data, take: () => void structuredClone(data.buffer, { transfer: [data.buffer] }) };
    },
    shrunk: () => {
      const buffer = resizable(3 * MiB);
      return { data: new Uint8Array(buffer), take: () => shrink(buffer, 10) };
    },
    "a small one, transferred": () => {
      const data = new Uint8Array(5);
      return { data, take: () => void structuredClone(data.buffer, { transfer: [data.buffer] }) };
    },
  };
  for (const [name, make] of Object.entries(take)) {
    for (const options of [{}, { atomic: false }]) {
      for (const turns of [0, 1, 3]) {
        const { data, take } = make();
        const writing = files.writeFile("f", data, options);
        const outcome = writing.then(() => sizeOf(`${t.tree.root}/f`), (error) => error);
        for (let at = 0; at < turns; at++) await Promise.resolve();
        const size = data.byteLength;
        take();
        const ended = await outcome;
        if (ended !== size) assert(ended instanceof TypeError, `${name} ${turns} ${ended}`);
        if (turns === 0) assert(ended instanceof TypeError, `${name} ${turns} ${ended}`);
      }
    }
  }
  assertEquals(namesIn(t.tree.root), ["f"]);
});

for (const kind of ["buffer", "stream"]) {
  Deno.test(`writeFile() notices that a ${kind} was shrunk between two writes`, async () => {
    for (const options of [{ append: true }, { atomic: false }]) {
      using tree = makeTree(["f"]);
      const buffer = resizable(3 * MiB);
      // What is being written stays whole; only what comes next is gone.
      const beforeWrite = () => shrink(buffer, 1.5 * MiB);
      const backend = wrapBackend(openBestEffort, { beforeWrite });
      await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
      const bytes = new Uint8Array(buffer);
      const data = kind === "buffer" ? bytes : ReadableStream.from([bytes]);
      await assertRejects(
        () => files.writeFile("f", data, options),
        TypeError,
        "detached or resized",
      );
    }
  });
}

testEach("writeFile() takes no detached chunk for an empty one", [], async (t) => {
  const files = await t.open();
  const chunk = new Uint8Array(5);
  structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
  await assertRejects(() => files.writeFile("f", ReadableStream.from([chunk])), TypeError);
  await files.writeFile("f", streamOf("", "", "x", ""));
  assertEquals(namesIn(t.tree.root), ["f"]);
  assertEquals(sizeOf(`${t.tree.root}/f`), 1);
});

testEach("writeFile() takes the size of a buffer from the engine", [], async (t) => {
  const files = await t.open({ policy: { maxFileSizeBytes: 100 } });
  class Liar extends Uint8Array {
    override get byteLength(): number {
      return 4;
    }
    override subarray(): this {
      return this;
    }
  }
  const data = new Liar(200);
  for (const given of [() => data, () => ReadableStream.from([data])]) {
    assertEquals(await codeOf(files.writeFile("f", given())), "file-too-large");
    assertEquals(await codeOf(files.writeFile("f", given(), { append: true })), "file-too-large");
  }
  assertEquals(namesIn(t.tree.root).filter((name) => sizeOf(`${t.tree.root}/${name}`) > 0), []);
});

// --- Permissions that are revoked meanwhile

/** Revokes a permission between two chunks; says the code, and what was asked of the disk afterwards. */
const REVOKES = `
import { FileSecurityValidator } from "@bartizan/security";
const [root, kind, options] = Deno.args;
let revoked = false;
const calls = [];
for (const name of ["statSync", "lstatSync", "removeSync", "readLinkSync", "realPathSync"]) {
  const real = Deno[name];
  Deno[name] = (...args) => {
    if (revoked) calls.push(name);
    return real(...args);
  };
}
const files = await FileSecurityValidator.open({ roots: [root] });
let controller;
const stream = new ReadableStream({ start: (given) => void (controller = given) });
const writing = files.writeFile("new", stream, JSON.parse(options)).catch((error) => error.code);
controller.enqueue(new Uint8Array(5));
const arrived = () => [...Deno.readDirSync(root)].some(({ name }) => Deno.statSync(root + "/" + name).size === 5);
while (!arrived()) await new Promise((resolve) => setTimeout(resolve, 0));
revoked = true;
Deno.permissions.revokeSync({ name: kind });
controller.enqueue(new Uint8Array(5));
controller.close();
console.log(JSON.stringify([files.protection, await writing, calls]));
`;

for (const flags of [["--allow-all"], ["--allow-read", "--allow-write"]]) {
  const protection = flags.length === 1 ? "fd-verified" : "best-effort";
  const ignore = flags.length === 1 && Deno.build.os !== "linux";
  if (ignore) console.log("skipped: a revoked permission with fd-verified (it is for Linux)");
  Deno.test({
    name: `${protection}: a write whose permission is revoked asks for nothing`,
    ignore,
    fn: async () => {
      const work = await Deno.realPath(await Deno.makeTempDir());
      try {
        await Deno.writeTextFile(`${work}/revokes.ts`, REVOKES);
        const left: string[][] = [];
        for (const [kind, options] of [["write", {}], ["read", {}], ["read", { append: true }]]) {
          const root = await Deno.makeTempDir({ dir: work });
          const { stdout, stderr } = await new Deno.Command("deno", {
            args: [
              ...["run", "-q", "--no-check", "--no-prompt"],
              `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
              ...flags,
              ...[`${work}/revokes.ts`, root, kind as string, JSON.stringify(options)],
            ],
          }).output();
          assertEquals(new TextDecoder().decode(stderr), "");
          assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [
            protection,
            "permission-missing",
            [],
          ]);
          left.push(namesIn(root));
        }
        // What cannot be removed stays; it is named so that whoever cleans up knows it.
        assertMatch(left[0]![0]!, /^\.bartizan-[0-9a-f]{32}$/);
        assertEquals(left[2], ["new"]);
      } finally {
        await Deno.remove(work, { recursive: true });
      }
    },
  });
}

// --- Text

testEach("writeFile() refuses text that is no UTF-8", [], async (t) => {
  const files = await t.open();
  for (const text of ["\ud800", "x\udc00", `${"x".repeat(200_000)}\ud83d`]) {
    for (const options of [{}, { append: true }, { atomic: false }]) {
      await assertRejects(() => files.writeFile("f", text, options), TypeError);
    }
  }
  assertEquals(namesIn(t.tree.root), []);
});

testEach("writeFile() writes long text as it is, piece by piece", [], async (t) => {
  const texts = ["", "ä".repeat(17_000), "a" + "😀".repeat(700_000), "€x".repeat(600_000)];
  for (const maxBytesInFlight of [1, 70_001, 16 * MiB]) {
    const files = await t.open({ resources: { maxBytesInFlight } });
    for (const text of maxBytesInFlight === 1 ? texts.slice(0, 2) : texts) {
      for (const options of [{}, { atomic: false }]) {
        await files.writeFile("f", text, options);
        assert(Deno.readTextFileSync(`${t.tree.root}/f`) === text);
      }
      const { length } = new TextEncoder().encode(text);
      await files.writeFile("f", text, { maxBytes: length });
      if (length === 0) continue;
      const refused = files.writeFile("f", text, { maxBytes: length - 1, atomic: false });
      assertEquals(await codeOf(refused), "file-too-large");
      // Nothing was cut off for what is too large.
      assertEquals(sizeOf(`${t.tree.root}/f`), length);
    }
  }
});

Deno.test("text that is written counts as bytes in flight", async () => {
  using tree = makeTree(["f", "size big 200000"]);
  const held = Promise.withResolvers<void>();
  let writes = 0;
  await using files = await FileSecurityValidator.open({
    roots: [tree.root],
    resources: { maxBytesInFlight: 200_000 },
    backend: wrapBackend(openBestEffort, {
      aroundRead: async (_into, read) => {
        await held.promise;
        return await read();
      },
      beforeWrite: () => writes++,
    }),
  });
  const reading = files.readFile("big");
  const writing = files.writeFile("f", "ä".repeat(100_000), { atomic: false });
  await turn();
  await turn();
  assertEquals(writes, 0);
  held.resolve();
  assertEquals((await reading).byteLength, 200_000);
  await writing;
  assertEquals(sizeOf(`${tree.root}/f`), 200_000);
  // All of it was given back.
  assertEquals((await files.readFile("big")).byteLength, 200_000);
});
