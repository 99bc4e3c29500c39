/**
 * A map that forgets what was not used for longest: bounded memory for what a peer can make grow.
 *
 * @typeParam K Type of the keys.
 * @typeParam V Type of the values.
 */
export class Lru<K, V> {
  readonly #capacity: number;
  // A Map keeps the order of insertion: the first key is the one that was not used for longest.
  readonly #entries = new Map<K, V>();

  /**
   * Makes an empty map.
   *
   * @param capacity Most entries it holds.
   */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`'capacity' must be a positive integer: current value is ${capacity}`);
    }
    this.#capacity = capacity;
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Looks a key up, which counts as a use.
   *
   * @param key The key.
   * @returns Its value, or `undefined`.
   */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /**
   * Stores a value, and drops the entry that was not used for longest where there is no room.
   *
   * @param key The key.
   * @param value The value.
   */
  set(key: K, value: V): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#capacity) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, value);
  }

  /**
   * Forgets a key.
   *
   * @param key The key.
   */
  delete(key: K): void {
    this.#entries.delete(key);
  }
}
