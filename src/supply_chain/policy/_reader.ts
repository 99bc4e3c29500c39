import { LineIndex, printable } from "../_text.ts";
import { didYouMean } from "../_nearest.ts";
import type { Check } from "../report.ts";
import { merge } from "./_defaults.ts";
import type { PolicyNote, PolicyPosition } from "./policy.ts";
import type { Place } from "./_toml_places.ts";

/** More problems than this are counted only. */
export const MAX_SHOWN_PROBLEMS = 20;

/** Something wrong with a file. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** One file of a policy, and what reading it had to say. */
export class PolicySource {
  readonly name: string;
  /** Where errors and notes are collected; files that extend each other share them. */
  readonly problems: Problem[];
  readonly notes: PolicyNote[];
  readonly text: string;
  readonly #lines: LineIndex;
  /** Set in the positions of every file but the policy itself. */
  readonly #file: string | undefined;

  constructor(
    name: string,
    text: string,
    options: { isMain: boolean; problems: Problem[]; notes: PolicyNote[] },
  ) {
    this.name = name;
    this.text = text;
    this.problems = options.problems;
    this.notes = options.notes;
    this.#lines = new LineIndex(text);
    this.#file = options.isMain ? undefined : name;
  }

  position(place: Place): PolicyPosition {
    const at = this.#lines.at(place.offset);
    return this.#file === undefined ? at : { ...at, file: this.#file };
  }
}

/** Reads a value; `undefined` after having said what is wrong with it. */
export type Read<T> = (node: TomlNode) => T | undefined;

/** What each key of a table adds to the result. */
export type Fields<T> = ReadonlyMap<string, Read<T>>;

/** A value of the file, with its name and place. */
export class TomlNode {
  readonly value: unknown;
  /** Dotted, for messages: `bans.deny`. */
  readonly name: string;
  readonly source: PolicySource;
  /** The check that its section belongs to. */
  readonly check: Check;
  readonly #place: Place;

  constructor(value: unknown, name: string, place: Place, source: PolicySource, check: Check) {
    this.value = value;
    this.name = name;
    this.source = source;
    this.check = check;
    this.#place = place;
  }

  get position(): PolicyPosition {
    return this.source.position(this.#place);
  }

  /** The first characters of the value as written. */
  written(length: number): string {
    return this.source.text.slice(this.#place.value, this.#place.value + length);
  }

  /** The same value, in the section of a check. */
  withCheck(check: Check): TomlNode {
    return new TomlNode(this.value, this.name, this.#place, this.source, check);
  }

  /** Reports a problem here. */
  fail(message: string): undefined {
    const { line, column } = this.position;
    this.source.problems.push({ file: this.source.name, line, column, message });
    return undefined;
  }

  /** Reports that the value is of the wrong kind. */
  expected(what: string, hint = ""): undefined {
    const found = this.value instanceof Date
      ? `the date ${this.written(10)}`
      : describe(this.value);
    return this.fail(`${this.name}: expected ${what}, found ${found}${hint}`);
  }

  /** Says something that is no error. */
  note(code: string, message: string, help: string): void {
    this.source.notes.push({
      ...this.position,
      check: this.check,
      severity: "note",
      code,
      message: printable(message),
      help,
      file: this.source.name,
    });
  }

  /** The entries of a table, or `undefined`. */
  entries(): readonly (readonly [key: string, node: TomlNode])[] | undefined {
    const { value } = this;
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value) || value instanceof Date) return undefined;
    return Object.entries(value).map(([key, inner]) => [key, this.#inner(inner, key)] as const);
  }

  /** The elements of an array, or `undefined`. */
  items(): readonly TomlNode[] | undefined {
    if (!Array.isArray(this.value)) return undefined;
    return this.value.map((value: unknown, index) => {
      const place = this.#place.items[index] ?? this.#place;
      return new TomlNode(value, this.name, place, this.source, this.check);
    });
  }

  #inner(value: unknown, key: string): TomlNode {
    const name = this.name === "" ? key : `${this.name}.${key}`;
    const place = this.#place.keys.get(key) ?? this.#place;
    return new TomlNode(value, name, place, this.source, this.check);
  }
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(printable(value, 60));
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a table" : `the ${typeof value} ${String(value)}`;
}

/**
 * A table in which every key must be known.
 *
 * Keys are read in the order of `fields`, not of the file, so that what a policy means never depends
 * on the order of its lines.
 */
export function readTable<T extends object>(node: TomlNode, fields: Fields<T>): T | undefined {
  const entries = node.entries();
  if (entries === undefined) return node.expected("a table");
  for (const [key, inner] of entries) {
    if (fields.has(key)) continue;
    const where = node.name === "" ? "" : ` in ${node.name}`;
    // Beyond what is shown, a file full of nonsense need not be compared with anything.
    const shown = node.source.problems.length < MAX_SHOWN_PROBLEMS;
    inner.fail(`unknown key "${key}"${where}${shown ? didYouMean(key, fields.keys()) : ""}`);
  }
  const byKey = new Map(entries);
  let result = {} as T;
  for (const [key, read] of fields) {
    const inner = byKey.get(key);
    const part = inner && read(inner);
    if (part !== undefined) result = merge(result, part);
  }
  return result;
}

/** How the keys of a table that is read to a `T` set one field each. */
export type Setter<T> = <K extends keyof T>(field: K, read: Read<NonNullable<T[K]>>) => Read<T>;

/** The {@linkcode Setter} of a type. */
export function setterOf<T extends object>(): Setter<T> {
  return (field, read) => (node) => {
    const value = read(node);
    // TypeScript takes an object with a computed key for one with any key.
    return value === undefined ? undefined : { [field]: value } as unknown as T;
  };
}

/** A list whose elements `read` understands. */
export function listOf<T>(read: Read<T>): Read<readonly T[]> {
  return (node) => {
    const items = node.items();
    if (items === undefined) return node.expected("a list");
    const values: T[] = [];
    for (const item of items) {
      const value = read(item);
      if (value !== undefined) values.push(value);
    }
    return values;
  };
}

/** One of a few words. */
export function oneOf<const W extends string>(...words: readonly W[]): Read<W> {
  return (node) => {
    const found = words.find((word) => word === node.value);
    if (found !== undefined) return found;
    const near = typeof node.value === "string" ? didYouMean(node.value, words) : "";
    return node.expected(words.map((word) => `"${word}"`).join(" or "), near);
  };
}

/** A text that is neither empty nor made of more than 2000 characters. */
export function readString(node: TomlNode): string | undefined {
  const { value } = node;
  if (typeof value !== "string") return node.expected("a text");
  if (value.trim() === "") return node.expected("a text that is not empty");
  return value.length > 2000 ? node.fail(`${node.name}: longer than 2000 characters`) : value;
}

export function readBoolean(node: TomlNode): boolean | undefined {
  return typeof node.value === "boolean" ? node.value : node.expected("true or false");
}

/** A text of a given form. */
export function matching(pattern: RegExp, what: string): Read<string> {
  return (node) => {
    if (typeof node.value !== "string") return node.expected(what);
    const text = readString(node);
    return text === undefined || pattern.test(text) ? text : node.expected(what);
  };
}

/**
 * A relative path with `/` that stays inside `whole`: a policy may come from another repository, and
 * files that it names are opened.
 */
export function pathInside(whole: string): Read<string> {
  return (node) => {
    const text = readString(node);
    if (text === undefined) return undefined;
    const isInside = !/[\\:\0]|^\//.test(text) && !text.split("/").includes("..");
    return isInside ? text : node.expected(`a path inside the ${whole}, relative to it`);
  };
}

/** `read`, with a note that the key is of an earlier form. */
export function legacy<T>(read: Read<T>, today: string): Read<T> {
  return (node) => {
    const value = read(node);
    if (value !== undefined) {
      node.note("legacy-key", `${node.name} is an earlier form, which still works`, today);
    }
    return value;
  };
}

/** A key of cargo-deny that means nothing here. */
export function notApplicable(why: string): Read<never> {
  return (node) => {
    node.note(
      "key-not-applicable",
      `${node.name} means nothing in a Deno project: ${why}`,
      "Remove it.",
    );
    return undefined;
  };
}
