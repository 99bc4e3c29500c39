import { formatIp, maskIp, parseIp } from "../_internal/ip.ts";
import { integerOption } from "../_internal/options.ts";

/** For whom a request is counted. Made by the functions of the same name, so that no two are ever mixed up. */
export type RateKey = string & { readonly "made by RateKey": true };

/** How addresses are put together by {@linkcode RateKeys.source}. */
export interface RateSourceOptions {
  /** How many bits of an IPv4 address count. @default {32} */
  readonly ipv4PrefixLength?: number;
  /**
   * How many bits of an IPv6 address count: whoever has one address usually has all with the same first 64
   * bits. @default {64}
   */
  readonly ipv6PrefixLength?: number;
}

/** What makes a {@linkcode RateKey}. */
export interface RateKeys {
  /**
   * Counts for somebody whom this side knows.
   *
   * @param id Who it is; only where this was verified: what a client merely says, it may say otherwise.
   * @returns The key.
   * @throws {TypeError} If it is empty, or no well-formed string.
   */
  principal(id: string): RateKey;

  /**
   * Counts for an address. IPv4 written as IPv6 (`::ffff:192.0.2.1`) is IPv4, and a zone does not count.
   *
   * @param address The address, such as `clientAddress()` tells it.
   * @param options How many bits count.
   * @returns The key.
   * @throws {TypeError} If it is no IP address.
   * @throws {RangeError} If a prefix length is no integer in its range.
   */
  source(address: string, options?: RateSourceOptions): RateKey;

  /**
   * Counts for several keys together, such as for a principal at an address. The order matters.
   *
   * @param keys The keys; at least one.
   * @returns The key.
   * @throws {TypeError} If there is none, or one is no key.
   */
  composite(...keys: readonly RateKey[]): RateKey;

  /**
   * Counts for anything else.
   *
   * @param kind What it is, such as `tenant`: lower-case letters, digits and `-`.
   * @param value Which one.
   * @returns The key.
   * @throws {TypeError} If the kind has another form or is one that has a function of its own, or the value is
   * empty, or no well-formed string.
   */
  of(kind: string, value: string): RateKey;
}

const KIND = /^[a-z][a-z0-9-]{0,31}$/;
const OWN_KINDS: ReadonlySet<string> = new Set(["principal", "source", "composite"]);
/** What a key begins with, so that a string which is none is found out. */
const KEY = /^[a-z][a-z0-9-]{0,31}:[1-9][0-9]*:/;
const PURPOSE = "make a rate key";

/**
 * Makes keys that are typed and carry their lengths: with plain concatenation, the principal `a:b` at the
 * tenant `c` would be the principal `a` at the tenant `b:c`, and use up its limit.
 *
 * @example
 * ```ts
 * import { RateKey } from "@bartizan/security";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * assertEquals(RateKey.source("2001:db8:0:1::5"), RateKey.source("2001:db8:0:1:ffff::"));
 * assertEquals(RateKey.source("::ffff:192.0.2.1"), RateKey.source("192.0.2.1"));
 * assertNotEquals(
 *   RateKey.composite(RateKey.principal("a:b"), RateKey.of("tenant", "c")),
 *   RateKey.composite(RateKey.principal("a"), RateKey.of("tenant", "b:c")),
 * );
 * ```
 */
export const RateKey: RateKeys = Object.freeze({
  principal: (id: string): RateKey => keyOf("principal", id),

  source(address: string, options: RateSourceOptions = {}): RateKey {
    const ip = typeof address === "string" ? parseIp(address, { allowZone: true }) : undefined;
    if (ip === undefined) throw mistake("the address must be an IP address");
    const bits = ip.bytes.length * 8;
    const name = ip.version === 4 ? "ipv4PrefixLength" : "ipv6PrefixLength";
    const prefixLength = integerOption(PURPOSE, name, options[name], {
      otherwise: ip.version === 4 ? 32 : 64,
      least: 0,
      most: bits,
    });
    const network = formatIp(maskIp(ip.bytes, prefixLength));
    return keyOf("source", prefixLength === bits ? network : `${network}/${prefixLength}`);
  },

  composite(...keys: readonly RateKey[]): RateKey {
    if (keys.length === 0 || !keys.every((key) => typeof key === "string" && KEY.test(key))) {
      throw mistake("its parts must be keys, and at least one");
    }
    return keyOf("composite", keys.join(""));
  },

  of(kind: string, value: string): RateKey {
    if (typeof kind !== "string" || !KIND.test(kind) || OWN_KINDS.has(kind)) {
      throw mistake("the kind must be lower-case letters, digits and '-', and not one of its own");
    }
    return keyOf(kind, value);
  },
});

/** The one place that takes a string for a key: with its length in front, no key is part of another. */
function keyOf(kind: string, value: string): RateKey {
  // Two strings with lone surrogates would be the same in the UTF-8 of a store.
  if (typeof value !== "string" || value === "" || !value.isWellFormed()) {
    throw mistake("the value must be a well-formed string, and not empty");
  }
  return `${kind}:${value.length}:${value}` as RateKey;
}

function mistake(must: string): TypeError {
  return new TypeError(`Cannot ${PURPOSE}: ${must}`);
}
