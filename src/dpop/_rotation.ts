/**
 * How one process takes part in a rotation.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { FailurePause } from "./_failure_pause.ts";
import {
  dueAtMs,
  dueChange,
  forcedChange,
  phaseOf,
  revokedChange,
  signingKey,
} from "./_key_phases.ts";
import { failureEvent } from "./_rotation_audit.ts";
import { MAX_KEYS_FOR_FORCED, type RotationSettings } from "./_rotation_options.ts";
import { closed, full, type KeyEdit, SharedKeys, unavailable } from "./_shared_keys.ts";
import type { DpopSigner } from "./dpop_signer.ts";
import type { KeyRotation, RotationJwk, RotationKey } from "./key_rotation.ts";
import type { StoredKey } from "./key_store.ts";

/** Longest delay of a timer; beyond it, timers fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Keeping a key longer, as it waits for its turn. */
interface Retention {
  /** The latest end that was asked for. */
  untilMs: number;
  readonly done: Promise<void>;
}

/** Does what is due and what it is asked for; see {@linkcode createKeyRotation}. */
export class Rotation implements KeyRotation {
  readonly #settings: RotationSettings;
  readonly #ended = new AbortController();
  readonly #shared: SharedKeys;
  readonly #pause = new FailurePause();
  readonly #abort = () => void this.close();
  #check: Promise<void> | undefined;
  #reload: Promise<void> | undefined;
  /** By thumbprint; those who ask while one waits for its turn share it. */
  readonly #retentions = new Map<string, Retention>();
  /** Keys that a token outlives, which was told. */
  readonly #outlived = new WeakSet<DpopSigner>();
  #timer: unknown;

  constructor(settings: RotationSettings) {
    this.#settings = settings;
    this.#shared = new SharedKeys(settings, this.#ended.signal);
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
    const held = signing && this.#shared.held.find(signing.jkt);
    if (held === undefined) throw unavailable("No key is left to sign with");
    return held.signer;
  }

  async find(jkt: string): Promise<DpopSigner | undefined> {
    await this.#refresh();
    const held = this.#shared.held.find(jkt);
    if (held !== undefined) return held.signer;
    // Another machine may have made it a moment ago.
    await this.#reloadOnce();
    this.#shared.held.expire(this.#shared.now());
    return this.#shared.held.find(jkt)?.signer;
  }

  async retain(jkt: string, untilSeconds: number): Promise<void> {
    const untilMs = untilSeconds * 1000;
    if (!Number.isFinite(untilMs)) {
      throw new RangeError(
        "Cannot retain a key as 'untilSeconds' must be a number of seconds: " +
          `current value is ${untilSeconds}`,
      );
    }
    if (!this.#isRetained(jkt, untilMs)) await this.#retainInTurn(jkt, untilMs);
    this.#shared.now();
    const held = this.#shared.held.find(jkt);
    if (held === undefined) {
      throw new SecurityError("key-not-found", "The key was deleted", { details: { jkt } });
    }
    const mostMs = held.stored.retiresAtMs + this.#settings.maxRetainMs;
    if (untilMs <= Math.max(mostMs, held.stored.deletesAtMs)) return;
    const error = new RangeError(
      "Cannot retain a key as 'untilSeconds' must be at most 'maxRetainSeconds' after it retires, " +
        `${mostMs / 1000}: current value is ${untilSeconds}`,
    );
    // A client drops the error: the request at hand is none the worse for it.
    if (!this.#outlived.has(held.signer)) {
      this.#outlived.add(held.signer);
      this.#record("retain", jkt, error);
      this.#tell(error);
    }
    throw error;
  }

  /**
   * Asks the store once for all who want the same key to be kept: one turn each would make every other
   * request, and every change of the keys, wait for all of them when the store is slow.
   */
  #retainInTurn(jkt: string, untilMs: number): Promise<void> {
    const waiting = this.#retentions.get(jkt);
    if (waiting !== undefined) {
      waiting.untilMs = Math.max(waiting.untilMs, untilMs);
      return waiting.done;
    }
    this.#failIfPausing();
    const retention: Retention = {
      untilMs,
      done: this.#shared.inTurn(async () => {
        // Whoever comes from here on is too late for this one.
        this.#retentions.delete(jkt);
        // What was done before may have done this as well, or shown that the store is down.
        if (this.#isRetained(jkt, retention.untilMs)) return;
        this.#failIfPausing();
        try {
          await this.#change("retain", (keys) => {
            const key = keys.find((one) => one.jkt === jkt);
            const deletesAtMs = key === undefined ? 0 : this.#endOf(key, retention.untilMs);
            if (key === undefined || deletesAtMs <= key.deletesAtMs) return undefined;
            return { keys: keys.map((one) => one === key ? { ...one, deletesAtMs } : one) };
          }, jkt);
        } catch (error) {
          if (!this.#ended.signal.aborted) this.#noteFailure("retain", error);
          throw error;
        }
      }),
    };
    this.#retentions.set(jkt, retention);
    return retention.done;
  }

  #failIfPausing(): void {
    if (!this.#pause.isOn(this.#shared.now())) return;
    throw unavailable("The keys were out of reach a moment ago");
  }

  #isRetained(jkt: string, untilMs: number): boolean {
    this.#shared.held.expire(this.#shared.now());
    const held = this.#shared.held.find(jkt);
    return held !== undefined && this.#endOf(held.stored, untilMs) <= held.stored.deletesAtMs;
  }

  /** Rounded up, so that many tokens of one key cost few writes. */
  #endOf({ retiresAtMs }: StoredKey, untilMs: number): number {
    const { timing: { slackMs }, maxRetainMs } = this.#settings;
    // A token that is renewed for ever would keep its key for ever, and the set would grow with each.
    return Math.ceil(Math.min(untilMs, retiresAtMs + maxRetainMs) / slackMs) * slackMs;
  }

  async jwks(): Promise<{ readonly keys: readonly RotationJwk[] }> {
    await this.#refresh();
    const keys = this.#shared.held.stored.map(({ jkt, alg, jwk }): RotationJwk => {
      return { ...jwk, kid: jkt, alg, use: "sig" };
    });
    return { keys };
  }

  async keys(): Promise<readonly RotationKey[]> {
    const nowMs = await this.#refresh();
    const { stored } = this.#shared.held;
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
    this.#shared.now();
    this.#shared.held.revoke(jkt);
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
    this.#shared.held.clear();
    await this.#shared.idle;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #signing(): StoredKey | undefined {
    const nowMs = this.#shared.now();
    this.#shared.held.expire(nowMs);
    return signingKey(this.#shared.held.stored, nowMs);
  }

  /**
   * Does what is due. A copy that is too old is waited for, once: while the store fails, what is at hand
   * is used, and the store is asked in the background, at intervals.
   */
  async #refresh(): Promise<number> {
    const nowMs = this.#shared.now();
    this.#shared.held.expire(nowMs);
    const { refreshMs, timing } = this.#settings;
    // A copy of the future is of unknown age: the clock was set back.
    const ageMs = nowMs < this.#shared.loadedAtMs ? Infinity : nowMs - this.#shared.loadedAtMs;
    const isDue = ageMs >= refreshMs / 2 || nowMs >= dueAtMs(this.#shared.held.stored, timing);
    if (!isDue || this.#pause.isOn(nowMs)) return nowMs;
    const hasFailed = this.#pause.failures > 0;
    // Reported where it failed; who needs what it would have brought, asks again.
    const check = this.#checkNow().catch(() => {});
    if (ageMs < refreshMs || hasFailed) return nowMs;
    await check;
    return this.#shared.now();
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
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#noteFailure("schedule", error);
      throw error;
    }
  }

  #reloadOnce(): Promise<void> {
    return this.#reload ??= this.#shared.inTurn(async () => {
      // Whoever comes from here on needs a newer answer than this one.
      this.#reload = undefined;
      await this.#shared.load();
    });
  }

  #update(operation: string, edit: KeyEdit, resource?: string): Promise<void> {
    return this.#shared.inTurn(() => this.#change(operation, edit, resource));
  }

  async #change(operation: string, edit: KeyEdit, resource?: string): Promise<void> {
    try {
      await this.#shared.change(operation, edit, resource);
      this.#pause.end();
    } finally {
      this.#schedule();
    }
  }

  #noteFailure(operation: string, error: unknown): void {
    this.#pause.begin(this.#settings.now());
    // Recorded once for each time that it begins to fail.
    if (this.#pause.failures === 1) this.#record(operation, undefined, error);
    this.#tell(error);
    this.#schedule();
  }

  #record(operation: string, resource: string | undefined, error: unknown): void {
    this.#shared.reports.tell(failureEvent(operation, resource, error, this.#settings.now()));
  }

  #tell(error: unknown): void {
    try {
      this.#settings.onError?.(error);
    } catch {
      // A listener has no say in it.
    }
  }

  /** Sets the one timer to when something is due next, and a little later on each machine. */
  #schedule(): void {
    const { timers, timing, random, now } = this.#settings;
    if (this.#timer !== undefined) timers.clear(this.#timer);
    this.#timer = undefined;
    if (this.#ended.signal.aborted) return;
    const { lengthMs, failures } = this.#pause;
    const isRetry = failures > 0 || this.#shared.reports.isWaiting;
    const jitterMs = random() * (isRetry ? lengthMs : timing.slackMs);
    const dueMs = isRetry ? 0 : dueAtMs(this.#shared.held.stored, timing) - now();
    const delayMs = Math.ceil(Math.max(dueMs, lengthMs) + jitterMs);
    // One that fires before anything is due asks the store, finds nothing to do, and is set again.
    this.#timer = timers.set(() => {
      this.#timer = undefined;
      if (!this.#ended.signal.aborted) this.#checkNow().catch(() => {});
    }, Math.min(delayMs, MAX_DELAY_MS));
  }
}
