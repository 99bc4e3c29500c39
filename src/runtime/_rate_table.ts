import { usedShare } from "./_gcra.ts";
import type { RateRule } from "./rate_store.ts";

/** Half of the slots are empty at least: a look-up passes over one or two entries on average. */
const SLOTS_PER_ENTRY = 2;
/** Four words of the key, eight bytes of time, four of its fraction, and whose limit it is: 32 bytes. */
const WORDS_PER_SLOT = 8;
const REST = 6;
const TAG = 7;
const TIMES_PER_SLOT = 4;
const TIME = 2;

/** Slots that are looked at for each entry that is added: more than it takes, so that a table empties. */
const STEPS_PER_INSERT = 4;
/**
 * Entries that are looked at when there is no room: a microsecond of work. Entries and not slots, or as many
 * would be taken from where few are as from where many are, until the table was empty here and crammed there.
 */
const LOOKS_WHEN_FULL = 32;

/**
 * The moments until which keys owe something, in memory that is allocated once: 64 bytes for each that fits.
 *
 * Open addressing with linear probing; what is taken out is closed up, so that there are no tombstones and
 * nothing ever has to be rehashed. An entry whose moment has come says no more than one that is not there, and
 * its slot is used again: by whoever passes over it, or by a hand that moves on with each addition. When all
 * say something, the hand takes out who has used least of its limit among those that it passes over, but nobody
 * who is at its limit. Untouched memory costs nothing: no array is filled beforehand.
 */
export class RateTable {
  /** Most entries it holds. */
  readonly capacity: number;
  /** Entries that it holds, those included whose moment has come. */
  size = 0;
  /** Entries that were taken out before their moment. */
  forgotten = 0;
  /** The limits, by their tags. */
  readonly rules: RateRule[] = [];
  readonly #slots: number;
  /** Slots for each of the 2^32 values of a word. */
  readonly #ratio: number;
  readonly #words: Int32Array;
  /** Over the same memory: 0 is an empty slot. */
  readonly #times: Float64Array;
  #hand = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#slots = capacity * SLOTS_PER_ENTRY;
    this.#ratio = this.#slots / 2 ** 32;
    const buffer = new ArrayBuffer(this.#slots * WORDS_PER_SLOT * 4);
    this.#words = new Int32Array(buffer);
    this.#times = new Float64Array(buffer);
  }

  /** Memory that it takes, in bytes. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  /**
   * Finds an entry.
   *
   * @param key Words of the key.
   * @param tag Whose limit it is.
   * @returns Its slot, or -1. It stays there until something is inserted.
   */
  find(key: Int32Array, tag: number): number {
    const words = this.#words;
    let slot = this.#home(key[0]!);
    while (this.#times[slot * TIMES_PER_SLOT + TIME] !== 0) {
      const at = slot * WORDS_PER_SLOT;
      if (
        words[at] === key[0] && words[at + 1] === key[1] && words[at + 2] === key[2] &&
        words[at + 3] === key[3] && words[at + TAG] === tag
      ) return slot;
      if (++slot === this.#slots) slot = 0;
    }
    return -1;
  }

  /**
   * Reads the moment of an entry.
   *
   * @param slot Its slot.
   * @returns Whole microseconds; more than 0.
   */
  timeAt(slot: number): number {
    return this.#times[slot * TIMES_PER_SLOT + TIME]!;
  }

  /**
   * Reads what is over.
   *
   * @param slot Its slot.
   * @returns The fraction.
   */
  restAt(slot: number): number {
    return this.#words[slot * WORDS_PER_SLOT + REST]!;
  }

  /**
   * Sets the moment of an entry.
   *
   * @param slot Its slot.
   * @param time Whole microseconds; more than 0.
   * @param rest What is over.
   */
  set(slot: number, time: number, rest: number): void {
    this.#times[slot * TIMES_PER_SLOT + TIME] = time;
    this.#words[slot * WORDS_PER_SLOT + REST] = rest;
  }

  /**
   * Adds an entry that is not there.
   *
   * @param key Words of the key.
   * @param tag Whose limit it is.
   * @param time Its moment.
   * @param rest What is over.
   * @param now The time.
   * @returns Whether there was room.
   */
  insert(key: Int32Array, tag: number, time: number, rest: number, now: number): boolean {
    if (this.size < this.capacity) this.#reclaim(now);
    else this.#makeRoom(now);
    let slot = this.#home(key[0]!);
    for (;;) {
      const held = this.timeAt(slot);
      if (held === 0) {
        if (this.size >= this.capacity) return false;
        this.size++;
        break;
      }
      if (held < now) break;
      if (++slot === this.#slots) slot = 0;
    }
    const at = slot * WORDS_PER_SLOT;
    for (let word = 0; word < 4; word++) this.#words[at + word] = key[word]!;
    this.#words[at + TAG] = tag;
    this.set(slot, time, rest);
    return true;
  }

  #reclaim(now: number): void {
    for (let step = 0; step < STEPS_PER_INSERT; step++) {
      const held = this.timeAt(this.#hand);
      if (held !== 0 && held < now) {
        this.#remove(this.#hand);
        // Another entry may have moved up to here.
      } else if (++this.#hand === this.#slots) {
        this.#hand = 0;
      }
    }
  }

  /**
   * Takes one out, unless all that the hand passes over are at their limits. Who wants a key of its own out
   * of here needs as many others as fit, each with as much used: those had to be served anyway.
   */
  #makeRoom(now: number): void {
    let least = Infinity;
    let chosen = -1;
    for (let looks = 0; looks < LOOKS_WHEN_FULL;) {
      const slot = this.#hand;
      const held = this.timeAt(slot);
      if (held !== 0) {
        if (held < now) return this.#remove(slot);
        looks++;
        const rule = this.rules[this.#words[slot * WORDS_PER_SLOT + TAG]!]!;
        const used = usedShare(rule, held - now, this.restAt(slot));
        if (used < least) {
          least = used;
          chosen = slot;
        }
      }
      if (++this.#hand === this.#slots) this.#hand = 0;
    }
    if (chosen < 0) return;
    this.#remove(chosen);
    this.forgotten++;
  }

  /** Takes an entry out, and moves up those that had to pass over it. */
  #remove(removed: number): void {
    let hole = removed;
    let slot = hole;
    for (;;) {
      if (++slot === this.#slots) slot = 0;
      if (this.timeAt(slot) === 0) break;
      const home = this.#home(this.#words[slot * WORDS_PER_SLOT]!);
      if (this.#distance(home, slot) >= this.#distance(hole, slot)) {
        const from = slot * WORDS_PER_SLOT;
        this.#words.copyWithin(hole * WORDS_PER_SLOT, from, from + WORDS_PER_SLOT);
        hole = slot;
      }
    }
    this.#times[hole * TIMES_PER_SLOT + TIME] = 0;
    this.size--;
  }

  /** Spreads 32 bits over the slots, whose number is no power of two. */
  #home(word: number): number {
    return (word >>> 0) * this.#ratio | 0;
  }

  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.#slots;
  }
}
