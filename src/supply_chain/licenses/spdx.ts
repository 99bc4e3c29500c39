// @ts-types="@types/spdx-expression-parse"
import parse from "spdx-expression-parse";
import currentIds from "spdx-license-ids/index.json" with { type: "json" };
import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };

/** One licence of an SPDX expression: `MIT`, `EPL-1.0+`, `Apache-2.0 WITH LLVM-exception`. */
export interface SpdxLicense {
  /** SPDX id or `LicenseRef-…`. */
  readonly license: string;
  /** Written with `+`: this version or a later one. */
  readonly plus?: boolean | undefined;
  /** What follows `WITH`. */
  readonly exception?: string | undefined;
}

/** A parsed SPDX expression. */
export type SpdxExpression = SpdxLicense | {
  readonly conjunction: "and" | "or";
  readonly left: SpdxExpression;
  readonly right: SpdxExpression;
};

/** Longer expressions are not parsed; real ones stay below a tenth of it. */
export const MAX_EXPRESSION_LENGTH = 4096;

/** Parentheses may nest this deep: the parser recurses for each. */
const MAX_NESTING = 64;

/** Ids by their lower-case form: SPDX compares them without regard to case. */
const IDS: ReadonlyMap<string, string> = new Map(
  [...deprecatedIds, ...currentIds].map((id) => [id.toLowerCase(), id]),
);

/** Ids that are an expression by themselves, as most licences of packages are. */
const LICENSES: ReadonlyMap<string, SpdxLicense> = new Map(
  [...IDS.values()].map((license) => [license, { license }]),
);

/**
 * Parses an SPDX licence expression (SPDX 2.3, annex D). Ids match in any case.
 *
 * @returns `undefined` for what is no such expression, and beyond {@linkcode MAX_EXPRESSION_LENGTH}.
 */
export function parseExpression(text: string): SpdxExpression | undefined {
  const license = LICENSES.get(text);
  if (license !== undefined) return license;
  // The parser looks for the next name by searching, so it would skip over characters of no meaning.
  if (text.length > MAX_EXPRESSION_LENGTH || !/^[A-Za-z0-9.:+() -]+$/.test(text)) return undefined;
  if (nesting(text) > MAX_NESTING) return undefined;
  // It also takes `MIT ORISC` for a choice, as it does not look at where an operator ends.
  const words = text.replace(/[A-Za-z0-9.-]+/g, (word) => IDS.get(word.toLowerCase()) ?? word);
  if (/(?:^|[ (])(?:and|or|with)(?![ (]|$)/i.test(words)) return undefined;
  try {
    return parse(words);
  } catch {
    return undefined;
  }
}

function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === "(") deepest = Math.max(deepest, ++depth);
    else if (character === ")") depth--;
  }
  return deepest;
}

/** An SPDX licence as it is written. */
export function formatLicense({ license, plus, exception }: SpdxLicense): string {
  return license + (plus ? "+" : "") + (exception === undefined ? "" : ` WITH ${exception}`);
}

/** Whether an expression is satisfied, and if not, for want of which licences. */
export interface Evaluation {
  readonly satisfied: boolean;
  /** The licences that were refused, as written, each once; empty when it is satisfied. */
  readonly refused: readonly string[];
}

/**
 * Evaluates an expression: AND needs both sides, OR needs one.
 *
 * `isAllowed` is asked about every licence, also where the answer is settled already, so that it can
 * record which entries of an allow list were met.
 */
export function evaluate(
  expression: SpdxExpression,
  isAllowed: (license: SpdxLicense) => boolean,
): Evaluation {
  const refused = new Set<string>();
  const satisfied = walk(expression, (license) => {
    const allowed = isAllowed(license);
    if (!allowed) refused.add(formatLicense(license));
    return allowed;
  });
  return { satisfied, refused: satisfied ? [] : [...refused] };
}

function walk(expression: SpdxExpression, isAllowed: (license: SpdxLicense) => boolean): boolean {
  if (!("conjunction" in expression)) return isAllowed(expression);
  const left = walk(expression.left, isAllowed);
  const right = walk(expression.right, isAllowed);
  return expression.conjunction === "and" ? left && right : left || right;
}

/** Families in which `X`, `X-only` and `X-or-later` are ids of their own. */
const GNU = /^(?:A|L)?GPL-|^GFDL-/;

/**
 * Whether a licence of a package is one that an entry of an allow list names.
 *
 * - An exception is part of the licence: `Apache-2.0 WITH LLVM-exception` must be listed as such.
 * - GNU licences match letter for letter, as in cargo-deny: `GPL-3.0`, `GPL-3.0-only` and
 *   `GPL-3.0-or-later` are three entries. `GPL-3.0+` is SPDX's earlier id for the last of them.
 * - Elsewhere `X+` leaves the choice of a later version, so `X` or any later version in the list
 *   satisfies it; and an entry `X+` allows `X` and every later version.
 */
export function licenseMatches(one: SpdxLicense, other: SpdxLicense): boolean {
  const license = current(one);
  const allowed = current(other);
  if (license.exception !== allowed.exception) return false;
  if (license.license === allowed.license) {
    return !GNU.test(license.license) || Boolean(license.plus) === Boolean(allowed.plus);
  }
  if (GNU.test(license.license)) return false;
  if (license.plus && allowed.plus) return compareVersions(license, allowed) !== undefined;
  if (license.plus) return (compareVersions(allowed, license) ?? -1) > 0;
  if (allowed.plus) return (compareVersions(license, allowed) ?? -1) > 0;
  return false;
}

/** The licence by today's id: `GPL-2.0+`, an id or an id with `+`, is `GPL-2.0-or-later`. */
function current(license: SpdxLicense): SpdxLicense {
  const id = license.license.replace(/\+$/, "");
  const isLater = license.plus || id !== license.license;
  if (!isLater || !GNU.test(id) || /-(?:only|or-later)$/.test(id)) return license;
  return { license: `${id}-or-later`, exception: license.exception };
}

/** Sign of the difference between two versions of one licence; `undefined` for two licences. */
function compareVersions(one: SpdxLicense, other: SpdxLicense): number | undefined {
  // `BSD-2-Clause` and `MIT-0` count no versions: only a dotted number at the end is one.
  const [, family, version] = one.license.match(VERSIONED) ?? [];
  const [, otherFamily, otherVersion] = other.license.match(VERSIONED) ?? [];
  if (version === undefined || otherVersion === undefined || family !== otherFamily) {
    return undefined;
  }
  const a = version.split(".").map(Number);
  const b = otherVersion.split(".").map(Number);
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const VERSIONED = /^(.+)-(\d+(?:\.\d+)+)$/;
