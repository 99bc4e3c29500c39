import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import type { DpopErrorReason } from "../../src/dpop/dpop_error.ts";
import { createDpopNonces, type DpopNonces } from "../../src/dpop/dpop_nonces.ts";
import { MemoryReplayStore } from "../../src/dpop/memory_replay_store.ts";
import type { ReplayAddOptions, ReplayStore } from "../../src/dpop/replay_store.ts";
import { forge, makeKey, NOW, signProof } from "./_proofs.ts";
import { guardFor, makeRequest, refused, spyStore, TOKEN } from "./_verifiers.ts";

const key = await makeKey("ES256");
const secrets = [crypto.getRandomValues(new Uint8Array(32))];
const UNAVAILABLE = "temporarily_unavailable";

Deno.test("a replay store is told a key, a lifetime, the time and whose it is", async () => {
  const calls: { key: string; expires: number; options: ReplayAddOptions | undefined }[] = [];
  const replay: ReplayStore = {
    add(key, expires, options) {
      calls.push({ key, expires, options });
      return true;
    },
  };
  for (const [maxAgeSeconds, maxFutureSeconds, lifetime] of [[300, 60, 360], [10, 0, 11]]) {
    const guard = guardFor(key.jkt, { replay, maxAgeSeconds, maxFutureSeconds } as never);
    assert((await guard.verifyRequest(await makeRequest({ key }))).ok);
    const { key: stored, expires, options } = calls.pop() ?? {};
    assertEquals(stored?.length, 22);
    assertEquals(expires, NOW + (lifetime ?? 0));
    assertEquals([options?.nowSeconds, options?.jkt], [NOW, key.jkt]);
    assertEquals(options?.signal?.aborted, false);
  }
});

Deno.test("a proof is not forgotten while it is young enough to be accepted", async () => {
  let time = NOW * 1000;
  const now = () => time;
  for (const maxFutureSeconds of [0, 1, 60]) {
    const replay = new MemoryReplayStore({ capacity: 10, now });
    const guard = guardFor(key.jkt, { replay, now, maxAgeSeconds: 5, maxFutureSeconds });
    const proofs = [await signProof({ key, accessToken: TOKEN })];
    assert((await guard.verifyRequest(await makeRequest({ key, proofs }))).ok);
    const reasons = new Set<string>();
    for (let later = 0; later < 8_000; later += 250) {
      time = NOW * 1000 + later;
      const result = await guard.verifyRequest(await makeRequest({ key, proofs }));
      assertFalse(result.ok, `${later} ms later`);
      if (!result.ok) reasons.add(result.error.reason);
    }
    assertEquals([...reasons], ["replayed", "iat-too-old"]);
    time = NOW * 1000;
  }
});

const full =
  (code: "replay-store-full" | "replay-quota-exceeded" | "replay-store-unavailable") => () =>
    Promise.reject(new SecurityError(code, "no"));

const STORES: readonly (readonly [
  name: string,
  answer: () => unknown,
  reason: DpopErrorReason,
  status: number,
])[] = [
  ["is full", full("replay-store-full"), "replay-store-full", 503],
  ["has no room for one key", full("replay-quota-exceeded"), "replay-quota-exceeded", 429],
  ["is out of reach", full("replay-store-unavailable"), "replay-store-unavailable", 503],
  ["rejects", () => Promise.reject(new Error("secret")), "replay-store-unavailable", 503],
  [
    "throws",
    () => {
      throw new Error("secret");
    },
    "replay-store-unavailable",
    503,
  ],
  ["answers undefined", () => undefined, "replay-store-unavailable", 503],
  ["answers 1", () => Promise.resolve(1), "replay-store-unavailable", 503],
  ["answers OK", () => "OK", "replay-store-unavailable", 503],
  ["hangs", () => new Promise(() => {}), "replay-store-unavailable", 503],
  [
    "throws when it is awaited",
    () => ({
      then(): never {
        throw new Error("secret");
      },
    }),
    "replay-store-unavailable",
    503,
  ],
];

for (const [name, answer, reason, status] of STORES) {
  Deno.test(`a replay store that ${name} lets nothing through`, async () => {
    const guard = guardFor(key.jkt, { replay: spyStore(answer), replayTimeoutMs: 20 });
    const result = await guard.verifyRequest(await makeRequest({ key }));
    const { response, error } = refused(result, UNAVAILABLE, reason, status);
    assertEquals(response.headers.get("retry-after"), "1");
    assertEquals(response.headers.get("www-authenticate"), null);
    assertFalse(error.message.includes("secret"));
  });
}

Deno.test("a replay store that hangs is told to stop, and its late failure is nobody's", async () => {
  let stopped: unknown;
  const guard = guardFor(key.jkt, {
    replayTimeoutMs: 20,
    replay: {
      add: (_key, _expires, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener("abort", () => {
            stopped = options.signal?.reason;
            reject(new Error("late"));
          });
        }),
    },
  });
  const result = await guard.verifyRequest(await makeRequest({ key }));
  refused(result, UNAVAILABLE, "replay-store-unavailable", 503);
  assert(stopped instanceof DOMException && stopped.name === "TimeoutError");
});

Deno.test("a nonce is asked for, accepted, and replaced when it is not the newest", async () => {
  let time = (NOW - NOW % 60) * 1000;
  const now = () => time;
  const nonces = createDpopNonces({ secrets, now });
  const replay = spyStore();
  const guard = guardFor(key.jkt, { nonces, now, replay });
  const send = async (nonce: unknown, forged = false) => {
    const claims = { nonce, iat: time / 1000 };
    const proof = await signProof({ key, claims, accessToken: TOKEN });
    const proofs = [forged ? forge(proof) : proof];
    return await guard.verifyRequest(await makeRequest({ key, proofs }));
  };
  const { response } = refused(await send(undefined), "use_dpop_nonce", "nonce-missing", 401);
  const first = response.headers.get("dpop-nonce");
  assertEquals(first, nonces.issue());
  refused(await send(""), "use_dpop_nonce", "nonce-missing", 401);
  refused(await send("x"), "use_dpop_nonce", "nonce-mismatch", 401);
  // A signature is looked at before a nonce, which is for the holder of a key only.
  refused(await send(first, true), "invalid_dpop_proof", "signature-invalid", 401);
  refused(await send(undefined, true), "invalid_dpop_proof", "signature-invalid", 401);
  assertEquals(replay.keys, []);

  const newest = await send(first);
  assert(newest.ok);
  assertEquals([...newest.headers], []);
  time += 60_000;
  const older = await send(first);
  assert(older.ok);
  assertEquals(older.headers.get("dpop-nonce"), nonces.issue());
  assertEquals(older.headers.get("access-control-expose-headers"), "DPoP-Nonce");
  // A nonce that a cache keeps is an old one (RFC 9449, section 8.2).
  assertEquals(older.headers.get("cache-control"), "no-store");
  time += 60_000;
  const old = refused(await send(first), "use_dpop_nonce", "nonce-mismatch", 401);
  assertEquals(old.response.headers.get("dpop-nonce"), nonces.issue());
});

Deno.test("requireNonce: false accepts a proof without a nonce, and none with a wrong one", async () => {
  const now = () => NOW * 1000;
  const nonces = createDpopNonces({ secrets, now });
  const guard = guardFor(key.jkt, { nonces, requireNonce: false });
  const without = await guard.verifyRequest(await makeRequest({ key }));
  assert(without.ok);
  assertEquals(without.headers.get("dpop-nonce"), nonces.issue());
  const request = await makeRequest({ key, claims: { nonce: "of-another-server" } });
  refused(await guard.verifyRequest(request), "use_dpop_nonce", "nonce-mismatch", 401);
});

Deno.test("nonces may answer by promise", async () => {
  const nonces: DpopNonces = {
    issue: () => Promise.resolve("n-2"),
    check: (nonce) => Promise.resolve(nonce === "n-1" || nonce === "n-2"),
  };
  const guard = guardFor(key.jkt, { nonces });
  const older = await guard.verifyRequest(await makeRequest({ key, claims: { nonce: "n-1" } }));
  assert(older.ok);
  assertEquals(older.headers.get("dpop-nonce"), "n-2");
  const newest = await guard.verifyRequest(await makeRequest({ key, claims: { nonce: "n-2" } }));
  assert(newest.ok);
  assertEquals(newest.headers.get("dpop-nonce"), null);
});

const broken = (issue: () => unknown, check: () => unknown): DpopNonces =>
  ({ issue, check }) as unknown as DpopNonces;

Deno.test("nonces that fail let nothing through", async () => {
  const fail = () => Promise.reject(new Error("secret"));
  const raise = () => {
    throw new Error("secret");
  };
  const services: readonly DpopNonces[] = [
    broken(fail, () => true),
    broken(raise, () => true),
    broken(() => undefined, () => true),
    broken(() => "", () => true),
    broken(() => "with space", () => true),
    broken(() => 'with"quote', () => true),
    broken(() => "with\r\nline", () => true),
    broken(() => "n", fail),
    broken(() => "n", raise),
    broken(() => new Promise(() => {}), () => true),
    broken(() => "n", () => new Promise(() => {})),
  ];
  for (const nonces of services) {
    const guard = guardFor(key.jkt, { nonces, replayTimeoutMs: 20 });
    const request = await makeRequest({ key, claims: { nonce: "n-1" } });
    const result = await guard.verifyRequest(request);
    refused(result, UNAVAILABLE, "nonce-service-unavailable", 503);
  }
  // Anything but `true` is no.
  const guard = guardFor(key.jkt, { nonces: broken(() => "n", () => "yes") });
  const request = await makeRequest({ key, claims: { nonce: "n-1" } });
  refused(await guard.verifyRequest(request), "use_dpop_nonce", "nonce-mismatch", 401);
});

Deno.test("a clock that gives no time lets nothing through", async () => {
  for (const now of [() => NaN, () => Infinity, () => raiseClock()]) {
    const events: AuditEventInput[] = [];
    const audit = { report: (event: AuditEventInput) => void events.push(event) };
    const guard = guardFor(key.jkt, { now, replay: spyStore(), audit });
    const result = await guard.verifyRequest(await makeRequest({ key }));
    refused(result, UNAVAILABLE, "clock-invalid", 503);
    assertEquals(events.map(({ reason }) => reason), ["clock-invalid"]);
  }
});

function raiseClock(): number {
  throw new Error("no clock");
}

Deno.test("verifyRequest() rejects with the reason of the signal, wherever it waits", async () => {
  // Timers that are left would be noticed: each of these waits could last for ten seconds.
  const waits = [
    { validateToken: never },
    { replay: spyStore(never), replayTimeoutMs: 600_000 },
    { nonces: broken(never, never), requireNonce: false, replayTimeoutMs: 600_000 },
    { resolveMethod: never },
    { audit: { report: never } },
    { resolveUrl: never, origin: undefined as never },
  ];
  for (const options of waits) {
    const controller = new AbortController();
    const request = await makeRequest({ key });
    const result = guardFor(key.jkt, options).verifyRequest(request, { signal: controller.signal });
    const reason = new Error("the client is gone");
    setTimeout(() => controller.abort(reason), 5);
    assertEquals(await assertRejects(() => result), reason);
  }
  const request = await makeRequest({ key });
  const signal = AbortSignal.abort("before");
  let thrown: unknown;
  await guardFor(key.jkt).verifyRequest(request, { signal }).catch((error) => thrown = error);
  assertEquals(thrown, "before");
});

const never = () => new Promise<never>(() => {});

const HANGS: readonly (readonly [name: string, options: object, reason: DpopErrorReason])[] = [
  ["token validator", { validateToken: never }, "token-validator-unavailable"],
  ["resolveUrl()", { origin: undefined, resolveUrl: never }, "url-unresolved"],
  ["resolveMethod()", { resolveMethod: never }, "request-unreadable"],
  ["audit reporter", { audit: { report: never } }, "audit-unavailable"],
];

for (const [name, options, reason] of HANGS) {
  Deno.test(`a request waits for a ${name} no longer than timeoutMs`, async () => {
    const guard = guardFor(key.jkt, { timeoutMs: 20, ...options } as never);
    const result = await guard.verifyRequest(await makeRequest({ key }));
    const { error } = refused(result, UNAVAILABLE, reason, 503);
    assert(error.cause instanceof DOMException && error.cause.name === "TimeoutError");
  });
}

Deno.test("a refusal waits for an audit reporter no longer than timeoutMs", async () => {
  const guard = guardFor(key.jkt, { timeoutMs: 20, audit: { report: never } });
  const result = await guard.verifyRequest(await makeRequest({ key, authorization: null }));
  refused(result, null, "no-credentials", 401);
});

Deno.test("the token validator is told when the request is abandoned", async () => {
  const controller = new AbortController();
  let told = false;
  const guard = guardFor(key.jkt, {
    validateToken: (_token, options) =>
      new Promise((_resolve, reject) => {
        options?.signal?.addEventListener("abort", () => {
          told = true;
          reject(new Error("late"));
        });
        setTimeout(() => controller.abort(), 1);
      }),
  });
  const request = await makeRequest({ key });
  await assertRejects(
    () => guard.verifyRequest(request, { signal: controller.signal }),
    DOMException,
  );
  assert(told);
});

Deno.test("verifyRequest() never throws at a request that lies", async () => {
  const proof = await signProof({ key, accessToken: TOKEN });
  const raise = () => {
    throw new Error("secret");
  };
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      undefined,
      null,
      1,
      "",
      "GET",
      "/notes",
      "https://x",
      {},
      [],
      Symbol(),
    ),
    fc.string(),
  );
  const guard = guardFor(key.jkt);
  const header = fc.oneof(value, fc.constantFrom<unknown>(proof, `DPoP ${TOKEN}`, raise));
  await fc.assert(
    fc.asyncProperty(value, value, header, header, async (method, url, authorization, dpop) => {
      const get = (name: string) => {
        const found = name === "dpop" ? dpop : authorization;
        return found === raise ? raise() : found;
      };
      const request = { method, url, headers: { get } } as unknown as Request;
      const result = await guard.verifyRequest(request);
      assert(result.ok || [400, 401, 503].includes(result.response.status));
    }),
    { seed: 9449, numRuns: 300 },
  );
  const liars: readonly unknown[] = [
    undefined,
    null,
    1,
    {},
    { headers: null },
    Object.defineProperty({}, "headers", { get: raise }),
  ];
  for (const request of liars) {
    const result = await guard.verifyRequest(request as Request);
    refused(result, UNAVAILABLE, "request-unreadable", 503);
  }
});

Deno.test("verifyRequest() reads method and URL once, so that they cannot change in between", async () => {
  const request = await makeRequest({ key });
  const reads = { method: 0, url: 0 };
  const liar = {
    headers: request.headers,
    get method() {
      return reads.method++ === 0 ? "GET" : "DELETE";
    },
    get url() {
      return reads.url++ === 0 ? request.url : "https://api.example.com/other";
    },
  } as unknown as Request;
  assert((await guardFor(key.jkt).verifyRequest(liar)).ok);
  assertEquals(reads, { method: 1, url: 1 });
});
