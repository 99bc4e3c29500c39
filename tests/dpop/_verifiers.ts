/** Requests, tokens and verifiers for tests of the two kinds of server. */
import { assert, assertEquals } from "@std/assert";
import {
  createDpopVerifier,
  type DpopRefusal,
  type DpopResourceServerOptions,
  type DpopVerifier,
} from "../../src/dpop/dpop_verifier.ts";
import type { DpopErrorReason } from "../../src/dpop/dpop_error.ts";
import type { ReplayStore } from "../../src/dpop/replay_store.ts";
import { now, type ProofInput, signProof, type TestKey, URL_OF_TESTS } from "./_proofs.ts";

/** The access token of tests. */
export const TOKEN = "token.of-these~tests+/==";

/** What a request is made of. */
export interface RequestInput extends Omit<ProofInput, "key"> {
  readonly key: TestKey;
  readonly url?: string;
  readonly method?: string;
  /** Value of the Authorization header; `null` for none. */
  readonly authorization?: string | null;
  /** Values of the DPoP header, instead of a new proof. */
  readonly proofs?: readonly string[];
}

/** A request to the resource server, correct but for what the input changes. */
export async function makeRequest(input: RequestInput): Promise<Request> {
  const { authorization = `DPoP ${TOKEN}`, url = URL_OF_TESTS, method = "GET" } = input;
  const headers = new Headers();
  if (authorization !== null) headers.set("authorization", authorization);
  for (const proof of input.proofs ?? [await signProof({ accessToken: TOKEN, ...input })]) {
    headers.append("dpop", proof);
  }
  return new Request(url, { method, headers });
}

/** A resource server's verifier whose token is bound to a key. */
export function guardFor(
  jkt: string | undefined,
  options: Partial<DpopResourceServerOptions> = {},
): DpopVerifier {
  return createDpopVerifier({
    origin: "https://api.example.com",
    now,
    validateToken: (token) =>
      Promise.resolve(
        token === TOKEN
          ? { ...(jkt !== undefined && { jkt }), principal: "alice", claims: { sub: "alice" } }
          : null,
      ),
    ...options,
  });
}

/** A store that remembers, and what it was asked. */
export function spyStore(answer?: () => unknown): ReplayStore & { readonly keys: string[] } {
  const keys: string[] = [];
  return {
    keys,
    add(key) {
      const isNew = !keys.includes(key);
      keys.push(key);
      return (answer === undefined ? isNew : answer()) as boolean;
    },
  };
}

/** Asserts that a request was refused, and gives the refusal. */
export function refused(
  result: { readonly ok: boolean } | DpopRefusal,
  code: string | null,
  reason: DpopErrorReason,
  status: number,
): DpopRefusal {
  assert(!result.ok && "error" in result, "the request was granted");
  const { error, response } = result;
  assertEquals([error.code, error.reason, response.status], [code, reason, status]);
  assertEquals(error.status, status);
  assertEquals(response.headers.get("cache-control"), "no-store");
  return result;
}
