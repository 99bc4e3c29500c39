/**
 * Options: how they are read, and how a mistake in them is thrown.
 *
 * @module
 */

/** Longest delay of a timer; beyond it, timers fire at once. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

/**
 * What a mistake in the options is thrown as.
 *
 * @param purpose What cannot be done, such as `create a DPoP verifier`.
 * @param name The option.
 * @param must What it must be.
 * @param value What it is; only told where it is simple.
 * @returns The error.
 */
export function wrongOption(
  purpose: string,
  name: string,
  must: string,
  value: unknown,
): TypeError {
  return new TypeError(
    `Cannot ${purpose}: '${name}' must be ${must}: current value is ${shown(value)}`,
  );
}

/**
 * Refuses options that nobody knows: a misspelt one would leave unprotected what it was to protect.
 *
 * @param purpose What cannot be done, such as `create a rate limiter`.
 * @param options The options.
 * @param names Those that there are.
 * @throws {TypeError} If there is another one.
 */
export function checkNames(purpose: string, options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`Cannot ${purpose}: '${name}' is no option`);
  }
}

/** Bounds of {@linkcode integerOption}. */
export interface IntegerBounds {
  /** What it is when nothing is said. */
  readonly otherwise: number;
  /** The least it may be. */
  readonly least: number;
  /** The most it may be. @default {no more than integers are exact} */
  readonly most?: number;
}

/**
 * Reads an integer within bounds.
 *
 * @param purpose What cannot be done without it.
 * @param name The option.
 * @param value What was given.
 * @param bounds What it may be.
 * @returns The integer.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is no integer, or out of bounds.
 */
export function integerOption(
  purpose: string,
  name: string,
  value: unknown,
  { otherwise, least, most = Number.MAX_SAFE_INTEGER }: IntegerBounds,
): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "number") throw wrongOption(purpose, name, "a number", value);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} on` : `${least} to ${most}`;
  throw new RangeError(
    `Cannot ${purpose}: '${name}' must be an integer from ${range}: current value is ${value}`,
  );
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" || typeof value === "function" ? typeof value : String(value);
}
