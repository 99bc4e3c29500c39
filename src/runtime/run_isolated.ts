import {
  type IsolatePermissions,
  IsolatePool,
  type IsolatePoolOptions,
  type IsolateRunOptions,
} from "./isolate_pool.ts";

/** Options of {@linkcode runIsolated}. */
export interface RunIsolatedOptions extends IsolateRunOptions {
  /** What the module may do. @default {nothing} */
  readonly permissions?: IsolatePermissions;
  /** Most memory of the process, in bytes, 96 MiB at least. @default {256 MiB} */
  readonly maxMemoryBytes?: number;
  /** After how many jobs a process is replaced; with 1, no job runs where another one has. @default {1000} */
  readonly maxJobsPerProcess?: number;
}

interface SharedPool {
  readonly pool: IsolatePool;
  /** Calls that have not ended. */
  calls: number;
}

const pools = new Map<string, SharedPool>();
/** Most pools that are kept; each has up to {@linkcode PROCESSES} processes. */
const MAX_POOLS = 16;
const PROCESSES = 2;

/**
 * Runs one job of a module in a process of its own, which the deadline kills: for work that does not listen
 * to a signal, such as a regular expression over what a client sent.
 *
 * Jobs with the same module and options share an {@linkcode IsolatePool} of two processes, which
 * stay warm and keep nothing alive. Of 16 pools, the one that was not used for longest is closed for a new
 * one. Make a pool of your own for more processes, or where each job needs a fresh one.
 *
 * Requires `--allow-run` for the Deno executable, or for `deno`.
 *
 * @example
 * ```ts
 * import { closeIsolated, runIsolated } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const source = "export default ({ pattern, text }) => new RegExp(pattern).test(text)";
 * const module = `data:application/javascript,${encodeURIComponent(source)}`;
 * const input = { pattern: "^a+$", text: "aaa" };
 * assertEquals(await runIsolated(module, input, { timeoutMs: 5000 }), true);
 * await closeIsolated();
 * ```
 *
 * @param module Absolute URL of the module whose default export does the work.
 * @param input What it gets: what JSON can say.
 * @param options The deadline, its permissions and memory.
 * @returns What it gave.
 * @throws {SecurityError} As {@linkcode IsolatePool.run} does.
 */
export async function runIsolated(
  module: string | URL,
  input: unknown,
  options: RunIsolatedOptions = {},
): Promise<unknown> {
  const { permissions = {}, maxMemoryBytes, maxJobsPerProcess, ...runOptions } = options;
  const key = JSON.stringify([String(module), permissions, maxMemoryBytes, maxJobsPerProcess]);
  let shared = pools.get(key);
  if (shared === undefined) {
    const poolOptions: IsolatePoolOptions = {
      permissions,
      processes: PROCESSES,
      ...(maxMemoryBytes === undefined ? {} : { maxMemoryBytes }),
      ...(maxJobsPerProcess === undefined ? {} : { maxJobsPerProcess }),
    };
    shared = { pool: new IsolatePool(module, poolOptions), calls: 0 };
    makeRoom();
  }
  // The first key of the map is the one that was not used for longest.
  pools.delete(key);
  pools.set(key, shared);
  shared.calls++;
  try {
    return await shared.pool.run(input, runOptions);
  } finally {
    shared.calls--;
  }
}

/**
 * Ends the processes that {@linkcode runIsolated} keeps warm. The next job starts new ones.
 *
 * @returns A promise that settles once they have ended.
 */
export async function closeIsolated(): Promise<void> {
  const open = [...pools.values()];
  pools.clear();
  await Promise.all(open.map(({ pool }) => pool.close()));
}

function makeRoom(): void {
  if (pools.size < MAX_POOLS) return;
  for (const [key, { pool, calls }] of pools) {
    if (calls > 0) continue;
    pools.delete(key);
    pool.close();
    return;
  }
}
