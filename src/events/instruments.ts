/** Values for the labels of a metric, one for each. */
export type MetricLabels<Name extends string = string> = Readonly<Record<Name, string>>;

/** Counts what never becomes less. */
export interface Counter<Name extends string = string> {
  /**
   * Adds to a series.
   *
   * @param labels Its labels.
   * @param by How much; not negative. @default {1}
   * @throws {TypeError} If a label is missing.
   * @throws {RangeError} If `by` is negative or not finite.
   */
  inc(labels?: MetricLabels<Name>, by?: number): void;
}

/** Tells how much there is now. */
export interface Gauge<Name extends string = string> {
  /**
   * Adds to a series.
   *
   * @param labels Its labels.
   * @param by How much. @default {1}
   * @throws {TypeError} If a label is missing.
   * @throws {RangeError} If `by` is not finite.
   */
  inc(labels?: MetricLabels<Name>, by?: number): void;

  /**
   * Takes from a series.
   *
   * @param labels Its labels.
   * @param by How much. @default {1}
   * @throws {TypeError} If a label is missing.
   * @throws {RangeError} If `by` is not finite.
   */
  dec(labels?: MetricLabels<Name>, by?: number): void;

  /**
   * Sets a series.
   *
   * @param labels Its labels.
   * @param value The value.
   * @throws {TypeError} If a label is missing.
   * @throws {RangeError} If the value is not finite.
   */
  set(labels: MetricLabels<Name>, value: number): void;

  /**
   * Counts something for as long as it lasts: `using _ = inFlight.track({ operation: "render" });`.
   *
   * @param labels The labels of the series.
   * @returns What ends it; ending it twice changes nothing.
   * @throws {TypeError} If a label is missing.
   */
  track(labels?: MetricLabels<Name>): Disposable;
}

/** Keeps the distribution of a number. */
export interface HistogramMetric<Name extends string = string> {
  /**
   * Counts a number.
   *
   * @param labels The labels of the series.
   * @param value The number.
   * @throws {TypeError} If a label is missing, or the value is no number.
   */
  record(labels: MetricLabels<Name>, value: number): void;

  /**
   * Measures in seconds how long something lasts: `using _ = seconds.time();`.
   *
   * @param labels The labels of the series.
   * @returns What ends it; ending it twice changes nothing.
   * @throws {TypeError} If a label is missing.
   */
  time(labels?: MetricLabels<Name>): Disposable;
}
