/**
 * An open file on Deno's own class, for hosts without `node:fs`.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { infoOf } from "./_object_info.ts";
import { plainView, sizeOf, whole } from "../_view.ts";
import type { ObjectInfo, OpenFile } from "./backend.ts";

/** A regular file that `Deno.open` opened. It has one position, so calls take turns. */
export class DenoFile implements OpenFile {
  readonly #file: Deno.FsFile;
  readonly #append: boolean;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * @param file The file, which is owned from here on.
   * @param append Whether it was opened to append.
   */
  constructor(file: Deno.FsFile, append: boolean) {
    this.#file = file;
    this.#append = append;
  }

  /** Runs `work` after what runs already. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  info(): ObjectInfo {
    return infoOf(this.#file.statSync());
  }

  readSync(into: Uint8Array, offset: number): number {
    if (sizeOf(into) === 0) return 0;
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    return this.#file.readSync(into) ?? 0;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    const view = plainView(into);
    const size = view.byteLength;
    return await this.#inTurn(async () => {
      await this.#file.seek(offset, Deno.SeekMode.Start);
      return await whole(view, size, this.#file.read(view)) ?? 0;
    });
  }

  async write(from: Uint8Array, offset: number): Promise<void> {
    const view = plainView(from);
    const total = view.byteLength;
    return await this.#inTurn(async () => {
      if (!this.#append) await this.#file.seek(offset, Deno.SeekMode.Start);
      for (let done = 0; done < total;) {
        const count = await whole(view, total, this.#file.write(plainView(view, done)));
        if (count <= 0) throw fileError("io-error", { reason: "a write took no bytes" });
        done += count;
      }
    });
  }

  truncate(size: number): void {
    this.#file.truncateSync(size);
  }

  /**
   * Does nothing: Deno changes permission bits by path alone, and a path may lead elsewhere by now. The file keeps
   * the bits that it was created with, which are none that the one it replaces had not.
   */
  chmod(_mode: number): void {}

  sync(): Promise<void> {
    return this.#inTurn(() => this.#file.sync());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}
