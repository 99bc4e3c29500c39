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

/**
 * Decodes text, and accepts one spelling only: no padding, no white space, no stray bits at the end.
 *
 * @param text What to decode.
 * @returns The bytes, or `undefined` when the text is not their one encoding.
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(text.length * 3 >> 2);
  let bits = 0;
  let held = 0;
  let to = 0;
  for (let at = 0; at < text.length; at++) {
    const value = VALUES[text.charCodeAt(at)] ?? 255;
    if (value === 255) return undefined;
    held = (held << 6 | value) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[to++] = held >> bits & 255;
    }
  }
  return (held & (1 << bits) - 1) === 0 ? bytes : undefined;
}
