/** `--deny-read` and `--deny-write` below a root. */
import { assertEquals } from "@std/assert";
import { openKernel } from "../../../src/files/backends/kernel.ts";
import { makeTree, snapshot } from "../_tree.ts";

const why = await openKernel("libc.so.6").then((backend) => backend.close(), String);
if (why !== undefined) console.log(`ignored: kernel (${why})`);

const WAYS = [
  { name: "kernel", open: `openKernel("libc.so.6")`, ignore: why !== undefined },
  { name: "best-effort", open: "openBestEffort()", ignore: false },
  { name: "best-effort without node:fs", open: "openBestEffort({ fs: null })", ignore: false },
];

/** Runs a program that has `files`, a validator of `root`, and `codeOf`, and prints what it says. */
async function run(open: string, root: string, denied: readonly string[], program: string) {
  const source = (path: string) => new URL(`../../../src/files/${path}`, import.meta.url).href;
  const code = `
    import { openBestEffort } from "${source("backends/best_effort.ts")}";
    import { openKernel } from "${source("backends/kernel.ts")}";
    import { FileSecurityValidator } from "${source("file_security_validator.ts")}";
    const root = ${JSON.stringify(root)};
    const codeOf = (work) => work().then(() => "done", (error) => error.code ?? String(error));
    const files = await FileSecurityValidator.open({ roots: [root], backend: () => ${open} });
    const say = (value) => console.log(JSON.stringify(value));
    ${program}
    await files.close();
  `;
  const flags = [`--allow-read=${root}`, `--allow-write=${root}`, "--allow-ffi", ...denied];
  const process = new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", "--no-check", ...flags, "-"],
    cwd: new URL("../../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { stdout, stderr } = await process.output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const TREE = ["secret", "fixed", "plain", "r/secret/key", "w/fixed/f", "free/f", "hollow/"];

/** What would give another name, without the denial, to something that is denied, or the name of it. */
const REFUSED: readonly (readonly [from: string, to: string])[] = [
  ["secret", "other"],
  ["plain", "secret"],
  ["fixed", "other"],
  ["plain", "fixed"],
  ["r", "other"],
  ["w", "other"],
  ["free", "later"],
];

for (const { name, open, ignore } of WAYS) {
  Deno.test({
    name: `${name}: rename() lifts nothing that is denied below a root`,
    ignore,
    fn: async () => {
      using tree = makeTree(TREE);
      const { root } = tree;
      const at = (...paths: string[]) => paths.map((path) => `${root}/${path}`).join(",");
      const denied = [
        `--deny-read=${at("secret", "r/secret")}`,
        `--deny-write=${at("fixed", "w/fixed", "later/f")}`,
      ];
      const before = snapshot(root);
      const codes = await run(
        open,
        root,
        denied,
        `
        const codes = [];
        for (const [from, to] of ${JSON.stringify(REFUSED)}) {
          codes.push([from, to, await codeOf(() => files.rename(from, to, { overwrite: true }))]);
        }
        say(codes);`,
      );
      assertEquals(codes, REFUSED.map(([from, to]) => [from, to, "permission-missing"]));
      assertEquals(snapshot(root), before);

      // The control: Deno itself renames the directory, and what is in it is denied no longer.
      const told = await run(
        open,
        root,
        denied,
        `
        const allowed = [["plain", "plain2"], ["free", "hollow"]];
        const codes = [];
        for (const [from, to] of allowed) {
          codes.push(await codeOf(() => files.rename(from, to, { overwrite: true })));
        }
        codes.push(await codeOf(() => files.writeFile("plain2", "replaced")));
        codes.push(await codeOf(() => files.readFile("r/secret/key")));
        Deno.renameSync(root + "/r", root + "/other");
        codes.push(await codeOf(() => files.readFile("other/secret/key")));
        say(codes);`,
      );
      assertEquals(told, ["done", "done", "done", "permission-missing", "done"]);
    },
  });
}
