/**
 * Making a proof against its floor, the signature alone, and against the npm package `dpop`.
 *
 * All take turns within one process, a few at a time; what is printed are medians of the turns and the
 * ratios that bench/README.md publishes.
 *
 * Run with `deno task bench bench/dpop_client_bench.ts`.
 */
import { generateProof } from "dpop";
import type { DpopAlg } from "../src/dpop/dpop_alg.ts";
import { createDpopClient } from "../src/dpop/dpop_client.ts";
import { generateDpopKeyPair } from "../src/dpop/dpop_signer.ts";

const URL = "https://api.example.com/notes/42";
const TURNS = 300;
const ACCESS_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".repeat(8);
const NONCE = "eyJ7S_zG.eyJH0-Z.HX4w-7v9ms0Ee6pQ";

interface Row {
  readonly alg: string;
  readonly name: string;
  readonly medianMs: number;
  readonly ratio: number;
}

const rows: Row[] = [];

addEventListener("unload", () => {
  console.log("\n| work                               |    median | ratio |");
  console.log("| ---------------------------------- | --------: | ----: |");
  for (const { alg, name, medianMs, ratio } of rows) {
    const time = `${(medianMs * 1000).toFixed(1)} µs`;
    console.log(`| ${`${alg}: ${name}`.padEnd(34)} | ${time.padStart(9)} | ${ratio.toFixed(2)} |`);
  }
});

/** Medians, in milliseconds, of functions that take turns. */
async function medians(work: readonly (() => Promise<unknown>)[], each: number): Promise<number[]> {
  const times = work.map((): number[] => []);
  for (let turn = -TURNS / 10; turn < TURNS; turn++) {
    for (let at = 0; at < work.length; at++) {
      // Whoever goes first pays for the garbage of the last one; so everybody goes first now and then.
      const which = (at + Math.abs(turn)) % work.length;
      const start = performance.now();
      for (let n = 0; n < each; n++) await work[which]!();
      const time = (performance.now() - start) / each;
      if (turn >= 0) times[which]!.push(time);
    }
  }
  return times.map((all) => all.toSorted((a, b) => a - b)[all.length >> 1]!);
}

async function measure(alg: DpopAlg, params: EcdsaParams | { name: string }, each: number) {
  const keys = await generateDpopKeyPair(alg);
  const client = await createDpopClient({ keys });
  const request = { method: "GET", url: URL, accessToken: ACCESS_TOKEN, nonce: NONCE };
  const proof = await client.proof(request);
  const signed = new TextEncoder().encode(proof.slice(0, proof.lastIndexOf(".")));
  const names = ["crypto.subtle.sign alone", "createDpopClient proof", "generateProof of dpop"];
  const found = await medians([
    () => crypto.subtle.sign(params, keys.privateKey, signed),
    () => client.proof(request),
    () => generateProof(keys, URL, "GET", NONCE, ACCESS_TOKEN),
  ], each);
  for (const [at, name] of names.entries()) {
    rows.push({ alg, name, medianMs: found[at]!, ratio: found[at]! / found[0]! });
  }
}

for (
  const [alg, params, each] of [
    ["Ed25519", { name: "Ed25519" }, 20],
    ["ES256", { name: "ECDSA", hash: "SHA-256" }, 5],
  ] as const
) {
  let measured = false;
  Deno.bench({
    name: `proofs by ${alg} (table below)`,
    n: 1,
    warmup: 0,
    async fn() {
      // Deno calls a benchmark more often than it is told to.
      if (measured) return;
      measured = true;
      await measure(alg, params, each);
    },
  });
}
