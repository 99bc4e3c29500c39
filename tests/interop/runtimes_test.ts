/** The same client code in Deno, Node, Bun, workerd and Chromium. */
import { assertEquals, assertGreater, assertNotEquals } from "@std/assert";
import { type AlgReport, runAll } from "./_runtime_client.ts";
import { type Host, inChromium, inNodeLike, inWorkerd, type Modules } from "./_runtime_hosts.ts";
import { writeModules } from "../_runtime_modules.ts";
import { runs } from "../_runs.ts";
import { startServers } from "./_runtime_servers.ts";

/** How a runtime differs from the others. */
interface Runtime {
  readonly name: string;
  /** What has to be installed for it, and how to see that it is. */
  readonly needs?: readonly [command: string, flag: string];
  readonly host: Host;
  /** A page cannot read a header that was not exposed to it, nor see where a redirect leads. */
  readonly isBrowser?: boolean;
}

const RUNTIMES: readonly Runtime[] = [
  { name: "Deno", host: (_modules, servers) => runAll(servers) },
  { name: "Node", needs: ["node", "--version"], host: inNodeLike("node") },
  { name: "Bun", needs: ["bun", "--version"], host: inNodeLike("bun") },
  { name: "workerd", needs: ["workerd", "--version"], host: inWorkerd },
  { name: "Chromium", needs: ["chromium", "--version"], host: inChromium, isBrowser: true },
];

/** What has to come of the keys of an algorithm. */
function expectedOf(alg: string, isBrowser: boolean): AlgReport {
  return {
    exported: [false, true],
    proofs: [alg, "htm-mismatch", "signature-invalid"],
    tokenType: "DPoP",
    note: [200, "alice", "a note", true],
    withoutProof: 401,
    withOtherKey: "401 /notes",
    redirects: [isBrowser ? "cross-origin-redirect" : "200 /notes", "cross-origin-redirect"],
    verifier: ["401 nonce-missing", "granted to alice", "401 replayed"],
  };
}

/** What the servers have to see: one refusal by each that wants a nonce, and never a second one. */
function expectedLog(algs: readonly string[], isBrowser: boolean): string[] {
  return [
    ...algs.flatMap(() => [
      ...["POST /token 400", "POST /token 200", "POST /notes 401", "POST /notes 200"],
      ...["GET /notes 401", "GET /notes 401", "GET /moved 307"],
      ...(isBrowser ? [] : ["GET /notes 200"]),
      ...["GET /away 307", "GET /jwks 200"],
    ]),
    "GET /jwks 200",
    ...["POST /token 400", "POST /token 200", "GET /notes 401", "GET /notes 200"],
    // The token of the first visit: of no use where its key is gone, and not even sent.
    ...(isBrowser ? ["GET /notes 401", "GET /notes 200"] : []),
  ];
}

let modules: Promise<Modules> | undefined;

async function prepare(): Promise<Modules> {
  const folder = await Deno.makeTempDir({ prefix: "runtimes_test_" });
  return { folder, files: await writeModules("tests/interop/_runtime_client.ts", folder) };
}

Deno.test.afterAll(async () => {
  if (modules !== undefined) await Deno.remove((await modules).folder, { recursive: true });
});

for (const runtime of RUNTIMES) {
  const { name, needs } = runtime;
  const ignore = needs !== undefined && !await runs(...needs);
  if (ignore) console.log(`ignored: the client code in ${name} (no ${needs?.[0]} can be run)`);
  Deno.test({
    name: `the same client code does the same in ${name}`,
    ignore,
    fn: () => testRuntime(runtime),
  });
}

async function testRuntime({ name, host, isBrowser = false }: Runtime): Promise<void> {
  await using servers = await startServers();
  const report = await host(await (modules ??= prepare()), servers);
  const { algs, visits, ...rest } = report;
  const names = Object.keys(algs);
  if (!names.includes("Ed25519")) console.log(`ignored: Ed25519 in ${name}, which has none`);
  assertEquals(names.filter((alg) => alg !== "Ed25519"), ["ES256"]);
  for (const alg of names) assertEquals(algs[alg], expectedOf(alg, isBrowser), alg);
  assertEquals(rest, {
    replay: [true, false],
    nonces: [true, false],
    hidden: isBrowser ? null : "seen",
  });

  const [first, second] = visits;
  const persistence = isBrowser ? "indexed-db" : "memory";
  assertEquals(visits.map((each) => each.persistence), [persistence, persistence]);
  assertEquals(visits.flatMap((each) => each.extractable), [false, false]);
  assertEquals([first?.answer, first?.token], ["200 /notes", second?.token]);
  assertEquals(second?.answer, isBrowser ? "200 /notes" : "key-not-found");
  if (isBrowser) assertEquals(first?.jkt, second?.jkt);
  else assertNotEquals(first?.jkt, second?.jkt);

  assertEquals(servers.takeLog(), expectedLog(names, isBrowser));
  if (isBrowser) assertGreater(servers.takePreflights(), 0);
  else assertEquals(servers.takePreflights(), 0);
}
