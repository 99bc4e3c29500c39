import { answerWithin } from "../_internal/answer_within.ts";
import { parseJsonObject } from "./_json.ts";
import { readBody } from "./_read_response.ts";
import { TokenCache } from "./_token_cache.ts";
import { type Claims, isFor, readNow, readToken, undecided } from "./_token_claims.ts";
import {
  integerOr,
  readAudience,
  readIssuer,
  readServerUrl,
  readTokenOptions,
  type TokenSettings,
  wrong,
} from "./_token_options.ts";
import type {
  TokenValidationOptions,
  TokenValidator,
  TokenValidatorOptions,
  ValidatedToken,
} from "./token_validator.ts";

/** What a resource server shows to the authorization server: `client_secret_basic`. */
export interface IntrospectionCredentials {
  /** Identifier of the resource server as a client. */
  readonly clientId: string;
  /** Its secret. */
  readonly clientSecret: string;
}

/** Options of {@linkcode createIntrospectionValidator}. */
export interface IntrospectionValidatorOptions extends TokenValidatorOptions {
  /** The introspection endpoint: https, or http to a loopback address. */
  readonly endpoint: string | URL;
  /** What this resource server authenticates with: an identifier and a secret, or headers of its own. */
  readonly authorization: IntrospectionCredentials | (() => HeadersInit | Promise<HeadersInit>);
  /** The authorization server, exactly as `iss` must then be in its answers. @default {not looked at} */
  readonly issuer?: string;
  /**
   * This resource server, as `aud` must then name it; of several, one of them. Leave it out only where the
   * authorization server calls no token active that is not for the server that asks.
   * @default {not looked at}
   */
  readonly audience?: string | readonly string[];
  /**
   * Whether an answer must say `token_type`, as it does for access tokens. Some servers say `active` of
   * refresh tokens too, bound to the same key: without this, their holder needs no access token.
   * @default {true}
   */
  readonly requireTokenType?: boolean;
  /** How long a token that is not active is refused without another look, in seconds. @default {0} */
  readonly inactiveCacheSeconds?: number;
}

const OWN: readonly Exclude<keyof IntrospectionValidatorOptions, keyof TokenValidatorOptions>[] = [
  "endpoint",
  "authorization",
  "issuer",
  "audience",
  "requireTokenType",
  "inactiveCacheSeconds",
];
const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

/**
 * Makes a validator that asks the authorization server about each access token (RFC 7662), opaque or not.
 *
 * A token is accepted when the answer says `active: true`, and `exp`, `nbf`, `token_type` and `cnf` do not
 * speak against it: a `token_type` of `DPoP` needs `cnf.jkt` and the other way round (RFC 9449, section 6.2),
 * and a `cnf` with anything but `jkt` is not acceptable. Redirects are not followed: the token and the
 * secret would go along.
 *
 * Every request asks, unless `cacheSeconds` says otherwise; what is not active is remembered apart, so that
 * made-up tokens do not push out real ones. This does NOT understand signed answers (RFC 9701).
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7662 | RFC 7662}
 *
 * @example Ask about an opaque token
 * ```ts
 * import { createIntrospectionValidator } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const validateToken = createIntrospectionValidator({
 *   endpoint: "https://as.example.com/introspect",
 *   authorization: { clientId: "api", clientSecret: "of this server" },
 *   fetch: () => Promise.resolve(Response.json({ active: true, sub: "alice", token_type: "Bearer" })),
 * });
 * const validated = await validateToken("Kz~8mXK1");
 * assertEquals(validated?.principal, "alice");
 * ```
 *
 * @param options Endpoint, credentials, and what else a token needs.
 * @returns The validator. It rejects with a {@linkcode DpopError}: `insufficient_scope`, or
 * `temporarily_unavailable` where the authorization server does not answer as it should.
 * @throws {TypeError} If an option is unknown, missing or of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function createIntrospectionValidator(
  options: IntrospectionValidatorOptions,
): TokenValidator {
  const settings = readOptions(options);
  const { maxCachedTokens, cacheSeconds, inactiveCacheSeconds, timeoutMs } = settings;
  const accepted = new TokenCache<ValidatedToken>(maxCachedTokens, cacheSeconds);
  const inactive = new TokenCache<true>(maxCachedTokens, inactiveCacheSeconds);

  async function validate(
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<ValidatedToken | null> {
    const nowMs = readNow(settings);
    let claims: Claims;
    try {
      const ask = (within: AbortSignal) => introspect(token, within, settings);
      claims = await answerWithin(ask, { timeoutMs, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw undecided(error);
    }
    if (claims.active === false) {
      inactive.set(token, true, nowMs);
      return null;
    }
    const validated = isAcceptable(claims, readNow(settings), settings)
      ? readToken(claims, settings)
      : null;
    if (validated !== null) accepted.set(token, validated, nowMs, endOf(claims));
    return validated;
  }

  return (token: string, { signal }: TokenValidationOptions = {}) => {
    const nowMs = readNow(settings);
    const known = accepted.get(token, nowMs);
    if (known !== undefined) return known;
    return inactive.get(token, nowMs) === true ? null : validate(token, signal);
  };
}

interface Settings extends TokenSettings {
  readonly endpoint: string;
  readonly headers: () => HeadersInit | Promise<HeadersInit>;
  readonly issuer: string | undefined;
  readonly audiences: readonly string[] | undefined;
  readonly requireTokenType: boolean;
  readonly inactiveCacheSeconds: number;
}

async function introspect(
  token: string,
  signal: AbortSignal,
  { endpoint, headers: authorize, fetch, maxResponseBytes }: Settings,
): Promise<Claims> {
  const headers = new Headers(await authorize());
  headers.set("accept", "application/json");
  headers.set("content-type", "application/x-www-form-urlencoded");
  const response = await fetch(endpoint, {
    method: "POST",
    headers,
    body: new URLSearchParams({ token, token_type_hint: "access_token" }).toString(),
    // Not "error", which workerd does not know; any status but 200 is refused below.
    redirect: "manual",
    signal,
  });
  const body = await readBody(response, maxResponseBytes, signal);
  if (!JSON_TYPE.test(response.headers.get("content-type") ?? "")) {
    throw new Error("The introspection response is no JSON");
  }
  const claims = parseJsonObject(new TextDecoder("utf-8", { fatal: true }).decode(body));
  // `"false"`, 1 and the like are no answer, and neither is the truth of anything but `true`.
  if (typeof claims?.active !== "boolean") {
    throw new Error("The introspection response does not say whether the token is active");
  }
  return claims;
}

function isAcceptable(claims: Claims, nowMs: number, settings: Settings): boolean {
  const { exp, nbf, iss, aud, token_type: tokenType, cnf } = claims;
  const { issuer, audiences, requireTokenType, clockToleranceSeconds } = settings;
  const now = nowMs / 1000;
  if (exp !== undefined && !(typeof exp === "number" && now < exp + clockToleranceSeconds)) {
    return false;
  }
  if (nbf !== undefined && !(typeof nbf === "number" && nbf <= now + clockToleranceSeconds)) {
    return false;
  }
  if (issuer !== undefined && iss !== issuer) return false;
  if (audiences !== undefined && !isFor(aud, audiences)) return false;
  if (tokenType === undefined) return !requireTokenType;
  if (typeof tokenType !== "string") return false;
  const type = tokenType.toLowerCase();
  // Neither half of a contradiction may be believed.
  return type === (cnf === undefined ? "bearer" : "dpop");
}

function endOf({ exp }: Claims): number {
  return typeof exp === "number" ? exp : Infinity;
}

function readOptions(options: IntrospectionValidatorOptions): Settings {
  const common = readTokenOptions(options, OWN);
  const { endpoint, issuer, audience, requireTokenType = true, inactiveCacheSeconds } = options;
  if (typeof requireTokenType !== "boolean") {
    throw wrong("requireTokenType", "a boolean", requireTokenType);
  }
  return {
    ...common,
    endpoint: readServerUrl("endpoint", endpoint),
    headers: readAuthorization(options.authorization),
    issuer: issuer === undefined ? undefined : readIssuer(issuer),
    audiences: audience === undefined ? undefined : readAudience(audience),
    requireTokenType,
    inactiveCacheSeconds: integerOr("inactiveCacheSeconds", inactiveCacheSeconds, 0, 0),
  };
}

function readAuthorization(
  authorization: IntrospectionValidatorOptions["authorization"],
): () => HeadersInit | Promise<HeadersInit> {
  if (typeof authorization === "function") return authorization;
  const isText = (one: unknown) => typeof one === "string" && one !== "";
  const { clientId, clientSecret } = authorization ?? {};
  // The endpoint must not answer strangers (RFC 7662, section 2.1): they could guess tokens.
  if (!isText(clientId) || !isText(clientSecret)) {
    throw new TypeError(
      "Cannot create a token validator: 'authorization' must be a function, " +
        "or hold 'clientId' and 'clientSecret', neither empty",
    );
  }
  const header = `Basic ${btoa(`${formEncode(clientId)}:${formEncode(clientSecret)}`)}`;
  return () => ({ authorization: header });
}

/** The encoding of RFC 6749, section 2.3.1. */
function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
