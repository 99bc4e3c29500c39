/** Base64url without padding (RFC 4648, section 5; RFC 7515, appendix C). */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Value of each character, 255 for those outside of the alphabet. */
const VALUES = new Uint8Array(128).fill(255);
for (let at = 0; at < ALPHABET.length; at++) VALUES[ALPHABET.charCodeAt(at)] = at;

/**
 * Encodes bytes.
 *
 * @param bytes What to encode.
 * @returns The text, without padding.
 */
export function encodeBase64Url(bytes: Uint8Array): string {
  return typeof bytes.toBase64 === "function"
    ? bytes.toBase64({ alphabet: "base64url", omitPadding: true })
    : portableEncode(bytes);
}

/** The same where the runtime does not have it; it has been in ECMAScript since 2026. */
export function portableEncode(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const group = (bytes[at] ?? 0) << 16 | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0);
    text += ALPHABET[group >> 18 & 63] ?? "";
    text += ALPHABET[group >> 12 & 63] ?? "";
    if (left > 1) text += ALPHABET[group >> 6 & 63] ?? "";
    if (left > 2) text += ALPHABET[group & 63] ?? "";
  }
  return text;
}

/** Value of the character at an index: at least 64 outside of the alphabet. */
function valueAt(text: string, at: number): number {
  return VALUES[text.charCodeAt(at)] ?? 255;
}

/**
 * Decodes text, and accepts one spelling only: no padding, no white space, no stray bits at the end.
 *
 * @param text What to decode.
 * @returns The bytes, or `undefined` when the text is not their one encoding.
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const tail = text.length % 4;
  if (tail === 1) return undefined;
  const bytes = new Uint8Array(text.length * 3 >> 2);
  const end = text.length - tail;
  let seen = 0;
  let to = 0;
  // Four characters at a time, as the signature of every proof goes through here.
  for (let from = 0; from < end; from += 4) {
    const a = valueAt(text, from);
    const b = valueAt(text, from + 1);
    const c = valueAt(text, from + 2);
    const d = valueAt(text, from + 3);
    seen |= a | b | c | d;
    bytes[to++] = a << 2 | b >> 4;
    bytes[to++] = b << 4 | c >> 2;
    bytes[to++] = c << 6 | d;
  }
  if (tail > 0) {
    const a = valueAt(text, end);
    const b = valueAt(text, end + 1);
    const c = tail === 3 ? valueAt(text, end + 2) : 0;
    seen |= a | b | c;
    bytes[to++] = a << 2 | b >> 4;
    if (tail === 3) bytes[to++] = b << 4 | c >> 2;
    if ((tail === 3 ? c & 3 : b & 15) !== 0) return undefined;
  }
  return seen > 63 ? undefined : bytes;
}

const NOT_IN_ALPHABET = /[^A-Za-z0-9_-]/;
const NOT_ASCII = /[^\0-\x7f]/;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes text that encodes UTF-8, as strictly as {@linkcode decodeBase64Url}.
 *
 * @param text What to decode.
 * @returns The text, or `undefined` when that is not its one encoding or no UTF-8.
 */
export function decodeBase64UrlText(text: string): string | undefined {
  if (NOT_IN_ALPHABET.test(text)) return undefined;
  const tail = text.length % 4;
  if (tail === 1) return undefined;
  // atob() is several times as fast as a loop, and overlooks the bits that only this looks at.
  const last = valueAt(text, text.length - 1);
  if (tail === 2 && (last & 15) !== 0 || tail === 3 && (last & 3) !== 0) return undefined;
  const octets = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (!NOT_ASCII.test(octets)) return octets;
  try {
    return decoder.decode(Uint8Array.from(octets, (octet) => octet.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
