/** A resource server on loopback, guarded by the verifier, for peers of other makes. */
import type { DpopErrorReason } from "../../src/dpop/dpop_error.ts";
import { createDpopNonces } from "../../src/dpop/dpop_nonces.ts";
import { createDpopVerifier, type DpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import type { DpopAlg } from "../../src/dpop/dpop_alg.ts";
import type { TokenValidator } from "../../src/dpop/token_validator.ts";

/** A server, and what became of the requests that it got. */
export interface GuardedServer extends AsyncDisposable {
  /** Its origin. */
  readonly origin: string;
  /** Of each request: `granted`, or why it was refused. */
  readonly outcomes: readonly (DpopErrorReason | "granted")[];
}

/** Starts one that requires nonces, and tells who came to whoever it lets in. */
export function serveGuarded(
  validateToken: TokenValidator,
  algs: readonly DpopAlg[] = ["Ed25519", "ES256", "PS256", "RS256"],
): GuardedServer {
  const outcomes: (DpopErrorReason | "granted")[] = [];
  const nonces = createDpopNonces({ secrets: [crypto.getRandomValues(new Uint8Array(32))] });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const result = await guard.verifyRequest(request);
      outcomes.push(result.ok ? "granted" : result.error.reason);
      if (!result.ok) return result.response;
      const { principal, jkt, headers } = result;
      return Response.json({ principal, jkt, method: request.method }, { headers });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const guard: DpopVerifier = createDpopVerifier({ origin, algs, nonces, validateToken });
  return { origin, outcomes, [Symbol.asyncDispose]: () => server.shutdown() };
}
