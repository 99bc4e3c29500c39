/** What is recorded of an object that is neither an array nor a plain object. */
export interface Unusual {
  /** It is but one value. */
  readonly scalar?: unknown;
  /** It is a list. */
  readonly items?: readonly unknown[];
  /** It has members with these names. */
  readonly names?: readonly string[];
  /** The values of `names`. */
  readonly values?: readonly unknown[];
  /** How many items or members it has, also those that were not taken. */
  readonly total?: number;
}

const BOXES = [String, Number, Boolean, BigInt, Symbol];

/**
 * Looks at an object. Methods are those of the language itself, never the object's own: those may lie, throw or
 * never end.
 *
 * @param object The object.
 * @param most How many members to take of what has any number.
 * @returns What to record, or `undefined` when its own members are it.
 * @throws Whatever the object throws.
 */
export function unusual(object: object, most: number): Unusual | undefined {
  if (object instanceof Error) return error(object);
  if (object instanceof Date) return { scalar: date(object) };
  if (object instanceof Map) {
    return taken(Map.prototype.entries.call(object), sizeOf(Map.prototype, object), most);
  }
  if (object instanceof Set) return set(object, most);
  if (ArrayBuffer.isView(object)) {
    return { scalar: `[${object.constructor.name} ${object.byteLength}]` };
  }
  if (object instanceof ArrayBuffer) return { scalar: `[ArrayBuffer ${object.byteLength}]` };
  for (const box of BOXES) {
    if (object instanceof box) return { scalar: unboxed(box.prototype, object) };
  }
  return web(object, most) ?? nameless(object);
}

function unboxed(prototype: { valueOf: () => unknown }, object: object): unknown {
  return prototype.valueOf.call(object);
}

function error(object: Error): Unusual {
  const names: string[] = [];
  const values: unknown[] = [];
  for (const name of ["name", "message", "code"]) {
    let value: unknown;
    try {
      value = (object as unknown as Record<string, unknown>)[name];
    } catch {
      value = "[unreadable]";
    }
    if (value === undefined) continue;
    names.push(name);
    values.push(value);
  }
  return { names, values };
}

function date(object: Date): string {
  const timeMs = Date.prototype.getTime.call(object);
  return Number.isNaN(timeMs) ? "[invalid date]" : new Date(timeMs).toISOString();
}

function sizeOf(prototype: object, object: object): number {
  return Object.getOwnPropertyDescriptor(prototype, "size")?.get?.call(object);
}

function set(object: Set<unknown>, most: number): Unusual {
  const items: unknown[] = [];
  for (const item of Set.prototype.values.call(object)) {
    if (items.length === most) break;
    items.push(item);
  }
  return { items, total: sizeOf(Set.prototype, object) };
}

function taken(
  entries: Iterable<readonly [unknown, unknown]>,
  total: number | undefined,
  most: number,
): Unusual {
  const names: string[] = [];
  const values: unknown[] = [];
  let count = 0;
  for (const [name, value] of entries) {
    if (count++ >= most) {
      if (total !== undefined) break;
      continue;
    }
    const isText = typeof name === "string" || typeof name === "number";
    names.push(isText ? String(name) : `[${typeof name} ${count}]`);
    values.push(value);
  }
  return { names, values, total: total ?? count };
}

/** Objects of the web that have no members of their own, where the runtime knows them. */
function web(object: object, most: number): Unusual | undefined {
  if (typeof URL === "function" && object instanceof URL) return { scalar: object.href };
  if (typeof Headers === "function" && object instanceof Headers) {
    return taken(Headers.prototype.entries.call(object), undefined, most);
  }
  if (typeof URLSearchParams === "function" && object instanceof URLSearchParams) {
    return taken(URLSearchParams.prototype.entries.call(object), undefined, most);
  }
  return undefined;
}

/** An object without members of its own, such as a promise, is recorded as what it says to be. */
function nameless(object: object): Unusual | undefined {
  if (Object.keys(object).length > 0) return undefined;
  return { scalar: `[${Object.prototype.toString.call(object).slice(8, -1)}]` };
}
