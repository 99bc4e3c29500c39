import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import { ByteView, byteView } from "../../src/runtime/byte_view.ts";

const BYTES = new Uint8Array([
  0xff,
  0xfe,
  0xfd,
  0xfc,
  0x40,
  0x09,
  0x21,
  0xfb,
  0x54,
  0x44,
  0x2d,
  0x18,
]);
/** In the middle of other memory, which must not be read. */
const around = new Uint8Array(100).fill(0xaa);
around.set(BYTES, 40);
const view = byteView(around.subarray(40, 40 + BYTES.length));

function code(fn: () => unknown): string {
  return (assertThrows(fn, SecurityError) as SecurityError).code;
}

Deno.test("ByteView reads what is there", () => {
  assertEquals(view.length, 12);
  assertEquals([view.u8(0), view.u8(11)], [0xff, 0x18]);
  assertEquals([view.u16(0), view.u16(0, true)], [0xfffe, 0xfeff]);
  assertEquals([view.u32(0), view.u32(0, true)], [0xfffefdfc, 0xfcfdfeff]);
  assertEquals([view.i32(0), view.i32(0, true)], [-66052, -50462977]);
  assertEquals(view.f64(4), Math.PI);
  assertEquals(view.bytes(1, 3), new Uint8Array([0xfe, 0xfd, 0xfc]));
  assertEquals(view.bytes(12, 0), new Uint8Array());
  assertEquals(view.text(8, 3), "TD-");
  assertEquals(byteView(new TextEncoder().encode("\ufeffé")).text(0, 5), "\ufeffé");
});

Deno.test("ByteView copies nothing, and a part reads nothing beyond it", () => {
  assertEquals(view.bytes(1, 3).buffer, around.buffer);
  const part = view.view(4, 4);
  assertEquals([part.length, part.u32(0)], [4, 0x400921fb]);
  assertEquals(code(() => part.u32(1)), "out-of-bounds");
  assertEquals(code(() => part.u8(4)), "out-of-bounds");
});

Deno.test("ByteView refuses what lies outside", () => {
  // The control: what the bare array says instead.
  assertEquals(BYTES.subarray(10, 10 + 100).length, 2);
  assertEquals(BYTES[12], undefined);
  assertEquals(new Uint8Array(BYTES.buffer).subarray(-1).length, 1);
  const offsets = [-1, 12, 13, NaN, Infinity, -Infinity, 0.5, 2 ** 32, 2 ** 53, -0.1, 1e300];
  for (const offset of [...offsets, "0", null, undefined, 0n, {}] as number[]) {
    for (const name of ["u8", "u16", "u32", "i32", "f64"] as const) {
      assertEquals(code(() => view[name](offset)), "out-of-bounds", `${name} ${String(offset)}`);
    }
    for (const name of ["bytes", "text", "view"] as const) {
      assertEquals(code(() => view[name](offset, 1)), "out-of-bounds");
      if (offset !== 12) assertEquals(code(() => view[name](0, offset)), "out-of-bounds");
    }
  }
  const table: readonly (readonly [number, number])[] = [
    [0, 13],
    [12, 1],
    [11, 2],
    [1, Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [1, 2 ** 32 - 1],
    [0, -1],
    [5, -5],
  ];
  for (const [offset, length] of table) {
    assertEquals(code(() => view.bytes(offset, length)), "out-of-bounds");
  }
  assertEquals([code(() => view.u16(11)), code(() => view.u32(9)), code(() => view.f64(5))], [
    "out-of-bounds",
    "out-of-bounds",
    "out-of-bounds",
  ]);
  const error = assertThrows(() => view.bytes(NaN, 7), SecurityError);
  assertEquals(error.details, { offset: "NaN", length: 7, available: 12 });
});

Deno.test("ByteView refuses what is no UTF-8 and no bytes", () => {
  assertEquals(code(() => view.text(0, 4)), "stream-invalid");
  for (
    const wrong of [undefined, null, [1], "x", new ArrayBuffer(4), new DataView(new ArrayBuffer(4))]
  ) {
    assertThrows(() => new ByteView(wrong as unknown as Uint8Array), TypeError);
  }
});

Deno.test("ByteView refuses memory that can be resized", () => {
  const buffer = new ArrayBuffer(4, { maxByteLength: 8 });
  assertThrows(() => byteView(new Uint8Array(buffer)), TypeError, "resized");
  assertEquals(byteView(new Uint8Array(new SharedArrayBuffer(4))).length, 4);
});

Deno.test("ByteView refuses memory that is gone", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  const gone = byteView(bytes);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  assertEquals([gone.length, code(() => gone.u8(0))], [0, "out-of-bounds"]);
});

Deno.test("ByteView reads exactly what slice gives, or refuses", () => {
  const numbers = fc.oneof(fc.integer({ min: -2, max: 16 }), fc.double(), fc.maxSafeInteger());
  let read = 0;
  fc.assert(
    fc.property(numbers, numbers, (offset, length) => {
      const isWithin = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 &&
        length >= 0 && offset + length <= BYTES.length;
      if (!isWithin) {
        return void assertEquals(code(() => view.bytes(offset, length)), "out-of-bounds");
      }
      read++;
      assertEquals(view.bytes(offset, length), BYTES.slice(offset, offset + length));
    }),
    { seed: 9, numRuns: 5000 },
  );
  assert(read > 100);
});
