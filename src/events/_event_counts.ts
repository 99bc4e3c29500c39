/**
 * The metrics of the library's own: what happened, counted, and how long it took.
 *
 * @module
 */

import { OTHER } from "./_label_series.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";
import type { Metrics } from "./metrics.ts";

/** What a layer calls its kinds, operations and codes; a text that comes from a client has no place among them. */
const WORD = /^[A-Za-z][A-Za-z0-9_./-]{0,63}$/;
const OUTCOMES: ReadonlySet<unknown> = new Set(["success", "denied", "failure", "error"]);

/** Makes the sink that counts events, and its metrics. */
export function eventSink(counter: Metrics["counter"], histogram: Metrics["histogram"]): AuditSink {
  const events = counter("bartizan_events_total", "Events by what happened and how it ended", [
    "layer",
    "operation",
    "outcome",
    "code",
  ]);
  const durations = histogram(
    "bartizan_operation_duration_seconds",
    "How long operations took, of those that say so",
    ["layer", "operation"],
  );
  return Object.freeze({
    name: "metrics",
    required: false,
    write({ kind, operation, outcome, code, durationMs }: AuditEvent): void {
      const { layer, name } = placeOf(kind, operation);
      events.inc({
        layer,
        operation: name,
        outcome: OUTCOMES.has(outcome) ? outcome : OTHER,
        code: code === undefined ? "" : word(code),
      });
      if (typeof durationMs === "number") {
        durations.record({ layer, operation: name }, durationMs / 1000);
      }
    },
  });
}

/** Where an event is counted. */
function placeOf(
  kind: unknown,
  operation: unknown,
): { readonly layer: string; readonly name: string } {
  const known = word(kind);
  if (known === OTHER) return { layer: OTHER, name: OTHER };
  const dot = known.indexOf(".");
  const layer = dot < 0 ? known : known.slice(0, dot);
  return { layer, name: operation === undefined ? known : `${known}/${word(operation)}` };
}

function word(value: unknown): string {
  return typeof value === "string" && WORD.test(value) ? value : OTHER;
}
