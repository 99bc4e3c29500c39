import { assert, assertEquals, fail } from "@std/assert";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import { createDpopNonces, type DpopNonces } from "../../src/dpop/dpop_nonces.ts";
import { createDpopVerifier, type DpopVerifierOptions } from "../../src/dpop/dpop_verifier.ts";
import { MemoryReplayStore } from "../../src/dpop/memory_replay_store.ts";
import type { ReplayStore } from "../../src/dpop/replay_store.ts";
import { jwkThumbprint } from "../../src/dpop/thumbprint.ts";
import { CASES } from "../supply_chain/cases.ts";
import { claimsOf, makeKey, now, signProof, URL_OF_TESTS } from "./_proofs.ts";

/** What a server is expected to do. */
interface Expectation {
  readonly result: "accept" | "reject" | "accept-exactly" | "value";
  readonly jkt?: string;
  readonly error?: readonly (string | null)[];
  readonly dpopNonceHeader?: boolean;
  readonly status?: number;
  readonly value?: string;
  readonly n?: number;
  readonly of?: number;
}

interface CaseOptions {
  readonly now: number;
  readonly maxAge: number;
  readonly maxFuture: number;
  readonly algs: readonly DpopAlg[];
  readonly requireNonce: boolean;
  readonly acceptedNonces?: readonly string[];
  readonly allowBearer?: boolean;
  readonly externalUrl?: string;
  readonly expectedJkt?: string;
  readonly requireProof?: boolean;
  readonly replay: "memory" | "off" | "throws" | "hangs";
  readonly storeTimeoutMs?: number;
}

/** A request and what becomes of it. */
interface Step {
  readonly now?: number;
  readonly request: { readonly method: string; readonly url: string };
  readonly authorization?: readonly string[];
  readonly dpop?: readonly string[];
  readonly accessToken?: string | null;
  readonly boundJkt?: string | null;
  readonly expect: Expectation;
}

/** What becomes of a nonce. */
interface NonceStep {
  readonly op: "issue" | "check";
  readonly at: number;
  readonly as?: string;
  readonly machine?: number;
  readonly secret?: string;
  readonly nonce?: string;
  readonly expect?: boolean;
}

interface CaseFacts {
  readonly id: string;
  readonly desc: string;
  readonly mode: "rs" | "as";
  readonly options: CaseOptions;
}

type DpopCase =
  & CaseFacts
  & (
    | { readonly kind: "verify" } & Step
    | { readonly kind: "sequence"; readonly steps: readonly Step[] }
    | {
      readonly kind: "nonce-service";
      readonly steps: readonly NonceStep[];
      readonly options: { readonly rotationSeconds: number };
    }
    | { readonly kind: "thumbprint"; readonly jwk: JsonWebKey; readonly expect: Expectation }
    | { readonly kind: "ath"; readonly accessToken: string; readonly expect: Expectation }
    | { readonly kind: "decode-cnf"; readonly accessToken: string; readonly expect: Expectation }
    | { readonly kind: "generate" | "client-challenge" }
  );

function readCases(): readonly DpopCase[] {
  try {
    const lines = Deno.readTextFileSync(new URL("dpop.jsonl", CASES)).trim().split("\n");
    return lines.map((line): DpopCase => JSON.parse(line));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [];
  }
}

const cases = readCases();
if (cases.length === 0) {
  console.log("ignored: the shared DPoP cases (the folder ../shared/cases is not here)");
}

/** A store that fails in the way of a case, or works. */
function storeOf(options: CaseOptions, now: () => number): ReplayStore | "dangerously-off" {
  switch (options.replay) {
    case "memory":
      return new MemoryReplayStore({ capacity: 1000, now });
    case "off":
      return "dangerously-off";
    case "throws":
      return { add: () => Promise.reject(new Error("the store is down")) };
    case "hangs":
      return { add: () => new Promise<boolean>(() => {}) };
  }
}

function noncesOf({ acceptedNonces, requireNonce }: CaseOptions): DpopNonces | undefined {
  if (acceptedNonces === undefined && !requireNonce) return undefined;
  const accepted = acceptedNonces ?? ["n-current"];
  return { issue: () => accepted[0] ?? "n-current", check: (nonce) => accepted.includes(nonce) };
}

/** Runs steps one after another against one server. */
async function runSteps(facts: CaseFacts, steps: readonly Step[]): Promise<void> {
  const { mode, options } = facts;
  let time = options.now;
  const now = () => time * 1000;
  const nonces = noncesOf(options);
  let step: Step;
  const common: DpopVerifierOptions = {
    resolveUrl: ({ url }) => options.externalUrl ?? url,
    algs: options.algs,
    replay: storeOf(options, now),
    replayTimeoutMs: options.storeTimeoutMs ?? 1000,
    ...(nonces !== undefined && { nonces }),
    requireNonce: options.requireNonce,
    maxAgeSeconds: options.maxAge,
    maxFutureSeconds: options.maxFuture,
    now,
  };
  const { expectedJkt, requireProof, allowBearer = false } = options;
  const server = createDpopVerifier({
    ...common,
    allowBearer,
    validateToken(token) {
      const { accessToken, boundJkt } = step;
      if (accessToken !== undefined && accessToken !== null && token !== accessToken) return null;
      return { ...(typeof boundJkt === "string" && { jkt: boundJkt }), claims: {} };
    },
  });
  const grants = createDpopVerifier({ ...common, role: "authorization-server" });
  const send = (request: Request) =>
    mode === "rs"
      ? server.verifyRequest(request)
      : grants.verifyRequest(request, { boundJkt: expectedJkt, requireProof });

  for (const [at, one] of steps.entries()) {
    step = one;
    time = one.now ?? options.now;
    const { method, url } = one.request;
    const headers = new Headers();
    for (const value of one.authorization ?? []) headers.append("authorization", value);
    for (const value of one.dpop ?? []) headers.append("dpop", value);
    const what = `step ${at}`;
    const { expect } = one;
    const request = () => new Request(url, { method, headers });
    if (expect.result === "accept-exactly") {
      const copies = Array.from({ length: expect.of ?? 2 }, () => send(request()));
      const granted = (await Promise.all(copies)).filter(({ ok }) => ok);
      assertEquals(granted.length, expect.n, what);
      continue;
    }
    const result = await send(request());
    const reason = result.ok ? "" : `${result.error.code}, ${result.error.reason}`;
    assertEquals(result.ok, expect.result === "accept", `${what}: ${reason}`);
    if (result.ok) {
      if (expect.jkt !== undefined) assertEquals(result.jkt, expect.jkt, what);
      continue;
    }
    const { error, response } = result;
    if (expect.error !== undefined) assert(expect.error.includes(error.code), `${what}: ${reason}`);
    if (expect.status !== undefined) assertEquals(response.status, expect.status, what);
    if (expect.dpopNonceHeader) assert(response.headers.has("dpop-nonce"), what);
    if (error.code !== "temporarily_unavailable") {
      assertEquals(response.headers.has("www-authenticate"), mode === "rs", what);
    }
  }
}

/** Secrets by name; the machines of a case share the one without a name. */
function secretOf(name: string): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => (name.charCodeAt(at % name.length) + at) & 255);
}

function runNonceSteps(steps: readonly NonceStep[], stepSeconds: number): void {
  const issued = new Map<string, string>();
  for (const { op, at, as = "", secret = "shared", nonce = "", expect } of steps) {
    const secrets = [secretOf(secret)];
    const nonces = createDpopNonces({ secrets, stepSeconds, now: () => at * 1000 });
    if (op === "issue") {
      issued.set(`$${as}`, nonces.issue());
    } else {
      assertEquals(nonces.check(issued.get(nonce) ?? nonce), expect, `${nonce} at ${at}`);
    }
  }
}

/** Asserts that a hash is the one that the verifier wants of a token. */
async function runAth(accessToken: string, ath: string | undefined): Promise<void> {
  const key = await makeKey();
  const guard = createDpopVerifier({
    origin: "https://api.example.com",
    now,
    validateToken: () => ({ jkt: key.jkt }),
  });
  const headers = {
    authorization: `DPoP ${accessToken}`,
    dpop: await signProof({ key, claims: { ath } }),
  };
  const result = await guard.verifyRequest(new Request(URL_OF_TESTS, { headers }));
  assert(result.ok, result.ok ? "" : result.error.reason);
}

/** Asserts which key an access token says that it is bound to. */
function runDecodeCnf(accessToken: string, jkt: string | null | undefined): void {
  const { cnf }: Record<string, unknown> = claimsOf(accessToken);
  assertEquals((cnf as { jkt?: unknown } | undefined)?.jkt, jkt ?? undefined);
}

/** Those that are about a client are run beside the client. */
const OF_CLIENTS: readonly DpopCase["kind"][] = ["generate", "client-challenge"];

async function run(one: DpopCase): Promise<void> {
  switch (one.kind) {
    case "verify":
      return await runSteps(one, [one]);
    case "sequence":
      return await runSteps(one, one.steps);
    case "nonce-service":
      return runNonceSteps(one.steps, one.options.rotationSeconds);
    case "thumbprint":
      return assertEquals(jwkThumbprint(one.jwk), one.expect.value);
    case "ath":
      return await runAth(one.accessToken, one.expect.value);
    case "decode-cnf":
      return runDecodeCnf(one.accessToken, one.expect.value);
    default:
      fail(`nobody knows the kind ${one.kind}`);
  }
}

for (const one of cases.filter(({ kind }) => !OF_CLIENTS.includes(kind))) {
  Deno.test(`case ${one.id}: ${one.desc}`, () => run(one));
}

if (cases.length === 0) {
  Deno.test({ name: "the shared DPoP cases", ignore: true, fn() {} });
}
