import type { HistogramSummary } from "./histogram.ts";

/** One metric within a {@linkcode MetricsSnapshot}. */
export type MetricSnapshot =
  & {
    /** Its name. */
    readonly name: string;
    /** What it tells. */
    readonly help: string;
  }
  & ({
    /** What kind of metric it is. */
    readonly type: "counter" | "gauge";
    /** Its series. */
    readonly series: readonly {
      /** The labels. */
      readonly labels: Readonly<Record<string, string>>;
      /** The value. */
      readonly value: number;
    }[];
  } | {
    /** What kind of metric it is. */
    readonly type: "histogram";
    /** Its series. */
    readonly series: readonly ({
      /** The labels. */
      readonly labels: Readonly<Record<string, string>>;
    } & HistogramSummary)[];
  });

/** All metrics at one moment: plain JSON, frozen. */
export interface MetricsSnapshot {
  /** The metrics, in the order in which they were created. */
  readonly metrics: readonly MetricSnapshot[];
}
