/**
 * The race: a process exchanges names for links that lead out of the root while another one works
 * below that root, and everything that comes in or goes out is counted.
 */
import { fromFileUrl } from "@std/path/from-file-url";
import type { Protection } from "../../src/files/backends/backend.ts";
import type { RaceTree } from "./_race_tree.ts";
import type { VictimOptions } from "./_race_victim.ts";

/** What is attacked: one of the three ways, or the one that everybody takes. */
export type RaceProtection = Protection | "naive";

/** How names are exchanged: by one system call, or by three renames. */
export type RaceWay = "exchange" | "rename";

/** What came of one operation. */
export interface RaceRow {
  readonly name: string;
  /** Whether a directory on the way was exchanged, or what the path itself names. */
  readonly where: "on the way" | "at the end";
  readonly attempts: number;
  /** Attempts that did what they should. */
  readonly done: number;
  /** Attempts that showed, took or changed something outside. */
  readonly escapes: number;
  /** How often each error was the answer. */
  readonly codes: Readonly<Record<string, number>>;
  /** What the escapes showed or changed. */
  readonly examples: readonly string[];
}

/** What came of a race. */
export interface RaceReport {
  readonly rows: readonly RaceRow[];
  /** How names were exchanged. */
  readonly way: RaceWay;
  readonly exchanges: number;
  readonly exchangesPerSecond: number;
}

/** Options of {@linkcode runRace}. */
export interface RaceOptions {
  readonly protection: RaceProtection;
  /** Most attempts of each operation. */
  readonly attempts: number;
  /** Ends each operation at its first escape, and leaves out those without any. @default {false} */
  readonly untilEscape?: boolean;
  /** How names are exchanged; by renames in any case where there is nothing better. @default {"exchange"} */
  readonly way?: RaceWay;
}

/** What the attacker says in the end. */
interface Attack {
  readonly way: RaceWay;
  readonly exchanges: number;
  readonly ms: number;
}

const here = (name: string): string => fromFileUrl(new URL(name, import.meta.url));

/** The least that each works with; the directory outside is granted as well, to look what became of it. */
function flagsOf(protection: RaceProtection, folder: string): string[] {
  if (protection === "fd-verified") return ["--allow-all"];
  const flags = [`--allow-read=${folder}`, `--allow-write=${folder}`];
  return protection === "kernel" ? [...flags, "--allow-ffi"] : flags;
}

function deno(flags: readonly string[], script: string, args: readonly string[]): string[] {
  return ["run", "-q", "--no-check", "--no-prompt", ...flags, here(script), ...args];
}

/** Starts the attacker; when this resolves, names are being exchanged. */
async function startAttacker(
  { root, outside }: RaceTree,
  way: RaceWay,
): Promise<{ stop: () => Promise<Attack> }> {
  const flags = ["--allow-read", "--allow-write", "--allow-ffi"];
  const process = new Deno.Command("deno", {
    args: deno(flags, "_race_attacker.ts", [root, outside, way]),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let output = "";
  const until = async (isEnough: () => boolean): Promise<void> => {
    while (!isEnough()) {
      const { done, value } = await lines.read();
      if (done) return;
      output += value;
    }
  };
  await until(() => output.includes("\n"));
  const stop = async (): Promise<Attack> => {
    await process.stdin.close();
    await until(() => false);
    const { success } = await process.status;
    if (!success) throw new Error("The attacker failed");
    return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "");
  };
  return { stop };
}

async function runVictim(options: VictimOptions, flags: readonly string[]): Promise<RaceRow[]> {
  const { success, stdout } = await new Deno.Command("deno", {
    args: deno(flags, "_race_victim.ts", [JSON.stringify(options)]),
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`The victim (${options.protection}) failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Why there can be no race here; `undefined` when there can. */
export function whyNoRace(): string | undefined {
  return Deno.build.os === "linux" ? undefined : "names are exchanged as Linux does it";
}

/** Runs every operation under attack. */
export async function runRace(options: RaceOptions): Promise<RaceReport> {
  const { protection, attempts, untilEscape = false, way = "exchange" } = options;
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "bartizan_race_" }));
  const tree = { root: `${folder}/ROOT`, outside: `${folder}/OUTSIDE` };
  try {
    await Deno.mkdir(tree.root);
    const attacker = await startAttacker(tree, way);
    let rows: RaceRow[];
    try {
      const flags = flagsOf(protection, folder);
      rows = await runVictim({ tree, protection, attempts, untilEscape }, flags);
    } catch (error) {
      await attacker.stop();
      throw error;
    }
    const attack = await attacker.stop();
    const exchangesPerSecond = Math.round(attack.exchanges / attack.ms * 1000);
    return { rows, way: attack.way, exchanges: attack.exchanges, exchangesPerSecond };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
