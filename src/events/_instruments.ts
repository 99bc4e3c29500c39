/**
 * The metrics behind the interfaces: how each kind counts, and what it shows.
 *
 * @module
 */

import type { Clock } from "../_internal/clock.ts";
import { wrongOption } from "../_internal/options.ts";
import { BucketForm } from "./_bucket_form.ts";
import { LabelSeries, MAX_LABELS, type Series, type SeriesLimits } from "./_label_series.ts";
import { Histogram, type HistogramOptions } from "./histogram.ts";
import type { Counter, Gauge, HistogramMetric, MetricLabels } from "./instruments.ts";

/** What is the same for all kinds. */
export interface MetricIdentity {
  readonly name: string;
  readonly help: string;
}

interface Value {
  value: number;
}

/** A series with one number. */
export type ValueSeries = Series<Readonly<Value>>;

/** Any metric, as it is shown. */
export type AnyMetric =
  | MetricIdentity & { readonly type: "counter" | "gauge"; series(): Iterable<ValueSeries> }
  | MetricIdentity & { readonly type: "histogram"; series(): Iterable<Series<Histogram>> };

const NAME = /^[a-zA-Z][a-zA-Z0-9_]{0,199}$/;
const NONE: MetricLabels<never> = Object.freeze({});

/** Checks what a metric is called. */
export function identityOf(purpose: string, name: unknown, help: unknown): MetricIdentity {
  // Colons are for what Prometheus itself derives, and OpenTelemetry knows neither them nor a leading underscore.
  if (typeof name !== "string" || !NAME.test(name)) {
    throw wrongOption(purpose, "name", "a letter, and then letters, digits and '_'", name);
  }
  if (typeof help !== "string") throw wrongOption(purpose, "help", "a string", help);
  return { name, help };
}

/** Checks the names of labels. */
export function labelNamesOf(purpose: string, names: unknown, reserved?: string): string[] {
  if (!Array.isArray(names)) throw wrongOption(purpose, "labelNames", "an array", names);
  const copy: unknown[] = Array.from(names);
  for (const name of copy) {
    // Names that begin with two underscores are Prometheus's own.
    if (typeof name !== "string" || !NAME.test(name) || name === reserved) {
      throw wrongOption(
        purpose,
        "labelNames",
        "letters, digits and '_', and none that is reserved",
        name,
      );
    }
  }
  if (copy.length > MAX_LABELS || new Set(copy).size < copy.length) {
    throw new RangeError(
      `Cannot ${purpose}: 'labelNames' must be at most ${MAX_LABELS} different names`,
    );
  }
  return copy as string[];
}

/** A counter. */
export class CounterSeries implements Counter {
  readonly type = "counter";
  readonly name: string;
  readonly help: string;
  readonly #series: LabelSeries<Value>;

  constructor({ name, help }: MetricIdentity, labelNames: readonly string[], limits: SeriesLimits) {
    this.name = name;
    this.help = help;
    this.#series = new LabelSeries(labelNames, limits, () => ({ value: 0 }));
  }

  inc(labels: MetricLabels = NONE, by: number = 1): void {
    if (!(by >= 0 && by < Infinity)) {
      throw new RangeError(`Cannot add to '${this.name}' what is negative or not finite: ${by}`);
    }
    this.#series.at(labels).value += by;
  }

  series(): Iterable<ValueSeries> {
    return this.#series.all();
  }
}

/** A gauge that is told its values. */
export class GaugeSeries implements Gauge {
  readonly type = "gauge";
  readonly name: string;
  readonly help: string;
  readonly #series: LabelSeries<Value>;

  constructor({ name, help }: MetricIdentity, labelNames: readonly string[], limits: SeriesLimits) {
    this.name = name;
    this.help = help;
    this.#series = new LabelSeries(labelNames, limits, () => ({ value: 0 }));
  }

  inc(labels: MetricLabels = NONE, by: number = 1): void {
    this.#check(by);
    this.#series.at(labels).value += by;
  }

  dec(labels: MetricLabels = NONE, by: number = 1): void {
    this.#check(by);
    this.#series.at(labels).value -= by;
  }

  set(labels: MetricLabels, value: number): void {
    this.#check(value);
    this.#series.at(labels).value = value;
  }

  track(labels: MetricLabels = NONE): Disposable {
    const state = this.#series.at(labels);
    state.value++;
    return once(() => state.value--);
  }

  series(): Iterable<ValueSeries> {
    return this.#series.all();
  }

  #check(value: unknown): void {
    if (!Number.isFinite(value)) {
      throw new RangeError(`Cannot set '${this.name}' to what is not finite: ${value}`);
    }
  }
}

/** A gauge that is asked for its value whenever somebody looks. */
export class AskedGauge {
  readonly type = "gauge";
  readonly name: string;
  readonly help: string;
  readonly #ask: () => number;

  constructor({ name, help }: MetricIdentity, ask: () => number) {
    this.name = name;
    this.help = help;
    this.#ask = ask;
  }

  /** No series where there is no answer: one broken function must not hide all other metrics. */
  series(): Iterable<ValueSeries> {
    let value: unknown;
    try {
      value = this.#ask();
    } catch {
      return [];
    }
    if (typeof value !== "number" || !Number.isFinite(value)) return [];
    return [{ labels: NONE, text: "", state: { value } }];
  }
}

/** A histogram for each series. */
export class HistogramSeries implements HistogramMetric {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #clock: Clock;
  readonly #series: LabelSeries<Histogram>;

  constructor(
    { name, help }: MetricIdentity,
    labelNames: readonly string[],
    options: HistogramOptions,
    limits: SeriesLimits,
    clock: Clock,
  ) {
    this.name = name;
    this.help = help;
    this.#clock = clock;
    const form = new BucketForm(options);
    this.#series = new LabelSeries(labelNames, limits, () => new Histogram(form));
  }

  record(labels: MetricLabels, value: number): void {
    if (typeof value !== "number") {
      throw new TypeError(`Cannot record in '${this.name}' what is no number: ${typeof value}`);
    }
    this.#series.at(labels).record(value);
  }

  time(labels: MetricLabels = NONE): Disposable {
    const histogram = this.#series.at(labels);
    const startMs = this.#clock.monotonicMs();
    return once(() => histogram.record((this.#clock.monotonicMs() - startMs) / 1000));
  }

  series(): Iterable<Series<Histogram>> {
    return this.#series.all();
  }
}

/** What happens at the end, and only once. */
function once(end: () => void): Disposable {
  let isOver = false;
  return {
    [Symbol.dispose](): void {
      if (isOver) return;
      isOver = true;
      end();
    },
  };
}
