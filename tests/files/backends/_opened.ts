/** Backends with their roots, as a validator would hold them. */
import { SecurityError } from "@bartizan/security";
import { fromSystemError } from "../../../src/files/_errors.ts";
import { openBestEffort } from "../../../src/files/backends/best_effort.ts";
import { missingForFdVerified, openFdVerified } from "../../../src/files/backends/fd_verified.ts";
import type {
  BackendFactory,
  BackendRoot,
  FileBackend,
  Located,
  LocateOptions,
  RootSet,
} from "../../../src/files/backends/backend.ts";

export const FOLLOW: LocateOptions = { symlinks: "within-root" };
export const DENY: LocateOptions = { symlinks: "deny" };

/** What this process lacks for `fd-verified`. */
export const missing: readonly string[] = missingForFdVerified();
if (missing.length > 0) {
  console.log(`ignored: fd-verified, for want of ${missing.join(", ")}; another test grants them`);
}

/** A way to make a backend, by name. */
export interface Variant {
  readonly name: string;
  readonly open: BackendFactory;
  readonly ignore: boolean;
}

export const variants: readonly Variant[] = [
  { name: "fd-verified", open: openFdVerified, ignore: missing.length > 0 },
  { name: "best-effort", open: openBestEffort, ignore: false },
  {
    name: "best-effort without node:fs",
    open: () => openBestEffort({ fs: null }),
    ignore: false,
  },
];

/** A backend and its roots. */
export class Opened implements Disposable {
  readonly backend: FileBackend;
  readonly roots: readonly BackendRoot[];
  readonly set: RootSet;

  private constructor(backend: FileBackend, paths: readonly string[]) {
    this.backend = backend;
    this.roots = paths.map((path) => backend.openRoot(path));
    const inner = [...this.roots].sort((a, b) => b.path.length - a.path.length);
    this.set = {
      find: (path) => inner.find((root) => path === root.path || path.startsWith(`${root.path}/`)),
    };
  }

  static async at(open: BackendFactory, ...paths: string[]): Promise<Opened> {
    return new Opened(await open(), paths);
  }

  get root(): BackendRoot {
    const [root] = this.roots;
    if (root === undefined) throw new Error("opened without a root");
    return root;
  }

  locate(path: string, options: LocateOptions = FOLLOW): Located {
    return this.backend.locate(this.set, this.root, path, options);
  }

  absolute(path: string, options: LocateOptions = FOLLOW): Located {
    return this.backend.locateAbsolute(this.set, path, options);
  }

  [Symbol.dispose](): void {
    for (const root of this.roots) root.close();
    this.backend.close();
  }
}

/** The code of what a function throws, `"done"` when it does not. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    const result = await work();
    (result as { close?(): void } | undefined)?.close?.();
    return "done";
  } catch (error) {
    if (error instanceof TypeError && !("code" in error)) throw error;
    const translated = fromSystemError(error);
    if (!(translated instanceof SecurityError)) throw error;
    return translated.code;
  }
}

/** Number of descriptors that this process has open; Linux with all permissions only. */
export function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** How many descriptors this process has open; Deno itself would not say under scoped permissions. */
export async function countDescriptors(backend: FileBackend): Promise<number> {
  const root = backend.openRoot("/proc/self/fd");
  const located = backend.locate({ find: () => root }, root, "", FOLLOW);
  try {
    return (await located.list(100_000)).length;
  } finally {
    located.close();
    root.close();
  }
}
