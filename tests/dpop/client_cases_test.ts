import { assert, assertEquals, assertFalse } from "@std/assert";
import { decodeBase64Url } from "../../src/_internal/base64url.ts";
import { createDpopClient } from "../../src/dpop/dpop_client.ts";
import { generateDpopKeyPair } from "../../src/dpop/dpop_signer.ts";
import { CASES } from "../supply_chain/cases.ts";
import { makePeer } from "./_client_peer.ts";
import { claimsOf, headerOf, NOW, now } from "./_proofs.ts";

interface GenerateCase {
  readonly id: string;
  readonly kind: "generate";
  readonly input: {
    readonly method: string;
    readonly url: string;
    readonly accessToken?: string;
    readonly nonce?: string;
    readonly extractable?: boolean;
  };
  readonly expect: {
    readonly header?: Readonly<Record<string, unknown>>;
    readonly claims?: Readonly<Record<string, unknown>>;
    readonly absent?: readonly string[];
    readonly iatIsNow?: boolean;
    readonly jtiMinBits?: number;
    readonly jwkPublicOnly?: boolean;
  };
}

interface ChallengeCase {
  readonly id: string;
  readonly kind: "client-challenge";
  readonly response: {
    readonly status: number;
    readonly headers: readonly (readonly [string, string])[];
    readonly body?: string;
  };
  readonly expect: { readonly retry: boolean; readonly nonce?: string };
}

function readCases(): readonly (GenerateCase | ChallengeCase | { readonly kind: "other" })[] {
  try {
    const text = Deno.readTextFileSync(new URL("dpop.jsonl", CASES));
    return text.trim().split("\n").map((line) => JSON.parse(line));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [];
  }
}

const cases = readCases();
if (cases.length === 0) console.log("ignored: DPoP client cases (the shared cases are not here)");

Deno.test({
  name: "the DPoP cases hold a client's part",
  ignore: cases.length === 0,
  fn() {
    for (const kind of ["generate", "client-challenge"]) {
      assert(cases.some((one) => one.kind === kind), kind);
    }
  },
});

for (const one of cases) {
  if (one.kind === "generate") {
    Deno.test(`DpopClient.proof() makes what the case ${one.id} wants`, () => generate(one));
  } else if (one.kind === "client-challenge") {
    Deno.test(`DpopClient.fetch() does what the case ${one.id} wants`, () => challenge(one));
  }
}

async function generate({ input, expect }: GenerateCase): Promise<void> {
  const { extractable = false, ...request } = input;
  const keys = await generateDpopKeyPair("ES256", { extractable });
  const client = await createDpopClient({ keys, now });
  const proof = await client.proof(request);
  const [header, claims] = [headerOf(proof), claimsOf(proof)];
  for (const [name, value] of Object.entries(expect.header ?? {})) {
    assertEquals(header[name], value, name);
  }
  for (const [name, value] of Object.entries(expect.claims ?? {})) {
    assertEquals(claims[name], value, name);
  }
  for (const name of expect.absent ?? []) assertFalse(name in claims, name);
  if (expect.iatIsNow) assertEquals(claims.iat, NOW);
  if (expect.jtiMinBits !== undefined) {
    const bytes = decodeBase64Url(String(claims.jti));
    assert(bytes !== undefined && bytes.length * 8 >= expect.jtiMinBits);
  }
  if (expect.jwkPublicOnly) {
    assertEquals(Object.keys(Object(header.jwk)).sort(), ["crv", "kty", "x", "y"]);
  }
}

async function challenge({ response, expect }: ChallengeCase): Promise<void> {
  const headers = new Headers();
  for (const [name, value] of response.headers) headers.append(name, value);
  const answers = [
    new Response(response.body ?? null, { status: response.status, headers }),
    new Response("at last"),
  ];
  const { arrivals, fetch } = makePeer(() => answers.shift() ?? new Response("too many"));
  const client = await createDpopClient({ alg: "Ed25519", fetch });
  const got = await client.fetch("https://rs.example.com/resource", { accessToken: "token" });
  assertEquals(got.status, expect.retry ? 200 : response.status);
  assertEquals(arrivals.length, expect.retry ? 2 : 1);
  if (expect.retry) assertEquals(arrivals[1]?.claims.nonce, expect.nonce);
}
