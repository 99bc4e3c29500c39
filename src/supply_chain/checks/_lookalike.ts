import { ESTABLISHED_NPM, POPULAR_JSR, POPULAR_NPM } from "./_popular_names.ts";

/** Below this length, one edit away is no likeness: `ws` and `vs` are different words. */
const MIN_LENGTH = 4;

/**
 * Finds the popular name that another is one edit away from.
 *
 * An edit touches two neighbouring characters at most, so of a name without its two middle ones
 * either what comes before or what comes after is left as it was. Names are looked up by these.
 */
export class LookalikeFinder {
  readonly #popular: ReadonlySet<string>;
  readonly #established: ReadonlySet<string>;
  readonly #byPart: Map<string, string[]> = new Map();

  constructor(popular: readonly string[], established: readonly string[]) {
    this.#popular = new Set(popular);
    this.#established = new Set(established);
    for (const name of popular) {
      if (name.length < MIN_LENGTH) continue;
      for (const part of partsOf(name, name.length)) {
        const names = this.#byPart.get(part);
        if (names) names.push(name);
        else this.#byPart.set(part, [name]);
      }
    }
  }

  /** The popular name that `name` is one edit away from; none when it is well known itself. */
  find(name: string): string | undefined {
    if (this.#popular.has(name) || this.#established.has(name)) return undefined;
    for (let length = name.length - 1; length <= name.length + 1; length++) {
      for (const part of partsOf(name, length)) {
        const found = this.#byPart.get(part)?.find((popular) => isOneEditApart(name, popular));
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

/** What a name shares with a name of the given length when only the latter's middle differs. */
function partsOf(name: string, length: number): readonly string[] {
  const before = (length >> 1) - 1;
  const after = length - before - 2;
  return [`${length}<${name.slice(0, before)}`, `${length}>${name.slice(-after)}`];
}

/** The finder for a registry, with its lists. */
export function lookalikesOf(kind: "npm" | "jsr"): LookalikeFinder {
  return kind === "npm"
    ? new LookalikeFinder(POPULAR_NPM, ESTABLISHED_NPM)
    : new LookalikeFinder(POPULAR_JSR, []);
}

/** One insertion, deletion, substitution or swap of neighbours. */
function isOneEditApart(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false;
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  if (left.length <= 1 && right.length <= 1) return true;
  return left.length === 2 && right.length === 2 && left[0] === right[1] && left[1] === right[0];
}
