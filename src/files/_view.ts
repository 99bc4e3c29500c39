/**
 * Memory that a caller lends, measured by what it is and not by what it says.
 *
 * A subclass of `Uint8Array`, or a property put on one, may claim any size, and code that trusts it hands the
 * system memory of somebody else. So sizes are asked of the engine's own getters, taken when this loads.
 *
 * @module
 */

const TYPED_ARRAY: object = Object.getPrototypeOf(Uint8Array.prototype);

function getterOf(name: "buffer" | "byteOffset" | "byteLength"): () => unknown {
  const get = Object.getOwnPropertyDescriptor(TYPED_ARRAY, name)?.get;
  if (get === undefined) throw new Error(`This runtime has no %TypedArray%.prototype.${name}`);
  return get;
}

const byteLength = getterOf("byteLength") as (this: Uint8Array) => number;
const byteOffset = getterOf("byteOffset") as (this: Uint8Array) => number;
const buffer = getterOf("buffer") as (this: Uint8Array) => ArrayBufferLike;
const { at } = Uint8Array.prototype;

/**
 * Size of a view in bytes.
 *
 * @throws {TypeError} If it is no view, or its memory was transferred or cut off: that is not an empty one.
 */
export function sizeOf(view: Uint8Array): number {
  const size = byteLength.call(view);
  // Both look empty; only this tells them apart.
  if (size === 0) at.call(view, 0);
  return size;
}

/**
 * The same memory, from a place on, without anything that a subclass may have changed. Its size is fixed.
 *
 * @throws {TypeError} As {@linkcode sizeOf}.
 */
export function plainView(view: Uint8Array, start = 0): Uint8Array {
  const size = sizeOf(view);
  return new Uint8Array(buffer.call(view), byteOffset.call(view) + start, size - start);
}

/**
 * Waits for work on a view that its owner may take away meanwhile: what was read is not there then, and what was
 * still to be written is gone, whatever the system says of it.
 *
 * @param view What {@linkcode plainView} gave.
 * @param size Its size then, in bytes.
 * @param work What goes on off the thread.
 * @throws {TypeError} If the memory was transferred or cut off by the end of the work.
 */
export async function whole<T>(view: Uint8Array, size: number, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } finally {
    requireWhole(view, size);
  }
}

function requireWhole(view: Uint8Array, size: number): void {
  if (byteLength.call(view) === size) return;
  throw new TypeError("Cannot use a buffer that is detached or resized meanwhile");
}
