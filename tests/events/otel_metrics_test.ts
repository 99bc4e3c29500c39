import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { createMetrics } from "../../src/events/metrics.ts";
import { type OtelMeter, registerOtelMetrics } from "../../src/events/otel_metrics.ts";

/** The SDK, with everything that was collected last as `name{attributes} value`. */
function sdk() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
  const provider = new MeterProvider({ readers: [reader] });
  return {
    meter: provider.getMeter("app"),
    async collect(): Promise<string[]> {
      exporter.reset();
      await reader.forceFlush();
      return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
        .flatMap(({ metrics }) => metrics)
        .flatMap(({ descriptor, dataPoints }) =>
          dataPoints.map(({ attributes, value }) =>
            `${descriptor.name}${JSON.stringify(attributes)} ${value}`
          )
        ).sort();
    },
    [Symbol.asyncDispose]: () => provider.shutdown(),
  };
}

Deno.test("registerOtelMetrics() shows counters, gauges and histograms to the SDK", async () => {
  await using otel = sdk();
  const metrics = createMetrics();
  metrics.counter("app_total", "help", ["a"]).inc({ a: "x" }, 3);
  metrics.gauge("app_lost", "help", () => 4);
  const seconds = metrics.histogram("app_seconds", "help", ["a"]);
  for (let at = 0; at < 10; at++) seconds.record({ a: "x" }, 0.5);
  {
    using _ = registerOtelMetrics(metrics, otel.meter);
    const collected = (await otel.collect()).filter((line) => line.startsWith("app_"));
    assertEquals(collected, [
      "app_lost{} 4",
      'app_seconds_count{"a":"x"} 10',
      'app_seconds_sum{"a":"x"} 5',
      'app_seconds{"a":"x","quantile":"0.5"} 0.5',
      'app_seconds{"a":"x","quantile":"0.9"} 0.5',
      'app_seconds{"a":"x","quantile":"0.99"} 0.5',
      'app_seconds{"a":"x","quantile":"0.999"} 0.5',
      'app_total{"a":"x"} 3',
    ]);
  }
  seconds.record({ a: "x" }, 0.5);
  assertEquals((await otel.collect()).filter((line) => line.endsWith(" 11")), []);
});

Deno.test("registerOtelMetrics() shows metrics that are created later", async () => {
  await using otel = sdk();
  const metrics = createMetrics();
  using _ = registerOtelMetrics(metrics, otel.meter);
  const late = metrics.counter("late_total", "help");
  await otel.collect();
  late.inc({}, 7);
  assert((await otel.collect()).includes("late_total{} 7"));
  assert((await otel.collect()).includes("late_total{} 7"));
});

Deno.test("registerOtelMetrics() throws when it gets no meter", () => {
  for (const meter of [undefined, {}, null]) {
    assertThrows(
      () => registerOtelMetrics(createMetrics(), meter as unknown as OtelMeter),
      TypeError,
    );
  }
});
