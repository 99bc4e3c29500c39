/**
 * Replacing a file as a whole, by a rename.
 *
 * @module
 */

import type { Located, OpenFile } from "./backends/backend.ts";
import { locked, type Target } from "./_change.ts";
import type { Chunks } from "./_chunks.ts";
import { fileError } from "./_errors.ts";
import type { FileContext } from "./_context.ts";
import type { Operation } from "./_operation.ts";
import {
  checkSize,
  findTarget,
  limitOf,
  locateTarget,
  type Settings,
  type Step,
  writeAll,
} from "./_target.ts";
import { temporaryName } from "./_temporary_name.ts";

// --- By a rename

/** Writes a new file and puts it in the place of the old one. */
export async function replace(
  operation: Operation,
  input: string,
  chunks: Chunks,
  settings: Settings,
  step: Step,
): Promise<void> {
  const temporary = await step(() => createTemporary(operation, input, chunks.size, settings));
  try {
    await writeAll(operation, temporary, chunks, step);
  } catch (error) {
    temporary.discard();
    throw error;
  }
  await finish(operation, input, temporary, step);
}

/** Puts a temporary file in the place of its target, or removes it. */
export async function finish(
  operation: Operation,
  input: string,
  temporary: Temporary,
  step: Step,
): Promise<void> {
  const { context } = operation;
  const { settings } = temporary;
  try {
    if (settings.sync) await step(() => temporary.file.sync());
    await step(() =>
      locked(operation, () => findTarget(context, input, settings), ({ target }) => {
        // Meanwhile the path may mean another place, with other limits.
        checkSize(temporary.size, limitOf(target, settings), target.path);
        temporary.commit(target);
      })
    );
    operation.details = { ...operation.details, bytes: temporary.size };
  } finally {
    temporary.discard();
  }
}

/** Creates a file beside the target; `size` is how much will be written, as far as known. */
export function createTemporary(
  operation: Operation,
  input: string,
  size: number | undefined,
  settings: Settings,
): Temporary {
  const { context } = operation;
  const target = locateTarget(context, input, settings);
  const { parent, existing, path } = target;
  try {
    if (operation.kind === "write") operation.resource = path;
    const limit = limitOf(target, settings);
    checkSize(size ?? 0, limit, path);
    const name = temporaryName();
    // Nobody may read the new content who may not read the old.
    const mode = existing === undefined ? settings.mode : settings.mode & existing.mode;
    const purpose = { context, limit, path, settings };
    return new Temporary(parent, name, parent.createFile(name, mode), purpose);
  } catch (error) {
    parent.close();
    throw error;
  }
}

/** What a temporary file is for. */
interface Purpose {
  readonly context: FileContext;
  readonly limit: number;
  readonly path: string;
  readonly settings: Settings;
}

/** A file that is not yet what it shall be. */
export class Temporary {
  readonly file: OpenFile;
  readonly settings: Settings;
  size = 0;
  readonly #directory: Located;
  readonly #name: string;
  readonly #purpose: Purpose;
  #done = false;

  constructor(directory: Located, name: string, file: OpenFile, purpose: Purpose) {
    this.#directory = directory;
    this.#name = name;
    this.file = file;
    this.#purpose = purpose;
    this.settings = purpose.settings;
  }

  /** Canonical path of what it is for. */
  get path(): string {
    return this.#purpose.path;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { limit, path } = this.#purpose;
    // Asked once: afterwards the memory may be somebody else's.
    const bytes = chunk.byteLength;
    checkSize(this.size + bytes, limit, path);
    await this.file.write(chunk, this.size);
    this.size += bytes;
  }

  /** Takes its place; without an `await` since the target was found. */
  commit(target: Target): void {
    const { existing, parent, name } = target;
    const mine = this.file.info();
    // Whoever else can write into this directory may have added what no limit was applied to.
    if (mine.size !== this.size) {
      throw fileError("io-error", {
        reason: `${this.#name} has ${mine.size} bytes, and ${this.size} were written`,
      });
    }
    const keeps = existing === undefined ? 0 : existing.mode & 0o777;
    if (keeps !== 0 && keeps !== (mine.mode & 0o777)) this.file.chmod(keeps);
    const there = this.#directory.lookup(this.#name);
    if (there === undefined || there.ino !== mine.ino || there.dev !== mine.dev) {
      throw fileError("io-error", { reason: `${this.#name} was removed or replaced` });
    }
    this.file.close();
    // Another process may have created the name by now: O_EXCL decides who was first.
    if (this.settings.createNew) parent.createFile(name, 0o600).close();
    try {
      this.#directory.rename(this.#name, parent, name);
    } catch (error) {
      if (this.settings.createNew) quietly(() => parent.removeFile(name));
      throw error;
    }
    this.#done = true;
  }

  /**
   * Removes it, unless it has taken its place, and lets go of everything. Where the permission to write was
   * revoked meanwhile it stays, out of every client's reach: Deno would ask the user at the terminal.
   */
  discard(): void {
    quietly(() => this.file.close());
    if (!this.#done) {
      quietly(() => {
        this.#purpose.context.permissions.demand(this.#directory.root.path, true);
        this.#directory.removeFile(this.#name);
      });
    }
    this.#done = true;
    this.#directory.close();
  }
}

/** Cleans up after a failure that is already on its way to the caller. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // The first failure is what the caller has to know.
  }
}
