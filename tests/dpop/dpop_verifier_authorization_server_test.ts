import { assert, assertEquals, assertRejects } from "@std/assert";
import { createDpopNonces } from "../../src/dpop/dpop_nonces.ts";
import {
  createDpopVerifier,
  type DpopAuthorizationServerOptions,
  type DpopGrantRequest,
  type DpopGrantVerifier,
} from "../../src/dpop/dpop_verifier.ts";
import type { DpopErrorReason } from "../../src/dpop/dpop_error.ts";
import { forge, makeKey, now, type ProofInput, signProof } from "./_proofs.ts";
import { refused, spyStore } from "./_verifiers.ts";

const key = await makeKey("ES256");
const other = await makeKey("ES256");
const TOKEN_URL = "https://as.example.com/token";

function guardOf(options: Partial<DpopAuthorizationServerOptions> = {}): DpopGrantVerifier {
  return createDpopVerifier({
    role: "authorization-server",
    origin: "https://as.example.com",
    now,
    ...options,
  });
}

const claims = { htm: "POST", htu: TOKEN_URL };

async function post(...proofs: readonly (string | Partial<ProofInput>)[]): Promise<Request> {
  const headers = new Headers({ authorization: "Basic Y2xpZW50OnNlY3JldA==" });
  for (const one of proofs) {
    headers.append(
      "dpop",
      typeof one === "string" ? one : await signProof({ key, claims, ...one }),
    );
  }
  return new Request(TOKEN_URL, { method: "POST", headers });
}

Deno.test("verifyRequest() of an authorization server says what to bind to", async () => {
  const bindings: readonly DpopGrantRequest[] = [
    {},
    { boundJkt: key.jkt },
    { dpopJkt: key.jkt },
    { boundJkt: null, dpopJkt: null },
    { boundJkt: key.jkt, dpopJkt: key.jkt, requireProof: true },
  ];
  for (const binding of bindings) {
    const result = await guardOf().verifyRequest(await post({}), binding);
    assert(result.ok);
    assert(result.tokenType === "DPoP");
    assertEquals([result.jkt, result.cnf, result.proof.jkt], [key.jkt, { jkt: key.jkt }, key.jkt]);
    assertEquals([...result.headers], []);
  }
});

Deno.test("verifyRequest() of an authorization server lets a request without a proof go on", async () => {
  for (const dpopJkt of [undefined, null, key.jkt]) {
    const result = await guardOf().verifyRequest(await post(), { dpopJkt });
    assert(result.ok);
    assert(result.tokenType === "Bearer");
    assertEquals(result.announcedJkt, dpopJkt ?? undefined);
    // Nobody has proven it: what is bound to `jkt` alone must not be bound to it.
    assertEquals([result.jkt, result.cnf, result.proof], [undefined, undefined, undefined]);
  }
});

Deno.test("verifyRequest() of an authorization server throws on what is no option", async () => {
  const request = await post();
  // A binding under a name that nobody reads would be none.
  for (const options of [{ boundJKT: key.jkt }, { jkt: key.jkt }, { signal: undefined, x: 1 }]) {
    await assertRejects(
      () => guardOf().verifyRequest(request, options as never),
      TypeError,
      "is not an option",
    );
  }
  for (const options of [null, key.jkt, 1]) {
    await assertRejects(
      () => guardOf().verifyRequest(request, options as never),
      TypeError,
      "Cannot verify a request: 'options' must be an object",
    );
  }
});

interface RefusedCase {
  readonly name: string;
  readonly proofs: readonly (string | Partial<ProofInput>)[];
  readonly binding?: DpopGrantRequest;
  readonly refusal: readonly [code: string, reason: DpopErrorReason];
}

const REFUSED: readonly RefusedCase[] = [
  {
    name: "no proof for a grant that is bound",
    proofs: [],
    binding: { boundJkt: key.jkt },
    refusal: ["invalid_dpop_proof", "proof-missing"],
  },
  {
    name: "no proof for a grant that is bound to an empty thumbprint",
    proofs: [],
    binding: { boundJkt: "" },
    refusal: ["invalid_dpop_proof", "proof-missing"],
  },
  {
    name: "no proof of a client that always has to give one",
    proofs: [],
    binding: { requireProof: true },
    refusal: ["invalid_dpop_proof", "proof-missing"],
  },
  {
    name: "the proof of another key than the grant's",
    proofs: [{}],
    binding: { boundJkt: other.jkt },
    refusal: ["invalid_grant", "jkt-mismatch"],
  },
  {
    name: "a proof for a grant that is bound to an empty thumbprint",
    proofs: [{}],
    binding: { boundJkt: "" },
    refusal: ["invalid_grant", "jkt-mismatch"],
  },
  {
    name: "the proof of another key than dpop_jkt's",
    proofs: [{}],
    binding: { dpopJkt: other.jkt },
    refusal: ["invalid_request", "jkt-mismatch"],
  },
  {
    name: "a dpop_jkt that is no thumbprint",
    proofs: [],
    binding: { dpopJkt: "" },
    refusal: ["invalid_request", "dpop-jkt-invalid"],
  },
  {
    name: "a dpop_jkt with a line break",
    proofs: [],
    binding: { dpopJkt: `${key.jkt}\n` },
    refusal: ["invalid_request", "dpop-jkt-invalid"],
  },
  {
    name: "two proofs",
    proofs: [{}, {}],
    refusal: ["invalid_dpop_proof", "several-proofs"],
  },
  {
    name: "a forged proof",
    proofs: [forge(await signProof({ key, claims }))],
    binding: { boundJkt: key.jkt },
    refusal: ["invalid_dpop_proof", "signature-invalid"],
  },
  {
    name: "a proof for another URL",
    proofs: [{ claims: { ...claims, htu: "https://as.example.com/par" } }],
    refusal: ["invalid_dpop_proof", "htu-mismatch"],
  },
];

for (const { name, proofs, binding, refusal: [code, reason] } of REFUSED) {
  Deno.test(`verifyRequest() of an authorization server refuses ${name}`, async () => {
    const replay = spyStore();
    const guard = guardOf({ replay });
    const result = await guard.verifyRequest(await post(...proofs), binding);
    const { response } = refused(result, code, reason, 400);
    assertEquals(replay.keys, []);
    assertEquals(response.headers.get("content-type"), "application/json");
    assertEquals(response.headers.get("www-authenticate"), null);
    const body: { error: string; error_description: string } = await response.json();
    assertEquals(Object.keys(body), ["error", "error_description"]);
    assertEquals(body.error, code);
  });
}

Deno.test("verifyRequest() of an authorization server asks for a nonce, and accepts it", async () => {
  const secrets = [crypto.getRandomValues(new Uint8Array(32))];
  const guard = guardOf({ nonces: createDpopNonces({ secrets, now }) });
  const first = await guard.verifyRequest(await post({}));
  const { response } = refused(first, "use_dpop_nonce", "nonce-missing", 400);
  const nonce = response.headers.get("dpop-nonce");
  assertEquals((await response.json()).error, "use_dpop_nonce");
  assert((await guard.verifyRequest(await post({ claims: { ...claims, nonce } }))).ok);
});

Deno.test("verifyRequest() of an authorization server accepts a proof once", async () => {
  const guard = guardOf();
  const proof = await signProof({ key, claims });
  assert((await guard.verifyRequest(await post(proof))).ok);
  refused(await guard.verifyRequest(await post(proof)), "invalid_dpop_proof", "replayed", 400);
});

Deno.test("verifyRequest() of an authorization server answers 503 when it is not the client's fault", async () => {
  const guard = guardOf({ replay: spyStore(() => Promise.reject(new Error("secret"))) });
  const result = await guard.verifyRequest(await post({}));
  const { response } = refused(result, "temporarily_unavailable", "replay-store-unavailable", 503);
  assertEquals(response.headers.get("retry-after"), "1");
  assertEquals((await response.json()).error, "temporarily_unavailable");
});

Deno.test("metadata of an authorization server names the algorithms", () => {
  const guard = guardOf({ algs: ["ES256"] });
  assertEquals(guard.metadata, { dpop_signing_alg_values_supported: ["ES256"] });
  assertEquals([guard.role, guard.algs], ["authorization-server", ["ES256"]]);
});
