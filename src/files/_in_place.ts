/**
 * Writing into a file where it lies: appending, and whole files where a rename is not wanted.
 *
 * @module
 */

import type { OpenFile } from "./backends/backend.ts";
import type { FileContext } from "./_context.ts";
import { exclusive, type Found, locateExact, locked, type Target } from "./_change.ts";
import type { Chunks } from "./_chunks.ts";
import type { Operation } from "./_operation.ts";
import {
  checkSize,
  direct,
  findTarget,
  limitOf,
  type Settings,
  type Step,
  writeAll,
} from "./_target.ts";

/** Writes in place; nothing is cut off before it is known what was opened. */
// --- In place

export async function writeInPlace(
  operation: Operation,
  input: string,
  chunks: Chunks,
  settings: Settings,
  step: Step,
): Promise<void> {
  const { context } = operation;
  let file: InPlace | undefined;
  try {
    await step(() =>
      locked(operation, () => findTarget(context, input, settings), async ({ target }) => {
        operation.resource = target.path;
        file = openInPlace(context, target, chunks.size, settings);
        if (!chunks.waits) await writeAll(operation, file, chunks, direct(operation));
      })
    );
    if (chunks.waits) {
      const path = operation.resource;
      const find = (): Found => ({ locks: exclusive(path), close: () => {} });
      // One chunk a lock: whoever sends slowly holds up nobody else.
      const turn: Step = (work) => step(() => locked(operation, find, work));
      await writeAll(operation, file!, chunks, turn);
    }
    if (settings.sync) await step(() => file!.sync());
    operation.details = { bytes: file!.written };
  } finally {
    file?.close();
  }
}

/** A file that is written where it lies. */
class InPlace {
  readonly #file: OpenFile;
  readonly #limit: number;
  readonly #path: string;
  readonly #append: boolean;
  written = 0;

  constructor(file: OpenFile, limit: number, path: string, append: boolean) {
    this.#file = file;
    this.#limit = limit;
    this.#path = path;
    this.#append = append;
  }

  async write(chunk: Uint8Array): Promise<void> {
    // It may have grown by others since the last chunk.
    const offset = this.#append ? this.#file.info().size : this.written;
    checkSize(offset + chunk.byteLength, this.#limit, this.#path);
    await this.#file.write(chunk, offset);
    this.written += chunk.byteLength;
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }
}

function openInPlace(
  context: FileContext,
  target: Target,
  size: number | undefined,
  settings: Settings,
): InPlace {
  const { path, existing } = target;
  const { append } = settings;
  const limit = limitOf(target, settings);
  checkSize((append ? existing?.size ?? 0 : 0) + (size ?? 0), limit, path);
  if (existing === undefined) {
    const created = target.parent.createFile(target.name, settings.mode);
    return new InPlace(created, limit, path, append);
  }
  const located = locateExact(context, path, { change: true });
  try {
    const file = located.openFile(append ? "append" : "write");
    try {
      // What was opened decides, not what the name led to before; only then is anything cut off.
      context.checkHardLinks(target.root, file.info(), path);
      if (!append) file.truncate(0);
      return new InPlace(file, limit, path, append);
    } catch (error) {
      file.close();
      throw error;
    }
  } finally {
    located.close();
  }
}
