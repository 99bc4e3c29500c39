/**
 * Writing into a file where it lies: appending, and whole files where a rename is not wanted.
 *
 * @module
 */

import type { OpenFile } from "./backends/backend.ts";
import type { FileContext } from "./_context.ts";
import { locateExact, locked, type Target } from "./_change.ts";
import type { Chunks } from "./_chunks.ts";
import { fileError } from "./_errors.ts";
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
      const again = { ...settings, createNew: false, create: false };
      const find = () => findTarget(context, input, again);
      // One chunk a lock: whoever sends slowly holds up nobody else. Meanwhile the file may be renamed into
      // another root, and permissions revoked: each turn finds out anew where it writes, and by which rules.
      const turn: Step = (work) =>
        step(() =>
          locked(operation, find, ({ target }) => {
            file!.follow(target);
            operation.resource = target.path;
            return work();
          })
        );
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
  readonly #context: FileContext;
  readonly #file: OpenFile;
  readonly #settings: Settings;
  #target: Target;
  written = 0;

  constructor(context: FileContext, file: OpenFile, target: Target, settings: Settings) {
    this.#context = context;
    this.#file = file;
    this.#target = target;
    this.#settings = settings;
  }

  /** Goes on where it lies now; without an `await` since that was found. */
  follow(target: Target): void {
    const { existing, path } = target;
    const mine = this.#file.info();
    if (existing === undefined || existing.ino !== mine.ino || existing.dev !== mine.dev) {
      throw fileError("not-found", { reason: `${path} is another file now` });
    }
    this.#target = target;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { root, path } = this.#target;
    // Since the last chunk there was an `await`: to ask for the size would ask the user for the permission.
    if (this.written > 0) this.#context.permissions.demand(root.path, true);
    const bytes = chunk.byteLength;
    // It may have grown by others since the last chunk.
    const offset = this.#settings.append ? this.#file.info().size : this.written;
    checkSize(offset + bytes, limitOf(this.#target, this.#settings), path);
    await this.#file.write(chunk, offset);
    this.written += bytes;
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
    return new InPlace(context, created, target, settings);
  }
  const located = locateExact(context, path, { change: true });
  try {
    const file = located.openFile(append ? "append" : "write");
    try {
      // What was opened decides, not what the name led to before; only then is anything cut off.
      context.checkHardLinks(target.root, file.info(), path);
      if (!append) file.truncate(0);
      return new InPlace(context, file, target, settings);
    } catch (error) {
      file.close();
      throw error;
    }
  } finally {
    located.close();
  }
}
