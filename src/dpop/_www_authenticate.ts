/**
 * The WWW-Authenticate header as a client reads it (RFC 9110, sections 11.2 to 11.6.1).
 *
 * @module
 */

/** One challenge. */
export interface Challenge {
  /** Scheme, in lower case. */
  readonly scheme: string;
  /** Parameters by their names in lower case; none where the challenge carries a token68. */
  readonly params: ReadonlyMap<string, string>;
}

/** Longest header that is looked at: whoever answers decides how many challenges it is made of. */
const MAX_LENGTH = 8192;

const SEPARATORS = /[ \t,]*/y;
// Several challenges share one list with their parameters, whose only mark is the "=" after a name.
const PARAMETER =
  /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)")[ \t]*(?=,|$)/y;
const SCHEME = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +|[ \t]*(?=,|$))/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y;

/**
 * Reads all challenges of a response; several header fields have been joined with commas by then.
 *
 * @param header Value of the header, `null` where there is none.
 * @returns The challenges; none at all where any part is malformed or too long, since what follows a
 * malformed part could be inside or outside of a quoted string.
 */
export function readChallenges(header: string | null): readonly Challenge[] {
  if (header === null || header.length > MAX_LENGTH) return [];
  const challenges: { readonly scheme: string; readonly params: Map<string, string> }[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  while (true) {
    match(SEPARATORS);
    if (at === header.length) return challenges;
    const current = challenges.at(-1);
    let parameter = match(PARAMETER);
    if (parameter !== null) {
      if (current === undefined || !add(current.params, parameter)) return [];
      continue;
    }
    const scheme = match(SCHEME)?.[1];
    if (scheme === undefined) return [];
    const params = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), params });
    if (at === header.length || header[at] === ",") continue;
    parameter = match(PARAMETER);
    if (parameter === null ? match(TOKEN68) === null : !add(params, parameter)) return [];
  }
}

/** A name may stand once in a challenge: of two errors nobody could say which one is meant. */
function add(params: Map<string, string>, [, name = "", token, quoted]: RegExpExecArray): boolean {
  const key = name.toLowerCase();
  if (params.has(key)) return false;
  params.set(key, token ?? (quoted ?? "").replace(/\\(.)/g, "$1"));
  return true;
}

/**
 * Whether a resource server asks for a proof with the nonce that it sends (RFC 9449, section 9).
 *
 * @param header Value of WWW-Authenticate, `null` where there is none.
 * @returns Whether one of its DPoP challenges says so.
 */
export function challengesForNonce(header: string | null): boolean {
  return readChallenges(header).some(({ scheme, params }) =>
    scheme === "dpop" && params.get("error") === "use_dpop_nonce"
  );
}
