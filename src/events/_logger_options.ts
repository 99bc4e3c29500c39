import { type Clock, systemClock } from "../_internal/clock.ts";
import { checkNames, integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { EventContext } from "./_event_maker.ts";
import { HashedIdentifiers, type HashIdentifiersOptions } from "./_hashed_identifiers.ts";
import type { SanitizerLimits } from "./_sanitize.ts";
import type { AuditSource } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";
import type { Correlation } from "./correlation.ts";

/** Options of an `AuditLogger`. */
export interface AuditLoggerOptions {
  /** Where events go; at least one. */
  readonly sinks: readonly AuditSink[];
  /**
   * `refuse`: a report rejects with `audit-unavailable` when a required sink does not take the event, so that
   * what cannot be recorded does not happen. `count`: reports never reject, and losses are only counted.
   * @default {"refuse"}
   */
  readonly onSinkFailure?: "refuse" | "count";
  /** On whose behalf, where a report does not say. @default {undefined} */
  readonly principal?: () => string | undefined;
  /** Where the request came from, where a report does not say. @default {undefined} */
  readonly source?: () => AuditSource | undefined;
  /** What request it belongs to, where a report does not say. @default {undefined} */
  readonly correlation?: () => Partial<Correlation> | undefined;
  /** The time, in milliseconds since the epoch. @default {the wall time of `clock`} */
  readonly now?: () => number;
  /** Where time comes from. @default {the clocks of the machine} */
  readonly clock?: Clock;
  /**
   * Names of further secrets, beside `password`, `authorization` and their like; in any spelling: `cardNumber`
   * is also `card_number`. @default {[]}
   */
  readonly redact?: readonly string[];
  /**
   * The only names of details that are kept, by kind; `*` is for kinds that are not named, of which nothing is
   * kept otherwise. @default {everything is kept}
   */
  readonly allowDetails?: Readonly<Record<string, readonly string[]>>;
  /** Records keyed hashes in the place of principals and addresses. @default {undefined} */
  readonly hashIdentifiers?: HashIdentifiersOptions;
  /** Longest text, in UTF-16 units, from 64 to 65,536; longer ones are cut and marked. @default {2048} */
  readonly maxStringLength?: number;
  /** Most bytes of details in a line, from 4096 to 1,048,576. @default {16_384} */
  readonly maxDetailsBytes?: number;
  /** How deep details may be nested, from 1 to 32. @default {6} */
  readonly maxDepth?: number;
  /** Most members of one object or list in details, from 1 to 10,000. @default {64} */
  readonly maxMembers?: number;
  /**
   * Most events under way to a sink; more are lost to it, and a loss of a required one is handled like any other.
   * @default {10_000}
   */
  readonly maxPending?: number;
  /** How long `flush` and `close` wait, in milliseconds; a sink that is late is closed all the same. @default {5000} */
  readonly flushTimeoutMs?: number;
}

/** Options as they were found to be in order. */
export interface ReadOptions extends EventContext, SanitizerLimits {
  readonly sinks: readonly AuditSink[];
  readonly refuses: boolean;
  readonly redact: readonly string[];
  readonly hashed: HashedIdentifiers | undefined;
  readonly clock: Clock;
  readonly maxPending: number;
  readonly timeoutMs: number;
}

const PURPOSE = "create an AuditLogger";
const OPTIONS: Readonly<Record<keyof AuditLoggerOptions, true>> = {
  sinks: true,
  onSinkFailure: true,
  principal: true,
  source: true,
  correlation: true,
  now: true,
  clock: true,
  redact: true,
  allowDetails: true,
  hashIdentifiers: true,
  maxStringLength: true,
  maxDetailsBytes: true,
  maxDepth: true,
  maxMembers: true,
  maxPending: true,
  flushTimeoutMs: true,
};
const CALLBACKS = ["principal", "source", "correlation", "now"] as const;

/**
 * Reads the options, each once.
 *
 * @param options What the user said.
 * @returns What holds.
 * @throws {TypeError} If an option is of the wrong type or unknown.
 * @throws {RangeError} If a number is no integer in its range.
 */
export function readOptions(options: AuditLoggerOptions): ReadOptions {
  const { sinks, onSinkFailure = "refuse", clock = systemClock, redact = [] } = options;
  const { principal, source, correlation, now, hashIdentifiers } = options;
  checkNames(PURPOSE, options, Object.keys(OPTIONS));
  if (!Array.isArray(sinks) || sinks.length === 0 || !sinks.every(isSink)) {
    throw wrongOption(PURPOSE, "sinks", "a list of at least one sink", sinks);
  }
  if (onSinkFailure !== "refuse" && onSinkFailure !== "count") {
    throw wrongOption(PURPOSE, "onSinkFailure", '"refuse" or "count"', onSinkFailure);
  }
  if (!isNames(redact)) throw wrongOption(PURPOSE, "redact", "a list of names", redact);
  const callbacks: Record<typeof CALLBACKS[number], unknown> = {
    principal,
    source,
    correlation,
    now,
  };
  for (const name of CALLBACKS) {
    const callback = callbacks[name];
    if (callback !== undefined && typeof callback !== "function") {
      throw wrongOption(PURPOSE, name, "a function", callback);
    }
  }
  return {
    sinks: [...sinks],
    refuses: onSinkFailure === "refuse",
    redact: [...redact],
    hashed: hashIdentifiers === undefined ? undefined : new HashedIdentifiers(hashIdentifiers),
    principal,
    source,
    correlation,
    clock,
    now: now ?? (() => clock.wallMs()),
    allowed: allowed(options.allowDetails),
    maxPending: limit(options, "maxPending", 10_000, 1, 1_000_000),
    timeoutMs: limit(options, "flushTimeoutMs", 5000, 1, MAX_TIMEOUT_MS),
    maxStringLength: limit(options, "maxStringLength", 2048, 64, 65_536),
    maxDetailsBytes: limit(options, "maxDetailsBytes", 16_384, 4096, 1_048_576),
    maxDepth: limit(options, "maxDepth", 6, 1, 32),
    maxMembers: limit(options, "maxMembers", 64, 1, 10_000),
  };
}

function isSink(sink: unknown): boolean {
  return typeof sink === "object" && sink !== null &&
    typeof (sink as AuditSink).name === "string" && typeof (sink as AuditSink).write === "function";
}

function isNames(names: unknown): names is readonly string[] {
  return Array.isArray(names) &&
    names.every((name) => typeof name === "string" && /[\p{L}\p{N}]/u.test(name));
}

type LimitName = keyof SanitizerLimits | "maxPending" | "flushTimeoutMs";

function limit(
  options: AuditLoggerOptions,
  name: LimitName,
  otherwise: number,
  least: number,
  most: number,
): number {
  return integerOption(PURPOSE, name, options[name], { otherwise, least, most });
}

function allowed(table: unknown): ReadonlyMap<string, ReadonlySet<string>> | undefined {
  if (table === undefined) return undefined;
  if (typeof table !== "object" || table === null) {
    throw wrongOption(PURPOSE, "allowDetails", "names by kind", table);
  }
  const kinds = new Map<string, ReadonlySet<string>>();
  for (const [kind, names] of Object.entries(table)) {
    if (!isNames(names)) {
      throw wrongOption(PURPOSE, `allowDetails["${kind}"]`, "a list of names", names);
    }
    kinds.set(kind, new Set(names));
  }
  return kinds;
}
