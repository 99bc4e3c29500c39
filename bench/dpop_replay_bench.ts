/**
 * MemoryReplayStore with 1,000,000 living entries against what is commonly used in its place: memory, the
 * longest addition, and time.
 *
 * Each store has its own process for memory and pauses; for time all take turns in one.
 *
 * Run with `deno task bench bench/dpop_replay_bench.ts`.
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { type Footprint, storeNames, type Timing } from "./_replay_child.ts";

const child = fromFileUrl(new URL("./_replay_child.ts", import.meta.url));

/** A young generation of one size: its growth, by what is garbage, would count as the store's memory. */
const FLAGS = "--expose-gc,--min-semi-space-size=16,--max-semi-space-size=16";

async function measure<Result>(...args: string[]): Promise<Result> {
  const { success, stdout } = await new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", `--v8-flags=${FLAGS}`, child, ...args],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("a measurement failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Printed at the end, as what a benchmark prints itself is mixed with its name. */
const lines: string[] = [];
addEventListener("unload", () => console.log(lines.join("\n")));

function row(...cells: string[]): void {
  const [first = "", ...rest] = cells;
  lines.push(`| ${[first.padEnd(38), ...rest.map((cell) => cell.padStart(11))].join(" | ")} |`);
}

function head(...cells: string[]): void {
  lines.push("");
  row(...cells);
  row(...cells.map((_, at) => at === 0 ? "-".repeat(38) : "----------:"));
}

/** Measures once, however often Deno calls a benchmark. */
function once(name: string, fn: () => Promise<void>): void {
  let measured: Promise<void> | undefined;
  Deno.bench({
    name,
    n: 1,
    warmup: 0,
    async fn() {
      await (measured ??= fn());
    },
  });
}

once("memory and pauses of replay stores (table below)", async () => {
  // The last two are of a computation in between, which shows how often the machine itself is late.
  head(
    "1,000,000 living entries",
    "B an entry",
    "longest add",
    "over 5 ms",
    "no store",
    "over 5 ms",
  );
  for (const name of storeNames) {
    const measured = await measure<Footprint>("memory", name);
    row(
      name,
      measured.bytes.toFixed(1),
      `${measured.longestMs.toFixed(2)} ms`,
      `${measured.over5Ms}`,
      `${measured.spinLongestMs.toFixed(2)} ms`,
      `${measured.spinOver5Ms}`,
    );
  }
});

once("time of replay stores, in turns (table below)", async () => {
  const timings = await measure<Timing[]>("time");
  const base = timings.find(({ name }) => name.startsWith("Map, swept"))?.ns ?? NaN;
  head("one add, 1,000,000 living entries", "median", "ratio");
  for (const { name, ns } of timings) row(name, `${ns.toFixed(0)} ns`, (ns / base).toFixed(2));
});
