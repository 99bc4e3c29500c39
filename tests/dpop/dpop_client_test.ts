import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { decodeBase64Url } from "../../src/_internal/base64url.ts";
import { SecurityError } from "../../src/errors.ts";
import { createDpopClient, type DpopClientOptions } from "../../src/dpop/dpop_client.ts";
import {
  createDpopSigner,
  type DpopKeyProvider,
  type DpopSigner,
  generateDpopKeyPair,
} from "../../src/dpop/dpop_signer.ts";
import { verifyDpopProof } from "../../src/dpop/verify_dpop_proof.ts";
import { makePeer } from "./_client_peer.ts";
import { claimsOf, headerOf, NOW, now, segment, webCryptoHash } from "./_proofs.ts";

const URL_OF_PROOF = "https://api.example.com/notes";

async function makeSigner(): Promise<DpopSigner> {
  return await createDpopSigner(await generateDpopKeyPair("Ed25519"));
}

/** A JWT access token; nobody checks its signature here. */
function makeToken(claims: Record<string, unknown>): string {
  return [{ alg: "ES256", typ: "at+jwt" }, claims, {}].map((part) => segment(JSON.stringify(part)))
    .join(".");
}

async function rejectsWith(code: string, work: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(work, SecurityError);
  assertEquals(error.code, code);
}

Deno.test("DpopClient.proof() makes a proof that verifies", async () => {
  for (const alg of ["Ed25519", "ES256", "PS256"] as const) {
    const client = await createDpopClient({ alg, now });
    const accessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const proof = await client.proof({
      method: "GET",
      url: `${URL_OF_PROOF}?q=1#top`,
      accessToken,
      nonce: "n1",
    });
    const { jkt, claims } = await verifyDpopProof(proof, {
      method: "GET",
      url: URL_OF_PROOF,
      accessToken,
      boundJkt: client.jkt,
      nonce: "n1",
      algs: [alg],
      now,
    });
    assertEquals(jkt, client.jkt);
    assertEquals(claims.htu, URL_OF_PROOF);
  }
});

Deno.test("DpopClient.proof() says what RFC 9449 wants, and no more", async () => {
  const client = await createDpopClient({ now });
  const proof = await client.proof({ method: "post", url: URL_OF_PROOF });
  const { jti, ...claims } = claimsOf(proof);
  assertEquals(claims, { htm: "POST", htu: URL_OF_PROOF, iat: NOW });
  assertEquals(decodeBase64Url(String(jti))?.length, 16);
  const { jwk, ...header } = headerOf(proof);
  assertEquals(header, { typ: "dpop+jwt", alg: "ES256" });
  assertEquals(Object.keys(jwk as object).sort(), ["crv", "kty", "x", "y"]);
  const other = claimsOf(await client.proof({ method: "post", url: URL_OF_PROOF }));
  assertNotEquals(other.jti, jti);
  const withToken = await client.proof({ method: "GET", url: URL_OF_PROOF, accessToken: "abc" });
  assertEquals(claimsOf(withToken).ath, await webCryptoHash("abc"));
});

Deno.test("DpopClient.proof() never names two proofs alike", async () => {
  const client = await createDpopClient({ alg: "Ed25519" });
  const request = { method: "GET", url: URL_OF_PROOF };
  const proofs = await Promise.all(Array.from({ length: 300 }, () => client.proof(request)));
  assertEquals(new Set(proofs.map((proof) => claimsOf(proof).jti)).size, 300);
});

Deno.test("DpopClient.proof() spells the URL and method as fetch sends them", async () => {
  const client = await createDpopClient({ alg: "Ed25519" });
  const table = [
    ["HTTPS://API.Example.com:443", "https://api.example.com/"],
    ["https://api.example.com:8443/a/../b?x#y", "https://api.example.com:8443/b"],
    ["https://api.example.com/a%2fb %7E", "https://api.example.com/a%2fb%20%7E"],
    ["https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"],
    ["https://[2001:DB8::1]/?", "https://[2001:db8::1]/"],
  ];
  for (const [url = "", htu] of table) {
    assertEquals(claimsOf(await client.proof({ method: "GET", url })).htu, htu);
    assertEquals(claimsOf(await client.proof({ method: "GET", url: new URL(url) })).htu, htu);
  }
  for (const [method = "", htm] of [["delete", "DELETE"], ["patch", "patch"], ["PATCH", "PATCH"]]) {
    assertEquals(claimsOf(await client.proof({ method, url: URL_OF_PROOF })).htm, htm);
    assertEquals(new Request(URL_OF_PROOF, { method }).method, htm);
  }
});

Deno.test("DpopClient.proof() throws a TypeError for what it cannot prove", async () => {
  const client = await createDpopClient({ alg: "Ed25519" });
  const good = { method: "GET", url: URL_OF_PROOF };
  const table = [
    { ...good, method: "GET /" },
    { ...good, method: "" },
    { ...good, url: "/notes" },
    { ...good, url: "wss://api.example.com/" },
    { ...good, url: "https://user:secret@api.example.com/" },
    { ...good, accessToken: "" },
    { ...good, accessToken: "a b" },
    { ...good, accessToken: "a\r\nX: y" },
    { ...good, nonce: "" },
    { ...good, nonce: "a b" },
    { ...good, nonce: "x".repeat(1025) },
  ];
  for (const options of table) {
    const error = await assertRejects(() => client.proof(options), TypeError);
    assert(!error.message.includes("secret") && !error.message.includes("X: y"), error.message);
  }
});

Deno.test("DpopClient.fetch() throws a TypeError for a token that is no text", async () => {
  const { fetch, arrivals } = makePeer(() => new Response());
  const client = await createDpopClient({ alg: "Ed25519", fetch });
  // As texts, each of them would be a token of RFC 6750.
  for (const token of [null, 123, true, ["abc"], { toString: () => "abc" }]) {
    const accessToken = token as unknown as string;
    const work = () => client.fetch(URL_OF_PROOF, { accessToken });
    await assertRejects(work, TypeError, "'accessToken' must be");
  }
  assertEquals(arrivals, []);
});

Deno.test("createDpopClient() throws for options that make no sense", async () => {
  const signer = await makeSigner();
  const keys = await generateDpopKeyPair("Ed25519");
  const table: readonly (readonly [DpopClientOptions, string])[] = [
    [{ alg: "ES256", signer }, "only one of"],
    [{ keys, signer }, "only one of"],
    [{ alg: "HS256" as "ES256" }, "'alg' must be"],
    [{ fetch: 1 as unknown as typeof fetch }, "'fetch' must be a function"],
    [{ now: 1 as unknown as () => number }, "'now' must be a function"],
    [{ dangerouslyAllowHttp: "false" as unknown as boolean }, "must be a boolean"],
    [{ key: keys } as DpopClientOptions, "'key' is not one of its options"],
    [{ signer: { ...signer, jkt: "x".repeat(43) } }, "'jkt' must be the thumbprint"],
    [{ signer: { ...signer, alg: "ES256" } }, "must be a public key for ES256"],
    [
      { signer: { ...signer, jwk: Object.assign({ d: "AA" }, signer.jwk) } },
      "without private members",
    ],
  ];
  for (const [options, message] of table) {
    await assertRejects(() => createDpopClient(options), TypeError, message);
  }
  for (const maxNonceOrigins of [0, 1.5, NaN]) {
    await assertRejects(() => createDpopClient({ maxNonceOrigins }), RangeError);
  }
  const client = await createDpopClient({ signer, now: () => NaN });
  await assertRejects(
    () => client.proof({ method: "GET", url: URL_OF_PROOF }),
    RangeError,
    "'now'",
  );
});

Deno.test("createDpopClient() uses the keys and the signer that it is given", async () => {
  const keys = await generateDpopKeyPair("ES384");
  const { jkt } = await createDpopSigner(keys);
  assertEquals((await createDpopClient({ keys })).jkt, jkt);
  const signer = await makeSigner();
  assertEquals((await createDpopClient({ signer })).jkt, signer.jkt);
});

Deno.test("DpopClient.proof() throws when an HSM signs in the form of DER", async () => {
  const signer = await createDpopSigner(await generateDpopKeyPair("ES256"));
  const client = await createDpopClient({
    signer: { ...signer, sign: () => Promise.resolve(new Uint8Array(71)) },
  });
  const work = () => client.proof({ method: "GET", url: URL_OF_PROOF });
  await assertRejects(work, TypeError, "must be of 64 bytes");
});

/** A provider that says what it was asked. */
function makeProvider(signers: readonly DpopSigner[]) {
  const asked: string[] = [];
  let current = 0;
  let failures = 0;
  const provider: DpopKeyProvider = {
    current: () => Promise.resolve(signers[current]!),
    find: (jkt) => {
      asked.push(`find ${jkt}`);
      return Promise.resolve(signers.find((signer) => signer.jkt === jkt));
    },
    retain: (jkt, untilSeconds) => {
      asked.push(`retain ${jkt} ${untilSeconds}`);
      return failures-- > 0 ? Promise.reject(new Error("down")) : Promise.resolve();
    },
  };
  return {
    provider,
    asked,
    rotate: () => current++,
    fail: (times: number) => failures = times,
  };
}

Deno.test("DpopClient.proof() signs with the key that the token is bound to", async () => {
  const [first, second] = [await makeSigner(), await makeSigner()];
  const { provider, rotate } = makeProvider([first, second]);
  const client = await createDpopClient({ keys: provider });
  const token = makeToken({ cnf: { jkt: first.jkt } });
  const request = { method: "GET", url: URL_OF_PROOF };
  const xOf = (proof: string) => (headerOf(proof).jwk as Record<string, unknown>).x;
  const x = ({ jwk }: DpopSigner) => "x" in jwk ? jwk.x : undefined;
  rotate();
  assertEquals(xOf(await client.proof(request)), x(second));
  assertEquals(client.jkt, second.jkt);
  assertEquals(xOf(await client.proof({ ...request, accessToken: token })), x(first));
  assertEquals(xOf(await client.proof({ ...request, accessToken: "opaque" })), x(second));
  const chosen = { ...request, accessToken: "opaque", jkt: first.jkt };
  assertEquals(xOf(await client.proof(chosen)), x(first));
  const overridden = { ...request, accessToken: token, jkt: second.jkt };
  assertEquals(xOf(await client.proof(overridden)), x(second));
});

Deno.test("DpopClient.proof() throws key-not-found when the bound key is gone", async () => {
  const [kept, gone] = [await makeSigner(), await makeSigner()];
  const accessToken = makeToken({ cnf: { jkt: gone.jkt } });
  const request = { method: "GET", url: URL_OF_PROOF };
  for (const options of [{ signer: kept }, { keys: makeProvider([kept]).provider }]) {
    const client = await createDpopClient(options);
    await rejectsWith("key-not-found", () => client.proof({ ...request, accessToken }));
    await rejectsWith("key-not-found", () => client.proof({ ...request, jkt: gone.jkt }));
    // The control: nothing but the binding is in the way.
    await client.proof({ ...request, accessToken: makeToken({ cnf: { jkt: kept.jkt } }) });
  }
});

Deno.test("DpopClient.proof() throws key-invalid when another key is found", async () => {
  const [one, other] = [await makeSigner(), await makeSigner()];
  const keys: DpopKeyProvider = {
    current: () => Promise.resolve(one),
    find: () => Promise.resolve(one),
  };
  const client = await createDpopClient({ keys });
  await rejectsWith(
    "key-invalid",
    () => client.proof({ method: "GET", url: URL_OF_PROOF, jkt: other.jkt }),
  );
});

Deno.test("DpopClient.proof() has the key kept for as long as the token lives", async () => {
  const signer = await makeSigner();
  const { provider, asked, fail } = makeProvider([signer]);
  const client = await createDpopClient({ keys: provider });
  const accessToken = makeToken({ cnf: { jkt: signer.jkt }, exp: NOW + 60 });
  const request = { method: "GET", url: URL_OF_PROOF, accessToken };
  fail(1);
  for (let n = 0; n < 3; n++) await client.proof(request);
  const retain = `retain ${signer.jkt} ${NOW + 60}`;
  // The first failed, and did not keep the request from being made.
  assertEquals(asked.filter((what) => what === retain).length, 2);
});

Deno.test("DpopClient.fetch() does not wait for a store that hangs while it keeps a key", async () => {
  const signer = await makeSigner();
  const { provider } = makeProvider([signer]);
  const asked: string[] = [];
  let answer = Promise.withResolvers<void>();
  let nowMs = NOW * 1000;
  const { fetch } = makePeer(() => new Response());
  const client = await createDpopClient({
    keys: {
      ...provider,
      retain: (_jkt, untilSeconds) => {
        asked.push(String(untilSeconds - NOW));
        return answer.promise;
      },
    },
    now: () => nowMs,
    fetch,
  });
  const use = async (exp: number, jti: string) => {
    const accessToken = makeToken({ cnf: { jkt: signer.jkt }, exp: NOW + exp, jti });
    assertEquals((await client.fetch(URL_OF_PROOF, { accessToken })).status, 200);
  };
  // The control: with a wait for the store, none of these would ever end.
  for (const jti of ["a", "a", "b"]) await use(60, jti);
  await use(90, "c");
  // One question for each key and end is under way, whatever the tokens.
  assertEquals(asked, ["60", "90"]);
  nowMs += 60_000;
  await use(60, "a");
  assertEquals(asked, ["60", "90", "60"]);
  // A failure goes nowhere, least of all to whoever listens for what nobody has caught.
  answer.reject(new Error("down"));
  await new Promise((resolve) => setTimeout(resolve));
  answer = Promise.withResolvers();
  answer.resolve();
  for (let n = 0; n < 3; n++) await use(60, "a");
  assertEquals(asked, ["60", "90", "60", "60"]);
});

Deno.test("DpopClient.fetch() takes a provider that throws instead of rejecting", async () => {
  const signer = await makeSigner();
  const { fetch } = makePeer(() => new Response());
  const client = await createDpopClient({
    keys: {
      ...makeProvider([signer]).provider,
      retain: () => {
        throw new Error("down");
      },
    },
    fetch,
  });
  const accessToken = makeToken({ cnf: { jkt: signer.jkt }, exp: NOW + 60 });
  assertEquals((await client.fetch(URL_OF_PROOF, { accessToken })).status, 200);
});

Deno.test("DpopClient.proof() takes a token that cannot be read for an opaque one", async () => {
  const signer = await makeSigner();
  const client = await createDpopClient({ signer });
  const parts = (payload: string) => `e30.${segment(payload)}.AA`;
  const table = [
    "opaque",
    "a.b",
    "a.b.c",
    `${makeToken({ cnf: { jkt: "x".repeat(43) } })}.d.e`,
    parts("no JSON"),
    parts("null"),
    parts("[]"),
    parts('{"cnf":null}'),
    parts('{"cnf":{"jkt":1},"exp":"x"}'),
    parts('{"cnf":{"jkt":"short"}}'),
    parts('{"__proto__":{"cnf":{"jkt":"x"}}}'),
    parts("[".repeat(100_000)),
  ];
  for (const accessToken of table) {
    const proof = await client.proof({ method: "GET", url: URL_OF_PROOF, accessToken });
    assertEquals(claimsOf(proof).ath, await webCryptoHash(accessToken));
  }
});

Deno.test("DpopClient.close() ends the client", async () => {
  const { fetch } = makePeer(() => new Response());
  const client = await createDpopClient({ alg: "Ed25519", fetch });
  assertMatch(client.jkt, /^[\w-]{43}$/);
  await client.close();
  await client.close();
  await rejectsWith("closed", () => client.proof({ method: "GET", url: URL_OF_PROOF }));
  await rejectsWith("closed", () => client.fetch(URL_OF_PROOF));
});
