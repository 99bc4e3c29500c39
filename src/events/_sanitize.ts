/**
 * Whatever anybody reports, as plain JSON of a bounded size without secrets.
 *
 * @module
 */

import { hmacSha256 } from "../_internal/sha256.ts";
import { identifierBytes } from "./_identifier_bytes.ts";
import { escapeJson } from "./_json_line.ts";
import { REDACTED, SecretShapes } from "./_redact.ts";
import { isSecretHeader, PRIVATE_JWK_MEMBERS, SecretNames } from "./_secret_names.ts";
import { copied, ended } from "./_texts.ts";
import { unusual } from "./_unusual_objects.ts";

/** How much of an event is kept. */
export interface SanitizerLimits {
  readonly maxStringLength: number;
  readonly maxDetailsBytes: number;
  readonly maxDepth: number;
  readonly maxMembers: number;
}

/** Plain JSON, frozen. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** An object of plain JSON. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** What stands in the place of what throws when it is looked at. */
export const UNREADABLE = "[unreadable]";

/** A name of a member, as it is recorded. */
interface Name {
  readonly text: string;
  readonly bytes: number;
  readonly isSecret: boolean;
  readonly isSecretNumber: boolean;
}

const MAX_NAME_LENGTH = 128;
/** Attackers may bring any number of names, so what is known of them is forgotten at once when it is too much. */
const KNOWN_NAMES = 1024;
/** Within a stand-in. */
const MAX_LABEL_LENGTH = 64;
const MAX_BIGINT = 2n ** 128n;
/** What JSON writes as it is, one byte a character. */
const NEEDS_NO_ESCAPE = /^[ !#-[\]-~]*$/;
/** Members of an object that is one secret: what holds it, and what says so. */
const VALUES = ["value", "Value", "VALUE"];
const LABELS = ["name", "key", "header", "field"].flatMap((label) => [
  label,
  `${label[0]?.toUpperCase()}${label.slice(1)}`,
  label.toUpperCase(),
]);
/** 48 bits: enough to tell apart what one log redacts. */
const DIGEST_BYTES = 6;
/** The name of what was left out. */
const MARKER = "…";
/** Braces, room for `"…":"[+9007199254740991]"`, and for a member that turns out to be a secret. */
const CONTAINER_BYTES = 46;
const NO_DETAILS: JsonObject = Object.freeze({});
const NO_ROOM = Symbol("no room");
const encoder = new TextEncoder();

/** Makes events harmless; one for each logger. */
export class Sanitizer {
  readonly #limits: SanitizerLimits;
  readonly #secretNames: SecretNames;
  readonly #shapes: SecretShapes;
  readonly #knownNames = new Map<string, Name>();
  /** What encloses the value at hand: a value that is among it closes a cycle. */
  readonly #path: object[] = [];
  #bytesLeft = 0;
  #redacted = 0;
  #digestKey: Uint8Array | undefined;

  constructor(limits: SanitizerLimits, secretNames: readonly string[]) {
    this.#limits = limits;
    this.#secretNames = new SecretNames(secretNames);
    this.#shapes = new SecretShapes(secretNames);
  }

  /** How many values had a secret in them. */
  get redacted(): number {
    return this.#redacted;
  }

  /** A text of a bounded length, well-formed, without secrets. */
  text(value: string, maxLength: number = this.#limits.maxStringLength): string {
    const isCut = value.length > maxLength;
    // It is cut before anything else looks at it: no input makes this slow.
    const kept = isCut ? value.slice(0, maxLength) : value;
    const redacted = this.#shapes.redact(kept, isCut);
    if (redacted !== kept) this.#redacted++;
    return ended(redacted, maxLength, value.length - kept.length);
  }

  /**
   * Who or what it was, of a bounded length, well-formed, without what is sure to be a secret: what only looks like
   * one by what is before it may be anybody's name. What is changed has a digest, under a key that nobody knows:
   * two that differ do so in the record, too.
   */
  identifier(value: string, maxLength: number = this.#limits.maxStringLength): string {
    const isCut = value.length > maxLength;
    const kept = isCut ? value.slice(0, maxLength) : value;
    return this.#distinct(value, kept, this.#shapes.redactSure(kept, isCut), maxLength);
  }

  /** The same of an address on the web, whose query and user are redacted, too. */
  url(value: string): string {
    const maxLength = this.#limits.maxStringLength;
    const isCut = value.length > maxLength;
    const kept = isCut ? value.slice(0, maxLength) : value;
    return this.#distinct(value, kept, this.#shapes.redactUrl(kept, isCut), maxLength);
  }

  #distinct(value: string, kept: string, redacted: string, maxLength: number): string {
    if (redacted === value && redacted.isWellFormed()) return redacted;
    let text = redacted;
    if (redacted !== kept) {
      this.#redacted++;
      text = text.replaceAll(REDACTED, `[redacted ${this.#digest(value)}]`);
    } else if (kept === value) {
      text = `${text}[${this.#digest(value)}]`;
    }
    return ended(text, maxLength, value.length - kept.length);
  }

  #digest(value: string): string {
    const key = this.#digestKey ??= crypto.getRandomValues(new Uint8Array(32));
    const code = hmacSha256(key, identifierBytes("", value)).subarray(0, DIGEST_BYTES);
    return Array.from(code, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Any value where a text belongs. */
  textOf(value: unknown, maxLength?: number): string {
    if (typeof value === "string") return this.text(value, maxLength);
    return typeof value === "object" && value !== null ? "[object]" : String(this.#scalar(value));
  }

  /**
   * Details as plain JSON.
   *
   * @param details What was reported.
   * @param allowed The only names that are kept; `undefined` for all.
   * @param added Further members.
   * @returns The details, frozen.
   */
  details(
    details: unknown,
    allowed?: ReadonlySet<string>,
    added?: Readonly<Record<string, string>>,
  ): JsonObject {
    if (details === undefined && added === undefined) return NO_DETAILS;
    this.#bytesLeft = this.#limits.maxDetailsBytes;
    this.#path.length = 0;
    const into: Record<string, Json> = {};
    for (const [name, text] of Object.entries(added ?? {})) {
      into[name] = text;
      this.#bytesLeft -= bytesOf(name) + bytesOf(text) + 2;
    }
    this.#bytesLeft -= CONTAINER_BYTES;
    if (details === undefined) return Object.freeze(into);
    if (typeof details === "object" && details !== null) {
      this.#path.push(details);
      try {
        if (isPlain(details)) return this.#members(into, details, {}, 1, allowed);
        const found = Array.isArray(details) ? { items: [] } : this.#unusual(details);
        if (found?.scalar === undefined && found?.items === undefined) {
          return this.#members(into, details, found ?? {}, 1, allowed);
        }
        this.#path.pop();
      } catch {
        this.#path.pop();
        return this.#members(into, {}, { names: ["value"], values: [UNREADABLE] }, 1);
      }
    }
    return this.#members(into, {}, { names: ["value"], values: [details] }, 1, allowed);
  }

  /** A value below another one, or `NO_ROOM`. */
  #value(value: unknown, depth: number): Json | typeof NO_ROOM {
    if (typeof value !== "object" || value === null) return this.#paid(this.#scalar(value));
    if (this.#path.includes(value)) return this.#paid("[circular]");
    const before = this.#bytesLeft;
    this.#path.push(value);
    try {
      const isArray = Array.isArray(value);
      const found = isArray || isPlain(value) ? undefined : this.#unusual(value);
      if (found?.scalar !== undefined) return this.#paid(this.#scalar(found.scalar));
      if (depth >= this.#limits.maxDepth) return this.#paid("[too deep]");
      if (!this.#pay(CONTAINER_BYTES)) return NO_ROOM;
      if (isArray) return this.#items(value, value.length, depth + 1);
      if (found?.items !== undefined) {
        return this.#items(found.items, found.total ?? found.items.length, depth + 1);
      }
      return this.#members({}, value, found ?? {}, depth + 1);
    } catch {
      this.#bytesLeft = before;
      return this.#paid(UNREADABLE);
    } finally {
      this.#path.pop();
    }
  }

  #members(
    into: Record<string, Json>,
    source: object,
    { names = Object.keys(source), values, total = names.length }: {
      readonly names?: readonly string[];
      readonly values?: readonly unknown[];
      readonly total?: number;
    },
    depth: number,
    allowed?: ReadonlySet<string>,
  ): JsonObject {
    const isJwk = names.includes("kty");
    let mayCollide = Object.keys(into).length > 0;
    const numbers = new Map<string, number>();
    let visited = 0;
    let omitted = total - names.length;
    for (let at = 0; at < names.length; at++) {
      const key = names[at] as string;
      if (allowed !== undefined && !allowed.has(key)) {
        omitted++;
        continue;
      }
      if (visited++ === this.#limits.maxMembers) {
        omitted += names.length - at;
        break;
      }
      const member = values === undefined ? read(source, key) : values[at];
      if (member === undefined) continue;
      const name = this.#name(key);
      let text = name.text;
      if (text !== key) mayCollide = true;
      if (mayCollide && Object.hasOwn(into, text)) text = free(into, text, numbers);
      const isSecret = (typeof member === "number" ? name.isSecretNumber : name.isSecret) ||
        isJwk && PRIVATE_JWK_MEMBERS.has(key);
      const before = this.#bytesLeft;
      const value = this.#pay(name.bytes + text.length - name.text.length + 2)
        ? isSecret && isSecretValue(member) ? this.#redact() : this.#value(member, depth)
        : NO_ROOM;
      if (value === NO_ROOM) {
        this.#bytesLeft = before;
        omitted += names.length - at;
        break;
      }
      into[text] = value;
    }
    for (const value of VALUES) {
      if (Object.hasOwn(into, value) && this.#isLabelled(into)) {
        this.#redacted++;
        into[value] = REDACTED;
      }
    }
    if (omitted > 0) into[MARKER] = `[+${omitted}]`;
    return Object.freeze(into);
  }

  #items(source: ArrayLike<unknown>, total: number, depth: number): readonly Json[] {
    const items: Json[] = [];
    let previous: unknown;
    while (items.length < total && items.length < this.#limits.maxMembers) {
      const item = read(source, items.length);
      const value = this.#isNamedBy(previous, total) && isSecretValue(item)
        ? this.#redact()
        : this.#pay(1)
        ? this.#value(item, depth)
        : NO_ROOM;
      if (value === NO_ROOM) break;
      items.push(value);
      previous = item;
    }
    if (items.length < total) items.push(`…[+${total - items.length}]`);
    return Object.freeze(items);
  }

  /** Whether an item is a secret by the one before it: of `[name, value]`, or in a flat list of headers. */
  #isNamedBy(previous: unknown, total: number): boolean {
    if (typeof previous !== "string" || previous.length > MAX_NAME_LENGTH) return false;
    return total === 2 ? this.#name(previous).isSecret : isSecretHeader(previous);
  }

  /** Whether an object is one secret: `{ name: "cookie", value: … }`. */
  #isLabelled(object: Readonly<Record<string, Json>>): boolean {
    for (const label of LABELS) {
      const name = object[label];
      if (typeof name === "string" && this.#name(name).isSecret) return true;
    }
    return false;
  }

  #name(key: string): Name {
    const known = this.#knownNames.get(key);
    if (known !== undefined) return known;
    // What copies members by assignment would change the prototype of the copy.
    const text = key === "__proto__" ? "[__proto__]" : copied(this.text(key, MAX_NAME_LENGTH));
    const start = key.slice(0, MAX_NAME_LENGTH);
    const name = {
      text,
      bytes: bytesOf(text),
      isSecret: this.#secretNames.has(start),
      isSecretNumber: this.#secretNames.hasNumber(start),
    };
    if (text === key) {
      if (this.#knownNames.size >= KNOWN_NAMES) this.#knownNames.clear();
      this.#knownNames.set(text, name);
    }
    return name;
  }

  #scalar(value: unknown): string | number | boolean | null {
    switch (typeof value) {
      case "string":
        return this.text(value);
      case "number":
        // The sum makes 0 of -0, which JSON cannot tell apart.
        return Number.isFinite(value) ? value + 0 : `[${value}]`;
      case "boolean":
        return value;
      case "bigint":
        // A million digits take seconds to write.
        return value < MAX_BIGINT && value > -MAX_BIGINT ? `[BigInt ${value}]` : "[BigInt]";
      case "symbol":
        return `[symbol ${this.text(value.description ?? "", MAX_LABEL_LENGTH)}]`;
      case "function": {
        const name = read(value, "name");
        return `[function ${typeof name === "string" ? this.text(name, MAX_LABEL_LENGTH) : ""}]`;
      }
      default:
        return null;
    }
  }

  #unusual(object: object): ReturnType<typeof unusual> {
    return unusual(object, this.#limits.maxMembers);
  }

  #redact(): Json | typeof NO_ROOM {
    this.#redacted++;
    return this.#paid(REDACTED);
  }

  #paid(value: string | number | boolean | null): Json | typeof NO_ROOM {
    return this.#pay(bytesOf(value)) ? value : NO_ROOM;
  }

  #pay(bytes: number): boolean {
    if (bytes > this.#bytesLeft) return false;
    this.#bytesLeft -= bytes;
    return true;
  }
}

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}

function read(source: object, key: string | number): unknown {
  try {
    return (source as Record<string | number, unknown>)[key];
  } catch {
    return UNREADABLE;
  }
}

/** A flag says whether there is a secret, and is none. */
function isSecretValue(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== "boolean" && value !== REDACTED;
}

/** How many bytes a scalar takes in a line. */
function bytesOf(value: string | number | boolean | null): number {
  if (typeof value !== "string") return String(value).length;
  if (NEEDS_NO_ESCAPE.test(value)) return value.length + 2;
  return encoder.encode(escapeJson(JSON.stringify(value))).length;
}

/** The first name that is not taken, by a number: to try them all for each of 10,000 takes half a second. */
function free(taken: object, name: string, numbers: Map<string, number>): string {
  let number = numbers.get(name) ?? 2;
  while (Object.hasOwn(taken, `${name}'${number}`)) number++;
  numbers.set(name, number + 1);
  return `${name}'${number}`;
}
