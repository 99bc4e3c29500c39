/**
 * What happened: a record that an auditor can trust, numbers for those who watch, and alerts for those who act.
 *
 * Every layer tells an {@linkcode AuditReporter} what it did. From there, an event goes this way:
 *
 *     a layer's report
 *        │
 *        ▼
 *     AuditLogger          bounds, redacts, numbers; refuses the operation when nobody can record it
 *        │
 *        ├─ jsonLinesSink     the compliance path: one file, chained, as durable as it says
 *        │     └─ verifyAuditLog   was it changed since?
 *        ├─ stdLogSink, consoleSink, otelSink, webhookSink, functionSink, memorySink
 *        ├─ metrics.sink      counters and histograms of fixed memory
 *        └─ alerts.sink       so many of these within so long: call somebody, block somebody
 *
 * A sink that records is `required`, and the operation fails when it does; one that watches is not. toOcsf(),
 * toEcs(), toCef() and toOtelAttributes() put an event in the words of others.
 *
 * @module
 */

export {
  type Alert,
  type AlertAction,
  type AlertCondition,
  type AlertRule,
  type AlertTarget,
} from "./alert.ts";
export {
  type AlertRuleStats,
  type Alerts,
  type AlertsOptions,
  type AlertsStats,
  createAlerts,
} from "./alerts.ts";
export {
  type AuditEvent,
  type AuditEventInput,
  type AuditOutcome,
  type AuditReporter,
  type AuditSeverity,
  type AuditSource,
  defaultSeverity,
  silentReporter,
} from "./audit_event.ts";
export { auditEventSchema } from "./audit_event_schema.ts";
export {
  type AuditLogKeys,
  type AuditLogSignerOptions,
  createAuditLogSigner,
  generateAuditLogKeys,
} from "./audit_log_signer.ts";
export {
  type AuditFields,
  AuditLogger,
  type AuditLoggerOptions,
  type AuditLoggerStats,
  type AuditScope,
  type AuditScopeFields,
  type AuditSinkStats,
  type HashIdentifiersOptions,
} from "./audit_logger.ts";
export { type AuditSink } from "./audit_sink.ts";
export { consoleSink, type ConsoleSinkOptions } from "./console_sink.ts";
export { type Correlation, correlationOf } from "./correlation.ts";
export {
  type EpochClosing,
  epochKeyFile,
  type EpochKeyStore,
  type EpochState,
  generateEpochKey,
} from "./epoch_keys.ts";
export { functionSink, type FunctionSinkOptions } from "./function_sink.ts";
export { Histogram, type HistogramOptions, type HistogramSummary } from "./histogram.ts";
export {
  type Counter,
  type Gauge,
  type HistogramMetric,
  type MetricLabels,
} from "./instruments.ts";
export {
  type ChainOptions,
  type CoalesceOptions,
  type Durability,
  type JsonLinesSink,
  jsonLinesSink,
  type JsonLinesSinkOptions,
  type JsonLinesStats,
  type OnSigterm,
  type QueueOptions,
  type RotateOptions,
} from "./json_lines_sink.ts";
export { type MemorySink, memorySink, type MemorySinkOptions } from "./memory_sink.ts";
export { createMetrics, type Metrics, type MetricsOptions } from "./metrics.ts";
export {
  type MetricsAccess,
  type MetricsHandler,
  metricsHandler,
  type MetricsHandlerOptions,
  type MetricsRequestInfo,
} from "./metrics_handler.ts";
export { type MetricSnapshot, type MetricsSnapshot } from "./metrics_snapshot.ts";
export {
  type OtelBatchCallback,
  type OtelBatchResult,
  type OtelInstrumentOptions,
  type OtelMeter,
  type OtelMetricAttributes,
  type OtelObservable,
  registerOtelMetrics,
} from "./otel_metrics.ts";
export {
  type OtelApi,
  type OtelLogRecord,
  type OtelLogs,
  otelSink,
  type OtelSinkOptions,
  type OtelSpan,
} from "./otel_sink.ts";
export {
  type AuditLogSigner,
  createVerifierKey,
  type OpenedNote,
  openNote,
  signNote,
} from "./signed_note.ts";
export {
  type AuditLogHandler,
  createAuditLogHandler,
  sanitizingFormatter,
  type SanitizingFormatterOptions,
  stdLogSink,
  type StdLogSinkOptions,
} from "./std_log_sink.ts";
export { type CefOptions, toCef } from "./to_cef.ts";
export { ECS_VERSION, type EcsDocument, toEcs } from "./to_ecs.ts";
export {
  OCSF_VERSION,
  type OcsfEvent,
  type OcsfOptions,
  type OcsfProduct,
  toOcsf,
} from "./to_ocsf.ts";
export { type OtelAttributes, toOtelAttributes } from "./to_otel_attributes.ts";
export {
  type AuditLogChain,
  type AuditLogFailure,
  type AuditLogFailureCause,
  type AuditLogReport,
  verifyAuditLog,
  type VerifyAuditLogOptions,
} from "./verify_audit_log.ts";
export { webhookAction, type WebhookActionOptions } from "./webhook_action.ts";
export { type WebhookSink, webhookSink, type WebhookSinkOptions } from "./webhook_sink.ts";
