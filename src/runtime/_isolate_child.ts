/**
 * What runs in the process of an isolate: takes one job at a time from stdin, and answers on stdout.
 *
 * Loaded before the module that does the work, so that what that prints does not get between the answers.
 *
 * @module
 */

import { decodeFrames, encodeFrame } from "./_isolate_frames.ts";

/** A job as it comes in. */
export interface IsolateJob {
  /** What to work on. */
  readonly input: unknown;
  /** When to end, in milliseconds from now, if nobody else ends it. */
  readonly endMs: number;
}

/** The answer to a job. */
export type IsolateAnswer =
  | { readonly output: unknown }
  | { readonly error: { readonly name: string; readonly message: string } }
  | { readonly ready: true };

/** Longest name or message of an error that is passed on. */
const MAX_ERROR_LENGTH = 1000;

const silence = (): void => {};
globalThis.console = new Proxy(console, {
  get: (target, name) => name === "error" ? target.error.bind(target) : silence,
});

/**
 * Watches from another thread, which goes on while the work is in a loop. A heap that grows is stopped by V8;
 * memory beside the heap, such as that of typed arrays, only by this. And when the parent is gone, nobody else
 * ends a loop.
 */
const WATCHDOG = `let endsAtMs = Infinity, maxBytes = Infinity;
onmessage = ({ data }) => {
  endsAtMs = data.endMs === null ? Infinity : performance.now() + data.endMs;
  maxBytes = data.maxBytes;
};
setInterval(() => {
  if (performance.now() < endsAtMs && Deno.memoryUsage().rss < maxBytes) return;
  const { pid, kill } = globalThis.process;
  kill(pid, "SIGKILL");
}, 20);`;

/**
 * Serves jobs until stdin ends.
 *
 * @param run Does the work.
 * @param maxBytes Most memory of the process.
 */
export async function serveJobs(
  run: unknown,
  maxBytes: number,
): Promise<void> {
  const { stdin, stdout } = Deno;
  const answer = async (answer: IsolateAnswer) => {
    const frame = encodeFrame(answer);
    for (let at = 0; at < frame.length;) at += await stdout.write(frame.subarray(at));
  };
  const watchdog = new Worker(`data:application/javascript,${encodeURIComponent(WATCHDOG)}`, {
    type: "module",
  });
  const watch = (endMs: number | null) => watchdog.postMessage({ endMs, maxBytes });
  watch(null);
  if (typeof run !== "function") {
    await answer({ error: { name: "TypeError", message: "the module has no default function" } });
    Deno.exit(1);
  }
  await answer({ ready: true });
  for await (const job of decodeFrames(stdin.readable, Number.MAX_SAFE_INTEGER)) {
    const { input, endMs } = job as IsolateJob;
    watch(endMs);
    let result: IsolateAnswer;
    try {
      const output: unknown = await run(input);
      result = { output: output ?? null };
      await answer(result);
    } catch (error) {
      await answer({ error: describe(error) });
    }
    watch(null);
  }
  Deno.exit(0);
}

function describe(error: unknown): { name: string; message: string } {
  const text = (value: unknown) => String(value).slice(0, MAX_ERROR_LENGTH);
  try {
    return error instanceof Error
      ? { name: text(error.name), message: text(error.message) }
      : { name: "Error", message: text(error) };
  } catch {
    return { name: "Error", message: "" };
  }
}
