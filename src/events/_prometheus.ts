/**
 * The text format of Prometheus, version 0.0.4.
 *
 * @see {@link https://prometheus.io/docs/instrumenting/exposition_formats/}
 *
 * @module
 */

import type { AnyMetric } from "./_instruments.ts";
import type { Series } from "./_label_series.ts";
import type { Histogram } from "./histogram.ts";

/** What the text is served as. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Writes all metrics. */
export function toPrometheusText(metrics: Iterable<AnyMetric>): string {
  let text = "";
  for (const metric of metrics) {
    const { name, help, type } = metric;
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    if (metric.type === "histogram") {
      for (const series of metric.series()) text += histogramText(name, series);
      continue;
    }
    for (const { text: labels, state } of metric.series()) {
      text += `${name}${labels === "" ? "" : `{${labels}}`} ${numberText(state.value)}\n`;
    }
  }
  return text;
}

function histogramText(name: string, { text: labels, state }: Series<Histogram>): string {
  const before = labels === "" ? "" : `${labels},`;
  const all = labels === "" ? "" : `{${labels}}`;
  let text = "";
  let total = 0;
  for (const [boundary, count] of state.cumulative()) {
    text += `${name}_bucket{${before}le="${numberText(boundary)}"} ${count}\n`;
    total = count;
  }
  return `${text}${name}_sum${all} ${numberText(state.sum)}\n${name}_count${all} ${total}\n`;
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapeHelp(help: string): string {
  return help.toWellFormed().replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
