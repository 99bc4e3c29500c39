/** Clocks that differ, jump forward and go back: no proof may count twice, and honest clients go on. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import { createDpopNonces } from "../../src/dpop/dpop_nonces.ts";
import type { DpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import { MemoryReplayStore } from "../../src/dpop/memory_replay_store.ts";
import type { ReplayStore } from "../../src/dpop/replay_store.ts";
import { makeKey, NOW, signProof } from "./_proofs.ts";
import { guardFor, makeRequest, refused, TOKEN } from "./_verifiers.ts";

const MAX_AGE = 300;
const MAX_FUTURE = 60;
const key = await makeKey("Ed25519");

/** A machine whose clock is `skew` seconds ahead of the true time. */
function machine(skew: number, trueTime: () => number, replay: ReplayStore): DpopVerifier {
  return guardFor(key.jkt, {
    algs: ["Ed25519"],
    maxAgeSeconds: MAX_AGE,
    maxFutureSeconds: MAX_FUTURE,
    now: () => (trueTime() + skew) * 1000,
    replay,
  });
}

async function proofAt(iat: number): Promise<string> {
  return await signProof({ key, accessToken: TOKEN, claims: { iat } });
}

/** Sends a proof as it is; answers whether it was accepted. */
async function accepts(guard: DpopVerifier, proof: string): Promise<boolean> {
  const result = await guard.verifyRequest(await makeRequest({ key, proofs: [proof] }));
  if (!result.ok) assertEquals(result.error.code, "invalid_dpop_proof");
  return result.ok;
}

/** What one would write first: it forgets what has expired on the clock that it is told. */
function forgetfulStore(forgetsEarlierBySeconds: number): ReplayStore {
  const entries = new Map<string, number>();
  return {
    add(name, expiresAtSeconds, { nowSeconds = 0 } = {}) {
      for (const [held, until] of entries) if (until < nowSeconds) entries.delete(held);
      if (entries.has(name)) return false;
      entries.set(name, expiresAtSeconds - forgetsEarlierBySeconds);
      return true;
    },
  };
}

/** How often two machines together accept one proof of which copies arrive all the time. */
async function acceptedByTwo(
  skews: readonly [number, number],
  store: ReplayStore,
): Promise<number> {
  let time = NOW;
  const guards = skews.map((skew) => machine(skew, () => time, store));
  const proof = await proofAt(NOW);
  let accepted = 0;
  for (
    const shift of [-70, -60, -30, 0, 1, 100, 240, 270, 299, 300, 301, 330, 359, 360, 361, 400]
  ) {
    time = NOW + shift;
    for (const guard of guards) {
      // Something of each machine's own time comes before, and makes the store drop what it may.
      assertEquals(await accepts(guard, await proofAt(time)), true);
      if (await accepts(guard, proof)) accepted++;
    }
  }
  return accepted;
}

for (
  const skews of [[0, 0], [60, 0], [0, 60], [-60, 0], [0, -60], [30, -30], [-30, 30]] as const
) {
  Deno.test(`two machines that share a store accept a proof once with clocks off by ${skews}`, async () => {
    assertEquals(await acceptedByTwo(skews, new MemoryReplayStore()), 1);
  });
}

Deno.test("control: two machines accept a proof twice if it is forgotten when it is too old for one", async () => {
  assertEquals(await acceptedByTwo([0, 0], forgetfulStore(MAX_FUTURE)), 1);
  assertGreater(await acceptedByTwo([30, -30], forgetfulStore(MAX_FUTURE)), 1);
});

Deno.test("a proof counts once when the clock jumps forward and back; control: a store that forgets", async () => {
  async function attack(store: ReplayStore): Promise<number> {
    let time = NOW;
    const guard = machine(0, () => time, store);
    const proof = await proofAt(NOW);
    let accepted = 0;
    for (const jump of [0, 3600, 0, -10, 86_400, 5]) {
      time = NOW + jump;
      // A request of that time makes the store drop what it may.
      await accepts(guard, await proofAt(time));
      if (await accepts(guard, proof)) accepted++;
    }
    return accepted;
  }
  assertGreater(await attack(forgetfulStore(0)), 1);
  assertEquals(await attack(new MemoryReplayStore()), 1);
});

/** As Redis and Deno KV do: what is added lives on the store's own clock. */
function expiringStore(clock: () => number, delay: () => void = () => {}): ReplayStore {
  const entries = new Map<string, number>();
  return {
    add(name, expiresAtSeconds, { nowSeconds = 0 } = {}) {
      delay();
      if ((entries.get(name) ?? 0) > clock()) return false;
      entries.set(name, clock() + expiresAtSeconds - nowSeconds);
      return true;
    },
  };
}

/** How often one proof is accepted by a server that is slow at the second time. */
async function acceptedBySlowServer(
  maxFutureSeconds: number,
  slow: "validator" | "store",
  reads: "clock" | "clock-once",
): Promise<number> {
  let time = NOW;
  let began = NOW;
  let delay = 0;
  const guard = guardFor(key.jkt, {
    maxAgeSeconds: MAX_AGE,
    maxFutureSeconds,
    now: () => 1000 * (reads === "clock" ? time : began),
    replay: expiringStore(() => time, () => void (time += slow === "store" ? delay : 0)),
    validateToken() {
      if (slow === "validator") time += delay;
      return { jkt: key.jkt };
    },
  });
  const proof = await proofAt(NOW);
  let accepted = 0;
  if (await accepts(guard, proof)) accepted++;
  time = began = NOW + MAX_AGE + 0.9;
  delay = maxFutureSeconds + 2;
  if (await accepts(guard, proof)) accepted++;
  return accepted;
}

for (const slow of ["validator", "store"] as const) {
  Deno.test(`a slow ${slow} makes no proof count twice; control: a clock that is read once`, async () => {
    for (const maxFutureSeconds of [0, 1, MAX_FUTURE]) {
      assertEquals(await acceptedBySlowServer(maxFutureSeconds, slow, "clock-once"), 2);
      assertEquals(await acceptedBySlowServer(maxFutureSeconds, slow, "clock"), 1);
    }
  });
}

Deno.test("a proof that grew too old while its token was validated is not remembered", async () => {
  let time = NOW;
  const keys: string[] = [];
  const guard = guardFor(key.jkt, {
    now: () => time * 1000,
    replay: { add: (name) => keys.push(name) > 0 },
    validateToken() {
      time += MAX_AGE + 1;
      return { jkt: key.jkt };
    },
  });
  const result = await guard.verifyRequest(await makeRequest({ key, claims: { iat: NOW } }));
  const { error } = refused(result, "invalid_dpop_proof", "iat-too-old", 401);
  assertEquals([error.details, keys], [{ skewSeconds: -MAX_AGE - 1 }, []]);
});

Deno.test("honest clients are served at once after a small step back, and soon after a large one", async () => {
  let time = NOW;
  const guard = machine(0, () => time, new MemoryReplayStore());
  for (let second = 0; second < 2 * MAX_AGE; second += 20) {
    time = NOW + second;
    assertEquals(await accepts(guard, await proofAt(time)), true);
  }
  const before = time;
  // As far as the allowance for skew: nothing was forgotten that a new proof could be taken for.
  time = before - MAX_FUTURE;
  assertEquals(await accepts(guard, await proofAt(time)), true);

  // Ten hours ahead for a while, by mistake: what was accepted before is forgotten, and only that counts.
  time = before + 36_000;
  for (let request = 0; request < 10; request++) {
    assertEquals(await accepts(guard, await proofAt(time)), true);
  }
  time = before;
  assertEquals(await accepts(guard, await proofAt(time)), false);
  time = before + 1;
  assertEquals(await accepts(guard, await proofAt(time)), true);
});

Deno.test("no proof counts twice, whatever the clock does", async () => {
  const iats = [-400, -360, -300, -60, -1, 0, 1, 60, 300, 361, 1000, 5000];
  const proofs = await Promise.all(iats.map((offset) => proofAt(NOW + offset)));
  const step = fc.record({
    proof: fc.nat(proofs.length - 1),
    // Most often where that proof is young enough, or nothing would be accepted at all.
    ahead: fc.integer({ min: -MAX_FUTURE - 5, max: MAX_AGE + 5 }),
    elsewhere: fc.option(fc.integer({ min: -500, max: 6000 }), { freq: 3 }),
  });
  let total = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      let time = NOW;
      const guard = machine(0, () => time, new MemoryReplayStore({ capacity: 50 }));
      const accepted = new Set<string>();
      for (const { proof, ahead, elsewhere } of steps) {
        time = NOW + (elsewhere ?? (iats[proof] ?? 0) + ahead);
        const text = proofs[proof] ?? "";
        if (!await accepts(guard, text)) continue;
        assert(!accepted.has(text), "accepted twice");
        accepted.add(text);
        total++;
      }
    }),
    { seed: 9449, numRuns: 100 },
  );
  assertGreater(total, 100);
});

Deno.test("a machine takes the nonces of another whose clock is a step ahead or behind", async () => {
  const secrets = [crypto.getRandomValues(new Uint8Array(32))];
  function nonces(skew: number) {
    return createDpopNonces({ secrets, stepSeconds: 60, now: () => (NOW + skew) * 1000 });
  }
  for (const [issuer, verifier] of [[0, 50], [50, 0], [0, 60], [60, 0], [-30, 30]] as const) {
    const guard = guardFor(key.jkt, { algs: ["Ed25519"], nonces: nonces(verifier) });
    const claims = { nonce: await nonces(issuer).issue() };
    const result = await guard.verifyRequest(await makeRequest({ key, claims }));
    assert(result.ok, `${issuer} to ${verifier}`);
  }
});

Deno.test("a client gets a nonce that works after the server's clock went back", async () => {
  const secrets = [crypto.getRandomValues(new Uint8Array(32))];
  let time = NOW;
  const now = () => time * 1000;
  const guard = guardFor(key.jkt, {
    algs: ["Ed25519"],
    nonces: createDpopNonces({ secrets, stepSeconds: 60, now }),
    now,
  });
  async function send(nonce: string | undefined) {
    return await guard.verifyRequest(await makeRequest({ key, claims: { nonce, iat: time } }));
  }
  const challenge = refused(await send(undefined), "use_dpop_nonce", "nonce-missing", 401);
  const nonce = challenge.response.headers.get("dpop-nonce") ?? "";
  assert((await send(nonce)).ok);
  time -= 600;
  const again = refused(await send(nonce), "use_dpop_nonce", "nonce-mismatch", 401);
  const next = again.response.headers.get("dpop-nonce") ?? "";
  assert((await send(next)).ok);
});
