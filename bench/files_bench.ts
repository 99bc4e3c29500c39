/**
 * The file layer against Deno, `@std/path`, node:path, the way everybody does it (realPath, compare, open
 * again) and the official MCP file-system server.
 *
 * All take turns in one child process with every permission, because fd-verified needs them; what is
 * printed are medians and the ratios that bench/README.md publishes.
 *
 * Run with `deno task bench`.
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { toFileUrl } from "@std/path/to-file-url";
import type { Table } from "./_files_child.ts";

const MCP_SERVER = "@modelcontextprotocol/server-filesystem";
const MCP_VERSION = "2026.8.31";

const child = fromFileUrl(new URL("./_files_child.ts", import.meta.url));

async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${command} failed`);
  return new TextDecoder().decode(stdout);
}

/** Where npx put the peer: it is no dependency of this project. */
async function findMcpServer(): Promise<string | undefined> {
  const npx = Deno.build.os === "windows" ? "npx.cmd" : "npx";
  const script = "process.env.PATH.split(require('path').delimiter)[0]";
  try {
    const output = await run(npx, [
      ...["--yes", "--loglevel=error", `--package=${MCP_SERVER}@${MCP_VERSION}`],
      ...["--", "node", "-p", script],
    ]);
    const binaries = toFileUrl(`${output.trim()}/`);
    const module = new URL(`../${MCP_SERVER}/dist/lib.js`, binaries);
    await Deno.stat(module);
    return module.href;
  } catch {
    console.log(`skipped: ${MCP_SERVER} (it cannot be had)`);
    return undefined;
  }
}

/** What was measured; printed at the end, as what a benchmark prints itself is mixed with its name. */
const tables: Table[] = [];
const measured = new Set<string>();

/** Runs a child once, however often Deno calls a benchmark. */
async function measure(
  what: string,
  flags: readonly string[],
  args: () => Promise<readonly string[]>,
): Promise<void> {
  if (measured.has(what)) return;
  measured.add(what);
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "bartizan-bench-" }));
  try {
    // `--node-modules-dir=manual` lets the peer find its own packages beside itself.
    const output = await run("deno", [
      ...["run", "-q", "--allow-all", "--no-lock", "--node-modules-dir=manual", ...flags],
      ...[child, root, ...await args()],
    ]);
    const found: readonly Table[] = JSON.parse(output);
    tables.push(...found);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

addEventListener("unload", () => tables.forEach(print));

function print({ title, rows }: Table): void {
  const base = rows[0]!.value;
  const bytes = title.endsWith("bytes");
  const width = Math.max(title.length, ...rows.map(({ name }) => name.length));
  const line = (name: string, value: string, ratio: string) =>
    console.log(`| ${name.padEnd(width)} | ${value.padStart(9)} | ${ratio.padStart(5)} |`);
  console.log("");
  line(title, bytes ? "bytes" : "median", "ratio");
  console.log(`| ${"-".repeat(width)} | --------: | ----: |`);
  for (const { name, value } of rows) {
    const shown = bytes ? value.toFixed(0) : `${(value / 1000).toFixed(2)} µs`;
    line(name, shown, (value / base).toFixed(2));
  }
}

const linux = Deno.build.os === "linux";
if (!linux) console.log("skipped: fd-verified and openat2 (this is not Linux)");

function bench(name: string, fn: () => Promise<void>): void {
  Deno.bench({ name, ignore: !linux, n: 1, warmup: 0, fn });
}

bench("the file layer and its peers, in turns (tables below)", async () => {
  await measure("time", [], async () => {
    const server = await findMcpServer();
    return server === undefined ? [] : [server];
  });
});

bench("what a validation allocates (table below)", async () => {
  // A young generation that is larger than everything measured, so that nothing is collected midway.
  const flags = "--expose-gc,--min-semi-space-size=64,--max-semi-space-size=64";
  await measure("heap", [`--v8-flags=${flags}`], () => Promise.resolve(["heap"]));
});
