import type { Clock } from "../_internal/clock.ts";
import { Webhook } from "./_webhook.ts";
import { readOptions } from "./_webhook_options.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode webhookSink}. */
export interface WebhookSinkOptions {
  /** Where to: https, or http to a loopback address. It comes from your configuration, never from a client. */
  readonly url: string | URL;
  /** Headers of every request, such as `authorization`. @default {{}} */
  readonly headers?: Readonly<Record<string, string>>;
  /** When events are sent. @default {{}} */
  readonly batch?: {
    /** As soon as so many wait. @default {100} */
    readonly maxEvents?: number;
    /** As soon as their JSON is so long, in UTF-16 code units. @default {1_048_576} */
    readonly maxBytes?: number;
    /** Once the first of them has waited so long, in milliseconds. @default {1_000, or 0 where it is required} */
    readonly maxDelayMs?: number;
  };
  /** Time for a request and its answer, in milliseconds. @default {10_000} */
  readonly timeoutMs?: number;
  /** How often a request that failed is sent again. @default {5} */
  readonly retries?: number;
  /** Wait before the first retry, in milliseconds; each further one is twice as long. @default {500} */
  readonly retryDelayMs?: number;
  /** Longest wait before a retry, whatever the receiver asks for, in milliseconds. @default {30_000} */
  readonly maxRetryDelayMs?: number;
  /** Events that may wait; what comes beyond them is lost, counted, and told as `audit.gap`. @default {10_000} */
  readonly maxQueued?: number;
  /** The same for the length of their JSON, in UTF-16 code units. @default {16_777_216} */
  readonly maxQueuedBytes?: number;
  /**
   * Longest time that `flush` and `close` wait, in milliseconds. A logger has a `flushTimeoutMs` of its own, and
   * ends this sink after it. @default {5_000}
   */
  readonly flushTimeoutMs?: number;
  /** Signs each request. @default {undefined} */
  readonly signing?: {
    /** Secret shared with the receiver, at least 16 bytes. */
    readonly key: string | Uint8Array;
    /** What the receiver knows the key by. */
    readonly keyId: string;
  };
  /** Makes of an event, at once, what is sent, such as `toEcs`. @default {the event itself} */
  readonly map?: (event: AuditEvent) => unknown;
  /**
   * Whether an operation has to wait until its event was delivered, and must not be done otherwise. It waits
   * through all retries: have few of them. From a request that failed on, `ready` throws until one was delivered.
   * @default {false}
   */
  readonly required?: boolean;
  /** Whether events may be sent in the clear over a network. @default {false} */
  readonly dangerouslyAllowHttp?: boolean;
  /** Closes the sink without waiting. @default {undefined} */
  readonly signal?: AbortSignal;
  /** Sends the requests. @default {fetch} */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Spreads retries; from 0 to 1. @default {Math.random} */
  readonly random?: () => number;
  /** Time. @default {the clocks of the machine} */
  readonly clock?: Clock;
}

/** What {@linkcode webhookSink} makes. */
export interface WebhookSink extends AuditSink, AsyncDisposable {
  /** How many events wait, those in a request included. */
  readonly queued: number;
  /** How many events were delivered. */
  readonly delivered: number;
  /** How many events were lost. */
  readonly lost: number;
  /** How many of them `write` had taken. */
  readonly lostLater: number;
  /**
   * Sends what waits.
   *
   * @returns A promise that settles once everything written before was delivered. It rejects with
   * `audit-unavailable` when something was lost, or not delivered within `flushTimeoutMs`.
   */
  flush(): Promise<void>;
  /**
   * Flushes, unless that was in vain since the last delivery, and then ends everything; what could not be
   * delivered is lost, and counted.
   *
   * @param signal Ends it at once when aborted.
   * @returns A promise that resolves when nothing is under way any more.
   */
  close(signal?: AbortSignal): Promise<void>;
}

/**
 * Sends events to a URL, as JSON arrays, many in one request and one request at a time.
 *
 * - Headers are those of Standard Webhooks: `webhook-id` (the same in every attempt, so that a receiver can drop
 *   what it has already), `webhook-timestamp` in seconds, and `webhook-signature`, `v1,` and the base64 of
 *   HMAC-SHA-256 over `id.timestamp.body`, with `webhook-key-id` beside it. A receiver compares
 *   signatures in constant time, and refuses timestamps that are more than a few minutes off.
 * - Network errors, timeouts, 408, 425, 429 and 5xx are tried again, with a back-off that doubles and is spread at
 *   random, or after `retry-after`. Any other status, redirects included, loses the events at once.
 * - 413 (content too large) halves what is sent in one request, from then on; only an event that is too large on
 *   its own is lost.
 * - A status of 2xx says that the events were delivered; nothing else of an answer is read.
 * - What is lost is counted, and the next request begins with an event `audit.gap` that says how many, from when to
 *   when, and why. Events that were delivered while their answer was lost arrive twice.
 * - It keeps no program alive, except for the time of a request that is under way. `flush` before the end.
 * - No error and no event of this sink names the URL or a header: with many receivers, the path is the password.
 *
 * Over the network you send to whoever the name of the host leads to at that moment. Where the URL could be
 * chosen by others, such as a customer, a request reaches into your own network (SSRF): allow the hosts with
 * `--allow-net=`, or check and pin the address in a `fetch` of your own. Redirects are never followed.
 *
 * Requires `--allow-net` for the host.
 *
 * @see {@link https://www.standardwebhooks.com/ | Standard Webhooks}
 *
 * @example
 * ```ts
 * import { webhookSink } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * await using sink = webhookSink({
 *   url: "https://siem.example.com/in",
 *   signing: { key: "a secret of at least sixteen bytes", keyId: "2026-01" },
 *   fetch: () => Promise.resolve(new Response(null, { status: 204 })),
 * });
 * assertEquals([sink.name, sink.required, sink.queued], ["webhook", false, 0]);
 * ```
 *
 * @param options Where to, and how.
 * @returns The sink.
 * @throws {TypeError} If an option is not what it must be.
 * @throws {RangeError} If a number is out of bounds, or the key too short.
 */
export function webhookSink(options: WebhookSinkOptions): WebhookSink {
  return new Webhook(readOptions(options), options.signal);
}
