import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ReplayTable } from "../../src/dpop/_replay_table.ts";

/** Adds unless the key is there or the table is full; answers whether it was added. */
function add(table: ReplayTable, key: Uint32Array, expiry: number, owner = 0): boolean {
  const place = table.findPlace(key);
  if (place < 0 || table.size === table.capacity) return false;
  table.insert(place, key, expiry, owner);
  return true;
}

function has(table: ReplayTable, key: Uint32Array): boolean {
  return table.findPlace(key) < 0;
}

/** A key whose first word, which alone says where it belongs, is given. */
function keyAt(first: number, rest: number): Uint32Array {
  return Uint32Array.of(first, rest, 0, 0);
}

Deno.test("findPlace() tells keys apart whose place is the same", () => {
  for (const first of [0, 2 ** 31, 2 ** 32 - 1]) {
    const table = new ReplayTable(100);
    for (let at = 0; at < 100; at++) assertEquals(add(table, keyAt(first, at), 100 + at), true);
    for (let at = 0; at < 100; at++) assertEquals(has(table, keyAt(first, at)), true);
    assertEquals(has(table, keyAt(first, 100)), false);
    for (let word = 0; word < 4; word++) {
      const key = keyAt(first, 5);
      key[word] = 77_777;
      assertEquals(has(table, key), false);
    }
  }
});

Deno.test("drop() takes the entries that expired first, as many as it may, and raises the watermark", () => {
  const table = new ReplayTable(10);
  for (const expiry of [50, 20, 40, 10, 30]) add(table, keyAt(0, expiry), expiry);
  assertEquals(table.watermark, -1);
  table.drop(10, 9);
  assertEquals([table.size, table.watermark], [5, -1]);
  table.drop(45.5, 2);
  assertEquals([table.size, table.watermark], [3, 20]);
  assertEquals([10, 20, 30, 40, 50].map((at) => has(table, keyAt(0, at))), [
    ...[false, false],
    ...[true, true, true],
  ]);
  table.drop(45.5, 9);
  assertEquals([table.size, table.watermark], [1, 40]);
});

Deno.test("countOf() follows what is inserted and dropped", () => {
  const table = new ReplayTable(10);
  for (let at = 0; at < 6; at++) add(table, keyAt(at, at), 10 + at, at % 2 === 0 ? 7 : 65_535);
  assertEquals([table.countOf(7), table.countOf(65_535), table.countOf(8)], [3, 3, 0]);
  table.drop(13, 9);
  assertEquals([table.countOf(7), table.countOf(65_535)], [1, 2]);
});

Deno.test("ownerOf() is never nobody, and fits 16 bits", () => {
  const table = new ReplayTable(1);
  const owners = [0, 1, 65_533, 65_534, 65_535, 2 ** 32 - 1].map((word) =>
    table.ownerOf(keyAt(word, 0))
  );
  assertEquals(Math.min(...owners), 1);
  assertEquals(Math.max(...owners), 65_535);
});

Deno.test("a table does what a Map does, with keys that collide and wrap around", () => {
  const firsts = [0, 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32 - 2 ** 28];
  const step = fc.record({
    first: fc.constantFrom(...firsts),
    rest: fc.nat(5),
    expiry: fc.nat(60),
    owner: fc.nat(2),
    drop: fc.option(fc.nat(60), { freq: 3 }),
    most: fc.nat(4),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(step, { maxLength: 120 }),
      (size, all) => {
        const table = new ReplayTable(size);
        const model = new Map<string, { expiry: number; owner: number; key: Uint32Array }>();
        for (const { first, rest, expiry, owner, drop, most } of all) {
          if (drop !== null) {
            table.drop(drop, most);
            const gone = [...model].filter(([, entry]) => entry.expiry < drop)
              .sort(([, a], [, b]) => a.expiry - b.expiry).slice(0, most);
            // Of equal expiries any may go first: forget those that the table forgot.
            const limit = gone.at(-1)?.[1].expiry ?? -1;
            let dropped = 0;
            for (const [name, entry] of model) {
              if (entry.expiry > limit || has(table, entry.key)) continue;
              model.delete(name);
              dropped++;
            }
            assertEquals(dropped, gone.length);
          }
          const key = keyAt(first, rest);
          const name = key.join();
          const expected = !model.has(name) && model.size < size;
          assertEquals(add(table, key, expiry, owner), expected);
          if (expected) model.set(name, { expiry, owner, key });
          assertEquals(table.size, model.size);
          for (const entry of model.values()) assertEquals(has(table, entry.key), true);
          for (const who of [0, 1, 2]) {
            const count = [...model.values()].filter((entry) => entry.owner === who).length;
            assertEquals(table.countOf(who), count);
          }
        }
      },
    ),
    { seed: 7638, numRuns: 400 },
  );
});
