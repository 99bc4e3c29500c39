/**
 * Options of verifiers: their types, and how they are read.
 *
 * @module
 */

import type { AuditReporter } from "../events/audit_event.ts";
import { DEFAULT_ALGS, readAlgs } from "./_algs.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { DpopNonces } from "./dpop_nonces.ts";
import { MemoryReplayStore } from "./memory_replay_store.ts";
import type { ReplayStore } from "./replay_store.ts";
import type { TokenValidator } from "./token_validator.ts";

/** What verifiers of both kinds are told. */
export interface DpopVerifierOptions {
  /**
   * Origin under which clients know this server, such as `https://api.example.com`; path and query are
   * the request's. Needed unless `resolveUrl` is given. @default {undefined}
   */
  readonly origin?: string | URL;
  /**
   * Tells the URL that the client asked for, where that is not `origin` with the request's path: several
   * origins, a proxy that rewrites paths, forward-auth. It must trust no header that a client can set.
   * Neither the request's own path nor the one of the answer may have dot segments or backslashes.
   * @default {undefined}
   */
  readonly resolveUrl?: (request: Request) => string | URL | Promise<string | URL>;
  /** Tells the method that the client used, for forward-auth. @default {the request's} */
  readonly resolveMethod?: (request: Request) => string | Promise<string>;
  /** Accepted algorithms, asymmetric ones of JWS. @default {["Ed25519", "ES256"]} */
  readonly algs?: readonly DpopAlg[];
  /**
   * What remembers proofs; with many machines, one that they share. Verifiers that share one need the same
   * `maxAgeSeconds` and `maxFutureSeconds`, as each proof is remembered for the window of the verifier that
   * accepted it. Where the window grows, accept no proofs until the old one has passed.
   * @default {a MemoryReplayStore of 100,000 entries}
   */
  readonly replay?: ReplayStore | "dangerously-off";
  /**
   * How long the replay store, and `nonces` that answer by promise, have to answer, in milliseconds.
   * @default {1000}
   */
  readonly replayTimeoutMs?: number;
  /**
   * How long `validateToken`, `resolveUrl`, `resolveMethod` and `audit` each have to answer, in
   * milliseconds; then the request is refused with 503. @default {10_000}
   */
  readonly timeoutMs?: number;
  /** What issues and checks nonces. @default {undefined} */
  readonly nonces?: DpopNonces;
  /**
   * Whether a proof without a nonce is refused; one with a wrong nonce always is.
   * @default {true with `nonces`}
   */
  readonly requireNonce?: boolean;
  /** How old a proof may be, in seconds. @default {300} */
  readonly maxAgeSeconds?: number;
  /** How far in the future a proof may be, in seconds. @default {60} */
  readonly maxFutureSeconds?: number;
  /** Longest proof that is looked at, in bytes. @default {8192} */
  readonly maxProofBytes?: number;
  /**
   * Where each verification is reported to, before it is answered. A request whose record is refused is
   * refused. @default {nowhere}
   */
  readonly audit?: AuditReporter;
  /** Clock, in milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
}

/** What a resource server's verifier is told. */
export interface DpopResourceServerOptions extends DpopVerifierOptions {
  /** Kind of server. @default {"resource-server"} */
  readonly role?: "resource-server";
  /**
   * Tells what an access token says, `null` for one that is not valid. Errors of `jose` about the token
   * and a thrown `DpopError` refuse the token; anything else that is thrown is a failure of this side.
   */
  readonly validateToken: TokenValidator;
  /** Whether tokens that are bound to no key are accepted as Bearer. @default {false} */
  readonly allowBearer?: boolean;
  /** Longest access token that is looked at, in bytes. @default {16384} */
  readonly maxTokenBytes?: number;
  /** Name of the protection space in challenges. @default {undefined} */
  readonly realm?: string;
}

/** What an authorization server's verifier is told. */
export interface DpopAuthorizationServerOptions extends DpopVerifierOptions {
  /** Kind of server. */
  readonly role: "authorization-server";
}

/** {@linkcode DpopVerifierOptions} as they were read: checked, copied and complete. */
export interface VerifierSettings {
  readonly role: "resource-server" | "authorization-server";
  readonly origin: string | undefined;
  readonly resolveUrl: DpopVerifierOptions["resolveUrl"];
  readonly resolveMethod: DpopVerifierOptions["resolveMethod"];
  readonly algs: readonly DpopAlg[];
  readonly algSet: ReadonlySet<DpopAlg>;
  readonly replay: ReplayStore | undefined;
  readonly replayTimeoutMs: number;
  readonly timeoutMs: number;
  readonly nonces: DpopNonces | undefined;
  readonly requireNonce: boolean;
  readonly maxAgeSeconds: number;
  readonly maxFutureSeconds: number;
  readonly maxProofBytes: number;
  readonly audit: AuditReporter | undefined;
  readonly now: () => number;
}

/** {@linkcode DpopResourceServerOptions} as they were read. */
export interface ResourceServerSettings extends VerifierSettings {
  readonly validateToken: TokenValidator;
  readonly allowBearer: boolean;
  readonly maxTokenBytes: number;
  readonly realm: string | undefined;
}

const COMMON: readonly (keyof DpopVerifierOptions)[] = [
  "origin",
  "resolveUrl",
  "resolveMethod",
  "algs",
  "replay",
  "replayTimeoutMs",
  "timeoutMs",
  "nonces",
  "requireNonce",
  "maxAgeSeconds",
  "maxFutureSeconds",
  "maxProofBytes",
  "audit",
  "now",
];

const OF_RESOURCE_SERVERS: readonly (keyof DpopResourceServerOptions)[] = [
  "validateToken",
  "allowBearer",
  "maxTokenBytes",
  "realm",
];

const PURPOSE = "create a DPoP verifier";

/** What a mistake in the options is thrown as. */
function wrong(name: string, must: string, value: unknown): TypeError {
  return wrongOption(PURPOSE, name, must, value);
}

/**
 * Reads what verifiers of both kinds are told.
 *
 * @param options The options as they were given.
 * @returns The settings.
 * @throws {TypeError} If an option is unknown, missing or of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function readVerifierOptions(
  options: DpopResourceServerOptions | DpopAuthorizationServerOptions,
): VerifierSettings {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  const { role = "resource-server", nonces, audit, resolveUrl, resolveMethod } = options;
  if (role !== "resource-server" && role !== "authorization-server") {
    throw wrong("role", '"resource-server" or "authorization-server"', role);
  }
  // A misspelt restriction would be none at all, and nobody would notice.
  const known = role === "resource-server" ? [...COMMON, ...OF_RESOURCE_SERVERS] : COMMON;
  for (const name of Object.keys(options)) {
    if (name !== "role" && !known.some((one) => one === name)) {
      throw new TypeError(`Cannot create a DPoP verifier: '${name}' is not an option of a ${role}`);
    }
  }
  const now = functionOr("now", options.now) ?? Date.now;
  if (nonces !== undefined && !(hasMethod(nonces, "issue") && hasMethod(nonces, "check"))) {
    throw wrong("nonces", "an object with functions 'issue' and 'check'", nonces);
  }
  const requireNonce = booleanOr("requireNonce", options.requireNonce, nonces !== undefined);
  if (requireNonce && nonces === undefined) {
    throw wrong("requireNonce", "false without 'nonces'", requireNonce);
  }
  if (audit !== undefined && !hasMethod(audit, "report")) {
    throw wrong("audit", "an object with a function 'report'", audit);
  }
  const { replay = new MemoryReplayStore({ capacity: 100_000, now }) } = options;
  if (replay !== "dangerously-off" && !hasMethod(replay, "add")) {
    throw wrong("replay", 'a ReplayStore or "dangerously-off"', replay);
  }
  const algSet = readAlgs(options.algs ?? DEFAULT_ALGS, "create a DPoP verifier");
  return {
    role,
    origin: readOrigin(options),
    resolveUrl: functionOr("resolveUrl", resolveUrl),
    resolveMethod: functionOr("resolveMethod", resolveMethod),
    algs: Object.freeze([...algSet]),
    algSet,
    replay: replay === "dangerously-off" ? undefined : replay,
    replayTimeoutMs: integerOr("replayTimeoutMs", options.replayTimeoutMs, 1000, 1, MAX_TIMEOUT_MS),
    timeoutMs: integerOr("timeoutMs", options.timeoutMs, 10_000, 1, MAX_TIMEOUT_MS),
    nonces,
    requireNonce,
    maxAgeSeconds: integerOr("maxAgeSeconds", options.maxAgeSeconds, 300, 1),
    maxFutureSeconds: integerOr("maxFutureSeconds", options.maxFutureSeconds, 60, 0),
    maxProofBytes: integerOr("maxProofBytes", options.maxProofBytes, 8192, 1),
    audit,
    now,
  };
}

/**
 * Reads what a resource server's verifier is told.
 *
 * @param options The options as they were given.
 * @returns The settings.
 * @throws {TypeError} If an option is unknown, missing or of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function readResourceServerOptions(
  options: DpopResourceServerOptions,
): ResourceServerSettings {
  const settings = readVerifierOptions(options);
  const validateToken = functionOr("validateToken", options.validateToken);
  if (validateToken === undefined) throw wrong("validateToken", "a function", undefined);
  const { realm } = options;
  // It stands between quotation marks in a header.
  if (
    realm !== undefined &&
    !(typeof realm === "string" && /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(realm))
  ) {
    throw wrong("realm", "printable ASCII without quotation marks and backslashes", realm);
  }
  return {
    ...settings,
    validateToken,
    allowBearer: booleanOr("allowBearer", options.allowBearer, false),
    maxTokenBytes: integerOr("maxTokenBytes", options.maxTokenBytes, 16_384, 1),
    realm,
  };
}

function readOrigin({ origin, resolveUrl }: DpopVerifierOptions): string | undefined {
  if (origin === undefined) {
    if (resolveUrl !== undefined) return undefined;
    // The alternative would be to believe the Host header, which is the client's to choose.
    throw new TypeError("Cannot create a DPoP verifier: it needs 'origin' or 'resolveUrl'");
  }
  if (resolveUrl !== undefined) {
    throw new TypeError(
      "Cannot create a DPoP verifier: 'origin' and 'resolveUrl' exclude each other",
    );
  }
  const must = "a scheme and an authority, such as https://api.example.com";
  const text = origin instanceof URL ? origin.href : origin;
  if (typeof text !== "string" || !/^https?:\/\/[^\s/?#@\\]+\/?$/i.test(text)) {
    throw wrong("origin", must, origin);
  }
  try {
    return new URL(text).origin;
  } catch {
    throw wrong("origin", must, origin);
  }
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[name] === "function";
}

function functionOr<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === "function") return value;
  throw wrong(name, "a function", value);
}

function booleanOr(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw wrong(name, "a boolean", value);
  return value;
}

function integerOr(
  name: string,
  value: unknown,
  otherwise: number,
  least: number,
  most?: number,
): number {
  return integerOption(PURPOSE, name, value, {
    otherwise,
    least,
    ...(most !== undefined && { most }),
  });
}
