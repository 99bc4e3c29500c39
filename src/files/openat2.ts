/**
 * The file backend in which the Linux kernel itself keeps every path below its root.
 *
 * It calls `openat2(2)` with `RESOLVE_BENEATH` through FFI, so it holds under scoped permissions as
 * well, where the other backends of Deno can only check paths before and after. The price is
 * `--allow-ffi`, with which a program could do anything: that is why it is a module of its own.
 *
 * Needs Linux 5.6 or later on x86-64 or arm64, /proc, and `--allow-ffi`.
 *
 * @example Read with the protection of the kernel
 * ```ts
 * import { FileSecurityValidator } from "@bartizan/security";
 * import { openat2 } from "@bartizan/security/openat2";
 * import { assertEquals } from "@std/assert";
 *
 * if (Deno.build.os === "linux") {
 *   const root = await Deno.makeTempDir();
 *   await Deno.writeTextFile(`${root}/hello.txt`, "Hello");
 *   const files = await FileSecurityValidator.open({
 *     roots: [root],
 *     protection: "kernel",
 *     backend: openat2(),
 *   });
 *   assertEquals(await files.readTextFile("hello.txt"), "Hello");
 *   await files.close();
 * }
 * ```
 *
 * @module
 */

import type { BackendFactory } from "./backends/backend.ts";
import { openKernel } from "./backends/kernel.ts";

export type {
  Access,
  BackendFactory,
  BackendRoot,
  DirectoryEntry,
  FileBackend,
  Located,
  LocateOptions,
  ObjectInfo,
  ObjectType,
  OpenFile,
  Protection,
  RootSet,
} from "./backends/backend.ts";

/** Options of {@linkcode openat2}. */
export interface Openat2Options {
  /**
   * The C library, as `Deno.dlopen` takes it. With musl, name its file, such as
   * `/lib/ld-musl-x86_64.so.1`. A full path can be granted alone, by `--allow-ffi=PATH`; a bare name
   * needs `--allow-ffi` for everything. @default {"libc.so.6"}
   */
  readonly library?: string;
}

/**
 * Makes the `backend` option of `FileSecurityValidator.open()` for the protection `kernel`.
 *
 * Nothing is loaded before a validator opens. Never prompts for a permission. This does NOT protect
 * against hard links or bind mounts that are below a root already, nor against code in this process.
 *
 * @param options Which C library.
 * @returns A factory, which rejects with a `SecurityError`: `permission-missing` without
 * `--allow-ffi`, `protection-unavailable` where the kernel, the C library or /proc does not do.
 * @throws {TypeError} If `library` is not the name of a library.
 * @see {@link https://man7.org/linux/man-pages/man2/openat2.2.html openat2(2)}
 *
 * @example Make a factory
 * ```ts
 * import { openat2 } from "@bartizan/security/openat2";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(typeof openat2({ library: "libc.so.6" }), "function");
 * ```
 */
export function openat2(options: Openat2Options = {}): BackendFactory {
  const { library = "libc.so.6" } = options;
  if (typeof library !== "string" || library === "" || library.includes("\0")) {
    throw new TypeError("'library' must be the name or the path of a C library");
  }
  return () => openKernel(library);
}
