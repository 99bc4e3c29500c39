import { assertEquals, assertRejects } from "@std/assert";
import { FileSecurityValidator } from "@bartizan/security";

Deno.test("open() refuses options that it does not know, so that no policy is lost to a typo", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (const wrong of [{ forbiddenPaths: [".git"] }, { polcy: {} }, { audit: { log() {} } }]) {
      const options = { roots: [root], ...wrong } as unknown as { roots: string[] };
      await assertRejects(() => FileSecurityValidator.open(options), TypeError);
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

/** Tries to change a read-only root without the permission to write there; says the codes. */
const CHANGES = `
import { FileSecurityValidator } from "@bartizan/security";
const [data, shown] = Deno.args;
await using files = await FileSecurityValidator.open({ roots: [data, { path: shown, readOnly: true }] });
await files.mkdir("a/b", { recursive: true });
const codes = [];
for (const change of [() => files.writeFile(shown + "/f", "x"), () => files.remove(shown + "/f")]) {
  codes.push(await change().then(() => "done", (error) => error.code));
}
console.log(JSON.stringify(codes));
`;

Deno.test("a read-only root needs no permission to write, and says that it is read-only", async () => {
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    const [data, shown] = [`${root}/data`, `${root}/shown`];
    await Deno.mkdir(data);
    await Deno.mkdir(shown);
    await Deno.writeTextFile(`${shown}/f`, "f");
    await Deno.writeTextFile(`${root}/changes.ts`, CHANGES);
    const { code, stdout, stderr } = await new Deno.Command("deno", {
      args: [
        "run",
        "-q",
        "--no-check",
        "--no-prompt",
        `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
        `--allow-read=${data},${shown}`,
        `--allow-write=${data}`,
        `${root}/changes.ts`,
        data,
        shown,
      ],
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [
      "read-only-root",
      "read-only-root",
    ]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("readable() ends for its reader whenever it is aborted or the validator closes", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/f`, "text");
    for (let turns = 0; turns < 25; turns++) {
      for (const how of ["abort", "close"]) {
        const files = await FileSecurityValidator.open({
          roots: [root],
          audit: { report: () => Promise.resolve() },
        });
        const controller = new AbortController();
        const text = files.readable("f", { signal: controller.signal })
          .then((stream) => new Response(stream).text())
          .catch(() => "refused");
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        if (how === "abort") controller.abort();
        const closed = files.close();
        // A stream that never ends would make this test fail as one whose promise is pending.
        assertEquals(["text", "refused"].includes(await text), true);
        await closed;
      }
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

const LIBRARY = `/lib/${Deno.build.arch}-linux-gnu/libc.so.6`;
let libraryIsThere = false;
try {
  libraryIsThere = Deno.statSync(LIBRARY).isFile;
} catch {
  console.log("openat2() with a library of its own is not tested: there is none at Debian's path");
}

const SCOPED = `
import { FileSecurityValidator } from "@bartizan/security";
import { openat2 } from "@bartizan/security/openat2";
const [root, library] = Deno.args;
await using files = await FileSecurityValidator.open({ roots: [root], backend: openat2({ library }) });
await files.writeFile("new", "text");
const missing = await files.readFile("missing").catch((error) => error.code);
const { flags } = files.requiredPermissions();
const granted = flags.includes("--allow-ffi=" + library);
console.log(JSON.stringify([files.protection, await files.readTextFile("new"), missing, granted]));
`;

Deno.test({
  name: "openat2() works with --allow-ffi for its library alone",
  ignore: !libraryIsThere,
  fn: async () => {
    const work = await Deno.realPath(await Deno.makeTempDir());
    try {
      const root = `${work}/root`;
      await Deno.mkdir(root);
      await Deno.writeTextFile(`${work}/scoped.ts`, SCOPED);
      const { stdout, stderr } = await new Deno.Command("deno", {
        args: [
          "run",
          "-q",
          "--no-check",
          "--no-prompt",
          `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
          `--allow-read=${root}`,
          `--allow-write=${root}`,
          `--allow-ffi=${LIBRARY}`,
          `${work}/scoped.ts`,
          root,
          LIBRARY,
        ],
      }).output();
      assertEquals(new TextDecoder().decode(stderr), "");
      const found = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals(found, ["kernel", "text", "not-found", true]);
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  },
});

Deno.test("what an extension rule refuses is refused the same whether it is there or not", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/there.exe`, "");
    const policy = { allowedExtensions: ["txt"] };
    await using files = await FileSecurityValidator.open({ roots: [root], policy });
    const codes: string[] = [];
    for (const path of ["there.exe", "absent.exe", "absent.txt", "absent/"]) {
      codes.push(await files.stat(path).then(() => "found", (error) => error.code));
    }
    assertEquals(codes, ["extension-denied", "extension-denied", "not-found", "not-found"]);
    await files.mkdir("new/directory", { recursive: true });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

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
