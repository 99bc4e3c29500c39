import currentIds from "spdx-license-ids/index.json" with { type: "json" };

/** Usual words for a licence, without those that {@linkcode suggestion} leaves out. */
const USUAL_NAMES: readonly (readonly [pattern: RegExp, id: string])[] = [
  [/^(?:mit|x11|expat|mit x11)$/, "MIT"],
  [/^(?:apache|asl|al|apl)(?: ?2(?: ?0)?)?$/, "Apache-2.0"],
  [/^(?:(?:zero|0) clause bsd|bsd (?:zero|0) clause|bsd0)$/, "0BSD"],
  [/^(?:simplified bsd|freebsd|bsd ?2|(?:two|2) clause bsd|bsd (?:two|2) clause)$/, "BSD-2-Clause"],
  [
    /^(?:bsd|(?:new|modified|revised) bsd|bsd ?3|(?:three|3) clause bsd|bsd (?:three|3) clause)$/,
    "BSD-3-Clause",
  ],
  [/^(?:mpl|mozilla)(?: ?2(?: ?0)?)?$/, "MPL-2.0"],
  [/^(?:epl|eclipse) ?2(?: ?0)?$/, "EPL-2.0"],
  [/^(?:epl|eclipse) ?1(?: ?0)?$/, "EPL-1.0"],
  [/^cc ?0(?: ?1(?: ?0)?)?$/, "CC0-1.0"],
  [/^(?:boost|bsl)(?: ?1(?: ?0)?)?$/, "BSL-1.0"],
  [/^artistic ?2(?: ?0)?$/, "Artistic-2.0"],
  [/^unlicen[cs]e$/, "Unlicense"],
];

/** Words that do not tell licences apart. */
const FILLERS =
  /\b(?:the|an?|licen[cs]e|licen[cs]ed|software|public|foundation|version|ver|v|style)\b/g;

/** The ids with letters and digits only: `apache20`. */
const COMPACT_IDS: ReadonlyMap<string, string> = new Map(
  [...currentIds].map((id) => [compact(id), id]),
);

/**
 * A likely SPDX id for other words, to be shown and confirmed by a person: it is never a verdict.
 *
 * Where the words leave it open, the stricter licence is suggested: "BSD" could have two clauses or
 * three, and "GPLv3" does not say "or later".
 *
 * @returns `undefined` when nothing comes to mind.
 */
export function suggestion(text: string): string | undefined {
  if (text.length > 200) return undefined;
  const parts = text.split(/\s*(?:\/|,|\||\bor\b)\s*(?!later)/i).filter((part) =>
    part.trim() !== ""
  );
  if (parts.length > 1 && !/x11/i.test(text)) {
    const ids = parts.map(suggestOne);
    if (ids.every((id) => id !== undefined)) return [...new Set(ids)].join(" OR ");
  }
  return suggestOne(text);
}

function suggestOne(text: string): string | undefined {
  const id = COMPACT_IDS.get(compact(text));
  if (id !== undefined) return id;
  const words = text.toLowerCase().replace(/[^a-z0-9+]+/g, " ");
  const gnu = words
    .replace(/\bgnu\b/g, "").replace(/\b(?:affero|lesser|library)\b/g, (word) => word[0]!)
    .replace(/\bgeneral public licen[cs]e\b/g, "gpl").replace(/\b([al]) +gpl/g, "$1gpl")
    .match(
      /^ *([al]?gpl) *(?:version|ver|v)? ?(\d)(?: (\d))?(?: ?0)? *(\+|or (?:later|newer|greater)|only)?/,
    );
  if (gnu) {
    const [, family, major, minor = "0", later] = gnu;
    const known = `${family!.toUpperCase()}-${major}.${minor}-${
      later === undefined || later === "only" ? "only" : "or-later"
    }`;
    return currentIds.includes(known) ? known : undefined;
  }
  const telling = words.replace(/\bv(?=\d)/g, "").replace(FILLERS, " ").split(" ");
  // "The MIT License (MIT)" says it twice.
  const plain = [...new Set(telling)].join(" ").trim();
  return USUAL_NAMES.find(([pattern]) => pattern.test(plain))?.[1] ??
    COMPACT_IDS.get(compact(plain));
}

function compact(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "");
}
