/**
 * A server that counts words, and shows the guards in the order in which a request meets them: who asks, whether
 * they are blocked, how often, how many at once, how much, how long. What happened is in a chained log.
 *
 * ```sh
 * deno run --allow-net=127.0.0.1:8000 --allow-read=LOGS --allow-write=LOGS examples/guarded_server.ts LOGS
 * deno task audit:verify LOGS
 * ```
 *
 * @module
 */
import {
  AuditLogger,
  type AuditSink,
  blockAction,
  BlockList,
  correlationOf,
  createAlerts,
  createClientAddress,
  createMetrics,
  DeadlinePolicy,
  jsonLinesSink,
  metricsHandler,
  MiB,
  parseJsonBounded,
  RateKey,
  RateLimiter,
  rateLimitHeaders,
  SecurityError,
  type SecurityErrorCode,
  Semaphore,
} from "@bartizan/security";

const STATUSES: Partial<Readonly<Record<SecurityErrorCode, number>>> = {
  "json-invalid": 400,
  "json-duplicate-key": 400,
  "json-too-deep": 400,
  "json-too-many-tokens": 400,
  "blocked": 403,
  "timeout": 408,
  "too-large": 413,
  "rate-limited": 429,
  "queue-full": 503,
  "limiter-unavailable": 503,
  "audit-unavailable": 503,
};

/** What {@linkcode createGuardedServer} gives. */
export interface GuardedServer extends AsyncDisposable {
  /** For `Deno.serve`. */
  readonly handler: (
    request: Request,
    info: Pick<Deno.ServeHandlerInfo, "remoteAddr">,
  ) => Promise<Response>;
}

/** Puts the guards together; all that is recorded goes to `sink`. */
export function createGuardedServer(sink: AuditSink): GuardedServer {
  const metrics = createMetrics();
  // The list comes first, since the alerts act on it; it reports to a logger that is not there yet.
  const blocks = new BlockList({ reporter: { report: (event) => audit.report(event) } });
  const alerts = createAlerts({
    rules: [{
      name: "repeat-violator",
      when: { kind: "runtime.limit", outcome: "denied" },
      by: "source",
      threshold: 5,
      withinSeconds: 60,
      then: [blockAction(blocks)],
    }],
  });
  const audit = new AuditLogger({ sinks: [sink, metrics.sink, alerts.sink] });
  const addressOf = createClientAddress({ trustedProxies: [] });
  const limiter = new RateLimiter({ limits: [{ requests: 20, windowMs: 10_000 }] });
  const permits = new Semaphore({ permits: 8, maxQueue: 64 });
  const deadlines = new DeadlinePolicy({ defaultMs: 2000, semaphore: permits, reporter: audit });
  const showMetrics = metricsHandler(metrics, { access: "loopback" });

  async function count(request: Request, signal: AbortSignal): Promise<Response> {
    const text = await parseJsonBounded(request, { maxBytes: MiB, maxDepth: 4, signal });
    if (typeof text !== "string") return new Response("a string, please", { status: 400 });
    return Response.json({ words: text.split(/\s+/).filter(Boolean).length });
  }

  const handler: GuardedServer["handler"] = async (request, info) => {
    if (new URL(request.url).pathname === "/metrics") return await showMetrics(request, info);
    const source = addressOf(request, info);
    const record = audit.with({ ...correlationOf(request), source });
    let headers = {};
    try {
      blocks.enforce({ source: source.address });
      const decision = await limiter.check(RateKey.source(source.address));
      headers = rateLimitHeaders(decision);
      if (decision.code !== undefined) {
        await record.denied("runtime.limit", { code: decision.code });
        throw new SecurityError(decision.code, "Too many requests");
      }
      const response = await deadlines.run("words.count", (signal) => count(request, signal));
      // No record, no answer: with a required sink that fails, this rejects.
      await record.success("words.count", { details: { status: response.status } });
      for (const [name, value] of Object.entries(headers)) {
        response.headers.set(name, String(value));
      }
      return response;
    } catch (error) {
      if (!(error instanceof SecurityError)) throw error;
      const { code } = error;
      if (code !== "rate-limited" && code !== "audit-unavailable") {
        await record.denied("words.count", { code });
      }
      return new Response(error.message, { status: STATUSES[code] ?? 500, headers });
    }
  };

  return {
    handler,
    async [Symbol.asyncDispose]() {
      limiter.close();
      permits.close();
      await alerts.close();
      blocks.close();
      await audit.close();
    },
  };
}

if (import.meta.main) {
  const [folder = "."] = Deno.args;
  const sink = jsonLinesSink({
    path: `${folder}/audit.jsonl`,
    durability: "fsync",
    rotate: { maxBytes: 64 * MiB, keep: 10 },
    chain: {},
  });
  const server = createGuardedServer(sink);
  Deno.serve({ hostname: "127.0.0.1", port: 8000 }, server.handler);
}
