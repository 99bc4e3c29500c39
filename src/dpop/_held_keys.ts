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
  /**
   * Thumbprints that this process revoked. They are never forgotten: whoever can write to the store could
   * bring the key back once it is gone from there.
   */
  readonly #revoked = new Set<string>();
  readonly #mayBeExtractable: boolean;

  /**
   * Holds no keys yet.
   *
   * @param mayBeExtractable Whether the store has to take private keys out, to write them down.
   */
  constructor(mayBeExtractable: boolean) {
    this.#mayBeExtractable = mayBeExtractable;
  }

  /** The keys. */
  get stored(): readonly StoredKey[] {
    return this.#stored;
  }

  /**
   * Takes over what a store returned.
   *
   * @param keys The keys of the set.
   * @param nowMs The time.
   * @throws {SecurityError} `key-invalid` if one of them is none; the copy stays what it was.
   */
  async adopt(keys: readonly StoredKey[], nowMs: number): Promise<void> {
    this.#check(keys);
    const next = new Map<string, HeldKey>();
    const found = new Set<string>();
    for (const stored of keys) {
      const { jkt, deletesAtMs } = stored;
      found.add(jkt);
      if (nowMs >= deletesAtMs) this.#noteOver(jkt, deletesAtMs);
      if (this.isOver(stored, nowMs)) continue;
      // Whoever holds the signer of a key holds the same one after a refresh.
      const signer = this.#keys.get(jkt)?.signer ?? await this.#signerOf(stored);
      // What is published is what was verified, whatever the store has said since.
      const { alg, jwk } = signer;
      next.set(jkt, { stored: { ...stored, alg, jwk }, signer });
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
    if (this.#revoked.has(jkt)) return true;
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
      if (nowMs < deletesAtMs) continue;
      this.#noteOver(jkt, deletesAtMs);
      this.#drop(jkt);
    }
  }

  /**
   * Drops a key for good, however long it is to be kept.
   *
   * @param jkt Its thumbprint.
   */
  revoke(jkt: string): void {
    this.#revoked.add(jkt);
    this.#drop(jkt);
  }

  #drop(jkt: string): void {
    const rest = new Map(this.#keys);
    rest.delete(jkt);
    this.#hold(rest);
  }

  /** Drops all keys. */
  clear(): void {
    this.#hold(new Map());
  }

  /** A store is a file or a database that others may have written to. */
  #check(keys: readonly StoredKey[]): void {
    if (!Array.isArray(keys)) throw invalid("The stored set of keys is none");
    const names = new Set<string>();
    for (const key of keys) {
      if (typeof key !== "object" || key === null) throw invalid("A stored key is none");
      checkTimes(key);
      if (key.privateKey?.extractable && !this.#mayBeExtractable) {
        throw invalid("A stored key could be taken out");
      }
      names.add(key.jkt);
    }
    if (names.size < keys.length) throw invalid("A key is stored twice");
  }

  async #signerOf(stored: StoredKey): Promise<DpopSigner> {
    const { jkt, alg, jwk, privateKey } = stored;
    let signer: DpopSigner;
    try {
      signer = await createDpopSigner({ privateKey, jwk }, { alg });
    } catch (cause) {
      throw invalid("A stored key cannot be used", cause);
    }
    // Without this, whoever may write to the store could publish a key of their own under any name.
    if (signer.jkt !== jkt) throw invalid("A stored key has another thumbprint than it says");
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
  throw invalid("A stored key has no valid times");
}

function invalid(message: string, cause?: unknown): SecurityError {
  return new SecurityError("key-invalid", message, { cause });
}

function deleted(jkt: string): SecurityError {
  return new SecurityError("key-not-found", "The key was deleted", { details: { jkt } });
}
