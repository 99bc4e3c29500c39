/**
 * Which root a path means, by its text alone.
 *
 * @module
 */

import type { SecurityError } from "../errors.ts";
import type { CompiledPolicy } from "./_compiled_policy.ts";
import { fileError, fromSystemError } from "./_errors.ts";
import { begins, cleanAbsolute, isWithin, join, type Platform } from "./_root_paths.ts";
import type { BackendRoot } from "./backends/backend.ts";
import { relativeWithin } from "./resolve_within.ts";

/** A root of a validator, with what holds below it. */
export interface FileRoot {
  /** The root as the backend holds it. */
  readonly handle: BackendRoot;
  /** Canonical absolute path, equal to `handle.path`. */
  readonly path: string;
  /** Every absolute spelling of it that clients may use: canonical, and as configured. */
  readonly spellings: readonly string[];
  /** Refuses changes below. */
  readonly readOnly: boolean;
  /** The rules that hold below. */
  readonly policy: CompiledPolicy;
}

/** A lexically clean path below a root. */
export interface Spelled {
  readonly root: FileRoot;
  /** Relative to the root, with `/`; empty for the root itself. */
  readonly path: string;
}

/** The roots of a validator, and every way to spell them. */
export class RootTable {
  /** Where relative paths start, in order. */
  readonly starts: readonly FileRoot[];
  /** Longest canonical path first, so that the first one that fits is the innermost. */
  readonly roots: readonly FileRoot[];
  readonly platform: Platform;
  /** The first of the starts that allows relative paths. */
  readonly #relativeStart: FileRoot | undefined;
  /** Every absolute spelling with its root, longest first. */
  readonly #spellings: readonly { readonly spelling: string; readonly root: FileRoot }[];

  constructor(starts: readonly FileRoot[], roots: readonly FileRoot[], platform: Platform) {
    this.starts = starts;
    this.roots = roots.toSorted((a, b) => b.path.length - a.path.length);
    this.platform = platform;
    this.#relativeStart = starts.find(({ policy }) => !policy.requireAbsolutePaths);
    this.#spellings = this.roots
      .flatMap((root) => root.spellings.map((spelling) => ({ spelling, root })))
      .sort((a, b) => b.spelling.length - a.spelling.length);
  }

  /** The innermost root that a canonical absolute path lies in. */
  innermost(path: string): FileRoot | undefined {
    for (const root of this.roots) {
      if (isWithin(root.path, path, this.platform)) return root;
    }
    return undefined;
  }

  /** The root of this validator that a backend named. */
  rootOf(handle: BackendRoot): FileRoot {
    for (const root of this.roots) if (root.handle === handle) return root;
    throw fileError("path-outside-root", { reason: `${handle.path} is no root of this validator` });
  }

  /** Where a canonical path lies below its root, with `/`; empty for the root itself. */
  below(root: { readonly path: string }, path: string): string {
    const rest = path.slice(root.path.length);
    const slashed = this.platform === "windows" ? rest.replaceAll("\\", "/") : rest;
    return slashed.startsWith("/") ? slashed.slice(1) : slashed;
  }

  /**
   * A relative path below one of the starts; the innermost root that it spells. In the place of a start that
   * refuses relative paths stands the first that allows them: neither what is in the other nor its rules
   * may decide, or a client would learn of a file there by the way that it must not take.
   */
  start(root: FileRoot, input: string): Spelled {
    const path = relativeWithin(root.path, input, this.platform);
    const start = root.policy.requireAbsolutePaths ? this.#relativeStart : root;
    if (start === undefined) {
      throw fileError("path-invalid", {
        message: "Only absolute paths are allowed",
        details: { reason: "relative" },
      });
    }
    return this.#inner({ root: start, path });
  }

  /** The root that an absolute path spells, and the rest; the path itself, clean, when it spells none. */
  absolute(input: string): Spelled | string {
    const spelled = this.#spelled(input);
    if (spelled !== undefined) return spelled;
    const clean = cleanAbsolute(input, this.starts[0]!.path, this.platform);
    return this.#spelled(clean) ?? clean;
  }

  /** The root that an absolute path spells, and the rest; `undefined` when it spells none. */
  #spelled(input: string): Spelled | undefined {
    let refusal: SecurityError | undefined;
    for (const { spelling, root } of this.#spellings) {
      if (!begins(input, spelling, this.platform)) continue;
      try {
        return this.#inner({ root, path: relativeWithin(spelling, input, this.platform) });
      } catch (thrown) {
        const error = fromSystemError(thrown);
        // It climbs above this root; it may still lie within a root that holds this one.
        if (error.code !== "path-outside-root") throw error;
        refusal ??= error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return undefined;
  }

  /** The same path, told from the innermost root that it lies in as it is written. */
  #inner(spelled: Spelled): Spelled {
    if (this.roots.length === 1) return spelled;
    const full = join(spelled.root.path, spelled.path, this.platform);
    const root = this.innermost(full) ?? spelled.root;
    return root === spelled.root ? spelled : { root, path: this.below(root, full) };
  }

  /** Whether a canonical path is a root, or a directory that holds one. */
  holdsRoot(path: string): boolean {
    return this.roots.some((root) => isWithin(path, root.path, this.platform));
  }
}
