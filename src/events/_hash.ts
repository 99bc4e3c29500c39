/**
 * Hashes as the records of a chain carry them, and base64 in its one spelling.
 *
 * @module
 */

import { sha256 } from "../_internal/sha256.ts";

/**
 * Hashes the UTF-8 of a text.
 *
 * @param text The text; well-formed.
 * @returns SHA-256 in base64.
 */
export function hashText(text: string): string {
  native ??= nativeHash() ?? ((text) => encodeBase64(sha256(text)));
  return native(text);
}

let native: ((text: string) => string) | undefined;

/**
 * What there is of `node:crypto`. Half of the time is in handing over bytes, so that it is asked for text; and
 * for hexadecimal where the engine makes base64 of it, as base64 takes `node:crypto` longer than both
 * (bench/events_file_bench.ts).
 */
function nativeHash(): ((text: string) => string) | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const crypto = process?.getBuiltinModule?.("node:crypto") as Partial<NodeHash> | undefined;
  const { hash, createHash } = crypto ?? {};
  if (hash !== undefined) {
    const bytes = new Uint8Array(32);
    if (typeof bytes.setFromHex !== "function" || typeof bytes.toBase64 !== "function") {
      return (text) => hash("sha256", text, "base64");
    }
    return (text) => {
      bytes.setFromHex(hash("sha256", text, "hex"));
      return bytes.toBase64();
    };
  }
  if (createHash === undefined) return undefined;
  return (text) => createHash("sha256").update(text).digest("base64");
}

interface NodeHash {
  hash(algorithm: string, text: string, encoding: "base64" | "hex"): string;
  createHash(algorithm: string): {
    update(text: string): { digest(encoding: "base64"): string };
  };
}

/**
 * Tells whether something has the form of a hash: base64 of 32 bytes in its one spelling.
 *
 * @param value Anything.
 * @returns Whether it has.
 */
export function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(value);
}

/**
 * Encodes bytes in base64, with padding (RFC 4648, section 4).
 *
 * @param bytes The bytes.
 * @returns The text.
 */
export function encodeBase64(bytes: Uint8Array): string {
  if (typeof bytes.toBase64 === "function") return bytes.toBase64();
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * Decodes base64 with padding, and accepts the one spelling only.
 *
 * @param text What to decode.
 * @returns The bytes, or `undefined`.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (octet) => octet.charCodeAt(0));
    return encodeBase64(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
