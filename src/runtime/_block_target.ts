import { encodeBase64Url } from "../_internal/base64url.ts";
import { type Cidr, formatIp, type Ip, maskIp, parseCidr, parseIp } from "../_internal/ip.ts";
import { sha256 } from "../_internal/sha256.ts";
import type { BlockTarget } from "./block_store.ts";

/** A target in its one form. */
export interface BlockPlace {
  /** Its name: the kind, and what cannot be taken for anything else of this kind. */
  readonly id: string;
  /** What it is, frozen; a source alone has become a network. */
  readonly target: BlockTarget;
  /** The network, for targets that are one. */
  readonly network: Cidr | undefined;
}

/** Longer names are kept as their hash: an attacker chooses them, and memory is bounded. */
const MAX_NAME = 256;
const KINDS = new Set(["principal", "source", "key", "network"]);

const HASH = "sha256-";

/**
 * The name of a principal or key as it is kept.
 *
 * Who calls himself by the hash of a victim's long name must not share the victim's blocks: such a name is
 * hashed, too, unless it comes from where names are kept.
 */
export function nameOf(text: string, { isKept = false } = {}): string {
  return text.length <= MAX_NAME && (isKept || !text.startsWith(HASH))
    ? text
    : HASH + encodeBase64Url(sha256(text));
}

/**
 * The network of one source. IPv6 hosts have a whole /64 to choose addresses from, so one address is no
 * offender there.
 */
export function networkOfSource(ip: Ip, ipv6PrefixLength: number): Cidr {
  if (ip.version === 4) return { ...ip, prefixLength: 32 };
  return { version: 6, bytes: maskIp(ip.bytes, ipv6PrefixLength), prefixLength: ipv6PrefixLength };
}

/** The name of a principal that is blocked from one source only. */
export function pairId(name: string, network: Cidr): string {
  return `s:${formatNetwork(network)} ${name}`;
}

/** A network as text. */
export function formatNetwork({ bytes, prefixLength }: Cidr): string {
  return `${formatIp(bytes)}/${prefixLength}`;
}

/**
 * Brings a target to its one form.
 *
 * @param target The target, of any type.
 * @param ipv6PrefixLength How much of an IPv6 address makes a source.
 * @param options Whether it was in this form once, such as in a snapshot.
 * @returns The place.
 * @throws {TypeError} If it is no target.
 */
export function placeOf(
  target: unknown,
  ipv6PrefixLength: number,
  options: { readonly isKept?: boolean } = {},
): BlockPlace {
  if (typeof target !== "object" || target === null) throw noTarget("an object");
  const entries = Object.entries(target).filter(([, value]) => value !== undefined);
  for (const [name, value] of entries) {
    if (!KINDS.has(name)) throw noTarget("a principal, source, key or network");
    if (typeof value !== "string" || value === "") throw noTarget("of strings that are not empty");
  }
  const { principal, source, key, network } = Object.fromEntries(entries) as Record<
    string,
    string | undefined
  >;
  if (entries.length === 2 && principal !== undefined && source !== undefined) {
    const place = networkOfSource(addressOf(source), ipv6PrefixLength);
    const name = nameOf(principal, options);
    return {
      id: pairId(name, place),
      target: Object.freeze({ principal: name, source: formatIp(place.bytes) }),
      network: undefined,
    };
  }
  if (entries.length !== 1) {
    throw noTarget("of one kind, or a principal with its source");
  }
  if (principal !== undefined) {
    const name = nameOf(principal, options);
    return { id: `p:${name}`, target: Object.freeze({ principal: name }), network: undefined };
  }
  if (key !== undefined) {
    const name = nameOf(key, options);
    return { id: `k:${name}`, target: Object.freeze({ key: name }), network: undefined };
  }
  const place = source !== undefined
    ? networkOfSource(addressOf(source), ipv6PrefixLength)
    : parseCidr(network!);
  if (place === undefined) throw noTarget("a network in CIDR, without host bits");
  const text = formatNetwork(place);
  return { id: `n:${text}`, target: Object.freeze({ network: text }), network: place };
}

function addressOf(source: string): Ip {
  const ip = parseIp(source, { allowZone: true });
  if (ip === undefined) throw noTarget("an IP address, for a source");
  return ip;
}

function noTarget(must: string): TypeError {
  return new TypeError(`Cannot use a target of a block list: it must be ${must}`);
}

/** A slip in a prefix must not shut out a part of the Internet. */
export function checkWidth({ network }: BlockPlace, dangerouslyAllowWide: boolean): void {
  if (network === undefined || dangerouslyAllowWide) return;
  const least = network.version === 4 ? 8 : 32;
  if (network.prefixLength < least) {
    throw new RangeError(
      `Cannot block a network wider than a /${least} without 'dangerouslyAllowWide': ` +
        `current prefix is /${network.prefixLength}`,
    );
  }
}
