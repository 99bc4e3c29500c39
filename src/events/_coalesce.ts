/**
 * Floods of refusals: one record tells of many, so that nobody can fill the disk, or hide among the noise, by
 * being refused. Whoever is not part of the flood is recorded as ever.
 *
 * @module
 */

import type { AuditEvent } from "./audit_event.ts";
import type { Clock, ClockTimer } from "../_internal/clock.ts";
import { ownEvent, type Unnumbered } from "./_record_lines.ts";

/** Bounds of {@linkcode Coalescer}. */
export interface CoalesceLimits {
  /** Events of one key in a window that have records of their own. */
  readonly perWindow: number;
  /** Length of the window. */
  readonly windowMs: number;
  /** Keys that are counted. */
  readonly maxKeys: number;
}

/** Characters of all keys in a window: a key is made of what a client may have chosen. */
const MAX_KEY_CHARACTERS = 4 * 1024 * 1024;

/** Many events that become one record. */
interface Flood {
  readonly first: AuditEvent;
  last: AuditEvent;
  count: number;
  readonly wait: PromiseWithResolvers<void> | undefined;
}

interface Seen {
  count: number;
  flood: Flood | undefined;
}

/** Takes a record of a flood. */
export type FloodRecorder = (
  event: Unnumbered,
  count: number,
  wait: PromiseWithResolvers<void> | undefined,
) => void;

/** Counts the refusals of each key within windows. */
export class Coalescer {
  readonly #limits: CoalesceLimits;
  readonly #clock: Clock;
  readonly #record: FloodRecorder;
  readonly #isAwaited: boolean;
  readonly #seen = new Map<string, Seen>();
  #characters = 0;
  #endsMs = -Infinity;
  #floods: Flood[] = [];
  #timer: ClockTimer | undefined;
  #merged = 0;

  constructor(limits: CoalesceLimits, clock: Clock, isAwaited: boolean, record: FloodRecorder) {
    this.#limits = limits;
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
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#endsMs) {
      this.end();
      this.#endsMs = nowMs + this.#limits.windowMs;
    }
    const key = keyOf(event);
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      // A million keys that are used once each must not take memory; nor need they be merged.
      if (this.#seen.size >= this.#limits.maxKeys) return undefined;
      if (this.#characters + key.length > MAX_KEY_CHARACTERS) return undefined;
      this.#characters += key.length;
      this.#seen.set(key, seen = { count: 0, flood: undefined });
    }
    if (++seen.count <= this.#limits.perWindow) return undefined;
    this.#merged++;
    if (seen.flood === undefined) {
      const wait = this.#isAwaited ? Promise.withResolvers<void>() : undefined;
      this.#floods.push(seen.flood = { first: event, last: event, count: 1, wait });
      this.#timer ??= this.#clock.setTimer(() => this.end(), this.#endsMs - nowMs);
      return wait?.promise ?? true;
    }
    seen.flood.last = event;
    seen.flood.count++;
    return seen.flood.wait?.promise ?? true;
  }

  /** Ends the window: what was merged is recorded. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endsMs = -Infinity;
    this.#seen.clear();
    this.#characters = 0;
    const floods = this.#floods;
    this.#floods = [];
    for (const { first, last, count, wait } of floods) {
      const of = {
        kind: first.kind,
        outcome: first.outcome,
        ...(first.code === undefined ? {} : { code: first.code }),
        ...(first.principal === undefined ? {} : { principal: first.principal }),
        ...(first.source === undefined ? {} : { address: first.source.address }),
      };
      const { principal, principalConfidence, code, source, hashKeyId } = first;
      this.#record(
        ownEvent("audit.coalesced", first.outcome, this.#clock.wallMs(), {
          of,
          count,
          first: first.time,
          last: last.time,
        }, {
          severity: first.severity,
          ...(principal === undefined ? {} : { principal }),
          ...(principalConfidence === undefined ? {} : { principalConfidence }),
          ...(code === undefined ? {} : { code }),
          ...(source === undefined ? {} : { source }),
          ...(hashKeyId === undefined ? {} : { hashKeyId }),
        }),
        count,
        wait,
      );
    }
  }
}

/** Each part has its length before it: no principal can be spelled so that two keys become one. */
function keyOf({ kind, outcome, code = "", principal = "", source }: AuditEvent): string {
  const address = source?.address ?? "";
  return `${kind.length}:${kind}${outcome}:${code.length}:${code}${principal.length}:${principal}${address}`;
}
