import { assertEquals } from "@std/assert";
import { RecentHashes } from "../../src/events/_verify_hashes.ts";

/** Numbers whose hashes are remembered, the first and the last, and whether all in between are right. */
function range(hashes: RecentHashes, before: number, newest: number): [number, number, boolean] {
  let [first, last, isRight] = [Infinity, -Infinity, true];
  for (let seq = before - 1; seq <= newest + 1; seq++) {
    const hash = hashes.at(seq);
    if (hash === undefined) continue;
    first = Math.min(first, seq);
    last = seq;
    isRight &&= hash === `hash ${seq}`;
  }
  return [first, last, isRight];
}

Deno.test("RecentHashes remembers what no checkpoint covers, up to a bound, and not much besides", () => {
  for (const before of [0, 7]) {
    const sealed = new RecentHashes(before);
    const open = new RecentHashes(before);
    for (let count = 1; count <= 10_000; count++) {
      const seq = before + count;
      sealed.add(`hash ${seq}`, seq - 10);
      open.add(`hash ${seq}`, before);
    }
    const newest = before + 10_000;
    assertEquals(range(sealed, before, newest), [newest - 4095, newest, true]);
    assertEquals(range(open, before, newest), [before + 1, newest, true]);
  }
  const most = 2 ** 20;
  const full = new RecentHashes(0);
  for (let seq = 1; seq <= most + 5; seq++) full.add(`hash ${seq}`, 0);
  assertEquals([full.at(5), full.at(6), full.at(most + 5)], [
    undefined,
    "hash 6",
    `hash ${most + 5}`,
  ]);
});
