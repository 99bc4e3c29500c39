import { assert, assertEquals, assertFalse, assertLess, assertThrows } from "@std/assert";
import { Counter as PromCounter, Histogram as PromHistogram, Registry } from "prom-client";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { createMetrics } from "../../src/events/metrics.ts";
import type { MetricsSnapshot } from "../../src/events/metrics_snapshot.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { parseExposition, type Sample } from "./_exposition.ts";

const BASE: AuditEvent = {
  kind: "file.read",
  outcome: "success",
  id: "e1",
  seq: 1,
  time: "2026-01-01T00:00:00.000Z",
  recordedAt: "2026-01-01T00:00:00.000Z",
  severity: "info",
  correlationId: "c1",
  details: {},
};

function seriesOf(snapshot: MetricsSnapshot, name: string) {
  return snapshot.metrics.find((metric) => metric.name === name)!.series;
}

function sumOf(series: MetricsSnapshot["metrics"][number]["series"]): number {
  return series.reduce((sum, one) => sum + ("value" in one ? one.value : 0), 0);
}

/** What a user of prom-client gets for the same data, without what the order of labels and lines adds. */
function comparable(samples: readonly Sample[]): string[] {
  return samples.map(({ name, labels, value }) =>
    JSON.stringify([name, Object.entries(labels).sort(), value])
  ).sort();
}

Deno.test("metrics.sink counts events by layer, operation, outcome and code, and their durations", () => {
  const metrics = createMetrics();
  assertEquals([metrics.sink.name, metrics.sink.required], ["metrics", false]);
  metrics.sink.write({ ...BASE, operation: "open", durationMs: 250 });
  metrics.sink.write({ ...BASE, operation: "open", durationMs: 750 });
  metrics.sink.write({ ...BASE, outcome: "denied", code: "path-outside-root" });
  const snapshot = metrics.snapshot();
  assertEquals(seriesOf(snapshot, "bartizan_events_total"), [
    {
      labels: { layer: "file", operation: "file.read/open", outcome: "success", code: "" },
      value: 2,
    },
    {
      labels: {
        layer: "file",
        operation: "file.read",
        outcome: "denied",
        code: "path-outside-root",
      },
      value: 1,
    },
  ]);
  const [durations] = seriesOf(snapshot, "bartizan_operation_duration_seconds");
  assert(durations !== undefined && "count" in durations);
  assertEquals([durations.count, durations.sum, durations.max], [2, 1, 0.75]);
  assertEquals(JSON.parse(JSON.stringify(snapshot)), snapshot);
  assert(isFrozen(snapshot));
});

function isFrozen(value: unknown): boolean {
  return typeof value !== "object" || value === null ||
    Object.isFrozen(value) && Object.values(value).every(isFrozen);
}

/** What an attacker would like to see in the output. */
const HOSTILE = [
  'x"} 1\nforged_total{a="b',
  "back\\slash\\",
  'quote"d',
  "line\nfeed",
  "carriage\rreturn",
  "\u202eevil\u2066",
  "zero\u200bwidth\ufeff",
  "esc\x1b[2J\x9b",
  "\ud800lone",
  "u\u2028p\u2029",
  "\u{e0041}tag",
  "",
];

Deno.test("metrics.toPrometheus() stays valid whatever a label value holds", async () => {
  // The control: the text of prom-client has the raw characters, and what is meant as one name moves a reader's text.
  const registry = new Registry();
  const theirs = new PromCounter({
    name: "app_total",
    help: "help",
    labelNames: ["who"],
    registers: [registry],
  });
  const metrics = createMetrics();
  const ours = metrics.counter("app_total", "help", ["who"]);
  for (const who of HOSTILE) {
    theirs.inc({ who });
    ours.inc({ who });
  }
  const bare = await registry.metrics();
  assert(bare.includes("\u202e") && bare.includes("\x1b[2J"));
  assertThrows(() => parseExposition(bare), SyntaxError);

  const text = metrics.toPrometheus();
  const samples = parseExposition(text).get("app_total")!.samples;
  assertEquals(samples.length, HOSTILE.length);
  assertEquals(samples.map(({ value }) => value), HOSTILE.map(() => 1));
  assertFalse(/^forged_total/m.test(text));
  assertEquals(samples[1]!.labels, { who: "back\\slash\\" });
  assertEquals(samples[5]!.labels, { who: "\\u202eevil\\u2066" });
});

Deno.test("metrics.toPrometheus() writes one series for values that look the same once they are escaped", () => {
  const metrics = createMetrics();
  const counter = metrics.counter("app_total", "help", ["who"]);
  counter.inc({ who: "\u202e" });
  counter.inc({ who: "\\u202e" });
  assertEquals(parseExposition(metrics.toPrometheus()).get("app_total")!.samples, [
    { name: "app_total", labels: { who: "\\u202e" }, value: 2 },
  ]);
});

Deno.test("metrics.toPrometheus() says the same as prom-client does of the same data", async () => {
  const registry = new Registry();
  const labelNames = ["layer", "code"] as const;
  const boundaries = [0.005, 0.05, 0.5, 1, 5];
  const settings = { help: "It \\ helps\nmuch", registers: [registry], labelNames };
  const metrics = createMetrics();
  const counter = metrics.counter("app_total", settings.help, labelNames);
  const histogram = metrics.histogram("app_seconds", settings.help, labelNames, { boundaries });
  const theirCounter = new PromCounter({ ...settings, name: "app_total" });
  const theirHistogram = new PromHistogram({
    ...settings,
    name: "app_seconds",
    buckets: [...boundaries],
  });
  for (let at = 0; at < 500; at++) {
    const labels = { layer: `layer${at % 3}`, code: at % 2 === 0 ? 'a"b\\' : "" };
    counter.inc(labels, at / 4);
    theirCounter.inc(labels, at / 4);
    const value = at % 5 === 0 ? boundaries[at % 4]! : at ** 2 / 20_000;
    histogram.record(labels, value);
    theirHistogram.observe(labels, value);
  }
  const ours = parseExposition(metrics.toPrometheus());
  const theirs = parseExposition(await registry.metrics());
  for (const name of ["app_total", "app_seconds"]) {
    assertEquals(ours.get(name)!.help, settings.help);
    assertEquals(ours.get(name)!.type, theirs.get(name)!.type);
    assertEquals(comparable(ours.get(name)!.samples), comparable(theirs.get(name)!.samples));
  }
});

Deno.test("metrics keep their size when a million distinct codes, kinds and names arrive", () => {
  const metrics = createMetrics();
  const counter = metrics.counter("app_total", "help", ["principal"]);
  // The control: prom-client has one series for each of them.
  const theirs = new PromCounter({
    name: "app_total",
    help: "help",
    labelNames: ["principal"],
    registers: [],
  });
  for (let at = 0; at < 5000; at++) theirs.inc({ principal: `user-${at}` });
  assertEquals(Object.keys((theirs as unknown as { hashMap: object }).hashMap).length, 5000);

  for (let at = 0; at < 1_000_000; at++) {
    counter.inc({ principal: `user-${at}` });
    if (at % 4 === 0) {
      metrics.sink.write({ ...BASE, kind: `k${at}.x`, code: `code-${at}`, operation: `o${at}` });
    }
  }
  const snapshot = metrics.snapshot();
  const series = seriesOf(snapshot, "app_total");
  assertEquals(series.length, 101);
  const other = series.find(({ labels }) => labels.principal === "_other");
  assertEquals(other, { labels: { principal: "_other" }, value: 1_000_000 - 100 });
  const events = seriesOf(snapshot, "bartizan_events_total");
  assertLess(events.length, 1002);
  assertEquals(sumOf(events), 250_000);
  assertLess(metrics.toPrometheus().length, 200_000);
  parseExposition(metrics.toPrometheus());
});

Deno.test("metrics put a series into `_other` when there are as many as there may be", () => {
  const metrics = createMetrics({ maxSeries: 4, maxLabelValues: 3 });
  const counter = metrics.counter("app_total", "help", ["a", "b"]);
  for (const a of ["1", "2", "3", "4"]) {
    for (const b of ["x", "y"]) counter.inc({ a, b });
  }
  counter.inc({ a: "1", b: "x" });
  counter.inc({ a: "x".repeat(129), b: "x" });
  assertEquals(seriesOf(metrics.snapshot(), "app_total"), [
    { labels: { a: "1", b: "x" }, value: 2 },
    { labels: { a: "1", b: "y" }, value: 1 },
    { labels: { a: "2", b: "x" }, value: 1 },
    { labels: { a: "2", b: "y" }, value: 1 },
    { labels: { a: "_other", b: "_other" }, value: 5 },
  ]);
});

Deno.test("metrics.sink takes a hostile kind for `_other`, and never throws", () => {
  const metrics = createMetrics();
  const hostile: unknown[] = [
    'a"}\nforged 1',
    "",
    "\u202e",
    "x".repeat(65),
    7,
    null,
    undefined,
    {},
  ];
  for (const kind of hostile) {
    metrics.sink.write({ ...BASE, kind, outcome: kind, code: kind ?? 1 } as AuditEvent);
    metrics.sink.write({ ...BASE, operation: kind, durationMs: kind } as AuditEvent);
  }
  for (const durationMs of [NaN, -1, Infinity]) metrics.sink.write({ ...BASE, durationMs });
  const labels = seriesOf(metrics.snapshot(), "bartizan_events_total").map(({ labels }) => labels);
  assertEquals(labels, [
    { layer: "_other", operation: "_other", outcome: "_other", code: "_other" },
    { layer: "file", operation: "file.read/_other", outcome: "success", code: "" },
    { layer: "file", operation: "file.read", outcome: "success", code: "" },
  ]);
  parseExposition(metrics.toPrometheus());
});

Deno.test("metrics.gauge() goes up and down, and tracks what is in flight", () => {
  const metrics = createMetrics();
  const labels = { layer: "app", operation: "render" };
  const read = () => {
    const [series] = seriesOf(metrics.snapshot(), "bartizan_in_flight");
    return series !== undefined && "value" in series ? series.value : undefined;
  };
  const first = metrics.inFlight.track(labels);
  {
    using _ = metrics.inFlight.track(labels);
    assertEquals(read(), 2);
  }
  assertEquals(read(), 1);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assertEquals(read(), 0);
  metrics.inFlight.set(labels, 7);
  metrics.inFlight.inc(labels, 2);
  metrics.inFlight.dec(labels);
  assertEquals(read(), 8);
});

Deno.test("metrics.gauge() leaves out what a function cannot tell, and nothing else", () => {
  const metrics = createMetrics();
  let lost: unknown = 3;
  metrics.gauge("sink_lost", "Lost events", () => {
    if (lost instanceof Error) throw lost;
    return lost as number;
  });
  metrics.counter("app_total", "help").inc();
  assertEquals(seriesOf(metrics.snapshot(), "sink_lost"), [{ labels: {}, value: 3 }]);
  for (lost of [new Error("no"), NaN, "7", undefined]) {
    assertEquals(seriesOf(metrics.snapshot(), "sink_lost"), []);
    const families = parseExposition(metrics.toPrometheus());
    assertEquals(families.get("sink_lost")!.samples, []);
    assertEquals(families.get("app_total")!.samples.length, 1);
  }
});

Deno.test("metrics.histogram() measures by the clock, and ends once", () => {
  const clock = new VirtualClock();
  const metrics = createMetrics({ clock });
  const seconds = metrics.histogram("app_seconds", "help");
  const timer = seconds.time();
  clock.advance(1500);
  clock.setWall(0);
  timer[Symbol.dispose]();
  timer[Symbol.dispose]();
  const [series] = seriesOf(metrics.snapshot(), "app_seconds");
  assert(series !== undefined && "count" in series);
  assertEquals([series.count, series.sum], [1, 1.5]);
});

Deno.test("createMetrics() and its methods throw when something is wrong", () => {
  const metrics = createMetrics();
  metrics.histogram("app_seconds", "help");
  const counter = metrics.counter("app_total", "help", ["a"]);
  const wrong = (labels: unknown) => counter.inc(labels as { a: string });
  const cases: [what: () => unknown, error: typeof TypeError | typeof RangeError][] = [
    [() => metrics.counter("1a", "help"), TypeError],
    [() => metrics.counter("a b", "help"), TypeError],
    [() => metrics.counter("a\n", "help"), TypeError],
    [() => metrics.counter("_a", "help"), TypeError],
    [() => metrics.counter("a:b", "help"), TypeError],
    [() => metrics.counter("a".repeat(201), "help"), TypeError],
    [() => metrics.counter("a", 1 as unknown as string), TypeError],
    [() => metrics.counter("app_total", "help"), TypeError],
    [() => metrics.counter("app_seconds_count", "help"), TypeError],
    [() => metrics.counter("a", "help", ["__name__"]), TypeError],
    [() => metrics.counter("a", "help", ["b c"]), TypeError],
    [() => metrics.counter("a", "help", "b" as unknown as string[]), TypeError],
    [() => metrics.counter("a", "help", ["b", "b"]), RangeError],
    [() => metrics.counter("a", "help", ["a", "b", "c", "d", "e", "f", "g"]), RangeError],
    [() => metrics.histogram("a", "help", ["le"]), TypeError],
    [() => wrong({}), TypeError],
    [() => wrong({ a: 1 }), TypeError],
    [() => counter.inc({ a: "b" }, -1), RangeError],
    [() => counter.inc({ a: "b" }, NaN), RangeError],
    [() => counter.inc({ a: "b" }, Infinity), RangeError],
    [() => metrics.inFlight.set({ layer: "a", operation: "b" }, NaN), RangeError],
    [() => createMetrics({ maxSeries: 0 }), RangeError],
    [() => createMetrics({ maxSeries: NaN }), RangeError],
    [() => createMetrics({ maxLabelValues: 401 }), RangeError],
    [() => createMetrics({ maxLabelValues: "1" as unknown as number }), TypeError],
    [() => createMetrics({ clock: {} as VirtualClock }), TypeError],
  ];
  for (const [what, error] of cases) assertThrows(what, error);
  assertEquals(seriesOf(metrics.snapshot(), "app_total"), []);
});
