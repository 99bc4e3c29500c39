import { type AuditLogSigner, createVerifierKey } from "./signed_note.ts";

/** A key to sign with, and what others verify with. */
export interface AuditLogKeys {
  /** Signs checkpoints. */
  readonly signer: AuditLogSigner;
  /** What verifiers take: public. */
  readonly verifierKey: string;
  /** The private key; extractable, so that it can be stored. */
  readonly privateKey: CryptoKey;
}

/** Options of {@linkcode createAuditLogSigner}. */
export interface AuditLogSignerOptions {
  /** Name of the key, such as the name of the host: no white space and no `+`. */
  readonly name: string;
  /** An Ed25519 key of Web Crypto for signing. */
  readonly privateKey: CryptoKey;
  /** The public key: 32 bytes. One of another private key lets every `signNote` fail. */
  readonly publicKey: Uint8Array;
}

/**
 * Makes an Ed25519 key for checkpoints of audit logs.
 *
 * @example Make a key once, and keep it
 * ```ts
 * import { generateAuditLogKeys } from "@bartizan/security";
 * import { assertMatch } from "@std/assert";
 *
 * const { verifierKey, privateKey } = await generateAuditLogKeys("app-1.example.com");
 * const pkcs8 = await crypto.subtle.exportKey("pkcs8", privateKey);
 * assertMatch(verifierKey, /^app-1\.example\.com\+/);
 * ```
 *
 * @param name Name of the key, such as the name of the host: no white space and no `+`.
 * @returns The key.
 * @throws {TypeError} If the name is none.
 */
export async function generateAuditLogKeys(name: string): Promise<AuditLogKeys> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    "Ed25519",
    true,
    ["sign", "verify"],
  ) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const signer = createAuditLogSigner({ name, privateKey, publicKey: raw });
  return { signer, verifierKey: createVerifierKey(name, raw), privateKey };
}

/**
 * Signs with a key of Web Crypto. A key that a service keeps to itself needs no more than an object of the
 * form of {@linkcode AuditLogSigner}.
 *
 * @example
 * ```ts
 * import { createAuditLogSigner, createVerifierKey } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKey, publicKey } = await crypto.subtle.generateKey("Ed25519", false, [
 *   "sign",
 *   "verify",
 * ]) as CryptoKeyPair;
 * const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
 * const signer = createAuditLogSigner({ name: "app-1", privateKey, publicKey: raw });
 * assertEquals((await signer.sign(new Uint8Array(1))).length, 64);
 * ```
 *
 * @param options The key and its name.
 * @returns The signer.
 * @throws {TypeError} If the name is none, or a key is not of Ed25519.
 */
export function createAuditLogSigner(
  { name, privateKey, publicKey }: AuditLogSignerOptions,
): AuditLogSigner {
  createVerifierKey(name, publicKey);
  if (privateKey?.algorithm?.name !== "Ed25519" || !privateKey.usages.includes("sign")) {
    throw new TypeError("Cannot create a signer: 'privateKey' must be an Ed25519 key for signing");
  }
  return Object.freeze({
    name,
    publicKey: publicKey.slice(),
    async sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
      return new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, message));
    },
  });
}
