/**
 * One request of a webhook: signed, with a deadline, and with nothing in its errors that could be a secret.
 *
 * @module
 */

import type { Clock } from "../_internal/clock.ts";

/** What a request needs besides its body. */
export interface WebhookTarget {
  readonly url: string;
  readonly headers: Headers;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signer: WebhookSigner | undefined;
}

/** How a request ended. */
export interface WebhookAnswer {
  readonly result: "delivered" | "failed" | "refused" | "too large";
  /** What failed, in words without names of hosts or paths. */
  readonly cause: string;
  /** How long the receiver asks to wait, in milliseconds. */
  readonly retryAfterMs: number;
}

/** Timeout, too early, too many requests: what may be otherwise next time (RFC 9110, RFC 6585, RFC 8470). */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429]);

/** A promise with what settles it: `Promise.withResolvers`, which Node 20 does not have. */
export function deferred<T>(): PromiseWithResolvers<T> {
  let settle!: Pick<PromiseWithResolvers<T>, "resolve" | "reject">;
  const promise = new Promise<T>((resolve, reject) => settle = { resolve, reject });
  return { promise, ...settle };
}

/** Sends a body once. It never rejects. */
export async function sendOnce(
  target: WebhookTarget,
  id: string,
  body: string,
  closing: AbortSignal,
): Promise<WebhookAnswer> {
  const { url, fetch, clock, timeoutMs, signer } = target;
  const controller = new AbortController();
  // A fetch that does not listen to its signal must not hold up all that waits behind it.
  const ended = deferred<WebhookAnswer>();
  const end = (cause: string) => {
    controller.abort();
    ended.resolve(answer("failed", cause));
  };
  const timer = clock.setTimer(() => end("timeout"), timeoutMs);
  const close = () => end("closed");
  closing.addEventListener("abort", close);
  if (closing.aborted) close();
  const ask = async (): Promise<WebhookAnswer> => {
    const headers = new Headers(target.headers);
    const timestamp = String(Math.floor(clock.wallMs() / 1000));
    headers.set("webhook-id", id);
    headers.set("webhook-timestamp", timestamp);
    if (signer !== undefined) {
      headers.set("webhook-key-id", signer.keyId);
      headers.set("webhook-signature", await signer.sign(`${id}.${timestamp}.${body}`));
    }
    controller.signal.throwIfAborted();
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      // A redirect would take events and credentials to wherever it points.
      redirect: "manual",
      signal: controller.signal,
    });
    // Whatever it is, it is nothing to us, and it may go on without end while others wait for their turn.
    response.body?.cancel().catch(() => {});
    return answerOf(response, clock);
  };
  try {
    // What went wrong may name the URL, whose path is the password of many a webhook.
    const asked = ask().catch(() => answer("failed", "network"));
    return await Promise.race([asked, ended.promise]);
  } finally {
    timer.cancel();
    closing.removeEventListener("abort", close);
  }
}

function answerOf(response: Response, clock: Clock): WebhookAnswer {
  const { status, ok, type, headers } = response;
  if (ok) return answer("delivered", "");
  if (type === "opaqueredirect" || status >= 300 && status < 400) {
    return answer("refused", "redirect");
  }
  const cause = `status ${status}`;
  if (status === 413) return answer("too large", cause);
  if (status < 500 && !TRANSIENT.has(status)) return answer("refused", cause);
  return answer("failed", cause, waitOf(headers.get("retry-after") ?? "", clock));
}

/** Seconds, or a date in the one form that is still to be written (RFC 9110, sections 5.6.7 and 10.2.3). */
function waitOf(retryAfter: string, clock: Clock): number {
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  if (!/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(retryAfter)) return 0;
  const atMs = Date.parse(retryAfter);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - clock.wallMs());
}

function answer(
  result: WebhookAnswer["result"],
  cause: string,
  retryAfterMs = 0,
): WebhookAnswer {
  return { result, cause, retryAfterMs };
}

/** Signs what is sent, with HMAC-SHA-256. */
export class WebhookSigner {
  readonly keyId: string;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #key: Promise<CryptoKey> | undefined;

  constructor(keyId: string, bytes: Uint8Array<ArrayBuffer>) {
    this.keyId = keyId;
    this.#bytes = bytes;
  }

  /** The signature as a header has it. */
  async sign(text: string): Promise<string> {
    this.#key ??= crypto.subtle.importKey(
      "raw",
      this.#bytes,
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const mac = await crypto.subtle.sign("HMAC", await this.#key, new TextEncoder().encode(text));
    return `v1,${btoa(String.fromCharCode(...new Uint8Array(mac)))}`;
  }
}
