/**
 * What becomes of the keys of a rotation, and when: pure functions of the stored times and a clock.
 *
 * Every machine comes to the same answer without asking the others, as far as their clocks agree.
 *
 * @module
 */

import type { KeyPhase, StoredKey } from "./key_store.ts";

/** Durations of a rotation, in milliseconds. */
export interface KeyTiming {
  /** How long a key signs. */
  readonly rotateMs: number;
  /** How long it is kept once it is retired. */
  readonly overlapMs: number;
  /** How long it is published before it signs. */
  readonly announceMs: number;
  /** How much earlier than needed it is made, which leaves room for the jitter of timers. */
  readonly slackMs: number;
}

/** The times of a key. */
export type KeyTimes = Pick<
  StoredKey,
  "createdAtMs" | "signsFromMs" | "retiresAtMs" | "deletesAtMs"
>;

/** What a set has to become. */
export interface KeyChange {
  /** The keys that stay. */
  readonly keys: readonly StoredKey[];
  /** Times of a key that has to be made. */
  readonly created?: KeyTimes;
}

/**
 * Orders keys by when they sign, oldest first. The other members decide between keys of one
 * millisecond: of those, the one that signs longer is newer.
 */
export function compareKeys(a: StoredKey, b: StoredKey): number {
  return a.signsFromMs - b.signsFromMs || a.retiresAtMs - b.retiresAtMs ||
    a.createdAtMs - b.createdAtMs || (a.jkt === b.jkt ? 0 : a.jkt < b.jkt ? -1 : 1);
}

/** The key that signs last, if there is any. */
export function newestKey(keys: readonly StoredKey[]): StoredKey | undefined {
  return last(keys, () => true);
}

/**
 * The one key that signs at a moment.
 *
 * Where none does, the newest begins early: a clock that is behind, or that was set back, would
 * otherwise have nothing to sign with, and make one key after the other.
 *
 * @param keys The set.
 * @param nowMs The moment.
 * @returns The key, `undefined` when all have retired.
 */
export function signingKey(keys: readonly StoredKey[], nowMs: number): StoredKey | undefined {
  const signing = last(keys, (key) => key.signsFromMs <= nowMs && nowMs < key.retiresAtMs);
  if (signing !== undefined) return signing;
  const newest = newestKey(keys);
  return newest !== undefined && nowMs < newest.retiresAtMs ? newest : undefined;
}

/**
 * The phase of a key.
 *
 * @param key The key, one of the set.
 * @param keys The set.
 * @param nowMs The moment.
 * @returns Its phase; a key older than the one that signs is retired, whatever the clock says.
 */
export function phaseOf(key: StoredKey, keys: readonly StoredKey[], nowMs: number): KeyPhase {
  const signing = signingKey(keys, nowMs);
  if (signing === undefined) return "retired";
  if (signing.jkt === key.jkt) return "signing";
  return compareKeys(key, signing) < 0 ? "retired" : "announced";
}

/**
 * What has to be done with a set at a moment, if anything: the next key is made when the newest is about to
 * retire.
 *
 * @param kept The keys that are not over.
 * @param nowMs The moment.
 * @param timing The durations.
 * @returns The change, `undefined` when there is nothing to do.
 */
export function dueChange(
  kept: readonly StoredKey[],
  nowMs: number,
  timing: KeyTiming,
): KeyChange | undefined {
  const keys = withinReach(kept, nowMs, timing);
  const newest = newestKey(keys);
  if (newest === undefined) return { keys, created: timesOf(nowMs, nowMs, timing) };
  if (nowMs >= newest.retiresAtMs - leadMs(timing)) {
    const from = Math.max(nowMs, newest.retiresAtMs);
    return { keys, created: timesOf(nowMs, from, timing) };
  }
  return keys === kept ? undefined : { keys };
}

/**
 * When a set needs something done next.
 *
 * @param keys The set.
 * @param timing The durations.
 * @returns The moment; minus infinity without keys.
 */
export function dueAtMs(keys: readonly StoredKey[], timing: KeyTiming): number {
  const newest = newestKey(keys);
  if (newest === undefined) return -Infinity;
  let due = newest.retiresAtMs - leadMs(timing);
  for (const { deletesAtMs } of keys) due = Math.min(due, deletesAtMs);
  return due;
}

/**
 * Retires the key that signs, before its time.
 *
 * @param keys The set.
 * @param nowMs The moment.
 * @param timing The durations.
 * @returns The change: an announced key takes over, since verifiers know it already, or a new one does.
 */
export function forcedChange(
  keys: readonly StoredKey[],
  nowMs: number,
  timing: KeyTiming,
): KeyChange {
  const signing = signingKey(keys, nowMs);
  const rest = signing === undefined ? keys : keys.map((key) => {
    return compareKeys(key, signing) > 0 ? key : retiredNow(key, nowMs);
  });
  return successor(rest, nowMs, timing);
}

/**
 * Takes a key away at once.
 *
 * @param keys The set.
 * @param jkt Thumbprint of the key.
 * @param nowMs The moment.
 * @param timing The durations.
 * @returns The change, with a successor if that key was signing.
 */
export function revokedChange(
  keys: readonly StoredKey[],
  jkt: string,
  nowMs: number,
  timing: KeyTiming,
): KeyChange {
  if (signingKey(keys, nowMs)?.jkt !== jkt) return { keys: keys.filter((key) => key.jkt !== jkt) };
  const { keys: rest, created } = forcedChange(keys, nowMs, timing);
  return { keys: rest.filter((key) => key.jkt !== jkt), ...(created !== undefined && { created }) };
}

/** Lets the newest key sign from now on if it has not begun yet, or else asks for a new one. */
function successor(
  keys: readonly StoredKey[],
  nowMs: number,
  timing: KeyTiming,
): KeyChange {
  const newest = newestKey(keys);
  if (newest === undefined || newest.signsFromMs <= nowMs) {
    return { keys, created: timesOf(nowMs, nowMs, timing) };
  }
  return { keys: keys.map((key) => key === newest ? startedNow(key, nowMs, timing) : key) };
}

function startedNow(key: StoredKey, nowMs: number, timing: KeyTiming): StoredKey {
  const { retiresAtMs, deletesAtMs } = timesOf(nowMs, nowMs, timing);
  // Not earlier than it was: a token may be bound to it until then.
  return {
    ...key,
    signsFromMs: nowMs,
    retiresAtMs,
    deletesAtMs: Math.max(key.deletesAtMs, deletesAtMs),
  };
}

/** The key as it is when it signs no longer; where its time has not come yet, it never does. */
function retiredNow(key: StoredKey, nowMs: number): StoredKey {
  const retiresAtMs = Math.min(key.retiresAtMs, nowMs);
  return { ...key, retiresAtMs, signsFromMs: Math.min(key.signsFromMs, retiresAtMs) };
}

/**
 * Mends what a clock that was far ahead has left behind: a newest key that would sign for as long as the
 * clock was wrong, and older ones that would sign again when their time comes back.
 *
 * A key that is less than a period too far ahead is left alone, or machines whose clocks differ would
 * write in turns.
 */
function withinReach(
  keys: readonly StoredKey[],
  nowMs: number,
  timing: KeyTiming,
): readonly StoredKey[] {
  const newest = newestKey(keys);
  if (newest === undefined) return keys;
  const isFar = newest.retiresAtMs > nowMs + leadMs(timing) + 2 * timing.rotateMs;
  const isEarly = signingKey(keys, nowMs) === newest && newest.signsFromMs > nowMs;
  if (!isFar && !(isEarly && keys.some((key) => key !== newest && key.retiresAtMs > nowMs))) {
    return keys;
  }
  return keys.map((key) => {
    if (key !== newest) return retiredNow(key, nowMs);
    if (!isFar) return key;
    const signsFromMs = Math.min(key.signsFromMs, nowMs);
    return { ...key, signsFromMs, retiresAtMs: nowMs + timing.rotateMs };
  });
}

function timesOf(createdAtMs: number, signsFromMs: number, timing: KeyTiming): KeyTimes {
  const retiresAtMs = signsFromMs + timing.rotateMs;
  return { createdAtMs, signsFromMs, retiresAtMs, deletesAtMs: retiresAtMs + timing.overlapMs };
}

/** How long before the newest key retires its successor is made. */
function leadMs({ announceMs, slackMs }: KeyTiming): number {
  return announceMs + slackMs;
}

function last(
  keys: readonly StoredKey[],
  accepts: (key: StoredKey) => boolean,
): StoredKey | undefined {
  let found: StoredKey | undefined;
  for (const key of keys) {
    if (accepts(key) && (found === undefined || compareKeys(key, found) > 0)) found = key;
  }
  return found;
}
