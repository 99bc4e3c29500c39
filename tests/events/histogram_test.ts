import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Histogram } from "../../src/events/histogram.ts";

const QUANTILES = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1];

function filled(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** The number that a share does not exceed, by sorting. */
function exactQuantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!;
}

function checkQuantiles(values: readonly number[]): void {
  const histogram = filled(values);
  const sorted = values.toSorted((a, b) => a - b);
  for (const q of QUANTILES) {
    const exact = exactQuantile(sorted, q);
    const error = Math.abs(histogram.quantile(q) - exact) / exact;
    assert(error <= 1 / 64, `${q}: ${histogram.quantile(q)} instead of ${exact}`);
  }
  assertEquals(histogram.summary().min, sorted[0]);
  assertEquals(histogram.summary().max, sorted.at(-1));
  assertEquals(histogram.count, values.length);
}

Deno.test("Histogram.quantile() is within 2 % of the exact quantile for any distribution", () => {
  const inRange = fc.double({ min: 1e-6, max: 36_000, noNaN: true });
  const logarithmic = fc.double({ min: Math.log(1e-6), max: Math.log(36_000), noNaN: true })
    .map((power) => Math.min(36_000, Math.max(1e-6, Math.exp(power))));
  const property = fc.property(
    fc.array(fc.oneof(inRange, logarithmic), { minLength: 1, maxLength: 300 }),
    checkQuantiles,
  );
  fc.assert(property, { seed: 6, numRuns: 500 });
});

Deno.test("Histogram.quantile() is within 2 % at every edge of its range", () => {
  checkQuantiles([1e-6]);
  checkQuantiles([36_000]);
  for (let power = -19; power <= 15; power++) {
    const edge = 2 ** power;
    checkQuantiles([edge, edge * (1 - 2 ** -53), edge * (1 + 2 ** -52), edge * 1.03125]);
  }
});

Deno.test("Histogram.record() counts what is out of range, and what is no number", () => {
  const cases: [value: number, count: number, invalid: number, quantile: number][] = [
    [0, 1, 0, 0],
    [-0, 1, 0, 0],
    [Number.MIN_VALUE, 1, 0, Number.MIN_VALUE],
    [1e-9, 1, 0, 1e-9],
    [1e6, 1, 0, 1e6],
    [2 ** 53, 1, 0, 2 ** 53],
    [2 ** 54, 0, 1, NaN],
    [-1, 0, 1, NaN],
    [-Number.MIN_VALUE, 0, 1, NaN],
    [NaN, 0, 1, NaN],
    [Infinity, 0, 1, NaN],
    [-Infinity, 0, 1, NaN],
  ];
  for (const [value, count, invalid, quantile] of cases) {
    const histogram = filled([value]);
    assertEquals([value, histogram.count, histogram.invalid], [value, count, invalid]);
    assertEquals(histogram.quantile(0.5), quantile);
    assertEquals(histogram.cumulative().at(-1), [Infinity, count]);
    assert(Number.isFinite(histogram.sum));
    assertEquals(JSON.parse(JSON.stringify(histogram.summary())), histogram.summary());
  }
});

Deno.test("Histogram.quantile() orders what is below and above the range around the rest", () => {
  const histogram = filled([0, 0, 1, 1, 1e6, 1e7]);
  assertEquals([0, 0.3, 0.5, 0.6, 1].map((q) => Math.round(histogram.quantile(q))), [
    0,
    0,
    1,
    1,
    10_000_000,
  ]);
});

Deno.test("Histogram.cumulative() counts exactly up to each boundary, which is inclusive", () => {
  const boundaries = [0.001, 0.0010001, 0.1, 7];
  const property = fc.property(
    fc.array(fc.oneof(fc.double({ min: 0, max: 10, noNaN: true }), fc.constantFrom(...boundaries))),
    (values) => {
      const histogram = new Histogram({ boundaries });
      for (const value of values) histogram.record(value);
      assertEquals(
        histogram.cumulative(),
        [...boundaries, Infinity].map((le) => [le, values.filter((value) => value <= le).length]),
      );
    },
  );
  fc.assert(property, { seed: 6, numRuns: 300 });
});

Deno.test("Histogram.merge() gives what recording everything in one would have given", () => {
  const values = fc.array(fc.double({ min: -1, max: 1e5, noNaN: true }));
  const property = fc.property(values, values, (some, others) => {
    const merged = filled(some);
    merged.merge(filled(others));
    const { sum: mergedSum, ...facts } = merged.summary();
    const { sum, ...expected } = filled([...some, ...others]).summary();
    assertEquals(facts, expected);
    assert(Math.abs(mergedSum - sum) <= 1e-9 * Math.max(1, sum));
  });
  fc.assert(property, { seed: 6, numRuns: 200 });
});

Deno.test("Histogram.merge() throws when the ranges or boundaries differ", () => {
  for (const options of [{ least: 1e-3 }, { most: 1 }, { boundaries: [1] }]) {
    assertThrows(() => new Histogram().merge(new Histogram(options)), RangeError);
  }
});

Deno.test("new Histogram() throws when an option is wrong", () => {
  const cases: [options: Record<string, unknown>, error: typeof TypeError | typeof RangeError][] = [
    [{ least: "1" }, TypeError],
    [{ least: 0 }, RangeError],
    [{ least: NaN }, RangeError],
    [{ most: Infinity }, RangeError],
    [{ least: 2, most: 1 }, RangeError],
    [{ boundaries: 1 }, TypeError],
    [{ boundaries: ["1"] }, TypeError],
    [{ boundaries: [1, 1] }, RangeError],
    [{ boundaries: [NaN] }, RangeError],
    [{ boundaries: Array.from({ length: 101 }, (_, at) => at) }, RangeError],
  ];
  for (const [options, error] of cases) assertThrows(() => new Histogram(options), error);
  for (const q of [-0.1, 1.1, NaN]) assertThrows(() => new Histogram().quantile(q), RangeError);
});
