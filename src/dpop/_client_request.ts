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
  /** What to send, where the caller made a Request: it may hold what nobody can read, such as a proxy. */
  readonly request: Request | undefined;
  /** Whether the body is that of the Request, which can send it once. */
  readonly once: boolean;
  /** The body, where it is the caller's own value. */
  readonly body: BodyInit | undefined;
  /** What is to become of redirects. */
  readonly redirect: RequestRedirect;
  /** Ends everything; `null` where that of the Request must not. */
  readonly signal: AbortSignal | null | undefined;
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

/**
 * What else may stand in the second argument of fetch, in one runtime or another. Read by name, as fetch
 * does: what a Request or an instance of a class has is not its own, and no spread finds it.
 */
const MORE_SETTINGS = [
  "duplex",
  "priority",
  // Whom it is sent through: Deno, Node, workerd, Bun.
  "client",
  "dispatcher",
  "cf",
  "proxy",
  "tls",
  "unix",
] as const;

/** What is kept apart from the settings, or is the client's and nothing for fetch. */
const APART = ["method", "headers", "body", "redirect", "signal", "accessToken", "jkt"];

const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308];
const REDIRECT_MODES: readonly string[] = ["error", "follow", "manual"];

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
  const { method, headers, signal } = init;
  const body = init.body ?? undefined;
  const redirect = init.redirect ?? request?.redirect ?? "follow";
  // Only the mode of the caller says what becomes of redirects: fetch itself is always told "manual".
  if (!REDIRECT_MODES.includes(redirect)) {
    throw new TypeError(`Cannot fetch as 'redirect' must be one of ${REDIRECT_MODES.join(", ")}`);
  }
  return {
    url,
    method: normalizeMethod(method ?? request?.method ?? "GET"),
    headers: new Headers(headers ?? request?.headers),
    rest: readSettings(request, init),
    request,
    // Where `body` is not to be had (Firefox has none), there may be one.
    once: body === undefined && request !== undefined && request.body !== null &&
      !/^(?:GET|HEAD)$/.test(request.method),
    body,
    redirect,
    signal: signal === undefined ? request?.signal : signal,
  };
}

function readSettings(request: Request | undefined, init: RequestInit): Record<string, unknown> {
  const settings: Record<string, unknown> = { ...init };
  // Both are looked up by names that the types of one runtime or another do not have.
  const sources = [request, init] as readonly (Readonly<Record<string, unknown>> | undefined)[];
  for (const source of sources) {
    for (const name of [...SETTINGS, ...MORE_SETTINGS]) {
      const value = source?.[name];
      // No script may ask for a navigation, and workerd refuses even an empty integrity.
      if (value === undefined || value === "navigate" || name === "integrity" && value === "") {
        continue;
      }
      settings[name] = value;
    }
  }
  for (const name of APART) delete settings[name];
  return settings;
}

/**
 * Whether a request can be sent again.
 *
 * @param request The request.
 * @returns Whether its body, if any, is one that is still there after it was sent.
 */
export function isReplayable({ body, once }: Outgoing): boolean {
  if (once) return false;
  return body === undefined || typeof body === "string" ||
    body instanceof ArrayBuffer || ArrayBuffer.isView(body) || body instanceof Blob ||
    body instanceof URLSearchParams || body instanceof FormData;
}

/**
 * Whether a response is a redirect, wherever it leads.
 *
 * @param response Any response.
 * @returns Whether its status says so, or a browser that hides it.
 */
export function isRedirect({ type, status }: Response): boolean {
  return type === "opaqueredirect" || REDIRECT_STATUSES.includes(status);
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
  // A Request leads where it leads; what could be read from it goes along.
  const next = { ...request, url, request: undefined };
  const becomesGet = status === 303
    ? method !== "GET" && method !== "HEAD"
    : (status === 301 || status === 302) && method === "POST";
  if (!becomesGet) return isReplayable(request) ? next : undefined;
  const headers = new Headers(request.headers);
  for (const name of BODY_HEADERS) headers.delete(name);
  const { duplex: _, ...rest } = request.rest;
  return { ...next, method: "GET", headers, rest, once: false, body: undefined };
}

/** By its shape: a Request of another realm, or of a polyfill, is one too. */
function isRequest(input: string | URL | Request): input is Request {
  return typeof input === "object" && "url" in input;
}
