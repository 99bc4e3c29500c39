import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertLessOrEqual,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  type AuditEventInput,
  type AuditReporter,
  FileSecurityValidator,
  MiB,
  type RootOptions,
  SecurityError,
  silentReporter,
} from "@bartizan/security";
import { availableBackends } from "./_backends.ts";
import { makeTree } from "./_tree.ts";
import { OpenHandles, wrapBackend } from "./_wrapped_backend.ts";

type Options = Parameters<typeof FileSecurityValidator.open>[0];

async function refusal(work: () => Promise<unknown>): Promise<SecurityError> {
  return await assertRejects(work, SecurityError);
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  return (await refusal(work)).code;
}

/** Keeps what it is told. */
function recorder(): AuditReporter & { readonly events: AuditEventInput[] } {
  const events: AuditEventInput[] = [];
  return {
    events,
    report(event): void {
      events.push(event);
    },
  };
}

/** Every operation of a validator, with a path that it can do. */
const OPERATIONS: Readonly<
  Record<string, (files: FileSecurityValidator, path: string) => Promise<unknown>>
> = {
  validate: (files, path) => files.validate(path),
  open: async (files, path) => (await files.open(path)).close(),
  readFile: (files, path) => files.readFile(path),
  readTextFile: (files, path) => files.readTextFile(path),
  readRange: (files, path) => files.readRange(path, { offset: 0, length: 1 }),
  readInto: (files, path) => files.readInto(path, new Uint8Array(4)),
  readable: async (files, path) => await (await files.readable(path)).cancel(),
  writeFile: (files, path) => files.writeFile(path, "new"),
  mkdir: (files, path) => files.mkdir(path),
  remove: (files, path) => files.remove(path),
  rename: (files, path) => files.rename(path, `${path}2`),
  copy: (files, path) => files.copy(path, `${path}3`),
  stat: (files, path) => files.stat(path),
  list: (files, path) => files.list(path),
  walk: async (files, path) => {
    for await (const _entry of files.walk(path));
  },
  subroot: async (files, path) => await (await files.subroot(path)).close(),
};

for (const { protection, backend } of await availableBackends()) {
  const open = (options: Options) => FileSecurityValidator.open({ backend, ...options });
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test(`FileSecurityValidator (${protection}) ${name}`, fn);

  test("says which protection it has", async () => {
    using tree = makeTree([]);
    await using files = await open({ roots: [tree.root] });
    assertEquals(files.protection, protection);
  });

  test("validate() gives the canonical path, by every spelling that leads into the root", async () => {
    using tree = makeTree(["a/b.txt", "link => a"]);
    await using files = await open({ roots: [tree.rootLink] });
    const expected = `${tree.root}/a/b.txt`;
    const spellings = [
      "a/b.txt",
      "./a//b.txt",
      "a/../a/b.txt",
      "link/b.txt",
      `${tree.root}/a/b.txt`,
      `${tree.rootLink}/a/b.txt`,
      `${tree.rootLink}/link/b.txt`,
      `/${tree.root}/./a/b.txt`,
    ];
    for (const spelling of spellings) {
      assertEquals(await files.validate(spelling), expected, spelling);
    }
    assertEquals(await files.validate("."), tree.root);
    assertEquals(await files.validate(tree.rootLink), tree.root);
  });

  test("accepts an absolute path that leads in through a link of somebody else's", async () => {
    using tree = makeTree(["f"]);
    Deno.symlinkSync(tree.work, `${tree.outside}/alias`);
    await using files = await open({ roots: [tree.root] });
    const alias = `${tree.outside}/alias/ROOT/f`;
    assertEquals(await files.validate(alias), `${tree.root}/f`);
    assertEquals(
      await codeOf(() => files.validate(`${tree.outside}/alias/OUTSIDE/secret`)),
      "path-outside-root",
    );
    await using strict = await open({ roots: [tree.root], policy: { symlinks: "deny" } });
    assertEquals(await codeOf(() => strict.validate(alias)), "symlink-denied");
    assertEquals(await strict.validate(`${tree.root}/f`), `${tree.root}/f`);
  });

  test("refuses what leads outside, whether there is anything or not", async () => {
    using tree = makeTree(["out => ../OUTSIDE", "secret => $OUTSIDE/secret"]);
    await using files = await open({ roots: [tree.root] });
    const paths = [
      "../OUTSIDE/secret",
      "out/secret",
      "out/nothing",
      "secret",
      `${tree.outside}/secret`,
      `${tree.outside}/nothing`,
      `${tree.root}/../OUTSIDE/secret`,
      `${tree.root}_evil/x`,
    ];
    for (const path of paths) {
      for (const name of ["validate", "open", "readFile", "readable", "stat", "list", "subroot"]) {
        assertEquals(
          await codeOf(() => OPERATIONS[name]!(files, path)),
          "path-outside-root",
          `${name} ${path}`,
        );
      }
    }
  });

  test("tries the roots in order of existence", async () => {
    using tree = makeTree(["one/a", "two/a", "two/b", "two/d/x"]);
    const roots = [`${tree.root}/one`, `${tree.root}/two`];
    await using files = await open({ roots });
    assertEquals(await files.validate("a"), `${tree.root}/one/a`);
    assertEquals(await files.validate("b"), `${tree.root}/two/b`);
    assertEquals(await codeOf(() => files.validate("c")), "not-found");
    // What is read and what is written by one name is one file.
    await files.writeFile("b", "changed");
    assertEquals(Deno.readTextFileSync(`${tree.root}/two/b`), "changed");
    await files.writeFile("d/new", "new");
    assertEquals(Deno.readTextFileSync(`${tree.root}/two/d/new`), "new");
    await files.writeFile("new", "new");
    assertEquals(Deno.readTextFileSync(`${tree.root}/one/new`), "new");
  });

  test("passes over a root that hides a path, and still refuses when no other has it", async () => {
    using tree = makeTree(["one/x", "two/x", "one/y"]);
    await using files = await open({
      roots: [{ path: `${tree.root}/one`, forbiddenPaths: ["x", "y"] }, `${tree.root}/two`],
    });
    assertEquals(await files.validate("x"), `${tree.root}/two/x`);
    assertEquals(await codeOf(() => files.validate("y")), "path-forbidden");
  });

  test("goes by the rules of the innermost root", async () => {
    using tree = makeTree(["in/f.txt", "in/f.sh", "f.sh", "link.sh => in/f.sh", "l => in"]);
    const inner: RootOptions = {
      path: `${tree.root}/in`,
      readOnly: true,
      deniedExtensions: ["sh"],
    };
    for (const roots of [[tree.root, inner], [inner, tree.root]]) {
      await using files = await open({ roots });
      const [below, above] = [`${tree.root}/in`, tree.root];
      assertEquals(await files.validate(`${above}/f.sh`), `${tree.root}/f.sh`);
      for (const path of ["in/f.sh", "l/f.sh", "link.sh", `${below}/f.sh`]) {
        assertEquals(await codeOf(() => files.readFile(path)), "extension-denied", path);
      }
      for (const path of ["in/f.txt", "l/f.txt", `${below}/new.txt`]) {
        assertEquals(await codeOf(() => files.writeFile(path, "x")), "read-only-root", path);
        assertEquals(
          await codeOf(() => files.open(path, { write: true })),
          path.endsWith("new.txt") ? "not-found" : "read-only-root",
          path,
        );
      }
    }
  });

  test("applies the policy to what was written and to what was found", async () => {
    using tree = makeTree([
      ...["private/key", "free/x", "way => private", "plain => script.SH", "script.SH", "ok.txt"],
      ...["shown.sh => ok.txt", "private/back => ../ok.txt"],
    ]);
    const policy = { forbiddenPaths: ["private"], deniedExtensions: [".sh"], maxDepth: 2 };
    await using files = await open({ roots: [tree.root], policy });
    const expected: Readonly<Record<string, string>> = {
      "private/key": "path-forbidden",
      "private": "path-forbidden",
      "way/key": "path-forbidden",
      "private/back": "path-forbidden",
      "private/nothing": "path-forbidden",
      "script.SH": "extension-denied",
      "plain": "extension-denied",
      "shown.sh": "extension-denied",
      "a/b/c": "path-too-deep",
    };
    for (const [path, code] of Object.entries(expected)) {
      assertEquals(await codeOf(() => files.validate(path)), code, path);
    }
    assertEquals(await files.validate("free/x"), `${tree.root}/free/x`);
  });

  test("takes what is written as a directory for one", async () => {
    using tree = makeTree(["d/f", "l => d"]);
    await using files = await open({ roots: [tree.root] });
    for (const path of ["d/f/", "d/f/.", `${tree.root}/d/f//`]) {
      assertEquals(await codeOf(() => files.readFile(path)), "not-a-directory", path);
      assertEquals(await codeOf(() => files.validate(path)), "not-a-directory", path);
    }
    assertEquals(await codeOf(() => files.writeFile("new/", "x")), "not-a-directory");
    for (const path of ["d/", "l/", "d/.", `${tree.root}/d//`]) {
      assertEquals(await files.validate(path), `${tree.root}/d`, path);
    }
  });

  test("refuses relative paths when only absolute ones are allowed", async () => {
    using tree = makeTree(["f"]);
    await using files = await open({ roots: [tree.root], policy: { requireAbsolutePaths: true } });
    assertEquals((await refusal(() => files.validate("f"))).details, { reason: "relative" });
    assertEquals(await files.validate(`${tree.root}/f`), `${tree.root}/f`);
  });

  test("starts relative paths at the roots that allow them, in order of existence", async () => {
    using tree = makeTree(["strict/a", "strict/s", "one/a", "one/d/", "two/a", "two/b"]);
    const [strict, one, two] = [`${tree.root}/strict`, `${tree.root}/one`, `${tree.root}/two`];
    const absolute = { path: strict, requireAbsolutePaths: true, deniedExtensions: ["sh"] };
    for (const roots of [[absolute, one, two], [one, absolute, two], [one, two, absolute]]) {
      await using files = await open({ roots });
      assertEquals(await files.validate("a"), `${one}/a`);
      assertEquals(await files.validate("b"), `${two}/b`);
      assertEquals(await files.validate("."), one);
      // Neither what is in the other root nor its rules.
      for (const path of ["s", "c", "c.sh"]) {
        assertEquals(await codeOf(() => files.validate(path)), "not-found", path);
      }
      assertEquals(await codeOf(() => files.validate("../one/a")), "path-outside-root");
      assertEquals(await files.validate(`${strict}/s`), `${strict}/s`);
      for (const [path, root] of [["b", two], ["s", one], ["d/n.sh", one]] as const) {
        await files.writeFile(path, "new");
        assertEquals(Deno.readTextFileSync(`${root}/${path}`), "new", path);
      }
      assertEquals(Deno.readTextFileSync(`${strict}/s`), "inside strict/s");
      for (const path of ["s", "d/n.sh"]) Deno.removeSync(`${one}/${path}`);
    }
  });

  test("refuses relative paths when no root allows them", async () => {
    using tree = makeTree(["one/a", "two/b"]);
    const roots = [`${tree.root}/one`, `${tree.root}/two`];
    await using files = await open({ roots, policy: { requireAbsolutePaths: true } });
    for (const path of ["a", "b", "c"]) {
      for (const work of [() => files.validate(path), () => files.writeFile(path, "x")]) {
        const { code, details } = await refusal(work);
        assertEquals([code, details], ["path-invalid", { reason: "relative" }], path);
      }
    }
    assertEquals(await codeOf(() => files.validate("../two/b")), "path-outside-root");
    assertEquals(await files.validate(`${tree.root}/two/b`), `${tree.root}/two/b`);
  });

  test("refuses a file with more names than one when hard links are denied", async () => {
    using tree = makeTree(["one", "two", "hard again one"]);
    await using files = await open({ roots: [tree.root], policy: { hardLinks: "deny" } });
    for (const path of ["one", "again"]) {
      assertEquals(await codeOf(() => files.readFile(path)), "hard-link-denied");
    }
    await files.readFile("two");
    await using lax = await open({ roots: [tree.root] });
    await lax.readFile("one");
  });

  test("notices that a root was moved or removed", async () => {
    using tree = makeTree(["r/f", "s/f"]);
    await using files = await open({ roots: [`${tree.root}/r`] });
    Deno.renameSync(`${tree.root}/r`, `${tree.root}/moved`);
    assertEquals(await codeOf(() => files.readFile("f")), "root-moved");
    Deno.renameSync(`${tree.root}/s`, `${tree.root}/r`);
    // Another directory with its name is not the root.
    assertEquals(await codeOf(() => files.readFile("f")), "root-moved");
    Deno.removeSync(`${tree.root}/moved`, { recursive: true });
    assertEquals(await codeOf(() => files.readFile("f")), "root-moved");
  });

  test("subroot() narrows, and never widens", async () => {
    using tree = makeTree(["t/a.txt", "t/b.md", "t/c.sh", "t/big.txt", "t/d/e/f.txt", "other"]);
    Deno.writeTextFileSync(`${tree.root}/t/big.txt`, "x".repeat(50));
    await using files = await open({
      roots: [{ path: tree.root, forbiddenPaths: ["t/d"], maxFileSizeBytes: 40 }],
      policy: { allowedExtensions: ["txt", "md"], maxDepth: 3 },
    });
    await using tenant = await files.subroot("t", {
      allowedExtensions: ["txt", "sh"],
      maxFileSizeBytes: MiB,
      maxDepth: 10,
      readOnly: true,
    });
    assertEquals(await tenant.validate("a.txt"), `${tree.root}/t/a.txt`);
    assertEquals(await codeOf(() => tenant.validate("../other")), "path-outside-root");
    assertEquals(await codeOf(() => tenant.validate(`${tree.root}/other`)), "path-outside-root");
    assertEquals(await codeOf(() => tenant.validate("b.md")), "extension-denied");
    assertEquals(await codeOf(() => tenant.validate("c.sh")), "extension-denied");
    assertEquals(await codeOf(() => tenant.readFile("big.txt")), "file-too-large");
    assertEquals(await codeOf(() => tenant.validate("d/e")), "path-forbidden");
    assertEquals(await codeOf(() => tenant.validate("x/y/z")), "path-too-deep");
    assertEquals(await codeOf(() => tenant.writeFile("a.txt", "")), "read-only-root");
    assertEquals(await codeOf(() => files.subroot("t/a.txt")), "not-a-directory");
  });

  test("subroot() shares limits, and ends with its parent", async () => {
    using tree = makeTree(["t/a"]);
    const files = await open({ roots: [tree.root], resources: { maxOperationsPerSecond: 2 } });
    const tenant = await files.subroot("t");
    await tenant.validate("a");
    assertEquals(await codeOf(() => files.validate("t")), "rate-limited");
    await files.close();
    assertEquals(await codeOf(() => tenant.validate("a")), "closed");
  });

  test("rejects everything after close(), which may be called twice", async () => {
    using tree = makeTree(["f"]);
    const audit = recorder();
    for (const reporter of [silentReporter, audit]) {
      const files = await open({ roots: [tree.root], audit: reporter });
      await Promise.all([files.close(), files.close()]);
      for (const [name, operation] of Object.entries(OPERATIONS)) {
        assertEquals(await codeOf(() => operation(files, "f")), "closed", name);
      }
    }
    assertEquals(audit.events, []);
  });

  test("rejects with the reason of a signal that is aborted, and does nothing", async () => {
    using tree = makeTree(["f"]);
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    for (const audit of [silentReporter, recorder()]) {
      await using files = await open({ roots: [tree.root], audit });
      const works: Promise<unknown>[] = [
        files.validate("f", { signal }),
        files.open("f", { signal }),
        files.readFile("f", { signal }),
        files.readTextFile("f", { signal }),
        files.readRange("f", { signal }),
        files.readInto("f", new Uint8Array(1), { signal }),
        files.readable("f", { signal }),
        files.writeFile("g", "x", { signal }),
        files.mkdir("g", { signal }),
        files.remove("f", { signal }),
        files.rename("f", "g", { signal }),
        files.copy("f", "g", { signal }),
        files.stat("f", { signal }),
        files.list(".", { signal }),
        files.subroot(".", { signal }),
      ];
      for (const result of await Promise.allSettled(works)) {
        assertEquals(result.status, "rejected");
        assertStrictEquals((result as PromiseRejectedResult).reason, reason);
      }
      assertEquals([...Deno.readDirSync(tree.root)].map(({ name }) => name), ["f"]);
    }
  });

  test("never does more at once than maxConcurrentOperations", async () => {
    using tree = makeTree(["size big 100000"]);
    let running = 0;
    let most = 0;
    const wrapped = wrapBackend(backend, {
      async aroundRead(_into, read) {
        most = Math.max(most, ++running);
        try {
          return await read();
        } finally {
          running--;
        }
      },
    });
    const resources = { maxConcurrentOperations: 5 };
    await using files = await open({ roots: [tree.root], backend: wrapped, resources });
    const reads = Array.from(
      { length: 1_000 },
      (_, index) =>
        index % 4 === 0 ? files.validate("big").then(() => 100_000) : files
          .readFile("big")
          .then(({ byteLength }) => byteLength),
    );
    assertEquals(new Set(await Promise.all(reads)), new Set([100_000]));
    assertEquals(most, 5);
    assertEquals(running, 0);
  });

  test("refuses what waits beyond maxQueuedOperations", async () => {
    using tree = makeTree(["size big 100000"]);
    await using files = await open({
      roots: [tree.root],
      resources: { maxConcurrentOperations: 1, maxQueuedOperations: 2 },
    });
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => files.readFile("big")),
    );
    assertEquals(
      results.map((result) => result.status === "rejected" ? result.reason.code : "done"),
      ["done", "done", "done", "too-many-operations", "too-many-operations"],
    );
  });

  test("holds no more bytes at once than maxBytesInFlight", async () => {
    using tree = makeTree(["size big 100000"]);
    let held = 0;
    let most = 0;
    const wrapped = wrapBackend(backend, {
      async aroundRead(into, read) {
        held += into.byteLength;
        most = Math.max(most, held);
        try {
          return await read();
        } finally {
          held -= into.byteLength;
        }
      },
    });
    const resources = { maxBytesInFlight: 250_000 };
    await using files = await open({ roots: [tree.root], backend: wrapped, resources });
    await Promise.all(Array.from({ length: 50 }, () => files.readFile("big")));
    assertLessOrEqual(most, 250_000);
    assert(most > 100_000);
    await using small = await open({ roots: [tree.root], resources: { maxBytesInFlight: 99_999 } });
    assertEquals(await codeOf(() => small.readFile("big")), "file-too-large");
  });

  test("close() waits for what is running, and ends it", async () => {
    using tree = makeTree(["size big 3000000"]);
    const handles = new OpenHandles();
    const reads: PromiseWithResolvers<void> = Promise.withResolvers();
    const started: PromiseWithResolvers<void> = Promise.withResolvers();
    const hooks = {
      async aroundRead(_into: Uint8Array, read: () => Promise<number>) {
        started.resolve();
        await reads.promise;
        return await read();
      },
    };
    const files = await open({
      roots: [tree.root],
      backend: wrapBackend(backend, hooks, handles),
      resources: { maxConcurrentOperations: 1 },
    });
    const running = codeOf(() => files.readFile("big"));
    const waiting = codeOf(() => files.readFile("big"));
    await started.promise;
    let closed = false;
    const closing = files.close().then(() => closed = true);
    assertEquals(await waiting, "closed");
    assertFalse(closed);
    assertEquals(handles.count, 1);
    reads.resolve();
    assertEquals(await running, "closed");
    await closing;
    assertEquals(handles.count, 0);
  });

  test("keeps nothing when the system has no descriptor left", async () => {
    using tree = makeTree(["f"]);
    let failing = true;
    const audit = recorder();
    const wrapped = wrapBackend(backend, {
      beforeLocate() {
        if (failing) {
          throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
        }
      },
    });
    const resources = { maxConcurrentOperations: 1 };
    await using files = await open({ roots: [tree.root], backend: wrapped, audit, resources });
    for (let times = 0; times < 3; times++) {
      assertEquals(await codeOf(() => files.readFile("f")), "too-many-open-files");
    }
    failing = false;
    await files.readFile("f");
    assertEquals(audit.events.map(({ outcome }) => outcome), [
      "error",
      "error",
      "error",
      "success",
    ]);
  });

  test("tells a client neither a root nor a canonical path", async () => {
    using tree = makeTree([
      ...["out => ../OUTSIDE/secret", "loop => loop", "d/f", "x.sh", "private/f", "size big 99"],
      ...["fifo p", "hard h d/f"],
    ]);
    const audit = recorder();
    await using files = await open({
      roots: [{ path: tree.root, readOnly: true }],
      policy: {
        ...{ deniedExtensions: ["sh"], forbiddenPaths: ["private"], hardLinks: "deny" },
        ...{ maxDepth: 3, maxFileSizeBytes: 50 },
      },
      audit,
    });
    const paths = [
      ...["out", "loop", "d", "d/f", "d/f/g", "nothing", "x.sh", "private/f", "big", "p", "h"],
      ...["a/b/c/d", "../x", "a\0b", "", "n".repeat(300), tree.outside, `${tree.root}/nothing`],
    ];
    const codes = new Set<string>();
    for (const path of paths) {
      for (const operation of Object.values(OPERATIONS)) {
        try {
          await operation(files, path);
        } catch (error) {
          assertInstanceOf(error, SecurityError);
          codes.add(error.code);
          const told = error.message + JSON.stringify(error.details);
          assertFalse(told.includes(tree.work), told);
        }
      }
    }
    for (
      const code of [
        ...["path-outside-root", "symlink-loop", "not-a-file", "not-found", "extension-denied"],
        ...["path-forbidden", "file-too-large", "special-file", "hard-link-denied"],
        ...["path-too-deep", "path-invalid", "name-too-long", "read-only-root"],
      ]
    ) assert(codes.has(code), `${code} is none of ${[...codes]}`);
    assertEquals(audit.events.filter(({ outcome }) => outcome === "error"), []);
  });

  test("records every operation with its outcome, and why", async () => {
    using tree = makeTree(["f", "big"]);
    Deno.writeTextFileSync(`${tree.root}/big`, "x".repeat(11));
    const audit = recorder();
    await using files = await open({
      roots: [tree.root],
      policy: { maxFileSizeBytes: 10 },
      audit,
    });
    await files.validate("f", { principal: "alice" });
    await refusal(() => files.readFile("big", { principal: "bob" }));
    await refusal(() => files.readFile("../OUTSIDE/secret"));
    await refusal(() => files.stat("nothing"));
    await assertRejects(() => files.stat("f", { signal: AbortSignal.abort() }), DOMException);
    await files.writeFile("g", "hello");
    assertEquals((await files.readFile("g")).byteLength, 5);
    for (const event of audit.events) {
      assert(event.durationMs !== undefined && event.durationMs >= 0);
    }
    const told = audit.events.map(({ kind, outcome, code, resource, principal }) => [
      ...[kind, outcome, code, resource?.replace(tree.work, "W"), principal],
    ]);
    assertEquals(told, [
      ["file.validate", "success", undefined, "W/ROOT/f", "alice"],
      ["file.read", "denied", "file-too-large", "W/ROOT/big", "bob"],
      ["file.read", "denied", "path-outside-root", "../OUTSIDE/secret", undefined],
      ["file.stat", "failure", "not-found", "nothing", undefined],
      ["file.stat", "failure", undefined, "f", undefined],
      ["file.write", "success", undefined, "W/ROOT/g", undefined],
      ["file.read", "success", undefined, "W/ROOT/g", undefined],
    ]);
    assertStringIncludes(audit.events[1]?.reason ?? "", `${tree.root}/big`);
    assertEquals(audit.events[4]?.reason, "aborted by the caller");
    assertEquals(audit.events.at(-1)?.details, { bytes: 5 });
  });

  test("does nothing that cannot be recorded, and hands nothing out", async () => {
    using tree = makeTree(["f"]);
    const handles = new OpenHandles();
    const lost = new Error("the disk of the log is full");
    await using files = await open({
      roots: [tree.root],
      backend: wrapBackend(backend, {}, handles),
      audit: { report: () => Promise.reject(lost) },
    });
    // The sanitizers see a file that stays open.
    for (const name of ["validate", "open", "readFile", "readable", "stat"]) {
      const error = await refusal(() => OPERATIONS[name]!(files, "f"));
      assertEquals([error.code, error.cause], ["audit-unavailable", lost], name);
    }
    assertEquals(handles.count, 0);
    await using strict = await open({
      roots: [tree.root],
      audit: { report: () => {}, ready: () => Promise.reject(lost) },
    });
    assertEquals(await codeOf(() => strict.writeFile("g", "x")), "audit-unavailable");
    assertEquals(await codeOf(() => strict.remove("f")), "audit-unavailable");
    assertEquals([...Deno.readDirSync(tree.root)].map(({ name }) => name), ["f"]);
    await strict.readFile("f");
  });

  test("open() closes what it opened when a root cannot be had", async () => {
    using tree = makeTree(["f", "d/"]);
    const error = await refusal(() => open({ roots: [tree.root, `${tree.root}/f`] }));
    assertEquals([error.code, error.details], ["not-a-directory", { root: 1 }]);
    assertEquals(await codeOf(() => open({ roots: [`${tree.root}/none`] })), "not-found");
    for (
      const roots of [[], "x", [""], [{}], [null], [
        tree.root,
        tree.rootLink,
      ]] as unknown as string[][]
    ) await assertRejects(() => open({ roots }), TypeError);
    const bad: Record<string, unknown>[] = [
      { resources: { maxConcurrentOperations: 0 } },
      { resources: { maxBytesInFlight: 1.5 } },
      { policy: { maxDepth: -1 } },
    ];
    for (const options of bad) {
      await assertRejects(() => open({ roots: [tree.root], ...options }), RangeError);
    }
    for (
      const options of [{ policy: { depth: 1 } }, { resources: { max: 1 } }, { protection: "x" }]
    ) {
      await assertRejects(() => open({ roots: [tree.root], ...options } as Options), TypeError);
    }
  });

  test("requiredPermissions() names every spelling of the roots", async () => {
    using tree = makeTree(["d/"]);
    await using files = await open({ roots: [{ path: tree.rootLink, readOnly: true }] });
    const { flags } = files.requiredPermissions();
    if (protection === "fd-verified") {
      assertEquals(flags, ["--allow-all"]);
    } else {
      assertStringIncludes(flags[0] ?? "", "--allow-read=");
      for (const path of [tree.root, tree.rootLink]) assertStringIncludes(flags[0] ?? "", path);
      assertEquals(flags.length, protection === "kernel" ? 2 : 1);
    }
  });
}

Deno.test("FileSecurityValidator.open() says what is missing for a protection", async () => {
  using tree = makeTree([]);
  const kernel = await refusal(() =>
    FileSecurityValidator.open({ roots: [tree.root], protection: "kernel" })
  );
  assertEquals(kernel.code, "protection-unavailable");
  assertStringIncludes(kernel.message, "@bartizan/security/openat2");
  for (const { protection, backend } of await availableBackends()) {
    if (protection !== "best-effort") continue;
    const error = await refusal(() =>
      FileSecurityValidator.open({ roots: [tree.root], protection: "fd-verified", backend })
    );
    assertEquals(error.code, "protection-unavailable");
  }
});

/** Runs a program of its own with the given permissions; what it prints. */
async function child(root: string, flags: readonly string[], program: string): Promise<string> {
  const process = new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", "--no-check", ...flags, "-"],
    cwd: new URL("../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`
    import { FileSecurityValidator } from "./mod.ts";
    const root = ${JSON.stringify(root)};
    const codeOf = (promise) => promise.then(() => "done", (error) => error.code ?? String(error));
    ${program}
  `));
  await writer.close();
  const { stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  return decoder.decode(stdout).trim();
}

Deno.test("FileSecurityValidator finds out that a permission was revoked, and never prompts", async () => {
  using tree = makeTree(["f"]);
  const program = (descriptor: string) => `
    const files = await FileSecurityValidator.open({ roots: [root] });
    const first = await codeOf(files.readFile("f"));
    await Deno.permissions.revoke(${descriptor});
    console.log(files.protection, first, await codeOf(files.readFile("f")), await codeOf(files.writeFile("g", "x")));
    await files.close();`;
  const scoped = [`--allow-read=${tree.root}`, `--allow-write=${tree.root}`];
  const path = JSON.stringify(tree.root);
  const none = "permission-missing";
  const runs: [readonly string[], string, string][] = [
    [scoped, `{ name: "read", path: ${path} }`, `best-effort done ${none} ${none}`],
    [scoped, `{ name: "write", path: ${path} }`, `best-effort done done ${none}`],
    [scoped.slice(0, 1), `{ name: "net" }`, `best-effort done done ${none}`],
  ];
  if (Deno.build.os === "linux") {
    runs.push([["--allow-all"], `{ name: "net" }`, `fd-verified done ${none} ${none}`]);
  }
  for (const [flags, descriptor, expected] of runs) {
    assertEquals(await child(tree.root, flags, program(descriptor)), expected);
  }
});

Deno.test("FileSecurityValidator.open() names the permission that is missing", async () => {
  using tree = makeTree(["f"]);
  const program = `
    const error = await FileSecurityValidator.open({ roots: [root] }).catch((error) => error);
    console.log(error.code, error.details.flag);`;
  assertEquals(await child(tree.root, [], program), "permission-missing --allow-read");
  const fd = `
    const error = await FileSecurityValidator.open({ roots: [root], protection: "fd-verified" })
      .catch((error) => error);
    console.log(error.code, error.message);`;
  const told = await child(tree.root, [`--allow-read=${tree.root}`], fd);
  assertStringIncludes(told, "protection-unavailable");
  assertStringIncludes(told, "--allow-net");
});

Deno.test("FileSecurityValidator looks at no foreign path that it may not read", async () => {
  using tree = makeTree(["f"]);
  const program = `
    const files = await FileSecurityValidator.open({ roots: [root] });
    console.log(
      await codeOf(files.readFile("/etc/passwd")),
      await codeOf(files.readFile("/etc/no-such-file")),
      await codeOf(files.writeFile("/etc/no-such-file", "x")),
    );
    await files.close();`;
  const outside = "path-outside-root";
  assertEquals(
    await child(tree.root, [`--allow-read=${tree.root}`], program),
    `${outside} ${outside} ${outside}`,
  );
  assertNotEquals(tree.root, "/etc");
});
