/**
 * The set of keys that lies in a store, as one process reads and changes it.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { AuditEventInput } from "../events/audit_event.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { HeldKeys } from "./_held_keys.ts";
import { compareKeys, type KeyChange, type KeyTimes } from "./_key_phases.ts";
import { changeEvent, ChangeReports, doubtEvent } from "./_rotation_audit.ts";
import { MAX_KEYS, type RotationSettings } from "./_rotation_options.ts";
import { createDpopSigner, generateDpopKeyPair } from "./dpop_signer.ts";
import type { KeySet, StoredKey } from "./key_store.ts";

/** Each time, another machine has written in between: after so many, something is wrong. */
const MAX_ATTEMPTS = 16;

/**
 * Says what a set has to become, by its living keys and by what is stored; `undefined` when nothing has to
 * be done.
 */
export type KeyEdit = (
  living: readonly StoredKey[],
  nowMs: number,
  stored: readonly StoredKey[],
) => KeyChange | undefined;

/** Reads and changes the set, one thing after the other. */
export class SharedKeys {
  /** The copy of this process. */
  readonly held: HeldKeys;
  /** Changes on their way to the reporter. */
  readonly reports: ChangeReports;
  readonly #settings: RotationSettings;
  readonly #ended: AbortSignal;
  /** Everything that talks to the store: an older answer never replaces a newer. */
  #queue: Promise<unknown> = Promise.resolve();
  #loadedAtMs = -Infinity;

  /**
   * Reads nothing yet.
   *
   * @param settings The store, and what is injected.
   * @param ended Ends all waiting.
   */
  constructor(settings: RotationSettings, ended: AbortSignal) {
    this.#settings = settings;
    this.#ended = ended;
    this.held = new HeldKeys(settings.store.needsExtractable);
    const limits = { timeoutMs: settings.storeTimeoutMs, signal: ended };
    this.reports = new ChangeReports(settings.audit, limits);
  }

  /** When the copy was asked for. */
  get loadedAtMs(): number {
    return this.#loadedAtMs;
  }

  /** Settles once nothing is under way. */
  get idle(): Promise<unknown> {
    return this.#queue;
  }

  /** The time, unless it is all over. */
  now(): number {
    if (this.#ended.aborted) throw closed();
    const nowMs = this.#settings.now();
    if (Number.isFinite(nowMs)) return nowMs;
    throw new RangeError(
      `Cannot use keys as 'now' must return a number: current value is ${nowMs}`,
    );
  }

  /** Waits until nothing else talks to the store. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(task);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /**
   * Changes the stored set; in turn only. Of machines that do so at once one succeeds; the others look
   * again.
   */
  async change(operation: string, edit: KeyEdit, resource?: string): Promise<void> {
    const { store, alg } = this.#settings;
    let made: Omit<StoredKey, keyof KeyTimes> | undefined;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { keys: before, version } = await this.load();
      const nowMs = this.now();
      // What is over does not come back, whoever asks for it.
      const living = before.filter((key) => !this.held.isOver(key, nowMs));
      const change = edit(living, nowMs, before);
      if (change === undefined) return await this.reports.flush();
      const { created } = change;
      if (created !== undefined && change.keys.length >= MAX_KEYS) throw full();
      if (created !== undefined) made ??= await makeKey(alg, store.needsExtractable);
      const keys = made === undefined || created === undefined
        ? [...change.keys]
        : [...change.keys, { ...made, ...created }];
      keys.sort(compareKeys);
      await this.reports.ready();
      const event = changeEvent(operation, resource, nowMs, before, keys);
      if (!await this.#replace(keys, version, event)) continue;
      this.reports.add(event);
      try {
        // What was stored is what counts, and what it comes back as.
        await this.load();
      } finally {
        await this.reports.flush();
      }
      return;
    }
    throw unavailable("The keys are changed by too many at once");
  }

  async #replace(
    keys: readonly StoredKey[],
    version: string | null,
    event: AuditEventInput,
  ): Promise<boolean> {
    const { store } = this.#settings;
    try {
      return await this.#ask((signal) => store.replace(keys, version, { signal }));
    } catch (error) {
      // No answer is not a no.
      this.reports.add(doubtEvent(event, error));
      await this.reports.flush().catch(() => {});
      throw error;
    }
  }

  /** Renews the copy; in turn only. */
  async load(): Promise<KeySet> {
    const askedAtMs = this.now();
    const set = await this.#ask((signal) => this.#settings.store.load({ signal }));
    await this.held.adopt(set.keys, this.now());
    if (this.#ended.aborted) this.held.clear();
    this.#loadedAtMs = askedAtMs;
    return set;
  }

  async #ask<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = this.#ended;
    try {
      return await answerWithin(ask, { timeoutMs: this.#settings.storeTimeoutMs, signal });
    } catch (error) {
      if (signal.aborted) throw closed();
      if (error instanceof SecurityError) throw error;
      throw unavailable("The keys are out of reach", error);
    }
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

/** A set that holds as many keys as it may. */
export function full(): SecurityError {
  return unavailable("The set of keys is full");
}

/** A store that cannot be used. */
export function unavailable(message: string, cause?: unknown): SecurityError {
  return new SecurityError("key-store-unavailable", message, { cause });
}

/** The end of a rotation. */
export function closed(): SecurityError {
  return new SecurityError("closed", "The keys are closed");
}
