import { assert, assertEquals, assertThrows } from "@std/assert";
import { createDpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import { makeKey } from "./_proofs.ts";
import { guardFor, makeRequest } from "./_verifiers.ts";

type ErrorClass = typeof TypeError | typeof RangeError;

const secretless = { issue: () => "n" };

const WRONG: readonly (readonly [options: unknown, kind: ErrorClass, says: string])[] = [
  [undefined, TypeError, "'options' must be an object"],
  [null, TypeError, "'options' must be an object"],
  [{ role: "client" }, TypeError, "'role' must be"],
  [{ origin: undefined }, TypeError, "it needs 'origin' or 'resolveUrl'"],
  [{ resolveUrl: () => "" }, TypeError, "exclude each other"],
  [{ origin: undefined, resolveUrl: "https://api.example.com" }, TypeError, "'resolveUrl'"],
  [{ resolveMethod: "GET" }, TypeError, "'resolveMethod'"],
  [{ origin: "https://api.example.com/v1" }, TypeError, "'origin'"],
  [{ origin: "https://api.example.com//" }, TypeError, "'origin'"],
  [{ origin: new URL("https://api.example.com/v1") }, TypeError, "'origin'"],
  [{ origin: "https://api.example.com?x" }, TypeError, "'origin'"],
  [{ origin: "https://api.example.com#x" }, TypeError, "'origin'"],
  [{ origin: "https://user:pass@api.example.com" }, TypeError, "'origin'"],
  [{ origin: "https://api.example.com\\x" }, TypeError, "'origin'"],
  [{ origin: " https://api.example.com" }, TypeError, "'origin'"],
  [{ origin: "https://api.example.com:99999" }, TypeError, "'origin'"],
  [{ origin: "api.example.com" }, TypeError, "'origin'"],
  [{ origin: "ftp://api.example.com" }, TypeError, "'origin'"],
  [{ origin: "null" }, TypeError, "'origin'"],
  [{ algs: [] }, TypeError, "'algs'"],
  [{ algs: "ES256" }, TypeError, "'algs'"],
  [{ algs: ["ES256", "none"] }, TypeError, "'algs'"],
  [{ algs: ["HS256"] }, TypeError, "'algs'"],
  [{ algs: ["HS384"] }, TypeError, "'algs'"],
  [{ algs: ["HS512"] }, TypeError, "'algs'"],
  [{ algs: ["es256"] }, TypeError, "'algs'"],
  [{ algs: [null] }, TypeError, "'algs'"],
  [{ replay: "off" }, TypeError, "'replay'"],
  [{ replay: null }, TypeError, "'replay'"],
  [{ replay: false }, TypeError, "'replay'"],
  [{ replay: new Map() }, TypeError, "'replay'"],
  [{ nonces: secretless }, TypeError, "'nonces'"],
  [{ nonces: null }, TypeError, "'nonces'"],
  [{ requireNonce: true }, TypeError, "'requireNonce'"],
  [{ requireNonce: 1 }, TypeError, "'requireNonce'"],
  [{ validateToken: undefined }, TypeError, "'validateToken'"],
  [{ validateToken: "jwt" }, TypeError, "'validateToken'"],
  [{ allowBearer: "yes" }, TypeError, "'allowBearer'"],
  [{ realm: 'a"b' }, TypeError, "'realm'"],
  [{ realm: "a\r\nb" }, TypeError, "'realm'"],
  [{ realm: "a\n" }, TypeError, "'realm'"],
  [{ audit: {} }, TypeError, "'audit'"],
  [{ now: 0 }, TypeError, "'now'"],
  [{ maxAgeSeconds: 0 }, RangeError, "'maxAgeSeconds'"],
  [{ maxAgeSeconds: Infinity }, RangeError, "'maxAgeSeconds'"],
  [{ maxAgeSeconds: "300" }, TypeError, "'maxAgeSeconds'"],
  [{ maxFutureSeconds: -1 }, RangeError, "'maxFutureSeconds'"],
  [{ maxFutureSeconds: NaN }, RangeError, "'maxFutureSeconds'"],
  [{ maxProofBytes: 0 }, RangeError, "'maxProofBytes'"],
  [{ maxTokenBytes: 0.5 }, RangeError, "'maxTokenBytes'"],
  [{ replayTimeoutMs: 0 }, RangeError, "'replayTimeoutMs'"],
  [{ replayTimeoutMs: 2 ** 31 }, RangeError, "'replayTimeoutMs'"],
  [{ timeoutMs: 0 }, RangeError, "'timeoutMs'"],
  [{ timeoutMs: Infinity }, RangeError, "'timeoutMs'"],
  [{ timeoutMs: "10" }, TypeError, "'timeoutMs'"],
  [{ maxAge: 300 }, TypeError, "'maxAge' is not an option"],
  [{ role: "authorization-server" }, TypeError, "'validateToken' is not an option"],
];

Deno.test("createDpopVerifier() throws on what is no verifier", () => {
  for (const [options, kind, says] of WRONG) {
    const valid = { origin: "https://api.example.com", validateToken: () => null };
    const all = options === undefined || options === null ? options : { ...valid, ...options };
    const what = `${says}: ${JSON.stringify(options)}`;
    const error = assertThrows(() => createDpopVerifier(all as never), kind, says, what);
    assertEquals(error.constructor, kind, what);
    assert(error.message.startsWith("Cannot "), error.message);
  }
});

Deno.test("createDpopVerifier() accepts an origin in any spelling", async () => {
  const key = await makeKey("ES256");
  const written = [
    "HTTPS://API.EXAMPLE.COM",
    "https://api.example.com:443",
    "https://api.example.com/",
  ];
  for (const origin of [...written, new URL("https://api.example.com")]) {
    const guard = guardFor(key.jkt, { origin });
    const result = await guard.verifyRequest(await makeRequest({ key }));
    assert(result.ok, String(origin));
  }
});

Deno.test("createDpopVerifier() does not see what is changed in its options afterwards", () => {
  const algs: ("ES256" | "RS256")[] = ["ES256"];
  const guard = guardFor(undefined, { algs });
  algs.push("RS256");
  assertEquals(guard.algs, ["ES256"]);
  assert(Object.isFrozen(guard.algs) && Object.isFrozen(guard.metadata));
});
