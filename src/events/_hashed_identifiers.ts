import { encodeBase64Url } from "../_internal/base64url.ts";
import { Lru } from "../_internal/lru.ts";
import { wrongOption } from "../_internal/options.ts";
import { hmacSha256 } from "../_internal/sha256.ts";
import type { EventDraft } from "./_event_maker.ts";

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
 * and two keys give hashes that cannot be told to be of one person.
 */
export class HashedIdentifiers {
  readonly #key: Uint8Array;
  readonly #keyId: string;
  readonly #principal: boolean;
  readonly #source: boolean;
  readonly #encoder = new TextEncoder();
  readonly #cache = new Lru<string, string>(CACHED);

  constructor(options: HashIdentifiersOptions) {
    const { key, keyId, fields = ["principal", "source"] } = options;
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
    this.#principal = fields.includes("principal");
    this.#source = fields.includes("source");
  }

  /** Hashes the identifiers of an event that nobody has seen yet. */
  apply(event: EventDraft): void {
    const { principal, source } = event;
    if (this.#principal && principal !== undefined) event.principal = this.#hash(principal);
    if (this.#source && source !== undefined) {
      // Without its port, which tells one client of a shared address from another.
      event.source = Object.freeze({
        address: this.#hash(source.address),
        confidence: source.confidence,
      });
    }
    event.hashKeyId = this.#keyId;
  }

  #hash(identifier: string): string {
    const known = this.#cache.get(identifier);
    if (known !== undefined) return known;
    const code = hmacSha256(this.#key, this.#encoder.encode(identifier)).subarray(0, HASH_BYTES);
    const hash = `hmac:${this.#keyId}:${encodeBase64Url(code)}`;
    if (identifier.length <= MAX_CACHED_LENGTH) this.#cache.set(identifier, hash);
    return hash;
  }
}
