/**
 * What `printable` shows as an escape and JSON allows to stand in a string as it is: DEL, C1,
 * bidirectional controls, zero-width characters and line separators. `JSON.stringify` itself
 * escapes C0 and lone surrogates.
 */
const RAW = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * JSON with a newline at its end that is safe to show in a terminal, and that parses to `value`.
 *
 * A package name with a bidirectional override in it would reorder the line of whoever reads the
 * file. Such characters occur only inside JSON strings, so escaping them leaves every value as it is.
 */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return text.replace(RAW, (character) => `\\u${hex(character.charCodeAt(0))}`) + "\n";
}

function hex(code: number): string {
  return code.toString(16).padStart(4, "0");
}
