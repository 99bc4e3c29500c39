/**
 * IP addresses and networks as text: read strictly, written in one way only.
 *
 * Programs disagree about `010.1.1.1`, `1.1` and `0x7f.1`, and who reads such an address as another one than
 * the firewall does lets its owner pass. So what is not in the one plain form is no address here.
 *
 * @module
 */

/** An address. */
export interface Ip {
  /** IPv4 also for IPv4-mapped IPv6 (`::ffff:192.0.2.1`): both are one host. */
  readonly version: 4 | 6;
  /** 4 or 16 bytes, in network order. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A network: the addresses that agree with `bytes` in their first `prefixLength` bits. */
export interface Cidr extends Ip {
  /** 0 to 32, or 0 to 128. */
  readonly prefixLength: number;
}

/** Options of {@linkcode parseIp}. */
export interface ParseIpOptions {
  /** Accepts and drops the zone of a link-local address, as in `fe80::1%eth0`. @default {false} */
  readonly allowZone?: boolean;
}

/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255` */
const MAX_LENGTH = 45;
const ZONE = /^[0-9A-Za-z._~-]{1,32}$/;
const PREFIX_LENGTH = /^(?:0|[1-9][0-9]{0,2})$/;

const COLON = 0x3a;
const DOT = 0x2e;

/**
 * Reads an address.
 *
 * @param text Such as `192.0.2.1` or `2001:db8::1`: no brackets, no port, no white space, no leading zeros in
 * IPv4.
 * @param options Whether a zone is accepted.
 * @returns The address, or `undefined` for anything else.
 */
export function parseIp(
  text: string,
  { allowZone = false }: ParseIpOptions = {},
): Ip | undefined {
  let address = text;
  if (allowZone) {
    const at = text.indexOf("%");
    if (at >= 0) {
      address = text.slice(0, at);
      if (!ZONE.test(text.slice(at + 1)) || !address.includes(":")) return undefined;
    }
  }
  // Before any work: an attacker's header may be long.
  if (address.length > MAX_LENGTH) return undefined;
  if (!address.includes(":")) {
    const bytes = new Uint8Array(4);
    return readV4(address, 0, bytes, 0) ? { version: 4, bytes } : undefined;
  }
  const bytes = readV6(address);
  if (bytes === undefined) return undefined;
  return isMapped(bytes) ? { version: 4, bytes: bytes.slice(12) } : { version: 6, bytes };
}

/**
 * Reads a network, or an address as a network of one.
 *
 * @param text Such as `192.0.2.0/24`. Bits beyond the prefix must be 0: `192.0.2.7/24` is a mistake of
 * whoever wrote it, as it is either one host or a whole network.
 * @returns The network, or `undefined` for anything else. IPv4-mapped networks (`::ffff:192.0.2.0/120`)
 * become IPv4.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === undefined) return undefined;
  const bits = ip.bytes.length * 8;
  if (slash < 0) return { ...ip, prefixLength: bits };
  const written = text.slice(slash + 1);
  if (!PREFIX_LENGTH.test(written)) return undefined;
  const isFolded = ip.version === 4 && text.includes(":");
  const prefixLength = Number(written) - (isFolded ? 96 : 0);
  if (prefixLength < 0 || prefixLength > bits) return undefined;
  const masked = maskIp(ip.bytes, prefixLength);
  return masked.every((byte, at) => byte === ip.bytes[at]) ? { ...ip, prefixLength } : undefined;
}

/**
 * Clears all bits of an address beyond a prefix.
 *
 * @param bytes 4 or 16 bytes.
 * @param prefixLength How many bits stay.
 * @returns The first address of the network.
 */
export function maskIp(
  bytes: Uint8Array<ArrayBuffer>,
  prefixLength: number,
): Uint8Array<ArrayBuffer> {
  const masked = bytes.slice();
  const whole = prefixLength >> 3;
  if (whole < masked.length) {
    masked[whole]! &= 0xff00 >> (prefixLength & 7);
    masked.fill(0, whole + 1);
  }
  return masked;
}

/**
 * Writes an address in the one form of RFC 5952: lower case, no leading zeros, the first of the longest runs
 * of zeros as `::`, and IPv4-mapped addresses with dots.
 *
 * @param bytes 4 or 16 bytes.
 * @returns The text, which {@linkcode parseIp} reads back.
 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes[at]! << 8 | bytes[at + 1]!);
  let start = -1;
  let longest = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > longest) {
      start = at;
      longest = end - at;
    }
    if (end > at) at = end;
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + longest))}`;
}

/** Reads four numbers to the end of the text. */
function readV4(text: string, from: number, into: Uint8Array, offset: number): boolean {
  let at = from;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text.charCodeAt(at++) !== DOT) return false;
    const start = at;
    let value = 0;
    for (; at < text.length && at - start < 3; at++) {
      const digit = text.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === start || value > 255 || text.charCodeAt(start) === 0x30 && at - start > 1) {
      return false;
    }
    into[offset + part] = value;
  }
  return at === text.length;
}

function readV6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(16);
  /** How many bytes are read, and how many of them stood before the `::`. */
  let length = 0;
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return undefined;
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (length === 16) return undefined;
    const start = at;
    let value = 0;
    for (; at < text.length && at - start < 4; at++) {
      const digit = hexValue(text.charCodeAt(at));
      if (digit < 0) break;
      value = value << 4 | digit;
    }
    if (at === start) return undefined;
    const next = text.charCodeAt(at);
    if (next === DOT) {
      if (length > 12 || !readV4(text, start, bytes, length)) return undefined;
      length += 4;
      break;
    }
    bytes[length++] = value >> 8;
    bytes[length++] = value & 0xff;
    if (at === text.length) break;
    if (next !== COLON) return undefined;
    at++;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return undefined;
      gap = length;
      at++;
    } else if (at === text.length) {
      return undefined;
    }
  }
  if (gap < 0) return length === 16 ? bytes : undefined;
  if (length === 16) return undefined;
  bytes.copyWithin(16 - (length - gap), gap, length);
  bytes.fill(0, gap, 16 - (length - gap));
  return bytes;
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Whether an IPv6 address is in `::ffff:0:0/96`. */
function isMapped(bytes: Uint8Array): boolean {
  for (let at = 0; at < 10; at++) {
    if (bytes[at] !== 0) return false;
  }
  return bytes[10] === 0xff && bytes[11] === 0xff;
}
