import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Lru } from "../../src/_internal/lru.ts";

Deno.test("Lru drops what was not used for longest", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  assertStrictEquals(lru.get("a"), 1);
  lru.set("c", 3);
  assertEquals([lru.get("a"), lru.get("b"), lru.get("c")], [1, undefined, 3]);
});

Deno.test("Lru replaces a value without dropping another", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  lru.set("a", 3);
  assertEquals([lru.get("a"), lru.get("b"), lru.size], [3, 2, 2]);
});

Deno.test("Lru never holds more than its capacity", () => {
  const lru = new Lru<number, number>(10);
  for (let at = 0; at < 1000; at++) lru.set(at, at);
  assertStrictEquals(lru.size, 10);
  assertStrictEquals(lru.get(989), undefined);
  assertStrictEquals(lru.get(990), 990);
});

Deno.test("Lru forgets what it is told to forget", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.delete("a");
  lru.delete("b");
  assertEquals([lru.get("a"), lru.size], [undefined, 0]);
});

Deno.test("Lru refuses a capacity that is none", () => {
  for (const capacity of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new Lru(capacity), RangeError);
  }
});
