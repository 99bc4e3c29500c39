/**
 * Options of key rotations: how they are read.
 *
 * @module
 */

import type { AuditReporter } from "../events/audit_event.ts";
import { isDpopAlg } from "./_algs.ts";
import type { KeyTiming } from "./_key_phases.ts";
import { MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { KeyRotationOptions, KeyRotationTimers } from "./key_rotation.ts";
import type { KeyStore } from "./key_store.ts";
import { MemoryKeyStore } from "./memory_key_store.ts";

/** {@linkcode KeyRotationOptions} as they were read: checked and complete. */
export interface RotationSettings {
  readonly store: KeyStore;
  readonly alg: DpopAlg;
  readonly timing: KeyTiming;
  readonly refreshMs: number;
  readonly maxRetainMs: number;
  readonly storeTimeoutMs: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly timers: KeyRotationTimers;
  readonly signal: AbortSignal | undefined;
  readonly audit: AuditReporter | undefined;
  readonly onError: ((error: unknown) => void) | undefined;
}

/** Most periods that pass while a key is kept: a schedule alone fills less than half of a set. */
export const MAX_PERIODS_KEPT = 100;
/** With this many keys in the set, a forced rotation is refused; scheduled ones have room beyond. */
export const MAX_KEYS_FOR_FORCED = 128;
/** Most keys in a set. No schedule comes near it; machines whose clocks are far apart might. */
export const MAX_KEYS = 256;

const DAY_SECONDS = 86_400;

const KNOWN: readonly (keyof KeyRotationOptions)[] = [
  "store",
  "alg",
  "rotateEverySeconds",
  "overlapSeconds",
  "announceSeconds",
  "refreshSeconds",
  "maxRetainSeconds",
  "storeTimeoutMs",
  "now",
  "random",
  "timers",
  "signal",
  "audit",
  "onError",
];

/**
 * Reads what a rotation is told.
 *
 * @param options The options as they were given.
 * @returns The settings.
 * @throws {TypeError} If an option is unknown or of the wrong kind.
 * @throws {RangeError} If a duration is out of range.
 */
export function readRotationOptions(options: KeyRotationOptions): RotationSettings {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  for (const name of Object.keys(options)) {
    if (!KNOWN.some((known) => known === name)) {
      throw new TypeError(`Cannot rotate keys: '${name}' is not an option`);
    }
  }
  const { store = new MemoryKeyStore(), alg = "ES256", timers = SYSTEM_TIMERS, audit } = options;
  if (!hasMethods(store, "load", "replace")) throw wrong("store", "a KeyStore", store);
  if (!isDpopAlg(alg)) throw wrong("alg", "an algorithm of proofs", alg);
  if (!hasMethods(timers, "set", "clear")) throw wrong("timers", "KeyRotationTimers", timers);
  if (audit !== undefined && !hasMethods(audit, "report")) {
    throw wrong("audit", "an AuditReporter", audit);
  }
  return {
    store,
    alg,
    ...readDurations(options),
    now: functionOr("now", options.now) ?? Date.now,
    random: functionOr("random", options.random) ?? Math.random,
    timers,
    signal: options.signal,
    audit,
    onError: functionOr("onError", options.onError),
  };
}

type Durations = Pick<
  RotationSettings,
  "timing" | "refreshMs" | "maxRetainMs" | "storeTimeoutMs"
>;

function readDurations(options: KeyRotationOptions): Durations {
  const rotate = secondsOr("rotateEverySeconds", options.rotateEverySeconds, DAY_SECONDS, 1);
  const overlap = secondsOr("overlapSeconds", options.overlapSeconds, rotate, 0);
  const announce = secondsOr(
    "announceSeconds",
    options.announceSeconds,
    Math.min(3600, Math.floor(rotate / 4)),
    0,
  );
  if (announce > rotate / 2) {
    throw outOfRange("announceSeconds", "at most half of 'rotateEverySeconds'", announce);
  }
  if (overlap > rotate * MAX_PERIODS_KEPT) {
    throw outOfRange(
      "overlapSeconds",
      `at most ${MAX_PERIODS_KEPT} times 'rotateEverySeconds'`,
      overlap,
    );
  }
  const refresh = secondsOr(
    "refreshSeconds",
    options.refreshSeconds,
    Math.min(60, announce > 0 ? Math.ceil(announce / 2) : rotate),
    1,
  );
  // A machine that looks less often would let another sign with a key that it does not publish yet.
  if (refresh > (announce || rotate)) {
    throw outOfRange("refreshSeconds", "at most 'announceSeconds'", refresh);
  }
  const longest = rotate * MAX_PERIODS_KEPT;
  const retain = secondsOr(
    "maxRetainSeconds",
    options.maxRetainSeconds,
    Math.min(90 * DAY_SECONDS, longest),
    0,
  );
  if (retain > longest) {
    throw outOfRange(
      "maxRetainSeconds",
      `at most ${MAX_PERIODS_KEPT} times 'rotateEverySeconds'`,
      retain,
    );
  }
  const storeTimeoutMs = secondsOr("storeTimeoutMs", options.storeTimeoutMs, 5000, 1);
  if (storeTimeoutMs > MAX_TIMEOUT_MS) {
    throw outOfRange("storeTimeoutMs", `at most ${MAX_TIMEOUT_MS}`, storeTimeoutMs);
  }
  return {
    timing: {
      rotateMs: rotate * 1000,
      overlapMs: overlap * 1000,
      announceMs: announce * 1000,
      slackMs: Math.min(60_000, Math.floor(rotate * 1000 / 16)),
    },
    refreshMs: refresh * 1000,
    maxRetainMs: retain * 1000,
    storeTimeoutMs,
  };
}

/** Timers of the runtime that keep no process alive. */
const SYSTEM_TIMERS: KeyRotationTimers = {
  set(callback: () => void, delayMs: number): unknown {
    const timer: unknown = setTimeout(callback, delayMs);
    // Node and Bun return an object; Deno a number, or an object where it plays Node.
    if (hasMethods(timer, "unref")) (timer as { unref(): void }).unref();
    else unrefInDeno(timer);
    return timer;
  },
  clear(timer: unknown): void {
    clearTimeout(timer as number);
  },
};

function unrefInDeno(timer: unknown): void {
  const { Deno } = globalThis as { Deno?: { unrefTimer?(id: unknown): void } };
  Deno?.unrefTimer?.(timer);
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  const methods = value as Record<string, unknown> | null | undefined;
  return names.every((name) => typeof methods?.[name] === "function");
}

function functionOr<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === "function") return value;
  throw wrong(name, "a function", value);
}

function secondsOr(name: string, value: unknown, otherwise: number, least: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "number") throw wrong(name, "a number", value);
  // With more, milliseconds since the epoch would no longer be exact.
  if (Number.isInteger(value) && value >= least && value <= 2 ** 42) return value;
  throw outOfRange(name, `an integer from ${least} to ${2 ** 42}`, value);
}

function wrong(name: string, must: string, value: unknown): TypeError {
  return wrongOption("rotate keys", name, must, value);
}

function outOfRange(name: string, must: string, value: number): RangeError {
  return new RangeError(
    `Cannot rotate keys as '${name}' must be ${must}: current value is ${value}`,
  );
}
