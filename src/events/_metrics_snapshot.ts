import type { AnyMetric } from "./_instruments.ts";
import type { MetricSnapshot, MetricsSnapshot } from "./metrics_snapshot.ts";

/** Tells everything at one moment, as plain JSON that is frozen. */
export function snapshotOf(metrics: Iterable<AnyMetric>): MetricsSnapshot {
  const shown = Array.from(metrics, (metric): MetricSnapshot => {
    const { name, help } = metric;
    if (metric.type === "histogram") {
      const series = Array.from(
        metric.series(),
        ({ labels, state }) => Object.freeze({ labels, ...state.summary() }),
      );
      return Object.freeze({ name, help, type: metric.type, series: Object.freeze(series) });
    }
    const series = Array.from(
      metric.series(),
      ({ labels, state }) => Object.freeze({ labels, value: state.value }),
    );
    return Object.freeze({ name, help, type: metric.type, series: Object.freeze(series) });
  });
  return Object.freeze({ metrics: Object.freeze(shown) });
}
