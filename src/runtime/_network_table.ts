import { type Cidr, type Ip, maskIp } from "../_internal/ip.ts";

/**
 * Networks, and which of them an address is in.
 *
 * One map for every length of prefix that occurs, so that a look-up costs one step a length, at most 33 for
 * IPv4 and 129 for IPv6, however many networks there are.
 */
export class NetworkTable<Value> {
  readonly #v4: PrefixMaps<Value> = new PrefixMaps();
  readonly #v6: PrefixMaps<Value> = new PrefixMaps();

  /** How many networks there are. */
  get size(): number {
    return this.#v4.size + this.#v6.size;
  }

  /** Adds a network, or gives it another value. */
  set(network: Cidr, value: Value): void {
    this.#maps(network).set(network, value);
  }

  /** Removes a network; others that contain it, or are in it, stay. */
  delete(network: Cidr): boolean {
    return this.#maps(network).delete(network);
  }

  /** The values of all networks that an address is in, from the smallest network to the largest. */
  containing(ip: Ip): Value[] {
    return this.#maps(ip).containing(ip.bytes);
  }

  /** Whether an address is in any of the networks. */
  has(ip: Ip): boolean {
    const maps = this.#maps(ip);
    return maps.size > 0 && maps.containing(ip.bytes).length > 0;
  }

  #maps({ version }: Ip): PrefixMaps<Value> {
    return version === 4 ? this.#v4 : this.#v6;
  }
}

class PrefixMaps<Value> {
  size = 0;
  readonly #byLength = new Map<number, Map<string | number, Value>>();
  /** The lengths that occur, from the longest to the shortest. */
  #lengths: readonly number[] = [];

  set({ bytes, prefixLength }: Cidr, value: Value): void {
    let map = this.#byLength.get(prefixLength);
    if (map === undefined) {
      map = new Map();
      this.#byLength.set(prefixLength, map);
      this.#lengths = [...this.#byLength.keys()].sort((a, b) => b - a);
    }
    const before = map.size;
    map.set(keyOf(bytes, bytes.length * 8), value);
    this.size += map.size - before;
  }

  delete({ bytes, prefixLength }: Cidr): boolean {
    const map = this.#byLength.get(prefixLength);
    if (!map?.delete(keyOf(bytes, bytes.length * 8))) return false;
    this.size--;
    if (map.size === 0) {
      this.#byLength.delete(prefixLength);
      this.#lengths = this.#lengths.filter((length) => length !== prefixLength);
    }
    return true;
  }

  containing(bytes: Uint8Array<ArrayBuffer>): Value[] {
    const found: Value[] = [];
    for (const length of this.#lengths) {
      const value = this.#byLength.get(length)?.get(keyOf(bytes, length));
      if (value !== undefined) found.push(value);
    }
    return found;
  }
}

/** The first bits of an address as something that a map compares by value. */
function keyOf(bytes: Uint8Array<ArrayBuffer>, prefixLength: number): string | number {
  if (bytes.length === 4) {
    const number = bytes[0]! << 24 | bytes[1]! << 16 | bytes[2]! << 8 | bytes[3]!;
    // A shift by 32 is one by 0.
    return prefixLength === 0 ? 0 : number & -1 << (32 - prefixLength);
  }
  return String.fromCharCode(...prefixLength === 128 ? bytes : maskIp(bytes, prefixLength));
}
