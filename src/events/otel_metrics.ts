import { wrongOption } from "../_internal/options.ts";
import type { Metrics } from "./metrics.ts";
import type { MetricSnapshot } from "./metrics_snapshot.ts";

/** What OpenTelemetry tells beside a number. */
export type OtelMetricAttributes = Record<string, string>;

/** An instrument that is asked for its values; it is only passed on. */
export type OtelObservable = object;

/** The part of a batch of observations that is used. */
export interface OtelBatchResult {
  /**
   * Takes a value.
   *
   * @param instrument The instrument.
   * @param value The value.
   * @param attributes Its attributes.
   */
  observe(instrument: OtelObservable, value: number, attributes?: OtelMetricAttributes): void;
}

/** What is called whenever metrics are collected. */
export type OtelBatchCallback = (result: OtelBatchResult) => void;

/** The part of a meter of `@opentelemetry/api` that is used. */
export interface OtelMeter {
  /** Creates an instrument for what never becomes less. */
  createObservableCounter(name: string, options?: OtelInstrumentOptions): OtelObservable;
  /** Creates an instrument for what there is now. */
  createObservableGauge(name: string, options?: OtelInstrumentOptions): OtelObservable;
  /** Has something called whenever metrics are collected. */
  addBatchObservableCallback(callback: OtelBatchCallback, observables: OtelObservable[]): void;
  /** Has it called no more. */
  removeBatchObservableCallback(callback: OtelBatchCallback, observables: OtelObservable[]): void;
}

/** Options of an instrument. */
export interface OtelInstrumentOptions {
  /** What it tells. */
  readonly description?: string;
}

const QUANTILES = [["0.5", "p50"], ["0.9", "p90"], ["0.99", "p99"], ["0.999", "p999"]] as const;

/**
 * Shows metrics to OpenTelemetry, through a meter that you have; nothing is imported.
 *
 * Counters become observable counters and gauges observable gauges, with the same names and labels. A histogram, which
 * OpenTelemetry has no observable instrument for, becomes two counters, `<name>_count` and `<name>_sum`, and a gauge
 * `<name>` of its quantiles with the attribute `quantile`: 0.5, 0.9, 0.99 and 0.999. Metrics that are created
 * later join with the collection after the next.
 *
 * @example
 * ```ts
 * import { createMetrics, registerOtelMetrics } from "@bartizan/security";
 * import { metrics as otel } from "@opentelemetry/api";
 *
 * const metrics = createMetrics();
 * using _ = registerOtelMetrics(metrics, otel.getMeter("app"));
 * ```
 *
 * @param metrics The metrics.
 * @param meter The meter.
 * @returns What ends it.
 * @throws {TypeError} If `meter` is none.
 */
export function registerOtelMetrics(
  metrics: Pick<Metrics, "snapshot">,
  meter: OtelMeter,
): Disposable {
  if (typeof meter?.addBatchObservableCallback !== "function") {
    throw wrongOption("register metrics", "meter", "a meter of @opentelemetry/api", meter);
  }
  const known = new Map<string, (result: OtelBatchResult, metric: MetricSnapshot) => void>();
  const undo: (() => void)[] = [];

  /** Instruments for what is new. A batch may only observe what it was registered with, so each has its own. */
  function extend(shown: readonly MetricSnapshot[]): void {
    const fresh = shown.filter(({ name }) => !known.has(name));
    if (fresh.length === 0) return;
    const instruments: OtelObservable[] = [];
    const names = new Set<string>();
    for (const metric of fresh) {
      known.set(metric.name, observerOf(meter, metric, instruments));
      names.add(metric.name);
    }
    const callback = (result: OtelBatchResult) => {
      const { metrics: now } = metrics.snapshot();
      for (const metric of now) {
        if (names.has(metric.name)) known.get(metric.name)?.(result, metric);
      }
      extend(now);
    };
    meter.addBatchObservableCallback(callback, instruments);
    undo.push(() => meter.removeBatchObservableCallback(callback, instruments));
  }

  extend(metrics.snapshot().metrics);
  return {
    [Symbol.dispose](): void {
      for (const remove of undo.splice(0)) remove();
    },
  };
}

/** Creates the instruments of one metric, and says how it is observed. */
function observerOf(
  meter: OtelMeter,
  { name, help, type }: MetricSnapshot,
  instruments: OtelObservable[],
): (result: OtelBatchResult, metric: MetricSnapshot) => void {
  const options = { description: help };
  if (type !== "histogram") {
    const instrument = type === "counter"
      ? meter.createObservableCounter(name, options)
      : meter.createObservableGauge(name, options);
    instruments.push(instrument);
    return (result, metric) => {
      if (metric.type === "histogram") return;
      for (const { labels, value } of metric.series) {
        result.observe(instrument, value, { ...labels });
      }
    };
  }
  const counts = meter.createObservableCounter(`${name}_count`, options);
  const sums = meter.createObservableCounter(`${name}_sum`, options);
  const quantiles = meter.createObservableGauge(name, options);
  instruments.push(counts, sums, quantiles);
  return (result, metric) => {
    if (metric.type !== "histogram") return;
    for (const series of metric.series) {
      const { labels } = series;
      result.observe(counts, series.count, { ...labels });
      result.observe(sums, series.sum, { ...labels });
      for (const [quantile, member] of QUANTILES) {
        const value = series[member];
        if (value !== null) result.observe(quantiles, value, { ...labels, quantile });
      }
    }
  };
}
