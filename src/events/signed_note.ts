import { sha256 } from "../_internal/sha256.ts";
import { decodeBase64, encodeBase64 } from "./_hash.ts";

/** Who signs checkpoints: a key of this process, or a service that keeps the key to itself. */
export interface AuditLogSigner {
  /** Name of the key, as it stands in front of the signature: no white space and no `+`. */
  readonly name: string;
  /** The Ed25519 public key: 32 bytes. */
  readonly publicKey: Uint8Array;

  /**
   * Signs.
   *
   * @param message What to sign.
   * @param options `signal` is aborted when nobody waits for the signature any more.
   * @returns The Ed25519 signature: 64 bytes.
   */
  sign(
    message: Uint8Array<ArrayBuffer>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Uint8Array>;
}

/** A note whose signatures were looked at. */
export interface OpenedNote {
  /** The text that was signed, with the line feed at its end. */
  readonly text: string;
  /** Those of the keys that signed it, as they were given. */
  readonly signedBy: readonly string[];
}

const ED25519 = 1;
const SIGNATURE_LINE = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})$/u;
// What the C2SP specification allows in a text: no control character but the line feed.
// deno-lint-ignore no-control-regex -- they are what it looks for.
const CONTROL = /[\0-\x09\x0b-\x1f]/;
const MAX_SIGNATURES = 100;
const encoder = new TextEncoder();

/**
 * Writes a public key as verifiers take it.
 *
 * @see https://c2sp.org/signed-note
 * @example
 * ```ts
 * import { createVerifierKey } from "@bartizan/security";
 * import { assertMatch } from "@std/assert";
 *
 * assertMatch(createVerifierKey("log.example.com", new Uint8Array(32)), /^log\.example\.com\+[0-9a-f]{8}\+/);
 * ```
 *
 * @param name Name of the key.
 * @param publicKey The Ed25519 public key: 32 bytes.
 * @returns `<name>+<key hash in hex>+<base64 of 0x01 and the key>`.
 * @throws {TypeError} If the name is empty or has white space or `+` in it, or the key has not 32 bytes.
 */
export function createVerifierKey(name: string, publicKey: Uint8Array): string {
  checkKey(name, publicKey);
  const key = new Uint8Array([ED25519, ...publicKey]);
  const hash = [...keyHash(name, key)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${name}+${hash}+${encodeBase64(key)}`;
}

/**
 * Signs a text as a C2SP signed note.
 *
 * @see https://c2sp.org/signed-note
 * @example
 * ```ts
 * import { generateAuditLogKeys, openNote, signNote } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");
 * const note = await signNote("All is well.\n", signer);
 * assertEquals((await openNote(note, [verifierKey]))?.signedBy, [verifierKey]);
 * ```
 *
 * @param text The text; it ends with a line feed and has no other control character.
 * @param signer Who signs.
 * @param options `signal` is handed on to the signer.
 * @returns The note.
 * @throws {TypeError} If the text or the signer cannot be part of a note, or the signature does not verify with the
 * public key of the signer.
 */
export async function signNote(
  text: string,
  signer: AuditLogSigner,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string> {
  if (!text.endsWith("\n") || CONTROL.test(text) || !text.isWellFormed()) {
    throw new TypeError(
      "Cannot sign a note: its text must be lines of text, each with a line feed",
    );
  }
  const { name, publicKey } = signer;
  checkKey(name, publicKey);
  const signature = await signer.sign(encoder.encode(text), options);
  if (!(signature instanceof Uint8Array) || signature.length !== 64) {
    throw new TypeError("Cannot sign a note: the signature must have 64 bytes");
  }
  // A key that does not fit would be found out when the notes are needed.
  if (!await verifies(publicKey.slice(), signature.slice(), encoder.encode(text))) {
    throw new TypeError("Cannot sign a note: the signature does not verify with the public key");
  }
  const hash = keyHash(name, new Uint8Array([ED25519, ...publicKey]));
  return `${text}\n\u2014 ${name} ${encodeBase64(new Uint8Array([...hash, ...signature]))}\n`;
}

/**
 * Reads a C2SP signed note, and looks who signed it.
 *
 * Signatures of other keys are passed over, as the specification has it; one that claims to be of a given key
 * and does not hold makes the note invalid.
 *
 * @see https://c2sp.org/signed-note
 * @example
 * ```ts
 * import { openNote } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await openNote("no note", []), undefined);
 * ```
 *
 * @param note The note.
 * @param keys Keys to verify with, as {@linkcode createVerifierKey} writes them.
 * @returns The text and which of the keys signed it, or `undefined` when it is no note or a signature is false.
 * @throws {TypeError} If a key is none.
 */
export async function openNote(
  note: string,
  keys: readonly string[],
): Promise<OpenedNote | undefined> {
  const known = keys.map(readKey);
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n") || CONTROL.test(note) || !note.isWellFormed()) {
    return undefined;
  }
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) return undefined;
  const message = encoder.encode(text);
  const signedBy = new Set<string>();
  for (const line of lines) {
    const [, name, base64 = ""] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = decodeBase64(base64);
    if (name === undefined || name.includes("+") || bytes === undefined || bytes.length < 5) {
      return undefined;
    }
    const hash = bytes.subarray(0, 4);
    const key = known.find((one) => one.name === name && isSame(one.hash, hash));
    if (key === undefined || signedBy.has(key.text)) continue;
    if (!await verifies(key.publicKey, bytes.subarray(4), message)) return undefined;
    signedBy.add(key.text);
  }
  return { text, signedBy: [...signedBy] };
}

interface VerifierKey {
  readonly text: string;
  readonly name: string;
  readonly hash: Uint8Array;
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

function readKey(text: string): VerifierKey {
  const [, name = "", hex, base64 = ""] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? [];
  const key = decodeBase64(base64);
  if (hex !== undefined && key?.[0] === ED25519 && key.length === 33) {
    const publicKey = key.slice(1);
    if (createVerifierKey(name, publicKey) === text) {
      return { text, name, hash: keyHash(name, key), publicKey };
    }
  }
  throw new TypeError(
    "Cannot verify a note: a key must be <name>+<hash>+<base64> with a hash that fits, of Ed25519",
  );
}

function checkKey(name: string, publicKey: Uint8Array): void {
  if (!/^[^\s+\p{Cc}]+$/u.test(name) || !name.isWellFormed()) {
    throw new TypeError(
      "Cannot use a key for notes: 'name' must be a word without white space and '+'",
    );
  }
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== 32) {
    throw new TypeError("Cannot use a key for notes: 'publicKey' must be 32 bytes");
  }
}

function keyHash(name: string, key: Uint8Array): Uint8Array {
  const head = encoder.encode(`${name}\n`);
  const bytes = new Uint8Array(head.length + key.length);
  bytes.set(head);
  bytes.set(key, head.length);
  return sha256(bytes).subarray(0, 4);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, at) => byte === b[at]);
}

async function verifies(
  publicKey: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch {
    return false;
  }
}
