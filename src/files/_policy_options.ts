/**
 * Reading a policy, once and key by key, as somebody without types may have written it.
 *
 * @module
 */

import type { SecurityPolicy } from "./policy.ts";

const KEYS: readonly (keyof SecurityPolicy)[] = [
  "maxFileSizeBytes",
  "maxDepth",
  "symlinks",
  "hardLinks",
  "allowedExtensions",
  "deniedExtensions",
  "forbiddenPaths",
  "requireAbsolutePaths",
];

/**
 * Copies a policy. What is changed in it afterwards, lists included, changes nothing here.
 *
 * A spread would take over what it finds and nothing else: the getters of a class would be lost, and with
 * them every restriction; `null` would be no policy at all. And an option that is not known may be a misspelt
 * restriction: to ignore it would wave through.
 *
 * @param value What was given.
 * @param what What it is called, for the error.
 * @param more Options that it may have besides those of a policy.
 * @returns What is said in it; without what is `undefined`.
 * @throws {TypeError} If it is no plain object, or has another option.
 */
export function readOptions<T extends SecurityPolicy = SecurityPolicy>(
  value: unknown,
  what: string,
  more: readonly (keyof T & string)[] = [],
): T {
  if (!isPlain(value)) throw new TypeError(`'${what}' must be a plain object`);
  const options: Record<string, unknown> = {};
  for (const key of Reflect.ownKeys(value)) {
    if (typeof key !== "string" || !isAny(key, KEYS) && !isAny(key, more)) {
      throw new TypeError(`'${String(key)}' is not an option of '${what}'`);
    }
    const option = value[key];
    if (option !== undefined) options[key] = Array.isArray(option) ? [...option] : option;
  }
  return options as T;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function isAny(key: string, keys: readonly string[]): boolean {
  return keys.includes(key);
}

/** A whole number from 0 on. */
export function count(
  policy: SecurityPolicy,
  name: "maxFileSizeBytes" | "maxDepth",
  fallback: number,
): number {
  const value: unknown = policy[name];
  if (value === undefined) return fallback;
  if (typeof value !== "number") throw new TypeError(`'${name}' must be a number`);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`'${name}' must be a whole number from 0 on: current value is ${value}`);
  }
  return value;
}

/** One of some words; the first of them where nothing is said. */
export function choice<T extends string>(
  name: string,
  value: unknown,
  all: readonly [T, ...T[]],
): T {
  if (value === undefined) return all[0];
  const found = all.find((one) => one === value);
  if (found === undefined) {
    throw new TypeError(`'${name}' must be one of ${all.map((one) => `"${one}"`).join(", ")}`);
  }
  return found;
}

/** True or false; false where nothing is said. */
export function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw new TypeError(`'${name}' must be true or false`);
  return value;
}

/** A list of strings, and no string, which is a list of its letters to a spread. */
export function strings(name: string, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw new TypeError(`'${name}' must be an array of strings`);
  // A hole is passed over by forEach() and the like, but not by this.
  for (const one of value) {
    if (typeof one !== "string") throw new TypeError(`'${name}' must hold nothing but strings`);
  }
  return value;
}
