/** Longer identifiers are told apart by their length only: a hash of megabytes takes seconds. */
const MAX_LENGTH = 16_384;
const encoder = new TextEncoder();

/**
 * The bytes that are hashed for an identifier: two that differ, or are of different fields, have different ones.
 *
 * @param field What it identifies.
 * @param value The identifier.
 * @returns The bytes.
 */
export function identifierBytes(field: string, value: string): Uint8Array {
  const rest = value.length - MAX_LENGTH;
  const kept = rest > 0 ? `${value.slice(0, MAX_LENGTH)}…[+${rest}]` : value;
  // UTF-8 makes one character of all lone surrogates.
  return encoder.encode(
    kept.isWellFormed() ? `${field}\0${kept}` : `${field}\0\0${JSON.stringify(kept)}`,
  );
}
