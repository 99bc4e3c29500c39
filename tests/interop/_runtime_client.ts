/**
 * The client code that every runtime runs, written once: what the library promises of them all.
 *
 * It reports what it saw, and judges nothing; all that it needs is what browsers have.
 */
import {
  createDpopClient,
  createDpopNonces,
  createDpopVerifier,
  createJwtTokenValidator,
  createKeyRotation,
  type DpopAlg,
  type DpopClient,
  DpopError,
  generateDpopKeyPair,
  IndexedDbKeyStore,
  MemoryReplayStore,
  SecurityError,
  verifyDpopProof,
} from "../../mod.ts";

/** Where the servers are. */
export interface Servers {
  /** Origin of the authorization server. */
  readonly issuer: string;
  /** Origin of the resource server. */
  readonly api: string;
}

/** What came of the keys of one algorithm. */
export interface AlgReport {
  /** Whether keys are extractable: as they are made, and when that is asked for. */
  readonly exported: readonly boolean[];
  /** What the pure core says of the client's proof: as it is, for another method, with another signature. */
  readonly proofs: readonly string[];
  /** Type of the token that the authorization server issued. */
  readonly tokenType: string;
  /** What the resource server saw, and whether the key was this one. */
  readonly note: readonly unknown[];
  /** What it says to the same token without a proof. */
  readonly withoutProof: number;
  /** What it says to the same token with the proof of another key. */
  readonly withOtherKey: string;
  /** Where redirects lead: within the origin, and to another one. */
  readonly redirects: readonly string[];
  /** What a verifier in this runtime says: without a nonce, with one, to the same once more. */
  readonly verifier: readonly string[];
}

/** What one use of the keys that are kept came to. */
export interface VisitReport {
  /** Where they lie. */
  readonly persistence: string;
  /** Thumbprint of the key that signs. */
  readonly jkt: string;
  /** Whether the stored private keys are extractable. */
  readonly extractable: readonly boolean[];
  /** The token that was there before, or a new one. */
  readonly token: string;
  /** What the resource server said to it. */
  readonly answer: string;
}

/** What a runtime reports without leaving a page. */
export interface ClientReport {
  /** For each algorithm, what came of it; of those that the runtime has. */
  readonly algs: Readonly<Record<string, AlgReport>>;
  /** The first proof of a key, and the same once more. */
  readonly replay: readonly boolean[];
  /** Nonces: one of its own, and any other. */
  readonly nonces: readonly boolean[];
  /** What a script can read of a header that was not exposed to it. */
  readonly hidden: string | null;
}

/** What a runtime has to say. */
export interface RuntimeReport extends ClientReport {
  /** Two uses of kept keys, with all but the store and the token forgotten in between. */
  readonly visits: readonly VisitReport[];
}

const ALGS = ["ES256", "Ed25519"] as const satisfies readonly DpopAlg[];

/** Runs everything, where there are no pages, and nothing that could outlive one either. */
export async function runAll(servers: Servers): Promise<RuntimeReport> {
  const report = await runClient(servers);
  const first = await visit(servers);
  return { ...report, visits: [first, await visit(servers, first.token)] };
}

/** Runs all that needs no page to be left. */
export async function runClient(servers: Servers): Promise<ClientReport> {
  const algs: Record<string, AlgReport> = {};
  for (const alg of ALGS) {
    if (await hasAlg(alg)) algs[alg] = await tryAlg(alg, servers);
  }
  const store = new MemoryReplayStore({ capacity: 16 });
  const expires = Math.ceil(Date.now() / 1000) + 360;
  const add = async () => await store.add("AAAAAAAAAAAAAAAAAAAAAA", expires);
  const replay = [await add(), await add()];
  const nonces = makeNonces();
  return {
    algs,
    replay,
    nonces: [nonces.check(nonces.issue()), nonces.check(makeNonces().issue())],
    hidden: (await read(fetch(`${servers.issuer}/jwks`))).headers.get("x-not-exposed"),
  };
}

/**
 * Uses keys that outlive a page, where there is a place for them.
 *
 * @param servers The servers.
 * @param token A token that was bound to a key on an earlier visit.
 */
export async function visit({ issuer, api }: Servers, token?: string): Promise<VisitReport> {
  const store = new IndexedDbKeyStore({ name: "runtime-test" });
  const rotation = await createKeyRotation({ store });
  try {
    const client = await createDpopClient({ keys: rotation });
    const used = token ?? (await requestToken(client, issuer)).access_token;
    const answer = await outcome(() => client.fetch(`${api}/notes`, { accessToken: used }));
    const { keys } = await store.load();
    return {
      persistence: store.persistence ?? "unknown",
      jkt: client.jkt,
      extractable: keys.map(({ privateKey }) => privateKey.extractable),
      token: used,
      answer,
    };
  } finally {
    await rotation.close();
  }
}

/** Whether the runtime itself has an algorithm. */
async function hasAlg(alg: typeof ALGS[number]): Promise<boolean> {
  const parameters = alg === "ES256" ? { name: "ECDSA", namedCurve: "P-256" } : { name: alg };
  try {
    await crypto.subtle.generateKey(parameters, false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

async function tryAlg(alg: DpopAlg, servers: Servers): Promise<AlgReport> {
  const { issuer, api } = servers;
  const keys = await generateDpopKeyPair(alg);
  const client = await createDpopClient({ keys });
  const thief = await createDpopClient({ alg });
  try {
    const { access_token: accessToken, token_type: tokenType } = await requestToken(client, issuer);
    const url = `${api}/notes?page=2`;
    const noted = await client.fetch(url, { method: "POST", body: "a note", accessToken });
    const note = await noted.json();
    const headers = { authorization: `Bearer ${accessToken}` };
    const proof = await thief.proof({ method: "GET", url, jkt: thief.jkt });
    const stolen = { authorization: `DPoP ${accessToken}`, dpop: proof };
    return {
      exported: [
        await isExportable(keys.privateKey),
        await isExportable((await generateDpopKeyPair(alg, { extractable: true })).privateKey),
      ],
      proofs: await tryProofs(client, alg),
      tokenType,
      note: [noted.status, note.principal, note.body, note.jkt === client.jkt],
      withoutProof: (await read(fetch(url, { headers }))).status,
      withOtherKey: await outcome(() => fetch(url, { headers: stolen })),
      redirects: [
        await outcome(() => client.fetch(`${api}/moved`, { accessToken })),
        await outcome(() => client.fetch(`${api}/away`, { accessToken })),
      ],
      verifier: await tryVerifier(client, accessToken, servers),
    };
  } finally {
    await client.close();
    await thief.close();
  }
}

async function tryProofs(client: DpopClient, alg: DpopAlg): Promise<string[]> {
  const url = "https://api.example.com/notes";
  const proof = await client.proof({ method: "PUT", url, accessToken: "a-token", nonce: "n-1" });
  const verify = async (text: string, method: string) => {
    try {
      const options = { method, url, accessToken: "a-token", nonce: "n-1", boundJkt: client.jkt };
      return (await verifyDpopProof(text, { ...options, algs: [alg] })).alg;
    } catch (error) {
      return error instanceof DpopError ? error.reason : String(error);
    }
  };
  const at = proof.lastIndexOf(".") + 1;
  const forged = proof.slice(0, at) + (proof[at] === "A" ? "B" : "A") + proof.slice(at + 1);
  return [await verify(proof, "PUT"), await verify(proof, "GET"), await verify(forged, "PUT")];
}

/** The other side runs everywhere, too: nonces, a replay store, and keys that are fetched. */
async function tryVerifier(
  client: DpopClient,
  accessToken: string,
  { issuer, api }: Servers,
): Promise<string[]> {
  const nonces = makeNonces();
  const guard = createDpopVerifier({
    origin: "https://api.example.com",
    nonces,
    replay: new MemoryReplayStore({ capacity: 16 }),
    validateToken: createJwtTokenValidator({
      issuer,
      audience: api,
      jwks: new URL(`${issuer}/jwks`),
    }),
  });
  const url = "https://api.example.com/notes";
  const prove = (nonce?: string) => client.proof({ method: "GET", url, accessToken, nonce });
  const proofs = [await prove(), await prove(nonces.issue())];
  const outcomes: string[] = [];
  for (const proof of [...proofs, proofs[1] ?? ""]) {
    const headers = { authorization: `DPoP ${accessToken}`, dpop: proof };
    const result = await guard.verifyRequest(new Request(url, { headers }));
    outcomes.push(
      result.ok
        ? `granted to ${result.principal}`
        : `${result.response.status} ${result.error.reason} ${result.error.cause ?? ""}`.trim(),
    );
  }
  return outcomes;
}

interface TokenResponse {
  readonly access_token: string;
  readonly token_type: string;
}

async function requestToken(client: DpopClient, issuer: string): Promise<TokenResponse> {
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  const response = await client.fetch(`${issuer}/token`, { method: "POST", body });
  if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
  return await response.json();
}

/** Status of a response, or the code of what was thrown. */
async function outcome(send: () => Promise<Response>): Promise<string> {
  try {
    const { status, url } = await read(send());
    return `${status} ${new URL(url).pathname}`;
  } catch (error) {
    return error instanceof SecurityError ? error.code : String(error);
  }
}

/** Reads a response to its end, and gives it. */
async function read(sent: Promise<Response>): Promise<Response> {
  const response = await sent;
  await response.arrayBuffer();
  return response;
}

async function isExportable(key: CryptoKey): Promise<boolean> {
  try {
    await crypto.subtle.exportKey("pkcs8", key);
    return true;
  } catch {
    return false;
  }
}

function makeNonces(): ReturnType<typeof createDpopNonces> {
  return createDpopNonces({ secrets: [crypto.getRandomValues(new Uint8Array(32))] });
}
