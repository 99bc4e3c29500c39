/**
 * Files by paths that are checked before and after: for scoped permissions, macOS, Windows and hosted
 * runtimes.
 *
 * A path is made canonical, compared with the roots, opened without following a link at its end, and
 * then handle and path are compared twice. Another process that changes the tree at the right moment
 * can still win; bench/README.md says how often it did.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { explain, explainAbsolute, type LinkReader, linkReader } from "./_explain.ts";
import { Granted } from "./_granted.ts";
import type { NodeFs } from "./_object_info.ts";
import { join, lstat, PathLocated, PathRoot, type Place } from "./_path_located.ts";
import type { BackendRoot, FileBackend, Located, LocateOptions, RootSet } from "./backend.ts";

function requirePathRoot(root: BackendRoot): PathRoot {
  if (root instanceof PathRoot) return root;
  throw new TypeError("Cannot use the root of another backend");
}

class BestEffortBackend implements FileBackend {
  readonly protection = "best-effort";
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  openRoot(path: string): BackendRoot {
    const { granted } = this.#place;
    granted.demand("read", path);
    const real = Deno.realPathSync(path);
    // Granted by the spelling of a link alone, it cannot be used: everything below is done by this path.
    granted.demand("read", real);
    const info = lstat(real);
    if (info.type !== "directory") throw fileError("not-a-directory", { reason: real });
    const root = new PathRoot(real, info);
    // A directory of a client's, as subroot() opens, may have been swapped right after it was resolved.
    root.requireUnmoved();
    return root;
  }

  locate(roots: RootSet, root: BackendRoot, path: string, options: LocateOptions): Located {
    const from = requirePathRoot(root);
    const { separator } = this.#place.reader;
    const native = separator === "\\" ? path.replaceAll("/", "\\") : path;
    const full = native === "" ? from.path : join(this.#place, from.path, native);
    let real: string;
    try {
      real = Deno.realPathSync(full);
    } catch (error) {
      from.requireUnmoved();
      throw explain(error, roots, from.path, path, options, this.#place.reader);
    }
    from.requireUnmoved(real === full);
    const found = roots.find(real);
    if (options.symlinks === "deny" && real !== full) this.#requireNoLink(roots, from, path, real);
    if (found === undefined) throw fileError("path-outside-root", { reason: real });
    if (found !== root) this.#enter(found);
    return this.#found(roots, found, real);
  }

  /**
   * A path that came out otherwise is allowed only where names have more than one spelling and there
   * is no link on the way.
   */
  #requireNoLink(roots: RootSet, root: PathRoot, path: string, real: string): void {
    const full = path === "" ? root.path : join(this.#place, root.path, path).replaceAll("\\", "/");
    const fold = (text: string): string => text.replaceAll("\\", "/").normalize().toLowerCase();
    if (Deno.build.os !== "linux" && fold(full) === fold(real)) {
      const deny: LocateOptions = { symlinks: "deny" };
      const nothing = explain(undefined, roots, root.path, path, deny, this.#place.reader);
      if (nothing === undefined) return;
    }
    throw fileError("symlink-denied", { reason: real });
  }

  locateAbsolute(roots: RootSet, path: string, options: LocateOptions): Located {
    const { granted } = this.#place;
    // What this process may not read leads into no root of its own: to look would ask the user.
    if (!granted.has("read", path)) throw fileError("path-outside-root", { reason: path });
    let real: string;
    try {
      real = Deno.realPathSync(path);
    } catch (error) {
      // The directories above a root are granted to nobody who got the root alone.
      const canonical = (part: string): string | undefined =>
        granted.has("read", part) ? Deno.realPathSync(part) : undefined;
      throw explainAbsolute(error, roots, path, options, this.#place.reader, canonical);
    }
    const found = roots.find(real);
    if (found === undefined) throw fileError("path-outside-root", { reason: real });
    if (options.symlinks === "deny" && real !== path) {
      throw fileError("symlink-denied", { reason: real });
    }
    this.#enter(found);
    return this.#found(roots, found, real);
  }

  #found(roots: RootSet, root: BackendRoot, real: string): Located {
    const info = lstat(real);
    if (info.type === "symlink") {
      throw fileError("not-found", { reason: `${real} was replaced while it was looked up` });
    }
    return new PathLocated(this.#place, roots, root, real, info);
  }

  /** A root that a link led to: the permission for it may have been revoked since it was opened. */
  #enter(root: BackendRoot): void {
    this.#place.granted.demand("read", root.path);
    requirePathRoot(root).requireUnmoved();
  }

  close(): void {}
}

/** What tests put in the place of the machine's own. */
export interface BestEffortOptions {
  /** `null` for a runtime without `node:fs`. @default {what the runtime has} */
  readonly fs?: NodeFs | null;
}

/**
 * Opens the backend that works with any permissions.
 *
 * @throws {SecurityError} `protection-unavailable` If the runtime is not Deno.
 */
export async function openBestEffort(options: BestEffortOptions = {}): Promise<FileBackend> {
  if (typeof Deno === "undefined") {
    throw fileError("protection-unavailable", { message: "Files need the Deno runtime" });
  }
  let fs: NodeFs | undefined;
  if (options.fs === undefined) {
    // Not every host of Deno's API has Node's: then Deno.open has to do, without O_NOFOLLOW.
    fs = await import("node:fs").catch(() => undefined);
  } else {
    fs = options.fs ?? undefined;
  }
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  const granted = new Granted();
  const { readLink } = linkReader(separator);
  const reader: LinkReader = {
    separator,
    readLink: (path) => {
      granted.demand("read", path);
      return readLink(path);
    },
  };
  return new BestEffortBackend({ fs, reader, granted });
}
