import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { hasEveryPermission } from "./_backends.ts";
import { snapshot } from "./_tree.ts";
import { codeOf, codesOf, hand, namesIn, Recorder, streamOf, testEach } from "./_each_backend.ts";

const text = (path: string): string => Deno.readTextFileSync(path);
const modeOf = (path: string): number => (Deno.lstatSync(path).mode ?? 0) & 0o777;

testEach("writeFile() creates a file of text, bytes or a stream", ["d/"], async (t) => {
  const files = await t.open();
  await files.writeFile("d/text", "häß");
  await files.writeFile("d/bytes", new Uint8Array([0, 255]));
  await files.writeFile("d/stream", streamOf("one ", "", "two"));
  await files.writeFile("d/empty", "");
  assertEquals(text(`${t.tree.root}/d/text`), "häß");
  assertEquals(Deno.readFileSync(`${t.tree.root}/d/bytes`), new Uint8Array([0, 255]));
  assertEquals(text(`${t.tree.root}/d/stream`), "one two");
  assertEquals(namesIn(`${t.tree.root}/d`), ["bytes", "empty", "stream", "text"]);
  assertEquals(modeOf(`${t.tree.root}/d/text`), 0o600);
});

testEach("writeFile() writes more than a chunk in order", [], async (t) => {
  const files = await t.open();
  const data = new Uint8Array(2_500_000).map((_byte, index) => index % 251);
  await files.writeFile("memory", data);
  await files.writeFile("stream", new Blob([data]).stream());
  await files.writeFile("place", data, { atomic: false, sync: true });
  await files.copy("place", "copied");
  for (const name of ["memory", "stream", "place", "copied"]) {
    assertEquals(Deno.readFileSync(`${t.tree.root}/${name}`), data, name);
  }
});

testEach("writeFile() replaces a file as a whole and keeps its mode", ["f"], async (t) => {
  const files = await t.open();
  const path = `${t.tree.root}/f`;
  Deno.chmodSync(path, 0o640);
  const before = Deno.statSync(path).ino;
  using reader = Deno.openSync(path);
  await files.writeFile("f", "new", { mode: 0o666, sync: true });
  assertEquals(text(path), "new");
  assertEquals(modeOf(path), 0o640);
  assert(Deno.statSync(path).ino !== before);
  // Whoever reads the old one reads the old one to its end.
  const buffer = new Uint8Array(20);
  const read = reader.readSync(buffer) ?? 0;
  assertEquals(new TextDecoder().decode(buffer.subarray(0, read)), "inside f");
});

testEach(
  "writeFile() hides the new content from those who may not read the old",
  ["f"],
  async (t) => {
    const files = await t.open();
    Deno.chmodSync(`${t.tree.root}/f`, 0o600);
    const { stream, send, end } = hand();
    const writing = files.writeFile("f", stream, { mode: 0o666 });
    send("secret");
    let temporary: string | undefined;
    while (temporary === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      temporary = namesIn(t.tree.root).find((name) => name !== "f");
    }
    assertMatch(temporary, /^\.bartizan-[0-9a-f]{32}$/);
    assertEquals(modeOf(`${t.tree.root}/${temporary}`), 0o600);
    assertEquals(text(`${t.tree.root}/f`), "inside f");
    end();
    await writing;
    assertEquals(namesIn(t.tree.root), ["f"]);
  },
);

testEach(
  "writeFile() replaces the target of a link, not the link",
  ["d/f", "l => d/f", "ll => l", "abs => $ROOT/d/f", "dir => d"],
  async (t) => {
    const files = await t.open();
    for (const name of ["l", "ll", "abs", "dir/f"]) {
      for (const options of [{}, { atomic: false }]) {
        await files.writeFile(name, `by ${name}`, options);
        assertEquals(text(`${t.tree.root}/d/f`), `by ${name}`);
      }
    }
    assertEquals(Deno.readLinkSync(`${t.tree.root}/l`), "d/f");
    assertEquals(Deno.readLinkSync(`${t.tree.root}/ll`), "l");
    assertEquals(namesIn(`${t.tree.root}/d`), ["f"]);
  },
);

testEach(
  "writeFile() creates nothing through a link",
  ["in => nothing", "out => $OUTSIDE/new", "up => ../OUTSIDE/secret", "loop => loop", "d => ."],
  async (t) => {
    const files = await t.open();
    const before = snapshot(t.tree.work);
    for (const options of [{}, { append: true }, { atomic: false }]) {
      assertEquals(await codeOf(files.writeFile("in", "x", options)), "not-found");
      assertMatch(
        await codeOf(files.writeFile("out", "x", options)),
        /not-found|path-outside-root/,
      );
      assertEquals(await codeOf(files.writeFile("up", "x", options)), "path-outside-root");
      assertEquals(await codeOf(files.writeFile("loop", "x", options)), "symlink-loop");
      assertMatch(await codeOf(files.writeFile("d", "x", options)), /not-a-file|root-operation/);
    }
    for (const name of ["in", "out", "up", "loop"]) {
      const work = files.writeFile(name, "x", { createNew: true });
      assertEquals(await codeOf(work), "already-exists", name);
    }
    assertEquals(snapshot(t.tree.work), before);
  },
);

testEach("writeFile() with createNew or create keeps to it", ["f"], async (t) => {
  const files = await t.open();
  for (const atomic of [true, false]) {
    const refused = files.writeFile("f", "x", { createNew: true, atomic });
    assertEquals(await codeOf(refused), "already-exists");
    await files.writeFile(`new ${atomic}`, "x", { createNew: true, atomic, mode: 0o640 });
    assertEquals(modeOf(`${t.tree.root}/new ${atomic}`) & 0o600, 0o600);
    assertEquals(await codeOf(files.writeFile("g", "x", { create: false, atomic })), "not-found");
    await files.writeFile("f", "changed", { create: false, atomic });
    assertEquals(text(`${t.tree.root}/f`), "changed");
  }
  assertEquals(await codeOf(files.writeFile("no/where", "x")), "not-found");
});

testEach("writeFile() with createNew lets one of many win", [], async (t) => {
  const files = await t.open();
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, (_, at) => files.writeFile("f", `${at}`, { createNew: true })),
  );
  const won = all.flatMap(({ status }, at) => status === "fulfilled" ? [at] : []);
  assertEquals(won.length, 1);
  assertEquals(text(`${t.tree.root}/f`), `${won[0]}`);
  assertEquals(namesIn(t.tree.root), ["f"]);
});

testEach("writeFile() with createNew does not replace what another process made", [], async (t) => {
  const files = await t.open();
  const { stream, send, end } = hand();
  const writing = files.writeFile("f", stream, { createNew: true });
  send("mine");
  while (namesIn(t.tree.root).length === 0) await new Promise((go) => setTimeout(go, 0));
  Deno.writeTextFileSync(`${t.tree.root}/f`, "theirs");
  end();
  assertEquals(await codeOf(writing), "already-exists");
  assertEquals(text(`${t.tree.root}/f`), "theirs");
  assertEquals(namesIn(t.tree.root), ["f"]);
});

testEach("writeFile() appends, in place, to what is there", ["f"], async (t) => {
  const files = await t.open();
  const inode = Deno.statSync(`${t.tree.root}/f`).ino;
  await files.writeFile("f", " and", { append: true });
  await files.writeFile("f", streamOf(" more", "."), { append: true });
  await files.writeFile("new", streamOf("a", "b"), { append: true });
  assertEquals(text(`${t.tree.root}/f`), "inside f and more.");
  assertEquals(text(`${t.tree.root}/new`), "ab");
  assertEquals(Deno.statSync(`${t.tree.root}/f`).ino, inode);
});

testEach("writeFile() in place leaves nothing of a longer file", ["f"], async (t) => {
  const files = await t.open();
  const inode = Deno.statSync(`${t.tree.root}/f`).ino;
  await files.writeFile("f", streamOf("ab", "c"), { atomic: false });
  assertEquals(text(`${t.tree.root}/f`), "abc");
  assertEquals(Deno.statSync(`${t.tree.root}/f`).ino, inode);
});

testEach("writeFile() refuses more bytes than allowed, of whatever kind", ["f"], async (t) => {
  const files = await t.open({ policy: { maxFileSizeBytes: 12 } });
  const before = snapshot(t.tree.root);
  const tooMuch = () => ["x".repeat(13), new Uint8Array(13), streamOf("x".repeat(12), "x")];
  for (const data of tooMuch()) {
    assertEquals(await codeOf(files.writeFile("f", data)), "file-too-large");
    assertEquals(snapshot(t.tree.root), before);
  }
  // 12 UTF-16 units, and more bytes than that.
  assertEquals(await codeOf(files.writeFile("f", "ä".repeat(12))), "file-too-large");
  assertEquals(await codeOf(files.writeFile("f", "xx", { maxBytes: 1 })), "file-too-large");
  assertEquals(await codeOf(files.writeFile("f", "xxxxx", { append: true })), "file-too-large");
  assertEquals(
    await codeOf(files.writeFile("n", new Uint8Array(13), { atomic: false })),
    "file-too-large",
  );
  assertEquals(snapshot(t.tree.root), before);
  const appended = files.writeFile("f", streamOf("1234", "5"), { append: true });
  assertEquals(await codeOf(appended), "file-too-large");
  assertEquals(text(`${t.tree.root}/f`), "inside f1234");
  await files.writeFile("f", "x".repeat(12));
  await files.writeFile("g", streamOf("x".repeat(12)), { maxBytes: 12 });
});

testEach(
  "writeFile() applies the policy to both names of a file",
  ["ok.txt", "bad.sh", "good.txt => bad.sh", "odd.sh => ok.txt", "secret/f.txt", "s => secret"],
  async (t) => {
    const files = await t.open({
      policy: { deniedExtensions: ["sh"], forbiddenPaths: ["secret"], maxDepth: 3 },
    });
    const before = snapshot(t.tree.root);
    for (const options of [{}, { append: true }, { atomic: false }]) {
      for (const name of ["bad.sh", "new.SH", "good.txt", "odd.sh"]) {
        assertEquals(await codeOf(files.writeFile(name, "x", options)), "extension-denied", name);
      }
      for (const name of ["secret/f.txt", "secret/new", "secret", "s/f.txt", "s/new"]) {
        assertEquals(await codeOf(files.writeFile(name, "x", options)), "path-forbidden", name);
      }
      assertEquals(await codeOf(files.writeFile("a/b/c/d", "x", options)), "path-too-deep");
    }
    assertEquals(snapshot(t.tree.root), before);
  },
);

testEach(
  "writeFile() refuses links and second names where the policy denies them",
  ["f", "d/", "l => f", "dl => d", "hard h f"],
  async (t) => {
    const files = await t.open({ policy: { symlinks: "deny", hardLinks: "deny" } });
    const before = snapshot(t.tree.root);
    for (const options of [{}, { append: true }, { atomic: false }]) {
      assertEquals(await codeOf(files.writeFile("l", "x", options)), "symlink-denied");
      assertEquals(await codeOf(files.writeFile("dl/new", "x", options)), "symlink-denied");
      assertEquals(await codeOf(files.writeFile("h", "x", options)), "hard-link-denied");
    }
    assertEquals(snapshot(t.tree.root), before);
  },
);

testEach(
  "writeFile() changes nothing in a read-only root",
  ["rw/to => ../ro/f", "ro/f"],
  async (t) => {
    const { root } = t.tree;
    const files = await t.open({
      roots: [`${root}/rw`, { path: `${root}/ro`, readOnly: true }],
    });
    const before = snapshot(root);
    for (const options of [{}, { append: true }, { atomic: false }]) {
      for (const name of [`${root}/ro/f`, `${root}/ro/new`, "to"]) {
        assertEquals(await codeOf(files.writeFile(name, "x", options)), "read-only-root");
      }
    }
    assertEquals(await codeOf(files.mkdir(`${root}/ro/d`)), "read-only-root");
    assertEquals(await codeOf(files.remove(`${root}/ro/f`)), "read-only-root");
    assertEquals(await codeOf(files.rename(`${root}/ro/f`, "f")), "read-only-root");
    assertEquals(await codeOf(files.copy(`${root}/ro/f`, `${root}/ro/g`)), "read-only-root");
    assertEquals(snapshot(root), before);
    await files.copy(`${root}/ro/f`, "copied");
    await files.remove("to");
    assertEquals(namesIn(`${root}/rw`), ["copied"]);
  },
);

testEach("no operation changes a root itself", ["inner/f", "a/"], async (t) => {
  const { root } = t.tree;
  const files = await t.open({ roots: [root, `${root}/inner`] });
  for (const name of [".", "a/..", root, "inner", `${root}/a/../inner`]) {
    const refused = [
      files.writeFile(name, "x"),
      files.remove(name),
      files.remove(name, { recursive: true }),
      files.rename(name, "a/moved"),
      files.rename("a", name, { overwrite: true }),
      files.copy("inner/f", name, { overwrite: true }),
    ];
    for (const code of await codesOf(refused)) assertEquals(code, "root-operation", name);
  }
  assertEquals(await codeOf(files.remove(`${root}/`, { recursive: true })), "root-operation");
  assertEquals(namesIn(root), ["a", "inner"]);
  assertEquals(namesIn(`${root}/inner`), ["f"]);
});

testEach("a directory that holds a root stays where it is", ["d/inner/f"], async (t) => {
  const { root } = t.tree;
  const files = await t.open({ roots: [root, `${root}/d/inner`] });
  assertEquals(await codeOf(files.rename("d", "e")), "root-operation");
  assertEquals(await codeOf(files.remove("d", { recursive: true })), "root-operation");
  assertEquals(text(`${root}/d/inner/f`), "inside d/inner/f");
});

testEach("writeFile() refuses directories and calls that make no sense", ["d/"], async (t) => {
  const files = await t.open();
  for (const options of [{}, { append: true }, { atomic: false }]) {
    assertEquals(await codeOf(files.writeFile("d", "x", options)), "not-a-file");
  }
  const { stream } = hand();
  stream.getReader();
  await assertRejects(() => files.writeFile("f", stream), TypeError, "nobody else");
  const none = undefined as unknown as string;
  await assertRejects(() => files.writeFile(none, ""), TypeError, "string");
  await assertRejects(() => files.rename("d", none), TypeError, "string");
  await assertRejects(() => files.copy("f", none), TypeError, "string");
  await assertRejects(() => files.writeFile("f", 7 as unknown as string), TypeError, "'data'");
  const both = { createNew: true, create: false };
  await assertRejects(() => files.writeFile("f", "", both), TypeError, "'createNew'");
  await assertRejects(() => files.writeFile("f", "", { mode: 0o4755 }), RangeError, "'mode'");
  await assertRejects(() => files.writeFile("f", "", { maxBytes: -1 }), RangeError, "'maxBytes'");
  assertEquals(namesIn(t.tree.root), ["d"]);
});

testEach("an abort while the stream stands still leaves nothing behind", ["f"], async (t) => {
  const files = await t.open();
  const before = snapshot(t.tree.root);
  const reason = new Error("enough");
  for (const name of ["f", "new"]) {
    const controller = new AbortController();
    let cancelled: unknown;
    const stream = new ReadableStream<Uint8Array>({
      start: (source) => source.enqueue(new Uint8Array(3)),
      cancel: (why) => void (cancelled = why),
    });
    const writing = files.writeFile(name, stream, { signal: controller.signal });
    while (namesIn(t.tree.root).length < 2) await new Promise((go) => setTimeout(go, 0));
    controller.abort(reason);
    assertEquals(await assertRejects(() => writing), reason);
    assertEquals(cancelled, reason);
    assertEquals(snapshot(t.tree.root), before);
  }
});

testEach("close() ends a write that waits for its stream", [], async (t) => {
  const files = await t.open();
  const { stream, send } = hand();
  const writing = codeOf(files.writeFile("f", stream));
  send("x");
  while (namesIn(t.tree.root).length === 0) await new Promise((go) => setTimeout(go, 0));
  await files.close();
  assertEquals(await writing, "closed");
  assertEquals(namesIn(t.tree.root), []);
});

testEach(
  "a stream that fails leaves nothing behind, and its error to the operator",
  [],
  async (t) => {
    const files = await t.open();
    const failure = new Error("connection lost");
    const stream = new ReadableStream<Uint8Array>({ pull: (source) => source.error(failure) });
    const error = await assertRejects(() => files.writeFile("f", stream));
    assertEquals((error as { code?: string }).code, "io-error");
    assertEquals((error as Error).cause, failure);
    const odd = ReadableStream.from(["text"]) as unknown as ReadableStream<Uint8Array>;
    await assertRejects(() => files.writeFile("f", odd), TypeError, "Uint8Array");
    assertEquals(namesIn(t.tree.root), []);
  },
);

testEach("a slow stream holds no permit and no lock", ["f"], async (t) => {
  const files = await t.open({ resources: { maxConcurrentOperations: 1 } });
  for (const options of [{}, { append: true }, { atomic: false }]) {
    const { stream, send, end } = hand();
    const slow = files.writeFile("f", stream, options);
    send("1");
    await files.writeFile("g", "other");
    await files.writeFile("f", "meanwhile", { append: true });
    await files.readTextFile("f");
    end();
    await slow;
  }
});

testEach("changes of one path come one after another", [], async (t) => {
  const files = await t.open();
  await files.writeFile("f", "");
  await Promise.all(
    Array.from(
      { length: 30 },
      (_, at) => files.writeFile("f", `${at % 10}`.repeat(7), { append: true }),
    ),
  );
  assertMatch(text(`${t.tree.root}/f`), /^(?:(\d)\1{6}){30}$/);
});

testEach("each change makes one event that names canonical paths", ["f", "l => f"], async (t) => {
  const audit = new Recorder();
  const files = await t.open({ audit });
  const { root } = t.tree;
  await files.writeFile("l", streamOf("abc"), { principal: "ada" });
  await files.writeFile("l", "d", { append: true });
  await files.copy("l", "g");
  await files.rename("g", "h");
  await files.mkdir("d/e", { recursive: true });
  await files.remove("d", { recursive: true });
  await codeOf(files.writeFile("../x", "x"));
  assertEquals(
    audit.events.map(({ kind, outcome, resource, details }) => [kind, outcome, resource, details]),
    [
      ["file.write", "success", `${root}/f`, { bytes: 3 }],
      ["file.write", "success", `${root}/f`, { bytes: 1 }],
      ["file.copy", "success", `${root}/f`, { to: `${root}/g`, bytes: 4 }],
      ["file.rename", "success", `${root}/g`, { to: `${root}/h` }],
      ["file.mkdir", "success", `${root}/d/e`, { made: `${root}/d/e`, levels: 2 }],
      ["file.remove", "success", `${root}/d`, undefined],
      ["file.write", "denied", "../x", undefined],
    ],
  );
  assertEquals(audit.events[0]?.principal, "ada");
  assertEquals(audit.events[0]?.principalConfidence, "verified");
});

testEach("nothing is changed that could not be recorded", ["f", "d/"], async (t) => {
  const audit = { report: () => {}, ready: () => Promise.reject(new Error("full")) };
  const files = await t.open({ audit });
  const before = snapshot(t.tree.root);
  const refused = [
    files.writeFile("f", "x"),
    files.writeFile("f", "x", { append: true }),
    files.mkdir("e"),
    files.mkdir("e/f", { recursive: true }),
    files.remove("f"),
    files.remove("d", { recursive: true }),
    files.rename("f", "g"),
    files.copy("f", "g"),
  ];
  for (const code of await codesOf(refused)) assertEquals(code, "audit-unavailable");
  assertEquals(snapshot(t.tree.root), before);
});

if (!hasEveryPermission) {
  console.log("skipped: open descriptors (only a process with every permission may count them)");
} else {
  testEach(
    "no change leaves a handle open, done or refused",
    ["f", "l => f", "d/x", "gone => no"],
    async (t) => {
      const files = await t.open();
      const blob = () => new Blob(["too much"]).stream();
      const round = () => [
        () => files.writeFile("l", "x"),
        () => files.writeFile("f", "x", { append: true }),
        () => files.writeFile("gone", "x"),
        () => files.writeFile("d", "x"),
        () => files.writeFile("f", "xx", { maxBytes: 1 }),
        () => files.writeFile("f", blob(), { maxBytes: 1 }),
        () => files.writeFile("f", blob(), { maxBytes: 1, atomic: false }),
        () => files.mkdir("a/b/c", { recursive: true }),
        () => files.mkdir("f/x", { recursive: true }),
        () => files.remove("a", { recursive: true }),
        () => files.remove("d"),
        () => files.rename("f", "l"),
        () => files.rename("f", "g"),
        () => files.rename("g", "f"),
        () => files.copy("f", "l"),
        () => files.copy("f", "h"),
        () => files.remove("h"),
      ];
      const results: string[][] = [];
      const open: number[] = [];
      for (let at = 0; at < 3; at++) {
        const codes: string[] = [];
        for (const work of round()) {
          codes.push(await work().then(() => "done", (error) => String(error.code)));
        }
        results.push(codes);
        open.push(namesIn("/proc/self/fd").length);
      }
      assertEquals(results[2], results[1]);
      assertEquals(results[1]?.filter((code) => code === "done").length, 8);
      assertEquals(open[2], open[0]);
    },
  );
}
