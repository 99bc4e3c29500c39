/** What tests of key rotation share: a clock with its own timers, and stores that misbehave. */

import { assertEquals, assertRejects } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import {
  createKeyRotation,
  type KeyRotation,
  type KeyRotationOptions,
  type KeyRotationTimers,
} from "../../src/dpop/key_rotation.ts";
import type { KeySet, KeyStore, StoredKey } from "../../src/dpop/key_store.ts";
import { MemoryKeyStore } from "../../src/dpop/memory_key_store.ts";

export const START_MS = 1_700_000_000_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

const HOURLY = {
  rotateEverySeconds: 3600,
  overlapSeconds: 7200,
  announceSeconds: 600,
  refreshSeconds: 60,
};

/** Time that only goes where it is told to. */
export class VirtualClock {
  #nowMs = START_MS;
  readonly #timers = new Map<number, { readonly atMs: number; readonly callback: () => void }>();
  #made = 0;
  readonly delays: number[] = [];

  readonly now = (): number => this.#nowMs;

  readonly timers: KeyRotationTimers = {
    set: (callback, delayMs) => {
      this.delays.push(delayMs);
      this.#timers.set(++this.#made, { atMs: this.#nowMs + delayMs, callback });
      return this.#made;
    },
    clear: (timer) => void this.#timers.delete(Number(timer)),
  };

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the clock without firing anything: a suspended process, or a clock that was set. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets time pass, firing the timers on their way. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    while (true) {
      const next = [...this.#timers].filter(([, { atMs }]) => atMs <= endMs)
        .sort(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      const [id, { atMs, callback }] = next;
      this.#timers.delete(id);
      this.#nowMs = Math.max(this.#nowMs, atMs);
      callback();
      await settle();
    }
    this.#nowMs = endMs;
  }
}

/** Lets everything that has been started come to its end: keys are made on threads of their own. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A store that checks every set that it is given, and can fail or hang. */
export class WatchedStore implements KeyStore {
  readonly #inner: KeyStore;
  readonly history: (readonly StoredKey[])[] = [];
  mode: "works" | "fails" | "hangs" = "works";
  loads = 0;
  #held: Promise<void> | undefined;

  constructor(inner: KeyStore = new MemoryKeyStore()) {
    this.#inner = inner;
  }

  get needsExtractable(): boolean {
    return this.#inner.needsExtractable;
  }

  async load(options?: { readonly signal?: AbortSignal }): Promise<KeySet> {
    this.loads++;
    const set = await this.#inner.load(options);
    await this.#answer();
    return set;
  }

  async replace(keys: readonly StoredKey[], version: string | null): Promise<boolean> {
    await this.#answer();
    await this.#held;
    const done = await this.#inner.replace(keys, version);
    if (done) this.history.push(keys);
    return done;
  }

  /** Lets writes wait until they are released. */
  holdWrites(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      this.#held = undefined;
      resolve();
    };
  }

  async #answer(): Promise<void> {
    if (this.mode === "fails") throw new Error("connection refused");
    if (this.mode === "hangs") await new Promise(() => {});
  }

  /** Every key that was ever stored. */
  get everStored(): ReadonlySet<string> {
    return new Set(this.history.flat().map(({ jkt }) => jkt));
  }
}

/** Moments at which two keys of one set would sign. */
export function overlaps(keys: readonly StoredKey[]): number {
  return keys.filter((a, at) =>
    keys.some((b, other) => {
      return other > at && a.signsFromMs < b.retiresAtMs && b.signsFromMs < a.retiresAtMs;
    })
  ).length;
}

/** One process of a rotation. */
export interface Machine {
  readonly clock: VirtualClock;
  readonly store: WatchedStore;
  readonly rotation: KeyRotation;
}

/** Starts a process that rotates by the hour. */
export async function machine(
  options: KeyRotationOptions = {},
  store = new WatchedStore(),
  clock = new VirtualClock(),
): Promise<Machine> {
  const { now, timers } = clock;
  const rotation = await createKeyRotation({
    store,
    now,
    timers,
    random: () => 0.5,
    ...HOURLY,
    ...options,
  });
  return { clock, store, rotation };
}

/** Phases of the keys at hand. */
export async function phases(rotation: KeyRotation): Promise<readonly string[]> {
  return (await rotation.keys()).map(({ phase }) => phase);
}

/** Expects a refusal. */
export function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  return assertRejects(() => promise, SecurityError).then((error) => {
    assertEquals(error.code, code);
  });
}
