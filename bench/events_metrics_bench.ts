/**
 * Metrics against prom-client, all in turns within one process.
 *
 * Run with `deno task bench bench/events_metrics_bench.ts`.
 */
import { Counter, Histogram as PromHistogram, Registry } from "prom-client";
import type { AuditEvent } from "../src/events/audit_event.ts";
import { Histogram } from "../src/events/histogram.ts";
import { createMetrics } from "../src/events/metrics.ts";
import { benchOnce, type Contender, formatTurns, takeTurns, type Turn } from "./_turns.ts";

/** Calls in one step of a contender: one alone takes less than the clock can tell. */
const CALLS = 10_000;

/** Durations as they occur, from 10 µs to a minute. */
const values = Float64Array.from({ length: 4096 }, () => 1e-5 * Math.exp(Math.random() * 15));

function loop(name: string, call: (at: number) => void): Contender {
  return {
    name,
    run() {
      for (let at = 0; at < CALLS; at++) call(at & 4095);
    },
  };
}

/** The table of a thousand calls out of the many in a step. */
async function table(title: string, contenders: readonly Contender[]): Promise<string> {
  const turns: Turn[] = await takeTurns(contenders, { rounds: 31, calls: 10 });
  return formatTurns(title, turns.map((turn) => ({ ...turn, micros: turn.micros / CALLS * 1000 })));
}

const settings = { help: "help", registers: [] };
const labels = { layer: "file", operation: "file.read/open" };

benchOnce("histograms (table below)", async () => {
  const plain = new PromHistogram({ ...settings, name: "plain_seconds" });
  const labelled = new PromHistogram({
    ...settings,
    name: "labelled_seconds",
    labelNames: ["layer", "operation"],
  });
  const child = labelled.labels(labels);
  const histogram = new Histogram();
  const series = createMetrics().histogram("labelled_seconds", "help", ["layer", "operation"]);
  return await table("histogram, 1,000 numbers", [
    loop("prom-client, observe(value)", (at) => plain.observe(values[at]!)),
    loop("Histogram.record(value)", (at) => histogram.record(values[at]!)),
    loop("prom-client, observe(labels, value)", (at) => labelled.observe(labels, values[at]!)),
    loop("prom-client, labels(…) kept, observe", (at) => child.observe(values[at]!)),
    loop("metrics.histogram, record(labels, value)", (at) => series.record(labels, values[at]!)),
  ]);
});

benchOnce("counters (table below)", async () => {
  const theirs = new Counter({ ...settings, name: "a_total", labelNames: ["layer", "operation"] });
  const plain = new Counter({ ...settings, name: "b_total" });
  const metrics = createMetrics();
  const ours = metrics.counter("a_total", "help", ["layer", "operation"]);
  const oursPlain = metrics.counter("b_total", "help");
  const event = { kind: "file.read", operation: "open", outcome: "success", durationMs: 1.5 };
  return await table("counter, 1,000 times one more", [
    loop("prom-client, inc(labels)", () => theirs.inc(labels)),
    loop("metrics.counter, inc(labels)", () => ours.inc(labels)),
    loop("prom-client, inc()", () => plain.inc()),
    loop("metrics.counter, inc()", () => oursPlain.inc()),
    loop("metrics.sink, one event with a duration", () => {
      metrics.sink.write(event as AuditEvent);
    }),
  ]);
});

benchOnce("the text format (table below)", async () => {
  const registry = new Registry();
  const theirs = new Counter({
    help: "help",
    registers: [registry],
    name: "a_total",
    labelNames: ["layer", "code"],
  });
  const metrics = createMetrics();
  const ours = metrics.counter("a_total", "help", ["layer", "code"]);
  for (let at = 0; at < 1000; at++) {
    const labels = { layer: `layer${at % 20}`, code: `code-${Math.floor(at / 20)}` };
    theirs.inc(labels);
    ours.inc(labels);
  }
  return formatTurns(
    "text of 1,000 series",
    await takeTurns([
      { name: "prom-client, await metrics()", run: () => registry.metrics() },
      { name: "metrics.toPrometheus()", run: () => metrics.toPrometheus() },
    ], { rounds: 21, calls: 10 }),
  );
});
