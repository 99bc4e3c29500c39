import { assertEquals } from "@std/assert";
import { RateKey } from "../../src/runtime/rate_key.ts";
import { rateLimitHeaders } from "../../src/runtime/rate_limit_headers.ts";
import { RateLimiter } from "../../src/runtime/rate_limiter.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const KEY = RateKey.principal("alice");

Deno.test("rateLimitHeaders() writes structured fields, with seconds that are rounded up", () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ limits: [{ requests: 100, windowMs: 60_000 }], clock });
  assertEquals(rateLimitHeaders(limiter.checkSync(KEY, { cost: 50 })), {
    "RateLimit-Policy": '"default";q=100;w=60',
    "RateLimit": '"default";r=50;t=30',
  });
  clock.advance(29_999);
  assertEquals(
    rateLimitHeaders(limiter.checkSync(KEY, { cost: 0 })).RateLimit,
    '"default";r=99;t=1',
  );
  clock.advance(1);
  assertEquals(
    rateLimitHeaders(limiter.checkSync(KEY, { cost: 0 })).RateLimit,
    '"default";r=100;t=0',
  );
  limiter.checkSync(KEY, { cost: 100 });
  clock.advance(500);
  assertEquals(rateLimitHeaders(limiter.checkSync(KEY)), {
    "RateLimit-Policy": '"default";q=100;w=60',
    "RateLimit": '"default";r=0;t=60',
    "Retry-After": "1",
  });
  assertEquals(rateLimitHeaders(limiter.checkSync(KEY, { cost: 7 }))["Retry-After"], "4");
});

Deno.test("rateLimitHeaders() names all limits, and the one that binds of each decision", () => {
  const clock = new VirtualClock();
  const windowMs = 1_500;
  const first = new RateLimiter({
    limits: [{ name: "burst", requests: 2, windowMs }, {
      name: "day",
      requests: 10,
      windowMs: 86_400_000,
    }],
    clock,
  });
  const second = new RateLimiter({
    limits: [{ name: "all", requests: 1, windowMs: 10_000 }],
    clock,
  });
  assertEquals(rateLimitHeaders([first.checkSync(KEY), second.checkSync(KEY)]), {
    "RateLimit-Policy": '"burst";q=2;w=2, "day";q=10;w=86400, "all";q=1;w=10',
    "RateLimit": '"burst";r=1;t=1, "all";r=0;t=10',
  });
  assertEquals(
    rateLimitHeaders([first.checkSync(KEY), second.checkSync(KEY)])["Retry-After"],
    "10",
  );
  assertEquals(rateLimitHeaders([]), {});
});

Deno.test("rateLimitHeaders() says nothing of what is left when no store was asked", async () => {
  const failing = { isShared: true, consume: () => Promise.reject(new Error("away")) };
  const limits = [{ requests: 5, windowMs: 1_000 }];
  const closed = new RateLimiter({ limits, store: failing });
  const open = new RateLimiter({ limits, store: failing, onUnavailable: "open" });
  const local = new RateLimiter({ limits, store: failing, onUnavailable: "local" });
  const policy = { "RateLimit-Policy": '"default";q=5;w=1' };
  assertEquals(rateLimitHeaders(await closed.check(KEY)), { ...policy, "Retry-After": "1" });
  assertEquals(rateLimitHeaders(await open.check(KEY)), policy);
  assertEquals(rateLimitHeaders(await local.check(KEY)), {
    ...policy,
    "RateLimit": '"default";r=4;t=1',
  });
});
