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

/** Runs a program with arguments and the permissions of these flags alone; what it prints, as JSON. */
async function child(
  program: string,
  flags: readonly string[],
  ...args: readonly string[]
): Promise<unknown> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const { code, stdout, stderr } = await new Deno.Command("deno", {
      args: [
        "run",
        "-q",
        "--no-check",
        "--no-prompt",
        `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
        ...flags,
        `${folder}/program.ts`,
        ...args,
      ],
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Opens a second root without the permission for it; says what the error tells. */
const MISSING = `
import { FileSecurityValidator } from "@bartizan/security";
const error = await FileSecurityValidator.open({ roots: Deno.args }).catch((error) => error);
console.log(JSON.stringify([error.code, error.message, error.details]));
`;

Deno.test("open() says which permission is missing, and for which root", async () => {
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    const [data, other, link] = [`${root}/data`, `${root}/other`, `${root}/link`];
    await Deno.mkdir(data);
    await Deno.mkdir(other);
    await Deno.symlink(other, link);
    // What is granted by the name of a link alone is found out only when the root is opened.
    for (const [granted, second] of [[data, other], [`${data},${link}`, link]] as const) {
      assertEquals(await child(MISSING, [`--allow-read=${granted}`], data, second), [
        "permission-missing",
        "Cannot open 'roots[1]': A Deno permission is missing: " +
        "run again with --allow-read for the root",
        { flag: "--allow-read", root: 1 },
      ]);
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
    const flags = [`--allow-read=${data},${shown}`, `--allow-write=${data}`];
    assertEquals(await child(CHANGES, flags, data, shown), ["read-only-root", "read-only-root"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
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
