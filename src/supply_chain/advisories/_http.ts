import { SecurityError } from "../../errors.ts";

/** What reaches the network and the clock, so that a test can stand in for them. */
export interface HttpOptions {
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** Waits between attempts; rejects when the signal aborts. */
  readonly sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** A number from 0 to 1, for jitter. @default {Math.random} */
  readonly random?: () => number;
  /** Milliseconds on a clock that does not jump. @default {performance.now} */
  readonly clock?: () => number;
  /** Attempts at one request, the first included. @default {4} */
  readonly attempts?: number;
  /** Longest wait for one answer, in milliseconds. @default {20000} */
  readonly timeoutMs?: number;
}

/** {@linkcode HttpOptions} with every default filled in. */
export type Http = Required<HttpOptions>;

/** Fills in the defaults. */
export function httpOf(options: HttpOptions): Http {
  return {
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    sleep: options.sleep ?? sleep,
    random: options.random ?? Math.random,
    clock: options.clock ?? (() => performance.now()),
    attempts: options.attempts ?? 4,
    timeoutMs: options.timeoutMs ?? 20_000,
  };
}

/** An answer that may be another one the next time. */
export class TryAgain extends Error {
  /** How long the server asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** When to give up. */
export interface Patience {
  /** On the clock of {@linkcode Http}, in milliseconds. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
}

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;

/**
 * Runs `attempt` until it succeeds, fails for good or patience is at its end.
 *
 * What fails on the network is tried again, as is what throws {@linkcode TryAgain}: after an
 * exponential delay with full jitter, or as long as the server asked for.
 */
export async function retrying<T>(
  http: Http,
  patience: Patience,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await limited(http, patience, attempt);
    } catch (error) {
      patience.signal?.throwIfAborted();
      if (isFinal(error) || tries >= http.attempts) throw error;
      const ceiling = Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), LONGEST_DELAY_MS);
      const asked = error instanceof TryAgain ? error.retryAfterMs : 0;
      const delay = Math.max(asked, ceiling / 2 + http.random() * ceiling / 2);
      // Waiting past the deadline would only make the failure later.
      if (http.clock() + delay >= patience.deadline) throw error;
      await http.sleep(delay, patience.signal);
    }
  }
}

/** Throws what an answer means that is not a success; its body is let go of. */
export async function refuseStatus(response: Response): Promise<never> {
  await response.body?.cancel().catch(() => {});
  const message = `the server answered with status ${response.status}`;
  if ([408, 425, 429].includes(response.status) || response.status >= 500) {
    throw new TryAgain(message, { retryAfterMs: retryAfter(response.headers.get("retry-after")) });
  }
  throw new SecurityError("database-unreadable", message, {
    details: { status: response.status },
  });
}

/** The JSON in the body of a response of at most `maxBytes`. */
export async function readJson(response: Response, maxBytes: number): Promise<unknown> {
  const tooLarge = () =>
    new SecurityError("database-unreadable", `the answer is larger than ${maxBytes} bytes`);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  // Leaving the loop by an error cancels the stream, so a body without end is not read to its end.
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return JSON.parse(await new Blob(chunks).text());
  } catch (cause) {
    // A proxy in between, or an answer that was cut off.
    throw new TryAgain("the answer is not JSON", { cause });
  }
}

/** Runs jobs, `width` at a time. When one fails the others are aborted, and have ended before it throws. */
export async function pooled<T>(
  jobs: readonly ((signal: AbortSignal) => Promise<T>)[],
  width: number,
  signal?: AbortSignal,
): Promise<T[]> {
  const results: T[] = [];
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  let next = 0;
  const workers = Array.from({ length: Math.min(width, jobs.length) }, async () => {
    try {
      while (next < jobs.length && !stop.aborted) {
        const index = next++;
        results[index] = await jobs[index]!(stop);
      }
    } catch (error) {
      failed.abort(error);
    }
  });
  await Promise.all(workers);
  stop.throwIfAborted();
  return results;
}

async function limited<T>(
  http: Http,
  patience: Patience,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  patience.signal?.throwIfAborted();
  const remaining = patience.deadline - http.clock();
  if (remaining <= 0) throw new SecurityError("database-unreadable", "there was no answer in time");
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new TryAgain("there was no answer in time")),
    Math.min(http.timeoutMs, remaining),
  );
  const stop = () => controller.abort(patience.signal?.reason);
  patience.signal?.addEventListener("abort", stop, { once: true });
  try {
    return await attempt(controller.signal);
  } finally {
    clearTimeout(timer);
    patience.signal?.removeEventListener("abort", stop);
  }
}

/** Without permission, or by policy: another attempt would fail the same way. */
function isFinal(error: unknown): boolean {
  return error instanceof SecurityError || error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.PermissionDenied;
}

/** `Retry-After`, in seconds or as a date; RFC 9110, section 10.2.3. */
function retryAfter(value: string | null): number {
  if (value === null) return 0;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const done = () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}
