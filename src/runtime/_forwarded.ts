import { type Ip, parseIp } from "../_internal/ip.ts";

/** Who a proxy says it got the request from. */
export interface Hop {
  /** The address. */
  readonly ip: Ip;
  /** The port, where it was said. */
  readonly port: number | undefined;
}

/** Longest element that is looked at: `for`, `by`, `host` and `proto` with their values. */
const MAX_ELEMENT = 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** token "=" ( token / quoted-string ): RFC 7239, section 4. */
const PAIR =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)")/;
const V4_PORT = /^([0-9.]+):(_[0-9A-Za-z._-]+|[0-9]{1,5})$/;
const V6_PORT = /^\[([0-9A-Fa-f:.]+)\](?::(_[0-9A-Za-z._-]+|[0-9]{1,5}))?$/;

/**
 * Reads the elements of a header from the last to the first.
 *
 * From the right, as only what stands there was written by a proxy that is known: a client that sends
 * half a quoted string of its own must not spoil what the proxies have added after it.
 *
 * @param header All lines of the header, joined.
 * @param isQuoted Whether a comma may stand in quotes.
 * @returns The elements, without the white space around them; `undefined` for one that is too long.
 */
export function* elementsFromRight(
  header: string,
  isQuoted: boolean,
): Generator<string | undefined> {
  let end = header.length;
  while (end >= 0) {
    const start = startOfElement(header, end, isQuoted);
    if (start === undefined) {
      yield undefined;
      return;
    }
    yield trimmed(header.slice(start, end));
    end = start - 1;
  }
}

/** Where the element begins that ends at an index: after a comma, or at 0. */
function startOfElement(header: string, end: number, isQuoted: boolean): number | undefined {
  let inQuotes = false;
  const last = Math.max(0, end - MAX_ELEMENT);
  for (let at = end - 1; at >= last; at--) {
    const code = header.charCodeAt(at);
    if (code === COMMA && !inQuotes) return at + 1;
    if (code === QUOTE && isQuoted && !(inQuotes && isEscaped(header, at, last))) {
      inQuotes = !inQuotes;
    }
  }
  return last === 0 ? 0 : undefined;
}

/** Whether a character stands behind an odd number of backslashes. */
function isEscaped(header: string, at: number, last: number): boolean {
  let backslashes = 0;
  while (at - backslashes > last && header.charCodeAt(at - backslashes - 1) === BACKSLASH) {
    backslashes++;
  }
  return backslashes % 2 === 1;
}

function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  const isSpace = (at: number) => text[at] === " " || text[at] === "\t";
  while (start < end && isSpace(start)) start++;
  while (end > start && isSpace(end - 1)) end--;
  return text.slice(start, end);
}

/**
 * Reads an entry of X-Forwarded-For: an address, or an address with a port.
 *
 * @param element The entry.
 * @returns Who it names, or `undefined` for anything else.
 */
export function readXForwardedFor(element: string): Hop | undefined {
  const ip = parseIp(element);
  return ip === undefined ? withPort(element) : { ip, port: undefined };
}

/**
 * Reads an element of Forwarded, strictly by RFC 7239: every parameter once, and a `for` that names an address.
 *
 * @param element The element.
 * @returns Who it names; `undefined` for `unknown`, for obfuscated identifiers and for anything malformed.
 */
export function readForwarded(element: string): Hop | undefined {
  const names = new Set<string>();
  let node: string | undefined;
  let rest = element;
  while (true) {
    // Pairs may be left out between semicolons.
    rest = rest.replace(/^;+/, "");
    if (rest === "") break;
    const match = PAIR.exec(rest);
    if (match === null) return undefined;
    const [all, written = "", token, quoted = ""] = match;
    const name = written.toLowerCase();
    if (names.has(name)) return undefined;
    names.add(name);
    if (name === "for") node = token ?? quoted.replace(/\\(.)/g, "$1");
    rest = rest.slice(all.length);
    if (rest !== "" && rest[0] !== ";") return undefined;
  }
  return node === undefined ? undefined : readNode(node);
}

/** node = nodename [ ":" node-port ], with IPv6 in brackets: RFC 7239, section 6. */
function readNode(node: string): Hop | undefined {
  if (node.includes(":") || node.includes("[")) return withPort(node);
  const ip = parseIp(node);
  return ip === undefined ? undefined : { ip, port: undefined };
}

function withPort(text: string): Hop | undefined {
  if (text.length > 128) return undefined;
  const match = V6_PORT.exec(text) ?? V4_PORT.exec(text);
  const ip = match?.[1] === undefined ? undefined : parseIp(match[1]);
  // Brackets are for IPv6 alone.
  if (ip === undefined || text.startsWith("[") && !match![1]!.includes(":")) return undefined;
  const written = match?.[2];
  if (written === undefined || written.startsWith("_")) return { ip, port: undefined };
  const port = Number(written);
  return port > 65_535 ? undefined : { ip, port };
}
