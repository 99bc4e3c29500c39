import type { BlockPlace } from "./_block_target.ts";
import { NetworkTable } from "./_network_table.ts";

/** A block that is in force. */
export interface BlockEntry extends BlockPlace {
  /** Why. */
  reason: string;
  /** How often the offender has been blocked before this. */
  level: number;
  /** When it ends, on the clock that never jumps. */
  untilMs: number;
  /** Where it stands in the heap. */
  at: number;
}

/** Blocks by name, by network, and by the time at which they end. */
export class BlockTable {
  readonly #byId = new Map<string, BlockEntry>();
  readonly #networks = new NetworkTable<BlockEntry>();
  /** A binary heap; the first ends first. Every entry knows its place, so that it can leave from anywhere. */
  readonly #heap: BlockEntry[] = [];

  /** How many of the blocks are of a principal together with a source. */
  pairs = 0;

  get size(): number {
    return this.#heap.length;
  }

  get(id: string): BlockEntry | undefined {
    return this.#byId.get(id);
  }

  /** The blocks of all networks that contain an address. */
  containing(ip: Parameters<NetworkTable<BlockEntry>["containing"]>[0]): readonly BlockEntry[] {
    return this.#networks.size === 0 ? [] : this.#networks.containing(ip);
  }

  /** The block that ends first. */
  get first(): BlockEntry | undefined {
    return this.#heap[0];
  }

  add(entry: BlockEntry): void {
    this.#byId.set(entry.id, entry);
    if (entry.network !== undefined) this.#networks.set(entry.network, entry);
    if (isPair(entry)) this.pairs++;
    entry.at = this.#heap.length;
    this.#heap.push(entry);
    this.#rise(entry);
  }

  /** Gives a block a later end. */
  prolong(entry: BlockEntry, untilMs: number): void {
    entry.untilMs = untilMs;
    this.#sink(entry);
  }

  remove(entry: BlockEntry): void {
    this.#byId.delete(entry.id);
    if (entry.network !== undefined) this.#networks.delete(entry.network);
    if (isPair(entry)) this.pairs--;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    last.at = entry.at;
    this.#heap[last.at] = last;
    this.#rise(last);
    this.#sink(last);
  }

  values(): IterableIterator<BlockEntry> {
    return this.#byId.values();
  }

  #rise(entry: BlockEntry): void {
    while (entry.at > 0) {
      const above = this.#heap[(entry.at - 1) >> 1]!;
      if (above.untilMs <= entry.untilMs) return;
      this.#swap(above, entry);
    }
  }

  #sink(entry: BlockEntry): void {
    while (true) {
      const left = this.#heap[2 * entry.at + 1];
      const right = this.#heap[2 * entry.at + 2];
      const least = right !== undefined && right.untilMs < left!.untilMs ? right : left;
      if (least === undefined || least.untilMs >= entry.untilMs) return;
      this.#swap(entry, least);
    }
  }

  #swap(above: BlockEntry, below: BlockEntry): void {
    [above.at, below.at] = [below.at, above.at];
    this.#heap[above.at] = above;
    this.#heap[below.at] = below;
  }
}

function isPair({ target }: BlockEntry): boolean {
  return target.principal !== undefined && target.source !== undefined;
}
