/**
 * What runs in the process of an isolate: takes one job at a time from stdin, and answers on stdout.
 *
 * Loaded before the module that does the work, so that nothing of that comes before the watchdog, and what it
 * prints does not get between the answers.
 *
 * @module
 */

import { decodeFrames, encodeFrame } from "./_isolate_frames.ts";

/** A job as it comes in. */
export interface IsolateJob {
  /** What the answer has to say. */
  readonly id: string;
  /** What to work on. */
  readonly input: unknown;
}

/** An answer, or the word that the module is loaded. */
export type IsolateAnswer =
  | { readonly id: string; readonly output: unknown }
  | {
    readonly id: string;
    readonly error: { readonly name: string; readonly message: string };
  }
  | { readonly ready: boolean };

/**
 * Watches from another thread, which goes on while the work is in a loop. A heap that grows is stopped by V8;
 * memory beside the heap, such as that of typed arrays, only by this. And when the parent is gone, nobody else
 * ends a loop.
 */
const WATCHDOG = `const { pid, kill } = globalThis.process;
const parent = Deno.ppid;
setInterval(() => {
  if (Deno.ppid !== parent || Deno.memoryUsage().rss > MAX_BYTES) kill(pid, "SIGKILL");
}, 20);`;

// In Node and browsers this file is never loaded; a tool that only looks at it has no arguments.
const [maxBytes] = Deno.args;
const watchdog = maxBytes === undefined ? undefined : startWatchdog(Number(maxBytes));

const silence = (): void => {};
globalThis.console = new Proxy(console, { get: () => silence });
// They need no permission, and outlive the process.
for (const name of ["localStorage", "sessionStorage", "caches"]) {
  Reflect.deleteProperty(globalThis, name);
}

/**
 * Serves jobs until stdin ends.
 *
 * @param run Does the work.
 */
export async function serveJobs(run: unknown): Promise<void> {
  const { stdin, stdout } = Deno;
  // A worker that nobody refers to is collected, and ends. Without it, nothing is done here.
  if (watchdog !== undefined) watchdog.onerror = () => Deno.exit(1);
  const answer = async (answer: IsolateAnswer) => {
    const frame = encodeFrame(JSON.stringify(answer));
    for (let at = 0; at < frame.length;) at += await stdout.write(frame.subarray(at));
  };
  if (typeof run !== "function") {
    await answer({ ready: false });
    Deno.exit(1);
  }
  await answer({ ready: true });
  for await (const { message } of decodeFrames(stdin.readable, Number.MAX_SAFE_INTEGER)) {
    const { id, input } = message as IsolateJob;
    try {
      const output: unknown = await run(input);
      await answer({ id, output: output ?? null });
    } catch (error) {
      await answer({ id, error: describe(error) });
    }
  }
  Deno.exit(0);
}

function startWatchdog(maxBytes: number): Worker {
  const source = WATCHDOG.replace("MAX_BYTES", String(maxBytes));
  return new Worker(`data:application/javascript,${encodeURIComponent(source)}`, {
    type: "module",
  });
}

function describe(error: unknown): { name: string; message: string } {
  try {
    return error instanceof Error
      ? { name: String(error.name), message: String(error.message) }
      : { name: "Error", message: String(error) };
  } catch {
    return { name: "Error", message: "" };
  }
}
