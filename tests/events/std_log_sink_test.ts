import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { BaseHandler } from "@std/log/base-handler";
import { FileHandler } from "@std/log/file-handler";
import { jsonFormatter } from "@std/log/formatters";
import { getLogger } from "@std/log/get-logger";
import { type LevelName, LogLevels } from "@std/log/levels";
import { Logger, LogRecord } from "@std/log/logger";
import { setup } from "@std/log/setup";
import { fromFileUrl } from "@std/path/from-file-url";
import * as fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEvent, AuditEventInput, AuditReporter } from "../../src/events/audit_event.ts";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { memorySink } from "../../src/events/memory_sink.ts";
import {
  createAuditLogHandler,
  sanitizingFormatter,
  stdLogSink,
  type StdLogSinkOptions,
} from "../../src/events/std_log_sink.ts";
import { auditEvent, HOSTILE, SEVERITIES, UNSAFE } from "./_mapped_events.ts";

const child = fromFileUrl(new URL("./_std_log_child.ts", import.meta.url));

/** Keeps what would be written. */
class MemoryHandler extends BaseHandler {
  readonly lines: string[] = [];
  readonly levels: string[] = [];
  override handle(record: LogRecord): void {
    if (record.level >= this.level) this.levels.push(record.levelName);
    super.handle(record);
  }
  override log(line: string): void {
    this.lines.push(line);
  }
}

let names = 0;

/** A logger of a new name, and what is written by it. */
function memoryLogger(
  formatter?: (record: LogRecord) => string,
): { name: string; handler: MemoryHandler; logger: Logger } {
  const handler = new MemoryHandler("NOTSET", formatter && { formatter });
  const name = `std_log_sink_test_${names++}`;
  const logger = getLogger(name);
  logger.handlers = [handler];
  return { name, handler, logger };
}

function record(msg: string, args: unknown[] = [], level: number = LogLevels.INFO): LogRecord {
  return new LogRecord({ msg, args, level: level as 20, loggerName: "app" });
}

/** What the formatter says, without the time. */
function formatted(from: LogRecord, format: "text" | "json" = "text"): string {
  return sanitizingFormatter({ format })(from).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, "TIME");
}

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("stdLogSink() passes events on as lines of JSON, in their order, at their level", async () => {
  const { name, handler } = memoryLogger();
  const sink = stdLogSink({ logger: name });
  const events = SEVERITIES.map((severity, seq) => auditEvent({ seq, severity }));
  const writes = events.slice(0, 3).map((event) => sink.write(event));
  assertEquals(handler.lines, [], "it is not loaded yet");
  await Promise.all(writes);
  for (const event of events.slice(3)) assertEquals(sink.write(event), undefined);
  assertEquals(handler.levels, ["INFO", "INFO", "WARN", "ERROR", "CRITICAL"]);
  assertEquals(handler.lines.map((line) => JSON.parse(line.replace(/^\S+ /, ""))), events);
});

Deno.test("stdLogSink() keeps the order of events that are written while it loads", async () => {
  const { name, handler } = memoryLogger(({ msg }) => msg);
  const sink = stdLogSink({ logger: name, levels: { info: "DEBUG" } });
  const first = Promise.resolve(sink.write(auditEvent({ seq: 0 })))
    .then(() => sink.write(auditEvent({ seq: 2 })));
  await Promise.all([first, sink.write(auditEvent({ seq: 1 }))]);
  await sink.write(auditEvent({ seq: 3 }));
  assertEquals(handler.lines.map((line) => (JSON.parse(line) as AuditEvent).seq), [0, 1, 2, 3]);
  assertEquals(new Set(handler.levels), new Set(["DEBUG"]));
});

Deno.test("stdLogSink() bounds what waits while it loads", async () => {
  const { name, handler } = memoryLogger();
  const sink = stdLogSink({ logger: name, maxQueued: 2 });
  const writes = [sink.write(auditEvent()), sink.write(auditEvent())];
  const error = assertThrows(() => sink.write(auditEvent()), SecurityError);
  assertEquals(error.code, "audit-unavailable");
  await Promise.all(writes);
  await sink.write(auditEvent());
  assertEquals(handler.lines.length, 3);
});

Deno.test("stdLogSink() rejects what no handler takes, and what a handler throws at", async () => {
  const silent = stdLogSink({ logger: `nobody_${names++}` });
  await assertRejects(async () => await silent.write(auditEvent()), TypeError, "no handlers");
  const { name, handler } = memoryLogger();
  handler.log = () => {
    throw new Error("disk full");
  };
  const sink = stdLogSink({ logger: name });
  await assertRejects(async () => await sink.write(auditEvent()), Error, "disk full");
  assertThrows(() => sink.write(auditEvent()), Error, "disk full");
});

Deno.test("stdLogSink() counts as lost what the levels of the logger leave out", async () => {
  const { name, handler, logger } = memoryLogger();
  const sink = stdLogSink({ logger: name });
  const audit = new AuditLogger({ sinks: [sink] });
  const other = new MemoryHandler("NOTSET");
  const settings = [
    // Level of the logger, levels of its handlers, lines that are written.
    ["ERROR", [LogLevels.NOTSET, LogLevels.NOTSET], 0],
    ["NOTSET", [LogLevels.ERROR, LogLevels.CRITICAL], 0],
    ["NOTSET", [LogLevels.ERROR, LogLevels.WARN], 2],
    ["WARN", [LogLevels.ERROR, LogLevels.WARN], 2],
  ] as const;
  logger.handlers = [handler, other];
  let lost = 0;
  for (const [level, levels, lines] of settings) {
    logger.levelName = level;
    [handler.level, other.level] = levels;
    handler.lines.length = other.lines.length = 0;
    await audit.denied("file.read");
    await audit.denied("file.read");
    await audit.flush();
    assertEquals(handler.lines.length + other.lines.length, lines);
    lost += 2 - lines;
    const [stats] = audit.stats().sinks;
    assertEquals([stats?.lost, stats?.lastErrorCode], [lost, "audit-unavailable"]);
  }
  await audit.close();
});

Deno.test("stdLogSink() throws when an option is wrong", () => {
  const cases: [unknown, typeof TypeError | typeof RangeError][] = [
    [{ logger: 1 }, TypeError],
    [{ levels: { info: "LOUD" } }, TypeError],
    [{ levels: { info: "NOTSET" } }, TypeError],
    [{ maxQueued: 0 }, RangeError],
    [{ maxQueued: NaN }, RangeError],
    [{ maxQueued: "1" }, TypeError],
  ];
  for (const [options, type] of cases) {
    assertThrows(() => stdLogSink(options as StdLogSinkOptions), type);
  }
  assertThrows(() => sanitizingFormatter({ format: "xml" as "text" }), TypeError);
});

Deno.test("stdLogSink() keeps a hostile principal on one line, where the logger itself does not", async () => {
  for (const principal of HOSTILE) {
    // The formatter of @std/log.
    const { name, handler, logger } = memoryLogger();
    await stdLogSink({ logger: name }).write(auditEvent({ principal }));
    const [line = ""] = handler.lines;
    assertEquals([handler.lines.length, UNSAFE.test(line)], [1, false], line);
    assertEquals(JSON.parse(line.replace(/^\S+ /, "")).principal, principal);

    logger.info(`login of ${principal}`);
    assertEquals(handler.lines[1], `INFO login of ${principal}`);
  }
  // Controls: a line that was forged, and one that a terminal obeys.
  const { handler, logger } = memoryLogger();
  logger.info(`login of ${HOSTILE[0]}`);
  assertEquals(handler.lines[0]?.split("\n")[1], "INFO login ok for admin");
  logger.info("login of \x1b[2J\x9b2J");
  assert(UNSAFE.test(handler.lines[1] ?? ""));
});

Deno.test("sanitizingFormatter() lets no message forge a line or a field", () => {
  for (const hostile of HOSTILE) {
    for (const format of ["text", "json"] as const) {
      const line = formatted(record(hostile, [hostile, { [hostile]: hostile }]), format);
      assertFalse(UNSAFE.test(line), line);
      const text = /^TIME INFO "app" (".*") \[(".*"),(\{.*\})\]$/.exec(line);
      const parsed: unknown = format === "json"
        ? JSON.parse(line.replace("TIME", "2026"))
        : text?.slice(1).map((part) => JSON.parse(part));
      const values = [hostile, hostile, { [hostile]: hostile }];
      assertEquals(
        parsed,
        format === "text" ? values : {
          time: "2026",
          level: "INFO",
          logger: "app",
          message: hostile,
          args: values.slice(1),
        },
      );
    }
  }
  // Controls: the logger makes text of an object without escaping, and JSON leaves much as it is.
  const { handler, logger } = memoryLogger();
  logger.info({ user: 'x","role":"admin' });
  assertEquals(handler.lines[0], 'INFO {"user":"x","role":"admin"}');
  assert(UNSAFE.test(jsonFormatter(record("\x7f\x9b2J\u202e\u2028\ufeff"))));
});

Deno.test("sanitizingFormatter() writes any message and any argument on one line", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.array(fc.anything({ withBigInt: true, withMap: true, withDate: true }), { maxLength: 3 }),
      (msg, args) => {
        for (const format of ["text", "json"] as const) {
          const line = formatted(record(msg, args), format);
          assertFalse(UNSAFE.test(line), line);
          if (format === "json") JSON.parse(line.replace("TIME", ""));
        }
      },
    ),
    { seed: 65, numRuns: 500 },
  );
});

Deno.test("sanitizingFormatter() never throws, and bounds what it writes", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const cases: [unknown, string][] = [
    [cycle, '"[unserializable]"'],
    [{
      get bad(): never {
        throw new Error("no");
      },
    }, '"[unserializable]"'],
    [{
      toJSON() {
        throw new Error("no");
      },
    }, '"[unserializable]"'],
    [12n, '"12"'],
    [undefined, '"undefined"'],
    [Symbol("s"), '"Symbol(s)"'],
    [new Error("a\nb"), '"Error: a\\nb"'],
    [new Map([["a", 1n]]), '[["a","1"]]'],
    [new Set([1]), "[1]"],
    [NaN, "null"],
  ];
  for (const [value, expected] of cases) {
    assertEquals(formatted(record("m", [value])), `TIME INFO "app" "m" [${expected}]`);
  }
  const long = formatted(record("\n".repeat(1e6), ["a".repeat(1e6), { b: "b".repeat(1e6) }]));
  assert(long.length < 120_000);
  assertStringIncludes(long, "more]");
});

Deno.test("sanitizingFormatter() does not escape what stdLogSink() passes on a second time", async () => {
  const event = auditEvent({ principal: 'a"\u202eb' });
  for (const format of ["text", "json"] as const) {
    const { name, handler } = memoryLogger(sanitizingFormatter({ format }));
    await stdLogSink({ logger: name }).write(event);
    const [line = ""] = handler.lines;
    assertFalse(UNSAFE.test(line));
    const json = format === "json"
      ? JSON.parse(line).event
      : JSON.parse(line.slice(line.indexOf("{")));
    assertEquals(json, event);
  }
  // Whoever logs the same text without the sink has it escaped.
  const forged = formatted(record(JSON.stringify(event)), "json");
  assertEquals(typeof JSON.parse(forged.replace("TIME", "")).message, "string");
});

Deno.test("createAuditLogHandler() reports records as events", async () => {
  const events: AuditEventInput[] = [];
  const handler = await createAuditLogHandler(
    { report: (event) => void events.push(event) },
    "WARN",
  );
  assertInstanceOf(handler, BaseHandler);
  const logger = new Logger("billing\n/ü.v2", "NOTSET", { handlers: [handler] });
  logger.info("below the level");
  logger.warn("slow", { ms: 9 }, 2);
  logger.error(new Error("refused").message);
  logger.critical("down");
  handler.log("by hand");
  assertEquals(events.map(({ timeMs, ...event }) => [typeof timeMs, event]), [
    ["number", {
      kind: "log.billing___.v2",
      outcome: "success",
      severity: "warning",
      reason: "slow",
      details: { level: "WARN", args: [{ ms: 9 }, 2] },
    }],
    ["number", {
      kind: "log.billing___.v2",
      outcome: "error",
      severity: "error",
      reason: "refused",
      details: { level: "ERROR" },
    }],
    ["number", {
      kind: "log.billing___.v2",
      outcome: "error",
      severity: "critical",
      reason: "down",
      details: { level: "CRITICAL" },
    }],
    ["number", {
      kind: "log.default",
      outcome: "success",
      severity: "warning",
      reason: "by hand",
      details: { level: "WARN" },
    }],
  ]);
});

Deno.test("createAuditLogHandler() makes a kind that is valid of any name of a logger", async () => {
  const cases: [string, string][] = [
    ["", "log.default"],
    ["billing.v2", "log.billing.v2"],
    ["app..db", "log.app_.db"],
    [".x", "log._x"],
    ["a.", "log.a_"],
    ["...", "log.___"],
    ["a/b:c d", "log.a_b_c_d"],
    ["日本", "log.__"],
    ["n".repeat(1000), `log.${"n".repeat(60)}`],
    [`${"n".repeat(59)}.x`, `log.${"n".repeat(59)}_`],
  ];
  const sink = memorySink();
  const audit = new AuditLogger({ sinks: [sink] });
  const handler = await createAuditLogHandler(audit);
  for (const [name] of cases) new Logger(name, "INFO", { handlers: [handler] }).error("x");
  assertEquals(sink.events.map(({ kind }) => kind), cases.map(([, kind]) => kind));
});

Deno.test("createAuditLogHandler() counts what the reporter does not take, and throws into no logger", async () => {
  let calls = 0;
  const handler = await createAuditLogHandler({
    report() {
      if (calls++ === 0) throw new Error("full");
      return Promise.reject(new Error("full"));
    },
  });
  const logger = new Logger("app", "INFO", { handlers: [handler] });
  logger.info("one");
  assertEquals(handler.lost, 1);
  logger.info("two");
  await Promise.resolve();
  assertEquals([calls, handler.lost], [2, 2]);
  await assertRejects(() => createAuditLogHandler({} as AuditReporter), TypeError);
  const handlerOf = (level: string) => createAuditLogHandler({ report() {} }, level as LevelName);
  await assertRejects(() => handlerOf("LOUD"), Error);
});

Deno.test("stdLogSink() and createAuditLogHandler() on one logger do not feed each other", async () => {
  const { name, handler, logger } = memoryLogger(({ msg }) => msg);
  const sink = stdLogSink({ logger: name });
  await sink.write(auditEvent());
  let reports = 0;
  const toEvent = ({ kind }: AuditEventInput) => auditEvent({ kind });
  const reporters: AuditReporter["report"][] = [
    (event) => sink.write(toEvent(event)),
    // As a logger with a queue does: the sink is called when the record has long been handled.
    async (event) => {
      await new Promise((resolve) => setTimeout(resolve));
      await sink.write(toEvent(event));
    },
  ];
  for (const report of reporters) {
    handler.lines.length = 0;
    reports = 0;
    const settled: (void | Promise<void>)[] = [];
    const bridge = await createAuditLogHandler({
      report(event) {
        reports++;
        const reported = report(event);
        settled.push(reported);
        return reported;
      },
    });
    logger.handlers = [handler, bridge];
    logger.warn("from the application");
    await Promise.all(settled);
    await Promise.resolve();
    assertEquals([reports, handler.lines.length], [1, 2]);
  }

  // The control: a bridge without the guard, stopped before it fills the stack.
  let turns = 0;
  class Bare extends BaseHandler {
    override log(): void {
      if (turns++ < 100) sink.write(auditEvent());
    }
  }
  logger.handlers = [new Bare("NOTSET")];
  logger.warn("from the application");
  assertEquals(turns, 101);
});

Deno.test("createAuditLogHandler() reports nothing that is logged by its own reporter", async () => {
  const { logger } = memoryLogger();
  let reports = 0;
  const bridge = await createAuditLogHandler({
    report() {
      reports++;
      logger.warn("a sink of somebody who logs");
    },
  });
  logger.handlers = [bridge];
  logger.info("from the application");
  logger.info("and again");
  assertEquals(reports, 2);
});

Deno.test("the file handler of @std/log loses what it holds when a program is ended, unless it was flushed", async () => {
  await using folder = await temporaryFolder();
  const run = async (end: string, ...more: string[]) => {
    const file = `${folder.path}/${end}${more}.log`;
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-check", "--no-prompt", "-A", child, file, end, ...more],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return { size: (await Deno.stat(file)).size, code };
  };
  assertNotEquals((await run("normal")).size, 0);
  const ends = Deno.build.os === "windows"
    ? ["throw", "rejection"]
    : ["throw", "rejection", "SIGTERM", "SIGKILL"];
  await Promise.all(ends.map(async (end) => {
    const lost = await run(end);
    assertEquals([lost.size, lost.code === 0], [0, false], end);
  }));
  const [end = ""] = ends.slice(-1);
  assertNotEquals((await run(end, "flush")).size, 0);
});

Deno.test({
  name:
    "the file handler of @std/log truncates what a link leads to, and lets everybody read its file",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using folder = await temporaryFolder();
    const [victim, link, log] = ["victim", "link", "log"].map((name) => `${folder.path}/${name}`);
    await Deno.writeTextFile(victim!, "what somebody needs");
    await Deno.symlink(victim!, link!);
    const truncating = new FileHandler("INFO", { filename: link!, mode: "w" });
    truncating.setup();
    truncating.destroy();
    assertEquals(await Deno.readTextFile(victim!), "");

    const handler = new FileHandler("INFO", { filename: log! });
    handler.setup();
    handler.destroy();
    // Whatever the mask leaves of 0666, as of any file: nothing that a log should have.
    assertEquals((await Deno.stat(log!)).mode, (await Deno.stat(victim!)).mode);
  },
});

Deno.test("stdLogSink() uses the default logger when none is named", async () => {
  const handler = new MemoryHandler("INFO");
  try {
    setup({
      handlers: { memory: handler },
      loggers: { default: { level: "INFO", handlers: ["memory"] } },
    });
    const sink = stdLogSink();
    await sink.write(auditEvent());
    await sink.flush?.();
    assertMatch(handler.lines[0] ?? "", /^INFO \{"correlationId":"c-1"/);
  } finally {
    setup({});
  }
});
