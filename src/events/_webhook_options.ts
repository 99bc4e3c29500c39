/**
 * How the options of a webhook are read: what is a secret in them is in no error.
 *
 * @module
 */

import { systemClock } from "../_internal/clock.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { AuditEvent } from "./audit_event.ts";
import { isLocalName } from "./_loopback.ts";
import { WebhookSigner, type WebhookTarget } from "./_webhook_request.ts";
import type { WebhookSinkOptions } from "./webhook_sink.ts";

/** The options, checked. */
export interface WebhookSettings extends WebhookTarget {
  readonly required: boolean;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly maxDelayMs: number;
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly maxRetryDelayMs: number;
  readonly flushTimeoutMs: number;
  readonly random: () => number;
  readonly map: (event: AuditEvent) => unknown;
}

const PURPOSE = "make a webhook sink";
/** What this sink or fetch itself says. */
const OWN_HEADERS = [
  "content-length",
  "content-type",
  "host",
  "webhook-id",
  "webhook-key-id",
  "webhook-signature",
  "webhook-timestamp",
];
/** Half of the hash: a key that is shorter is worth less than the signature is long (RFC 2104, section 3). */
const LEAST_KEY_BYTES = 16;

/** Reads the options once. */
export function readOptions(options: WebhookSinkOptions): WebhookSettings {
  const {
    batch = {},
    clock = systemClock,
    random = Math.random,
    map = (event: AuditEvent): unknown => event,
    required = false,
    dangerouslyAllowHttp = false,
  } = options;
  const { fetch } = options;
  for (const [name, value] of Object.entries({ random, map, fetch: fetch ?? globalThis.fetch })) {
    if (typeof value !== "function") throw wrongOption(PURPOSE, name, "a function", value);
  }
  const integer = (name: string, value: unknown, otherwise: number, least: number, most?: number) =>
    integerOption(PURPOSE, name, value, {
      otherwise,
      least,
      ...(most !== undefined && { most }),
    });
  const duration = (name: string, value: unknown, otherwise: number, least = 1) =>
    integer(name, value, otherwise, least, MAX_TIMEOUT_MS);
  return {
    url: readUrl(PURPOSE, options.url, dangerouslyAllowHttp === true).href,
    headers: readHeaders(PURPOSE, options.headers),
    signer: readSigning(options.signing),
    // Looked up when used, as whoever replaces the global one expects.
    fetch: fetch ?? ((url, init) => globalThis.fetch(url, init)),
    clock,
    random,
    map,
    required: required === true,
    maxEvents: integer("batch.maxEvents", batch.maxEvents, 100, 1, 10_000),
    maxBytes: integer("batch.maxBytes", batch.maxBytes, 1 << 20, 1),
    maxDelayMs: duration("batch.maxDelayMs", batch.maxDelayMs, required === true ? 0 : 1000, 0),
    maxQueued: integer("maxQueued", options.maxQueued, 10_000, 1, 1_000_000),
    maxQueuedBytes: integer("maxQueuedBytes", options.maxQueuedBytes, 16 << 20, 1),
    timeoutMs: duration("timeoutMs", options.timeoutMs, 10_000),
    retries: integer("retries", options.retries, 5, 0, 100),
    retryDelayMs: duration("retryDelayMs", options.retryDelayMs, 500),
    maxRetryDelayMs: duration("maxRetryDelayMs", options.maxRetryDelayMs, 30_000),
    flushTimeoutMs: duration("flushTimeoutMs", options.flushTimeoutMs, 5000),
  };
}

/**
 * Reads where to send to. Nothing of it is in the error but its scheme: the URL of a webhook often is its password.
 *
 * @param purpose What cannot be done without it.
 * @param value The option.
 * @param allowsHttp Whether it may lead over a network in the clear.
 * @returns The URL.
 * @throws {TypeError} If it is none that may be used.
 */
export function readUrl(purpose: string, value: unknown, allowsHttp: boolean): URL {
  const text = value instanceof URL ? value.href : value;
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw wrongOption(purpose, "url", "a URL", "no URL");
  const { protocol, hostname } = url;
  const isSecure = protocol === "https:" ||
    protocol === "http:" && (allowsHttp || isLocalName(hostname));
  if (isSecure && url.username === "" && url.password === "" && url.hash === "") return url;
  throw wrongOption(
    purpose,
    "url",
    "https, or http to a loopback address, without user and fragment",
    protocol,
  );
}

/**
 * Reads the headers of every request.
 *
 * @param purpose What cannot be done without them.
 * @param value The option.
 * @returns The headers, with the type of JSON.
 * @throws {TypeError} If they are none, or what the sink or fetch itself says.
 */
export function readHeaders(
  purpose: string,
  value: Readonly<Record<string, string>> | undefined,
): Headers {
  let headers: Headers;
  try {
    headers = new Headers(value);
  } catch {
    throw wrongOption(purpose, "headers", "names and values of headers", "none");
  }
  for (const name of OWN_HEADERS) {
    if (headers.has(name)) throw wrongOption(purpose, "headers", `without ${name}`, "with it");
  }
  headers.set("content-type", "application/json");
  return headers;
}

function readSigning(signing: WebhookSinkOptions["signing"]): WebhookSigner | undefined {
  if (signing === undefined) return undefined;
  const { key, keyId } = signing;
  const isText = typeof key === "string";
  if (!isText && !(key instanceof Uint8Array)) {
    throw wrongOption(PURPOSE, "signing.key", "a string or bytes", typeof key);
  }
  const bytes = isText ? new TextEncoder().encode(key) : new Uint8Array(key);
  if (bytes.length < LEAST_KEY_BYTES) {
    throw new RangeError(
      `Cannot ${PURPOSE}: 'signing.key' must have at least ${LEAST_KEY_BYTES} bytes: it has ${bytes.length}`,
    );
  }
  if (typeof keyId !== "string" || !/^[\w.:-]{1,128}$/.test(keyId)) {
    throw wrongOption(PURPOSE, "signing.keyId", "1 to 128 of A-Z a-z 0-9 . : _ -", keyId);
  }
  return new WebhookSigner(keyId, bytes);
}
