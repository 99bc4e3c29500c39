import type { CliContext } from "./cli.ts";
import { readVariable } from "./_environment.ts";

/** The surroundings of a command that runs as a process. */
export function processContext(): CliContext {
  const terminal = Deno.stdout.isTerminal();
  return {
    out: (text) => writeAll(Deno.stdout, text),
    error: (text) => writeAll(Deno.stderr, text),
    // Deno.noColor is the NO_COLOR variable, and needs no permission.
    color: mayColor(terminal, Deno.noColor, readVariable("TERM")),
    ...(terminal && { width: Math.min(Deno.consoleSize().columns, 120) }),
    progress: Deno.stderr.isTerminal(),
  };
}

/** Whether escapes would colour the output: a dumb terminal prints them as they are. */
export function mayColor(terminal: boolean, noColor: boolean, term: string | undefined): boolean {
  return terminal && !noColor && term !== "dumb";
}

function writeAll(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    // `audit list | head` closes the pipe; nobody is left to be told.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
