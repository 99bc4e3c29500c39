/**
 * The comparison of `htu` with the URL of the request, by RFC 3986, sections 6.2.2 and 6.2.3, as RFC
 * 9449, section 4.3, asks for.
 *
 * It works on the strings, not on `URL`: that one repairs what it reads (backslashes, tabs, `https:host`,
 * `0x7f.1`), so two spellings that other software takes for two places would become one.
 *
 * @module
 */

/** scheme://authority, path, and the query and fragment that do not count; no user, no white space. */
const FORM = /^(https?):\/\/([^/?#@\\\s]+)((?:\/[^?#]*)?)(?=[?#]|$)/i;
const HOST = /^(?:\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+)$/i;
const PATH = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*$/;
/** What `new URL()` drops, trims or turns into slashes: then it is another place that it gives. */
const REPAIRED = /[\s\\\p{Cc}]/u;
const NOT_ASCII = /[\u0080-\uffff]/;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;

/** A URL that proofs are compared with. */
export class ExpectedUrl {
  /** As it was given, without query and fragment. */
  readonly #exact: string;
  #normalized: string | undefined;

  /**
   * Prepares a URL.
   *
   * @param url Absolute, `http:` or `https:`. One that is not ASCII equals itself and what clients make
   * of it; one with other characters that RFC 3986 has no place for, as WHATWG URLs may, itself only.
   * @throws {TypeError} If it is no such URL.
   */
  constructor(url: string) {
    const exact = FORM.exec(url)?.[0];
    if (exact === undefined) {
      throw new TypeError(
        "Cannot compare URLs: 'url' must be absolute, http or https, without user",
      );
    }
    this.#exact = exact;
  }

  /**
   * Compares.
   *
   * @param htu The claim of a proof.
   * @returns Whether both are the same place.
   */
  equals(htu: string): boolean {
    // Nearly every client sends the very string.
    if (htu === this.#exact) return true;
    const normalized = normalizeHtu(htu);
    if (normalized === undefined) return false;
    this.#normalized ??= normalizeHtu(asSent(this.#exact)) ?? this.#exact;
    return normalized === this.#normalized;
  }
}

/**
 * Brings a URL into the one form of all that are equivalent to it.
 *
 * @param url The URL; query and fragment are dropped.
 * @returns The form, or `undefined` for what is no absolute `http:` or `https:` URL of RFC 3986.
 */
export function normalizeHtu(url: string): string | undefined {
  const parts = FORM.exec(url);
  if (parts === null) return undefined;
  const [, scheme = "", authority = "", path = ""] = parts;
  const isSecure = scheme.length === 5;
  const host = normalizeAuthority(authority, isSecure ? "443" : "80");
  if (host === undefined || !PATH.test(path)) return undefined;
  return `${isSecure ? "https" : "http"}://${host}${removeDotSegments(decodeUnreserved(path))}`;
}

/** What clients make of a URL that is not ASCII: Punycode in the host, escapes of UTF-8 in the path. */
function asSent(url: string): string {
  if (!NOT_ASCII.test(url) || REPAIRED.test(url)) return url;
  try {
    return new URL(url).href;
  } catch {
    return url;
  }
}

function normalizeAuthority(authority: string, defaultPort: string): string | undefined {
  const [, host = "", port = ""] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? [];
  if (!HOST.test(host)) return undefined;
  const name = decodeUnreserved(host.toLowerCase()).replace(/[A-Z]/g, lowerUnlessEscaped);
  if (port === "" || port === defaultPort) return name;
  return /^[1-9]\d{0,4}$/.test(port) && Number(port) < 65536 ? `${name}:${port}` : undefined;
}

/** Escapes have capital hexadecimal digits, also in a host, which is small otherwise. */
function lowerUnlessEscaped(letter: string, at: number, host: string): string {
  return host[at - 1] === "%" || host[at - 2] === "%" ? letter : letter.toLowerCase();
}

/** Decodes escapes that need not be ones, and writes the others in capitals. */
function decodeUnreserved(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
}

/** RFC 3986, section 5.2.4; an empty path is "/" (section 6.2.3). */
function removeDotSegments(path: string): string {
  if (!path.includes("/.")) return path === "" ? "/" : path;
  const segments = path.split("/").slice(1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  const last = segments.at(-1);
  if (last === "." || last === "..") kept.push("");
  return `/${kept.join("/")}`;
}
