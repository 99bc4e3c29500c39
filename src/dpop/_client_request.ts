/**
 * What a caller asks to be sent, as the Fetch standard takes it, and what becomes of it on its way.
 *
 * @module
 */

/** A request that can be sent more than once, unless its body says otherwise. */
export interface Outgoing {
  /** Where it goes. */
  readonly url: URL;
  /** Method, as it is sent. */
  readonly method: string;
  /** The caller's headers. */
  readonly headers: Headers;
  /** Everything else that fetch takes. */
  readonly rest: Readonly<Record<string, unknown>>;
  /** A Request whose body only it can send, once. */
  readonly once: Request | undefined;
  /** The body, where it is the caller's own value. */
  readonly body: BodyInit | null | undefined;
  /** What is to become of redirects. */
  readonly redirect: RequestRedirect;
  /** Ends everything. */
  readonly signal: AbortSignal | undefined;
}

/** Methods whose case is of no importance (Fetch, section 2.2.1); all others are sent as they are written. */
const ANY_CASE = /^(?:delete|get|head|options|post|put)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What a Request carries besides; a runtime that does not have one of them has no such member. */
const SETTINGS = [
  "cache",
  "credentials",
  "integrity",
  "keepalive",
  "mode",
  "referrer",
  "referrerPolicy",
] as const;

/** Headers that describe a body, and go with it (Fetch, section 2.2.2). */
const BODY_HEADERS = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
];

/**
 * Writes a method the way fetch sends it.
 *
 * @param method A method.
 * @returns The same, in upper case where fetch says so.
 * @throws {TypeError} If it is no method.
 */
export function normalizeMethod(method: string): string {
  if (!TOKEN.test(method)) {
    throw new TypeError(
      `Cannot prove a request as 'method' must be a method of HTTP: current value is ${
        JSON.stringify(method)
      }`,
    );
  }
  return ANY_CASE.test(method) ? method.toUpperCase() : method;
}

/**
 * The `htu` of a request: what it is sent to, without query and fragment (RFC 9449, section 4.2).
 *
 * @param url An http(s) URL.
 * @returns The claim, spelled as the request line will be.
 * @throws {TypeError} If the URL is of another scheme, or has credentials in it.
 */
export function htuOf(url: URL): string {
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new TypeError(
      `Cannot prove a request as 'url' must be https: current value is ${url.protocol}`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("Cannot prove a request as 'url' must be free of a user name and password");
  }
  return `${url.origin}${url.pathname}`;
}

/**
 * Takes a request apart.
 *
 * @param input What fetch takes first.
 * @param init What fetch takes second; it wins.
 * @returns The request.
 * @throws {TypeError} If fetch could not send it either.
 */
export function toOutgoing(input: string | URL | Request, init: RequestInit): Outgoing {
  const request = isRequest(input) ? input : undefined;
  // Resolves what is relative to a page, and refuses what is no URL, as fetch does.
  const url = new URL(isRequest(input) ? input.url : new Request(input).url);
  const { headers, body, redirect, signal, ...more } = init;
  const method = normalizeMethod(more.method ?? request?.method ?? "GET");
  // Where `body` is not to be had (Firefox has none), there may be one.
  const mayHoldBody = request !== undefined && request.body !== null &&
    !/^(?:GET|HEAD)$/.test(method);
  const rest: Record<string, unknown> = { ...more };
  for (const name of SETTINGS) {
    const value = request?.[name];
    // No script may ask for a navigation, and workerd refuses even an empty integrity.
    if (value === undefined || value === "navigate" || (name === "integrity" && value === "")) {
      continue;
    }
    rest[name] ??= value;
  }
  return {
    url,
    method,
    headers: new Headers(headers ?? request?.headers),
    rest,
    once: body === undefined && mayHoldBody ? request : undefined,
    body,
    redirect: redirect ?? request?.redirect ?? "follow",
    signal: (signal === undefined ? request?.signal : signal) ?? undefined,
  };
}

/**
 * Whether a request can be sent again.
 *
 * @param request The request.
 * @returns Whether its body, if any, is one that is still there after it was sent.
 */
export function isReplayable({ body, once }: Outgoing): boolean {
  if (once !== undefined) return false;
  return body === undefined || body === null || typeof body === "string" ||
    body instanceof ArrayBuffer || ArrayBuffer.isView(body) || body instanceof Blob ||
    body instanceof URLSearchParams || body instanceof FormData;
}

/**
 * Where a response redirects to.
 *
 * @param response Any response.
 * @returns Its Location, or `undefined` where it is no redirect.
 */
export function locationOf(response: Response): string | undefined {
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  return response.headers.get("location") ?? undefined;
}

/**
 * The request that follows a redirect (Fetch, section 4.5).
 *
 * @param request What was redirected.
 * @param status Status of the redirect.
 * @param url Where it leads.
 * @returns The next request, or `undefined` where its body cannot be sent again.
 */
export function redirected(request: Outgoing, status: number, url: URL): Outgoing | undefined {
  const { method } = request;
  const becomesGet = status === 303
    ? method !== "GET" && method !== "HEAD"
    : (status === 301 || status === 302) && method === "POST";
  if (!becomesGet) return isReplayable(request) ? { ...request, url } : undefined;
  const headers = new Headers(request.headers);
  for (const name of BODY_HEADERS) headers.delete(name);
  const { duplex: _, ...rest } = request.rest;
  return { ...request, url, method: "GET", headers, rest, once: undefined, body: undefined };
}

/** By its shape: a Request of another realm, or of a polyfill, is one too. */
function isRequest(input: string | URL | Request): input is Request {
  return typeof input === "object" && "url" in input;
}
