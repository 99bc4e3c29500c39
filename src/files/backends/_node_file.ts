/**
 * An open file on a descriptor of `node:fs`.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { Descriptor } from "./_descriptor.ts";
import type { NodeFs } from "./_object_info.ts";
import { plainView, sizeOf, whole } from "../_view.ts";
import type { ObjectInfo, OpenFile } from "./backend.ts";

/** Most bytes of one system call; above 2 GiB `node:fs` wraps around. */
const MAX_CALL_BYTES = 1024 * 1024 * 1024;

/** Up to this many bytes, a hop to another thread and back costs more than the call. */
const MAX_SYNC_BYTES = 64 * 1024;

/** A regular file that `node:fs` opened. */
export class NodeFile implements OpenFile {
  readonly #fs: NodeFs;
  readonly #descriptor: Descriptor;
  readonly #stat: (number: number) => ObjectInfo;
  readonly #append: boolean;

  /**
   * @param fs The module.
   * @param number The descriptor, which is owned from here on.
   * @param stat What the system says of a descriptor.
   * @param append Whether it was opened to append.
   */
  constructor(
    fs: NodeFs,
    number: number,
    stat: (number: number) => ObjectInfo,
    append: boolean,
  ) {
    this.#fs = fs;
    this.#descriptor = new Descriptor(fs, number);
    this.#stat = stat;
    this.#append = append;
  }

  info(): ObjectInfo {
    return this.#stat(this.#descriptor.number);
  }

  readSync(into: Uint8Array, offset: number): number {
    const length = Math.min(sizeOf(into), MAX_CALL_BYTES);
    if (length === 0) return 0;
    return this.#fs.readSync(this.#descriptor.number, into, 0, length, offset);
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    return this.#descriptor.during(async (number) => {
      const view = plainView(into);
      const size = view.byteLength;
      if (size === 0) return 0;
      const length = Math.min(size, MAX_CALL_BYTES);
      return await whole(view, size, this.#readPart(number, view, length, offset));
    });
  }

  #readPart(number: number, into: Uint8Array, length: number, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#fs.read(number, into, 0, length, offset, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  write(from: Uint8Array, offset: number): Promise<void> {
    return this.#descriptor.during(async (number) => {
      const view = plainView(from);
      const total = view.byteLength;
      for (let done = 0; done < total;) {
        const length = Math.min(total - done, MAX_CALL_BYTES);
        const position = this.#append ? null : offset + done;
        const count = length <= MAX_SYNC_BYTES
          ? this.#fs.writeSync(number, view, done, length, position)
          : await whole(view, total, this.#writePart(number, view, done, length, position));
        // A system that takes nothing and reports nothing would keep this loop for ever.
        if (count <= 0) throw fileError("io-error", { reason: "a write took no bytes" });
        done += count;
      }
    });
  }

  #writePart(
    number: number,
    from: Uint8Array,
    start: number,
    length: number,
    position: number | null,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#fs.write(number, from, start, length, position, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  truncate(size: number): void {
    this.#fs.ftruncateSync(this.#descriptor.number, size);
  }

  chmod(mode: number): void {
    this.#fs.fchmodSync(this.#descriptor.number, mode);
  }

  sync(): Promise<void> {
    return this.#descriptor.during((number) =>
      new Promise((resolve, reject) => {
        this.#fs.fsync(number, (error) => {
          if (error) reject(error);
          else resolve();
        });
      })
    );
  }

  close(): void {
    this.#descriptor.close();
  }
}
