import { wrongOption } from "../_internal/options.ts";
import { epochMs, levelsOf, messageOf } from "./_event_kinds.ts";
import type { AuditSink } from "./audit_sink.ts";
import { type OtelAttributes, toOtelAttributes } from "./to_otel_attributes.ts";

/** The part of a span of `@opentelemetry/api` that is used. */
export interface OtelSpan {
  /** Whether anybody will see what is added. */
  isRecording(): boolean;
  /**
   * Adds an event.
   *
   * @param name Its name.
   * @param attributes Its attributes.
   * @param time When it happened.
   */
  addEvent(name: string, attributes?: OtelAttributes, time?: Date): unknown;
}

/** The part of `@opentelemetry/api` that is used. */
export interface OtelApi {
  /** The object `trace` of the package. */
  readonly trace: {
    /** The span of the code that is running. */
    getActiveSpan(): OtelSpan | undefined;
  };
}

/** A log record, as far as {@linkcode otelSink} fills one in. */
export interface OtelLogRecord {
  /** The kind of the event. */
  eventName: string;
  /** When it happened. */
  timestamp?: Date;
  /** When it was recorded. */
  observedTimestamp?: Date;
  /** 9 (info), 10 (notice), 13 (warning), 17 (error), 18 (critical). */
  severityNumber: number;
  /** The severity. */
  severityText: string;
  /** What happened, in a few words. */
  body: string;
  /** What {@linkcode toOtelAttributes} makes of it. */
  attributes: OtelAttributes;
}

/** The part of `logs` of `@opentelemetry/api-logs`, or of `@opentelemetry/api` from 1.10 on, that is used. */
export interface OtelLogs {
  /**
   * Returns a logger.
   *
   * @param name Its name.
   * @param version The version of what logs.
   */
  getLogger(name: string, version?: string): {
    /**
     * Takes a record.
     *
     * @param record The record.
     */
    emit(record: OtelLogRecord): void;
  };
}

/** Options of {@linkcode otelSink}. */
export interface OtelSinkOptions {
  /** What `import * as api from "@opentelemetry/api"` gives. */
  readonly api: OtelApi;
  /** `logs` of `@opentelemetry/api-logs`; without it no log records are made. @default {undefined} */
  readonly logs?: OtelLogs;
  /** Whether events are added to the active span. @default {true} */
  readonly spanEvents?: boolean;
  /** Name of the logger. @default {"bartizan.audit"} */
  readonly loggerName?: string;
  /** Version of your application, beside the name. @default {undefined} */
  readonly loggerVersion?: string;
}

/**
 * Passes events to OpenTelemetry, through the API object that you have: as an event of the active span, and as a log
 * record where a logs API is given. Nothing is imported, and where no SDK is registered nothing happens.
 *
 * The active span is the one of whoever reported, as long as the events reach this sink within its asynchronous
 * context. Exporters drop what they cannot send, so this is no place to keep an audit log, and not required.
 *
 * What was seen of the telemetry that Deno 2.9 has built in (`OTEL_DENO=true`):
 *
 * - With a short `OTEL_METRIC_EXPORT_INTERVAL`, such as 500, and an endpoint that does not answer, a program that
 *   keeps its thread busy for longer than that never gets out of `Deno.exit()`; only SIGKILL ends it. Keep the
 *   default of 60,000, and let whatever supervises the program kill it after a while.
 * - The spans that it makes of requests, of servers and of `fetch` alike, have `url.full` and `url.query` as they
 *   are: a token in the query (`?access_token=`) goes to every reader of traces. Refuse tokens in queries, as
 *   the verifiers of this library do, and delete both attributes in the collector, such as with the
 *   processor `attributes` and its action `delete`. Of a `resource` that is a URL, the attributes made here have no
 *   query; what you write into `reason` or `details` yourself stays as it is.
 *
 * @example
 * ```ts
 * import { otelSink } from "@bartizan/security";
 * import * as api from "@opentelemetry/api";
 * import { assertEquals } from "@std/assert";
 *
 * const sink = otelSink({ api, logs: api.logs });
 * assertEquals([sink.name, sink.required], ["opentelemetry", false]);
 * ```
 *
 * @param options The API objects.
 * @returns The sink.
 * @throws {TypeError} If `api` or `logs` is not what it should be.
 */
export function otelSink(options: OtelSinkOptions): AuditSink {
  const purpose = "make a sink for OpenTelemetry";
  const { api, logs, spanEvents = true, loggerName = "bartizan.audit", loggerVersion } = options;
  if (typeof api?.trace?.getActiveSpan !== "function") {
    throw wrongOption(purpose, "api", "the API of @opentelemetry/api", api);
  }
  if (logs !== undefined && typeof logs?.getLogger !== "function") {
    throw wrongOption(purpose, "logs", "the logs API", logs);
  }
  const { trace } = api;
  // A logger of the API finds a provider that is registered later.
  const logger = logs?.getLogger(loggerName, loggerVersion);
  return {
    name: "opentelemetry",
    required: false,
    write(event) {
      const span = spanEvents ? trace.getActiveSpan() : undefined;
      const isSeen = span?.isRecording() === true;
      if (!isSeen && logger === undefined) return;
      const attributes = toOtelAttributes(event);
      const timestamp = dateOf(event.time);
      if (isSeen) span.addEvent(event.kind, attributes, timestamp);
      const observedTimestamp = dateOf(event.recordedAt);
      logger?.emit({
        eventName: event.kind,
        ...(timestamp !== undefined && { timestamp }),
        ...(observedTimestamp !== undefined && { observedTimestamp }),
        severityNumber: levelsOf(event.severity).otel,
        severityText: event.severity,
        body: messageOf(event),
        attributes,
      });
    },
  };
}

/** The API takes numbers for different clocks, depending on how large they are; a date is never mistaken. */
function dateOf(time: string): Date | undefined {
  const ms = epochMs(time);
  return ms === undefined ? undefined : new Date(ms);
}
