/**
 * The copy of a set of keys that one process works with.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { createDpopSigner, type DpopSigner } from "./dpop_signer.ts";
import type { StoredKey } from "./key_store.ts";

interface HeldKey {
  readonly stored: StoredKey;
  readonly signer: DpopSigner;
}

/** Keys as they were last read from the store, without those that are over. */
export class HeldKeys {
  #keys: ReadonlyMap<string, HeldKey> = new Map();
  #stored: readonly StoredKey[] = [];
  /**
   * Keys that are over for this process and may still lie in the store, with the end that they had: a clock
   * that is set back must not bring them back, but a machine that retained one in time may. It never holds
   * more than the store does.
   */
  readonly #over = new Map<string, number>();

  /** The keys. */
  get stored(): readonly StoredKey[] {
    return this.#stored;
  }

  /**
   * Takes over what a store returned.
   *
   * @param keys The keys of the set.
   * @param nowMs The time.
   * @throws {SecurityError} `key-invalid` if one of them is none.
   */
  async adopt(keys: readonly StoredKey[], nowMs: number): Promise<void> {
    const next = new Map<string, HeldKey>();
    const found = new Set<string>();
    for (const stored of keys) {
      const { jkt, deletesAtMs } = stored;
      found.add(jkt);
      if (nowMs >= deletesAtMs) this.#noteOver(jkt, deletesAtMs);
      if (this.isOver(stored, nowMs)) continue;
      // Whoever holds the signer of a key holds the same one after a refresh.
      const signer = this.#keys.get(jkt)?.signer ?? await this.#signerOf(stored);
      next.set(jkt, { stored, signer });
    }
    for (const jkt of this.#over.keys()) {
      if (!found.has(jkt)) this.#over.delete(jkt);
    }
    // One may have been revoked while signers were made.
    for (const { stored } of [...next.values()]) {
      if (this.isOver(stored, nowMs)) next.delete(stored.jkt);
    }
    this.#hold(next);
  }

  /**
   * Tells whether a key is over.
   *
   * @param key The key, as it is stored.
   * @param nowMs The time.
   * @returns Whether it must not be used.
   */
  isOver({ jkt, deletesAtMs }: StoredKey, nowMs: number): boolean {
    return nowMs >= deletesAtMs || (this.#over.get(jkt) ?? -Infinity) >= deletesAtMs;
  }

  #noteOver(jkt: string, endMs: number): void {
    this.#over.set(jkt, Math.max(endMs, this.#over.get(jkt) ?? -Infinity));
  }

  #hold(keys: ReadonlyMap<string, HeldKey>): void {
    this.#keys = keys;
    this.#stored = [...keys.values()].map(({ stored }) => stored);
  }

  /**
   * Looks a key up.
   *
   * @param jkt Its thumbprint.
   * @returns The key, if it is held.
   */
  find(jkt: string): HeldKey | undefined {
    return this.#keys.get(jkt);
  }

  /**
   * Drops the keys whose time is over.
   *
   * @param nowMs The time.
   */
  expire(nowMs: number): void {
    for (const { jkt, deletesAtMs } of this.#stored) {
      if (nowMs >= deletesAtMs) this.#drop(jkt, deletesAtMs);
    }
  }

  /**
   * Drops a key for good, however long it is to be kept.
   *
   * @param jkt Its thumbprint.
   */
  revoke(jkt: string): void {
    this.#drop(jkt, Infinity);
  }

  #drop(jkt: string, endMs: number): void {
    this.#noteOver(jkt, endMs);
    const rest = new Map(this.#keys);
    rest.delete(jkt);
    this.#hold(rest);
  }

  /** Drops all keys. */
  clear(): void {
    this.#hold(new Map());
  }

  async #signerOf(stored: StoredKey): Promise<DpopSigner> {
    const { jkt, alg, jwk, privateKey } = stored;
    checkTimes(stored);
    let signer: DpopSigner;
    try {
      signer = await createDpopSigner({ privateKey, jwk }, { alg });
    } catch (cause) {
      throw new SecurityError("key-invalid", "A stored key cannot be used", { cause });
    }
    // Without this, whoever may write to the store could publish a key of their own under any name.
    if (signer.jkt !== jkt) {
      throw new SecurityError("key-invalid", "A stored key has another thumbprint than it says");
    }
    const sign = (data: Uint8Array<ArrayBuffer>): Promise<Uint8Array | ArrayBuffer> => {
      // It may have been handed out long ago.
      return this.#keys.has(jkt) ? signer.sign(data) : Promise.reject(deleted(jkt));
    };
    return Object.freeze({ alg: signer.alg, jwk: signer.jwk, jkt, sign });
  }
}

function checkTimes({ createdAtMs, signsFromMs, retiresAtMs, deletesAtMs }: StoredKey): void {
  const times = [createdAtMs, signsFromMs, retiresAtMs, deletesAtMs];
  // Against a time that is no number, every comparison is false: the key would stay for ever.
  if (times.every(Number.isFinite)) return;
  throw new SecurityError("key-invalid", "A stored key has no valid times");
}

function deleted(jkt: string): SecurityError {
  return new SecurityError("key-not-found", "The key was deleted", { details: { jkt } });
}
