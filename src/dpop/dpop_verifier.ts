import { silentReporter } from "../events/audit_event.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { decideGrant } from "./_authorization_server.ts";
import { type Challenger, isAnswer, withChallenge } from "./_challenge.ts";
import { recordRefusal, recordSuccess } from "./_record.ts";
import { decideAccess } from "./_resource_server.ts";
import { type Attempt, issueNonce, unavailable } from "./_verification.ts";
import {
  type DpopAuthorizationServerOptions,
  type DpopResourceServerOptions,
  readResourceServerOptions,
  readVerifierOptions,
  type VerifierSettings,
} from "./_verifier_options.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { DpopError } from "./dpop_error.ts";
import type { VerifiedDpopProof } from "./verify_dpop_proof.ts";

export type {
  DpopAuthorizationServerOptions,
  DpopResourceServerOptions,
  DpopVerifierOptions,
} from "./_verifier_options.ts";

/** A request that was refused. */
export interface DpopRefusal {
  /** Tells a refusal from what was granted. */
  readonly ok: false;
  /** Why, for the log. */
  readonly error: DpopError;
  /** The answer to the client, as `error.toResponse()` gives it. */
  readonly response: Response;
}

/** What a request to a resource server was granted, whichever scheme it used. */
export interface DpopAccessFacts {
  /** Tells what was granted from a refusal. */
  readonly ok: true;
  /** Whose token it is, as the token validator says. */
  readonly principal: string | undefined;
  /** What the access token says. */
  readonly claims: Readonly<Record<string, unknown>>;
  /**
   * Headers for the response, where the client does not have the newest nonce: `DPoP-Nonce` and
   * `Cache-Control: no-store`, which replace what the response has, and `Access-Control-Expose-Headers`,
   * which is appended.
   */
  readonly headers: Headers;
}

/** A request whose sender holds the key that the access token is bound to. */
export interface DpopProvenAccess extends DpopAccessFacts {
  /** How the token was presented. */
  readonly scheme: "DPoP";
  /** SHA-256 thumbprint of the key, base64url. */
  readonly jkt: string;
  /** The proof. */
  readonly proof: VerifiedDpopProof;
}

/** A request with a token that is bound to no key, where those are allowed. */
export interface DpopBearerAccess extends DpopAccessFacts {
  /** How the token was presented. */
  readonly scheme: "Bearer";
  /** There is no key. */
  readonly jkt?: undefined;
  /** There is no proof. */
  readonly proof?: undefined;
}

/** A request to a resource server that was granted. */
export type DpopAccess = DpopProvenAccess | DpopBearerAccess;

/** A request to an authorization server with a proof. */
export interface DpopProvenGrant {
  /** Tells what was granted from a refusal. */
  readonly ok: true;
  /** The `token_type` of the token response. */
  readonly tokenType: "DPoP";
  /** SHA-256 thumbprint of the key to bind the tokens, the code or the pushed request to. */
  readonly jkt: string;
  /** Claim of the access token, and member of introspection responses (RFC 9449, section 6). */
  readonly cnf: {
    /** The thumbprint. */
    readonly jkt: string;
  };
  /** The proof. */
  readonly proof: VerifiedDpopProof;
  /** Headers for the response, as {@linkcode DpopAccessFacts.headers}. */
  readonly headers: Headers;
}

/** A request to an authorization server without a proof, where none is needed. */
export interface DpopUnprovenGrant {
  /** Tells what was granted from a refusal. */
  readonly ok: true;
  /** The `token_type` of a token response. */
  readonly tokenType: "Bearer";
  /** The request's `dpop_jkt`: to bind a code to, and proven by nothing yet. */
  readonly announcedJkt: string | undefined;
  /** There is no key that was proven. */
  readonly jkt?: undefined;
  /** There is no key that was proven. */
  readonly cnf?: undefined;
  /** There is no proof. */
  readonly proof?: undefined;
  /** Headers for the response: none. */
  readonly headers: Headers;
}

/** A request to an authorization server that may go on. */
export type DpopGrant = DpopProvenGrant | DpopUnprovenGrant;

/** What is said of one request. */
export interface DpopRequestOptions {
  /** Ends the verification, which then rejects with the signal's reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
}

/** What is said of one request to an authorization server. */
export interface DpopGrantRequest extends DpopRequestOptions {
  /**
   * Thumbprint that the grant is bound to: of a code, from `dpop_jkt` or the pushed request; of a public
   * client's refresh token, from the request that it was issued for. Then a proof is needed.
   * @default {undefined}
   */
  readonly boundJkt?: string | null | undefined;
  /**
   * The `dpop_jkt` parameter of this very request, to the authorization or pushed authorization request
   * endpoint; a proof beside it must be of the same key. At the token endpoint, give `boundJkt` instead.
   * @default {undefined}
   */
  readonly dpopJkt?: string | null | undefined;
  /**
   * Whether a request without a proof is refused, as for a client that is registered with
   * `dpop_bound_access_tokens`. @default {false}
   */
  readonly requireProof?: boolean | undefined;
}

/** Verifies the requests of a resource server. */
export interface DpopVerifier {
  /** Kind of server. */
  readonly role: "resource-server";
  /** Accepted algorithms. */
  readonly algs: readonly DpopAlg[];
  /** Members for the protected resource metadata (RFC 9728, section 2). */
  readonly metadata: {
    /** Accepted algorithms. */
    readonly dpop_signing_alg_values_supported: readonly DpopAlg[];
    /** Whether tokens that are bound to no key are refused. */
    readonly dpop_bound_access_tokens_required: boolean;
  };
  /**
   * Decides about a request.
   *
   * @param request Its method, URL and headers are read; its body is left alone.
   * @param options The abort signal.
   * @returns What was granted, or the refusal. Whatever the client, the store or the token validator do,
   * it is one of the two.
   * @throws What the signal was aborted with.
   * @throws {TypeError} If an option is unknown.
   */
  verifyRequest(
    request: Request,
    options?: DpopRequestOptions,
  ): Promise<DpopAccess | DpopRefusal>;
}

/** Verifies the requests of an authorization server. */
export interface DpopGrantVerifier {
  /** Kind of server. */
  readonly role: "authorization-server";
  /** Accepted algorithms. */
  readonly algs: readonly DpopAlg[];
  /** Members for the authorization server metadata (RFC 9449, section 5.1). */
  readonly metadata: {
    /** Accepted algorithms. */
    readonly dpop_signing_alg_values_supported: readonly DpopAlg[];
  };
  /**
   * Decides about a request to the token or pushed authorization request endpoint.
   *
   * @param request Its method, URL and headers are read; its body is left alone.
   * @param options What is known of the grant, and the abort signal.
   * @returns Whether it may go on and what to bind to, or the refusal.
   * @throws What the signal was aborted with.
   * @throws {TypeError} If an option is unknown.
   */
  verifyRequest(request: Request, options?: DpopGrantRequest): Promise<DpopGrant | DpopRefusal>;
}

/**
 * Makes the verifier of an authorization server: proofs at the token endpoint and with pushed
 * authorization requests, `dpop_jkt`, and binding of public clients' refresh tokens.
 *
 * It authenticates no client and reads no body: what the grant is bound to is said by
 * {@linkcode DpopGrantRequest}. Refusals are 400 with a JSON body, 429 where one client key has used up its
 * share of the replay store, and 503 for a failure of this side.
 *
 * Whoever can make keys can make proofs, and each that is accepted fills the replay store: where anybody may
 * ask for tokens, authenticate clients or limit their rate before this, and size the store's capacity for what
 * is let through in `maxAgeSeconds` + `maxFutureSeconds`.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-5 | RFC 9449, section 5}
 *
 * @example A token request without the proof that its code is bound to
 * ```ts
 * import { createDpopVerifier } from "@bartizan/security";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const guard = createDpopVerifier({
 *   role: "authorization-server",
 *   origin: "https://as.example.com",
 * });
 * const request = new Request("https://as.example.com/token", { method: "POST" });
 * const boundJkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
 * const result = await guard.verifyRequest(request, { boundJkt });
 * assert(!result.ok);
 * assertEquals(result.response.status, 400);
 * assertEquals((await result.response.json()).error, "invalid_dpop_proof");
 * ```
 *
 * @param options Origin, algorithms, replay store and nonces.
 * @returns The verifier.
 * @throws {TypeError} If an option is unknown, missing or of the wrong kind, an algorithm is not asymmetric
 * or not known, or `origin` is more than an origin.
 * @throws {RangeError} If a number is out of range.
 */
export function createDpopVerifier(options: DpopAuthorizationServerOptions): DpopGrantVerifier;
/**
 * Makes the verifier of a resource server: that a request carries a valid access token, and that its sender
 * holds the key that the token is bound to.
 *
 * The proof is checked in this order: form, algorithm, key, claims, method, URL, hash of the token, binding
 * of the token, signature, nonce, and last that it is new. A proof that is refused uses up no `jti`. When
 * the replay store, the nonces or the token validator fail, the request is refused with 503, and never with
 * a code that blames the proof; with 429 where one client key has used up its share of the replay store.
 * CORS preflights carry no credentials: answer them before this.
 *
 * A request with two readings is refused with 400: one with a `Host` that is more than an authority, or a
 * path with dot segments or backslashes, which some routers resolve and others do not. For `node:http`, make
 * the `Request` of `rawHeaders`: `headers` drops a second Authorization, which has to be seen to be refused.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-7 | RFC 9449, section 7}
 *
 * @example A request without credentials gets a challenge
 * ```ts
 * import { createDpopVerifier } from "@bartizan/security";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const guard = createDpopVerifier({
 *   origin: "https://api.example.com",
 *   validateToken: () => Promise.resolve(null),
 * });
 * const result = await guard.verifyRequest(new Request("https://api.example.com/notes"));
 * assert(!result.ok);
 * assertEquals(result.response.status, 401);
 * assertEquals(result.response.headers.get("www-authenticate"), `DPoP algs="${guard.algs.join(" ")}"`);
 * ```
 *
 * @param options Origin, token validator, algorithms, replay store and nonces.
 * @returns The verifier.
 * @throws {TypeError} If an option is unknown, missing or of the wrong kind, an algorithm is not asymmetric
 * or not known, or `origin` is more than an origin.
 * @throws {RangeError} If a number is out of range.
 */
export function createDpopVerifier(options: DpopResourceServerOptions): DpopVerifier;
export function createDpopVerifier(
  options: DpopResourceServerOptions | DpopAuthorizationServerOptions,
): DpopVerifier | DpopGrantVerifier {
  return options?.role === "authorization-server"
    ? createGrantVerifier(options)
    : createAccessVerifier(options);
}

function createAccessVerifier(options: DpopResourceServerOptions): DpopVerifier {
  const settings = readResourceServerOptions(options);
  const { algs, allowBearer, realm } = settings;
  const role = "resource-server";
  const by: Challenger = { role, algs: algs.join(" "), realm, allowBearer };
  return Object.freeze({
    role,
    algs,
    metadata: Object.freeze({
      dpop_signing_alg_values_supported: algs,
      dpop_bound_access_tokens_required: !allowBearer,
    }),
    async verifyRequest(request: Request, options: DpopGrantRequest = {}) {
      const { signal, boundJkt, dpopJkt, requireProof } = requireKnown(options);
      // To ignore what somebody relies on would wave requests through.
      if (boundJkt !== undefined || dpopJkt !== undefined || requireProof !== undefined) {
        throw new TypeError(
          "Cannot verify a request: only an authorization server takes a binding",
        );
      }
      const run = (attempt: Attempt) => decideAccess(attempt, settings);
      return await decide(request, signal, settings, by, run);
    },
  });
}

function createGrantVerifier(options: DpopAuthorizationServerOptions): DpopGrantVerifier {
  const settings = readVerifierOptions(options);
  const { algs } = settings;
  const role = "authorization-server";
  const by: Challenger = { role, algs: algs.join(" "), realm: undefined, allowBearer: false };
  return Object.freeze({
    role,
    algs,
    metadata: Object.freeze({ dpop_signing_alg_values_supported: algs }),
    async verifyRequest(request: Request, options: DpopGrantRequest = {}) {
      const { signal } = requireKnown(options);
      const run = (attempt: Attempt) => decideGrant(attempt, settings, options);
      return await decide(request, signal, settings, by, run);
    },
  });
}

/** A binding under a name that nobody reads would be none: the grant would go to whoever has it. */
function requireKnown(options: DpopGrantRequest): DpopGrantRequest {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot verify a request: 'options' must be an object: current value is ${
        options === null ? "null" : `a ${typeof options}`
      }`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!PER_REQUEST.some((one) => one === name)) {
      throw new TypeError(`Cannot verify a request: '${name}' is not an option`);
    }
  }
  return options;
}

const PER_REQUEST: readonly (keyof DpopGrantRequest)[] = [
  "signal",
  "boundJkt",
  "dpopJkt",
  "requireProof",
];

async function decide<Granted extends DpopAccess | DpopGrant>(
  request: Request,
  signal: AbortSignal | undefined,
  settings: VerifierSettings,
  by: Challenger,
  run: (attempt: Attempt) => Promise<Granted>,
): Promise<Granted | DpopRefusal> {
  signal?.throwIfAborted();
  const work = conclude({ request, signal }, settings, by, run);
  return signal === undefined ? await work : await answerWithin(() => work, { signal });
}

/** Runs a verification to its end: granted and recorded, or refused. */
async function conclude<Granted extends DpopAccess | DpopGrant>(
  attempt: Attempt,
  settings: VerifierSettings,
  by: Challenger,
  run: (attempt: Attempt) => Promise<Granted>,
): Promise<Granted | DpopRefusal> {
  const audit = settings.audit === silentReporter ? undefined : settings.audit;
  try {
    const granted = await run(attempt);
    if (audit !== undefined) await recordSuccess(audit, attempt, settings, principalOf(granted));
    return granted;
  } catch (thrown) {
    // Nobody waits for an answer, and what failed because of that is no failure of a store.
    attempt.signal?.throwIfAborted();
    const error = await challenge(thrown, attempt, settings, by);
    if (audit !== undefined) await recordRefusal(audit, attempt, settings, error);
    return { ok: false, error, response: error.toResponse() };
  }
}

async function challenge(
  thrown: unknown,
  attempt: Attempt,
  settings: VerifierSettings,
  by: Challenger,
): Promise<DpopError> {
  const { scheme } = attempt;
  // What is no DpopError by now came out of a request that is none.
  let error = isAnswer(thrown) ? thrown : unavailable("request-unreadable", thrown);
  let nonce: string | undefined;
  if (error.code === "use_dpop_nonce") {
    try {
      nonce = await issueNonce(attempt, settings);
    } catch (failure) {
      error = isAnswer(failure) ? failure : error;
    }
  }
  return withChallenge(error, by, { scheme, nonce });
}

function principalOf(granted: DpopAccess | DpopGrant): string | undefined {
  return "principal" in granted ? granted.principal : undefined;
}
