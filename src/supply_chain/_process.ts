import type { CliContext } from "./cli.ts";

/** The surroundings of a command that runs as a process. */
export function processContext(): CliContext {
  const terminal = Deno.stdout.isTerminal();
  return {
    out: (text) => writeAll(Deno.stdout, text),
    error: (text) => writeAll(Deno.stderr, text),
    // Deno.noColor is the NO_COLOR variable, and needs no permission.
    color: terminal && !Deno.noColor,
    ...(terminal && { width: Math.min(Deno.consoleSize().columns, 120) }),
    progress: Deno.stderr.isTerminal(),
  };
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
