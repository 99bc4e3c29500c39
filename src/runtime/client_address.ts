import type { AuditSource } from "../events/audit_event.ts";
import { formatIp, type Ip, parseCidr, parseIp } from "../_internal/ip.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import { elementsFromRight, type Hop, readForwarded, readXForwardedFor } from "./_forwarded.ts";
import { NetworkTable } from "./_network_table.ts";

/** The header that a proxy writes. */
export type ForwardingHeader = "x-forwarded-for" | "forwarded";

/** Options of {@linkcode createClientAddress}. */
export interface ClientAddressOptions {
  /**
   * Addresses and networks (CIDR) of the proxies whose word counts, and `unix` for whoever connects by a Unix
   * socket.
   * @default {[]}
   */
  readonly trustedProxies?: readonly string[];
  /**
   * The one header that these proxies write. The other one is never read: a proxy passes on what it
   * does not know, and so it comes from the client.
   * @default {"x-forwarded-for"}
   */
  readonly header?: ForwardingHeader;
  /** How many proxies may stand in a row, from 1 to 64. @default {8} */
  readonly maxHops?: number;
}

/** What is read of a request. */
export interface RequestHeaders {
  /** Its headers. */
  readonly headers: Pick<Headers, "get">;
}

/** What is read of the connection, as `Deno.serve` gives it to its handler. */
export interface ConnectionInfo {
  /** The other end: a network address, or a Unix socket. */
  readonly remoteAddr: {
    /** `tcp`, `unix` and the like. */
    readonly transport?: string;
    /** Its IP address. */
    readonly hostname?: string;
    /** Its port. */
    readonly port?: number;
    /** Path of the socket. */
    readonly path?: string;
  };
}

/** Tells who sent a request. */
export type ClientAddress = (request: RequestHeaders, info: ConnectionInfo) => AuditSource;

const PURPOSE = "tell the address of a client";

/**
 * Makes the function that tells who sent a request: the one place that reads `Forwarded` and `X-Forwarded-For`.
 *
 * A client writes into these headers what it likes, so they count only when the connection itself comes from a
 * trusted proxy. Then all lines of the header are read as one list, from the right, where the nearest proxy
 * has added who connected to it: as long as that is a trusted proxy too, its own entry counts next. The first
 * address that is no trusted proxy is the client, and nothing to its left is looked at.
 *
 * Where an entry is missing or names no address (`unknown`, `_hidden`, anything malformed), the walk ends, and
 * the answer is the last proxy that was reached: never a guess, and never what stands further left. The same
 * goes for more proxies in a row than `maxHops`. `confidence` is `peer` if that is the other end of the
 * connection, else `forwarded`.
 *
 * Addresses come out in one form (RFC 5952), and IPv4-mapped ones as IPv4.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7239 | RFC 7239}
 *
 * @example
 * ```ts
 * import { createClientAddress } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const clientAddress = createClientAddress({ trustedProxies: ["10.0.0.0/8"] });
 * const request = new Request("http://localhost/", {
 *   headers: { "x-forwarded-for": "1.1.1.1, 203.0.113.7, 10.1.2.3" },
 * });
 * const proxy = { remoteAddr: { transport: "tcp", hostname: "10.0.0.2", port: 4711 } };
 * assertEquals(clientAddress(request, proxy), { address: "203.0.113.7", confidence: "forwarded" });
 *
 * const stranger = { remoteAddr: { transport: "tcp", hostname: "198.51.100.9", port: 4711 } };
 * assertEquals(clientAddress(request, stranger).address, "198.51.100.9");
 * ```
 *
 * @param options Which proxies are trusted, and what they write.
 * @returns The function; it never throws for anything that a client sent.
 * @throws {TypeError} If a proxy is no address, network or `unix`, or the header is another one.
 * @throws {RangeError} If `maxHops` is out of range.
 */
export function createClientAddress(options: ClientAddressOptions = {}): ClientAddress {
  const { trustedProxies = [], header = "x-forwarded-for" } = options;
  if (header !== "x-forwarded-for" && header !== "forwarded") {
    throw wrongOption(PURPOSE, "header", '"x-forwarded-for" or "forwarded"', header);
  }
  const maxHops = integerOption(PURPOSE, "maxHops", options.maxHops, {
    otherwise: 8,
    least: 1,
    most: 64,
  });
  if (!Array.isArray(trustedProxies)) {
    throw wrongOption(PURPOSE, "trustedProxies", "a list", trustedProxies);
  }
  const proxies = new NetworkTable<true>();
  let trustsUnix = false;
  for (const proxy of trustedProxies as readonly unknown[]) {
    if (proxy === "unix") {
      trustsUnix = true;
      continue;
    }
    const network = typeof proxy === "string" ? parseCidr(proxy) : undefined;
    if (network === undefined) {
      throw wrongOption(PURPOSE, "trustedProxies", 'addresses, networks or "unix"', proxy);
    }
    proxies.set(network, true);
  }
  const read = header === "forwarded" ? readForwarded : readXForwardedFor;

  return ({ headers }, { remoteAddr }) => {
    const ip = remoteAddr.hostname === undefined
      ? undefined
      : parseIp(remoteAddr.hostname, { allowZone: true });
    const peer = peerSource(remoteAddr, ip);
    const isTrusted = ip === undefined
      ? trustsUnix && remoteAddr.transport === "unix"
      : proxies.has(ip);
    const text = isTrusted ? headers.get(header) : null;
    if (text === null) return peer;
    let reached: Hop | undefined;
    let hops = 0;
    for (const element of elementsFromRight(text, header === "forwarded")) {
      if (++hops > maxHops) break;
      const hop = element === undefined ? undefined : read(element);
      if (hop === undefined) break;
      reached = hop;
      if (!proxies.has(hop.ip)) break;
    }
    return reached === undefined ? peer : forwardedSource(reached);
  };
}

/**
 * Tells who sent a request, as {@linkcode createClientAddress} does, which a server should call once instead:
 * here the options are read every time.
 *
 * @example
 * ```ts
 * import { clientAddress } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const request = new Request("http://localhost/", { headers: { "x-forwarded-for": "1.1.1.1" } });
 * const info = { remoteAddr: { transport: "tcp", hostname: "198.51.100.9", port: 4711 } };
 * assertEquals(clientAddress(request, info), {
 *   address: "198.51.100.9",
 *   port: 4711,
 *   confidence: "peer",
 * });
 * ```
 *
 * @param request The request.
 * @param info The connection, as `Deno.serve` gives it to its handler.
 * @param options Which proxies are trusted, and what they write.
 * @returns Who sent it.
 * @throws {TypeError} If a proxy is no address, network or `unix`, or the header is another one.
 * @throws {RangeError} If `maxHops` is out of range.
 */
export function clientAddress(
  request: RequestHeaders,
  info: ConnectionInfo,
  options: ClientAddressOptions = {},
): AuditSource {
  return createClientAddress(options)(request, info);
}

function peerSource(
  { hostname, path, port, transport }: ConnectionInfo["remoteAddr"],
  ip: Ip | undefined,
): AuditSource {
  const address = ip === undefined
    ? hostname ?? path ?? transport ?? "unknown"
    : formatIp(ip.bytes);
  return port === undefined
    ? { address, confidence: "peer" }
    : { address, port, confidence: "peer" };
}

function forwardedSource({ ip, port }: Hop): AuditSource {
  const address = formatIp(ip.bytes);
  return port === undefined
    ? { address, confidence: "forwarded" }
    : { address, port, confidence: "forwarded" };
}
