/**
 * Which key a client signs with: the current one, or the one that the access token is bound to.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { decodeBase64Url, encodeBase64Url } from "../_internal/base64url.ts";
import { Lru } from "../_internal/lru.ts";
import { sha256 } from "../_internal/sha256.ts";
import { encodeProofHeader } from "./_client_proof.ts";
import type { DpopKeyProvider, DpopSigner } from "./dpop_signer.ts";

/** A key, ready to sign. */
export interface ReadySigner {
  /** What signs. */
  readonly signer: DpopSigner;
  /** Its protected header, encoded. */
  readonly header: string;
}

/** What is known of an access token. */
export interface TokenFacts {
  /** Its hash (RFC 9449, section 4.2). */
  readonly ath: string;
  /** Key that it is bound to, where it is a JWT that says so. */
  readonly jkt: string | undefined;
  /** When it expires, in seconds since the epoch, where it says so. */
  readonly expiresAtSeconds: number | undefined;
  /** Whether its key is known to be kept until then. */
  retained: boolean;
}

/** A client talks for some users at once, a gateway for more; a token that fell out is hashed again. */
const MAX_TOKENS = 64;

/** RFC 6750, section 2.1; anything else could end the header. */
const TOKEN68 = /^[A-Za-z0-9._~+/-]+=*$/;
/** Longest wait for a provider to keep a key; workerd drops what outlives its request, without a word. */
const MAX_RETAIN_MS = 60_000;
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/** The keys of one client. */
export class ClientKeys {
  readonly #source: DpopSigner | DpopKeyProvider;
  readonly #headers = new WeakMap<DpopSigner, ReadySigner>();
  readonly #tokens = new Lru<string, TokenFacts>(MAX_TOKENS);
  /** When the provider was asked to keep a key until an end, and has not answered yet. */
  readonly #retaining = new Lru<string, number>(MAX_TOKENS);
  readonly #now: () => number;
  #current: ReadySigner;

  private constructor(
    source: DpopSigner | DpopKeyProvider,
    first: DpopSigner,
    now: () => number,
  ) {
    this.#source = source;
    this.#now = now;
    this.#current = this.#ready(first);
  }

  /**
   * Makes the first key ready.
   *
   * @param source The one key, or where keys come from.
   * @param now The clock.
   * @returns The keys.
   * @throws {TypeError} If the key cannot sign proofs.
   */
  static async from(
    source: DpopSigner | DpopKeyProvider,
    now: () => number,
  ): Promise<ClientKeys> {
    return new ClientKeys(source, isProvider(source) ? await source.current() : source, now);
  }

  /** Thumbprint of the key that was current when a key was last asked for. */
  get jkt(): string {
    return this.#current.signer.jkt;
  }

  /**
   * Looks into a token.
   *
   * @param token The access token.
   * @returns What is known of it.
   * @throws {TypeError} If it is no token.
   */
  factsOf(token: string): TokenFacts {
    let facts = this.#tokens.get(token);
    if (facts === undefined) {
      if (typeof token !== "string" || !TOKEN68.test(token)) {
        throw new TypeError("Cannot prove a request as 'accessToken' must be a token of RFC 6750");
      }
      facts = readToken(token);
      this.#tokens.set(token, facts);
    }
    return facts;
  }

  /**
   * Chooses the key.
   *
   * @param jkt Thumbprint that the caller asks for, if any.
   * @param facts The access token, if any.
   * @returns The key; no promise where there is only one.
   * @throws {SecurityError} `key-not-found` where the key is gone that the token is bound to: any other
   * would be refused, and show to the server which keys belong together. `key-invalid` where another key was
   * found instead.
   */
  choose(
    jkt: string | undefined,
    facts: TokenFacts | undefined,
  ): ReadySigner | Promise<ReadySigner> {
    const wanted = jkt ?? facts?.jkt;
    const source = this.#source;
    if (isProvider(source)) return this.#ask(source, wanted, facts);
    if (wanted !== undefined && wanted !== source.jkt) throw notFound(wanted);
    return this.#current;
  }

  async #ask(
    provider: DpopKeyProvider,
    wanted: string | undefined,
    facts: TokenFacts | undefined,
  ): Promise<ReadySigner> {
    if (wanted === undefined) return this.#current = this.#ready(await provider.current());
    const signer = await provider.find(wanted);
    if (signer === undefined) throw notFound(wanted);
    if (signer.jkt !== wanted) {
      throw new SecurityError("key-invalid", "Another key was found in place of the bound one", {
        details: { jkt: wanted },
      });
    }
    const ready = this.#ready(signer);
    // Not awaited: the key is here, which is all that this request needs. A store that hangs must not stop it.
    if (facts !== undefined && !facts.retained) {
      this.#retain(provider, wanted, facts).catch(() => {
        // The next request tries again.
      });
    }
    return ready;
  }

  async #retain(provider: DpopKeyProvider, jkt: string, facts: TokenFacts): Promise<void> {
    const until = facts.expiresAtSeconds;
    if (until === undefined || provider.retain === undefined) return;
    const name = `${jkt} ${until}`;
    const nowMs = this.#now();
    const begunMs = this.#retaining.get(name);
    if (begunMs !== undefined && Math.abs(nowMs - begunMs) < MAX_RETAIN_MS) return;
    this.#retaining.set(name, nowMs);
    try {
      await provider.retain(jkt, until);
      facts.retained = true;
    } finally {
      this.#retaining.delete(name);
    }
  }

  #ready(signer: DpopSigner): ReadySigner {
    let ready = this.#headers.get(signer);
    if (ready === undefined) {
      ready = { signer, header: encodeProofHeader(signer) };
      this.#headers.set(signer, ready);
    }
    return ready;
  }
}

function isProvider(source: DpopSigner | DpopKeyProvider): source is DpopKeyProvider {
  return "current" in source;
}

function notFound(jkt: string): SecurityError {
  return new SecurityError("key-not-found", "The key that the token is bound to is gone", {
    details: { jkt },
  });
}

/**
 * Reads what a token says of itself. It is not verified, and needs no more than to be right: a wrong `jkt`
 * finds no key, or one that the server refuses.
 */
function readToken(token: string): TokenFacts {
  const { jkt, exp } = readClaims(token);
  return {
    ath: encodeBase64Url(sha256(token)),
    jkt: typeof jkt === "string" && THUMBPRINT.test(jkt) ? jkt : undefined,
    expiresAtSeconds: typeof exp === "number" && exp > 0 && exp <= Number.MAX_SAFE_INTEGER
      ? exp
      : undefined,
    retained: false,
  };
}

/** A JWT has three segments; an opaque or encrypted token says nothing to its client. */
function readClaims(token: string): { readonly jkt?: unknown; readonly exp?: unknown } {
  const [, payload, signature, more] = token.split(".", 4);
  if (payload === undefined || signature === undefined || more !== undefined) return {};
  const bytes = decodeBase64Url(payload);
  if (bytes === undefined) return {};
  try {
    const claims: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return { jkt: member(member(claims, "cnf"), "jkt"), exp: member(claims, "exp") };
  } catch {
    return {};
  }
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
