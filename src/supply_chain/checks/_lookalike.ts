import {
  ESTABLISHED_NPM,
  FAMOUS_NPM,
  FAMOUS_SHORT_NPM,
  POPULAR_JSR,
  POPULAR_NPM,
} from "./_popular_names.ts";

/** Below this length, one edit away is no likeness: `opt` and `nopt` are different words. */
const MIN_LENGTH = 5;

/** Names that a look-alike would borrow, and names that are none. */
export interface KnownNames {
  readonly popular: readonly string[];
  /** Shorter than others that are compared, but so well known that they are. @default {[]} */
  readonly short?: readonly string[];
  /** Resemble a popular name, and are well known themselves. @default {[]} */
  readonly established?: readonly string[];
}

/**
 * Finds the popular name that another resembles: one edit away, or the same but for capitals, `-`, `_`,
 * `.`, `js` before or after it, or characters that look alike.
 *
 * An edit touches two neighbouring characters at most, so of a name without its two middle ones
 * either what comes before or what comes after is left as it was. Names are looked up by these.
 */
export class LookalikeFinder {
  readonly #known: ReadonlySet<string>;
  readonly #short: ReadonlySet<string>;
  readonly #byPart: Map<string, string[]> = new Map();
  readonly #byFolded: Map<string, string> = new Map();

  constructor({ popular, short = [], established = [] }: KnownNames) {
    this.#known = new Set([...popular, ...short, ...established]);
    this.#short = new Set(short);
    for (const name of new Set([...popular, ...short])) {
      if (name.length < MIN_LENGTH && !this.#short.has(name)) continue;
      this.#byFolded.set(folded(name), name);
      const scope = scopeOf(name);
      // `@types-node/node` borrows from `@types/node`.
      if (scope !== "") this.#byFolded.set(`@${folded(name).replace(/[@/]/g, "")}/`, name);
      for (const part of partsOf(name, name.length)) {
        const names = this.#byPart.get(part);
        if (names) names.push(name);
        else this.#byPart.set(part, [name]);
      }
    }
  }

  /** The popular name that `name` resembles; none when it is well known itself. */
  find(name: string): string | undefined {
    if (this.#known.has(name)) return undefined;
    return this.#spelledLike(name) ?? this.#oneEditFrom(name);
  }

  /** What is suspicious about a name, as the end of a sentence that begins with it. */
  suspicion(name: string): string | undefined {
    const popular = this.find(name);
    const spelled = this.#known.has(name) ? undefined : this.#spelledLike(name);
    if (spelled !== undefined) {
      return `is another spelling of ${spelled}, which far more projects use`;
    }
    if (popular !== undefined) {
      return `is one edit away from ${popular}, which far more projects use`;
    }
    // deno-lint-ignore no-control-regex
    return /[^\x00-\x7f]/.test(name)
      ? "has characters that no name in the registry has"
      : undefined;
  }

  #spelledLike(name: string): string | undefined {
    const plain = folded(asAscii(name));
    const spellings = [
      plain,
      plain.replace(/js$/, ""),
      plain.replace(/^js/, ""),
      // `rnoment` and `l0dash`, in most typefaces.
      plain.replaceAll("rn", "m").replaceAll("vv", "w").replaceAll("0", "o").replaceAll("1", "l"),
      `${scopeOf(plain)}/`,
    ];
    for (const spelling of spellings) {
      const found = this.#byFolded.get(spelling);
      if (found !== undefined && !isOfSameOwner(name, found)) return found;
    }
    return undefined;
  }

  #oneEditFrom(name: string): string | undefined {
    const lower = name.toLowerCase();
    const isLike = (popular: string) =>
      isOneEditApart(lower, popular) &&
      (this.#short.has(popular)
        ? lower.length >= MIN_LENGTH - 1 && lower[0] === popular[0]
        : lower.length >= MIN_LENGTH);
    for (let length = lower.length - 1; length <= lower.length + 1; length++) {
      for (const part of partsOf(lower, length)) {
        const found = this.#byPart.get(part)?.find(isLike);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

/** What a name shares with a name of the given length when only the latter's middle differs. */
function partsOf(name: string, length: number): readonly string[] {
  const before = Math.max(0, (length >> 1) - 1);
  const after = length - before - 2;
  return [`${length}<${name.slice(0, before)}`, `${length}>${name.slice(-after)}`];
}

function scopeOf(name: string): string {
  return name.startsWith("@") ? name.slice(0, name.indexOf("/")) : "";
}

/** In one scope every name is its owner's, who may tell `@a/b-js` from `@a/b`. */
function isOfSameOwner(a: string, b: string): boolean {
  return scopeOf(a) !== "" && scopeOf(a) === scopeOf(b);
}

/** A name without what people get wrong: capitals and what stands between words. */
function folded(name: string): string {
  return name.toLowerCase().replace(/[-_.]/g, "");
}

/** Letters of other scripts as those that they look like; others, and what has no width, go. */
function asAscii(name: string): string {
  return [...name.normalize("NFKD").toLowerCase()]
    .map((letter) => letter <= "\x7f" ? letter : LOOKS_LIKE.get(letter) ?? "").join("");
}

const LOOKS_LIKE: ReadonlyMap<string, string> = new Map(
  [..."аaеeоoрpсcуyхxіiјjѕsԁdһhӏlкkмmтtвbнhԛqԝwαaοoρpεeιiκkνvυuτtıiłløoɡgɑa".match(/../gu)!]
    .map((pair): [string, string] => [[...pair][0]!, [...pair][1]!]),
);

/** The finder for a registry, with its lists. */
export function lookalikesOf(kind: "npm" | "jsr"): LookalikeFinder {
  if (kind === "jsr") return new LookalikeFinder({ popular: POPULAR_JSR });
  return new LookalikeFinder({
    popular: [...POPULAR_NPM, ...FAMOUS_NPM],
    short: FAMOUS_SHORT_NPM,
    established: ESTABLISHED_NPM,
  });
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
