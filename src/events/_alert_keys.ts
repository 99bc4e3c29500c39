/**
 * Whose events are counted together, and what of it may be blocked.
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { formatIp, maskIp, parseIp } from "../_internal/ip.ts";
import { sha256 } from "../_internal/sha256.ts";
import type { AlertRule, AlertTarget } from "./alert.ts";
import type { AuditEvent, AuditSource } from "./audit_event.ts";

/** One count that an event goes into. */
export type AlertKey = AlertTarget & { readonly key: string };

const NOTHING: AlertTarget = { blockable: null, target: null };
/** Longer ones are kept as their hash: an attacker chooses them, and memory is bounded. */
const MAX_NAME = 256;
/** An IPv6 host has that much of an address to choose from, so one address is no offender there. */
const IPV6_BITS = 64;

/** Whether somebody has verified the principal of an event, and says so. */
export function confidenceOf({ principalConfidence }: AuditEvent): "verified" | "claimed" {
  return principalConfidence ?? "claimed";
}

/**
 * The counts that an event goes into, the narrowest first; none where it lacks what is counted by. May throw what a
 * function of the user's throws.
 *
 * What is verified and what is claimed never go into one count. Otherwise an attacker would fail in the name of a
 * victim until the victim's own next mistake, which is verified, completes the number.
 */
export function keysOf(by: AlertRule["by"], event: AuditEvent): AlertKey[] {
  if (typeof by === "function") {
    const text = by(event);
    return typeof text === "string" ? [{ key: `custom:${nameOf(text)}`, ...NOTHING }] : [];
  }
  if (by === "global") return [{ key: "global", ...NOTHING }];
  const { code, principal, source } = event;
  if (by === "code") return code === undefined ? [] : [{ key: `code:${nameOf(code)}`, ...NOTHING }];
  const place = source && placeOf(source);
  if (by === "source") return place === undefined ? [] : [sourceKey(place)];
  if (principal === undefined) return [];
  // A hashed name is nobody's, so no block would ever meet it.
  const owner = { principal, isHashed: event.hashKeyId !== undefined };
  const confidence = confidenceOf(event);
  if (by === "principal+source") {
    return place === undefined ? [] : [pairKey(confidence, owner, place)];
  }
  const key = `principal:${confidence}:${nameOf(principal)}`;
  if (confidence === "verified") {
    const target = owner.isHashed
      ? NOTHING
      : { blockable: "principal", target: Object.freeze({ principal }) } as const;
    return [{ key, ...target }];
  }
  // Whoever fails in a name must not lock out its owner. So failures in one name from everywhere make an alert that
  // can block nothing, and those from one source another one that can block the name from there.
  const alone = { key, ...NOTHING };
  return place?.isReal ? [pairKey(confidence, owner, place), alone] : [alone];
}

interface Place {
  /** The network that is counted. */
  readonly network: string;
  /** The address that may be blocked. */
  readonly address: string | undefined;
  /** Whether it is more than what a client claims. */
  readonly isReal: boolean;
}

function placeOf({ address, confidence }: AuditSource): Place {
  // Limits tell the network that they count by. Only this one is also what is counted by here.
  const isNetwork = address.endsWith(`/${IPV6_BITS}`) && address.includes(":");
  const ip = parseIp(isNetwork ? address.slice(0, address.lastIndexOf("/")) : address);
  const isReal = confidence === "peer" || confidence === "forwarded";
  if (ip === undefined) return { network: nameOf(address), address: undefined, isReal };
  const network = ip.version === 4 ? ip.bytes : maskIp(ip.bytes, IPV6_BITS);
  return { network: formatIp(network), address: formatIp(ip.bytes), isReal };
}

function sourceKey({ network, address, isReal }: Place): AlertKey {
  const key = `source:${isReal ? "real" : "claimed"}:${network}`;
  // A forged X-Forwarded-For must not lock out whoever has that address, nor one client all of a Unix socket.
  if (!isReal || address === undefined) return { key, ...NOTHING };
  return { key, blockable: "source", target: Object.freeze({ source: address }) };
}

function pairKey(
  confidence: "verified" | "claimed",
  { principal, isHashed }: { readonly principal: string; readonly isHashed: boolean },
  { network, address, isReal }: Place,
): AlertKey {
  // The length tells where one name ends and the other begins.
  const key = `pair:${confidence}:${isReal ? "real" : "claimed"}:${network.length}:${network}:${
    nameOf(principal)
  }`;
  if (!isReal || isHashed || address === undefined) return { key, ...NOTHING };
  return {
    key,
    blockable: "principal+source",
    target: Object.freeze({ principal, source: address }),
  };
}

function nameOf(text: string): string {
  return text.length <= MAX_NAME ? text : `sha256-${encodeBase64Url(sha256(text))}`;
}
