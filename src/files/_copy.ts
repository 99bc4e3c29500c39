/**
 * Writing a file from another file.
 *
 * @module
 */

import type { Located } from "./backends/backend.ts";
import type { FileContext, OperationOptions } from "./_context.ts";
import { type Found, locked } from "./_change.ts";
import { fileChunks } from "./_chunks.ts";
import { type Operation, rejectInput, run } from "./_operation.ts";
import { reserve } from "./_read_bytes.ts";
import { noteDestination } from "./_rename.ts";
import { createTemporary, finish, type Temporary } from "./_replace.ts";
import { direct, type Settings, writeAll } from "./_target.ts";

/** Options of `copy()`. */
export interface CopyOptions extends OperationOptions {
  /** Replaces a file that is there. @default {false} */
  readonly overwrite?: boolean;
}

/** Room of a copy, in bytes. */
const COPY_BYTES = 256 * 1024;

/** Copies a file. */
export function copy(
  context: FileContext,
  from: string,
  to: string,
  options: CopyOptions = {},
): Promise<void> {
  if (typeof to !== "string") return rejectInput();
  const { overwrite = false } = options;
  return run(context, "copy", from, options, async (operation) => {
    noteDestination(operation, to);
    const temporary = await locked(
      operation,
      () => findFile(context, from),
      ({ source }) => copyToTemporary(operation, source, to, !overwrite),
    );
    // The source may be changed again, or be the target itself: the lock on it is gone by now.
    await finish(operation, to, temporary, direct(operation));
  }, { changes: true });
}

// --- From another file

function findFile(context: FileContext, input: string): Found & { readonly source: Located } {
  const source = context.locate(input);
  const locks = [{ path: source.path, exclusive: false }];
  return { source, locks, close: () => source.close() };
}

async function copyToTemporary(
  operation: Operation,
  source: Located,
  to: string,
  createNew: boolean,
): Promise<Temporary> {
  const { context } = operation;
  operation.resource = source.path;
  const { policy } = context.rootOf(source.root);
  const file = source.openFile("read");
  let temporary: Temporary | undefined;
  try {
    const info = file.info();
    policy.checkSize(info.size);
    const settings: Settings = {
      createNew,
      create: true,
      append: false,
      mode: info.mode === 0 ? 0o600 : info.mode & 0o777,
      maxBytes: Infinity,
      sync: false,
    };
    temporary = createTemporary(operation, to, info.size, settings);
    operation.details = { to: temporary.path };
    const roomBytes = Math.min(COPY_BYTES, context.limits.bytes.max);
    const release = await reserve(operation, roomBytes);
    try {
      const room = new Uint8Array(roomBytes);
      const chunks = fileChunks(file, info.size, room, (bytes) => policy.checkSize(bytes));
      await writeAll(operation, temporary, chunks, direct(operation));
    } finally {
      release();
    }
    return temporary;
  } catch (error) {
    temporary?.discard();
    throw error;
  } finally {
    file.close();
  }
}
