import type { RateDecision, RateRule } from "./rate_store.ts";

/** Header fields that tell a client about its limits. */
export type RateLimitHeaders = Readonly<
  Partial<Record<"RateLimit-Policy" | "RateLimit" | "Retry-After", string>>
>;

/**
 * Writes decisions as header fields of a response, by the draft of the IETF.
 *
 * `RateLimit-Policy` names every limit that was looked at, `RateLimit` the one that binds in each decision, and
 * `Retry-After` is there when one refuses: the longest wait. Seconds are rounded up, so that who waits for
 * them waits long enough. A decision that no store has made knows nothing of what is left, and has no
 * `RateLimit`. They tell a client what its limits are: leave them out where nobody should know.
 *
 * @see {@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ | RateLimit header fields}
 *
 * @example
 * ```ts
 * import { rateLimitHeaders, RateKey, RateLimiter } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const limiter = new RateLimiter({ limits: [{ requests: 100, windowMs: 60_000 }] });
 * const decision = await limiter.check(RateKey.source("192.0.2.1"));
 * const response = new Response("hello", { headers: rateLimitHeaders(decision) });
 * assertEquals(response.headers.get("RateLimit-Policy"), '"default";q=100;w=60');
 * assertEquals(response.headers.get("RateLimit"), '"default";r=99;t=1');
 * ```
 *
 * @param decisions A decision, or those of several limiters, whose limits have different names.
 * @returns The header fields.
 */
export function rateLimitHeaders(
  decisions: RateDecision | readonly RateDecision[],
): RateLimitHeaders {
  const all = isList(decisions) ? decisions : [decisions];
  const policies = new Set<string>();
  const states: string[] = [];
  let retryAfterMs = 0;
  for (const decision of all) {
    for (const limit of decision.limits) policies.add(policyOf(limit));
    if (!decision.allowed) retryAfterMs = Math.max(retryAfterMs, decision.retryAfterMs, 1);
    // Without the store, nobody has counted.
    const isCounted = !decision.isDegraded || decision.code === "rate-limited" ||
      decision.resetMs > 0;
    if (isCounted) states.push(stateOf(decision));
  }
  return {
    ...(policies.size === 0 ? {} : { "RateLimit-Policy": [...policies].join(", ") }),
    ...(states.length === 0 ? {} : { RateLimit: states.join(", ") }),
    ...(retryAfterMs === 0 ? {} : { "Retry-After": String(seconds(retryAfterMs)) }),
  };
}

function policyOf({ name, requests, windowMs }: RateRule): string {
  return `"${name}";q=${requests};w=${seconds(windowMs)}`;
}

function stateOf({ limit, remaining, resetMs }: RateDecision): string {
  return `"${limit.name}";r=${remaining};t=${seconds(resetMs)}`;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}

function isList(
  decisions: RateDecision | readonly RateDecision[],
): decisions is readonly RateDecision[] {
  return Array.isArray(decisions);
}
