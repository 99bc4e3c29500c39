/**
 * What every operation of a validator shares: the roots, their policies, the backend, the limits, and
 * the way from what a client wrote to the object that it means.
 *
 * @module
 */

import type { AuditReporter } from "../events/audit_event.ts";
import type { SecurityError } from "../errors.ts";
import type {
  BackendRoot,
  FileBackend,
  Located,
  LocateOptions,
  ObjectInfo,
  RootSet,
} from "./backends/backend.ts";
import type { FileContextParts, LocatedParent, LocateUse } from "./_context_parts.ts";
import type { Limits } from "./_limits.ts";
import type { GrantedPaths } from "./required_permissions.ts";
import { fileError, fromSystemError, reasonOf } from "./_errors.ts";
import { isAbsolute, join, lastName, type Platform, saysDirectory } from "./_root_paths.ts";
import { type FileRoot, RootTable, type Spelled } from "./_root_table.ts";

export { isAbsolute, type Platform } from "./_root_paths.ts";
export type { FileRoot } from "./_root_table.ts";
export type { LocatedParent, LocateUse, OperationOptions } from "./_context_parts.ts";

/** What the operations of one validator share. */
export class FileContext implements RootSet {
  readonly backend: FileBackend;
  readonly starts: readonly FileRoot[];
  /** Longest canonical path first, so that the first one that fits is the innermost. */
  readonly roots: readonly FileRoot[];
  readonly limits: Limits;
  readonly permissions: GrantedPaths;
  readonly reporter: AuditReporter | undefined;
  readonly platform: Platform;
  readonly #closing = new AbortController();
  #closed = false;
  #running = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  readonly #leave = () => {
    this.#running--;
    if (this.#running === 0) this.#idle?.resolve();
  };
  readonly #table: RootTable;
  /** Something is forbidden below one of the roots. */
  readonly #forbids: boolean;

  constructor(parts: FileContextParts) {
    this.backend = parts.backend;
    this.starts = parts.starts;
    this.limits = parts.limits;
    this.permissions = parts.permissions;
    this.reporter = parts.reporter;
    this.platform = parts.platform;
    this.#table = new RootTable(parts.starts, parts.roots, parts.platform);
    this.roots = this.#table.roots;
    this.#forbids = this.roots.some(({ policy }) => policy.holdsForbidden(""));
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Aborted when the validator closes; ends what waits. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Counts a piece of work that uses the backend; the function that it returns ends it. */
  enter(): () => void {
    this.#running++;
    return this.#leave;
  }

  /** Refuses everything from now on; resolves once nothing uses the backend any more. */
  close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort(fileError("closed"));
    if (this.#running === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** The innermost root that a canonical absolute path lies in. */
  find(path: string): BackendRoot | undefined {
    return this.#table.innermost(path)?.handle;
  }

  /** The root of this validator that a backend named. */
  rootOf(handle: BackendRoot): FileRoot {
    return this.#table.rootOf(handle);
  }

  /** Where a canonical path lies below its root, with `/`; empty for the root itself. */
  below(root: { readonly path: string }, path: string): string {
    return this.#table.below(root, path);
  }

  /**
   * Finds what a client named, and applies the policy to what was written and to what was found.
   *
   * @param input What the client wrote.
   * @param use What it is looked up for.
   * @returns The object; the caller closes it.
   */
  locate(input: string, use: LocateUse = NO_USE): Located {
    const located = this.#findOrRefuse(input, use);
    // The text alone does not tell `f` from `f/`, which only a directory may be called.
    if (saysDirectory(input, this.platform) && located.info.type !== "directory") {
      located.close();
      throw fileError("not-a-directory");
    }
    return located;
  }

  /** What is not there is refused as what is there would be: nobody learns which `.env` exists. */
  #findOrRefuse(input: string, use: LocateUse): Located {
    try {
      return this.#find(input, use);
    } catch (thrown) {
      const error = fromSystemError(thrown);
      const asDirectory = saysDirectory(input, this.platform);
      // As a directory, `.env/` is not there; that there is a file is not for the client to know.
      if (error.code === "extension-denied" && asDirectory) {
        throw fileError("not-found", { reason: reasonOf(error) });
      }
      if (error.code === "not-found" && use.change !== true && !asDirectory) {
        const name = this.platform === "windows" ? input.replaceAll("\\", "/") : input;
        for (const { policy } of this.#meant(input)) policy.checkName(lastName(name));
      }
      throw error;
    }
  }

  /** The roots whose rules would hold for something that is not there. */
  #meant(input: string): FileRoot[] {
    if (!isAbsolute(input, this.platform)) {
      return this.starts.map((root) => this.#table.start(root, input).root);
    }
    const meant = this.#table.absolute(input);
    return typeof meant === "string" ? this.starts.slice(0, 1) : [meant.root];
  }

  #find(input: string, use: LocateUse): Located {
    if (isAbsolute(input, this.platform)) {
      const meant = this.#table.absolute(input);
      return typeof meant === "string"
        ? this.#locateForeign(meant, use)
        : this.#locateSpelled(meant, use);
    }
    const { starts } = this;
    if (starts.length === 1) return this.#locateSpelled(this.#table.start(starts[0]!, input), use);
    return this.#findFirst(input, use);
  }

  #findFirst(input: string, use: LocateUse): Located {
    return this.#first((root) => this.#locateSpelled(this.#table.start(root, input), use));
  }

  /**
   * Finds the directory that holds, or will hold, what a client named; the last component is not followed.
   *
   * @param input What the client wrote.
   * @param use What it is looked up for.
   * @returns The directory, which the caller closes, and the name in it.
   */
  locateParent(input: string, use: LocateUse = NO_USE): LocatedParent {
    if (use.file === true && saysDirectory(input, this.platform)) {
      throw fileError("not-a-directory");
    }
    if (isAbsolute(input, this.platform)) {
      const meant = this.#table.absolute(input);
      return typeof meant === "string"
        ? this.#foreignParent(meant, use)
        : this.#parentSpelled(meant, use);
    }
    return this.#parentSpelled(this.#table.start(this.#homeOf(input), input), use);
  }

  /** The root whose name a relative path means when it is to be changed or created. */
  #homeOf(input: string): FileRoot {
    const { starts } = this;
    if (starts.length === 1) return starts[0]!;
    const homeWhere = (isHome: (found: LocatedParent) => boolean) =>
      this.#first((root) => {
        const found = this.#parentSpelled(this.#table.start(root, input), NO_USE);
        try {
          if (isHome(found)) return root;
        } finally {
          found.parent.close();
        }
        throw fileError("not-found");
      });
    // What exists decides, so that a client which reads a name and writes it again means one file.
    try {
      return homeWhere(({ parent, name }) => parent.lookup(name) !== undefined);
    } catch (error) {
      if (!isNotThere(error)) throw error;
      return homeWhere(() => true);
    }
  }

  /** Tries the roots in order; one that has no such object, or hides it, is passed over. */
  #first<T>(attempt: (root: FileRoot) => T): T {
    let refusal: SecurityError | undefined;
    for (const root of this.starts) {
      try {
        return attempt(root);
      } catch (thrown) {
        const error = fromSystemError(thrown);
        const hidden = error.code === "path-forbidden" || error.code === "path-too-deep";
        if (!hidden && !NOT_THERE.has(error.code)) throw error;
        // A refusal tells more than "not there", and reveals no more either.
        if (refusal === undefined || (hidden && NOT_THERE.has(refusal.code))) refusal = error;
      }
    }
    throw refusal ?? fileError("not-found");
  }

  #locateSpelled(spelled: Spelled, use: LocateUse): Located {
    const { root, path } = spelled;
    root.policy.checkPath(path);
    this.#permit(root, use);
    return this.#verified(this.#walk(root, path), root, path, use);
  }

  #locateForeign(path: string, use: LocateUse): Located {
    this.#permitForeign(path);
    return this.#verified(this.#walkForeign(path), undefined, path, use);
  }

  /**
   * Follows a path below a root. Where a link led below a forbidden path, a failure there would tell what there
   * is: it is refused as a walk that ended well is.
   */
  #walk(root: FileRoot, path: string): Located {
    const links = LINKS[root.policy.symlinks];
    try {
      return this.backend.locate(this, root.handle, path, links);
    } catch (error) {
      const walk = (above: string) => this.backend.locate(this, root.handle, above, links);
      if (this.#forbids) this.#checkEnd(walk, path, "/");
      throw error;
    }
  }

  #walkForeign(path: string): Located {
    const walk = (path: string) => this.backend.locateAbsolute(this, path, LINKS["within-root"]);
    try {
      return walk(path);
    } catch (error) {
      if (this.#forbids) this.#checkEnd(walk, path, this.platform === "posix" ? "/" : "\\");
      throw error;
    }
  }

  /** Applies the rules to where a walk ended; from the front, since how much there is not is up to the client. */
  #checkEnd(walk: (path: string) => Located, path: string, separator: string): void {
    let reached: { readonly root: FileRoot; readonly at: string; readonly end: number } | undefined;
    // The first name begins after `/` or `C:\`, if there is any of that.
    let end = path.indexOf(separator, separator === "/" ? 1 : 3);
    for (; end !== -1; end = path.indexOf(separator, end + 1)) {
      try {
        const above = walk(path.slice(0, end));
        above.close();
        reached = { root: this.rootOf(above.root), at: above.path, end };
      } catch {
        // What comes before the roots on a foreign path is none of theirs.
        if (reached !== undefined) break;
      }
    }
    if (reached === undefined) return;
    const { root, at } = reached;
    const full = join(at, path.slice(reached.end + 1).replaceAll(separator, "/"), this.platform);
    root.policy.checkPath(this.below(root, full));
  }

  /** Finds out that a permission was revoked before the disk is touched, so that nothing prompts. */
  #permit(root: FileRoot, use: LocateUse): void {
    // A read-only root needs no write permission: that it is read-only is said once the object is found.
    this.permissions.demand(root.path, use.change === true && !root.readOnly);
  }

  /** What this process may not read leads into no root of its own; to look would prompt. */
  #permitForeign(path: string): void {
    for (const root of this.starts) this.permissions.demand(root.path, false);
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
      throw fileError("path-outside-root", { reason: path });
    }
  }

  /** Applies the policy to what was found; `written` is the path below `as`, or a foreign one. */
  #verified(
    located: Located,
    as: FileRoot | undefined,
    written: string,
    use: LocateUse,
  ): Located {
    try {
      const root = this.rootOf(located.root);
      if (root !== as) {
        // A link led here: from another root, or from outside by another spelling.
        if (root.policy.symlinks === "deny") throw symlinkDenied(located.path);
        this.#permit(root, use);
      }
      const path = this.below(root, located.path);
      if (root !== as || path !== written) root.policy.checkPath(path);
      if (use.change === true && root.readOnly) throw readOnlyRoot(located.path);
      this.#checkNames(root, located, written, path);
      if (root.policy.hardLinks === "deny") this.checkHardLinks(root, located.info, located.path);
      return located;
    } catch (error) {
      located.close();
      throw error;
    }
  }

  /** Extensions are those of files, by the name that was written and by the one that was found. */
  #checkNames(root: FileRoot, located: Located, written: string, path: string): void {
    try {
      root.policy.checkName(lastName(written));
      if (path !== written) root.policy.checkName(lastName(path));
    } catch (error) {
      if (located.info.type !== "directory") throw error;
    }
  }

  /** Refuses a file that has more names than one, where the policy says so. */
  checkHardLinks(root: FileRoot, info: ObjectInfo, path: string): void {
    if (root.policy.hardLinks === "deny" && info.type === "file" && info.nlink > 1) {
      throw fileError("hard-link-denied", { reason: `${path} has ${info.nlink} names` });
    }
  }

  #parentSpelled(spelled: Spelled, use: LocateUse): LocatedParent {
    const { root, path } = spelled;
    if (path === "") throw fileError("root-operation", { reason: `${root.path} is a root` });
    root.policy.checkPath(path);
    this.#permit(root, use);
    const slash = path.lastIndexOf("/");
    const directory = slash === -1 ? "" : path.slice(0, slash);
    const parent = this.#walk(root, directory);
    return this.#verifiedParent(parent, root, path.slice(slash + 1), use);
  }

  #foreignParent(path: string, use: LocateUse): LocatedParent {
    this.#permitForeign(path);
    const posix = this.platform === "posix";
    const separator = path.lastIndexOf(posix ? "/" : "\\");
    // The top keeps its separator: `/`, `C:\`.
    const directory = path.slice(0, Math.max(separator, posix ? 1 : 3));
    const parent = this.#walkForeign(directory);
    return this.#verifiedParent(parent, undefined, path.slice(separator + 1), use);
  }

  #verifiedParent(
    parent: Located,
    as: FileRoot | undefined,
    name: string,
    use: LocateUse,
  ): LocatedParent {
    try {
      const path = join(parent.path, name, this.platform);
      const root = this.#table.innermost(path) ?? this.rootOf(parent.root);
      if (root.path === path || (use.replaces === true && this.#table.holdsRoot(path))) {
        throw fileError("root-operation", { reason: `${path} is a root or holds one` });
      }
      if (root !== as) {
        if (root.policy.symlinks === "deny") throw symlinkDenied(path);
        this.#permit(root, use);
      }
      root.policy.checkPath(this.below(root, path));
      if (use.change === true && root.readOnly) throw readOnlyRoot(path);
      if (use.file === true) root.policy.checkName(name);
      if (parent.info.type !== "directory") throw fileError("not-a-directory");
      return { parent, name, path, root };
    } catch (error) {
      parent.close();
      throw error;
    }
  }
}

const NO_USE: LocateUse = Object.freeze({});

const LINKS: Readonly<Record<"within-root" | "deny", LocateOptions>> = {
  "within-root": { symlinks: "within-root" },
  deny: { symlinks: "deny" },
};

const NOT_THERE: ReadonlySet<string> = new Set(["not-found", "not-a-directory"]);

function isNotThere(error: unknown): boolean {
  return NOT_THERE.has(fromSystemError(error).code);
}

function symlinkDenied(path: string): SecurityError {
  return fileError("symlink-denied", { reason: `a symbolic link leads to ${path}` });
}

function readOnlyRoot(path: string): SecurityError {
  return fileError("read-only-root", { reason: `${path} lies in a read-only root` });
}
