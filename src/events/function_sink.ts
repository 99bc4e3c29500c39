import { wrongOption } from "../_internal/options.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode functionSink}. */
export interface FunctionSinkOptions {
  /** Whether an operation must not happen when the function throws or rejects. @default {true} */
  readonly required?: boolean;
  /** Gets identifiers as they are where the logger hashes them. @default {false} */
  readonly plainIdentifiers?: boolean;
  /** Throws or rejects when an event would be lost now. @default {undefined} */
  readonly ready?: () => void | Promise<void>;
  /** Waits until everything written so far is as safe as it gets. @default {undefined} */
  readonly flush?: () => void | Promise<void>;
  /** Gives everything back, and waits for nothing once its signal is aborted. @default {undefined} */
  readonly close?: (signal?: AbortSignal) => void | Promise<void>;
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
 * @param options Whether it is required, and what else it can do.
 * @returns The sink.
 * @throws {TypeError} If `name` is empty or no string, `write` no function, or an option of the wrong
 * type.
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
  const { ready, flush, close } = options;
  for (const [option, value] of Object.entries({ ready, flush, close })) {
    if (value === undefined || typeof value === "function") continue;
    throw wrongOption(purpose, option, "a function", value);
  }
  return Object.freeze({
    name,
    required,
    plainIdentifiers,
    write: (event: AuditEvent) => write(event),
    ...(ready !== undefined && { ready: () => ready() }),
    ...(flush !== undefined && { flush: () => flush() }),
    ...(close !== undefined && { close: (signal?: AbortSignal) => close(signal) }),
  });
}
