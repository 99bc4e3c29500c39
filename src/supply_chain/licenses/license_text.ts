import { COMMON_LICENSES, type LicenseText, loadAllTexts, loadCommonTexts } from "./_texts.ts";

/** What a licence text was recognized as. */
export interface LicenseTextMatch {
  /** SPDX id of the nearest licence. */
  readonly license: string;
  /** How near it is, 0 to 1: the Sørensen–Dice coefficient over pairs of words. */
  readonly confidence: number;
}

/** A longer text is not matched; the longest one of the SPDX list has about 90 KiB. */
export const MAX_LICENSE_TEXT_LENGTH: number = 256 * 1024;

/**
 * From here on a common licence is taken without a look at the whole SPDX list. What resembles one by
 * 0.9 or more was compared with it, so that it is not overlooked.
 */
const SURE = 0.95;

/** What is further away is no match at all. */
const LEAST_CONFIDENCE = 0.6;

/** Confidence of a text that adds a restriction to the licence that it otherwise repeats. */
const RIDER_CONFIDENCE = 0.5;

/**
 * So many words in a row that the licence does not have are an addition: a sentence such as "use in
 * production requires a paid subscription" hardly lowers the score of a text of hundreds of words.
 */
const LEAST_ADDITION = 12;

/** Fewer pairs in a row that the licence has, too, do not end an addition: every text says "of the". */
const CHANCE_PAIRS = 4;

/**
 * Conditions that turn an open licence into another one. A few lines beside hundreds hardly lower a
 * score, and they are what the reader most needs to know.
 */
const RIDERS: readonly RegExp[] = [
  /\bcommons clause\b/,
  /\bnon ?commercial\b/,
  /\bnot include the right to sell\b/,
];

/** The words of a text, and the sorted hashes of every two that follow each other. */
interface Fingerprint {
  readonly words: string;
  readonly pairs: Uint32Array;
}

interface Candidate {
  readonly license: string;
  readonly text: string;
  fingerprint?: Fingerprint;
}

/**
 * Recognizes licence texts by the SPDX list.
 *
 * The list weighs 5 MB, so it is loaded only for a text that no common licence explains.
 */
export class LicenseTexts {
  /** Packages by the hundred share a text, but for the copyright line. */
  readonly #seen = new Map<string, LicenseTextMatch | undefined>();
  #common: Promise<readonly Candidate[]> | undefined;
  #all: Promise<readonly Candidate[]> | undefined;

  /**
   * The licence whose text is nearest.
   *
   * The texts for `-only` and `-or-later` are the same, as later versions are granted elsewhere:
   * `-only` is answered, which promises less.
   *
   * @param text The content of a licence file.
   * @returns `undefined` when no licence is near, or the text is too long.
   */
  async match(text: string): Promise<LicenseTextMatch | undefined> {
    if (text.length > MAX_LICENSE_TEXT_LENGTH) return undefined;
    const words = normalizeLicenseText(text);
    if (this.#seen.has(words)) return this.#seen.get(words);
    const match = await this.#nearest(fingerprint(words));
    if (this.#seen.size < 1000) this.#seen.set(words, match);
    return match;
  }

  async #nearest(file: Fingerprint): Promise<LicenseTextMatch | undefined> {
    if (file.pairs.length === 0) return undefined;
    this.#common ??= loadCommonTexts().then(candidates);
    const common = nearest(file, await this.#common);
    if (common && common.confidence >= SURE && COMMON_LICENSES.has(common.license)) return common;
    this.#all ??= loadAllTexts().then(candidates);
    return nearest(file, await this.#all);
  }
}

function candidates(texts: readonly LicenseText[]): readonly Candidate[] {
  return texts.flatMap(([license, text]) => [...forms(text)].map((text) => ({ license, text })));
}

/**
 * The forms in which a text goes about: a licence file may end before the advice on how to apply the
 * licence, and holds the LGPL without the GPL that SPDX prints below it.
 */
function* forms(text: string): Generator<string> {
  yield text;
  const end = text.indexOf("END OF TERMS AND CONDITIONS");
  if (end > 0) yield text.slice(0, end + "END OF TERMS AND CONDITIONS".length);
  const gpl = text.startsWith("GNU LESSER") ? text.indexOf("GNU GENERAL PUBLIC LICENSE\nV") : -1;
  if (gpl > 0) yield text.slice(0, gpl);
}

function nearest(file: Fingerprint, all: readonly Candidate[]): LicenseTextMatch | undefined {
  let found: Candidate | undefined;
  let confidence = LEAST_CONFIDENCE;
  for (const candidate of all) {
    // The lengths alone rule most of them out; titles and space count here, hence the wide margin.
    const ratio = candidate.text.length / file.words.length;
    if (ratio < 0.4 || ratio > 3) continue;
    candidate.fingerprint ??= fingerprint(normalizeLicenseText(candidate.text));
    const score = similarity(file.pairs, candidate.fingerprint.pairs);
    if (score < confidence || (found && score === confidence && !isPreferred(candidate, found))) {
      continue;
    }
    found = candidate;
    confidence = score;
  }
  if (found === undefined) return undefined;
  const { license, fingerprint: { words, pairs } = file } = found;
  const hasRider = RIDERS.some((rider) => rider.test(file.words) && !rider.test(words)) ||
    longestAddition(file.words, pairs) >= LEAST_ADDITION;
  return { license, confidence: hasRider ? Math.min(confidence, RIDER_CONFIDENCE) : confidence };
}

/** Between ids that share a text: the one that grants less, then the plainer one. */
function isPreferred({ license }: Candidate, { license: other }: Candidate): boolean {
  const isLater = license.endsWith("-or-later");
  return isLater === other.endsWith("-or-later") ? license.length < other.length : !isLater;
}

function similarity(one: Uint32Array, other: Uint32Array): number {
  let shared = 0;
  let i = 0;
  let j = 0;
  while (i < one.length && j < other.length) {
    const difference = one[i]! - other[j]!;
    if (difference === 0) shared++;
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  return (2 * shared) / (one.length + other.length);
}

/** How many words follow each other in a file without being words of the licence in its order. */
function longestAddition(words: string, licensePairs: Uint32Array): number {
  const known = new Set(licensePairs);
  const pairs = pairsOf(words);
  let longest = 0;
  // An addition of n words makes n + 1 pairs, or n where the file begins or ends with it.
  let added = 1;
  let familiar = 0;
  for (const [index, pair] of pairs.entries()) {
    if (known.has(pair)) {
      if (++familiar >= CHANCE_PAIRS) added = 0;
      continue;
    }
    // What stood between is part of the addition, unless it was long enough to end it.
    added += added === 0 ? 1 : 1 + familiar;
    familiar = 0;
    longest = Math.max(longest, index === pairs.length - 1 ? added : added - 1);
  }
  return longest;
}

function fingerprint(words: string): Fingerprint {
  return { words, pairs: pairsOf(words).sort() };
}

/** FNV-1a over each word: who would forge a collision could as well ship the licence's own text. */
function pairsOf(words: string): Uint32Array {
  const pairs: number[] = [];
  let before: number | undefined;
  let hash = 0x811c9dc5;
  for (let i = 0; i <= words.length; i++) {
    const code = i < words.length ? words.charCodeAt(i) : SPACE;
    if (code !== SPACE) {
      hash = Math.imul(hash ^ code, 0x01000193);
      continue;
    }
    if (before !== undefined) pairs.push((Math.imul(before, 0x9e3779b1) + hash) >>> 0);
    before = hash;
    hash = 0x811c9dc5;
  }
  return Uint32Array.from(pairs);
}

const SPACE = 0x20;

/**
 * The words by which licence texts are compared, after SPDX's matching guidelines: case, space,
 * punctuation, list markers, copyright lines, addresses, comments of markup and the title of a short
 * licence tell nothing.
 */
export function normalizeLicenseText(text: string): string {
  return text
    .replace(/<!--[^>]{0,200}-->/g, "")
    .split("\n")
    .filter((line) => line.length > 120 || !CREDIT.test(line))
    .join("\n")
    .toLowerCase()
    .replace(/https?:\/\/[^\s"'<>()]*/g, " ")
    .split("\n")
    .map((line) => line.replace(COMMENT_OR_LIST_MARKER, ""))
    .filter((line) => !isCopyrightLine(line) && !isTitle(line))
    .join(" ")
    .replaceAll("(including the next paragraph)", "")
    .replaceAll("licence", "license")
    .replaceAll("sub-license", "sublicense")
    .replaceAll("non-infringement", "noninfringement")
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
}

const COMMENT_OR_LIST_MARKER =
  /^\s*(?:(?:\/\/|[*>#;|-])[*>#;|/-]*)?\s*(?:\(?(?:\d{1,2}|[a-z]|i{1,3}|i?v)[.)]\s)?/;

const COPYRIGHT_LINE =
  /^\s*(?:portions )?(?:copyright\s*(?:\(c\)|©|&copy;|[:<[{]|year\b|.{0,80}\b(?:19|20)\d\d)|©|\(c\)\s*[\d<[]|all rights reserved\W*$)/;

/** `Original code Copyright Jane Doe <jane@example.com>`: no year, and nothing but a name. */
const CREDIT =
  /^\W*(?:[\w.]+ ){0,4}Copyright (?!Notice|Holder|Owner|Law|Licen|Act|Statement)[A-Z]\S*(?: \S+){0,6}\s*$/;

/** A longer line holds the licence too: some files are a single line. */
function isCopyrightLine(line: string): boolean {
  return line.length <= 200 && COPYRIGHT_LINE.test(line);
}

const TITLE_WORDS: ReadonlySet<string> = new Set(
  "the a mit isc bsd x11 new modified revised simplified free license licence zero two three 0 2 3 clause"
    .split(" "),
);

/** `The MIT License (MIT)`, `BSD 3-Clause License`, `ISC License:`. */
function isTitle(line: string): boolean {
  if (line.length > 80) return false;
  const words = line.match(/[a-z0-9]+/g);
  return words !== null && words.every((word) => TITLE_WORDS.has(word));
}
