import { SecurityError, type SecurityErrorCode } from "../errors.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import { parseCarefully } from "../_internal/json_careful.ts";
import { countMembers, hasProtoMember, scanJson } from "./_json_scan.ts";
import { findInvalid } from "./_json_position.ts";
import { maxBytesOption, tooLarge } from "./_pull.ts";
import { type BodyCarrier, readBounded, type ReadBoundedOptions } from "./read_bounded.ts";

/** Options of {@linkcode parseJson}. */
export interface ParseJsonOptions {
  /** Most bytes of UTF-8. */
  readonly maxBytes: number;
  /** How deep objects and arrays may lie in each other, from 0 to 1000. @default {64} */
  readonly maxDepth?: number;
  /** How many strings and signs of `{`, `[`, `,` and `:` there may be. @default {100_000} */
  readonly maxTokens?: number;
  /**
   * - `strict`: a name that an object has twice is refused, however it is escaped, and so is the name `__proto__`,
   *   which changes the prototype of whatever it is copied to.
   * - `last`: of members with one name the last one counts, as with `JSON.parse`.
   * @default {"strict"}
   */
  readonly keys?: "strict" | "last";
}

/** Options of {@linkcode parseJsonBounded}. */
export interface ParseJsonBoundedOptions extends ParseJsonOptions, ReadBoundedOptions {}

const PURPOSE = "parse JSON";
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses JSON that somebody else has written: with a scan beforehand that finds what would be too large, too deep
 * or too much, in one pass, so that nothing of it is ever parsed.
 *
 * `JSON.parse` takes five million brackets, but what works on its result then overflows the stack; it blocks for
 * seconds on a million members; and of two members with one name it silently takes the last, where another parser
 * on the way took the first. That of V8 15 even mistakes escaped names for others that it has seen before. Bytes have to be UTF-8, without a byte order mark.
 *
 * @example
 * ```ts
 * import { parseJsonText, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(parseJsonText('{"role":"user"}', { maxBytes: 1000 }), { role: "user" });
 *
 * const twice = '{"role":"user","role":"admin"}';
 * const error = assertThrows(() => parseJsonText(twice, { maxBytes: 1000 }), SecurityError);
 * assertEquals([error.code, error.details.position], ["json-duplicate-key", 15]);
 * ```
 *
 * @param input The text, or its bytes.
 * @param options The limits.
 * @returns The value; nothing is known of its form.
 * @throws {SecurityError} `too-large`, `json-too-deep`, `json-too-many-tokens`, `json-duplicate-key` or
 * `json-invalid`, with the `position` in its details where there is one: an index in the text.
 * @throws {TypeError} If the input or an option is of the wrong type.
 * @throws {RangeError} If an option is out of range.
 */
export function parseJsonText(input: string | Uint8Array, options: ParseJsonOptions): unknown {
  const maxBytes = maxBytesOption(PURPOSE, options.maxBytes);
  const maxDepth = integerOption(PURPOSE, "maxDepth", options.maxDepth, {
    otherwise: 64,
    least: 0,
    most: 1000,
  });
  const maxTokens = integerOption(PURPOSE, "maxTokens", options.maxTokens, {
    otherwise: 100_000,
    least: 1,
  });
  const { keys = "strict" } = options;
  if (keys !== "strict" && keys !== "last") {
    throw wrongOption(PURPOSE, "keys", '"strict" or "last"', keys);
  }
  const text = textOf(input, maxBytes);
  const scan = scanJson(text, maxDepth, maxTokens);
  if (scan.problem === "depth") {
    throw refusal("json-too-deep", `The JSON is deeper than ${maxDepth}`, scan.position);
  }
  if (scan.problem === "tokens") {
    throw refusal(
      "json-too-many-tokens",
      `The JSON has more than ${maxTokens} tokens`,
      scan.position,
    );
  }
  if (scan.problem !== undefined) throw invalid(findInvalid(text));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(findInvalid(text), cause);
  }
  let duplicate = -1;
  // Of members with one name JSON.parse has kept one, and so there are less than colons.
  if (scan.hasEscapedName || keys === "strict" && countMembers(value) !== scan.members) {
    ({ value, duplicate } = parseCarefully(text));
  }
  if (keys === "last") return value;
  if (duplicate >= 0) {
    throw refusal("json-duplicate-key", "The JSON has a name twice in one object", duplicate);
  }
  // A name is only hidden from the first search by an escape.
  if ((scan.hasEscapedName || text.includes("__proto__")) && hasProtoMember(value)) {
    throw refusal("json-invalid", "The JSON has a name that is not allowed", undefined);
  }
  return value;
}

/**
 * Reads a body or stream within limits of size and time, and parses it as {@linkcode parseJsonText} does.
 *
 * @example
 * ```ts
 * import { parseJsonBounded } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const request = new Request("http://localhost/", { method: "POST", body: "[1,2]" });
 * assertEquals(await parseJsonBounded(request, { maxBytes: 64 * 1024 }), [1, 2]);
 * ```
 *
 * @param source The text, its bytes, a stream of them, or the request or response with the body.
 * @param options The limits.
 * @returns The value; nothing is known of its form.
 * @throws {SecurityError} What {@linkcode parseJsonText} throws, and `timeout`.
 * @throws {TypeError} If the source or an option is of the wrong type.
 * @throws {RangeError} If an option is out of range.
 * @throws The reason of the signal; whatever the stream fails with.
 */
export async function parseJsonBounded(
  source: string | Uint8Array | ReadableStream<Uint8Array> | BodyCarrier,
  options: ParseJsonBoundedOptions,
): Promise<unknown> {
  options.signal?.throwIfAborted();
  if (typeof source === "string" || source instanceof Uint8Array) {
    return parseJsonText(source, options);
  }
  return parseJsonText(await readBounded(source, options), options);
}

function textOf(input: string | Uint8Array, maxBytes: number): string {
  if (typeof input === "string") {
    if (input.length > maxBytes || input.length * 3 > maxBytes && utf8Length(input) > maxBytes) {
      throw tooLarge(maxBytes);
    }
    return input;
  }
  if (!(input instanceof Uint8Array)) {
    throw wrongOption(PURPOSE, "input", "a string or a Uint8Array", input);
  }
  if (input.length > maxBytes) throw tooLarge(maxBytes);
  try {
    return decoder.decode(input);
  } catch (cause) {
    throw invalid(undefined, cause);
  }
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Both halves of a pair count two.
    if (code > 0x7f) length += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return length;
}

function invalid(position: number | undefined, cause?: unknown): SecurityError {
  return refusal("json-invalid", "The input is no JSON", position, cause);
}

function refusal(
  code: SecurityErrorCode,
  message: string,
  position: number | undefined,
  cause?: unknown,
): SecurityError {
  return new SecurityError(code, message, {
    details: position === undefined ? {} : { position },
    cause,
  });
}
