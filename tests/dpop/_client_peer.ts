/**
 * What a client talks to in its tests: an answer for each request, and a record of what arrived.
 */
import { claimsOf } from "./_proofs.ts";

/** A request as a server saw it. */
export interface Arrival {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string;
  /** Claims of its proof, unverified. */
  readonly claims: Record<string, unknown>;
}

/** A fetch that goes nowhere. */
export interface Peer {
  readonly arrivals: Arrival[];
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
}

/** Makes a fetch that answers by a function, redirects followed by nobody. */
export function makePeer(answer: (arrival: Arrival) => Response | Promise<Response>): Peer {
  const arrivals: Arrival[] = [];
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (init?.redirect !== "manual") throw new Error("This peer would have followed a redirect");
    const request = new Request(input, init);
    const arrival = {
      url: request.url,
      method: request.method,
      headers: request.headers,
      body: await request.text(),
      claims: claimsOf(request.headers.get("dpop") ?? ""),
    };
    arrivals.push(arrival);
    return await answer(arrival);
  };
  return { arrivals, fetch };
}

/** What a resource server says that wants a nonce. */
export function askForNonce(nonce: string): Response {
  const headers = { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": nonce };
  return new Response("refused", { status: 401, headers });
}

/** What an authorization server says that wants a nonce. */
export function askForNonceInBody(nonce: string, body = '{"error":"use_dpop_nonce"}'): Response {
  const headers = { "content-type": "application/json", "dpop-nonce": nonce };
  return new Response(body, { status: 400, headers });
}
