/**
 * Everything that changes something: `writeFile()` here, the others in files of their own.
 *
 * By default the bytes go to a new file of an unguessable name beside the old one, which is then renamed
 * over it: readers see the old file or the new one, and a write that fails leaves nothing behind.
 *
 * @module
 */

import type { FileContext, OperationOptions } from "./_context.ts";
import { checkMode, runSteps } from "./_change.ts";
import { chunksOf, type FileData, takeData } from "./_chunks.ts";
import { writeInPlace } from "./_in_place.ts";
import { replace } from "./_replace.ts";
import { direct, type Settings, type Step } from "./_target.ts";

export type { FileData } from "./_chunks.ts";
export { copy, type CopyOptions } from "./_copy.ts";
export { mkdir, type MkdirOptions, remove, type RemoveOptions } from "./_names.ts";
export { rename, type RenameOptions } from "./_rename.ts";

/** Options of `writeFile()`. */
export interface WriteFileOptions extends OperationOptions {
  /** Refuses to replace anything: `already-exists`, also for a link that leads nowhere. @default {false} */
  readonly createNew?: boolean;
  /** Creates the file when there is none; otherwise `not-found`. @default {true} */
  readonly create?: boolean;
  /**
   * Adds to the end of the file, in place. Chunks of a stream are added one by one as they come, and what
   * others append may lie between them. @default {false}
   */
  readonly append?: boolean;
  /**
   * Replaces the file by a rename. `false` writes in place, which keeps its owner and its other names,
   * but lets readers see half a file and leaves one behind when it fails. @default {true}
   */
  readonly atomic?: boolean;
  /** Permission bits of a new file, less the umask; a file that is replaced keeps its own. @default {0o600} */
  readonly mode?: number;
  /**
   * Largest size of the file afterwards, in bytes; lowers the policy's `maxFileSizeBytes` and never
   * raises it. @default {what the policy allows}
   */
  readonly maxBytes?: number;
  /** Waits until the data is on the disk before the file is replaced or the write is done. @default {false} */
  readonly sync?: boolean;
}

/** Writes a file. */
export async function writeFile(
  context: FileContext,
  input: string,
  data: FileData,
  options: WriteFileOptions = {},
): Promise<void> {
  const taken = takeData(data);
  const settings = settingsOf(options);
  const inPlace = settings.append || options.atomic === false;
  const write = inPlace ? writeInPlace : replace;
  await runSteps(context, "write", input, options, async (operation) => {
    const largest = context.roots.reduce(
      (a, { policy }) => Math.max(a, policy.maxFileSizeBytes),
      0,
    );
    const work = async (step: Step): Promise<void> => {
      const chunks = chunksOf(taken, operation, Math.min(largest, settings.maxBytes));
      try {
        await write(operation, input, chunks, settings, step);
      } catch (error) {
        chunks.end(error);
        throw error;
      }
      chunks.end();
    };
    // One permit for what is in memory; one for each piece of what has to be waited for.
    if (taken instanceof ReadableStream) {
      // Between two pieces it holds no permit, and its file is open all the same.
      const ended = operation.keepOpen();
      try {
        return await work((piece) => operation.step(piece));
      } finally {
        ended();
      }
    }
    await operation.step(() => work(direct(operation)));
  });
}

function settingsOf(options: WriteFileOptions): Settings {
  const { createNew = false, create = true, append = false } = options;
  const { mode = 0o600, maxBytes = Infinity, sync = false } = options;
  checkMode(mode);
  if (maxBytes !== Infinity && !(Number.isSafeInteger(maxBytes) && maxBytes >= 0)) {
    throw new RangeError(
      `'maxBytes' must be a whole number of bytes: current value is ${maxBytes}`,
    );
  }
  if (createNew && !create) throw new TypeError("'createNew' contradicts 'create: false'");
  return { createNew, create, append, mode, maxBytes, sync };
}
