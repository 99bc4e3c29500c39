import { SecurityError } from "../../errors.ts";
import { type LineIndex, printable } from "../_text.ts";

/** Versions of the format that this module reads. */
const VERSIONS = ["1", "2", "3", "4", "5"] as const;

/** A version of the format. */
export type LockfileVersion = (typeof VERSIONS)[number];

/** An object of JSON.parse: every key is its own, `__proto__` too. Read fields with `field`. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A field of an object, but never one of its prototype. */
export function field(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

const EMPTY: JsonObject = {};

/** Reads values by their expected type, and says where one is of another. */
export class LockReader {
  readonly #path: string;
  readonly #offsets: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly #lines: () => LineIndex;

  constructor(
    path: string,
    offsets: ReadonlyMap<string, ReadonlyMap<string, number>>,
    lines: () => LineIndex,
  ) {
    this.#path = path;
    this.#offsets = offsets;
    this.#lines = lines;
  }

  json(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      const message = (error as SyntaxError).message;
      const offset = Number(message.match(/ at position (\d+)/)?.[1] ?? text.length);
      const { line, column } = this.#lines().at(offset);
      // The engine quotes the text around the error, which may hold anything.
      const expectation = message.replace(/ at position .*/s, "").replace(/, ".*/s, "");
      throw unreadable(this.#path, line, column, `expected JSON: ${expectation}`);
    }
  }

  /** Offset of a key; of the nearest object around it that has one, below the recorded depth. */
  offset(path: readonly string[], key: string): number {
    for (const names = [...path, key]; names.length > 0; names.pop()) {
      const found = this.#offsets.get(["", ...names.slice(0, -1)].join("\0"))?.get(names.at(-1)!);
      if (found !== undefined) return found;
    }
    return 0;
  }

  error(path: readonly string[], key: string, expectation: string): SecurityError {
    const { line, column } = this.#lines().at(this.offset(path, key));
    return unreadable(this.#path, line, column, `${printable(key, 200)}: ${expectation}`);
  }

  version(root: JsonObject): LockfileVersion {
    const value = field(root, "version");
    // Version 1 was the bare map of remote modules.
    if (value === undefined) return "1";
    const version = VERSIONS.find((known) => known === value);
    if (version !== undefined) return version;
    const { line } = this.#lines().at(this.offset([], "version"));
    const shown = printable(JSON.stringify(value), 40);
    throw new SecurityError(
      "lockfile-version-unknown",
      `${this.#path}:${line}: expected a version from "1" to "5", found ${shown}`,
      { details: { line, version: shown } },
    );
  }

  /** An object, or an empty one when the value is absent. */
  object(value: unknown, path: readonly string[]): JsonObject {
    if (value === undefined) return EMPTY;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.error(path.slice(0, -1), path.at(-1) ?? "the file", "expected an object");
    }
    return value as JsonObject;
  }

  /** The entries of an object whose values are strings. */
  strings(
    object: JsonObject,
    path: readonly string[],
  ): Map<string, string> {
    const strings = new Map<string, string>();
    for (const [key, value] of Object.entries(object)) {
      if (typeof value !== "string") throw this.error(path, key, "expected a string");
      strings.set(key, value);
    }
    return strings;
  }

  string(
    object: JsonObject,
    key: string,
    path: readonly string[],
  ): string | undefined {
    const value = field(object, key);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string") throw this.error(path, key, "expected a string");
    // An empty hash or address is none.
    return value === "" ? undefined : value;
  }

  list(
    object: JsonObject,
    key: string,
    path: readonly string[],
  ): readonly string[] {
    const value = field(object, key);
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
      throw this.error(path, key, "expected an array of strings");
    }
    return value;
  }
}

/** The error for a lockfile that is none. */
export function unreadable(path: string, line: number, column: number, why: string): SecurityError {
  return new SecurityError("lockfile-unreadable", `${path}:${line}:${column}: ${why}`, {
    details: { line, column },
  });
}
