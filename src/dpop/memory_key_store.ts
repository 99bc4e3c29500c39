import type { KeySet, KeyStore, StoredKey } from "./key_store.ts";

/**
 * Keeps the keys of a rotation in the memory of one process, non-extractable.
 *
 * They are lost with the process, and tokens that are bound to them are then of no use: good for a client
 * that can ask for new tokens, and for tests.
 *
 * @example Two rotations of one process share their keys
 * ```ts
 * import { createKeyRotation, MemoryKeyStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const store = new MemoryKeyStore();
 * await using first = await createKeyRotation({ store });
 * await using second = await createKeyRotation({ store });
 * assertEquals((await first.current()).jkt, (await second.current()).jkt);
 * ```
 */
export class MemoryKeyStore implements KeyStore {
  /** Nothing is written down. */
  readonly needsExtractable = false;
  #set: KeySet = { keys: [], version: null };
  #writes = 0;

  /**
   * Reads the set.
   *
   * @returns The keys and their version.
   */
  load(): Promise<KeySet> {
    return Promise.resolve(this.#set);
  }

  /**
   * Replaces the set if its version is still the given one.
   *
   * @param keys The new keys, oldest first.
   * @param version The version that they replace.
   * @returns Whether they were stored.
   */
  replace(keys: readonly StoredKey[], version: string | null): Promise<boolean> {
    if (version !== this.#set.version) return Promise.resolve(false);
    this.#writes++;
    this.#set = Object.freeze({ keys: Object.freeze([...keys]), version: `${this.#writes}` });
    return Promise.resolve(true);
  }
}
