import { encodeBase64Url } from "../_internal/base64url.ts";
import { formatIp, parseIp } from "../_internal/ip.ts";
import { Lru } from "../_internal/lru.ts";
import { wrongOption } from "../_internal/options.ts";
import { hmacSha256 } from "../_internal/sha256.ts";
import { hashPrefix } from "./_hash_form.ts";
import { identifierBytes } from "./_identifier_bytes.ts";
import { copied } from "./_texts.ts";

/** Options of {@linkcode HashedIdentifiers}. */
export interface HashIdentifiersOptions {
  /** The secret, at least 16 random bytes; whoever has it can test guesses. */
  readonly key: Uint8Array;
  /** Name of the key, recorded beside the hashes: `[A-Za-z0-9._-]{1,64}`. */
  readonly keyId: string;
  /** Which fields are hashed. @default {["principal", "source"]} */
  readonly fields?: readonly ("principal" | "source")[];
}

const PURPOSE = "hash identifiers";
const OPTIONS: ReadonlySet<string> = new Set(["key", "keyId", "fields"]);
const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** 128 bits: no two identifiers share a hash, and a line stays short. */
const HASH_BYTES = 16;
/** A hash takes 10 µs, a look at the cache 0.1 (bench/events_bench.ts). */
const CACHED = 4096;
const MAX_CACHED_LENGTH = 256;

/**
 * Puts keyed hashes in the place of identifiers.
 *
 * A bare hash hides nothing: addresses and user names can all be tried. Without the key that is impossible,
 * and two keys give hashes that cannot be told to be of one person. What is hashed is what was said: in full, before
 * anything is redacted, and after the name of the field.
 */
export class HashedIdentifiers {
  readonly #key: Uint8Array;
  readonly #keyId: string;
  readonly #principals: Lru<string, string> | undefined;
  readonly #addresses: Lru<string, string> | undefined;

  constructor(options: HashIdentifiersOptions) {
    const { key, keyId, fields = ["principal", "source"] } = options;
    for (const name of Object.keys(options)) {
      if (!OPTIONS.has(name)) {
        throw new TypeError(`Cannot ${PURPOSE}: '${name}' is no option of 'hashIdentifiers'`);
      }
    }
    if (!(key instanceof Uint8Array) || key.length < 16) {
      throw wrongOption(PURPOSE, "key", "a Uint8Array of at least 16 bytes", typeof key);
    }
    if (typeof keyId !== "string" || !KEY_ID.test(keyId)) {
      throw wrongOption(PURPOSE, "keyId", "of the form [A-Za-z0-9._-]{1,64}", keyId);
    }
    if (
      !Array.isArray(fields) || fields.length === 0 ||
      !fields.every((field) => field === "principal" || field === "source")
    ) {
      throw wrongOption(PURPOSE, "fields", 'a list of "principal" and "source"', fields);
    }
    this.#key = key.slice();
    this.#keyId = keyId;
    if (fields.includes("principal")) this.#principals = new Lru(CACHED);
    if (fields.includes("source")) this.#addresses = new Lru(CACHED);
  }

  /** Name of the key. */
  get keyId(): string {
    return this.#keyId;
  }

  /** Whether principals are hashed. */
  get hidesPrincipals(): boolean {
    return this.#principals !== undefined;
  }

  /** Whether addresses are hashed. */
  get hidesAddresses(): boolean {
    return this.#addresses !== undefined;
  }

  /** The hash of a principal, as it was said; `undefined` where principals are not hashed. */
  principal(principal: string): string | undefined {
    return this.#principals && this.#hash("principal", principal, this.#principals);
  }

  /** The hash of an address, of which all spellings have the same; `undefined` where sources are not hashed. */
  address(address: string): string | undefined {
    return this.#addresses && this.#hash("source", address, this.#addresses);
  }

  #hash(field: "principal" | "source", identifier: string, cache: Lru<string, string>): string {
    const known = cache.get(identifier);
    if (known !== undefined) return known;
    const ip = field === "source" ? parseIp(identifier) : undefined;
    // The field goes first: who says to be called like an address is not that address.
    const bytes = identifierBytes(field, ip === undefined ? identifier : formatIp(ip.bytes));
    const code = hmacSha256(this.#key, bytes).subarray(0, HASH_BYTES);
    const hash = `${hashPrefix(this.#keyId)}${encodeBase64Url(code)}`;
    if (identifier.length <= MAX_CACHED_LENGTH) cache.set(copied(identifier), hash);
    return hash;
  }
}
