/**
 * DPoP proofs against the signature alone, which is the floor, and against jose.
 *
 * Limits: 1.06 (ES256) and 1.10 (Ed25519) of `crypto.subtle.verify` for a key that was seen before, 1.25
 * of jose for one that is new.
 *
 * All of one table take turns in this process; what counts are the ratios to the first line, which
 * bench/README.md publishes. Run with `deno task bench bench/dpop_bench.ts`.
 */
import { base64url, calculateJwkThumbprint, EmbeddedJWK, importJWK, jwtVerify } from "jose";
import type { DpopAlg } from "../src/dpop/dpop_alg.ts";
import { jwkThumbprint, type ThumbprintMembers } from "../src/dpop/thumbprint.ts";
import { verifyDpopProof } from "../src/dpop/verify_dpop_proof.ts";
import { ACCESS_TOKEN, makeProver, METHOD, NOW, type Prover, RESOURCE } from "./_dpop_proofs.ts";
import { benchOnce, formatTurns, SIGNATURES, takeTurns, type TurnsOptions } from "./_turns.ts";

const AUTHORIZATION = `DPoP ${ACCESS_TOKEN}`;
const JOSE = "jose's jwtVerify, which looks at signature, typ and iat";
/** More than a verifier remembers, so that each one in turn is new to it. */
const STRANGERS = 2100;

/** The next of a list, and from the end to the beginning. */
function inTurn<T>(items: readonly T[]): () => T {
  let at = 0;
  return () => items[at++ % items.length]!;
}

/** A new string at every call, as each request brings one: its hash is not known yet. */
function tokenOfRequest(): string {
  return AUTHORIZATION.slice(5);
}

function verify(proof: string, alg: DpopAlg): Promise<unknown> {
  return verifyDpopProof(proof, {
    method: METHOD,
    url: RESOURCE,
    accessToken: tokenOfRequest(),
    algs: [alg],
    now: () => NOW * 1000,
  });
}

function verifyWithJose(proof: string, alg: DpopAlg): Promise<unknown> {
  return jwtVerify(proof, EmbeddedJWK, {
    typ: "dpop+jwt",
    algorithms: [alg],
    maxTokenAge: 300,
    clockTolerance: 60,
    currentDate: new Date(NOW * 1000),
  });
}

/** What the signature alone takes: everything else is prepared. */
async function bareVerify(alg: DpopAlg, { jwk }: Prover, proof: string): Promise<() => unknown> {
  // As the verifier has it: an imported key verifies faster than a generated one.
  const publicKey = await importJWK({ ...jwk }, alg) as CryptoKey;
  const end = proof.lastIndexOf(".");
  const signed = new TextEncoder().encode(proof.slice(0, end));
  const signature = new Uint8Array(base64url.decode(proof.slice(end + 1)));
  return () => crypto.subtle.verify(SIGNATURES[alg]!, publicKey, signature, signed);
}

async function warm(alg: DpopAlg): Promise<string> {
  const prover = await makeProver(alg);
  const proofs: string[] = [];
  while (proofs.length < 64) proofs.push(await prover.prove());
  const [ours, theirs] = [inTurn(proofs), inTurn(proofs)];
  const turns = await takeTurns([
    { name: "crypto.subtle.verify alone", run: await bareVerify(alg, prover, proofs[0]!) },
    { name: "verifyDpopProof", run: () => verify(ours(), alg) },
    { name: JOSE, run: () => verifyWithJose(theirs(), alg) },
  ]);
  return formatTurns(`${alg}, a key that was seen before`, turns);
}

async function cold(alg: DpopAlg, options?: TurnsOptions): Promise<string> {
  const proofs: string[] = [];
  while (proofs.length < STRANGERS) proofs.push(await (await makeProver(alg)).prove());
  const [ours, theirs] = [inTurn(proofs), inTurn(proofs)];
  const turns = await takeTurns([
    { name: JOSE, run: () => verifyWithJose(theirs(), alg) },
    { name: "verifyDpopProof", run: () => verify(ours(), alg) },
  ], options);
  return formatTurns(`${alg}, a key that is new`, turns);
}

async function thumbprint(): Promise<string> {
  const { jwk } = await makeProver("ES256");
  const members = jwk as ThumbprintMembers;
  const turns = await takeTurns([
    { name: "jose's calculateJwkThumbprint", run: () => calculateJwkThumbprint(jwk) },
    { name: "jwkThumbprint", run: () => jwkThumbprint(members) },
  ], { calls: 500 });
  return formatTurns("thumbprint of an ES256 key", turns);
}

benchOnce("a proof by a key that was seen before, ES256 (table below)", () => warm("ES256"));
benchOnce("a proof by a key that was seen before, Ed25519 (table below)", () => warm("Ed25519"));
benchOnce("a proof by a key that is new, ES256 (table below)", () => cold("ES256"));
benchOnce("a proof by a key that is new, Ed25519 (table below)", () => cold("Ed25519"));
benchOnce("a thumbprint (table below)", thumbprint);
