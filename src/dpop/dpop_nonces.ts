import { encodeBase64Url } from "../_internal/base64url.ts";
import { equalsInConstantTime, hmacSha256 } from "../_internal/sha256.ts";

/** Options of {@linkcode createDpopNonces}. */
export interface DpopNoncesOptions {
  /**
   * Secrets of at least 32 random bytes each, the current one first: nonces are issued with the first and
   * accepted with any. Every machine of a service needs the same ones.
   */
  readonly secrets: readonly Uint8Array[];
  /** How often the nonce changes, in seconds; each lives for one to two steps. @default {60} */
  readonly stepSeconds?: number;
  /** Clock, in milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
}

/**
 * What issues nonces and knows its own again (RFC 9449, sections 8 and 9).
 *
 * {@linkcode createDpopNonces} answers at once; a service of one's own may answer by promise.
 */
export interface DpopNonces {
  /**
   * The newest nonce.
   *
   * @returns Printable ASCII without white space, `"` and `\\`.
   */
  issue(): string | Promise<string>;

  /**
   * Tells whether a nonce is one of this service and still good. It must not tell by the time it takes.
   *
   * @param nonce What a client sent.
   * @returns Whether it is accepted.
   */
  check(nonce: string): boolean | Promise<boolean>;
}

/** {@linkcode DpopNonces} that answer at once. */
export interface StatelessDpopNonces extends DpopNonces {
  /**
   * The nonce of the present step.
   *
   * @returns 22 characters of base64url.
   */
  issue(): string;

  /**
   * Tells whether a nonce is one of this step, of the one before it or of the one after it.
   *
   * @param nonce What a client sent.
   * @returns Whether it is accepted.
   */
  check(nonce: string): boolean;
}

/** 128 bits of the code: nobody guesses them while the nonce lives. */
const NONCE_BYTES = 16;
const MIN_SECRET_BYTES = 32;
const DOMAIN = "bartizan dpop nonce 1";

/**
 * Makes nonces that need no memory: each is an HMAC-SHA-256 over the number of the time step.
 *
 * The step comes from the clock at every call, so that the nonce also changes while nobody asks.
 * Accepted are those of this step, of the one before it, and of the one after it for a machine whose
 * clock is ahead, made with any of the secrets. To change the secret, put a new one in front and drop the
 * old one two steps later.
 *
 * A nonce limits how long a proof that was made in advance can be used; it does not replace the replay
 * store, for many proofs carry the same one.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-8 | RFC 9449, section 8}
 *
 * @example A nonce is known to every machine that has the secret
 * ```ts
 * import { createDpopNonces } from "@bartizan/security";
 * import { assert, assertFalse } from "@std/assert";
 *
 * const secrets = [crypto.getRandomValues(new Uint8Array(32))];
 * const nonce = createDpopNonces({ secrets }).issue();
 * assert(createDpopNonces({ secrets }).check(nonce));
 *
 * const later = createDpopNonces({ secrets, now: () => Date.now() + 180_000 });
 * assertFalse(later.check(nonce));
 * ```
 *
 * @param options The secrets, the length of a step and the clock.
 * @returns The service. Its methods throw a `RangeError` when the clock gives no time.
 * @throws {TypeError} If a secret is not a `Uint8Array` of at least 32 bytes that differ.
 * @throws {RangeError} If `stepSeconds` is not a positive integer.
 */
export function createDpopNonces(options: DpopNoncesOptions): StatelessDpopNonces {
  const { stepSeconds = 60, now = Date.now } = options;
  const secrets = copySecrets(options.secrets);
  if (!Number.isSafeInteger(stepSeconds) || stepSeconds < 1) {
    throw new RangeError(
      `Cannot make nonces: 'stepSeconds' must be a positive integer: current value is ${stepSeconds}`,
    );
  }
  if (typeof now !== "function") {
    throw new TypeError("Cannot make nonces: 'now' must be a function");
  }

  let step = NaN;
  let newest = "";
  let accepted: readonly string[] = [];

  function nonceOf(secret: Uint8Array, at: number): string {
    const text = new TextEncoder().encode(`${DOMAIN}\0${stepSeconds}\0${at}`);
    return encodeBase64Url(hmacSha256(secret, text).subarray(0, NONCE_BYTES));
  }

  /** Makes the nonces of the present step, unless they were made before. */
  function turn(): void {
    const at = Math.floor(now() / 1000 / stepSeconds);
    if (!Number.isSafeInteger(at)) {
      throw new RangeError("Cannot make nonces: the clock gives no time");
    }
    if (at === step) return;
    accepted = secrets.flatMap((secret) => [at, at - 1, at + 1].map((n) => nonceOf(secret, n)));
    newest = accepted[0] ?? "";
    step = at;
  }

  return Object.freeze({
    issue(): string {
      turn();
      return newest;
    },
    check(nonce: string): boolean {
      turn();
      if (typeof nonce !== "string") return false;
      // All of them, so that the time does not tell which step or secret a guess came close to.
      let found = false;
      for (const one of accepted) found = equalsInConstantTime(one, nonce) || found;
      return found;
    },
  });
}

function copySecrets(secrets: unknown): readonly Uint8Array[] {
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new TypeError("Cannot make nonces: 'secrets' must be a list of at least one secret");
  }
  return secrets.map((secret: unknown) => {
    if (!(secret instanceof Uint8Array) || secret.length < MIN_SECRET_BYTES) {
      throw new TypeError(
        `Cannot make nonces: every one of 'secrets' must be a Uint8Array of at least ${MIN_SECRET_BYTES} bytes`,
      );
    }
    // An array that was never filled is a secret that everybody knows.
    if (secret.every((byte) => byte === 0)) {
      throw new TypeError("Cannot make nonces: every one of 'secrets' must be random bytes");
    }
    return secret.slice();
  });
}
