import { SecurityError } from "../errors.ts";

/**
 * Reads numbers, bytes and text out of bytes, without a copy and never past their end.
 *
 * `subarray` clamps what lies outside, and `bytes[offset]` says `undefined`: a parser of a binary format that
 * trusts a length in its input goes on with the wrong bytes. Here every such read is refused, also where an offset
 * is no integer, or offset and length together are too much.
 *
 * @example
 * ```ts
 * import { byteView, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const view = byteView(new Uint8Array([0, 0, 0, 2, 104, 105]));
 * assertEquals(view.text(4, view.u32(0)), "hi");
 * assertThrows(() => view.bytes(4, 3), SecurityError);
 * ```
 */
export class ByteView {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /**
   * Looks at bytes; what is written into them later is seen.
   *
   * @param bytes The bytes.
   * @throws {TypeError} If they are no `Uint8Array`, or one over memory that can be resized.
   */
  constructor(bytes: Uint8Array) {
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError("Cannot make a ByteView of what is no Uint8Array");
    }
    // What was checked must still hold when it is read.
    const { buffer } = bytes;
    if (buffer instanceof ArrayBuffer ? buffer.resizable : buffer.growable) {
      throw new TypeError("Cannot make a ByteView of memory that can be resized");
    }
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#bytes.length;
  }

  /**
   * Reads one byte.
   *
   * @param offset Where.
   * @returns 0 to 255.
   * @throws {SecurityError} `out-of-bounds`.
   */
  u8(offset: number): number {
    this.#check(offset, 1);
    return this.#view.getUint8(offset);
  }

  /**
   * Reads two bytes.
   *
   * @param offset Where.
   * @param littleEndian Whether the lowest byte comes first.
   * @returns 0 to 65,535.
   * @throws {SecurityError} `out-of-bounds`.
   */
  u16(offset: number, littleEndian = false): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, littleEndian);
  }

  /**
   * Reads four bytes.
   *
   * @param offset Where.
   * @param littleEndian Whether the lowest byte comes first.
   * @returns 0 to 4,294,967,295.
   * @throws {SecurityError} `out-of-bounds`.
   */
  u32(offset: number, littleEndian = false): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, littleEndian);
  }

  /**
   * Reads four bytes with a sign.
   *
   * @param offset Where.
   * @param littleEndian Whether the lowest byte comes first.
   * @returns −2,147,483,648 to 2,147,483,647.
   * @throws {SecurityError} `out-of-bounds`.
   */
  i32(offset: number, littleEndian = false): number {
    this.#check(offset, 4);
    return this.#view.getInt32(offset, littleEndian);
  }

  /**
   * Reads a floating-point number of eight bytes.
   *
   * @param offset Where.
   * @param littleEndian Whether the lowest byte comes first.
   * @returns The number; it may be `NaN` or infinite.
   * @throws {SecurityError} `out-of-bounds`.
   */
  f64(offset: number, littleEndian = false): number {
    this.#check(offset, 8);
    return this.#view.getFloat64(offset, littleEndian);
  }

  /**
   * Gives a part of the bytes, without a copy.
   *
   * @param offset Where it begins.
   * @param length How many bytes.
   * @returns The part; it shares the memory.
   * @throws {SecurityError} `out-of-bounds`.
   */
  bytes(offset: number, length: number): Uint8Array {
    this.#check(offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  /**
   * Gives a part as a view that cannot read beyond it.
   *
   * @param offset Where it begins.
   * @param length How many bytes.
   * @returns The view; it shares the memory.
   * @throws {SecurityError} `out-of-bounds`.
   */
  view(offset: number, length: number): ByteView {
    return new ByteView(this.bytes(offset, length));
  }

  /**
   * Reads UTF-8.
   *
   * @param offset Where it begins.
   * @param length How many bytes.
   * @returns The text; a byte order mark stays.
   * @throws {SecurityError} `out-of-bounds`; `stream-invalid` if it is no UTF-8.
   */
  text(offset: number, length: number): string {
    const bytes = this.bytes(offset, length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new SecurityError("stream-invalid", "The text is no UTF-8", {
        details: { offset, length },
        cause,
      });
    }
  }

  /** Comparing with what is left cannot overflow, as a sum can. */
  #check(offset: number, length: number): void {
    // Asked every time: what was transferred since has no bytes any more.
    const all = this.#bytes.length;
    const isWithin = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 &&
      length >= 0 && offset <= all && length <= all - offset;
    if (isWithin) return;
    throw new SecurityError("out-of-bounds", "The input ends before what it says it holds", {
      details: { offset: shown(offset), length: shown(length), available: all },
    });
  }
}

/**
 * Looks at bytes, without a copy.
 *
 * @example
 * ```ts
 * import { byteView } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(byteView(new Uint8Array([1, 2])).u16(0), 258);
 * ```
 *
 * @param bytes The bytes.
 * @returns The view.
 * @throws {TypeError} If they are no `Uint8Array`, or one over memory that can be resized.
 */
export function byteView(bytes: Uint8Array): ByteView {
  return new ByteView(bytes);
}

/** `NaN` and the like are no JSON. */
function shown(value: unknown): number | string {
  return typeof value === "number" && Number.isFinite(value) ? value : String(value);
}
