/**
 * Runs everything that a commit has to pass, and prints one line a step.
 *
 * The output of a step is shown when it fails. The last line is `N passed, N failed`: the tests as
 * `deno test` counted them, and every other step that failed.
 *
 *     deno task ok [--test COMMAND...]
 *
 * `--test` runs the tests by another command, such as the one that the README names.
 *
 * @module
 */

/** Something that has to succeed. */
export interface Step {
  /** What the progress line calls it. */
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Whether its output ends with a summary by `deno test`. */
  readonly counts?: boolean;
}

/** How many tests `deno test` counted. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** Have the tests write down which lines they reach, in `coverage/`, and leave the sums to later. */
const COVERAGE_FLAGS = ["--coverage", "--clean", "--coverage-raw-data-only"];

/** The steps of `deno task ok`, cheap ones first. */
export function steps(args: readonly string[]): Step[] {
  const [flag, ...words] = args;
  if (flag !== undefined && (flag !== "--test" || words.length === 0)) {
    throw new TypeError("usage: deno task ok [--test COMMAND...]");
  }
  const [program = "deno", ...rest] = flag === undefined ? ["deno", "task", "test"] : words;
  const task = (...words: string[]): Step["command"] => ["deno", "task", ...words];
  return [
    { name: "fmt", command: task("fmt", "--check") },
    { name: "lint", command: task("lint") },
    { name: "check", command: task("check") },
    { name: "doc", command: task("doc") },
    { name: "publish", command: task("publish:check") },
    { name: "test", command: [program, ...rest, ...COVERAGE_FLAGS], counts: true },
    // deno.json has the threshold.
    { name: "coverage", command: task("coverage:report") },
  ];
}

/**
 * The summary that `deno test` ends with, or `undefined` when there is none.
 *
 * The last one counts: a test may print the output of another `deno test`, and does so before.
 */
export function countTests(output: string): Count | undefined {
  const summary = /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed\b/gm;
  const last = [...output.matchAll(summary)].at(-1);
  return last === undefined ? undefined : { passed: Number(last[1]), failed: Number(last[2]) };
}

/** Runs the steps one after the other, all of them, and adds up what came of them. */
export async function runSteps(
  chosen: readonly Step[],
  print: (text: string) => void,
): Promise<Count> {
  let [passed, failed] = [0, 0];
  for (const { name, command, counts = false } of chosen) {
    print(`${name.padEnd(9)}`);
    const started = performance.now();
    const { success, output } = await run(command);
    const count = counts ? countTests(output) : undefined;
    // A summary is missing when the tests did not get as far as running.
    const good = success && (!counts || count?.failed === 0 && count.passed > 0);
    passed += count?.passed ?? 0;
    failed += good ? 0 : Math.max(count?.failed ?? 0, 1);
    const tests = count === undefined ? "" : `, ${count.passed} passed, ${count.failed} failed`;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    print(`${good ? "ok" : "FAILED"} (${seconds} s${tests})\n`);
    if (!good) print(`${command.join(" ")}\n${output.trimEnd()}\n`);
  }
  return { passed, failed };
}

async function run(
  [program, ...args]: Step["command"],
): Promise<{ success: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stderr) + decoder.decode(stdout) };
}

if (import.meta.main) {
  const encoder = new TextEncoder();
  const print = (text: string) => void Deno.stdout.writeSync(encoder.encode(text));
  const { passed, failed } = await runSteps(steps(Deno.args), print);
  print(`${passed} passed, ${failed} failed\n`);
  Deno.exit(failed === 0 ? 0 : 1);
}
