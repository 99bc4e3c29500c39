import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import type { WalkOptions } from "../../src/files/_tree.ts";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import { makeTree, outsideOf, snapshot, specialKinds } from "./_tree.ts";
import { wrapBackend } from "./_wrapped_backend.ts";
import { codeOf, codesOf, namesIn, Recorder, testEach } from "./_each_backend.ts";

async function paths(
  files: FileSecurityValidator,
  input: string,
  options?: WalkOptions,
): Promise<string[]> {
  return (await Array.fromAsync(files.walk(input, options))).map(({ path }) => path);
}

const LINES = ["b/c/f", "b/a", "a", "Z", "ä", "l => b", "out => $OUTSIDE/dir", "up => ."];

testEach("list() returns the names, sorted, with what they are", LINES, async (t) => {
  const files = await t.open();
  const file = { isFile: true, isDirectory: false, isSymlink: false };
  const link = { isFile: false, isDirectory: false, isSymlink: true };
  assertEquals(await files.list("."), [
    { name: "Z", ...file },
    { name: "a", ...file },
    { name: "b", isFile: false, isDirectory: true, isSymlink: false },
    { name: "l", ...link },
    { name: "out", ...link },
    { name: "up", ...link },
    { name: "ä", ...file },
  ]);
  assertEquals((await files.list("l")).map(({ name }) => name), ["a", "c"]);
  assertEquals(await codeOf(files.list("a")), "not-a-directory");
  assertEquals(await codeOf(files.list("none")), "not-found");
  assertEquals(await codeOf(files.list("out")), "path-outside-root");
});

testEach("list() says nothing of what is forbidden", ["d/.git/x", "d/f", "in/no/f"], async (t) => {
  const { root } = t.tree;
  const files = await t.open({
    roots: [{ path: root, forbiddenPaths: ["d/.git"] }, {
      path: `${root}/in`,
      forbiddenPaths: ["no"],
    }],
  });
  assertEquals((await files.list("d")).map(({ name }) => name), ["f"]);
  // What a root inside forbids is not shown by a walk from outside either.
  assertEquals((await files.list("in")).map(({ name }) => name), []);
  assertEquals(await paths(files, "."), ["d", "d/f", "in"]);
});

testEach("list() and walk() stop at maxEntries", ["d/1", "d/2", "d/e/3"], async (t) => {
  const files = await t.open({ resources: { maxEntries: 3 } });
  assertEquals((await files.list("d")).length, 3);
  assertEquals(await codeOf(paths(files, ".")), "too-many-entries");
  assertEquals(await codeOf(files.remove("d", { recursive: true })), "too-many-entries");
  assertEquals(namesIn(`${t.tree.root}/d`), ["1", "2", "e"]);
  const strict = await t.open({ resources: { maxEntries: 2 } });
  assertEquals(await codeOf(strict.list("d")), "too-many-entries");
});

testEach("walk() yields what is below in order and follows no link", LINES, async (t) => {
  const files = await t.open();
  assertEquals(await paths(files, "."), [
    "Z",
    "a",
    "b",
    "b/a",
    "b/c",
    "b/c/f",
    "l",
    "out",
    "up",
    "ä",
  ]);
  const [first] = await Array.fromAsync(files.walk("b"));
  assertEquals(first, {
    path: "b/a",
    name: "a",
    isFile: true,
    isDirectory: false,
    isSymlink: false,
  });
  assertEquals(await codeOf(paths(files, "a")), "not-a-directory");
  assertEquals(await codeOf(paths(files, "a", { maxDepth: 0 })), "not-a-directory");
  assertEquals(await codeOf(paths(files, "out")), "path-outside-root");
  assertEquals(await codeOf(paths(files, "../x")), "path-outside-root");
});

testEach("walk() yields what its options ask for", LINES, async (t) => {
  const files = await t.open();
  assertEquals(await paths(files, ".", { maxDepth: 0 }), []);
  assertEquals(await paths(files, "b", { maxDepth: 1 }), ["b/a", "b/c"]);
  const noFiles = { includeFiles: false, includeSymlinks: false };
  assertEquals(await paths(files, ".", noFiles), ["b", "b/c"]);
  const onlyFiles = { includeDirectories: false, includeSymlinks: false };
  assertEquals(await paths(files, ".", onlyFiles), ["Z", "a", "b/a", "b/c/f", "ä"]);
  await assertRejects(() => paths(files, ".", { maxDepth: -1 }), RangeError, "'maxDepth'");
});

testEach(
  "walk() yields paths that lead to the same again",
  ["one/x", "two/b/f", "two/l => b"],
  async (t) => {
    const { root } = t.tree;
    const cases = [
      { roots: [`${root}/one`, `${root}/two`], input: "b" },
      { roots: [`${root}/one`, `${root}/two`], input: `${root}/two/b` },
      { roots: [`${root}/two`], input: "l" },
      { roots: [`${root}/two`], input: `${root}/two/l/` },
      { roots: [{ path: `${root}/two`, requireAbsolutePaths: true }], input: `${root}/two/b` },
      { roots: [root, `${root}/two`], input: "./two//b" },
    ];
    for (const { roots, input } of cases) {
      const files = await t.open({ roots });
      const found = await paths(files, input);
      assertEquals(found.length, 1);
      assertEquals(await files.readTextFile(found[0]!), "inside two/b/f", input);
    }
    const files = await t.open({ roots: [`${root}/two`] });
    assertEquals(await paths(files, `${root}/two/l`), ["b/f"]);
    assertEquals(await paths(files, "l"), ["l/f"]);
  },
);

testEach(
  "walk() goes no deeper than the policy and past what is forbidden",
  ["a/b/c/d", "no/f"],
  async (t) => {
    const files = await t.open({ policy: { maxDepth: 2, forbiddenPaths: ["no"] } });
    assertEquals(await paths(files, "."), ["a", "a/b", "a/b/c"]);
  },
);

testEach("walk() passes over what vanishes under it", ["a/f", "b/f", "c/f"], async (t) => {
  const files = await t.open();
  const found: string[] = [];
  for await (const { path } of files.walk(".")) {
    found.push(path);
    if (path === "a") Deno.removeSync(`${t.tree.root}/a`, { recursive: true });
    if (path !== "b") continue;
    Deno.removeSync(`${t.tree.root}/b`, { recursive: true });
    Deno.symlinkSync(`${t.tree.outside}/dir`, `${t.tree.root}/b`);
  }
  assertEquals(found, ["a", "b", "c", "c/f"]);
});

testEach("walk() holds no permit while its consumer thinks", ["a/f", "b/f"], async (t) => {
  const files = await t.open({ resources: { maxConcurrentOperations: 1 } });
  let count = 0;
  for await (const { path, isFile } of files.walk(".")) {
    if (isFile) assertEquals(await files.readTextFile(path), `inside ${path}`);
    count++;
  }
  assertEquals(count, 4);
});

testEach("walk() makes one event, however it ends", ["a/f", "b/f"], async (t) => {
  const audit = new Recorder();
  const files = await t.open({ audit });
  await paths(files, ".");
  for await (const _entry of files.walk(".")) break;
  const controller = new AbortController();
  const reason = new Error("enough");
  const aborted = await assertRejects(async () => {
    for await (const _entry of files.walk("a", { signal: controller.signal })) {
      controller.abort(reason);
    }
  });
  assertEquals(aborted, reason);
  await codeOf(paths(files, "none"));
  assertEquals(
    audit.events.map(({ kind, outcome, code, details }) => [kind, outcome, code, details]),
    [
      ["file.walk", "success", undefined, { entries: 4 }],
      ["file.walk", "success", undefined, { entries: 1 }],
      ["file.walk", "failure", undefined, { entries: 1 }],
      ["file.walk", "failure", "not-found", { entries: 0 }],
    ],
  );
  assertEquals(audit.events[0]?.resource, t.tree.root);
});

testEach(
  "walk() is recorded when the validator closes over its consumer",
  ["a", "b"],
  async (t) => {
    const recorded: AuditEventInput[] = [];
    let log: AuditEventInput[] | undefined = recorded;
    const audit = {
      async report(event: AuditEventInput): Promise<void> {
        await Promise.resolve();
        if (log === undefined) throw new Error("the log is closed");
        log.push(event);
      },
    };
    const files = await t.open({ audit });
    const controller = new AbortController();
    const reason = new Error("enough");
    const walks = [
      files.walk("."),
      files.walk("."),
      files.walk(".", { signal: controller.signal }),
    ] as const;
    for (const walk of walks) await walk.next();
    // One that nobody began has no event, and one that ended has its own already.
    const unused = files.walk(".");
    assertEquals(await codeOf(files.walk("a").next()), "not-a-directory");
    controller.abort(reason);
    await files.close();
    log = undefined;

    assertEquals(await codeOf(walks[0].next()), "closed");
    await walks[1].return();
    assertEquals(await assertRejects(() => walks[2].next()), reason);
    assertEquals(await codeOf(unused.next()), "closed");
    assertEquals(
      recorded.map(({ outcome, code, reason, details }) => [outcome, code ?? reason, details]),
      [
        ["failure", "not-a-directory", { entries: 0 }],
        ["error", "closed", { entries: 1 }],
        ["error", "closed", { entries: 1 }],
        ["failure", "aborted by the caller", { entries: 1 }],
      ],
    );
  },
);

Deno.test("walk() that is under way is recorded before the validator is closed", async () => {
  using tree = makeTree(["a"]);
  let closing: Promise<void> | undefined;
  const audit = new Recorder();
  const files = await FileSecurityValidator.open({
    roots: [tree.root],
    backend: wrapBackend(openBestEffort, { beforeLocate: () => closing ??= files.close() }),
    audit,
  });
  const walking = codeOf(files.walk("none").next());
  while (closing === undefined) await Promise.resolve();
  await closing;
  assertEquals(audit.events.map(({ code, details }) => [code, details]), [
    ["not-found", { entries: 0 }],
  ]);
  assertEquals(await walking, "not-found");
});

testEach("walk() holds up no close(), whenever that comes", ["a/b/f"], async (t) => {
  const outcomes = new Set<string>();
  for (let ticks = 0; ticks < 40; ticks++) {
    const audit = new Recorder();
    const files = await t.open({ audit });
    let taken = 0;
    const first = files.walk(".").next().then(() => taken++, () => {});
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    // The consumer never comes back.
    await files.close();
    await first;
    const said = audit.events.map(({ code, details }) => `${code} ${details?.entries}`);
    assertEquals(said, said.length === 0 ? [] : [`closed ${taken}`], `${ticks} ticks`);
    outcomes.add(said.join());
  }
  assert(outcomes.has("") && outcomes.size > 1, [...outcomes].join());
});

testEach("walk() rejects when it could not be recorded at close()", ["a", "b"], async (t) => {
  const lost = new Error("disk full");
  const files = await t.open({ audit: { report: () => Promise.reject(lost) } });
  const walk = files.walk(".");
  await walk.next();
  await files.close();
  assertEquals(await codeOf(walk.next()), "audit-unavailable");
});

testEach("walk() ends when the validator is closed", ["a", "b"], async (t) => {
  const files = await t.open();
  const walk = files.walk(".");
  await walk.next();
  await files.close();
  assertEquals(await codeOf(walk.next()), "closed");
});

testEach(
  "remove() removes a file, a link itself, an empty directory",
  [
    "f",
    "e/",
    "full/x",
    "l => full",
    "gone => nowhere",
    "out => $OUTSIDE/secret",
    "dir => $OUTSIDE",
  ],
  async (t) => {
    const files = await t.open();
    const before = outsideOf(t.tree);
    assertEquals(await codeOf(files.remove("full")), "directory-not-empty");
    for (const name of ["f", "e", "l", "gone", "out"]) await files.remove(name);
    await files.remove("dir", { recursive: true });
    assertEquals(await codeOf(files.remove("f")), "not-found");
    assertEquals(snapshot(t.tree.root).filter((line) => !line.startsWith("/ ")).length, 2);
    assertEquals(namesIn(`${t.tree.root}/full`), ["x"]);
    assertEquals(outsideOf(t.tree), before);
  },
);

testEach(
  "remove() with all below follows no link",
  ["d/a/b/f", "d/a/g", "d/out => $OUTSIDE", "d/a/up => ../..", "keep", "d/e/"],
  async (t) => {
    const files = await t.open();
    const before = outsideOf(t.tree);
    await files.remove("d", { recursive: true });
    assertEquals(namesIn(t.tree.root), ["keep"]);
    assertEquals(outsideOf(t.tree), before);
  },
);

testEach("remove() with all below takes many names", ["d/"], async (t) => {
  const files = await t.open();
  for (let at = 0; at < 700; at++) Deno.writeTextFileSync(`${t.tree.root}/d/${at}`, "");
  await files.remove("d", { recursive: true });
  assertEquals(namesIn(t.tree.root), []);
});

testEach(
  "remove() removes nothing when something below must stay",
  ["d/1", "d/x/secret/f", "d/z", "deep/1/2/3/4", "ext/a.txt", "ext/b/run.sh"],
  async (t) => {
    const files = await t.open({
      policy: { forbiddenPaths: ["d/x/secret"], maxDepth: 4, deniedExtensions: [".sh"] },
    });
    const before = snapshot(t.tree.root);
    const cases = { d: "path-forbidden", deep: "path-too-deep", ext: "extension-denied" };
    for (const [name, code] of Object.entries(cases)) {
      assertEquals(await codeOf(files.remove(name, { recursive: true })), code);
    }
    assertEquals(await codeOf(files.remove("ext/b/run.sh")), "extension-denied");
    assertEquals(snapshot(t.tree.root), before);
  },
);

for (const kind of specialKinds) {
  testEach(
    `nothing opens a ${kind}, and its name can be changed`,
    [`${kind} p`, "f"],
    async (t) => {
      const files = await t.open();
      const refused = [
        files.writeFile("p", "x"),
        files.writeFile("p", "x", { append: true }),
        files.writeFile("p", "x", { atomic: false }),
        files.copy("p", "q"),
        files.copy("f", "p", { overwrite: true }),
      ];
      for (const code of await codesOf(refused)) assertEquals(code, "special-file");
      assertEquals(namesIn(t.tree.root), ["f", "p"]);
      const listed = (await files.list(".")).find(({ name }) => name === "p");
      assert(listed !== undefined && !listed.isFile && !listed.isDirectory && !listed.isSymlink);
      await files.rename("p", "q");
      await files.remove("q");
      assertEquals(namesIn(t.tree.root), ["f"]);
    },
  );
}

testEach(
  "remove() and rename() need not follow what they may not",
  ["f", "l => f", "hard h f", "hard h2 f"],
  async (t) => {
    const files = await t.open({ policy: { symlinks: "deny", hardLinks: "deny" } });
    await files.rename("l", "m");
    await files.rename("h", "i");
    for (const name of ["m", "i", "h2"]) await files.remove(name);
    assertEquals(await files.readTextFile("f"), "inside f");
  },
);
