/**
 * Private keys, and the list of them, as they may be written down: encrypted and authenticated.
 *
 * AES-256-GCM with a key derived for this purpose alone (HKDF, RFC 5869), a random 96-bit IV, and a name
 * in the associated data, so that what is sealed for one name opens under no other.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { algParameters } from "./_algs.ts";
import type { DpopAlg } from "./dpop_alg.ts";

/** Times that are sealed with a key: whoever can write to the store must not be able to prolong its life. */
export interface SealedTimes {
  readonly createdAtMs: number;
  readonly signsFromMs: number;
  readonly retiresAtMs: number;
  readonly deletesAtMs: number;
}

/** What the associated data says. */
export interface SealedName {
  /** Thumbprint of the key. */
  readonly jkt: string;
  /** Its algorithm. */
  readonly alg: DpopAlg;
  /** Where it is stored. */
  readonly place: readonly string[];
}

/** A key that was opened. */
export interface OpenedKey extends SealedTimes {
  /** The private key in PKCS #8; to be overwritten after use. */
  readonly pkcs8: Uint8Array<ArrayBuffer>;
}

type Bytes = Uint8Array<ArrayBuffer>;

const MIN_SECRET_BYTES = 32;
const IV_BYTES = 12;
const TIMES = ["createdAtMs", "signsFromMs", "retiresAtMs", "deletesAtMs"] as const;
const TIMES_BYTES = TIMES.length * 8;
const PURPOSE = "bartizan dpop key store v1";

/** Seals with the first of its secrets, and opens with any. */
export class KeySealer {
  readonly #secrets: readonly Bytes[];
  #keys: Promise<readonly CryptoKey[]> | undefined;

  /**
   * Takes the secrets.
   *
   * @param secrets At least 32 bytes each, the current one first.
   * @throws {TypeError} If there is none, or one is no `Uint8Array`.
   * @throws {RangeError} If one is too short.
   */
  constructor(secrets: readonly Uint8Array[]) {
    if (!Array.isArray(secrets) || secrets.length === 0) {
      throw new TypeError("Cannot seal keys as 'sealKeys' must hold at least one secret");
    }
    // Copied, as the caller may overwrite theirs.
    this.#secrets = secrets.map((secret: unknown) => {
      if (!(secret instanceof Uint8Array)) {
        throw new TypeError("Cannot seal keys as each of 'sealKeys' must be a Uint8Array");
      }
      if (secret.length >= MIN_SECRET_BYTES) return new Uint8Array(secret);
      throw new RangeError(
        `Cannot seal keys as each of 'sealKeys' must have at least ${MIN_SECRET_BYTES} bytes: ` +
          `current length is ${secret.length}`,
      );
    });
  }

  /**
   * Seals a private key.
   *
   * @param pkcs8 The key in PKCS #8.
   * @param times Its times.
   * @param name Its name.
   * @returns IV and ciphertext.
   */
  async seal(pkcs8: Bytes, times: SealedTimes, name: SealedName): Promise<Bytes> {
    const plain = new Uint8Array(TIMES_BYTES + pkcs8.length);
    const view = new DataView(plain.buffer);
    TIMES.forEach((member, at) => view.setFloat64(at * 8, times[member]));
    plain.set(pkcs8, TIMES_BYTES);
    const bytes = await this.#encrypt(plain, associated(name));
    plain.fill(0);
    return bytes;
  }

  /**
   * Opens a sealed key.
   *
   * @param bytes IV and ciphertext.
   * @param name The name that it must have.
   * @returns The key and its times.
   * @throws {SecurityError} `key-invalid` if it was changed, is another key, or none of the secrets sealed
   * it; which of these, cannot be told.
   */
  async open(bytes: Uint8Array, name: SealedName): Promise<OpenedKey> {
    const plain = await this.#decrypt(bytes, associated(name));
    const view = new DataView(plain.buffer);
    const time = (at: number) => view.getFloat64(at * 8);
    const pkcs8 = plain.slice(TIMES_BYTES);
    plain.fill(0, TIMES_BYTES);
    return {
      createdAtMs: time(0),
      signsFromMs: time(1),
      retiresAtMs: time(2),
      deletesAtMs: time(3),
      pkcs8,
    };
  }

  /**
   * Seals a text.
   *
   * @param text The text.
   * @param place Where it is stored.
   * @returns IV and ciphertext.
   */
  sealText(text: string, place: readonly string[]): Promise<Bytes> {
    return this.#encrypt(new TextEncoder().encode(text), associatedText(place));
  }

  /**
   * Opens a sealed text.
   *
   * @param bytes IV and ciphertext.
   * @param place Where it must have been stored.
   * @returns The text.
   * @throws {SecurityError} `key-invalid` if it was changed, moved, or none of the secrets sealed it.
   */
  async openText(bytes: Uint8Array, place: readonly string[]): Promise<string> {
    return new TextDecoder().decode(await this.#decrypt(bytes, associatedText(place)));
  }

  async #encrypt(plain: Bytes, additionalData: Bytes): Promise<Bytes> {
    const [key] = await this.#derived();
    if (key === undefined) throw invalid();
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const params = { name: "AES-GCM", iv, additionalData };
    const sealed = new Uint8Array(await crypto.subtle.encrypt(params, key, plain));
    const bytes = new Uint8Array(IV_BYTES + sealed.length);
    bytes.set(iv);
    bytes.set(sealed, IV_BYTES);
    return bytes;
  }

  async #decrypt(bytes: Uint8Array, additionalData: Bytes): Promise<Bytes> {
    const iv = new Uint8Array(bytes.subarray(0, IV_BYTES));
    const sealed = new Uint8Array(bytes.subarray(IV_BYTES));
    const params = { name: "AES-GCM", iv, additionalData };
    for (const key of await this.#derived()) {
      try {
        return new Uint8Array(await crypto.subtle.decrypt(params, key, sealed));
      } catch {
        // The next secret may open it.
      }
    }
    throw invalid();
  }

  #derived(): Promise<readonly CryptoKey[]> {
    return this.#keys ??= Promise.all(this.#secrets.map(derive));
  }
}

/**
 * Imports a private key that cannot be taken out again.
 *
 * @param pkcs8 The key in PKCS #8; overwritten.
 * @param alg Its algorithm.
 * @returns The key.
 * @throws {SecurityError} `key-invalid` if it is none of that algorithm.
 */
export async function importPrivateKey(pkcs8: Bytes, alg: DpopAlg): Promise<CryptoKey> {
  try {
    const { keyParameters } = algParameters(alg);
    return await crypto.subtle.importKey("pkcs8", pkcs8, keyParameters, false, ["sign"]);
  } catch (cause) {
    throw new SecurityError("key-invalid", "A stored key is not valid", { cause });
  } finally {
    pkcs8.fill(0);
  }
}

async function derive(secret: Bytes): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  return await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(PURPOSE) },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

/** JSON tells the parts apart: no two names have the same. */
function associated({ jkt, alg, place }: SealedName): Bytes {
  return new TextEncoder().encode(JSON.stringify([jkt, alg, ...place]));
}

/** A list where keys have a string: nothing that was sealed as one opens as the other. */
function associatedText(place: readonly string[]): Bytes {
  return new TextEncoder().encode(JSON.stringify([[...place]]));
}

function invalid(): SecurityError {
  return new SecurityError("key-invalid", "A stored key was changed, or sealed by another secret");
}
