import type { BaseHandler, FormatterFunction } from "@std/log/base-handler";
import type { LevelName } from "@std/log/levels";
import type { Logger, LogRecord } from "@std/log/logger";
import { SecurityError } from "../errors.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import { escapeJson, toJsonLine } from "./_json_line.ts";
import type { AuditEvent, AuditReporter, AuditSeverity } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode stdLogSink}. */
export interface StdLogSinkOptions {
  /** Name of the logger, as in `getLogger(name)`. @default {the default logger} */
  readonly logger?: string;
  /** Levels of severities. @default {{ info: "INFO", notice: "INFO", warning: "WARN", error: "ERROR", critical: "CRITICAL" }} */
  readonly levels?: Readonly<Partial<Record<AuditSeverity, LevelName>>>;
  /** Events that may wait while the logger is loaded, by the first of them. @default {1_000} */
  readonly maxQueued?: number;
}

/** Options of {@linkcode sanitizingFormatter}. */
export interface SanitizingFormatterOptions {
  /** `text` is time, level, logger, and the message in quotes; `json` one object. @default {"text"} */
  readonly format?: "text" | "json";
}

/** The bridge that {@linkcode createAuditLogHandler} makes. */
export interface AuditLogHandler extends BaseHandler {
  /** How many records the reporter did not take. */
  readonly lost: number;
}

const LEVELS: Readonly<Record<AuditSeverity, LevelName>> = {
  info: "INFO",
  notice: "INFO",
  warning: "WARN",
  error: "ERROR",
  critical: "CRITICAL",
};

/** How a level is logged, as a logger has no method that takes one, and what it is compared by. */
type Log = readonly [level: number, log: (logger: Logger, line: string) => void];

/** Also of a severity that is unknown, which is no reason to lose an event. */
const WARN: Log = [30, (logger, line) => logger.warn(line)];

const LOG: ReadonlyMap<unknown, Log> = new Map<unknown, Log>([
  ["DEBUG", [10, (logger, line) => logger.debug(line)]],
  ["INFO", [20, (logger, line) => logger.info(line)]],
  ["WARN", WARN],
  ["ERROR", [40, (logger, line) => logger.error(line)]],
  ["CRITICAL", [50, (logger, line) => logger.critical(line)]],
]);

/** What a sink is passing on at this moment: handlers and formatters run within the call. */
let passing: string | undefined;

/**
 * Passes events to a logger of `@std/log`, each as one line of JSON in which nothing acts on a terminal.
 *
 * This is for people who watch, **not for compliance**. `@std/log` promises nobody that a record was kept, and this is
 * what version 0.224 was seen to do:
 *
 * - Its file handler loses what it has buffered, 4 KiB and more, when the program throws, leaves a rejection
 *   unhandled, or gets SIGTERM or SIGKILL. (`flush` of this sink flushes the handlers of the logger.)
 * - It follows a symbolic link and, with mode `w`, truncates what the link leads to. The file gets mode 0644.
 * - Its formatters write line feeds, escape sequences and quotes as they come, so that a principal can forge
 *   lines and fields. Use {@linkcode sanitizingFormatter} for what the application logs itself.
 *
 * So it is not required: an event that it cannot take stops no operation. Keep a sink that writes the
 * audit log itself beside it.
 *
 * `@std/log` is loaded with the first event. Events wait in their order until it is there. It has to be set
 * up by the application: a write rejects when there is no such logger, when it has no handler, or when the level of
 * the logger or those of all its handlers leave the event out, so that it is counted as lost.
 *
 * @example
 * ```ts
 * import { stdLogSink } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const sink = stdLogSink({ logger: "audit", levels: { notice: "WARN" } });
 * assertEquals([sink.name, sink.required], ["std-log", false]);
 * ```
 *
 * @param options The logger and its levels.
 * @returns The sink.
 * @throws {TypeError} If `logger` is no string, or a level unknown.
 * @throws {RangeError} If `maxQueued` is no integer from 1 on.
 */
export function stdLogSink(options: StdLogSinkOptions = {}): AuditSink {
  const purpose = "make a sink for @std/log";
  const { logger: name } = options;
  if (name !== undefined && typeof name !== "string") {
    throw wrongOption(purpose, "logger", "a string", name);
  }
  const levels = { ...LEVELS, ...options.levels };
  for (const level of Object.values(levels)) {
    if (!LOG.has(level)) throw wrongOption(purpose, "levels", "names of levels", level);
  }
  const maxQueued = integerOption(purpose, "maxQueued", options.maxQueued, {
    otherwise: 1000,
    least: 1,
  });

  let getLogger: ((name?: string) => Logger) | undefined;
  let loading: Promise<void> | undefined;
  let queued = 0;
  const load = async () => {
    try {
      ({ getLogger } = await import("@std/log/get-logger"));
    } finally {
      // A failure is not for ever: the module may be on a disk that comes back.
      loading = undefined;
    }
  };
  const pass = (event: AuditEvent) => {
    const logger = getLogger?.(name);
    if (logger === undefined || logger.handlers.length === 0) {
      throw new TypeError(`The logger ${JSON.stringify(name ?? "default")} has no handlers`);
    }
    const [level, log] = LOG.get(levels[event.severity]) ?? WARN;
    if (logger.level > level || logger.handlers.every((handler) => handler.level > level)) {
      throw new SecurityError("audit-unavailable", "The levels of the logger leave the event out");
    }
    const line = toJsonLine(event);
    const outer = passing;
    passing = line;
    try {
      log(logger, line);
    } finally {
      passing = outer;
    }
  };
  return {
    name: "std-log",
    required: false,
    write(event) {
      if (getLogger !== undefined && queued === 0) return pass(event);
      if (queued >= maxQueued) {
        throw new SecurityError("audit-unavailable", "Too many events wait for the logger");
      }
      queued++;
      // Reactions run in the order in which they were added, and so events stay in theirs.
      return (loading ??= load()).then(() => pass(event)).finally(() => queued--);
    },
    async flush() {
      await loading?.catch(() => {});
      const handlers: readonly unknown[] = getLogger?.(name).handlers ?? [];
      for (const handler of handlers) if (canFlush(handler)) handler.flush();
    },
  };
}

/**
 * Makes a formatter for any handler of `@std/log` that keeps a record on one line and each value in its
 * place: controls, escape sequences, directional marks and what is not seen are written as `\uXXXX`, and quotes
 * are escaped, in the message as well as in the arguments.
 *
 * `text` is `TIME LEVEL "logger" "message" [arguments]`, `json` an object of the same. Events that
 * {@linkcode stdLogSink} passes on are lines of JSON already, and are not escaped twice.
 *
 * Values of others belong into the arguments: `log.info("login", { user })`. Of an object that is the message
 * itself, `log.info({ user })`, the logger makes text before any formatter sees it, without escaping quotes.
 *
 * @example
 * ```ts
 * import { sanitizingFormatter } from "@bartizan/security";
 * import { LogRecord } from "@std/log/logger";
 * import { assertEquals } from "@std/assert";
 *
 * const format = sanitizingFormatter();
 * const record = new LogRecord({
 *   msg: "login of bob\nINFO login of admin",
 *   args: [],
 *   level: 20,
 *   loggerName: "app",
 * });
 * assertEquals(format(record).split(" ").slice(1).join(" "), 'INFO "app" "login of bob\\nINFO login of admin"');
 * ```
 *
 * @param options The format.
 * @returns What the option `formatter` of a handler takes. It never throws.
 * @throws {TypeError} If `format` is unknown.
 */
export function sanitizingFormatter(options: SanitizingFormatterOptions = {}): FormatterFunction {
  const { format = "text" } = options;
  if (format !== "text" && format !== "json") {
    throw wrongOption("make a formatter", "format", '"text" or "json"', format);
  }
  return (record: LogRecord): string => {
    const { msg, loggerName, levelName } = record;
    const time = record.datetime.toISOString();
    const isEvent = passing !== undefined && msg === passing;
    const [message, level, logger] = [isEvent ? msg : quoted(msg), levelName, quoted(loggerName)];
    const args = record.args.map(argumentText).join(",");
    if (format === "text") {
      return `${time} ${escapeJson(level)} ${logger} ${message}${args && ` [${args}]`}`;
    }
    return `{"time":"${time}","level":${quoted(level)},"logger":${logger},` +
      `"${isEvent ? "event" : "message"}":${message}${args && `,"args":[${args}]`}}`;
  };
}

/**
 * Makes a handler of `@std/log` that reports what an application logs: as events of the kind `log.<logger>`, with the
 * message as `reason` and the arguments in `details`, which the audit logger then bounds and redacts.
 *
 * What {@linkcode stdLogSink} passes to a logger is not reported again, nor is what is logged while a record
 * is being reported, so that a logger which is both bridged and a sink's does not feed itself. A sink of your
 * own that logs *later* for every event would; let its logger have no bridge.
 *
 * A record is worth as much as the line of code that wrote it, so nothing is refused because of one, and a
 * reporter that fails is counted in `lost`.
 *
 * @example
 * ```ts
 * import { type AuditEventInput, createAuditLogHandler } from "@bartizan/security";
 * import { Logger } from "@std/log/logger";
 * import { assertEquals } from "@std/assert";
 *
 * const events: AuditEventInput[] = [];
 * const handler = await createAuditLogHandler({ report: (event) => void events.push(event) }, "WARN");
 * const logger = new Logger("billing", "DEBUG", { handlers: [handler] });
 * logger.info("not worth it");
 * logger.error("card refused", { attempt: 3 });
 * assertEquals(events.map(({ kind, severity }) => [kind, severity]), [["log.billing", "error"]]);
 * ```
 *
 * @param reporter Where to, such as an `AuditLogger`.
 * @param level The least level that is reported.
 * @returns The handler, once `@std/log` has been loaded.
 * @throws {TypeError} If `reporter` is none.
 * @throws {Error} If the level is unknown, or `@std/log` cannot be loaded.
 */
export async function createAuditLogHandler(
  reporter: AuditReporter,
  level: LevelName = "INFO",
): Promise<AuditLogHandler> {
  if (typeof reporter?.report !== "function") {
    throw wrongOption("make a log handler", "reporter", "an audit reporter", reporter);
  }
  const { BaseHandler } = await import("@std/log/base-handler");
  const { LogRecord } = await import("@std/log/logger");
  const { getLevelByName } = await import("@std/log/levels");

  class Handler extends BaseHandler implements AuditLogHandler {
    #isReporting = false;
    #lost = 0;

    get lost(): number {
      return this.#lost;
    }

    override handle(record: LogRecord): void {
      if (record.level < this.level || this.#isReporting || passing !== undefined) return;
      this.#isReporting = true;
      try {
        const reported: unknown = reporter.report(eventOf(record));
        if (isPromiseLike(reported)) reported.then(undefined, () => this.#lost++);
      } catch {
        this.#lost++;
      } finally {
        this.#isReporting = false;
      }
    }

    /** For whoever calls a handler without a logger. */
    override log(msg: string): void {
      const level = getLevelByName(this.levelName);
      this.handle(new LogRecord({ msg, args: [], level, loggerName: "default" }));
    }
  }
  return new Handler(level);
}

function eventOf(record: LogRecord): Parameters<AuditReporter["report"]>[0] {
  const { args, level } = record;
  return {
    kind: `log.${kindPart(record.loggerName) || "default"}`,
    outcome: level >= 40 ? "error" : "success",
    severity: level >= 50 ? "critical" : level >= 40 ? "error" : level >= 30 ? "warning" : "info",
    timeMs: record.datetime.getTime(),
    reason: record.msg,
    details: { level: record.levelName, ...(args.length > 0 && { args }) },
  };
}

/** Names of loggers are chosen by applications; kinds have no empty parts, and no more than 64 characters. */
function kindPart(loggerName: string): string {
  return loggerName.slice(0, 60).replace(/[^\w.-]/g, "_").replace(/^\.|\.(?=\.|$)/g, "_");
}

/** Longest text of a message or an argument, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 16_384;

/** As JSON in which nothing acts; cut, as a client may choose how long it is. */
function quoted(text: string): string {
  return escapeJson(JSON.stringify(cut(String(text))));
}

function argumentText(value: unknown): string {
  try {
    const json = JSON.stringify(value, plain);
    if (json === undefined) return quoted(String(value));
    return json.length > MAX_TEXT_LENGTH ? quoted(json) : escapeJson(json);
  } catch {
    // A cycle, a getter or a toJSON that throws.
    return '"[unserializable]"';
  }
}

/** What JSON cannot say, or would say as an empty object. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") {
    return String(value).slice(0, 64);
  }
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Map || value instanceof Set) return [...value];
  return value;
}

function cut(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  return `${text.slice(0, MAX_TEXT_LENGTH)}… [${text.length - MAX_TEXT_LENGTH} more]`
    .toWellFormed();
}

function canFlush(handler: unknown): handler is { flush(): void } {
  return typeof handler === "object" && handler !== null && "flush" in handler &&
    typeof handler.flush === "function";
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
