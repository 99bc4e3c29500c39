/**
 * Lets every operation of the file layer run against a process that exchanges names under it, in each
 * way of protecting it and in the naive one, and prints the table that bench/README.md publishes.
 *
 * Argument: attempts of each operation. Fails when one of the ways that promise it lets anything through.
 *
 * @module
 */
import { type RaceProtection, type RaceReport, runRace, whyNoRace } from "../tests/files/race.ts";

const PROTECTIONS = ["naive", "best-effort", "fd-verified", "kernel"] as const;

/** What lets nothing through. */
const PROMISED: ReadonlySet<RaceProtection> = new Set(["fd-verified", "kernel"]);

const DEFAULT_ATTEMPTS = 2_000;

interface Count {
  attempts: number;
  escapes: number;
  refused: number;
}

const count = (value: number): string => value.toLocaleString("en-US");

/** By operation, both places of the exchange together, and the sum of all at the end. */
function countsOf({ rows }: RaceReport): Map<string, Count> {
  const counts = new Map<string, Count>();
  const all: Count = { attempts: 0, escapes: 0, refused: 0 };
  for (const row of rows) {
    const one = counts.get(row.name) ?? { attempts: 0, escapes: 0, refused: 0 };
    counts.set(row.name, one);
    for (const sum of [one, all]) {
      sum.attempts += row.attempts;
      sum.escapes += row.escapes;
      sum.refused += row.attempts - row.done;
    }
  }
  return counts.set("all", all);
}

/** One row of a Markdown table; the first column is text, the others are numbers. */
function line(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, at) =>
    at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)
  );
  return `| ${padded.join(" | ")} |`;
}

function print(reports: ReadonlyMap<RaceProtection, RaceReport>): void {
  const columns = [...reports.values()].map(countsOf);
  const head = ["operation", ...[...reports.keys()].flatMap((name) => [name, "refused"])];
  const body = [...columns[0]!.keys()].map((operation) => [
    operation,
    ...columns.flatMap((counts) => {
      const { attempts, escapes, refused } = counts.get(operation)!;
      return [`${count(escapes)} of ${count(attempts)}`, count(refused)];
    }),
  ]);
  const widths = head.map((_, at) =>
    Math.max(...[head, ...body].map((cells) => cells[at]!.length))
  );
  const rule = widths.map((width, at) =>
    at === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":"
  );
  for (const cells of [head, rule, ...body]) console.log(line(cells, widths));
}

async function main(): Promise<number> {
  const reason = whyNoRace();
  if (reason !== undefined) {
    console.error(`There is no race here: ${reason}`);
    return 1;
  }
  const attempts = Number(Deno.args[0] ?? DEFAULT_ATTEMPTS);
  if (!Number.isSafeInteger(attempts) || attempts < 1) {
    console.error("The argument must be a whole number of attempts of each operation");
    return 2;
  }
  const reports = new Map<RaceProtection, RaceReport>();
  for (const protection of PROTECTIONS) {
    const report = await runRace({ protection, attempts });
    reports.set(protection, report);
    const speed = `${count(report.exchanges)} exchanges, ${count(report.exchangesPerSecond)}/s`;
    console.error(`${protection}: ${speed} (by ${report.way})`);
  }
  print(reports);
  const broken = [...reports].filter(([protection, { rows }]) =>
    PROMISED.has(protection) && rows.some(({ escapes }) => escapes > 0)
  );
  for (const [protection, { rows }] of broken) {
    console.error(`${protection} let something through:`, rows.filter((row) => row.escapes > 0));
  }
  return broken.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
