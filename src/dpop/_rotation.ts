/**
 * How one process takes part in a rotation.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { answerWithin } from "./_answer_within.ts";
import { HeldKeys } from "./_held_keys.ts";
import {
  compareKeys,
  dueAtMs,
  dueChange,
  forcedChange,
  type KeyChange,
  type KeyTimes,
  phaseOf,
  revokedChange,
  signingKey,
} from "./_key_phases.ts";
import { changeEvent, failureEvent, recorded } from "./_rotation_audit.ts";
import { MAX_KEYS, MAX_KEYS_FOR_FORCED, type RotationSettings } from "./_rotation_options.ts";
import { createDpopSigner, type DpopSigner, generateDpopKeyPair } from "./dpop_signer.ts";
import type { KeyRotation, RotationJwk, RotationKey } from "./key_rotation.ts";
import type { KeySet, StoredKey } from "./key_store.ts";

/** Each time, another machine has written in between: after so many, something is wrong. */
const MAX_ATTEMPTS = 16;
/** Pause after a first failure; it doubles with each further one. */
const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** Longest delay of a timer; beyond it, timers fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Says what a set has to become, by its living keys and by what is stored; `undefined` when nothing has to
 * be done.
 */
type Edit = (
  living: readonly StoredKey[],
  nowMs: number,
  stored: readonly StoredKey[],
) => KeyChange | undefined;

/** Reads, changes and caches the set of keys; see {@linkcode createKeyRotation}. */
export class Rotation implements KeyRotation {
  readonly #settings: RotationSettings;
  readonly #held = new HeldKeys();
  readonly #ended = new AbortController();
  readonly #abort = () => void this.close();
  /** Everything that talks to the store, one after the other: an older answer never replaces a newer. */
  #queue: Promise<unknown> = Promise.resolve();
  #check: Promise<void> | undefined;
  #reload: Promise<void> | undefined;
  #timer: unknown;
  /** When the copy was asked for. */
  #loadedAtMs = -Infinity;
  #failures = 0;
  #failedAtMs = -Infinity;

  constructor(settings: RotationSettings) {
    this.#settings = settings;
    settings.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Reads the set, and makes the first key if there is none. */
  start(): Promise<void> {
    return this.#checkNow();
  }

  async current(): Promise<DpopSigner> {
    if (this.#signing() !== undefined) await this.#refresh();
    if (this.#signing() === undefined) {
      // A check that is under way may have looked at the clock before everything retired.
      await this.#check?.catch(() => {});
      if (this.#signing() === undefined) await this.#checkNow();
    }
    const signing = this.#signing();
    const held = signing && this.#held.find(signing.jkt);
    if (held === undefined) throw unavailable("No key is left to sign with");
    return held.signer;
  }

  async find(jkt: string): Promise<DpopSigner | undefined> {
    await this.#refresh();
    const held = this.#held.find(jkt);
    if (held !== undefined) return held.signer;
    // Another machine may have made it a moment ago.
    await this.#reloadOnce();
    this.#held.expire(this.#now());
    return this.#held.find(jkt)?.signer;
  }

  async retain(jkt: string, untilSeconds: number): Promise<void> {
    const { slackMs } = this.#settings.timing;
    const untilMs = untilSeconds * 1000;
    this.#held.expire(this.#now());
    const held = this.#held.find(jkt);
    if (held !== undefined && this.#isRetained(held.stored, untilMs)) return;
    const deletesAtMs = Math.ceil(untilMs / slackMs) * slackMs;
    await this.#update("retain", (keys) => {
      const key = keys.find((one) => one.jkt === jkt);
      if (key === undefined) {
        throw new SecurityError("key-not-found", "The key was deleted", { details: { jkt } });
      }
      if (this.#isRetained(key, untilMs)) return undefined;
      return { keys: keys.map((one) => one === key ? { ...one, deletesAtMs } : one) };
    }, jkt);
  }

  #isRetained({ deletesAtMs, retiresAtMs }: StoredKey, untilMs: number): boolean {
    const mostMs = retiresAtMs + this.#settings.maxRetainMs;
    if (untilMs <= deletesAtMs) return true;
    // A token that is renewed for ever would keep its key for ever, and the set would grow with each.
    if (untilMs <= mostMs) return false;
    throw new RangeError(
      "Cannot retain a key as 'untilSeconds' must be at most 'maxRetainSeconds' after it retires, " +
        `${mostMs / 1000}: current value is ${untilMs / 1000}`,
    );
  }

  async jwks(): Promise<{ readonly keys: readonly RotationJwk[] }> {
    await this.#refresh();
    const keys = this.#held.stored.map(({ jkt, alg, jwk }): RotationJwk => {
      return { ...jwk, kid: jkt, alg, use: "sig" };
    });
    return { keys };
  }

  async keys(): Promise<readonly RotationKey[]> {
    const nowMs = await this.#refresh();
    const { stored } = this.#held;
    return stored.map((key) => {
      const { jkt, alg, signsFromMs, retiresAtMs, deletesAtMs } = key;
      const phase = phaseOf(key, stored, nowMs);
      return { jkt, alg, phase, signsFromMs, retiresAtMs, deletesAtMs };
    });
  }

  async rotate(): Promise<DpopSigner> {
    const { timing } = this.#settings;
    let before: string | undefined;
    let isFirst = true;
    await this.#update("rotate", (keys, nowMs) => {
      const signing = signingKey(keys, nowMs)?.jkt;
      if (isFirst) before = signing;
      isFirst = false;
      // Another machine has just done it.
      if (signing !== undefined && signing !== before) return undefined;
      if (keys.length >= MAX_KEYS_FOR_FORCED) throw full();
      return forcedChange(keys, nowMs, timing);
    });
    return await this.current();
  }

  async revoke(jkt: string): Promise<boolean> {
    let wasThere = false;
    this.#now();
    this.#held.revoke(jkt);
    await this.#update("revoke", (living, nowMs, stored) => {
      const revoked = stored.find((key) => key.jkt === jkt);
      if (revoked === undefined) return undefined;
      wasThere = true;
      return revokedChange([...living, revoked], jkt, nowMs, this.#settings.timing);
    }, jkt);
    return wasThere;
  }

  async close(): Promise<void> {
    const { signal, timers } = this.#settings;
    signal?.removeEventListener("abort", this.#abort);
    if (this.#timer !== undefined) timers.clear(this.#timer);
    this.#timer = undefined;
    this.#ended.abort(closed());
    this.#held.clear();
    await this.#queue;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The time, unless it is all over. */
  #now(): number {
    if (this.#ended.signal.aborted) throw closed();
    const nowMs = this.#settings.now();
    if (Number.isFinite(nowMs)) return nowMs;
    throw new RangeError(
      `Cannot use keys as 'now' must return a number: current value is ${nowMs}`,
    );
  }

  #signing(): StoredKey | undefined {
    const nowMs = this.#now();
    this.#held.expire(nowMs);
    return signingKey(this.#held.stored, nowMs);
  }

  /**
   * Does what is due. A copy that is too old is waited for, once: while the store fails, what is at hand
   * is used, and the store is asked in the background, at intervals.
   */
  async #refresh(): Promise<number> {
    const nowMs = this.#now();
    this.#held.expire(nowMs);
    const { refreshMs, timing } = this.#settings;
    // A copy of the future is of unknown age: the clock was set back.
    const ageMs = nowMs < this.#loadedAtMs ? Infinity : nowMs - this.#loadedAtMs;
    const isDue = ageMs >= refreshMs / 2 || nowMs >= dueAtMs(this.#held.stored, timing);
    const sinceFailureMs = nowMs - this.#failedAtMs;
    const isPausing = this.#failures > 0 && sinceFailureMs >= 0 && sinceFailureMs < this.#pauseMs();
    if (!isDue || isPausing) return nowMs;
    const hasFailed = this.#failures > 0;
    // Reported where it failed; who needs what it would have brought, asks again.
    const check = this.#checkNow().catch(() => {});
    if (ageMs < refreshMs || hasFailed) return nowMs;
    await check;
    return this.#now();
  }

  #checkNow(): Promise<void> {
    return this.#check ??= this.#maintain().finally(() => {
      this.#check = undefined;
    });
  }

  async #maintain(): Promise<void> {
    const { timing } = this.#settings;
    try {
      await this.#update("schedule", (living, nowMs, stored) => {
        const change = dueChange(living, nowMs, timing);
        return change ?? (living.length < stored.length ? { keys: living } : undefined);
      });
      this.#failures = 0;
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#noteFailure(error);
      throw error;
    } finally {
      this.#schedule();
    }
  }

  #reloadOnce(): Promise<void> {
    return this.#reload ??= this.#inTurn(async () => {
      // Whoever comes from here on needs a newer answer than this one.
      this.#reload = undefined;
      await this.#load();
    });
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(task);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Changes the stored set. Of machines that do so at once one succeeds; the others look again. */
  #update(operation: string, edit: Edit, resource?: string): Promise<void> {
    return this.#inTurn(async () => {
      const { store, alg, audit } = this.#settings;
      let made: Omit<StoredKey, keyof KeyTimes> | undefined;
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const { keys: before, version } = await this.#load();
        const nowMs = this.#now();
        // What is over does not come back, whoever asks for it.
        const living = before.filter((key) => !this.#held.isOver(key, nowMs));
        const change = edit(living, nowMs, before);
        if (change === undefined) return;
        const { created } = change;
        if (created !== undefined && change.keys.length >= MAX_KEYS) throw full();
        if (created !== undefined) made ??= await makeKey(alg, store.needsExtractable);
        const keys = made === undefined || created === undefined
          ? [...change.keys]
          : [...change.keys, { ...made, ...created }];
        keys.sort(compareKeys);
        await recorded(() => audit?.ready?.());
        if (!await this.#ask((signal) => store.replace(keys, version, { signal }))) continue;
        try {
          const event = changeEvent(operation, resource, nowMs, before, keys);
          await recorded(() => audit?.report(event));
        } finally {
          // What was stored is what counts, and what it comes back as.
          await this.#load();
        }
        return;
      }
      throw unavailable("The keys are changed by too many at once");
    });
  }

  async #load(): Promise<KeySet> {
    const askedAtMs = this.#now();
    const set = await this.#ask((signal) => this.#settings.store.load({ signal }));
    await this.#held.adopt(set.keys, this.#now());
    if (this.#ended.signal.aborted) this.#held.clear();
    this.#loadedAtMs = askedAtMs;
    return set;
  }

  async #ask<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#ended;
    try {
      return await answerWithin(ask, { timeoutMs: this.#settings.storeTimeoutMs, signal });
    } catch (error) {
      if (signal.aborted) throw closed();
      if (error instanceof SecurityError) throw error;
      throw unavailable("The keys are out of reach", error);
    }
  }

  #noteFailure(error: unknown): void {
    const { now, audit, onError } = this.#settings;
    this.#failedAtMs = now();
    this.#failures++;
    // Told once for each time that it begins to fail.
    if (this.#failures === 1 && audit !== undefined) {
      const event = failureEvent(error, this.#failedAtMs);
      // Nothing waits for it: the failure itself is what has to be known.
      recorded(() => audit.report(event)).catch(() => {});
    }
    try {
      onError?.(error);
    } catch {
      // A listener has no say in it.
    }
  }

  #pauseMs(): number {
    return Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (this.#failures - 1));
  }

  /** Sets the one timer to when something is due next, and a little later on each machine. */
  #schedule(): void {
    const { timers, timing, random, now } = this.#settings;
    if (this.#timer !== undefined) timers.clear(this.#timer);
    this.#timer = undefined;
    if (this.#ended.signal.aborted) return;
    const pauseMs = this.#failures > 0 ? this.#pauseMs() : MIN_RETRY_MS;
    const jitterMs = random() * (this.#failures > 0 ? pauseMs : timing.slackMs);
    const dueMs = this.#failures > 0 ? 0 : dueAtMs(this.#held.stored, timing) - now();
    const delayMs = Math.ceil(Math.max(dueMs, pauseMs) + jitterMs);
    // One that fires before anything is due asks the store, finds nothing to do, and is set again.
    this.#timer = timers.set(() => {
      this.#timer = undefined;
      if (!this.#ended.signal.aborted) this.#checkNow().catch(() => {});
    }, Math.min(delayMs, MAX_DELAY_MS));
  }
}

async function makeKey(
  alg: RotationSettings["alg"],
  extractable: boolean,
): Promise<Omit<StoredKey, keyof KeyTimes>> {
  const pair = await generateDpopKeyPair(alg, { extractable });
  const { jkt, jwk } = await createDpopSigner(pair, { alg });
  return { jkt, alg, jwk, privateKey: pair.privateKey };
}

function full(): SecurityError {
  return unavailable("The set of keys is full");
}

function unavailable(message: string, cause?: unknown): SecurityError {
  return new SecurityError("key-store-unavailable", message, { cause });
}

function closed(): SecurityError {
  return new SecurityError("closed", "The keys are closed");
}
