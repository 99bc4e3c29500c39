/** What the parts of `vendor.ts` share. */

const COMMAND_TIMEOUT_MS = 5 * 60_000;

/** An npm package that carries `@std` releases. */
export interface Carrier {
  /** Name of the package. */
  readonly name: string;
  /** Exact version. */
  readonly version: string;
  /** SHA-512 of its tarball in base64, as npm and lockfiles write it: `sha512-…`. */
  readonly integrity: string;
}

/** Options of {@linkcode vendor}. */
export interface VendorOptions {
  /** Folder of deno.json, deno.lock and `vendor/`. */
  readonly root: string;
  /** Where JSR is. @default {"https://jsr.io/"} */
  readonly jsrUrl?: string;
  /** How long JSR may take to answer at all, in milliseconds. @default {3000} */
  readonly jsrTimeoutMs?: number;
  /** Where the releases come from without JSR. @default {CARRIER} */
  readonly carrier?: Carrier;
  /** The command that runs npm. @default {["npm"]} */
  readonly npm?: readonly [string, ...string[]];
  /** Hears what takes its time. @default {() => {}} */
  readonly report?: (line: string) => void;
}

/** Why `vendor/` could not be made complete, in a paragraph for whoever sits in front of it. */
export class VendorError extends Error {
  override readonly name = "VendorError";
}

/** A release of JSR that the lockfile names. */
export interface Release {
  /** Name with scope, such as `@std/path`. */
  readonly name: string;
  /** Exact version. */
  readonly version: string;
  /** SHA-256 of the release's `_meta.json` on JSR, in hex. */
  readonly integrity: string;
  /** The `jsr:` specifier under which it asks for each package that it depends on. */
  readonly dependencies: ReadonlyMap<string, string>;
}

/** The parts of a deno.lock of version 5 that are about JSR. */
export interface JsrLock {
  readonly version: "5";
  readonly specifiers: Readonly<Record<string, string>>;
  readonly jsr: Readonly<Record<string, { integrity: string; dependencies?: readonly string[] }>>;
  readonly workspace: { readonly dependencies: readonly string[] };
}

/** What the parts of a run share. */
export interface Run extends Required<VendorOptions> {
  /** The parts of deno.lock that are about JSR. */
  readonly lock: JsrLock;
  readonly releases: readonly Release[];
  /** Changes when `vendor/` has to be made anew. */
  readonly digest: string;
}

/** SHA-256 in hex. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
}

/** Runs a program to its end; `missing` when there is none. */
export async function command(
  name: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ success: boolean; missing: boolean; stderr: string }> {
  using limit = timeLimit(COMMAND_TIMEOUT_MS);
  try {
    const { success, stderr } = await new Deno.Command(name, {
      args: [...args],
      cwd,
      env: { ...env },
      stdin: "null",
      signal: limit.signal,
    }).output();
    return { success, missing: false, stderr: new TextDecoder().decode(stderr) };
  } catch (error) {
    // A program that was not on the PATH when Deno started cannot be permitted by its name.
    const { NotFound, NotCapable } = Deno.errors;
    if (!(error instanceof NotFound) && !(error instanceof NotCapable)) throw error;
    return { success: false, missing: true, stderr: "" };
  }
}

/** A time limit whose timer goes with it; that of `AbortSignal.timeout` would keep Deno waiting. */
export function timeLimit(ms: number): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
