import { wrongOption } from "../_internal/options.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode functionSink}. */
export interface FunctionSinkOptions {
  /** Whether an operation must not happen when the function throws or rejects. @default {true} */
  readonly required?: boolean;
  /** Gets identifiers as they are where the logger hashes them. @default {false} */
  readonly plainIdentifiers?: boolean;
}

/**
 * Makes a sink of any function.
 *
 * @example
 * ```ts
 * import { AuditLogger, functionSink } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const seen: string[] = [];
 * const sink = functionSink("list", ({ kind }) => void seen.push(kind));
 * await new AuditLogger({ sinks: [sink] }).success("file.read");
 * assertEquals(seen, ["file.read"]);
 * ```
 *
 * @param name What statistics call it.
 * @param write Takes an event, at once or by a promise; throws or rejects when it is lost.
 * @param options Whether it is required.
 * @returns The sink.
 * @throws {TypeError} If `name` is empty or no string, `write` no function, or an option no boolean.
 */
export function functionSink(
  name: string,
  write: (event: AuditEvent) => void | Promise<void>,
  options: FunctionSinkOptions = {},
): AuditSink {
  const purpose = "create a function sink";
  if (typeof name !== "string" || name === "") {
    throw wrongOption(purpose, "name", "a name", name);
  }
  if (typeof write !== "function") throw wrongOption(purpose, "write", "a function", write);
  const { required = true, plainIdentifiers = false } = options;
  for (const [option, value] of Object.entries({ required, plainIdentifiers })) {
    if (typeof value !== "boolean") throw wrongOption(purpose, option, "true or false", value);
  }
  return Object.freeze({
    name,
    required,
    plainIdentifiers,
    write: (event: AuditEvent) => write(event),
  });
}
