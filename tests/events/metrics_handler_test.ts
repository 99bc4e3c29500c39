import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { createMetrics } from "../../src/events/metrics.ts";
import {
  type MetricsAccess,
  metricsHandler,
  type MetricsRequestInfo,
} from "../../src/events/metrics_handler.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const URL = "http://localhost:9464/metrics";
const LOCAL: MetricsRequestInfo = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1" } };
const REMOTE: MetricsRequestInfo = { remoteAddr: { transport: "tcp", hostname: "192.0.2.7" } };

function get(headers: Record<string, string> = {}, url: string = URL): Request {
  return new Request(url, { headers });
}

Deno.test("metricsHandler() shows metrics to nobody by default", async () => {
  const metrics = createMetrics();
  // The control: a handler as it is commonly written answers everybody.
  const bare = (_request: Request) => new Response(metrics.toPrometheus());
  assertStringIncludes(await bare(get()).text(), "bartizan_events_total");
  const answer = metricsHandler(metrics);
  for (const info of [LOCAL, REMOTE, undefined]) {
    const response = await answer(get(), info);
    assertEquals(response.status, 404);
    assertEquals(await response.text(), "Not found\n");
  }
});

Deno.test("metricsHandler() with loopback goes by the peer of the connection", async () => {
  const answer = metricsHandler(createMetrics(), { access: "loopback" });
  const cases: [info: MetricsRequestInfo | undefined, status: number][] = [
    [LOCAL, 200],
    [{ remoteAddr: { hostname: "127.8.9.1" } }, 200],
    [{ remoteAddr: { hostname: "::1" } }, 200],
    [{ remoteAddr: { hostname: "::ffff:127.0.0.1" } }, 200],
    [{ remoteAddr: { transport: "unix" } }, 200],
    [REMOTE, 403],
    [{ remoteAddr: { hostname: "::ffff:192.0.2.7" } }, 403],
    [{ remoteAddr: { hostname: "0.0.0.0" } }, 403],
    [{ remoteAddr: { hostname: "::" } }, 403],
    [{ remoteAddr: { hostname: "::2" } }, 403],
    [{ remoteAddr: { hostname: "127.0.0.1.evil.example" } }, 403],
    [{ remoteAddr: { hostname: "localhost" } }, 403],
    [{ remoteAddr: { transport: "tcp" } }, 403],
    [{}, 403],
    [undefined, 403],
  ];
  for (const [info, status] of cases) {
    assertEquals([info, (await answer(get(), info)).status], [info, status]);
  }
});

Deno.test("metricsHandler() with loopback lets nobody in by a header, and keeps out pages and proxies", async () => {
  const answer = metricsHandler(createMetrics(), { access: "loopback" });
  const cases: [request: Request, info: MetricsRequestInfo, status: number][] = [
    [get({ "x-forwarded-for": "127.0.0.1", forwarded: "for=127.0.0.1" }), REMOTE, 403],
    [get({ "x-forwarded-for": "192.0.2.7" }), LOCAL, 403],
    [get({ forwarded: "for=192.0.2.7" }), LOCAL, 403],
    [get({ via: "1.1 proxy" }), LOCAL, 403],
    [get({ "x-real-ip": "192.0.2.7" }), { remoteAddr: { transport: "unix" } }, 403],
    [get({}, "http://rebound.evil.example:9464/metrics"), LOCAL, 403],
    [get({ host: "rebound.evil.example:9464" }), LOCAL, 403],
    [get({ host: "localhost.evil.example" }), LOCAL, 403],
    [get({ host: "127.0.0.1@evil.example" }), LOCAL, 403],
    [get({ host: "" }), LOCAL, 403],
    [get({ host: "LOCALHOST:9464" }), LOCAL, 200],
    [get({ host: "[::1]:9464" }, "http://[::1]:9464/metrics"), LOCAL, 200],
    [get({ host: "127.0.0.1" }, "http://127.0.0.1/metrics"), LOCAL, 200],
    [get({ origin: "https://evil.example" }), LOCAL, 403],
    [get({ origin: "null" }), LOCAL, 403],
    [get({ origin: "http://localhost:3000" }), LOCAL, 403],
    [get({ origin: "http://localhost:9464" }), LOCAL, 200],
    [get({ "sec-fetch-site": "cross-site" }), LOCAL, 403],
    [get({ "sec-fetch-site": "same-site" }), LOCAL, 403],
    [get({ "sec-fetch-site": "none" }), LOCAL, 200],
    [get({ "sec-fetch-site": "same-origin" }), LOCAL, 200],
  ];
  for (const [request, info, status] of cases) {
    const response = await answer(request, info);
    assertEquals([request.url, [...request.headers], response.status], [
      request.url,
      [...request.headers],
      status,
    ]);
  }
});

Deno.test("metricsHandler() with loopback refuses what has come through a proxy, by any of its headers", async () => {
  const answer = metricsHandler(createMetrics(), { access: "loopback" });
  const names = [
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Original-Forwarded-For",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "Fastly-Client-IP",
    "CF-Connecting-IP",
    "CF-Ray",
    "CDN-Loop",
    "X-Envoy-External-Address",
    "Tailscale-User-Login",
  ];
  for (const name of names) {
    assertEquals([name, (await answer(get({ [name]: "x" }), LOCAL)).status], [name, 403]);
  }
  const own = get({ "user-agent": "Prometheus/3", "x-prometheus-scrape-timeout-seconds": "10" });
  assertEquals((await answer(own, LOCAL)).status, 200);
});

Deno.test("metricsHandler() answers over a real server", async () => {
  const answer = metricsHandler(createMetrics(), { access: "loopback" });
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/metrics`);
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  assertStringIncludes(await response.text(), "# TYPE bartizan_events_total counter");
});

Deno.test("metricsHandler() answers GET and HEAD alone", async () => {
  const answer = metricsHandler(createMetrics(), { access: "loopback" });
  const head = await answer(new Request(URL, { method: "HEAD" }), LOCAL);
  assertEquals([head.status, await head.text()], [200, ""]);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const response = await answer(new Request(URL, { method }), LOCAL);
    assertEquals([method, response.status, response.headers.get("allow")], [
      method,
      405,
      "GET, HEAD",
    ]);
  }
});

Deno.test("metricsHandler() with a token goes by the whole token", async () => {
  const bearerToken = "0123456789abcdefghij";
  const answer = metricsHandler(createMetrics(), { access: { bearerToken } });
  const cases: [authorization: string | undefined, status: number][] = [
    [`Bearer ${bearerToken}`, 200],
    [`bearer ${bearerToken}`, 200],
    [undefined, 401],
    ["", 401],
    ["Bearer ", 401],
    [`Bearer ${bearerToken}x`, 401],
    [`Bearer ${bearerToken.slice(0, -1)}`, 401],
    [`Bearer ${bearerToken} ${bearerToken}`, 401],
    [`Basic ${bearerToken}`, 401],
    [`Bearer ${"x".repeat(100_000)}`, 401],
  ];
  for (const [authorization, status] of cases) {
    const response = await answer(
      get(authorization === undefined ? {} : { authorization }),
      REMOTE,
    );
    assertEquals([authorization?.slice(0, 60), response.status], [
      authorization?.slice(0, 60),
      status,
    ]);
    assertEquals(response.headers.get("www-authenticate"), status === 401 ? "Bearer" : null);
  }
});

Deno.test("metricsHandler() with authorize() takes nothing but true for a yes", async () => {
  const status = async (authorize: (request: Request) => unknown) => {
    const access = { authorize } as MetricsAccess;
    return (await metricsHandler(createMetrics(), { access })(get(), REMOTE)).status;
  };
  assertEquals(await status(() => true), 200);
  assertEquals(await status(() => Promise.resolve(true)), 200);
  for (const no of [false, 1, "true", {}, undefined, null]) {
    assertEquals(await status(() => no), 403);
  }
  assertEquals(
    await status(() => {
      throw new Error("no");
    }),
    503,
  );
  assertEquals(await status(() => Promise.reject(new Error("no"))), 503);
});

Deno.test("metricsHandler() answers 503 when authorize() hangs", async () => {
  const clock = new VirtualClock();
  const answer = metricsHandler(createMetrics(), {
    access: { authorize: () => new Promise<boolean>(() => {}) },
    authorizeTimeoutMs: 200,
    clock,
  });
  const response = answer(get(), REMOTE);
  clock.advance(199);
  assertEquals(clock.timers, 1);
  clock.advance(1);
  assertEquals((await response).status, 503);
  assertEquals(clock.timers, 0);
});

Deno.test("metricsHandler() tells authorize() when nobody waits any more, and calls it so often at once", async () => {
  const clock = new VirtualClock();
  const signals: AbortSignal[] = [];
  const answer = metricsHandler(createMetrics(), {
    access: {
      authorize: (_request, _info, { signal }) => {
        signals.push(signal);
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      },
    },
    authorizeTimeoutMs: 200,
    maxAuthorizing: 3,
    clock,
  });
  const ask = () => Array.from({ length: 100 }, () => answer(get(), REMOTE));
  const first = ask();
  assertEquals([signals.length, clock.timers], [3, 3]);
  // The others are told at once.
  assertEquals((await first[99])!.status, 503);
  clock.advance(200);
  for (const response of await Promise.all(first)) assertEquals(response.status, 503);
  assertEquals(signals.map(({ aborted }) => aborted), [true, true, true]);
  const second = ask();
  assertEquals(signals.length, 6);
  clock.advance(200);
  await Promise.all(second);
});

Deno.test("metricsHandler() gives the place of an authorize() that runs on to nobody", async () => {
  const clock = new VirtualClock();
  const ends: ((answer: boolean) => void)[] = [];
  const answer = metricsHandler(createMetrics(), {
    access: { authorize: () => new Promise((resolve) => void ends.push(resolve)) },
    maxAuthorizing: 1,
    clock,
  });
  const hung = answer(get(), REMOTE);
  clock.advance(5000);
  assertEquals((await hung).status, 503);
  assertEquals((await answer(get(), REMOTE)).status, 503);
  assertEquals(ends.length, 1);
  ends[0]!(true);
  await new Promise((resolve) => setTimeout(resolve));
  const next = answer(get(), REMOTE);
  ends[1]!(true);
  assertEquals((await next).status, 200);
});

Deno.test("metricsHandler() throws when an option is wrong, and tells no token", () => {
  const metrics = createMetrics();
  const accesses: unknown[] = [
    null,
    "on",
    {},
    { authorize: 1 },
    { bearerToken: "too-short" },
    { bearerToken: "with spaces in between" },
    { bearerToken: "0123456789abcdefghij", authorize: () => true },
  ];
  for (const access of accesses) {
    const error = assertThrows(
      () => metricsHandler(metrics, { access: access as MetricsAccess }),
      TypeError,
    );
    assert(!error.message.includes("too-short"));
  }
  assertThrows(() => metricsHandler(metrics, { authorizeTimeoutMs: 0 }), RangeError);
  assertThrows(() => metricsHandler(metrics, { maxAuthorizing: NaN }), RangeError);
});
