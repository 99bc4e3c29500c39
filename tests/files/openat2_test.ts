import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { openat2 } from "../../src/files/openat2.ts";
import { makeTree, SECRET } from "./_tree.ts";

const ENTRY = new URL("../../src/files/openat2.ts", import.meta.url).href;

const reason = await openat2()().then((backend) => backend.close(), String);
if (reason !== undefined) console.log(`ignored: openat2 in processes of its own (${reason})`);

/**
 * Runs a program in a process with few permissions. It has `open`, which makes the backend, and
 * `codeOf`; `dlopened` says whether the library was asked for.
 */
async function run(flags: readonly string[], program: string): Promise<unknown> {
  const code = `
    import { openat2 } from ${JSON.stringify(ENTRY)};
    let dlopened = false;
    const { dlopen } = Deno;
    Deno.dlopen = (...of) => (dlopened = true, dlopen(...of));
    const codeOf = (work) => {
      try { work(); return "done"; } catch (error) { return error.code ?? error.name; }
    };
    const say = (value) => console.log(JSON.stringify(value));
    ${program}
  `;
  const child = new Deno.Command("deno", {
    // A prompt would be refused without an answer, and not by the code that is expected here.
    args: ["run", "--quiet", "--no-config", "--no-lock", "--no-remote", ...flags, "-"],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  return JSON.parse(decoder.decode(stdout));
}

Deno.test("openat2() refuses what names no library", () => {
  for (const library of ["", "libc\0.so", 1 as unknown as string]) {
    assertThrows(() => openat2({ library }), TypeError, "'library'");
  }
  assertEquals(typeof openat2(), "function");
});

Deno.test({
  name: "openat2() holds under scoped permissions, which alone do not",
  ignore: reason !== undefined,
  fn: async () => {
    using tree = makeTree(["d/f", "in => d/f", "out => $OUTSIDE/secret"]);
    const { root } = tree;
    const flags = [`--allow-read=${root}`, `--allow-write=${root}`, "--allow-ffi", "--no-prompt"];
    const found = await run(
      flags,
      `
      const backend = await openat2()();
      const root = backend.openRoot(${JSON.stringify(root)});
      const set = { find: (path) => (path + "/").startsWith(root.path + "/") ? root : undefined };
      const follow = { symlinks: "within-root" };
      const locate = (path) => backend.locate(set, root, path, follow);
      const located = locate("in");
      const file = located.openFile("read");
      const into = new Uint8Array(10);
      file.readSync(into, 0);
      const plain = await located.openFsFile({ read: true, write: false, append: false });
      const text = await new Response(plain.readable).text();
      const directory = locate("d");
      const created = directory.createFile("g", 0o600);
      await created.write(into, 0);
      created.close();
      say({
        protection: backend.protection,
        read: new TextDecoder().decode(into),
        text,
        names: (await directory.list(10)).map(({ name }) => name).sort(),
        out: codeOf(() => locate("out")),
        // The control: Deno's permission for the root lets the link through.
        control: Deno.readTextFileSync(root.path + "/out").slice(0, 6),
        above: codeOf(() => backend.openRoot(${JSON.stringify(tree.work)})),
      });
      for (const one of [file, located, directory, root, backend]) one.close();
    `,
    );
    assertEquals(found, {
      protection: "kernel",
      read: "inside d/f",
      text: "inside d/f",
      names: ["f", "g"],
      out: "path-outside-root",
      control: SECRET.slice(0, 6),
      above: "permission-missing",
    });
    assertEquals(Deno.readTextFileSync(`${root}/d/g`), "inside d/f");
  },
});

Deno.test({
  name: "openat2() honours what is denied below a root, and what is revoked",
  ignore: reason !== undefined,
  fn: async () => {
    using tree = makeTree(["f", "no/f", "still/f", "to-no => no/f"]);
    const { root } = tree;
    const flags = [
      ...[`--allow-read=${root}`, `--deny-read=${root}/no`, "--allow-ffi", "--no-prompt"],
      ...[`--allow-write=${root}`, `--deny-write=${root}/still`],
    ];
    const found = await run(
      flags,
      `
      const path = ${JSON.stringify(root)};
      const backend = await openat2()();
      const root = backend.openRoot(path);
      const set = { find: () => root };
      const follow = { symlinks: "within-root" };
      const locate = (path) => backend.locate(set, root, path, follow);
      const used = (path, use) => {
        const located = locate(path);
        const code = codeOf(() => use(located)?.close());
        located.close();
        return code;
      };
      const before = {
        f: used("f", (f) => f.openFile("write")),
        no: codeOf(() => locate("no/f")),
        link: codeOf(() => locate("to-no")),
        read: used("still/f", (f) => f.openFile("read")),
        write: used("still/f", (f) => f.openFile("write")),
        append: used("still/f", (f) => f.openFile("append")),
        create: used("still", (d) => d.createFile("g", 0o600)),
        mkdir: used("still", (d) => d.createDirectory("g", 0o700)),
        remove: used("still", (d) => d.removeFile("f")),
        rmdir: used("", (d) => d.removeDirectory("still")),
        rename: used("", (d) => {
          const still = locate("still");
          try { d.rename("f", still, "f"); } finally { still.close(); }
        }),
      };
      Deno.permissions.revokeSync({ name: "read", path });
      say({ ...before, revoked: codeOf(() => locate("f")) });
      root.close();
      backend.close();
    `,
    );
    const missing = "permission-missing";
    assertEquals(found, {
      ...{ f: "done", no: missing, link: missing, read: "done", write: missing, append: missing },
      ...{ create: missing, mkdir: missing, remove: missing, rmdir: missing, rename: missing },
      revoked: missing,
    });
    assertEquals([...Deno.readDirSync(`${root}/still`)].map(({ name }) => name), ["f"]);
  },
});

Deno.test({
  name: "openat2() rejects without --allow-ffi, names the flag and does not prompt",
  ignore: reason !== undefined,
  fn: async () => {
    const program = (library: string) => `
      const { code, message, details } = await openat2(${library})().catch((error) => error);
      say({ code, message, flag: details.flag, dlopened });
    `;
    const bare = await run(["--allow-read"], program("")) as Record<string, string>;
    assertEquals(
      [bare.code, bare.flag, bare.dlopened as unknown],
      ["permission-missing", "--allow-ffi", false],
    );
    assertStringIncludes(bare.message ?? "", "--allow-ffi");
    const path = "/lib/libc.so.0";
    const one = await run(
      ["--allow-read", "--allow-ffi=/other"],
      program(`{ library: "${path}" }`),
    );
    assertEquals(one, {
      code: "permission-missing",
      message: `Protection kernel needs --allow-ffi=${path}`,
      flag: `--allow-ffi=${path}`,
      dlopened: false,
    });
  },
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
