/**
 * The audit trail against loggers that are commonly used in its place, each in turns with the others.
 *
 * Run with `deno task bench bench/events_bench.ts`.
 */
import { configure, getLogger } from "@logtape/logtape";
import { pino } from "pino";
import { AuditLogger, type AuditLoggerOptions } from "../src/events/audit_logger.ts";
import type { AuditEvent, AuditEventInput } from "../src/events/audit_event.ts";
import type { AuditSink } from "../src/events/audit_sink.ts";
import { benchOnce, formatTurns, takeTurns } from "./_turns.ts";

const EVENT: AuditEventInput = {
  kind: "file.read",
  outcome: "success",
  principal: "alice",
  resource: "notes/2026/march.md",
  durationMs: 1.25,
  details: { bytes: 4096, root: "notes" },
};

/** Takes events, and lets nothing of them be optimized away. */
function swallowing(): AuditSink & { readonly seen: number } {
  let seen = 0;
  return {
    name: "nowhere",
    write(event: AuditEvent) {
      seen += event.seq;
    },
    get seen() {
      return seen;
    },
  };
}

function logger(options: Partial<AuditLoggerOptions> = {}): AuditLogger {
  return new AuditLogger({ sinks: [swallowing()], ...options });
}

benchOnce("one event to nowhere (table below)", async () => {
  let written = 0;
  const peer = pino({ timestamp: pino.stdTimeFunctions.isoTime }, {
    write(line: string) {
      written += line.length;
    },
  });
  await configure({
    reset: true,
    sinks: { nowhere: (record) => void (written += record.message.length) },
    loggers: [
      { category: "events", sinks: ["nowhere"], lowestLevel: "info" },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["nowhere"] },
    ],
  });
  const logtape = getLogger("events");
  const plain = logger();
  const hashIdentifiers = { key: new Uint8Array(32), keyId: "2026" };
  const [hashing, meeting] = [logger({ hashIdentifiers }), logger({ hashIdentifiers })];
  const scope = plain.with({ principal: "alice", correlationId: crypto.randomUUID() });
  const { principal: _, ...scoped } = EVENT;
  const secret = { ...EVENT, reason: `sent Bearer ${"x".repeat(43)}`, details: { password: "x" } };
  let user = 0;
  const turns = await takeTurns([
    { name: "pino, as JSON", run: () => peer.info(EVENT, "read") },
    { name: "LogTape, as an object", run: () => logtape.info("read", { ...EVENT }) },
    { name: "AuditLogger, as an object", run: () => plain.report(EVENT) },
    { name: "… of a request", run: () => scope.report(scoped) },
    { name: "… with secrets", run: () => plain.report(secret) },
    { name: "… hashed, known", run: () => hashing.report(EVENT) },
    {
      name: "… hashed, new",
      run: () => meeting.report({ ...EVENT, principal: `user ${user++}` }),
    },
  ], { calls: 2000 });
  if (written === 0 || plain.stats().lost > 0) throw new Error("nothing was measured");
  return formatTurns("one event to nowhere", turns);
});
