/**
 * Floods of refusals: one record tells of many, so that nobody can fill the disk, or hide among the noise, by
 * being refused. Whoever is not part of the flood is recorded as ever.
 *
 * @module
 */

import type { AuditEvent, AuditSeverity } from "./audit_event.ts";
import type { Clock, ClockTimer } from "../_internal/clock.ts";
import { isEnding } from "./_exit_flush.ts";
import { ownEvent, type Unnumbered } from "./_record_lines.ts";

/** Bounds of {@linkcode Coalescer}. */
export interface CoalesceLimits {
  /** Events of one key in a window that have records of their own. */
  readonly perWindow: number;
  /** Length of the window. */
  readonly windowMs: number;
  /** Keys that are counted. */
  readonly maxKeys: number;
  /** Merged events whose writers wait; with one more, what was merged by then is recorded. @default {1_000} */
  readonly maxWaiting?: number;
}

/** Characters of all keys in a window: a key is made of what a client may have chosen. */
const MAX_KEY_CHARACTERS = 4 * 1024 * 1024;
/** Characters of all samples. */
const MAX_SAMPLE_CHARACTERS = 4 * 1024 * 1024;
/** Different values of which a record gives an account. */
const MAX_SAMPLES = 16;
/** Characters of one of them. */
const MAX_SAMPLE_LENGTH = 1024;

/** So many times the writers that may wait within a window wait for the file, at most. */
const MAX_UNSETTLED = 10;

const SEVERITIES: readonly AuditSeverity[] = ["info", "notice", "warning", "error", "critical"];

/** Takes a record of a flood. */
export type FloodRecorder = (
  event: Unnumbered,
  count: number,
  wait: PromiseWithResolvers<void> | undefined,
) => void;

/** The first different values of something, and how many events had others. */
class Sample {
  readonly values = new Set<string>();
  others = 0;

  /** Adds the value of an event; returns how many characters that takes. */
  add(value: string | undefined, room: number): number {
    if (value === undefined) return 0;
    const cut = value.slice(0, MAX_SAMPLE_LENGTH).toWellFormed();
    if (this.values.has(cut)) return 0;
    if (this.values.size >= MAX_SAMPLES || cut.length > room) {
      this.others++;
      return 0;
    }
    this.values.add(cut);
    return cut.length;
  }
}

/** Many events that become one record. */
class Flood {
  readonly wait: PromiseWithResolvers<void> | undefined;
  count = 0;
  readonly #first: AuditEvent;
  #last: string;
  #severity: AuditSeverity;
  readonly #ids = new Sample();
  readonly #resources = new Sample();
  readonly #principals = new Sample();

  constructor(first: AuditEvent, isAwaited: boolean) {
    const { details: _, ...rest } = first;
    this.#first = { ...rest, details: {} };
    this.#last = first.time;
    this.#severity = first.severity;
    this.wait = isAwaited ? Promise.withResolvers<void>() : undefined;
  }

  /** Adds an event; returns how many characters that takes. */
  add({ id, time, severity, resource, principal }: AuditEvent, room: number): number {
    this.count++;
    this.#last = time;
    // An attack that comes after a hundred trifles is not one.
    if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(this.#severity)) {
      this.#severity = severity;
    }
    let taken = this.#ids.add(id, room);
    taken += this.#resources.add(resource, room - taken);
    return taken + this.#principals.add(principal, room - taken);
  }

  /** The record that tells of all. */
  record(nowMs: number): Unnumbered {
    const { kind, outcome, code, source, hashKeyId, principal, time } = this.#first;
    const who = isVerified(this.#first)
      ? { principal: principal!, principalConfidence: "verified" as const }
      : {};
    const key = code === undefined ? {} : { code };
    return ownEvent("audit.coalesced", outcome, nowMs, {
      of: {
        kind,
        outcome,
        ...key,
        ...("principal" in who ? { principal: who.principal } : {}),
        ...(source === undefined ? {} : { address: source.address }),
      },
      count: this.count,
      first: time,
      last: this.#last,
      ...given("resources", "otherResources", this.#resources),
      ...given("principals", "otherPrincipals", this.#principals),
      ...given("ids", "otherIds", this.#ids),
    }, {
      severity: this.#severity,
      ...who,
      ...key,
      ...(source === undefined ? {} : { source }),
      ...(hashKeyId === undefined ? {} : { hashKeyId }),
    });
  }
}

function given(name: string, othersName: string, { values, others }: Sample) {
  if (values.size === 0 && others === 0) return {};
  return { [name]: [...values], ...(others === 0 ? {} : { [othersName]: others }) };
}

interface Seen {
  count: number;
  flood: Flood | undefined;
}

/** Counts the refusals of each key within windows. */
export class Coalescer {
  readonly #limits: CoalesceLimits;
  readonly #maxWaiting: number;
  readonly #clock: Clock;
  readonly #record: FloodRecorder;
  readonly #isAwaited: boolean;
  readonly #seen = new Map<string, Seen>();
  #keyCharacters = 0;
  #sampleCharacters = 0;
  #endsMs = -Infinity;
  /** Those who have merged something that is not recorded yet. */
  #flooding: Seen[] = [];
  /** Writers that wait for the end of the window. */
  #waiting = 0;
  /** These, and those who wait until the record is written. */
  #unsettled = 0;
  #timer: ClockTimer | undefined;
  #merged = 0;

  constructor(limits: CoalesceLimits, clock: Clock, isAwaited: boolean, record: FloodRecorder) {
    this.#limits = limits;
    this.#maxWaiting = limits.maxWaiting ?? 1_000;
    this.#clock = clock;
    this.#isAwaited = isAwaited;
    this.#record = record;
  }

  /** Events that have no record of their own. */
  get merged(): number {
    return this.#merged;
  }

  /** How many keys are counted now. */
  get keys(): number {
    return this.#seen.size;
  }

  /**
   * Looks at an event.
   *
   * @returns `undefined` if it is to be recorded by itself, `true` if it was merged and nobody waits, or what
   * settles with the record that it was merged into.
   */
  take(event: AuditEvent): undefined | true | Promise<void> {
    if (event.outcome !== "denied" && event.outcome !== "failure") return undefined;
    // Nobody would end the window any more.
    if (isEnding()) return undefined;
    const key = keyOf(event);
    if (key === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#endsMs) {
      this.end();
      this.#endsMs = nowMs + this.#limits.windowMs;
    }
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      // A million keys that are used once each must not take memory; nor need they be merged.
      if (this.#seen.size >= this.#limits.maxKeys) return undefined;
      if (this.#keyCharacters + key.length > MAX_KEY_CHARACTERS) return undefined;
      this.#keyCharacters += key.length;
      this.#seen.set(key, seen = { count: 0, flood: undefined });
    }
    if (++seen.count <= this.#limits.perWindow) return undefined;
    return this.#merge(seen, event, nowMs);
  }

  #merge(seen: Seen, event: AuditEvent, nowMs: number): undefined | true | Promise<void> {
    // The disk does not keep up: each for itself, so that the bounds of the queue apply.
    if (this.#unsettled >= MAX_UNSETTLED * this.#maxWaiting) return undefined;
    // Requests that wait for their record take memory, too: they are not kept to the end of the window.
    if (this.#waiting >= this.#maxWaiting) this.#recordAll();
    this.#merged++;
    if (seen.flood === undefined) {
      seen.flood = new Flood(event, this.#isAwaited);
      this.#flooding.push(seen);
      this.#timer ??= this.#clock.setTimer(() => this.end(), this.#endsMs - nowMs);
    }
    const { flood } = seen;
    this.#sampleCharacters += flood.add(event, MAX_SAMPLE_CHARACTERS - this.#sampleCharacters);
    if (flood.wait === undefined) return true;
    this.#waiting++;
    this.#unsettled++;
    return flood.wait.promise;
  }

  /** Ends the window: what was merged is recorded. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endsMs = -Infinity;
    this.#seen.clear();
    this.#keyCharacters = 0;
    this.#recordAll();
  }

  #recordAll(): void {
    const flooding = this.#flooding;
    this.#flooding = [];
    this.#waiting = 0;
    this.#sampleCharacters = 0;
    for (const seen of flooding) {
      const flood = seen.flood!;
      seen.flood = undefined;
      const settled = () => {
        this.#unsettled -= flood.count;
      };
      flood.wait?.promise.then(settled, settled);
      this.#record(flood.record(this.#clock.wallMs()), flood.count, flood.wait);
    }
  }
}

/**
 * Whom a refusal is counted for: a principal that was verified, or else the source, as a client can make up a
 * principal for each request. Of whom neither is known, nobody is counted for another's refusals.
 *
 * Each part has its length before it: no principal can be spelled so that two keys become one.
 */
function keyOf(event: AuditEvent): string | undefined {
  const { kind, outcome, code = "", principal, source } = event;
  const verified = isVerified(event);
  if (!verified && source === undefined && principal === undefined) return undefined;
  const named = verified || source === undefined ? principal! : "";
  // Where the client says where it is, a principal can be in a new place each time.
  const address = source === undefined || verified && source.confidence === "claimed"
    ? ""
    : source.address;
  return `${kind.length}:${kind}${outcome}:${code.length}:${code}` +
    `${verified ? "v" : "c"}${named.length}:${named}${address}`;
}

function isVerified({ principal, principalConfidence }: AuditEvent): boolean {
  return principal !== undefined && principalConfidence === "verified";
}
