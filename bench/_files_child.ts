/**
 * Measures the file layer and its peers in turns in one process, and prints the medians as JSON.
 *
 * Only a process with every permission may use fd-verified, so bench/files_bench.ts starts this one.
 * Arguments: the folder of the tree, then `heap`, or the address of the official MCP server's module,
 * or nothing.
 */
import { resolve } from "@std/path/resolve";
import { FileSecurityValidator, resolveWithin } from "@bartizan/security";
import { openat2 } from "../src/files/openat2.ts";
import { openBestEffort } from "../src/files/backends/best_effort.ts";
import nodePath from "node:path";
import { closeSync, openSync } from "node:fs";
import nodeFs from "node:fs/promises";

/** One line of a table. */
export interface Row {
  readonly name: string;
  /** The median: nanoseconds, or bytes where the title says so. */
  readonly value: number;
}

/** A table; ratios are against the first row. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

interface Contender {
  readonly name: string;
  /** Calls in one sample; more where one call is short against the clock. */
  readonly calls: number;
  readonly run: () => unknown;
}

const FLOOR = "no check: O_PATH open, its name, close";
const ROUNDS = 31;
/** Calls in one sample: a server is warm, and after a few thousand calls so is what is measured. */
const CALLS = 1_000;
const DEPTHS = [3, 10, 30] as const;

/** The median of every contender, all taking turns so that none has a quieter machine than the others. */
async function measure(title: string, contenders: readonly Contender[]): Promise<Table> {
  const samples = contenders.map((): number[] => []);
  for (let round = -10; round < ROUNDS; round++) {
    for (let at = 0; at < contenders.length; at++) {
      // Another order in every round, so that nobody always runs after the same one.
      const index = (at + round + contenders.length * 10) % contenders.length;
      const { calls, run } = contenders[index]!;
      const start = performance.now();
      for (let call = 0; call < calls; call++) {
        const result = run();
        if (result instanceof Promise) await result;
      }
      const elapsed = performance.now() - start;
      if (round >= 0) samples[index]!.push(elapsed / calls * 1e6);
    }
  }
  const rows = contenders.map(({ name }, index) => ({
    name,
    value: median(samples[index]!),
  }));
  return { title, rows };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** `d/d/…/file`, with as many components as the depth says. */
function pathAt(depth: number): string {
  return [...Array<string>(depth - 1).fill("directory"), "file.txt"].join("/");
}

/** Makes a file of 1 KiB at every depth. */
function build(root: string): void {
  for (const depth of DEPTHS) {
    const path = `${root}/${pathAt(depth)}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, "x".repeat(1024));
  }
}

/** What nobody who asks the kernel where a handle lies can do without: three calls, and not one check. */
function openFloor(root: string): { run: (path: string) => string; close: () => void } {
  const flags = 0o12000000; // O_PATH, O_CLOEXEC
  const handle = openSync(root, flags, 0);
  const top = `/proc/${Deno.pid}/fd/${handle}`;
  return {
    run: (path) => {
      const number = openSync(top + path.slice(root.length), flags, 0);
      const name = Deno.readLinkSync(`/proc/${Deno.pid}/fd/${number}`);
      closeSync(number);
      return name;
    },
    close: () => closeSync(handle),
  };
}

interface McpServer {
  setAllowedDirectories(directories: readonly string[]): void;
  validatePath(path: string): Promise<string>;
  readFileContent(path: string): Promise<string>;
}

async function loadMcp(address: string | undefined, root: string): Promise<McpServer | undefined> {
  if (address === undefined) return undefined;
  const server: McpServer = await import(address);
  server.setAllowedDirectories([root]);
  return server;
}

/** Counts events, so that building them is not optimized away. */
let events = 0;
const audit = { report: () => void events++ };

async function main(root: string, mcpAddress: string | undefined): Promise<readonly Table[]> {
  build(root);
  const mcp = await loadMcp(mcpAddress, root);
  const roots = [root];
  const fd = await FileSecurityValidator.open({ roots, protection: "fd-verified" });
  const fdAudited = await FileSecurityValidator.open({ roots, protection: "fd-verified", audit });
  const kernel = await FileSecurityValidator.open({ roots, backend: openat2() });
  const best = await FileSecurityValidator.open({ roots, backend: openBestEffort });
  const floor = openFloor(root);
  const tables: Table[] = [];

  {
    const relative = pathAt(10);
    const canonical = `${root}/${relative}`;
    const dirty = `${root}/./${relative.replace("/", "//")}`;
    const calls = 20_000;
    tables.push(
      await measure("resolveWithin, canonical input, 10 components", [
        { name: "`@std/path` resolve", calls, run: () => resolve(root, canonical) },
        { name: "node:path resolve", calls, run: () => nodePath.resolve(root, canonical) },
        { name: "resolveWithin, absolute", calls, run: () => resolveWithin(root, canonical) },
        { name: "resolveWithin, relative", calls, run: () => resolveWithin(root, relative) },
        { name: "resolveWithin, not canonical", calls, run: () => resolveWithin(root, dirty) },
      ]),
    );
  }

  for (const depth of DEPTHS) {
    const path = `${root}/${pathAt(depth)}`;
    const calls = CALLS;
    const validate = (name: string, files: FileSecurityValidator): Contender => ({
      name,
      calls,
      run: () => files.validate(path),
    });
    tables.push(
      await measure(`validate, depth ${depth}`, [
        { name: "Deno.realPathSync", calls, run: () => Deno.realPathSync(path) },
        { name: "Deno.realPath", calls, run: () => Deno.realPath(path) },
        validate("fd-verified", fd),
        validate("fd-verified, audited", fdAudited),
        validate("openat2", kernel),
        validate("best-effort", best),
        { name: FLOOR, calls, run: () => floor.run(path) },
        ...(mcp === undefined
          ? []
          : [{ name: "MCP server's validatePath", calls, run: () => mcp.validatePath(path) }]),
      ]),
    );
  }

  for (const depth of DEPTHS) {
    const path = `${root}/${pathAt(depth)}`;
    const calls = CALLS;
    const inside = `${root}/`;
    const read = (name: string, files: FileSecurityValidator): Contender => ({
      name,
      calls,
      run: () => files.readFile(path),
    });
    tables.push(
      await measure(`readFile 1 KiB, depth ${depth}`, [
        {
          name: "naive, sync: realPathSync, startsWith, readFileSync",
          calls,
          run: () => {
            if (!Deno.realPathSync(path).startsWith(inside)) throw new Error("outside");
            return Deno.readFileSync(path);
          },
        },
        {
          name: "naive: await realPath, startsWith, await readFile",
          calls,
          run: async () => {
            if (!(await Deno.realPath(path)).startsWith(inside)) throw new Error("outside");
            return await Deno.readFile(path);
          },
        },
        {
          name: "naive, node:fs/promises",
          calls,
          run: async () => {
            if (!(await nodeFs.realpath(path)).startsWith(inside)) throw new Error("outside");
            return await nodeFs.readFile(path);
          },
        },
        read("fd-verified", fd),
        read("fd-verified, audited", fdAudited),
        read("openat2", kernel),
        read("best-effort", best),
        ...(mcp === undefined ? [] : [{
          name: "MCP server's validatePath and readFileContent",
          calls,
          run: async () => await mcp.readFileContent(await mcp.validatePath(path)),
        }]),
      ]),
    );
  }

  floor.close();
  for (const files of [fd, fdAudited, kernel, best]) await files.close();
  if (events === 0) throw new Error("nothing was audited");
  return tables;
}

/** Bytes that one call allocates, garbage included; the young generation is too large to be collected. */
async function heap(root: string): Promise<readonly Table[]> {
  build(root);
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) throw new Error("--v8-flags=--expose-gc is missing");
  const path = `${root}/${pathAt(10)}`;
  const roots = [root];
  const rows: Row[] = [];
  const fd = await FileSecurityValidator.open({ roots, protection: "fd-verified" });
  const fdAudited = await FileSecurityValidator.open({ roots, protection: "fd-verified", audit });
  const kernel = await FileSecurityValidator.open({ roots, backend: openat2() });
  const floor = openFloor(root);
  for (
    const [name, run] of [
      ["nothing but a promise", () => Promise.resolve(path)],
      ["Deno.realPathSync", () => Deno.realPathSync(path)],
      [FLOOR, () => floor.run(path)],
      ["fd-verified", () => fd.validate(path)],
      ["fd-verified, audited", () => fdAudited.validate(path)],
      ["openat2", () => kernel.validate(path)],
    ] as const
  ) {
    const calls = 4_000;
    const loop = async () => {
      for (let call = 0; call < calls; call++) await run();
    };
    for (let warmup = 0; warmup < 5; warmup++) await loop();
    const samples: number[] = [];
    for (let round = 0; round < 9; round++) {
      collect();
      const before = Deno.memoryUsage().heapUsed;
      await loop();
      samples.push((Deno.memoryUsage().heapUsed - before) / calls);
    }
    rows.push({ name, value: median(samples) });
  }
  floor.close();
  for (const files of [fd, fdAudited, kernel]) await files.close();
  return [{ title: "heap per validate of canonical input, bytes", rows }];
}

if (import.meta.main) {
  const [root = "", what] = Deno.args;
  const tables = what === "heap" ? await heap(root) : await main(root, what);
  console.log(JSON.stringify(tables));
}
