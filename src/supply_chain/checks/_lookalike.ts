import { ESTABLISHED_NPM, POPULAR_JSR, POPULAR_NPM } from "./_popular_names.ts";

/** Below this length, one edit away is no likeness: `ws` and `vs` are different words. */
const MIN_LENGTH = 4;

/** Finds the popular name that another is one edit away from. */
export class LookalikeFinder {
  readonly #popular: ReadonlySet<string>;
  readonly #established: ReadonlySet<string>;
  /** Popular names by each text that one deletion makes of them, and by themselves. */
  readonly #byDeletion: Map<string, string[]> = new Map();

  constructor(popular: readonly string[], established: readonly string[]) {
    this.#popular = new Set(popular);
    this.#established = new Set(established);
    for (const name of popular) {
      if (name.length < MIN_LENGTH) continue;
      for (const key of deletions(name)) {
        const names = this.#byDeletion.get(key);
        if (names) names.push(name);
        else this.#byDeletion.set(key, [name]);
      }
    }
  }

  /** The popular name that `name` is one edit away from; none when it is well known itself. */
  find(name: string): string | undefined {
    if (name.length > 214 || this.#popular.has(name) || this.#established.has(name)) {
      return undefined;
    }
    for (const key of deletions(name)) {
      // Two names that are one edit apart share a deletion; the reverse holds for two edits, too.
      const found = this.#byDeletion.get(key)?.find((popular) => isOneEditApart(name, popular));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** The finder for a registry, with its lists. */
export function lookalikesOf(kind: "npm" | "jsr"): LookalikeFinder {
  return kind === "npm"
    ? new LookalikeFinder(POPULAR_NPM, ESTABLISHED_NPM)
    : new LookalikeFinder(POPULAR_JSR, []);
}

function deletions(name: string): string[] {
  const texts = [name];
  for (let at = 0; at < name.length; at++) texts.push(name.slice(0, at) + name.slice(at + 1));
  return texts;
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
