/**
 * Where a file is to be written, and by which rules.
 *
 * @module
 */

import type { FileContext } from "./_context.ts";
import { checkWritable, exclusive, type Found, locateName, type Target } from "./_change.ts";
import type { Chunks } from "./_chunks.ts";
import { fileError } from "./_errors.ts";
import type { Operation } from "./_operation.ts";

/** How a file is written. */
export interface Settings {
  readonly createNew: boolean;
  readonly create: boolean;
  readonly append: boolean;
  readonly mode: number;
  readonly maxBytes: number;
  readonly sync: boolean;
}

/** Does a piece of work under a permit. */
export type Step = <T>(work: () => T | Promise<T>) => Promise<T>;

/** Most links from one to the next that are followed by hand; each of them may have several more. */
const MAX_LINKS = 8;

/** Under the permit that the operation has already. */
export function direct(operation: Operation): Step {
  return async (work) => {
    operation.check();
    return await work();
  };
}

/** Most bytes that a target may have afterwards. */
export function limitOf({ root }: Target, settings: Settings): number {
  return Math.min(root.policy.maxFileSizeBytes, settings.maxBytes);
}

/** Refuses more bytes than allowed. */
export function checkSize(bytes: number, limit: number, path: string): void {
  if (bytes <= limit) return;
  throw fileError("file-too-large", {
    reason: `${path} would have ${bytes} bytes or more, and ${limit} are allowed`,
    details: { maxBytes: limit },
  });
}

/**
 * Finds the name that a file is to be written under. A link is followed here rather than by the system:
 * what it leads to must exist, and is what will be replaced.
 */
export function locateTarget(context: FileContext, input: string, settings: Settings): Target {
  let name = input;
  for (let links = 0; links < MAX_LINKS; links++) {
    const target = locateName(context, name, { change: true, file: true, replaces: true });
    try {
      const { existing, path } = target;
      if (existing?.type !== "symlink") {
        checkTarget(context, target, settings, links > 0);
        return target;
      }
      if (settings.createNew) throw fileError("already-exists", { reason: `${path} is a link` });
      checkWritable(context, target, existing);
      const located = context.locate(path, { change: true });
      try {
        if (located.info.type === "directory") throw fileError("not-a-file");
        name = located.path;
      } finally {
        located.close();
      }
    } catch (error) {
      target.parent.close();
      throw error;
    }
    target.parent.close();
  }
  throw fileError("symlink-loop");
}

function checkTarget(
  context: FileContext,
  target: Target,
  settings: Settings,
  throughLink: boolean,
): void {
  const { existing } = target;
  if (existing === undefined) {
    if (throughLink || !settings.create) throw fileError("not-found", { reason: target.path });
    return;
  }
  if (settings.createNew) throw fileError("already-exists", { reason: target.path });
  if (existing.type === "directory") throw fileError("not-a-file", { reason: target.path });
  checkWritable(context, target, existing);
}

/** A target with the lock that its change needs. */
export function findTarget(context: FileContext, input: string, settings: Settings): Found & {
  readonly target: Target;
} {
  const target = locateTarget(context, input, settings);
  return { target, locks: exclusive(target.path), close: () => target.parent.close() };
}

/** Writes all that comes, each chunk as a step. */
export async function writeAll(
  operation: Operation,
  to: { write(chunk: Uint8Array): Promise<void> },
  chunks: Chunks,
  step: Step,
): Promise<void> {
  while (true) {
    const chunk = await chunks.next();
    operation.check();
    if (chunk === undefined) return;
    await step(() => to.write(chunk));
    operation.check();
  }
}
