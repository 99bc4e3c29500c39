import { ALG_PARAMETERS, isDpopAlg, readAlgs } from "./_algs.ts";
import { answerWithin } from "../_internal/answer_within.ts";
import { TokenCache } from "./_token_cache.ts";
import { type Claims, readNow, readToken, undecided } from "./_token_claims.ts";
import {
  type Jose,
  type KeySettings,
  type KeySource,
  openKeys,
  readKeySet,
} from "./_token_keys.ts";
import {
  integerOr,
  readAudience,
  readIssuer,
  readServerUrl,
  readTokenOptions,
  type TokenSettings,
  wrong,
} from "./_token_options.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type {
  TokenValidationOptions,
  TokenValidator,
  TokenValidatorOptions,
  ValidatedToken,
} from "./token_validator.ts";

/** A JSON Web Key Set (RFC 7517, section 5). */
export interface JsonWebKeySet {
  /** The keys. */
  readonly keys: readonly object[];
}

/** A public key: of Web Crypto, or a JWK. */
export type TokenKey = CryptoKey | JsonWebKey;

/** Protected header of a JWT that was not verified yet. */
export interface JwtHeader {
  /** Algorithm; one of those that are accepted. */
  readonly alg: string;
  /** Identifier of the key. @default {undefined} */
  readonly kid?: string;
  /** Anything else. */
  readonly [name: string]: unknown;
}

/** Options of {@linkcode createJwtTokenValidator}. */
export interface JwtTokenValidatorOptions extends TokenValidatorOptions {
  /** The authorization server, exactly as it stands in `iss`. */
  readonly issuer: string;
  /** This resource server, as it stands in `aud`; of several, a token must be for one. */
  readonly audience: string | readonly string[];
  /**
   * Keys of the authorization server: the `jwks_uri` of its metadata (https, or http to a loopback
   * address), a key set, or a function that finds the key of a token and gives nothing where there is none.
   */
  readonly jwks:
    | URL
    | JsonWebKeySet
    | ((header: JwtHeader) => TokenKey | null | undefined | Promise<TokenKey | null | undefined>);
  /** Accepted algorithms of tokens. @default {all of DpopAlg} */
  readonly algs?: readonly DpopAlg[];
  /**
   * Type of the tokens in their header (RFC 9068, section 2.1). `"dangerously-any"` does not look at it: an
   * ID token or a logout token of the same issuer may then pass for an access token.
   * @default {"at+jwt"}
   */
  readonly typ?: string;
  /**
   * Claims that every token must have besides `iss`, `aud` and `exp`; `sub`, `client_id` and `jti` as texts
   * that are not empty.
   * @default {["sub", "client_id", "iat", "jti"] for "at+jwt", or else none}
   */
  readonly requiredClaims?: readonly string[];
  /** How long fetched keys are used, in seconds. @default {600} */
  readonly cacheMaxAgeSeconds?: number;
  /**
   * How long after a fetch no unknown key lets the keys be fetched anew, in seconds, whether it brought keys or
   * failed. While there are no keys that may be used, a failure counts for one second at most. @default {30}
   */
  readonly cooldownSeconds?: number;
}

const ACCESS_TOKEN_TYPE = "at+jwt";
/** RFC 9068, section 2.2; the validator looks at the others anyway. */
const ACCESS_TOKEN_CLAIMS = ["sub", "client_id", "iat", "jti"];
/** Strings, of which none that is empty identifies anything (RFC 7519, section 4.1; RFC 8693, section 4.3). */
const IDENTIFIERS: readonly string[] = ["sub", "client_id", "jti"];
/** Most keys that a token without `kid` is tried with; each try costs a verification. */
const MAX_CANDIDATES = 4;

const OWN: readonly Exclude<keyof JwtTokenValidatorOptions, keyof TokenValidatorOptions>[] = [
  "issuer",
  "audience",
  "jwks",
  "algs",
  "typ",
  "requiredClaims",
  "cacheMaxAgeSeconds",
  "cooldownSeconds",
];

/**
 * Makes a validator of access tokens that are JWTs (RFC 9068), on `jose`, which is loaded when the first
 * token comes.
 *
 * A token is accepted when its signature is one of the authorization server's, it is of the right type,
 * issuer and audience, and within `exp` and `nbf`; every token needs `exp`. Its `cnf` must hold `jkt` alone
 * or be absent. What it is bound to is reported, and compared by {@linkcode createDpopVerifier}.
 *
 * Keys are fetched when they are needed, by one request at a time. While they cannot be had, requests are
 * refused with 503, and tokens whose keys are known are accepted as long as the keys may be used. The age
 * of keys is measured by the clock of the machine, not by `now`. A token without `kid` is tried with at most
 * 4 keys. This does NOT ask whether a token was revoked: see {@linkcode createIntrospectionValidator}.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9068#section-4 | RFC 9068, section 4}
 *
 * @example Accept the tokens of one authorization server
 * ```ts
 * import { createDpopVerifier, createJwtTokenValidator } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const validateToken = createJwtTokenValidator({
 *   issuer: "https://as.example.com",
 *   audience: "https://api.example.com",
 *   jwks: new URL("https://as.example.com/jwks"),
 *   requiredScopes: ["notes"],
 * });
 * const guard = createDpopVerifier({ origin: "https://api.example.com", validateToken });
 * assertEquals(guard.role, "resource-server");
 * assertEquals(await validateToken("not.a.token"), null);
 * ```
 *
 * @param options Issuer, audience, keys, and what else a token needs.
 * @returns The validator. It rejects with a {@linkcode DpopError}: `insufficient_scope`, or
 * `temporarily_unavailable` while keys cannot be had.
 * @throws {TypeError} If an option is unknown, missing or of the wrong kind, or an algorithm is not
 * asymmetric or not known.
 * @throws {RangeError} If a number is out of range.
 */
export function createJwtTokenValidator(options: JwtTokenValidatorOptions): TokenValidator {
  const settings = readOptions(options);
  const cache = new TokenCache<ValidatedToken>(settings.maxCachedTokens, settings.cacheSeconds);
  let opened: Opened | undefined;

  async function validate(token: string, signal: AbortSignal): Promise<ValidatedToken | null> {
    const nowMs = readNow(settings);
    // No promise is kept: in workerd, one request must not wait for what another began.
    if (opened === undefined) {
      const jose = await import("jose");
      opened ??= { jose, keyOf: openKeys(jose, settings) };
    }
    const claims = await verify(token, { nowMs, signal }, opened, settings);
    const validated = claims === null || !isIdentified(claims, settings)
      ? null
      : readToken(claims, settings);
    if (validated !== null) cache.set(token, validated, nowMs, Number(claims?.exp));
    return validated;
  }

  return (token: string, { signal }: TokenValidationOptions = {}) => {
    const known = settings.cacheSeconds === 0 ? undefined : cache.get(token, readNow(settings));
    return known ?? answerWithin((within) => validate(token, within), { signal });
  };
}

interface Settings extends TokenSettings, KeySettings {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly algs: readonly DpopAlg[];
  readonly typ: string | undefined;
  readonly requiredClaims: readonly string[];
}

interface Opened {
  readonly jose: Jose;
  readonly keyOf: KeySource;
}

/** Gives the claims of a token, or `null` where it is not acceptable. */
async function verify(
  token: string,
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
  { jose: { jwtVerify, errors }, keyOf }: Opened,
  settings: Settings,
): Promise<Claims | null> {
  const options = {
    issuer: settings.issuer,
    audience: [...settings.audiences],
    algorithms: [...settings.algs],
    requiredClaims: ["exp", ...settings.requiredClaims],
    clockTolerance: settings.clockToleranceSeconds,
    currentDate: new Date(nowMs),
    ...(settings.typ !== undefined && { typ: settings.typ }),
  };
  let keyFailure: unknown;
  let candidates: AsyncIterable<CryptoKey> | undefined;
  try {
    const { payload } = await jwtVerify(token, async (header: JwtHeader) => {
      try {
        return await keyOf(header, signal);
      } catch (error) {
        if (error instanceof errors.JWKSMultipleMatchingKeys) candidates = error;
        else if (!(error instanceof errors.JWKSNoMatchingKey)) keyFailure = error ?? "no reason";
        throw error;
      }
    }, options);
    return payload;
  } catch {
    // That there are no keys says nothing about the token; whatever else does not hold is the token's.
    if (keyFailure !== undefined) throw undecided(keyFailure);
  }
  if (candidates === undefined) return null;
  let tried = 0;
  for await (const key of candidates) {
    if (++tried > MAX_CANDIDATES) break;
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // Only a signature of another key leaves hope for the next one.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return null;
    }
  }
  return null;
}

/** `jose` sees to it that the claims are there, and looks no further. */
function isIdentified(claims: Claims, { requiredClaims }: Settings): boolean {
  return requiredClaims.filter((name) => IDENTIFIERS.includes(name)).every((name) => {
    const value = claims[name];
    return typeof value === "string" && value !== "";
  });
}

function readOptions(options: JwtTokenValidatorOptions): Settings {
  const common = readTokenOptions(options, OWN);
  const { jwks, algs = [...ALG_PARAMETERS.keys()].filter(isDpopAlg), typ = ACCESS_TOKEN_TYPE } =
    options;
  if (typeof typ !== "string" || typ === "") throw wrong("typ", "the type of the tokens", typ);
  const { requiredClaims = typ === ACCESS_TOKEN_TYPE ? ACCESS_TOKEN_CLAIMS : [] } = options;
  const isText = (one: unknown) => typeof one === "string";
  if (!Array.isArray(requiredClaims) || !requiredClaims.every(isText)) {
    throw wrong("requiredClaims", "a list of names", requiredClaims);
  }
  if (!Array.isArray(algs)) throw wrong("algs", "a list of algorithms", algs);
  const isFunction = typeof jwks === "function";
  return {
    ...common,
    issuer: readIssuer(options.issuer),
    audiences: readAudience(options.audience),
    jwks: isFunction ? jwks : jwks instanceof URL ? readServerUrl("jwks", jwks) : readKeySet(jwks),
    // Not those with a secret: a server that can verify them can make them.
    algs: [...readAlgs(algs, "create a token validator")],
    typ: typ === "dangerously-any" ? undefined : typ,
    requiredClaims: [...requiredClaims],
    cacheMaxAgeSeconds: integerOr("cacheMaxAgeSeconds", options.cacheMaxAgeSeconds, 600, 1),
    cooldownSeconds: integerOr("cooldownSeconds", options.cooldownSeconds, 30, 0),
  };
}
