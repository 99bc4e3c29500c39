import type { AuditReporter } from "../events/audit_event.ts";
import { Rotation } from "./_rotation.ts";
import { readRotationOptions } from "./_rotation_options.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { DpopKeyProvider, DpopSigner, PublicJwk } from "./dpop_signer.ts";
import type { KeyPhase, KeyStore } from "./key_store.ts";

/** The one timer of a rotation, for runtimes and tests with timers of their own. */
export interface KeyRotationTimers {
  /**
   * Starts a timer; it should keep no process alive.
   *
   * @param callback What is called once.
   * @param delayMs When, in milliseconds from now, from 0 to 2,147,483,647.
   * @returns What {@linkcode KeyRotationTimers.clear} is given.
   */
  set(callback: () => void, delayMs: number): unknown;

  /**
   * Stops a timer.
   *
   * @param timer What `set` returned.
   */
  clear(timer: unknown): void;
}

/** Options of {@linkcode createKeyRotation}. Durations are whole seconds. */
export interface KeyRotationOptions {
  /** Where the keys lie. @default {a MemoryKeyStore} */
  readonly store?: KeyStore;
  /** Algorithm of new keys; those that are there keep theirs. @default {"ES256"} */
  readonly alg?: DpopAlg;
  /** How long a key signs, in seconds. @default {86_400} */
  readonly rotateEverySeconds?: number;
  /**
   * How long a retired key is kept, in seconds, at most 100 periods: what was signed with it can be verified
   * for that long. @default {`rotateEverySeconds`}
   */
  readonly overlapSeconds?: number;
  /**
   * How long a key is published before it signs, in seconds, at most half a period: longer than verifiers
   * keep a copy of {@linkcode KeyRotation.jwks}, and than clocks differ.
   * @default {3600, at most a quarter of `rotateEverySeconds`}
   */
  readonly announceSeconds?: number;
  /**
   * How old the copy of the stored set may get, in seconds, at most `announceSeconds`.
   * @default {60, at most half of `announceSeconds`}
   */
  readonly refreshSeconds?: number;
  /**
   * How long after its retirement a token can keep a key, in seconds, at most 100 periods.
   * @default {90 days, at most 100 periods}
   */
  readonly maxRetainSeconds?: number;
  /** How long the store and `audit` have for each answer, in milliseconds. @default {5000} */
  readonly storeTimeoutMs?: number;
  /** Clock, in milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
  /** Randomness for the jitter of the timer, from 0 to 1. @default {Math.random} */
  readonly random?: () => number;
  /** Timers. @default {setTimeout, without keeping the process alive} */
  readonly timers?: KeyRotationTimers;
  /** Closes the rotation when it is aborted. @default {undefined} */
  readonly signal?: AbortSignal;
  /**
   * Where every change of the set is reported to, by the machine that made it. Nothing is changed while
   * `ready` rejects. A change that was stored and that `report` then rejects is not taken back: the caller
   * gets `audit-unavailable`, and it is reported again by timer and before anything else is changed, so that
   * it may be recorded twice; it is not recorded if the rotation fails to start or is closed before that.
   * A change that the store did not answer to is reported with the outcome `error`, as it may have been made.
   * @default {nowhere}
   */
  readonly audit?: AuditReporter;
  /**
   * Told of failures of the schedule and of {@linkcode KeyRotation.retain}, which a client does not wait for;
   * of a token that outlives what a key can be kept, once for each key. @default {undefined}
   */
  readonly onError?: (error: unknown) => void;
}

/** A public key for verifiers, with its name. */
export type RotationJwk = PublicJwk & {
  /** Thumbprint of the key. */
  readonly kid: string;
  /** Algorithm. */
  readonly alg: DpopAlg;
  /** Its use, which is to verify signatures. */
  readonly use: "sig";
};

/** A key as {@linkcode KeyRotation.keys} shows it. */
export interface RotationKey {
  /** SHA-256 thumbprint, base64url. */
  readonly jkt: string;
  /** Algorithm. */
  readonly alg: DpopAlg;
  /** Where it is in its life. */
  readonly phase: KeyPhase;
  /** When it begins to sign, in milliseconds since the epoch. */
  readonly signsFromMs: number;
  /** When it stops signing. */
  readonly retiresAtMs: number;
  /** When it is deleted. */
  readonly deletesAtMs: number;
}

/** Keys that replace one another. Made by {@linkcode createKeyRotation}. */
export interface KeyRotation extends DpopKeyProvider, AsyncDisposable {
  /**
   * The key that signs now.
   *
   * @returns The key; the same object for as long as it signs.
   * @throws {SecurityError} `key-store-unavailable` when all keys at hand have retired and the store does
   * not answer, `key-invalid` when it holds something else, `audit-unavailable`, `closed`.
   */
  current(): Promise<DpopSigner>;

  /**
   * A key that is kept: announced, signing or retired.
   *
   * @param jkt Thumbprint of the key.
   * @returns The key, or `undefined` when no machine has it.
   * @throws {SecurityError} `key-store-unavailable` when it is not at hand and the store cannot be asked,
   * `key-invalid`, `closed`.
   */
  find(jkt: string): Promise<DpopSigner | undefined>;

  /**
   * Keeps a key for as long as a token is bound to it. The moment is rounded up, so that many tokens of one
   * key cost few writes, and is never brought forward. Calls for one key share a write, and right after a
   * failure they are refused without asking the store.
   *
   * @param jkt Thumbprint of the key.
   * @param untilSeconds When the last such token expires, in seconds since the epoch.
   * @throws {SecurityError} `key-not-found`, `key-store-unavailable`, `key-invalid`, `audit-unavailable`,
   * `closed`.
   * @throws {RangeError} If it is more than `maxRetainSeconds` after the key retires, when the key is kept for
   * as long as that; or no number.
   */
  retain(jkt: string, untilSeconds: number): Promise<void>;

  /**
   * The public keys for verifiers: announced, signing and retired ones.
   *
   * @returns A JSON Web Key Set (RFC 7517, section 5), oldest key first.
   * @throws {SecurityError} `closed`.
   */
  jwks(): Promise<{ readonly keys: readonly RotationJwk[] }>;

  /**
   * The keys at hand and their phases, for an operator.
   *
   * @returns The keys, oldest first.
   * @throws {SecurityError} `closed`.
   */
  keys(): Promise<readonly RotationKey[]>;

  /**
   * Retires the key that signs, before its time: an announced key takes over, or else a new one. The old
   * one is kept as long as it would have been. Of many machines that do it at once, one does.
   *
   * @returns The key that signs from now on.
   * @throws {SecurityError} `key-store-unavailable`, also when the set is full after many of these;
   * `key-invalid`, `audit-unavailable`, `closed`.
   */
  rotate(): Promise<DpopSigner>;

  /**
   * Deletes a key at once, and replaces it if it was signing: for one that is no longer secret. This
   * process stops using it even if the store does not answer, and never takes it back; others learn of it
   * within `refreshSeconds`, and verifiers when they ask for the set again.
   *
   * @param jkt Thumbprint of the key.
   * @returns Whether the store had it.
   * @throws {SecurityError} `key-store-unavailable`, `key-invalid`, `audit-unavailable`, `closed`.
   */
  revoke(jkt: string): Promise<boolean>;

  /**
   * Stops the timer and all waiting for the store and for `audit`. Keys that were handed out sign no longer.
   * What was being written when it was called may still be stored, and is reported as such.
   *
   * @returns Nothing, once all calls that were waiting have been rejected.
   */
  close(): Promise<void>;
}

/**
 * Creates keys that replace one another, for one process or for many machines with one store.
 *
 * Each key is announced (published, not yet used), signs, is retired but kept, and is deleted. When, stands
 * in the store beside the key, so machines agree without talking to each other: one of them adds the next
 * key by compare-and-set, and the others use what it stored. There is never more than one key that signs.
 *
 * - A timer with jitter, which keeps no process alive, does what is due; so does every use, because a
 *   suspended isolate misses its timers. After a pause longer than a period there is no key left to sign,
 *   and the next one begins unannounced.
 * - While the store does not answer, keys at hand go on being used: to sign until they retire, and to be
 *   found until they are deleted, never beyond. The first use after the copy got too old waits for the
 *   store, each answer for `storeTimeoutMs` at most; after a failure it is asked in the background, from
 *   once a second to once a minute. What others revoke meanwhile is not learned.
 * - Private keys are not extractable, and a set that holds one that is, is refused. The exception is a store
 *   that writes keys down (`needsExtractable`): it is given extractable ones. `KvKeyStore` returns none.
 * - Clocks should differ by less than `announceSeconds`. A machine that is behind uses a key early rather
 *   than make another; one that is ahead retires and deletes keys early, for all. A clock that is set back
 *   brings no deleted key back and makes no more keys; a key then signs for less than three periods.
 * - A set holds at most 256 keys.
 *
 * @param options The store, the durations, and what is injected.
 * @returns The rotation, with a key that signs.
 * @throws {TypeError} If an option is unknown or of the wrong kind.
 * @throws {RangeError} If a duration is out of range.
 * @throws {SecurityError} `key-store-unavailable`, `key-invalid` or `audit-unavailable`.
 *
 * @example Rotate daily, and publish the keys
 * ```ts
 * import { createKeyRotation } from "@bartizan/security";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * await using rotation = await createKeyRotation({ rotateEverySeconds: 86_400 });
 * const signer = await rotation.current();
 * const { keys } = await rotation.jwks();
 * assertEquals(keys[0]?.kid, signer.jkt);
 *
 * assertNotEquals((await rotation.rotate()).jkt, signer.jkt);
 * assertEquals(await rotation.find(signer.jkt), signer);
 * ```
 */
export async function createKeyRotation(options: KeyRotationOptions = {}): Promise<KeyRotation> {
  const settings = readRotationOptions(options);
  settings.signal?.throwIfAborted();
  const rotation = new Rotation(settings);
  try {
    await rotation.start();
  } catch (error) {
    await rotation.close();
    throw error;
  }
  return rotation;
}
