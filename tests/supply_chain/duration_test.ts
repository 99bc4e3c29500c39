import { assertEquals } from "@std/assert";
import { durationSeconds } from "../../src/supply_chain/_duration.ts";

Deno.test("durationSeconds() reads ISO 8601 durations", () => {
  const day = 86_400;
  const table: readonly (readonly [string, number])[] = [
    ["P90D", 90 * day],
    ["P2W", 14 * day],
    ["P1Y", 365 * day],
    ["P1M", 30.43 * day],
    ["P1Y2M3D", (365 + 2 * 30.43 + 3) * day],
    ["PT36H", 36 * 3600],
    ["PT1H30M5.5S", 5405.5],
    ["P1DT12H", 1.5 * day],
    ["P0.5D", day / 2],
    ["P0D", 0],
  ];
  for (const [text, seconds] of table) assertEquals(durationSeconds(text), seconds, text);
});

Deno.test("durationSeconds() refuses everything else", () => {
  const table = [
    "",
    "P",
    "PT",
    "P1DT",
    "90D",
    "P90",
    "P-1D",
    "P1D ",
    "p1d",
    "P1H",
    "PT1D",
    "P1W2D",
  ];
  table.push("P1.D", "P1,5D", "P9999999999D", "P1D1D", `P${"1".repeat(100_000)}`);
  for (const text of table) assertEquals(durationSeconds(text), undefined, text.slice(0, 20));
});
