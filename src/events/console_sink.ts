import { wrongOption } from "../_internal/options.ts";
import { canonicalJson, escapeJson, escapeText, toJsonLine } from "./_json_line.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode consoleSink}. */
export interface ConsoleSinkOptions {
  /** `json` for machines, `text` for people; one line an event in both. @default {"json"} */
  readonly format?: "json" | "text";
  /** Takes a line, without its end. @default {console.log, or where it is required the standard output} */
  readonly write?: (line: string) => void;
  /**
   * Whether an operation must not happen when the line cannot be written. As `console.log` tells no errors, lines
   * then go to the standard output directly, which Deno, Node and Bun have. @default {false}
   */
  readonly required?: boolean;
}

/** What a line of text names, in this order. */
const SHOWN = [
  "principal",
  "principalConfidence",
  "resource",
  "operation",
  "code",
  "reason",
  "durationMs",
  "correlationId",
  "traceparent",
  "clientCorrelationId",
  "hashKeyId",
  "id",
] as const;

/**
 * Writes each event to the console, as one line that no event can forge, end or colour: quotes, line ends,
 * control and bidirectional characters are escaped.
 *
 * Standard output is not durable: use it to watch, or where something that keeps it reads it.
 *
 * @example
 * ```ts
 * import { AuditLogger, consoleSink } from "@bartizan/security";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const lines: string[] = [];
 * const sink = consoleSink({ format: "text", write: (line) => void lines.push(line) });
 * await new AuditLogger({ sinks: [sink] }).denied("login", { principal: "bob\nINFO admin" });
 * assertStringIncludes(lines[0] ?? "", 'WARNING denied login principal="bob\\nINFO admin"');
 * ```
 *
 * @param options The format.
 * @returns The sink.
 * @throws {TypeError} If an option is of the wrong type or unknown, or it is required where nothing would tell
 * that a line was not written.
 */
export function consoleSink(options: ConsoleSinkOptions = {}): AuditSink {
  const purpose = "create a console sink";
  const { format = "json", required = false } = options;
  if (format !== "json" && format !== "text") {
    throw wrongOption(purpose, "format", '"json" or "text"', format);
  }
  if (typeof required !== "boolean") {
    throw wrongOption(purpose, "required", "true or false", required);
  }
  const { write = required ? standardOutput() : toConsole } = options;
  if (write === undefined) {
    throw wrongOption(purpose, "required", "false where there is no standard output", required);
  }
  if (typeof write !== "function") throw wrongOption(purpose, "write", "a function", write);
  const line = format === "json" ? toJsonLine : toText;
  return Object.freeze({
    name: "console",
    required,
    write: (event: AuditEvent) => write(line(event)),
  });
}

function toText(event: AuditEvent): string {
  let line = `${event.time} #${event.seq} ${event.severity.toUpperCase()} ${event.outcome} ${
    escapeText(event.kind)
  }`;
  for (const name of SHOWN) {
    const value = event[name];
    if (value === undefined) continue;
    line += typeof value === "number" ? ` ${name}=${value}` : ` ${name}="${escapeText(value)}"`;
  }
  const { source, details } = event;
  if (source !== undefined) line += ` source=${escapeJson(canonicalJson(source))}`;
  if (Object.keys(details).length > 0) line += ` details=${escapeJson(canonicalJson(details))}`;
  return line;
}

function toConsole(line: string): void {
  // deno-lint-ignore bartizan/no-console -- the console is where this sink writes to.
  console.log(line);
}

/** What there is of `node:fs`: it throws when whoever read the standard output has gone, or its disk is full. */
function standardOutput(): ((line: string) => void) | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const { writeSync } = (process?.getBuiltinModule?.("node:fs") ?? {}) as Partial<NodeFiles>;
  if (writeSync === undefined) return undefined;
  const encoder = new TextEncoder();
  return (line) => {
    let bytes = encoder.encode(`${line}\n`);
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(1, bytes));
  };
}

interface NodeFiles {
  writeSync(file: number, bytes: Uint8Array): number;
}
