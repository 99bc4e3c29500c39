import { SecurityError } from "../errors.ts";
import { type Clock, systemClock } from "../_internal/clock.ts";
import {
  checkNames,
  type IntegerBounds,
  integerOption,
  MAX_TIMEOUT_MS,
  wrongOption,
} from "../_internal/options.ts";
import { IsolateProcess, type JobLimits } from "./_isolate_process.ts";
import { isolateCommand, type IsolatePermissions } from "./_isolate_command.ts";
import { Semaphore } from "./semaphore.ts";

export type { IsolatePermissions };

const PURPOSE = "make an isolate pool";
const MiB = 2 ** 20;
const MESSAGE_BYTES: IntegerBounds = { otherwise: 16 * MiB, least: 1, most: 2 ** 31 - 1 };

/** Options of {@linkcode IsolatePool}. */
export interface IsolatePoolOptions {
  /** What the module may do. @default {nothing} */
  readonly permissions?: IsolatePermissions;
  /**
   * Most memory of a process, in bytes, 96 MiB at least, of which about 64 MiB are Deno's own. V8 bounds its heap at once; memory
   * beside the heap is looked at every 20 ms. @default {256 MiB}
   */
  readonly maxMemoryBytes?: number;
  /** Longest input, as JSON, in bytes. @default {16 MiB} */
  readonly maxInputBytes?: number;
  /** Longest output, as JSON, in bytes. @default {16 MiB} */
  readonly maxOutputBytes?: number;
  /** How many processes there are, hence jobs at once. @default {1} */
  readonly processes?: number;
  /** Most jobs that wait for a process. @default {100} */
  readonly maxQueue?: number;
  /** After how many jobs a process is replaced; with 1, no job runs where another one has. @default {1000} */
  readonly maxJobsPerProcess?: number;
  /** Time for a process to load the module, in milliseconds. @default {10_000} */
  readonly startTimeoutMs?: number;
  /** Clock of the deadlines. @default {the clock of the machine} */
  readonly clock?: Clock;
}

/** Options of {@linkcode IsolatePool.run}. */
export interface IsolateRunOptions {
  /** Time for the job, waiting for a process included, in milliseconds. @default {10_000} */
  readonly timeoutMs?: number;
  /** Kills the job. @default {undefined} */
  readonly signal?: AbortSignal;
}

/** What a pool does at the moment. */
export interface IsolatePoolStats {
  /** Processes that are there, or start. */
  readonly processes: number;
  /** Jobs being done. */
  readonly running: number;
  /** Jobs that wait. */
  readonly queued: number;
  /** Processes that were killed, by a deadline, an abort or for their memory. */
  readonly killed: number;
}

/**
 * Runs work that does not listen: in processes of its own, which a deadline can kill.
 *
 * No timer fires while JavaScript is in a loop, a regular expression backtracks or JSON.parse has a gigabyte
 * before it, and in Deno 2.9 `worker.terminate()` does not stop a loop either. A process that gets SIGKILL
 * stops. Processes are started beforehand and used again, since a start takes 80 ms and a job on a warm one
 * less than one; one that was killed is replaced at once.
 *
 * The module's default export takes one argument and gives the result, or a promise of it; both travel as
 * JSON. What it prints by `console` is dropped; it must not write to stdout, on which the answers go. Of an
 * error, name and message are in the `cause`. Its process has the permissions that are named here, no environment
 * and no storage.
 *
 * It is hostile input that this holds, not a hostile module: jobs on one process share its globals, which a job
 * may change for the next one, and the sandbox is Deno's. Where a job's input may take the module over, give
 * each job a process of its own (`maxJobsPerProcess: 1`).
 *
 * Requires `--allow-run` for the Deno executable, or for `deno`. Linux and macOS; where processes cannot be
 * started, every job rejects with `isolate-failed`.
 *
 * @example
 * ```ts
 * import { IsolatePool, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const source = "export default (n) => { while (n === 0); return n * 2; }";
 * await using pool = new IsolatePool(`data:application/javascript,${encodeURIComponent(source)}`);
 * assertEquals(await pool.run(21), 42);
 * const error = await assertRejects(() => pool.run(0, { timeoutMs: 50 }), SecurityError);
 * assertEquals(error.code, "timeout");
 * ```
 */
export class IsolatePool implements AsyncDisposable {
  readonly #start: () => IsolateProcess;
  readonly #permits: Semaphore;
  readonly #maxProcesses: number;
  readonly #maxJobs: number;
  readonly #limits: JobLimits;
  readonly #clock: Clock;
  readonly #idle: IsolateProcess[] = [];
  readonly #all = new Set<IsolateProcess>();
  readonly #ends = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #running = 0;
  #killed = 0;

  /**
   * Makes a pool; the first process starts with the first job, or with {@linkcode IsolatePool.warm}.
   *
   * @param module Absolute URL of the module.
   * @param options Its permissions, and limits.
   * @throws {TypeError} If the module is no absolute URL, or an option is not what it must be.
   * @throws {RangeError} If a limit is out of its range.
   */
  constructor(module: string | URL, options: IsolatePoolOptions = {}) {
    checkNames(PURPOSE, options, [
      "permissions",
      "maxMemoryBytes",
      "maxInputBytes",
      "maxOutputBytes",
      "processes",
      "maxQueue",
      "maxJobsPerProcess",
      "startTimeoutMs",
      "clock",
    ]);
    const { permissions = {}, clock = systemClock } = options;
    const url = absoluteUrl(module);
    const integer = (name: keyof IsolatePoolOptions, bounds: IntegerBounds) =>
      integerOption(PURPOSE, name, options[name], bounds);
    const maxMemoryBytes = integer("maxMemoryBytes", {
      otherwise: 256 * MiB,
      least: 96 * MiB,
    });
    const startTimeoutMs = integer("startTimeoutMs", {
      otherwise: 10_000,
      least: 1,
      most: MAX_TIMEOUT_MS,
    });
    this.#limits = {
      maxInputBytes: integer("maxInputBytes", MESSAGE_BYTES),
      maxOutputBytes: integer("maxOutputBytes", MESSAGE_BYTES),
    };
    this.#maxProcesses = integer("processes", { otherwise: 1, least: 1, most: 1024 });
    this.#maxJobs = integer("maxJobsPerProcess", { otherwise: 1000, least: 1 });
    this.#clock = clock;
    this.#permits = new Semaphore({
      permits: this.#maxProcesses,
      maxQueue: integer("maxQueue", { otherwise: 100, least: 0 }),
      clock,
    });
    const args = isolateCommand(url, permissions, maxMemoryBytes);
    this.#start = () => new IsolateProcess(args, this.#limits, startTimeoutMs, clock);
  }

  /**
   * Starts all processes, so that the first jobs find them warm.
   *
   * @returns A promise that settles once they have loaded the module.
   * @throws {SecurityError} `isolate-failed` if one could not be started.
   */
  async warm(): Promise<void> {
    this.#check();
    while (this.#all.size < this.#maxProcesses) this.#idle.push(this.#add());
    try {
      await Promise.all(this.#idle.map((process) => process.started()));
    } catch (error) {
      this.#check();
      throw error;
    }
  }

  /**
   * Does one job.
   *
   * @param input What the module's default export gets: what JSON can say.
   * @param options The deadline and the signal.
   * @returns What it gave.
   * @throws {SecurityError} `timeout`, `queue-full`, `too-large` (the input or the output),
   * `isolate-out-of-memory`, `isolate-failed` (it threw, ended, or could not be loaded), `closed`.
   * @throws {RangeError} If `timeoutMs` is out of its range.
   * @throws {TypeError} If the input is not what JSON can say.
   * @throws The reason of the signal, once it is aborted and the process killed.
   */
  async run(input: unknown, options: IsolateRunOptions = {}): Promise<unknown> {
    const timeoutMs = integerOption("run an isolated job", "timeoutMs", options.timeoutMs, {
      otherwise: 10_000,
      least: 1,
      most: MAX_TIMEOUT_MS,
    });
    this.#check();
    const signals = [this.#closing.signal, ...(options.signal ? [options.signal] : [])];
    const startedMs = this.#clock.monotonicMs();
    const signal = AbortSignal.any(signals);
    signal.throwIfAborted();
    return await this.#permits.run(async () => {
      signal.throwIfAborted();
      const leftMs = startedMs + timeoutMs - this.#clock.monotonicMs();
      const process = this.#take();
      this.#running++;
      try {
        return await process.work(input, { timeoutMs: leftMs, totalMs: timeoutMs, signal });
      } finally {
        this.#running--;
        this.#putBack(process);
      }
    }, { signal, timeoutMs });
  }

  /** What the pool does at the moment. */
  stats(): IsolatePoolStats {
    return {
      processes: this.#all.size,
      running: this.#running,
      queued: this.#permits.stats.queued,
      killed: this.#killed,
    };
  }

  /**
   * Kills all processes; jobs that are being done or wait reject with `closed`.
   *
   * @returns A promise that settles once they have ended.
   */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    this.#permits.close();
    for (const process of this.#all) this.#end(process);
    this.#idle.length = 0;
    await Promise.all(this.#ends);
  }

  /** The same as {@linkcode IsolatePool.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(): void {
    if (this.#closing.signal.aborted) throw closed();
  }

  #take(): IsolateProcess {
    for (let process = this.#idle.pop(); process !== undefined; process = this.#idle.pop()) {
      if (process.usable) return process;
      // It ended while it waited, such as by the kernel for want of memory.
      this.#end(process);
    }
    return this.#add();
  }

  #add(): IsolateProcess {
    const process = this.#start();
    this.#all.add(process);
    return process;
  }

  /** Ends a process; nobody waits for that but {@linkcode close}. */
  #end(process: IsolateProcess): void {
    this.#all.delete(process);
    const end = process.kill().finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }

  #putBack(process: IsolateProcess): void {
    if (this.#closing.signal.aborted) return;
    if (process.usable && process.jobs < this.#maxJobs) {
      this.#idle.push(process);
      return;
    }
    if (process.wasKilled) this.#killed++;
    this.#end(process);
    // Only what has worked before is started again without being asked, or a module that
    // cannot be loaded would be tried for ever.
    if (process.hasStarted) this.#idle.push(this.#add());
  }
}

function absoluteUrl(module: string | URL): string {
  try {
    return new URL(module).href;
  } catch {
    throw wrongOption(PURPOSE, "module", "an absolute URL", module);
  }
}

function closed(): SecurityError {
  return new SecurityError("closed", "The isolate pool is closed");
}
