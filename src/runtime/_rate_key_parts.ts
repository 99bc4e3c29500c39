/** What an audit record says of a key. */
export interface RateKeyParts {
  /** The first principal in it. */
  readonly principal?: string;
  /** Everything else. */
  readonly resource?: string;
}

/**
 * Takes a key apart for an audit record, in which a principal has a member of its own.
 *
 * @param key The key.
 * @returns The principal, and what is left.
 */
export function rateKeyParts(key: string): RateKeyParts {
  let principal: string | undefined;
  const others: string[] = [];
  const parts = [key];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const [head = "", kind, length] = /^([a-z0-9-]+):([0-9]+):/.exec(part) ?? [];
    const end = head.length + Number(length);
    if (head === "" || end > part.length) {
      others.push(part);
      continue;
    }
    if (end < part.length) parts.push(part.slice(end));
    const value = part.slice(head.length, end);
    if (kind === "composite") parts.push(value);
    else if (kind === "principal" && principal === undefined) principal = value;
    else others.push(part.slice(0, end));
  }
  return {
    ...(principal === undefined ? {} : { principal }),
    ...(others.length === 0 ? {} : { resource: others.join("") }),
  };
}
