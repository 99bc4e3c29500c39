/**
 * The generic cell rate algorithm (ITU-T I.371, annex A), on integers.
 *
 * For each key and limit one moment is kept: when all that was taken will have been paid back at the steady
 * rate. How far it lies ahead is the debt; a request is allowed as long as the debt stays within the burst.
 * There is no window, and so no edge of one at which twice as much gets through.
 *
 * @module
 */

import { integerOption, wrongOption } from "../_internal/options.ts";
import type { RateDecision, RateRule } from "./rate_store.ts";

/** One limit of a `RateLimiter`. */
export interface RateLimitOptions {
  /**
   * Its name, of letters, digits, `.`, `_` and `-`: in headers, audit records and keys of a store. Limiters
   * on one store that have the same numbers need different ones, or share the limit.
   * @default {"default"}
   */
  readonly name?: string;
  /** How many requests a window: the steady rate is this many, evenly spread. */
  readonly requests: number;
  /** Length of the window, in milliseconds, at most a year. */
  readonly windowMs: number;
  /**
   * How many requests may come at once. In any span of time at most this many are allowed, and those that
   * the steady rate gives for the span. @default {`requests`}
   */
  readonly burst?: number;
}

const PURPOSE = "create a rate limiter";
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const YEAR_MS = 366 * 86_400_000;
/** The product of two of these is exact. */
const MOST_REQUESTS = 2 ** 26;
/** Debts stay far below what is exact, and a burst below a few lives. */
const MOST_BURST_MICROS = 2 ** 52;

/**
 * Reads limits.
 *
 * @param limits The limits.
 * @returns The same, taken apart and frozen.
 * @throws {TypeError} If one is of the wrong type, there is none, or two have one name.
 * @throws {RangeError} If a number is out of its range.
 */
export function readLimits(limits: readonly RateLimitOptions[]): readonly RateRule[] {
  if (!Array.isArray(limits) || limits.length === 0 || limits.length > MOST_LIMITS) {
    throw wrongOption(PURPOSE, "limits", `a list of 1 to ${MOST_LIMITS} limits`, limits);
  }
  const rules = limits.map(readLimit);
  if (new Set(rules.map(({ name }) => name)).size < rules.length) {
    throw wrongOption(PURPOSE, "name", "different for each limit", rules[0]?.name);
  }
  return Object.freeze(rules);
}

function readLimit(limit: RateLimitOptions): RateRule {
  if (typeof limit !== "object" || limit === null) {
    throw wrongOption(PURPOSE, "limits", "a list of limits", limit);
  }
  const { name = "default" } = limit;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw wrongOption(PURPOSE, "name", "1 to 64 letters, digits, '.', '_' and '-'", name);
  }
  const count = { otherwise: NaN, least: 1, most: MOST_REQUESTS };
  const requests = integerOption(PURPOSE, "requests", limit.requests, count);
  if (Number.isNaN(requests)) throw wrongOption(PURPOSE, "requests", "a number", undefined);
  const windowMs = integerOption(PURPOSE, "windowMs", limit.windowMs, { ...count, most: YEAR_MS });
  if (Number.isNaN(windowMs)) throw wrongOption(PURPOSE, "windowMs", "a number", undefined);
  const burst = integerOption(PURPOSE, "burst", limit.burst, { ...count, otherwise: requests });
  return ruleOf(name, requests, windowMs, burst);
}

/**
 * Makes a limit of numbers that were checked.
 *
 * @param name Its name.
 * @param requests How many requests a window.
 * @param windowMs Length of the window.
 * @param burst How many at once.
 * @returns The limit.
 * @throws {RangeError} If the burst would take a century to come back.
 */
export function ruleOf(name: string, requests: number, windowMs: number, burst: number): RateRule {
  const windowMicros = windowMs * 1000;
  const intervalMicros = Math.floor(windowMicros / requests);
  const intervalRest = windowMicros % requests;
  const burstMicros = burst * intervalMicros + Math.floor(burst * intervalRest / requests);
  if (!(burstMicros < MOST_BURST_MICROS)) {
    throw new RangeError(
      `Cannot ${PURPOSE}: 'burst' must come back within a century: current value is ${burst}`,
    );
  }
  const burstRest = burst * intervalRest % requests;
  return Object.freeze({
    id: `${name}:${requests}:${windowMs}:${burst}`,
    ...{ name, requests, windowMs, burst },
    ...{ intervalMicros, intervalRest, burstMicros, burstRest },
  });
}

/** What a limit says to a debt. */
class Verdict implements RateDecision {
  constructor(
    readonly allowed: boolean,
    readonly remaining: number,
    readonly retryAfterMs: number,
    readonly resetMs: number,
    readonly limit: RateRule,
    readonly limits: readonly RateRule[],
    readonly code: "rate-limited" | "limiter-unavailable" | undefined,
    readonly isDegraded: boolean,
  ) {}
}

/** Most limits of a limiter. */
export const MOST_LIMITS = 16;

/** Debts of one key, limit by limit: whole microseconds, and the rest in parts of `requests`. */
export interface Debts {
  /** Whole microseconds. */
  readonly micros: Float64Array;
  /** What is over. */
  readonly rests: Float64Array;
}

/** @returns Room for the debts of one key. */
export function newDebts(): Debts {
  return { micros: new Float64Array(MOST_LIMITS), rests: new Float64Array(MOST_LIMITS) };
}

/**
 * Tells how much of a limit a key has used.
 *
 * @param rule The limit.
 * @param micros The debt.
 * @param rest What is over.
 * @returns A share of the burst; infinite when it is at its limit, where a request of 1 would be refused.
 */
export function usedShare(rule: RateRule, micros: number, rest: number): number {
  let after = micros + rule.intervalMicros;
  let afterRest = rest + rule.intervalRest;
  if (afterRest >= rule.requests) {
    after++;
    afterRest -= rule.requests;
  }
  return exceedsBurst(rule, after, afterRest) ? Infinity : after / rule.burstMicros;
}

/**
 * Decides about a request under all limits of a key: what one refuses takes nothing of the others.
 *
 * @param rules The limits.
 * @param cost What is asked for; 0 asks whether 1 could be.
 * @param debts The debts before.
 * @param after Where to put the debts afterwards; only meaningful when it is allowed.
 * @returns The decision.
 */
export function decide(
  rules: readonly RateRule[],
  cost: number,
  debts: Debts,
  after: Debts,
): RateDecision {
  const asked = cost === 0 ? 1 : cost;
  const { micros, rests } = after;
  let binding = -1;
  let longest = -1;
  for (let at = 0; at < rules.length; at++) {
    const { requests, intervalMicros, intervalRest, burstMicros, burstRest } = rules[at]!;
    let debt = debts.micros[at]! + asked * intervalMicros;
    let rest = debts.rests[at]! + asked * intervalRest;
    if (rest >= requests) {
      debt += Math.floor(rest / requests);
      rest %= requests;
    }
    micros[at] = debt;
    rests[at] = rest;
    if (debt < burstMicros || debt === burstMicros && rest <= burstRest) continue;
    const wait = debt - burstMicros + (rest > burstRest ? 1 : 0);
    if (wait > longest) {
      binding = at;
      longest = wait;
    }
  }
  if (binding >= 0) return refusal(rules, binding, longest, debts);
  return permission(rules, cost === 0 ? debts : after);
}

function refusal(
  rules: readonly RateRule[],
  binding: number,
  waitMicros: number,
  debts: Debts,
): RateDecision {
  const rule = rules[binding]!;
  const micros = debts.micros[binding]!;
  const rest = debts.rests[binding]!;
  const resetMs = toMs(micros, rest);
  const retryAfterMs = Math.ceil(waitMicros / 1000);
  const left = room(rule, micros, rest);
  return new Verdict(false, left, retryAfterMs, resetMs, rule, rules, "rate-limited", false);
}

function permission(rules: readonly RateRule[], { micros, rests }: Debts): RateDecision {
  let binding = 0;
  let least = room(rules[0]!, micros[0]!, rests[0]!);
  for (let at = 1; at < rules.length; at++) {
    const left = room(rules[at]!, micros[at]!, rests[at]!);
    if (left < least || left === least && micros[at]! > micros[binding]!) {
      binding = at;
      least = left;
    }
  }
  const resetMs = toMs(micros[binding]!, rests[binding]!);
  return new Verdict(true, least, 0, resetMs, rules[binding]!, rules, undefined, false);
}

/** Rounds up: who comes back after that is not too early. */
function toMs(micros: number, rest: number): number {
  return Math.ceil((rest > 0 ? micros + 1 : micros) / 1000);
}

function exceedsBurst(rule: RateRule, micros: number, rest: number): boolean {
  return micros > rule.burstMicros || micros === rule.burstMicros && rest > rule.burstRest;
}

/**
 * Makes a decision that no store has made.
 *
 * @param rules All limits.
 * @param allowed Whether the policy allows.
 * @param retryAfterMs When it is worth to ask again.
 * @returns The decision.
 */
export function withoutStore(
  rules: readonly RateRule[],
  allowed: boolean,
  retryAfterMs: number,
): RateDecision {
  const code = allowed ? undefined : "limiter-unavailable";
  return new Verdict(allowed, 0, allowed ? 0 : retryAfterMs, 0, rules[0]!, rules, code, true);
}

/**
 * The same decision, made in the place of a store that was out of reach.
 *
 * @param decision The decision.
 * @returns The decision, marked.
 */
export function degraded(decision: RateDecision): RateDecision {
  const { allowed, remaining, retryAfterMs, resetMs, limit, limits, code } = decision;
  return new Verdict(allowed, remaining, retryAfterMs, resetMs, limit, limits, code, true);
}

/** How many requests fit between a debt and the burst, exactly. */
function room(rule: RateRule, micros: number, rest: number): number {
  const { requests, intervalMicros, intervalRest, burstMicros, burstRest } = rule;
  let freeMicros = burstMicros - micros;
  let freeRest = burstRest - rest;
  if (freeRest < 0) {
    freeMicros--;
    freeRest += requests;
  }
  if (freeMicros < 0) return 0;
  if (intervalRest === 0) return Math.floor(freeMicros / intervalMicros);
  // The estimate is off by one at most, where the quotient is next to an integer.
  const free = freeMicros + freeRest / requests;
  let count = Math.floor(free / (intervalMicros + intervalRest / requests));
  if (exceeds(rule, count, freeMicros, freeRest)) count--;
  else if (!exceeds(rule, count + 1, freeMicros, freeRest)) count++;
  return count;
}

/** Whether a number of intervals is longer than a time. */
function exceeds(rule: RateRule, count: number, micros: number, rest: number): boolean {
  const parts = count * rule.intervalRest;
  const needed = count * rule.intervalMicros + Math.floor(parts / rule.requests);
  return needed > micros || needed === micros && parts % rule.requests > rest;
}
