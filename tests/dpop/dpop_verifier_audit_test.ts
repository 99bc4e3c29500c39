import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { forge, makeKey, NOW, signProof } from "./_proofs.ts";
import { guardFor, makeRequest, refused, TOKEN } from "./_verifiers.ts";

const key = await makeKey("ES256");
const UNAVAILABLE = "temporarily_unavailable";

Deno.test("every verification is recorded before it is answered", async () => {
  const events: AuditEventInput[] = [];
  let recorded = 0;
  const audit = {
    async report(event: AuditEventInput) {
      events.push(event);
      await Promise.resolve();
      recorded++;
    },
  };
  const guard = guardFor(key.jkt, { audit });
  const proofs = [await signProof({ key, accessToken: TOKEN })];
  const url = "https://api.example.com/notes?secret=1";
  assert((await guard.verifyRequest(await makeRequest({ key, proofs, url }))).ok);
  assertEquals(recorded, 1);
  const details = { method: "GET", scheme: "DPoP", jkt: key.jkt, alg: "ES256" };
  const common = {
    kind: "dpop.verify",
    operation: "resource-server",
    timeMs: NOW * 1000,
    resource: "https://api.example.com/notes",
  };
  assertEquals(events.pop(), {
    ...common,
    outcome: "success",
    principal: "alice",
    principalConfidence: "verified",
    details,
  });

  await guard.verifyRequest(await makeRequest({ key, proofs }));
  assertEquals(recorded, 2);
  assertEquals(events.pop(), {
    ...common,
    outcome: "failure",
    code: "invalid_dpop_proof",
    reason: "replayed",
    details,
  });

  const forged = [forge(await signProof({ key, accessToken: TOKEN }))];
  await guard.verifyRequest(await makeRequest({ key, proofs: forged }));
  const { details: claimed, reason } = events.pop() ?? {};
  assertEquals([claimed?.claimedJkt, claimed?.jkt], [key.jkt, undefined]);
  assertEquals(reason, "signature-invalid");

  await guard.verifyRequest(await makeRequest({ key, authorization: null }));
  const { severity, code, outcome } = events.pop() ?? {};
  assertEquals([severity, code, outcome], ["info", undefined, "failure"]);

  await guard.verifyRequest(await makeRequest({ key, authorization: `Bearer ${TOKEN}` }));
  assertEquals(events.pop()?.outcome, "denied");

  const request = await makeRequest({ key, claims: { iat: NOW - 1000 } });
  await guard.verifyRequest(request);
  const late = events.pop();
  assertEquals(late?.reason, "iat-too-old");
  assertEquals(late?.details?.skewSeconds, -1000);
});

Deno.test("what cannot be recorded is not granted, and a refusal stays one", async () => {
  const reporters = [
    { report: () => Promise.reject(new Error("secret")) },
    {
      report() {
        throw new Error("secret");
      },
    },
  ];
  for (const audit of reporters) {
    const guard = guardFor(key.jkt, { audit });
    const result = await guard.verifyRequest(await makeRequest({ key }));
    refused(result, UNAVAILABLE, "audit-unavailable", 503);
    const none = await guard.verifyRequest(await makeRequest({ key, authorization: null }));
    refused(none, null, "no-credentials", 401);
  }
});

Deno.test("an abandoned request is recorded as no failure of the store that it waited for", async () => {
  const events: AuditEventInput[] = [];
  const controller = new AbortController();
  const guard = guardFor(key.jkt, {
    audit: { report: (event) => void events.push(event) },
    replay: {
      add: () => {
        setTimeout(() => controller.abort(), 1);
        return new Promise<boolean>(() => {});
      },
    },
  });
  const request = await makeRequest({ key });
  await assertRejects(() => guard.verifyRequest(request, { signal: controller.signal }));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(events, []);
});
