import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import {
  type AnyMetric,
  AskedGauge,
  CounterSeries,
  GaugeSeries,
  HistogramSeries,
  identityOf,
  labelNamesOf,
} from "./_instruments.ts";
import { eventSink } from "./_event_counts.ts";
import { MAX_LABEL_VALUES } from "./_label_series.ts";
import { snapshotOf } from "./_metrics_snapshot.ts";
import { toPrometheusText } from "./_prometheus.ts";
import type { AuditSink } from "./audit_sink.ts";
import type { HistogramOptions } from "./histogram.ts";
import type { Counter, Gauge, HistogramMetric } from "./instruments.ts";
import type { MetricsSnapshot } from "./metrics_snapshot.ts";

/** Options of {@linkcode createMetrics}. */
export interface MetricsOptions {
  /** Most series of one metric; all others are counted in one whose labels are `_other`. @default {1000} */
  readonly maxSeries?: number;
  /** Most values of one label, up to 400; all others are `_other`. @default {100} */
  readonly maxLabelValues?: number;
  /** Where time comes from. @default {the clocks of the machine} */
  readonly clock?: Clock;
}

/** Counters, gauges and histograms of one program. */
export interface Metrics {
  /** Counts the events of an `AuditLogger`; not required, and never fails. */
  readonly sink: AuditSink;

  /** What is going on right now: `bartizan_in_flight{layer,operation}`. */
  readonly inFlight: Gauge<"layer" | "operation">;

  /**
   * Creates a counter.
   *
   * @param name A letter, and then letters, digits and `_`; it should end in `_total`.
   * @param help What it counts.
   * @param labelNames Names of its labels, at most 6.
   * @returns The counter.
   * @throws {TypeError} If a name is invalid, or there is such a metric already.
   * @throws {RangeError} If there are too many labels.
   */
  counter<const Name extends string = never>(
    name: string,
    help: string,
    labelNames?: readonly Name[],
  ): Counter<Name>;

  /**
   * Creates a gauge that is asked for its value whenever somebody looks, such as for the losses of a sink. While it
   * throws, or gives anything but a finite number, it is left out.
   *
   * @param name A letter, and then letters, digits and `_`.
   * @param help What it tells.
   * @param value Tells the value; must return at once.
   * @throws {TypeError} If a name is invalid, or there is such a metric already.
   */
  gauge(name: string, help: string, value: () => number): void;

  /**
   * Creates a gauge.
   *
   * @param name A letter, and then letters, digits and `_`.
   * @param help What it tells.
   * @param labelNames Names of its labels, at most 6.
   * @returns The gauge.
   * @throws {TypeError} If a name is invalid, or there is such a metric already.
   * @throws {RangeError} If there are too many labels.
   */
  gauge<const Name extends string = never>(
    name: string,
    help: string,
    labelNames?: readonly Name[],
  ): Gauge<Name>;

  /**
   * Creates a histogram.
   *
   * @param name A letter, and then letters, digits and `_`; it should end in the unit, such as `_seconds`.
   * @param help What it measures.
   * @param labelNames Names of its labels, at most 6, and none of them `le`.
   * @param options Range and boundaries; each series takes 9 KiB with the default range.
   * @returns The histogram.
   * @throws {TypeError} If a name is invalid, or there is such a metric already.
   * @throws {RangeError} If there are too many labels, or the options make no histogram.
   */
  histogram<const Name extends string = never>(
    name: string,
    help: string,
    labelNames?: readonly Name[],
    options?: HistogramOptions,
  ): HistogramMetric<Name>;

  /**
   * Tells everything at once.
   *
   * @returns Plain JSON, frozen.
   */
  snapshot(): MetricsSnapshot;

  /**
   * Writes everything in the text format of Prometheus, version 0.0.4.
   *
   * @returns The text, to be served as `text/plain; version=0.0.4; charset=utf-8`.
   */
  toPrometheus(): string;
}

/**
 * Makes counters, gauges and histograms whose memory is bounded, whoever chooses the labels.
 *
 * The sink counts events in `bartizan_events_total{layer,operation,outcome,code}` and their durations in
 * `bartizan_operation_duration_seconds{layer,operation}`. A layer is what a kind begins with, and an operation is the
 * kind with the event's operation behind a slash. Principals, sources and resources are no labels.
 *
 * Each label has a limited number of values, and each metric a limited number of series; the first ones win, and
 * everything beyond is `_other`, as are values of over 128 characters. Characters in them that cannot be seen are
 * written as `\uXXXX`.
 *
 * @example
 * ```ts
 * import { createMetrics } from "@bartizan/security";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const metrics = createMetrics();
 * // new AuditLogger({ sinks: [metrics.sink, …] })
 * const renders = metrics.counter("app_renders_total", "Pages rendered", ["page"]);
 * renders.inc({ page: "home" });
 * assertStringIncludes(metrics.toPrometheus(), 'app_renders_total{page="home"} 1');
 * ```
 *
 * @param options How much there may be.
 * @returns The metrics.
 * @throws {TypeError} If an option has not the right type.
 * @throws {RangeError} If a number is out of range.
 */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const purpose = "create metrics";
  const { clock = systemClock } = options;
  const limits = {
    maxSeries: integerOption(purpose, "maxSeries", options.maxSeries, {
      otherwise: 1000,
      least: 1,
      most: 100_000,
    }),
    maxLabelValues: integerOption(purpose, "maxLabelValues", options.maxLabelValues, {
      otherwise: 100,
      least: 1,
      most: MAX_LABEL_VALUES,
    }),
  };
  const registered = new Map<string, AnyMetric>();
  /** Every name of a sample, as a histogram has three: two metrics must not write the same one. */
  const taken = new Set<string>();

  function add<Metric extends AnyMetric>(metric: Metric): Metric {
    const { name, type } = metric;
    const names = type === "histogram"
      ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]
      : [name];
    const known = names.find((name) => taken.has(name));
    if (known !== undefined) {
      throw new TypeError(`Cannot create a metric: there is one that writes '${known}' already`);
    }
    for (const name of names) taken.add(name);
    registered.set(name, metric);
    return metric;
  }

  function counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    const purpose = "create a counter";
    const labels = labelNamesOf(purpose, labelNames);
    return add(new CounterSeries(identityOf(purpose, name, help), labels, limits));
  }

  function gauge(
    name: string,
    help: string,
    source: readonly string[] | (() => number) = [],
  ): Gauge | void {
    const purpose = "create a gauge";
    const identity = identityOf(purpose, name, help);
    if (typeof source === "function") {
      add(new AskedGauge(identity, source));
      return;
    }
    return add(new GaugeSeries(identity, labelNamesOf(purpose, source), limits));
  }

  function histogram(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    options: HistogramOptions = {},
  ): HistogramMetric {
    const purpose = "create a histogram";
    const labels = labelNamesOf(purpose, labelNames, "le");
    const identity = identityOf(purpose, name, help);
    return add(new HistogramSeries(identity, labels, options, limits, clock));
  }

  if (typeof clock?.monotonicMs !== "function") {
    throw wrongOption(purpose, "clock", "a clock", clock);
  }
  const sink = eventSink(counter, histogram);
  const inFlight = gauge("bartizan_in_flight", "Operations that have begun and not ended", [
    "layer",
    "operation",
  ]) as Gauge;

  // The names of labels are checked by the types of the interface, and again when they are used.
  return Object.freeze({
    sink,
    inFlight,
    counter,
    gauge: gauge as Metrics["gauge"],
    histogram,
    snapshot: () => snapshotOf(registered.values()),
    toPrometheus: () => toPrometheusText(registered.values()),
  });
}
