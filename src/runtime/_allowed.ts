import type { Ip } from "../_internal/ip.ts";
import { type BlockPlace, nameOf, placeOf } from "./_block_target.ts";
import { NetworkTable } from "./_network_table.ts";

/** What is never blocked. */
export class Allowed {
  readonly #ids = new Set<string>();
  /** The length of the prefix of every network. */
  readonly #networks = new NetworkTable<number>();

  /**
   * Reads an allow list.
   *
   * @throws {TypeError} If an item is no target, or is a principal with a source, which allows nothing by itself.
   */
  constructor(allow: readonly unknown[]) {
    for (const item of allow) {
      // An address is itself here, and no /64: whoever shares that is not meant.
      const { id, network, target } = placeOf(item, 128);
      if (target.principal !== undefined && target.source !== undefined) {
        throw new TypeError("Cannot allow a principal together with its source: allow one of them");
      }
      if (network === undefined) this.#ids.add(id);
      else this.#networks.set(network, network.prefixLength);
    }
  }

  hasPrincipal(principal: string): boolean {
    return this.#ids.size > 0 && this.#ids.has(`p:${nameOf(principal)}`);
  }

  hasKey(key: string): boolean {
    return this.#ids.size > 0 && this.#ids.has(`k:${nameOf(key)}`);
  }

  hasIp(ip: Ip): boolean {
    return this.#networks.size > 0 && this.#networks.has(ip);
  }

  /** Whether there is nothing about a target that could be blocked. */
  hasPlace({ id, target, network }: BlockPlace): boolean {
    if (target.principal !== undefined) return this.#ids.has(`p:${target.principal}`);
    if (network === undefined) return this.#ids.has(id);
    return this.#networks.containing(network).some((length) => length <= network.prefixLength);
  }
}
