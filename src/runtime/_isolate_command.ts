/**
 * How the process of an isolate is started.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { wrongOption } from "../_internal/options.ts";

/** What a module may do. Running programs and FFI are not among it: either is the end of every sandbox. */
export interface IsolatePermissions {
  /** Files and folders that it may read. @default {none} */
  readonly read?: readonly string[];
  /** Files and folders that it may write. @default {none} */
  readonly write?: readonly string[];
  /** Hosts that it may connect to, as `--allow-net` has them. @default {none} */
  readonly net?: readonly string[];
  /** Variables of the environment that it gets, and may read. @default {none} */
  readonly env?: readonly string[];
}

/** A command without the program. */
export interface IsolateCommand {
  /** Arguments. */
  readonly args: readonly string[];
  /** Variables to pass on. */
  readonly env: readonly string[];
}

const KINDS = ["read", "write", "net", "env"] as const;
const MiB = 2 ** 20;
/** What of the memory is Deno's own, and not V8's heap. */
const BASE_MIB = 64;

/**
 * Puts the command together.
 *
 * @param module URL of the module.
 * @param permissions What it may do.
 * @param maxMemoryBytes Most memory of the process.
 * @returns The command.
 */
export function isolateCommand(
  module: string,
  permissions: IsolatePermissions,
  maxMemoryBytes: number,
): IsolateCommand {
  const known: readonly string[] = KINDS;
  for (const key of Object.keys(permissions)) {
    if (!known.includes(key)) {
      throw new TypeError(`Cannot make an isolate pool: no permission is called '${key}'`);
    }
  }
  const allow = KINDS.flatMap((kind) => {
    const names = permissions[kind] ?? [];
    if (!Array.isArray(names)) {
      throw wrongOption("make an isolate pool", `permissions.${kind}`, "a list of names", names);
    }
    if (names.length === 0) return [];
    for (const name of names) {
      // In a flag, a comma separates names: "a,/etc" would be two.
      if (typeof name !== "string" || name === "" || name.includes(",")) {
        throw wrongOption(
          "make an isolate pool",
          `permissions.${kind}`,
          "names without a comma",
          name,
        );
      }
    }
    return [`--allow-${kind}=${names.join(",")}`];
  });
  const child = new URL("./_isolate_child.ts", import.meta.url).href;
  // Imported by literals, since an import by a variable would need a permission to read; and in this order, since
  // the first evaluates first.
  const main = `import { serveJobs } from ${JSON.stringify(child)};
import * as module from ${JSON.stringify(module)};
await serveJobs(module.default);`;
  const heapMiB = Math.floor(maxMemoryBytes / MiB) - BASE_MIB;
  return {
    args: [
      ...["run", "--quiet", "--no-prompt", "--cached-only", "--no-check"],
      `--v8-flags=--max-old-space-size=${heapMiB}`,
      ...allow,
      `data:application/javascript,${encodeURIComponent(main)}`,
      String(maxMemoryBytes),
    ],
    env: permissions.env ?? [],
  };
}

/**
 * Starts a process.
 *
 * @param command The command.
 * @returns The process, which keeps nobody alive.
 * @throws {SecurityError} `isolate-failed`.
 */
export function startIsolate({ args, env }: IsolateCommand): Deno.ChildProcess {
  if (typeof Deno === "undefined" || typeof Deno.Command !== "function") {
    throw new SecurityError("isolate-failed", "This runtime cannot start processes");
  }
  try {
    const child = new Deno.Command(program(), {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      // Secrets often lie in the environment, and Deno's own settings would let the child do more.
      clearEnv: true,
      env: passedOn([...env, "DENO_DIR", "HOME"]),
    }).spawn();
    child.unref();
    return child;
  } catch (cause) {
    throw new SecurityError("isolate-failed", "No process can be started for isolated work", {
      cause,
    });
  }
}

/** The executable of this process where it may be run; else what is called `deno`. */
function program(): string {
  const path = Deno.execPath();
  const { state } = Deno.permissions.querySync({ name: "run", command: path });
  return state === "granted" ? path : "deno";
}

function passedOn(names: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const variable of names) {
    if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") continue;
    const value = Deno.env.get(variable);
    if (value !== undefined) env[variable] = value;
  }
  return env;
}
