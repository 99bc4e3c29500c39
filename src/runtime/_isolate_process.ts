/**
 * One process of an isolate, and what is said to it.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { Clock } from "../_internal/clock.ts";
import type { IsolateJob } from "./_isolate_child.ts";
import { type IsolateCommand, startIsolate } from "./_isolate_command.ts";
import { decodeFrames, encodeFrame, FrameTooLarge } from "./_isolate_frames.ts";

/** Limits of every job. */
export interface JobLimits {
  /** Longest input, in bytes. */
  readonly maxInputBytes: number;
  /** Longest output, in bytes. */
  readonly maxOutputBytes: number;
}

/** Limits of one job. */
export interface JobOptions {
  /** Time that is left, in milliseconds. */
  readonly timeoutMs: number;
  /** Time that there was, for the message. */
  readonly totalMs: number;
  /** Ends the job. */
  readonly signal: AbortSignal;
}

/** How much later than its parent a process ends itself, in milliseconds. */
const GRACE_MS = 1000;
/** Room for what an answer says besides the output. */
const ANSWER_BYTES = 16_384;

/** A process that loads the module as soon as it is made. */
export class IsolateProcess {
  readonly #child: Deno.ChildProcess | undefined;
  readonly #answers: AsyncGenerator<unknown> | undefined;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #limits: JobLimits;
  readonly #startTimeoutMs: number;
  readonly #clock: Clock;
  #starting: Promise<void> | undefined;
  #failure: unknown;
  #hasStarted = false;
  #isEnded = false;
  #wasKilled = false;
  #jobs = 0;
  #end: Promise<void> | undefined;

  /**
   * Starts it. A failure to do so is told by the first job.
   *
   * @param command The command.
   * @param limits Limits of every job.
   * @param startTimeoutMs Time to load the module.
   * @param clock The clock.
   */
  constructor(command: IsolateCommand, limits: JobLimits, startTimeoutMs: number, clock: Clock) {
    this.#limits = limits;
    this.#startTimeoutMs = startTimeoutMs;
    this.#clock = clock;
    try {
      this.#child = startIsolate(command);
      this.#child.status.then(() => this.#isEnded = true);
      this.#writer = this.#child.stdin.getWriter();
      this.#answers = decodeFrames(this.#child.stdout, limits.maxOutputBytes + ANSWER_BYTES);
    } catch (error) {
      this.#failure = error;
      this.#isEnded = true;
    }
  }

  /** Whether it may get another job. */
  get usable(): boolean {
    return !this.#isEnded;
  }

  /** Whether it has loaded its module. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** Whether it was killed, by us or for its memory. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /** Jobs so far. */
  get jobs(): number {
    return this.#jobs;
  }

  /**
   * Waits until it has loaded the module.
   *
   * @throws {SecurityError} `isolate-failed`.
   */
  async started(): Promise<void> {
    await (this.#starting ??= this.#within(this.#startTimeoutMs, undefined, async () => {
      await this.#next();
      this.#hasStarted = true;
    }, () => failed("The module of the isolate was not loaded in time")));
  }

  /**
   * Does a job.
   *
   * @param input The input.
   * @param options The deadline and the signal.
   * @returns The output.
   */
  async work(input: unknown, { timeoutMs, totalMs, signal }: JobOptions): Promise<unknown> {
    this.#jobs++;
    if (this.#failure !== undefined) throw this.#failure;
    const job: IsolateJob = { input: input ?? null, endMs: Math.ceil(timeoutMs) + GRACE_MS };
    const frame = encodeFrame(job);
    if (frame.length > this.#limits.maxInputBytes + ANSWER_BYTES) {
      throw tooLarge("input", this.#limits.maxInputBytes);
    }
    return await this.#within(timeoutMs, signal, async () => {
      await this.started();
      // A process that ended does not read; the answer tells why.
      this.#writer?.write(frame).catch(() => {});
      return await this.#next();
    }, () => {
      const details = { timeoutMs: totalMs };
      return new SecurityError("timeout", "The isolated work took too long", { details });
    });
  }

  /** Kills it, and waits until it has ended and its pipes are given back. */
  kill(): Promise<void> {
    return this.#end ??= this.#kill();
  }

  async #kill(): Promise<void> {
    this.#isEnded = true;
    const child = this.#child;
    if (child === undefined) return;
    child.ref();
    try {
      child.kill("SIGKILL");
    } catch {
      // It had ended.
    }
    await child.status;
    // What waits for an answer, if anything, has it by now; otherwise the pipes are given back here.
    await this.#answers?.return(undefined).catch(() => {});
    await this.#writer?.abort().catch(() => {});
    await child.stdout.cancel().catch(() => {});
  }

  /** Waits for something, and kills the process when it takes too long or nobody wants it any more. */
  async #within<T>(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    wait: () => Promise<T>,
    late: () => SecurityError,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const stop = (reason: unknown) => {
      reject(reason);
      this.#wasKilled = true;
      this.kill();
    };
    const abort = () => stop(signal?.reason);
    const timer = this.#clock.setTimer(() => stop(late()), Math.max(0, timeoutMs), {
      keepAlive: true,
    });
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    wait().then(resolve, reject);
    try {
      return await promise;
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", abort);
    }
  }

  /** The next answer. */
  async #next(): Promise<unknown> {
    let result: IteratorResult<unknown> | undefined;
    try {
      result = await this.#answers?.next();
    } catch (cause) {
      this.kill();
      if (cause instanceof FrameTooLarge) throw tooLarge("output", this.#limits.maxOutputBytes);
      throw failed("The isolated work did not answer in the agreed form", cause);
    }
    if (result === undefined || result.done) throw await this.#ended();
    const answer = result.value as Partial<Record<string, unknown>> | null;
    if (typeof answer === "object" && answer !== null) {
      if ("output" in answer) return answer["output"];
      if ("ready" in answer) return;
      if ("error" in answer) throw failed("The isolated work failed", answer["error"]);
    }
    this.kill();
    throw failed("The isolated work did not answer in the agreed form");
  }

  /** Why it ended without an answer. */
  async #ended(): Promise<SecurityError> {
    this.#isEnded = true;
    this.#child?.ref();
    const status = await this.#child?.status;
    // V8 ends a process whose heap is full by a trap or an abort, the watchdog by SIGKILL.
    if (status?.signal && !this.#wasKilled) {
      this.#wasKilled = true;
      const details = { signal: status.signal };
      return new SecurityError("isolate-out-of-memory", "The isolated work took too much memory", {
        details,
      });
    }
    return failed(`The process of the isolated work ended with code ${status?.code}`);
  }
}

function failed(message: string, cause?: unknown): SecurityError {
  return new SecurityError("isolate-failed", message, { cause });
}

function tooLarge(what: "input" | "output", maxBytes: number): SecurityError {
  const message = `The ${what} of the isolated work is too large`;
  return new SecurityError("too-large", message, { details: { maxBytes } });
}
