/**
 * Sending requests with proofs: nonces, one retry, and redirects (RFC 9449, sections 7 to 9).
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { type AnswerLimits, answerWithin } from "../_internal/answer_within.ts";
import type { ClientNonces } from "./_client_nonces.ts";
import { htuOf, isRedirect, isReplayable, type Outgoing, redirected } from "./_client_request.ts";
import { challengesForNonce } from "./_www_authenticate.ts";

/** Fetch, as a client needs it. */
export type FetchFunction = (
  input: string | URL | Request,
  init?: RequestInit,
) => Promise<Response>;

/** What sending takes from the client. */
export interface Sender {
  /** Sends one request. */
  readonly fetch: FetchFunction;
  /** What servers sent. */
  readonly nonces: ClientNonces;
  /** Whether tokens may be sent in the clear. */
  readonly dangerouslyAllowHttp: boolean;
  /** How long the body of an error may take of which it is read whether a nonce is wanted. */
  readonly errorTimeoutMs: number;
  /** Proves one request. */
  prove(request: Outgoing, htu: string, nonce: string | undefined): Promise<string>;
}

/** As many as browsers follow (Fetch, section 4.4). */
const MAX_REDIRECTS = 20;
/** An OAuth error is a few hundred bytes; whatever is longer is none. */
const MAX_ERROR_BYTES = 16_384;
const JSON_TYPE = /^application\/(?:[a-z0-9.!#$&^_+-]+\+)?json[ \t]*(?:;|$)/i;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Sends a request with its proof.
 *
 * @param first The request.
 * @param accessToken The token that goes with it, if any.
 * @param sender The client.
 * @returns The last response.
 * @throws {TypeError} If the request cannot be sent, as fetch does, or must not be.
 * @throws {SecurityError} `cross-origin-redirect`.
 */
export async function send(
  first: Outgoing,
  accessToken: string | undefined,
  sender: Sender,
): Promise<Response> {
  checkTransport(first.url, sender.dangerouslyAllowHttp);
  checkHeaders(first.headers, accessToken);
  const signal = first.signal ?? undefined;
  const { nonces, errorTimeoutMs } = sender;
  let request = first;
  let redirects = 0;
  let retried = false;
  let nonce = nonces.get(request.url.origin);
  while (true) {
    signal?.throwIfAborted();
    const response = await sendOnce(request, nonce, accessToken, sender);
    const fresh = learn(response, request.url.origin, nonces);
    const next = follow(request, response, redirects);
    if (next !== undefined) {
      redirects++;
      discard(response);
      request = next;
      nonce = nonces.get(request.url.origin);
      continue;
    }
    // The nonce that was refused is no reason to try again, and once is enough: a server that refuses what
    // it has just sent would keep the client busy for ever.
    const again = !retried && fresh !== undefined && fresh !== nonce && isReplayable(request);
    if (!again || !(await asksForNonce(response, { timeoutMs: errorTimeoutMs, signal }))) {
      return response;
    }
    retried = true;
    discard(response);
    nonce = fresh;
  }
}

async function sendOnce(
  outgoing: Outgoing,
  nonce: string | undefined,
  accessToken: string | undefined,
  sender: Sender,
): Promise<Response> {
  const signal = outgoing.signal ?? undefined;
  let answer: Promise<Response> | undefined;
  const ask = async () => {
    const proof = await sender.prove(outgoing, htuOf(outgoing.url), nonce);
    signal?.throwIfAborted();
    return await dispatch(outgoing, proof, accessToken, sender);
  };
  try {
    return await answerWithin(() => answer = ask(), { signal });
  } catch (error) {
    // What comes when nobody waits any more would hold its connection.
    answer?.then(discard, () => {});
    throw error;
  }
}

function dispatch(
  { url, method, headers, rest, request, body, signal }: Outgoing,
  proof: string,
  accessToken: string | undefined,
  { fetch }: Sender,
): Promise<Response> {
  const sent = new Headers(headers);
  if (accessToken !== undefined) sent.set("authorization", `DPoP ${accessToken}`);
  sent.set("dpop", proof);
  const init: RequestInit = {
    ...rest,
    method,
    headers: sent,
    // Fetch on its own takes the token along to wherever the server points.
    redirect: "manual",
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
  };
  return fetch(request ?? url.href, init);
}

/** Tokens and proofs in the clear belong to whoever listens; loopback does not leave the machine. */
function checkTransport(url: URL, dangerouslyAllowHttp: boolean): void {
  if (url.protocol === "https:" || dangerouslyAllowHttp || LOOPBACK.test(url.hostname)) return;
  throw new TypeError(
    `Cannot fetch as 'url' must be https, or http to a loopback address: current value is ${url.origin}`,
  );
}

function checkHeaders(headers: Headers, accessToken: string | undefined): void {
  if (headers.has("dpop")) {
    throw new TypeError("Cannot fetch as 'headers' must not hold DPoP: the client makes it");
  }
  const authorization = headers.get("authorization");
  if (authorization === null) return;
  // A client of an authorization server may have to authenticate, which is none of this layer's business.
  if (accessToken !== undefined || /(?:^|[\s,])(?:dpop|bearer)(?:[\s,]|$)/i.test(authorization)) {
    throw new TypeError(
      "Cannot fetch as 'headers' must not hold Authorization: the token goes into 'accessToken'",
    );
  }
}

function learn(response: Response, origin: string, nonces: ClientNonces): string | undefined {
  // A fetch that followed redirects all the same, or a service worker, may bring somebody else's answer.
  if (response.url && new URL(response.url).origin !== origin) return undefined;
  return nonces.learn(origin, response.headers.get("dpop-nonce"));
}

/** The request that a redirect leads to, or `undefined` where the response is to be returned. */
function follow(request: Outgoing, response: Response, redirects: number): Outgoing | undefined {
  if (request.redirect === "manual" || !isRedirect(response)) return undefined;
  try {
    if (request.redirect === "error") throw networkError("there was a redirect");
    // A browser does not say where it leads.
    if (response.type === "opaqueredirect") throw crossOrigin(request.url, "unknown");
    const location = response.headers.get("location");
    if (location === null) return undefined;
    if (!URL.canParse(location, request.url)) throw networkError("a redirect leads to no URL");
    const url = new URL(location, request.url);
    if (url.origin !== request.url.origin) throw crossOrigin(request.url, url.origin);
    if (redirects === MAX_REDIRECTS) throw networkError("there were too many redirects");
    if (url.username !== "" || url.password !== "") {
      throw networkError("a redirect has credentials in its URL");
    }
    const next = redirected(request, response.status, url);
    if (next === undefined) throw networkError("the body cannot follow a redirect");
    return next;
  } catch (error) {
    discard(response);
    throw error;
  }
}

function networkError(why: string): TypeError {
  return new TypeError(`Cannot fetch as ${why}`);
}

function crossOrigin({ origin }: URL, to: string): SecurityError {
  return new SecurityError(
    "cross-origin-redirect",
    "The response redirects to another origin, which must not get the token",
    { details: { from: origin, to } },
  );
}

async function asksForNonce(
  response: Response,
  limits: AnswerLimits,
): Promise<boolean> {
  if (response.status === 401) return challengesForNonce(response.headers.get("www-authenticate"));
  if (response.status !== 400 || response.body === null || response.bodyUsed) return false;
  if (!JSON_TYPE.test(response.headers.get("content-type") ?? "")) return false;
  if (Number(response.headers.get("content-length") ?? 0) > MAX_ERROR_BYTES) return false;
  // A copy is read, so that the caller can read the response that is returned.
  const copy = response.clone().body;
  if (copy === null) return false;
  try {
    return isNonceError(await answerWithin((signal) => readSome(copy, signal), limits));
  } catch {
    if (limits.signal?.aborted) {
      discard(response);
      throw limits.signal.reason;
    }
    // Too slow, or broken: whoever reads the response that is returned finds out.
    return false;
  }
}

/** At most so many bytes: whoever sends an endless error gets no memory for it. */
async function readSome(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const reader = body.getReader();
  // Not awaited: a copy is cancelled when the other is, too.
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  const bytes = new Uint8Array(MAX_ERROR_BYTES);
  let length = 0;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, length);
      if (length + value.length > MAX_ERROR_BYTES) break;
      bytes.set(value, length);
      length += value.length;
    }
  } finally {
    cancel();
  }
  return undefined;
}

function isNonceError(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  try {
    const body: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof body === "object" && body !== null &&
      Object.getOwnPropertyDescriptor(body, "error")?.value === "use_dpop_nonce";
  } catch {
    return false;
  }
}

/** Frees the connection of a response that nobody will read. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {});
}
