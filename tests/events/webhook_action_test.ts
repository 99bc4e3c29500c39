import { assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import type { Alert, AlertAction } from "../../src/events/alert.ts";
import { webhookAction, type WebhookActionOptions } from "../../src/events/webhook_action.ts";

const ALERT: Alert = {
  blockable: "principal+source",
  target: { principal: "a\u202e\nb", source: "192.0.2.7" },
  rule: "failed logins",
  by: "principal",
  key: "pair",
  count: 5,
  firstTime: "2026-01-01T00:00:00.000Z",
  lastTime: "2026-01-01T00:00:01.000Z",
  event: {
    kind: "app.login",
    outcome: "failure",
    id: "e1",
    seq: 1,
    time: "2026-01-01T00:00:00.000Z",
    recordedAt: "2026-01-01T00:00:00.000Z",
    severity: "warning",
    correlationId: "c1",
    details: {},
  },
};

async function call(action: AlertAction, signal = new AbortController().signal): Promise<void> {
  await action(ALERT, { signal });
}

function serve(answer: (request: Request) => Response | Promise<Response>) {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
}

Deno.test("webhookAction() posts the alert as JSON in which nothing acts", async () => {
  const seen: { method: string; type: string | null; token: string | null; body: string }[] = [];
  await using hook = serve(async (request) => {
    seen.push({
      method: request.method,
      type: request.headers.get("content-type"),
      token: request.headers.get("authorization"),
      body: await request.text(),
    });
    return new Response(null, { status: 204 });
  });
  const url = `http://127.0.0.1:${hook.addr.port}/hook`;
  await call(webhookAction({ url, headers: { authorization: "Bearer t" } }));
  assertEquals(seen.map(({ method, type, token }) => [method, type, token]), [
    ["POST", "application/json", "Bearer t"],
  ]);
  assertFalse(seen[0]!.body.includes("\u202e"));
  assertEquals(JSON.parse(seen[0]!.body), ALERT);
});

Deno.test("webhookAction() follows no redirect", async () => {
  let stolen = 0;
  await using thief = serve(() => {
    stolen++;
    return new Response();
  });
  const location = `http://127.0.0.1:${thief.addr.port}/`;
  await using hook = serve(() => new Response(null, { status: 307, headers: { location } }));
  const url = `http://127.0.0.1:${hook.addr.port}/`;
  // The control: fetch() as it is brings the body to wherever it is told.
  await (await fetch(url, { method: "POST", body: "alert" })).body?.cancel();
  assertEquals(stolen, 1);
  await assertRejects(() => call(webhookAction({ url })));
  assertEquals(stolen, 1);
});

Deno.test("webhookAction() rejects when the answer is none of 2xx, too late or not wanted", async () => {
  const url = "https://alerts.example/hook";
  const refused = webhookAction({
    url,
    fetch: () => Promise.resolve(new Response("", { status: 500 })),
  });
  await assertRejects(() => call(refused), Error, "500");
  const signals: (AbortSignal | null | undefined)[] = [];
  const hang = (_url: URL, { signal }: RequestInit) => {
    signals.push(signal);
    return new Promise<Response>(() => {});
  };
  const late = webhookAction({ url, timeoutMs: 1, fetch: hang });
  await assertRejects(() => call(late), DOMException, "No answer");
  const controller = new AbortController();
  const aborted = call(webhookAction({ url, fetch: hang }), controller.signal);
  controller.abort(new Error("over"));
  await assertRejects(() => aborted, Error, "over");
  assertEquals(signals.map((signal) => signal?.aborted), [true, true]);
});

Deno.test("webhookAction() throws when the URL would not keep the alert a secret", () => {
  const urls: unknown[] = [
    "http://alerts.example/",
    "http://localhost.evil.example/",
    "https://user:password@alerts.example/",
    "ftp://alerts.example/",
    "data:text/plain,x",
    "alerts.example",
    undefined,
  ];
  for (const url of urls) {
    const error = assertThrows(() => webhookAction({ url } as WebhookActionOptions), TypeError);
    assertFalse(error.message.includes("password@"));
  }
  for (
    const url of ["https://a.example", "http://localhost:1/", "http://[::1]/", "http://127.0.0.1/"]
  ) {
    assertEquals(typeof webhookAction({ url }), "function");
  }
  assertThrows(() => webhookAction({ url: "https://a.example", timeoutMs: 0 }), RangeError);
});
