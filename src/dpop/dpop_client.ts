import { SecurityError } from "../errors.ts";
import { Lru } from "../_internal/lru.ts";
import { type FetchFunction, send } from "./_client_fetch.ts";
import { ClientKeys, type ReadySigner, type TokenFacts } from "./_client_keys.ts";
import { ClientNonces, isNonce } from "./_client_nonces.ts";
import { newJti, signProof } from "./_client_proof.ts";
import { htuOf, normalizeMethod, toOutgoing } from "./_client_request.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import {
  createDpopSigner,
  type DpopKeyProvider,
  type DpopSigner,
  generateDpopKeyPair,
} from "./dpop_signer.ts";

/** Options of {@linkcode createDpopClient}; at most one of `alg`, `keys` and `signer`. */
export interface DpopClientOptions {
  /** Makes a key pair for this algorithm that cannot be extracted. @default {"ES256"} */
  readonly alg?: DpopAlg;
  /** A key pair, or what provides keys and rotates them. @default {undefined} */
  readonly keys?: CryptoKeyPair | DpopKeyProvider;
  /** What signs, such as an HSM or KMS. @default {undefined} */
  readonly signer?: DpopSigner;
  /** Sends the requests; it must not follow redirects that it is told not to. @default {fetch} */
  readonly fetch?: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  /** Milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
  /** Most origins whose nonce is remembered. @default {100} */
  readonly maxNonceOrigins?: number;
  /** Sends tokens and proofs over http to other machines too, readable for whoever listens. @default {false} */
  readonly dangerouslyAllowHttp?: boolean;
}

const OPTIONS: readonly (keyof DpopClientOptions)[] = [
  "alg",
  "keys",
  "signer",
  "fetch",
  "now",
  "maxNonceOrigins",
  "dangerouslyAllowHttp",
];

/** An authorization server says in one piece what is wrong. */
const ERROR_TIMEOUT_MS = 2000;

/** Options of {@linkcode DpopClient.proof}. */
export interface DpopProofOptions {
  /** Method of the request. */
  readonly method: string;
  /** URL of the request; query and fragment are left out of the proof. */
  readonly url: string | URL;
  /** Access token that goes with the proof. @default {undefined} */
  readonly accessToken?: string | undefined;
  /** Nonce of the server. @default {the newest that `fetch` got from that origin, if any} */
  readonly nonce?: string | undefined;
  /** Thumbprint of the key to sign with. @default {that of the token's `cnf`, or else the current key} */
  readonly jkt?: string | undefined;
}

/** What {@linkcode DpopClient.fetch} takes besides what `fetch` takes. */
export interface DpopFetchInit extends RequestInit {
  /** Access token to send; without one, the request goes out with a proof alone. @default {undefined} */
  readonly accessToken?: string | undefined;
  /** Thumbprint of the key to sign with. @default {that of the token's `cnf`, or else the current key} */
  readonly jkt?: string | undefined;
}

/** A client that proves with every request that it holds the key of its tokens. */
export interface DpopClient {
  /**
   * Thumbprint of the current key, for the `dpop_jkt` of an authorization request (RFC 9449, section 10).
   * Where keys rotate, the key that was current when one was last asked for.
   */
  readonly jkt: string;

  /**
   * Makes a proof, for a request that something else sends.
   *
   * @param options The request, and what it is proved with.
   * @returns The value of the DPoP header; for one request, as servers remember it.
   * @throws {TypeError} If the method, URL, token or nonce is malformed.
   * @throws {SecurityError} `key-not-found` if the key is gone that the token is bound to, `closed`, or what
   * the keys' store throws.
   */
  proof(options: DpopProofOptions): Promise<string>;

  /**
   * Sends a request with `Authorization: DPoP …` and a proof, the way `fetch` does.
   *
   * - The newest nonce of each origin goes into its proofs. A request that is refused for want of it
   *   (`use_dpop_nonce`) is sent once more, if the nonce is new and the body is still there: strings, bytes,
   *   `URLSearchParams`, `FormData` and `Blob` are; a stream, or a `Request` with a body, is not, and its 401
   *   or 400 is returned.
   * - A redirect within the origin is followed with a new proof, at most 20 of them; one to another origin is
   *   refused, since the token would go along. `redirected` is therefore `false` on what is returned. Browsers
   *   hide where a redirect leads, so there any redirect is refused.
   * - A `Request` is sent as it is, with what its runtime put into it, such as a proxy or a client's
   *   certificate (`client` in Deno, `dispatcher` in Node). None can be made for another URL that still has
   *   them: what has to go along with redirects belongs into `init`.
   * - Of a 400, up to 16 KiB are read for at most 2 seconds, to see whether it asks for a nonce.
   * - The token's key is chosen by its `cnf.jkt` where it is a JWT; for opaque ones say `jkt` if keys rotate.
   *
   * @param input What `fetch` takes; https, or http to a loopback address.
   * @param init What `fetch` takes, a `Request` too, the access token, and the key. `signal` ends the work on
   * proofs and nonces as well; what `redirect` says is done by the client, and `fetch` is told `"manual"`.
   * @returns The response.
   * @throws {TypeError} If the request cannot be sent, as with `fetch`; if `headers` hold DPoP, or an
   * Authorization that the token's would replace; or if `accessToken` is malformed.
   * @throws {SecurityError} `cross-origin-redirect`; `key-not-found` if the key is gone that the token is
   * bound to; `closed`; or what the keys' store throws.
   */
  fetch(input: string | URL | Request, init?: DpopFetchInit): Promise<Response>;

  /**
   * Forgets keys and tokens. What is on its way goes on; a provider of keys stays open.
   *
   * @returns When it is done.
   */
  close(): Promise<void>;

  /** The same as {@linkcode DpopClient.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a client for DPoP-bound access tokens (RFC 9449): for resource servers, and for authorization
 * servers, to which requests go without `accessToken`.
 *
 * With `alg` the key lives as long as the client, and so do the tokens that are bound to it. Keep `keys`
 * from {@linkcode createKeyRotation} where they have to outlive it. Nothing is retried but what a server
 * refused for want of a nonce, and no token is fetched or refreshed here.
 *
 * @param options The key, and how requests are sent.
 * @returns The client.
 * @throws {TypeError} If an option is unknown or of the wrong kind, more than one of `alg`, `keys` and `signer`
 * is given, or a key is of no use.
 * @throws {RangeError} If `maxNonceOrigins` is no positive integer.
 * @throws {SecurityError} What the store of the keys throws.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449 | RFC 9449}
 *
 * @example Send a token with a proof
 * ```ts
 * import { createDpopClient } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * await using client = await createDpopClient({
 *   alg: "Ed25519",
 *   fetch: (_url, init) => Promise.resolve(new Response(new Headers(init?.headers).get("authorization"))),
 * });
 * const response = await client.fetch("https://api.example.com/notes", { accessToken: "Kz~8mXK1" });
 * assertEquals(await response.text(), "DPoP Kz~8mXK1");
 * ```
 */
export async function createDpopClient(options: DpopClientOptions = {}): Promise<DpopClient> {
  // A misspelt `keys` would be a new key each time, and nobody would notice.
  for (const name of Object.keys(options)) {
    if (OPTIONS.some((one) => one === name)) continue;
    throw new TypeError(`Cannot make a DPoP client as '${name}' is not one of its options`);
  }
  const { maxNonceOrigins = 100, now = Date.now, fetch, dangerouslyAllowHttp = false } = options;
  // The text "false" would be true.
  if (typeof dangerouslyAllowHttp !== "boolean") {
    throw new TypeError(
      `Cannot make a DPoP client as 'dangerouslyAllowHttp' must be a boolean: ` +
        `current value is ${dangerouslyAllowHttp}`,
    );
  }
  if (!Number.isInteger(maxNonceOrigins) || maxNonceOrigins < 1) {
    throw new RangeError(
      `Cannot make a DPoP client as 'maxNonceOrigins' must be a positive integer: ` +
        `current value is ${maxNonceOrigins}`,
    );
  }
  checkFunction("now", now);
  if (fetch !== undefined) checkFunction("fetch", fetch);
  const keys = await ClientKeys.from(await sourceOf(options), now);
  return new Client(keys, {
    nonces: new ClientNonces(maxNonceOrigins),
    now,
    // Looked up when used, as whoever replaces the global one expects.
    fetch: fetch === undefined ? (input, init) => globalThis.fetch(input, init) : fetch,
    dangerouslyAllowHttp,
    errorTimeoutMs: ERROR_TIMEOUT_MS,
  });
}

async function sourceOf(
  { alg, keys, signer }: DpopClientOptions,
): Promise<DpopSigner | DpopKeyProvider> {
  if ([alg, keys, signer].filter((given) => given !== undefined).length > 1) {
    throw new TypeError(
      "Cannot make a DPoP client as only one of 'alg', 'keys' and 'signer' may be given",
    );
  }
  if (signer !== undefined) return signer;
  if (keys === undefined) return await createDpopSigner(await generateDpopKeyPair(alg));
  return "privateKey" in keys ? await createDpopSigner(keys) : keys;
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(
    `Cannot make a DPoP client as '${name}' must be a function: current value is ${value}`,
  );
}

interface ClientSettings {
  readonly nonces: ClientNonces;
  readonly now: () => number;
  readonly fetch: FetchFunction;
  readonly dangerouslyAllowHttp: boolean;
  readonly errorTimeoutMs: number;
}

/** One request, as its proof needs it. */
interface Provable {
  readonly htm: string;
  readonly htu: string;
  readonly token: TokenFacts | undefined;
  readonly nonce: string | undefined;
  readonly jkt: string | undefined;
}

/** Where a proof goes. */
interface Target {
  readonly htu: string;
  readonly origin: string;
}

const MAX_URLS = 64;
/** Characters; whoever talks to longer URLs has many of them. */
const MAX_URL_KEPT = 1024;

class Client implements DpopClient {
  #keys: ClientKeys | undefined;
  readonly #settings: ClientSettings;
  readonly #targets = new Lru<string, Target>(MAX_URLS);

  constructor(keys: ClientKeys, settings: ClientSettings) {
    this.#keys = keys;
    this.#settings = settings;
  }

  get jkt(): string {
    return this.#open().jkt;
  }

  async proof({ method, url, accessToken, nonce, jkt }: DpopProofOptions): Promise<string> {
    const keys = this.#open();
    if (nonce !== undefined && !isNonce(nonce)) {
      throw new TypeError("Cannot prove a request as 'nonce' must be a nonce of RFC 9449");
    }
    const { htu, origin } = this.#targetOf(url);
    return await this.#prove(keys, {
      htm: normalizeMethod(method),
      htu,
      token: factsOf(keys, accessToken),
      nonce: nonce ?? this.#settings.nonces.get(origin),
      jkt,
    });
  }

  async fetch(input: string | URL | Request, init?: DpopFetchInit): Promise<Response> {
    const keys = this.#open();
    const { accessToken, jkt } = init ?? {};
    const token = factsOf(keys, accessToken);
    return await send(toOutgoing(input, init ?? {}), accessToken, {
      ...this.#settings,
      prove: ({ method }, htu, nonce) => this.#prove(keys, { htm: method, htu, token, nonce, jkt }),
    });
  }

  close(): Promise<void> {
    this.#keys = undefined;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): ClientKeys {
    if (this.#keys !== undefined) return this.#keys;
    throw new SecurityError("closed", "The DPoP client is closed");
  }

  /** Parsing a URL takes longer than all else that is done for a proof beside the signature. */
  #targetOf(url: string | URL): Target {
    const text = String(url);
    let target = this.#targets.get(text);
    if (target === undefined) {
      const parsed = new URL(text);
      target = { htu: htuOf(parsed), origin: parsed.origin };
      if (text.length <= MAX_URL_KEPT) this.#targets.set(text, target);
    }
    return target;
  }

  #prove(keys: ClientKeys, request: Provable): Promise<string> {
    const chosen = keys.choose(request.jkt, request.token);
    // One key needs no turn of the event loop.
    if (!(chosen instanceof Promise)) return this.#sign(chosen, request);
    return chosen.then((ready) => this.#sign(ready, request));
  }

  #sign(ready: ReadySigner, { htm, htu, token, nonce }: Provable): Promise<string> {
    const iat = Math.floor(this.#settings.now() / 1000);
    if (!Number.isSafeInteger(iat)) {
      throw new RangeError("Cannot prove a request as 'now' gave no time");
    }
    return signProof(ready.signer, ready.header, {
      jti: newJti(),
      htm,
      htu,
      iat,
      ath: token?.ath,
      nonce,
    });
  }
}

function factsOf(keys: ClientKeys, accessToken: string | undefined): TokenFacts | undefined {
  return accessToken === undefined ? undefined : keys.factsOf(accessToken);
}
