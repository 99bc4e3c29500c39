/**
 * The address as RFC 3986 has it, if it is one that a page may link to.
 *
 * User name and password are left out: a report goes further than the lockfile. The URL parser
 * keeps characters such as `|` and `^`, which the formats refuse.
 */
export function webUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  const fragment = url.hash === "" ? "" : `#${encode(url.hash.slice(1))}`;
  return url.origin + encode(url.pathname + url.search) + fragment;
}

function encode(part: string): string {
  return part.replace(/%(?![\da-f]{2})|[^\w\-.~:/?@!$&'()*+,;=%]/gi, encodeURIComponent);
}
