/**
 * Stands in for `@std/assert` in `vendor/` where JSR does not answer.
 *
 * No package of the npm registry carries `@std/assert`. These are the functions of it that the tests
 * of this repository use, with the same signatures, over what the runtime brings along. A machine
 * that reaches JSR gets the original.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert";

/** A class of errors, abstract ones included. */
type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

/** An expectation that was not met. */
export class AssertionError extends Error {
  /** @param message What was expected, and what came. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

function show(value: unknown): string {
  return Deno.inspect(value, { depth: 6, strAbbreviateSize: 2000, iterableLimit: 50 });
}

function refuse(what: string, msg: string | undefined): never {
  throw new AssertionError(msg === undefined ? what : `${what}: ${msg}`);
}

/** What tells two values apart, or `undefined` when they are deeply equal. */
function difference(actual: unknown, expected: unknown): string | undefined {
  try {
    deepStrictEqual(actual, expected);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Fails. */
export function fail(msg?: string): never {
  refuse("Failed assertion", msg);
}

/** Expects a truthy value. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Expects a falsy value. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is false {
  if (expr) refuse(`Expected a falsy value, got ${show(expr)}`, msg);
}

/** Expects deep equality. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  const found = difference(actual, expected);
  if (found !== undefined) refuse(`Values are not equal. ${found}`, msg);
}

/** Expects that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (difference(actual, expected) === undefined) {
    refuse(`Expected something else than ${show(actual)}`, msg);
  }
}

/** Expects the same value, as `Object.is` sees it. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    refuse(`Expected the very same value: ${show(actual)} is not ${show(expected)}`, msg);
  }
}

/** Expects two values that `Object.is` tells apart. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) refuse(`Expected another value than ${show(actual)}`, msg);
}

/** Expects neither `undefined` nor `null`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) refuse(`Expected a value, got ${actual}`, msg);
}

/** Expects that the text matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) refuse(`Expected ${show(actual)} to match ${expected}`, msg);
}

/** Expects that the text does not match. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) refuse(`Expected ${show(actual)} not to match ${expected}`, msg);
}

/** Expects that the text holds another. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    refuse(`Expected ${show(actual)} to include ${show(expected)}`, msg);
  }
}

/** Expects an instance of the class. */
export function assertInstanceOf<T extends abstract new (...args: never[]) => unknown>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expected)) {
    refuse(`Expected an instance of ${expected.name}, got ${show(actual)}`, msg);
  }
}

/** Expects `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) refuse(`Expected ${show(actual)} > ${show(expected)}`, msg);
}

/** Expects `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) refuse(`Expected ${show(actual)} >= ${show(expected)}`, msg);
}

/** Expects `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) refuse(`Expected ${show(actual)} < ${show(expected)}`, msg);
}

/** Expects `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) refuse(`Expected ${show(actual)} <= ${show(expected)}`, msg);
}

/** Expects that the function throws, and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Expects that the function throws such an error, and returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  expected?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  try {
    fn();
  } catch (error) {
    return checkError(error, expected, msgIncludes, msg);
  }
  return refuse("Expected the function to throw", typeof expected === "string" ? expected : msg);
}

/** Expects that the promise rejects, and returns the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Expects that the promise rejects with such an error, and returns it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  expected?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  let pending: PromiseLike<unknown>;
  try {
    pending = fn();
  } catch (cause) {
    throw new AssertionError("Expected a rejection, but the function threw", { cause });
  }
  try {
    await pending;
  } catch (error) {
    return checkError(error, expected, msgIncludes, msg);
  }
  return refuse("Expected the promise to reject", typeof expected === "string" ? expected : msg);
}

function checkError(
  error: unknown,
  expected: ErrorClass<Error> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): unknown {
  if (typeof expected !== "function") return error;
  assertInstanceOf(error, expected, msg);
  assertStringIncludes(error.message, msgIncludes ?? "", msg);
  return error;
}
