import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { outsideOf, snapshot } from "./_tree.ts";
import { codeOf, namesIn, Recorder, testEach } from "./_each_backend.ts";
import { wrapBackend } from "./_wrapped_backend.ts";

const text = (path: string): string => Deno.readTextFileSync(path);
const modeOf = (path: string): number => (Deno.lstatSync(path).mode ?? 0) & 0o777;

testEach("mkdir() makes one directory", ["f", "l => f", "gone => nowhere"], async (t) => {
  const files = await t.open();
  await files.mkdir("d");
  assertEquals(modeOf(`${t.tree.root}/d`), 0o700);
  await files.mkdir("d/e", { mode: 0o711 });
  assertEquals(modeOf(`${t.tree.root}/d/e`) & 0o700, 0o700);
  for (const name of ["d", "f", "l", "gone"]) {
    assertEquals(await codeOf(files.mkdir(name)), "already-exists", name);
  }
  assertEquals(await codeOf(files.mkdir("x/y")), "not-found");
  await assertRejects(() => files.mkdir("z", { mode: 0.5 }), RangeError);
});

testEach(
  "mkdir() makes all that is missing, in any spelling",
  ["d/", "l => d", "f", "out => $OUTSIDE", "gone => nowhere"],
  async (t) => {
    const files = await t.open();
    const { root } = t.tree;
    await files.mkdir("a/b/c", { recursive: true, mode: 0o711 });
    await files.mkdir("a/b/c", { recursive: true });
    await files.mkdir("./l/x/../y//z/", { recursive: true });
    await files.mkdir(`${root}/abs/1`, { recursive: true });
    await files.mkdir(`${t.tree.rootLink}/abs/2`, { recursive: true });
    await files.mkdir(".", { recursive: true });
    assertEquals(modeOf(`${root}/a/b`) & 0o700, 0o700);
    assert(Deno.statSync(`${root}/a/b/c`).isDirectory);
    assert(Deno.statSync(`${root}/d/y/z`).isDirectory);
    assertEquals(namesIn(`${root}/d`), ["y"]);
    assertEquals(namesIn(`${root}/abs`), ["1", "2"]);
    const before = outsideOf(t.tree);
    for (const name of ["out/a/b", "../x", "/nonexistent-a/b", `${t.tree.outside}/x/y`]) {
      assertEquals(await codeOf(files.mkdir(name, { recursive: true })), "path-outside-root", name);
    }
    assertEquals(await codeOf(files.mkdir("f", { recursive: true })), "already-exists");
    assertEquals(await codeOf(files.mkdir("f/a/b", { recursive: true })), "not-a-directory");
    assertMatch(
      await codeOf(files.mkdir("gone/a", { recursive: true })),
      /not-found|already-exists/,
    );
    assertEquals(outsideOf(t.tree), before);
  },
);

testEach("mkdir() makes nothing of a path that ends in a refusal", ["d/", "l => d"], async (t) => {
  const files = await t.open({ policy: { forbiddenPaths: ["d/a/b", "x/y"], maxDepth: 5 } });
  const cases = {
    "x/y/z": "path-forbidden",
    "l/a/b/c": "path-forbidden",
    "1/2/3/4/5/6": "path-too-deep",
  };
  for (const [name, code] of Object.entries(cases)) {
    assertEquals(await codeOf(files.mkdir(name, { recursive: true })), code, name);
  }
  assertEquals(namesIn(t.tree.root), ["d", "l"]);
  assertEquals(namesIn(`${t.tree.root}/d`), []);
});

testEach("mkdir() at the same time is no conflict", [], async (t) => {
  const files = await t.open();
  await Promise.all(
    Array.from({ length: 20 }, (_, at) => files.mkdir(`a/b/c/${at}`, { recursive: true })),
  );
  assertEquals(namesIn(`${t.tree.root}/a/b/c`).length, 20);
});

testEach(
  "rename() moves files, directories and links themselves",
  ["f", "d/g", "l => d/g"],
  async (t) => {
    const files = await t.open();
    const { root } = t.tree;
    await files.rename("f", "d/f2");
    await files.rename("d", "e");
    await files.rename("l", "e/l");
    assertEquals(namesIn(`${root}/e`), ["f2", "g", "l"]);
    assertEquals(Deno.readLinkSync(`${root}/e/l`), "d/g");
    assertEquals(namesIn(root), ["e"]);
    assertEquals(await codeOf(files.rename("none", "x")), "not-found");
    assertEquals(await codeOf(files.rename("e", "e/below")), "path-invalid");
  },
);

testEach(
  "rename() replaces only what it may",
  ["a", "b", "d/", "full/x", "e/", "l => a"],
  async (t) => {
    const files = await t.open();
    const { root } = t.tree;
    for (const name of ["b", "d", "l", "a"]) {
      assertEquals(await codeOf(files.rename("a", name)), "already-exists", name);
    }
    const overwrite = { overwrite: true };
    assertEquals(await codeOf(files.rename("a", "d", overwrite)), "not-a-file");
    assertEquals(await codeOf(files.rename("d", "full", overwrite)), "directory-not-empty");
    await files.rename("d", "e", overwrite);
    await files.rename("b", "l", overwrite);
    assertEquals(text(`${root}/l`), "inside b");
    assertEquals(text(`${root}/a`), "inside a");
    assertEquals(namesIn(root), ["a", "e", "full", "l"]);
  },
);

testEach("rename() lets one of many have a name", ["0", "1", "2", "3", "4"], async (t) => {
  const files = await t.open();
  const all = await Promise.allSettled([0, 1, 2, 3, 4].map((at) => files.rename(`${at}`, "f")));
  assertEquals(all.filter(({ status }) => status === "fulfilled").length, 1);
  assertEquals(namesIn(t.tree.root).length, 5);
});

testEach(
  "rename() carries nothing past the policy",
  ["d/secret/f", "m/hooks/run", ".git/", "a.sh", "x.txt"],
  async (t) => {
    const files = await t.open({
      policy: {
        forbiddenPaths: ["d/secret", ".git/hooks"],
        deniedExtensions: ["sh"],
      },
    });
    const before = snapshot(t.tree.root);
    const overwrite = { overwrite: true };
    const cases: readonly (readonly [string, string, string])[] = [
      ["d", "e", "path-forbidden"],
      ["d/secret", "e", "path-forbidden"],
      ["m", ".git", "path-forbidden"],
      ["x.txt", "d/secret/g", "path-forbidden"],
      ["a.sh", "b.txt", "extension-denied"],
      ["x.txt", "b.sh", "extension-denied"],
    ];
    for (const [from, to, code] of cases) {
      assertEquals(await codeOf(files.rename(from, to, overwrite)), code, `${from} to ${to}`);
    }
    assertEquals(snapshot(t.tree.root), before);
  },
);

testEach(
  "rename() measures a directory by the rules of the root it comes under",
  [
    "a/ok/f.txt",
    "a/bad/run.sh",
    "a/big/f.txt",
    "size a/big/g.txt 100",
    "a/s/h.txt",
    "hard a/i.txt a/s/h.txt",
    "b/",
  ],
  async (t) => {
    const { root } = t.tree;
    const strict = {
      path: `${root}/b`,
      allowedExtensions: ["txt"],
      maxFileSizeBytes: 50,
      hardLinks: "deny",
    } as const;
    const files = await t.open({ roots: [`${root}/a`, strict] });
    assertEquals(await codeOf(files.rename("bad", `${root}/b/bad`)), "extension-denied");
    assertEquals(await codeOf(files.rename("big", `${root}/b/big`)), "file-too-large");
    const one = files.rename("big/g.txt", `${root}/b/g.txt`);
    assertEquals(await codeOf(one), "file-too-large");
    assertEquals(await codeOf(files.rename("s", `${root}/b/s`)), "hard-link-denied");
    assertEquals(await codeOf(files.rename("i.txt", `${root}/b/i.txt`)), "hard-link-denied");
    await files.rename("ok", `${root}/b/ok`);
    assertEquals(namesIn(`${root}/b`), ["ok"]);
  },
);

testEach(
  "copy() copies a file with its mode, and replaces only when told",
  ["f", "g", "d/"],
  async (t) => {
    const files = await t.open();
    const { root } = t.tree;
    Deno.chmodSync(`${root}/f`, 0o640);
    await files.copy("f", "d/f");
    assertEquals(text(`${root}/d/f`), "inside f");
    assertEquals(modeOf(`${root}/d/f`) & 0o600, 0o600);
    assertEquals(await codeOf(files.copy("f", "g")), "already-exists");
    assertEquals(text(`${root}/g`), "inside g");
    await files.copy("f", "g", { overwrite: true });
    await files.copy("g", "g", { overwrite: true });
    assertEquals(text(`${root}/g`), "inside f");
    assertEquals(await codeOf(files.copy("d", "e")), "not-a-file");
    assertEquals(await codeOf(files.copy("f", "d", { overwrite: true })), "not-a-file");
    assertEquals(await codeOf(files.copy("none", "x")), "not-found");
    assertEquals(namesIn(root), ["d", "f", "g"]);
  },
);

testEach(
  "copy() applies the policy to both names",
  ["f.txt", "a.sh", "secret/s", "l => $OUTSIDE/secret", "size big 200"],
  async (t) => {
    const files = await t.open({
      policy: { deniedExtensions: ["sh"], forbiddenPaths: ["secret"], maxFileSizeBytes: 100 },
    });
    const before = snapshot(t.tree.root);
    const cases: readonly (readonly [string, string, string])[] = [
      ["a.sh", "b", "extension-denied"],
      ["f.txt", "b.sh", "extension-denied"],
      ["secret/s", "b", "path-forbidden"],
      ["f.txt", "secret/t", "path-forbidden"],
      ["l", "b", "path-outside-root"],
      ["f.txt", "../b", "path-outside-root"],
      ["big", "b", "file-too-large"],
    ];
    for (const [from, to, code] of cases) {
      assertEquals(await codeOf(files.copy(from, to)), code, `${from} to ${to}`);
    }
    assertEquals(snapshot(t.tree.root), before);
  },
);

testEach("copy() measures by the smaller of both limits", ["a/f", "b/"], async (t) => {
  const { root } = t.tree;
  const files = await t.open({
    roots: [`${root}/a`, { path: `${root}/b`, maxFileSizeBytes: 5 }],
    resources: { maxBytesInFlight: 3 },
  });
  assertEquals(await codeOf(files.copy("f", `${root}/b/f`)), "file-too-large");
  await files.copy("f", "g");
  assertEquals(text(`${root}/a/g`), "inside a/f");
  assertEquals(namesIn(`${root}/b`), []);
});

testEach("copies in a circle do not wait for each other", ["a", "b"], async (t) => {
  const files = await t.open({ resources: { maxConcurrentOperations: 2, maxBytesInFlight: 8 } });
  const overwrite = { overwrite: true };
  await Promise.all(
    Array.from(
      { length: 20 },
      () => [files.copy("a", "b", overwrite), files.copy("b", "a", overwrite)],
    )
      .flat(),
  );
  for (const name of ["a", "b"]) assertMatch(text(`${t.tree.root}/${name}`), /^inside [ab]$/);
  assertEquals(namesIn(t.tree.root), ["a", "b"]);
});

testEach("rename() says that it cannot move to another file system", ["f", "d/"], async (t) => {
  // What rename(2) says then, and not that the path leads outside.
  const beforeRename = () => {
    throw Object.assign(new Error("Invalid cross-device link"), { code: "EXDEV" });
  };
  const audit = new Recorder();
  const backend = wrapBackend(openBestEffort, { beforeRename });
  const files = await t.open({ backend, audit });
  for (const name of ["f", "d"]) {
    const error = await assertRejects(() => files.rename(name, "g"), SecurityError);
    assertEquals(error.code, "io-error");
    assertEquals(error.message, "Nothing can be renamed from one file system to another");
  }
  assertEquals(audit.events.map(({ outcome }) => outcome), ["error", "error"]);
});
