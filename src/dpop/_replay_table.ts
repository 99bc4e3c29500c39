const WORDS = 4;
/** Half of the slots are empty at least: a look-up passes over one or two entries on average. */
const SLOTS_PER_ENTRY = 2;
/** Children of a node of the heap; four lie side by side in one cache line or two. */
const CHILDREN = 4;
/** Owners are counted by 16 bits of a keyed hash, of which 0 stands for none. */
const OWNERS = 65_536;

/**
 * Entries with an expiry, in memory that is allocated once: 34 bytes for each that fits, and 256 KiB.
 *
 * Three structures share it. The entries themselves lie in dense arrays. An index of twice as many slots,
 * open addressing with linear probing, leads from a key to its entry; what is taken out is closed up, with no
 * tombstones, so that nothing ever has to be rehashed. A heap over the expiries says which entry ends first:
 * the table knows at every moment whether anything in it has expired, with no sweep. Untouched memory costs
 * nothing: no array is filled beforehand.
 */
export class ReplayTable {
  /** Most entries it holds. */
  readonly capacity: number;
  /** The greatest expiry of all that was dropped, in seconds since the epoch. */
  watermark = -1;
  /** Entries that it holds. */
  size = 0;
  readonly #slots: number;
  /** Entry number plus 1 of each slot; 0 is empty. */
  readonly #index: Uint32Array;
  readonly #words: Uint32Array;
  readonly #owners: Uint16Array;
  /** Expiries, the least first: a heap in the first `size` places. */
  readonly #expiries: Uint32Array;
  /** Entry numbers in the order of the heap; behind it, up to `#touched`, those that are free again. */
  readonly #entries: Uint32Array;
  readonly #counts = new Uint32Array(OWNERS);
  #touched = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#slots = capacity * SLOTS_PER_ENTRY;
    this.#index = new Uint32Array(this.#slots);
    this.#words = new Uint32Array(capacity * WORDS);
    this.#owners = new Uint16Array(capacity);
    this.#expiries = new Uint32Array(capacity);
    this.#entries = new Uint32Array(capacity);
  }

  /**
   * Finds the place of a key.
   *
   * @param key Words of the key.
   * @returns The empty slot where it belongs, or -1 when it is there already.
   */
  findPlace(key: Uint32Array): number {
    let slot = this.#home(key[0] ?? 0);
    for (;;) {
      const held = this.#index[slot] ?? 0;
      if (held === 0) return slot;
      if (this.#holds(held - 1, key)) return -1;
      slot = this.#next(slot);
    }
  }

  /**
   * Puts an entry where {@linkcode ReplayTable.findPlace} said, with nothing dropped in between.
   *
   * @param slot The place.
   * @param key Words of the key.
   * @param expiry When it expires.
   * @param owner To whom it counts, 0 for nobody.
   */
  insert(slot: number, key: Uint32Array, expiry: number, owner: number): void {
    const entry = this.size < this.#touched ? this.#entries[this.size] ?? 0 : this.#touched++;
    for (let word = 0; word < WORDS; word++) this.#words[entry * WORDS + word] = key[word] ?? 0;
    this.#owners[entry] = owner;
    this.#index[slot] = entry + 1;
    this.#counts[owner] = this.countOf(owner) + 1;
    this.#siftUp(this.size++, expiry, entry);
  }

  /**
   * Drops what has expired, what expired first at first.
   *
   * @param nowSeconds The time; an entry is kept until it is past its expiry.
   * @param most Most entries to drop.
   */
  drop(nowSeconds: number, most: number): void {
    for (let dropped = 0; dropped < most && this.size > 0; dropped++) {
      const expiry = this.#expiries[0] ?? 0;
      if (expiry >= nowSeconds) return;
      if (expiry > this.watermark) this.watermark = expiry;
      this.#removeFirst();
    }
  }

  /**
   * Counts the entries of an owner.
   *
   * @param owner The owner.
   * @returns How many there are.
   */
  countOf(owner: number): number {
    return this.#counts[owner] ?? 0;
  }

  /**
   * Says to whom the entries of a key count.
   *
   * @param key Words of the key.
   * @returns A number from 1 to 65535.
   */
  ownerOf(key: Uint32Array): number {
    return 1 + (key[0] ?? 0) % (OWNERS - 1);
  }

  #holds(entry: number, key: Uint32Array): boolean {
    for (let word = 0; word < WORDS; word++) {
      if (this.#words[entry * WORDS + word] !== key[word]) return false;
    }
    return true;
  }

  #removeFirst(): void {
    const entry = this.#entries[0] ?? 0;
    const owner = this.#owners[entry] ?? 0;
    this.#counts[owner] = this.countOf(owner) - 1;
    this.#unindex(entry);
    const last = --this.size;
    this.#siftDown(this.#expiries[last] ?? 0, this.#entries[last] ?? 0);
    this.#entries[last] = entry;
  }

  /** Takes an entry out of the index, and moves up those that had to pass over it. */
  #unindex(entry: number): void {
    let hole = this.#homeOf(entry);
    while (this.#index[hole] !== entry + 1) hole = this.#next(hole);
    let slot = hole;
    for (;;) {
      slot = this.#next(slot);
      const held = this.#index[slot] ?? 0;
      if (held === 0) break;
      if (this.#distance(this.#homeOf(held - 1), slot) >= this.#distance(hole, slot)) {
        this.#index[hole] = held;
        hole = slot;
      }
    }
    this.#index[hole] = 0;
  }

  #siftUp(place: number, expiry: number, entry: number): void {
    let at = place;
    while (at > 0) {
      const parent = Math.floor((at - 1) / CHILDREN);
      const above = this.#expiries[parent] ?? 0;
      if (above <= expiry) break;
      this.#place(at, above, this.#entries[parent] ?? 0);
      at = parent;
    }
    this.#place(at, expiry, entry);
  }

  #siftDown(expiry: number, entry: number): void {
    let at = 0;
    for (;;) {
      const first = at * CHILDREN + 1;
      const end = Math.min(first + CHILDREN, this.size);
      let least = -1;
      let leastExpiry = expiry;
      for (let child = first; child < end; child++) {
        const below = this.#expiries[child] ?? 0;
        if (below < leastExpiry) {
          least = child;
          leastExpiry = below;
        }
      }
      if (least < 0) break;
      this.#place(at, leastExpiry, this.#entries[least] ?? 0);
      at = least;
    }
    this.#place(at, expiry, entry);
  }

  #place(at: number, expiry: number, entry: number): void {
    this.#expiries[at] = expiry;
    this.#entries[at] = entry;
  }

  /** Spreads 32 bits over the slots, whose number is no power of two. */
  #home(word: number): number {
    return Math.floor(word * this.#slots / 2 ** 32);
  }

  #homeOf(entry: number): number {
    return this.#home(this.#words[entry * WORDS] ?? 0);
  }

  #next(slot: number): number {
    return slot + 1 === this.#slots ? 0 : slot + 1;
  }

  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.#slots;
  }
}
