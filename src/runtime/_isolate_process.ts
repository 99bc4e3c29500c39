/**
 * One process of an isolate, and what is said to it.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { Clock } from "../_internal/clock.ts";
import { type IsolateCommand, startIsolate } from "./_isolate_command.ts";
import { decodeFrames, encodeFrame, type Frame, FrameTooLarge } from "./_isolate_frames.ts";

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

/** What an answer says besides the output: `{"id":"…","output":…}`. */
const ENVELOPE_BYTES = JSON.stringify({ id: "0".repeat(36), output: 0 }).length - 1;
/** Room for an answer that tells of an error. */
const ERROR_BYTES = 65_536;
/** Longest name or message of an error that is passed on. */
const MAX_ERROR_LENGTH = 1000;
const encoder = new TextEncoder();

/** A process that loads the module as soon as it is made. */
export class IsolateProcess {
  readonly #child: Deno.ChildProcess | undefined;
  readonly #answers: AsyncGenerator<Frame> | undefined;
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
      this.#answers = decodeFrames(
        this.#child.stdout,
        Math.max(limits.maxOutputBytes + ENVELOPE_BYTES, ERROR_BYTES),
      );
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
    if (this.#failure !== undefined) throw this.#failure;
    await (this.#starting ??= this.#within(
      { timeoutMs: this.#startTimeoutMs, late: notLoaded },
      () => this.#ready(),
    ));
  }

  /**
   * Does a job.
   *
   * @param input The input.
   * @param options The deadline and the signal.
   * @returns The output.
   */
  async work(input: unknown, { timeoutMs, totalMs, signal }: JobOptions): Promise<unknown> {
    const id = crypto.randomUUID();
    const json = JSON.stringify(input ?? null);
    if (json === undefined) throw new TypeError(`Cannot pass a ${typeof input} to isolated work`);
    const { maxInputBytes } = this.#limits;
    if (json.length > maxInputBytes || encoder.encode(json).length > maxInputBytes) {
      throw tooLarge("input", maxInputBytes);
    }
    const late = () => {
      const details = { timeoutMs: totalMs };
      return new SecurityError("timeout", "The isolated work took too long", { details });
    };
    const untilMs = this.#clock.monotonicMs() + timeoutMs;
    // A process that still starts is of use to the next job, whatever becomes of this one.
    const starting = this.started();
    if (!this.#hasStarted) {
      await this.#within({ timeoutMs, signal, late, spares: true }, () => starting);
    }
    const leftMs = untilMs - this.#clock.monotonicMs();
    return await this.#within({ timeoutMs: leftMs, signal, late }, async () => {
      this.#jobs++;
      // A process that ended does not read; the answer tells why.
      this.#writer?.write(encodeFrame(`{"id":"${id}","input":${json}}`)).catch(() => {});
      return await this.#answerTo(id);
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
    { timeoutMs, signal, late, spares = false }: WaitOptions,
    wait: () => Promise<T>,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const stop = (reason: unknown) => {
      reject(reason);
      if (spares) return;
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

  /** The next message. */
  async #next(): Promise<Frame> {
    let result: IteratorResult<Frame> | undefined;
    try {
      result = await this.#answers?.next();
    } catch (cause) {
      this.kill();
      if (cause instanceof FrameTooLarge) throw tooLarge("output", this.#limits.maxOutputBytes);
      throw failed("The isolated work did not answer in the agreed form", cause);
    }
    if (result === undefined || result.done) throw await this.#ended();
    return result.value;
  }

  async #ready(): Promise<void> {
    const { message } = await this.#next();
    if (membersOf(message)["ready"] === true) {
      this.#hasStarted = true;
      return;
    }
    this.kill();
    throw failed("The module of the isolate has no default function");
  }

  /**
   * The answer to a job. One with another id is from an earlier job, such as one that wrote to stdout itself:
   * what it says is of another client.
   */
  async #answerTo(id: string): Promise<unknown> {
    const { message, bytes } = await this.#next();
    const answer = membersOf(message);
    if (answer["id"] === id) {
      if ("error" in answer) throw failed("The isolated work failed", errorOf(answer["error"]));
      const { maxOutputBytes } = this.#limits;
      if (bytes > maxOutputBytes + ENVELOPE_BYTES) throw tooLarge("output", maxOutputBytes);
      if ("output" in answer) return answer["output"];
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
    if (status?.signal && this.#end === undefined) {
      this.#wasKilled = true;
      const details = { signal: status.signal };
      return new SecurityError("isolate-out-of-memory", "The isolated work took too much memory", {
        details,
      });
    }
    return failed(`The process of the isolated work ended with code ${status?.code}`);
  }
}

/** How to wait. */
interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** What to say when the time is over. */
  readonly late: () => SecurityError;
  /** Whether the process lives on when nobody waits any more. */
  readonly spares?: boolean;
}

function membersOf(message: unknown): Partial<Record<string, unknown>> {
  return typeof message === "object" && message !== null ? { ...message } : {};
}

/** The module says it, so that nothing of it but two short texts is believed. */
function errorOf(error: unknown): { readonly name: string; readonly message: string } {
  const { name, message } = membersOf(error);
  const text = (value: unknown) =>
    typeof value === "string" ? value.slice(0, MAX_ERROR_LENGTH) : "";
  return { name: text(name), message: text(message) };
}

function notLoaded(): SecurityError {
  return failed("The module of the isolate was not loaded in time");
}

function failed(message: string, cause?: unknown): SecurityError {
  return new SecurityError("isolate-failed", message, { cause });
}

function tooLarge(what: "input" | "output", maxBytes: number): SecurityError {
  const message = `The ${what} of the isolated work is too large`;
  return new SecurityError("too-large", message, { details: { maxBytes } });
}
