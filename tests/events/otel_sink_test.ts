import { assert, assertEquals, assertFalse, assertStringIncludes, assertThrows } from "@std/assert";
import * as api from "@opentelemetry/api";
import { logs } from "@opentelemetry/api-logs";
import {
  InMemoryLogRecordExporter,
  LoggerProvider,
  SimpleLogRecordProcessor,
} from "@opentelemetry/sdk-logs";
import { otelSink, type OtelSinkOptions, type OtelSpan } from "../../src/events/otel_sink.ts";
import { toOtelAttributes } from "../../src/events/to_otel_attributes.ts";
import { auditEvent, SEVERITIES } from "./_mapped_events.ts";

/** A provider that keeps what it gets. */
function memoryProvider(): { provider: LoggerProvider; exporter: InMemoryLogRecordExporter } {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({
    processors: [new SimpleLogRecordProcessor({ exporter })],
  });
  return { provider, exporter };
}

/** A span that keeps what is added. */
function recordingSpan(isRecording = true): OtelSpan & { readonly added: unknown[][] } {
  const added: unknown[][] = [];
  return {
    added,
    isRecording: () => isRecording,
    addEvent: (...args) => added.push(args),
  };
}

Deno.test("otelSink() emits log records that the SDK takes, with its severities", async () => {
  const { provider, exporter } = memoryProvider();
  const sink = otelSink({ api, logs: provider, loggerName: "notes", loggerVersion: "1.2" });
  const numbers = { info: 9, notice: 10, warning: 13, error: 17, critical: 18 };
  for (const severity of SEVERITIES) {
    const event = auditEvent({
      severity,
      principal: "bob\n\u202e",
      code: "io-error",
      details: { a: 1 },
    });
    sink.write(event);
    const [logged] = exporter.getFinishedLogRecords().slice(-1);
    assert(logged !== undefined);
    assertEquals(
      [logged.eventName, logged.severityText, logged.severityNumber, logged.body],
      ["file.read", severity, numbers[severity], "file.read: success: io-error"],
    );
    assertEquals(logged.hrTime, [1767323045, 678_000_000]);
    assertEquals(logged.hrTimeObserved, [1767323045, 680_000_000]);
    assertEquals({ ...logged.attributes } as unknown, toOtelAttributes(event));
    const { name, version } = logged.instrumentationScope;
    assertEquals([name, version], ["notes", "1.2"]);
  }
  await provider.shutdown();
});

Deno.test("otelSink() finds providers that are registered after it was made, in either package", async () => {
  for (const registry of [logs, api.logs]) {
    const { provider, exporter } = memoryProvider();
    const sink = otelSink({ api, logs: registry });
    sink.write(auditEvent());
    registry.setGlobalLoggerProvider(provider);
    try {
      sink.write(auditEvent({ kind: "dpop.verify" }));
      const [record, ...more] = exporter.getFinishedLogRecords();
      assertEquals([record?.eventName, more.length], ["dpop.verify", 0]);
    } finally {
      registry.disable();
      await provider.shutdown();
    }
  }
});

Deno.test("otelSink() adds events to the active span", () => {
  const span = recordingSpan();
  const active: { span: OtelSpan | undefined } = { span };
  const options = { api: { trace: { getActiveSpan: () => active.span } } };
  const sink = otelSink(options);
  const event = auditEvent({ principal: "alice" });
  sink.write(event);
  assertEquals(span.added, [[
    "file.read",
    toOtelAttributes(event),
    new Date("2026-01-02T03:04:05.678Z"),
  ]]);
  otelSink({ ...options, spanEvents: false }).write(event);
  assertEquals(span.added.length, 1);
  sink.write(auditEvent({ time: "?" }));
  assertEquals(span.added[1]?.[2], undefined);
  const idle = recordingSpan(false);
  active.span = idle;
  sink.write(event);
  active.span = undefined;
  sink.write(event);
  assertEquals([idle.added.length, span.added.length], [0, 2]);
});

Deno.test("otelSink() does nothing, and is not required, without an SDK", () => {
  const sink = otelSink({ api, logs });
  assertEquals([sink.required, sink.write(auditEvent())], [false, undefined]);
});

Deno.test("otelSink() throws when it is given no API", () => {
  for (const options of [{}, { api: {} }, { api: { trace: {} } }, { api, logs: {} }]) {
    assertThrows(() => otelSink(options as OtelSinkOptions), TypeError);
  }
});

Deno.test("otelSink() tells no token of a URL, where the spans of Deno do", async () => {
  const code = `
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response());
    const url = "http://127.0.0.1:" + server.addr.port + "/x?access_token=s3cr3t";
    await (await fetch(url)).text();
    await server.shutdown();`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", "--no-config", code],
    env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console" },
    stdin: "null",
  }).output();
  const spans = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertStringIncludes(spans, "access_token=s3cr3t");

  const span = recordingSpan();
  const resource = "https://api.example/x?access_token=s3cr3t";
  otelSink({ api: { trace: { getActiveSpan: () => span } } })
    .write(auditEvent({ kind: "dpop.verify", resource }));
  assertFalse(JSON.stringify(span.added).includes("s3cr3t"));
  assertStringIncludes(JSON.stringify(span.added), "https://api.example/x");
});
