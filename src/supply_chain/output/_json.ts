/**
 * What `printable` shows as an escape and JSON allows to stand in a string as it is. `JSON.stringify`
 * itself escapes C0 and lone surrogates.
 */
const RAW = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/**
 * JSON with a newline at its end that is safe to show in a terminal, and that parses to `value`.
 *
 * A package name with a bidirectional override in it would reorder the line of whoever reads the
 * file. Such characters occur only inside JSON strings, so escaping them leaves every value as it is.
 */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  const escape = (character: string) =>
    Array.from({ length: character.length }, (_, at) => `\\u${hex(character.charCodeAt(at))}`)
      .join("");
  return text.replace(RAW, escape) + "\n";
}

function hex(code: number): string {
  return code.toString(16).padStart(4, "0");
}
