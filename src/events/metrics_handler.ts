import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import { bearerCheck, isLocal, type MetricsRequestInfo } from "./_metrics_access.ts";
import { PROMETHEUS_CONTENT_TYPE } from "./_prometheus.ts";
import { withinTime } from "./_time_box.ts";
import type { Metrics } from "./metrics.ts";

export type { MetricsRequestInfo };

/**
 * Who may see metrics.
 *
 * - `off`: nobody.
 * - `loopback`: who connects from this machine, by its address or by a Unix socket.
 * - `bearerToken`: who brings it as `Authorization: Bearer …`; at least 16 characters.
 * - `authorize`: who it says `true` for, and nothing else than `true`.
 */
export type MetricsAccess =
  | "off"
  | "loopback"
  | {
    /** The token. */
    readonly bearerToken: string;
    /** Never beside a token. */
    readonly authorize?: never;
  }
  | {
    /**
     * Decides about a request.
     *
     * @param request The request.
     * @param info What the server tells about the connection.
     * @param options The signal that is aborted when nobody waits any more; pass it on to whatever you call.
     * @returns Whether it may see the metrics.
     */
    readonly authorize: (
      request: Request,
      info: MetricsRequestInfo | undefined,
      options: { readonly signal: AbortSignal },
    ) => boolean | Promise<boolean>;
    /** Never beside a function. */
    readonly bearerToken?: never;
  };

/** Options of {@linkcode metricsHandler}. */
export interface MetricsHandlerOptions {
  /** Who may see the metrics. @default {"off"} */
  readonly access?: MetricsAccess;
  /** How long `authorize` may take, in milliseconds. @default {5000} */
  readonly authorizeTimeoutMs?: number;
  /**
   * Most calls of `authorize` at once; while there are as many, also such as run on over time, others are refused
   * with 503. @default {64}
   */
  readonly maxAuthorizing?: number;
  /** Where time comes from. @default {the clocks of the machine} */
  readonly clock?: Clock;
}

/** Answers a request for metrics; takes what `Deno.serve` passes. */
export type MetricsHandler = (request: Request, info?: MetricsRequestInfo) => Promise<Response>;

const PURPOSE = "make a handler for metrics";

/**
 * Serves metrics in the text format of Prometheus, to nobody unless you say so.
 *
 * Metrics tell an attacker which attempts were noticed, so a server that answers `/metrics` to everybody is a leak.
 * With `off` the answer is 404. With `loopback` the peer of the connection counts, never a header; a request is
 * refused, too, when it names another host than the loopback (DNS rebinding), when a page of another origin has
 * sent it, or when a proxy has added its headers. A proxy on this machine that adds none, such as nginx without
 * `proxy_set_header`, makes everybody local: use a token behind it.
 *
 * The answer is 401 or 403 to who may not, 503 when `authorize` throws, takes too long or is called by too many at
 * once, and 405 to anything but GET and HEAD.
 *
 * @example
 * ```ts
 * import { createMetrics, metricsHandler } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = metricsHandler(createMetrics(), { access: "loopback" });
 * const request = new Request("http://localhost:9464/metrics");
 * const remoteAddr = { transport: "tcp", hostname: "127.0.0.1" };
 * assertEquals((await answer(request, { remoteAddr })).status, 200);
 * assertEquals((await answer(request, { remoteAddr: { hostname: "192.0.2.7" } })).status, 403);
 * ```
 *
 * @param metrics The metrics.
 * @param options Who may see them.
 * @returns The handler.
 * @throws {TypeError} If `access` is none of those, or a token is too short.
 * @throws {RangeError} If a number is out of range.
 */
export function metricsHandler(
  metrics: Pick<Metrics, "toPrometheus">,
  options: MetricsHandlerOptions = {},
): MetricsHandler {
  const { access = "off", clock = systemClock } = options;
  const timeoutMs = integerOption(PURPOSE, "authorizeTimeoutMs", options.authorizeTimeoutMs, {
    otherwise: 5000,
    least: 1,
    most: MAX_TIMEOUT_MS,
  });
  const maxAuthorizing = integerOption(PURPOSE, "maxAuthorizing", options.maxAuthorizing, {
    otherwise: 64,
    least: 1,
    most: 10_000,
  });
  const refusal = refusalOf(access, { clock, timeoutMs, maxAuthorizing });
  return async (request, info) => {
    const status = await refusal(request, info);
    if (status !== undefined) return refused(status);
    const isHead = request.method === "HEAD";
    if (!isHead && request.method !== "GET") return refused(405);
    const headers = headersOf(PROMETHEUS_CONTENT_TYPE);
    return new Response(isHead ? null : metrics.toPrometheus(), { headers });
  };
}

type Refusal = (
  request: Request,
  info: MetricsRequestInfo | undefined,
) => number | undefined | Promise<number | undefined>;

interface AuthorizeLimits {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxAuthorizing: number;
}

/** Says with which status a request is refused, if it is. */
function refusalOf(
  access: MetricsAccess,
  { clock, timeoutMs, maxAuthorizing }: AuthorizeLimits,
): Refusal {
  if (access === "off") return () => 404;
  if (access === "loopback") return (request, info) => isLocal(request, info) ? undefined : 403;
  if (typeof access !== "object" || access === null) {
    throw wrongOption(PURPOSE, "access", '"off", "loopback", a token or a function', access);
  }
  const { authorize, bearerToken } = access;
  if (authorize !== undefined && bearerToken !== undefined) {
    throw wrongOption(PURPOSE, "access", "either a token or a function", access);
  }
  if (typeof authorize !== "function") {
    const isBearer = bearerCheck(PURPOSE, bearerToken);
    return (request) => isBearer(request) ? undefined : 401;
  }
  const timeout = () => new DOMException(`No answer within ${timeoutMs} ms`, "TimeoutError");
  let authorizing = 0;
  return async (request, info) => {
    // Anybody can ask, and calls that never settle would pile up.
    if (authorizing >= maxAuthorizing) return 503;
    authorizing++;
    const counted = async (signal: AbortSignal): Promise<unknown> => {
      try {
        return await authorize(request, info, { signal });
      } finally {
        authorizing--;
      }
    };
    try {
      const answer = await withinTime(counted, { clock, timeoutMs, timeout });
      return answer === true ? undefined : 403;
    } catch {
      return 503;
    }
  };
}

const REASONS: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  503: "Unavailable",
};

function refused(status: number): Response {
  const headers = headersOf("text/plain; charset=utf-8");
  if (status === 401) headers.set("WWW-Authenticate", "Bearer");
  if (status === 405) headers.set("Allow", "GET, HEAD");
  return new Response(`${REASONS[status]}\n`, { status, headers });
}

function headersOf(type: string): Headers {
  return new Headers({
    "Cache-Control": "no-store",
    "Content-Type": type,
    "X-Content-Type-Options": "nosniff",
  });
}
