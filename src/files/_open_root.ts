/**
 * A root with the rules that hold below it.
 *
 * @module
 */

import type { BackendRoot } from "./backends/backend.ts";
import { compilePolicy } from "./_compiled_policy.ts";
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
  return { handle, path: handle.path, spellings: [...spellings], readOnly, rules, policy };
}

/** Where a forbidden path really lies, as far as this process may know. */
function canonicalize(path: string): string {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    throw fileError("permission-missing", { reason: path });
  }
  return Deno.realPathSync(path);
}

/**
 * The rules of a directory below a root: its own, as far as they narrow those of the root.
 *
 * @param outer The root.
 * @param path Where the directory lies below it.
 * @param rules Rules of the directory's own.
 */
export function narrowRules(
  outer: FileRoot,
  path: string,
  rules: SecurityPolicy,
): SecurityPolicy {
  const { policy } = outer;
  const levels = path === "" ? 0 : path.split("/").length;
  const allowedExtensions = intersect(outer.rules.allowedExtensions, rules.allowedExtensions);
  return {
    // Whatever else is said, so that an unknown option is found.
    ...rules,
    maxFileSizeBytes: least(policy.maxFileSizeBytes, rules.maxFileSizeBytes),
    maxDepth: least(policy.maxDepth - levels, rules.maxDepth),
    symlinks: policy.symlinks === "deny" ? "deny" : rules.symlinks ?? "within-root",
    hardLinks: policy.hardLinks === "deny" ? "deny" : rules.hardLinks ?? "allow",
    ...(allowedExtensions === undefined ? {} : { allowedExtensions }),
    deniedExtensions: [...outer.rules.deniedExtensions ?? [], ...rules.deniedExtensions ?? []],
    forbiddenPaths: [
      ...(outer.rules.forbiddenPaths ?? []).map((forbidden) => fromRoot(outer, forbidden)),
      ...rules.forbiddenPaths ?? [],
    ],
    requireAbsolutePaths: policy.requireAbsolutePaths || (rules.requireAbsolutePaths ?? false),
  };
}

/** A forbidden path of a root, in words that mean the same below it. */
function fromRoot(root: FileRoot, forbidden: string): string {
  const platform = root.path.startsWith("/") ? "posix" : "windows";
  return isAbsolute(forbidden, platform) ? forbidden : join(root.path, forbidden, platform);
}

function least(ours: number, theirs: number | undefined): number {
  // Anything but a number goes on as it is, to be refused by name.
  return theirs === undefined || theirs >= ours ? ours : theirs;
}

function intersect(
  ours: readonly string[] | undefined,
  theirs: readonly string[] | undefined,
): readonly string[] | undefined {
  if (ours === undefined || theirs === undefined) return theirs ?? ours;
  const allowed = new Set(ours.map(normalized));
  return theirs.filter((extension) => allowed.has(normalized(extension)));
}

function normalized(extension: string): string {
  const lower = extension.toLowerCase();
  return lower.startsWith(".") ? lower : `.${lower}`;
}
