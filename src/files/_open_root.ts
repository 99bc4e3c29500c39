/**
 * A root with the rules that hold below it.
 *
 * @module
 */

import type { BackendRoot } from "./backends/backend.ts";
import { CompiledPolicy, compilePolicy } from "./_compiled_policy.ts";
import type { FileRoot } from "./_context.ts";
import { fileError } from "./_errors.ts";
import { cleanAbsolute, isAbsolute, join, type Platform } from "./_root_paths.ts";
import type { SecurityPolicy } from "./policy.ts";

/** What a root is made of. */
export interface RootParts {
  readonly handle: BackendRoot;
  /** As it was configured. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly rules: SecurityPolicy;
  readonly platform: Platform;
}

/** Makes a root; throws what is wrong with its rules. */
export function makeRoot(parts: RootParts): FileRoot {
  const { handle, readOnly, rules, platform } = parts;
  const spellings = new Set([handle.path]);
  // With `..` in it, the text may mean another directory than the one that was opened.
  if (isAbsolute(parts.path, platform) && !/(?:^|[\\/])\.\.(?:[\\/]|$)/.test(parts.path)) {
    spellings.add(cleanAbsolute(parts.path, handle.path, platform));
  }
  const policy = compilePolicy(rules, handle.path, { spellings: [...spellings], canonicalize });
  return { handle, path: handle.path, spellings: [...spellings], readOnly, policy };
}

/** Where a forbidden path really lies, as far as this process may know. */
function canonicalize(path: string): string {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    throw fileError("permission-missing", { reason: path });
  }
  return Deno.realPathSync(path);
}

/** What a directory below a root is made of. */
export interface SubrootParts {
  readonly handle: BackendRoot;
  /** Refuses changes below, whatever the roots say. */
  readonly readOnly: boolean;
  /** Rules besides those of the roots. */
  readonly rules: SecurityPolicy;
  readonly platform: Platform;
  /** The root that it lies in, and where. */
  readonly outer: FileRoot;
  readonly at: string;
  /** The roots that lie below, each with where. */
  readonly inner: readonly (readonly [FileRoot, string])[];
}

/**
 * Makes a root of a directory below another, and narrows the roots that lie below it: a tenant that may only
 * read, or only write little, must not do more where a path leads on into one of those.
 */
export function makeSubroot(parts: SubrootParts): { root: FileRoot; inner: FileRoot[] } {
  const { handle, readOnly, rules, platform, outer, at } = parts;
  const { path } = handle;
  const spellings = outer.spellings.map((spelling) => join(spelling, at, platform));
  const own = compilePolicy(rules, path, { spellings, canonicalize, narrows: true });
  const root: FileRoot = {
    handle,
    path,
    spellings: [path],
    readOnly: readOnly || outer.readOnly,
    policy: CompiledPolicy.meet([{ policy: outer.policy, at }, { policy: own, at: "" }]),
  };
  const inner = parts.inner.map(([other, below]): FileRoot => {
    // A relative path is one below each root.
    const again = compilePolicy(rules, other.path, { canonicalize, narrows: true });
    const policy = CompiledPolicy.meet([
      { policy: other.policy, at: "" },
      { policy: own, at: below },
      { policy: again, at: "" },
    ]);
    return { ...other, readOnly: readOnly || other.readOnly, policy };
  });
  return { root, inner };
}
