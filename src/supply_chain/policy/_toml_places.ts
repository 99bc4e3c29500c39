import { parse } from "smol-toml";

/** Where a key, an element or a table stands in the text, and the places inside it. */
export interface Place {
  readonly offset: number;
  /** Where its value begins, for a key; else as `offset`. */
  value: number;
  readonly keys: Map<string, Place>;
  readonly items: Place[];
}

/**
 * The places of everything in a TOML document.
 *
 * smol-toml keeps no positions, so this walks the text a second time. It may assume that the text is
 * valid, which makes it short: it must be called only with a text that smol-toml has parsed.
 */
export function tomlPlaces(text: string): Place {
  return new Walker(text).document();
}

function placeAt(offset: number): Place {
  return { offset, value: offset, keys: new Map(), items: [] };
}

class Walker {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Place {
    const root = placeAt(0);
    let table = root;
    for (this.#blank(); this.#at < this.#text.length; this.#blank()) {
      if (this.#text[this.#at] === "[") table = this.#header(root);
      else this.#pair(table);
    }
    return root;
  }

  /** `[a.b]` or `[[a.b]]`. */
  #header(root: Place): Place {
    const offset = this.#at;
    const isArray = this.#text.startsWith("[[", offset);
    this.#at += isArray ? 2 : 1;
    const keys = this.#key();
    this.#at += isArray ? 2 : 1;
    let table = root;
    for (const key of keys.slice(0, -1)) table = enter(table, key, offset);
    const last = enter(table, keys.at(-1)!, offset, isArray);
    if (!isArray) return last;
    const item = placeAt(offset);
    last.items.push(item);
    return item;
  }

  /** `a.b = value`. */
  #pair(table: Place): void {
    const offset = this.#at;
    for (const key of this.#key()) table = enter(table, key, offset);
    this.#at++;
    this.#space();
    table.value = this.#at;
    this.#value(table);
  }

  /** The segments of a key, up to the `=` or `]` after it. */
  #key(): string[] {
    const segments: string[] = [];
    for (;;) {
      this.#space();
      const start = this.#at;
      const quote = this.#text[start];
      if (quote === '"' || quote === "'") {
        this.#string();
        const raw = this.#text.slice(start, this.#at);
        const plain = !raw.includes("\\") || quote === "'";
        segments.push(plain ? raw.slice(1, -1) : String(parse(`k=${raw}`).k));
      } else {
        while (/[A-Za-z0-9_-]/.test(this.#text[this.#at] ?? "")) this.#at++;
        segments.push(this.#text.slice(start, this.#at));
      }
      this.#space();
      if (this.#text[this.#at] !== ".") return segments;
      this.#at++;
    }
  }

  /** Passes a value; places inside it are recorded in `place`. */
  #value(place: Place): void {
    const first = this.#text[this.#at];
    if (first === "[") {
      for (this.#open(); this.#text[this.#at] !== "]"; this.#separator()) {
        const item = placeAt(this.#at);
        place.items.push(item);
        this.#value(item);
      }
      this.#at++;
    } else if (first === "{") {
      for (this.#open(); this.#text[this.#at] !== "}"; this.#separator()) this.#pair(place);
      this.#at++;
    } else if (first === '"' || first === "'") {
      this.#string();
    } else {
      while (!/[,\]}#\r\n]/.test(this.#text[this.#at] ?? "\n")) this.#at++;
    }
  }

  #open(): void {
    this.#at++;
    this.#blank();
  }

  #separator(): void {
    this.#blank();
    if (this.#text[this.#at] === ",") this.#open();
    // A valid text cannot end here; without this the loops above would not either.
    if (this.#at >= this.#text.length) throw new RangeError("TOML ends inside a value");
  }

  #string(): void {
    const quote = this.#text[this.#at]!;
    const triple = quote.repeat(3);
    const end = this.#text.startsWith(triple, this.#at) ? triple : quote;
    this.#at += end.length;
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      this.#at += quote === '"' && this.#text[this.#at] === "\\" ? 2 : 1;
    }
    this.#at += end.length;
    // Up to two quotes may stand before the closing three: `"""said "yes""""`.
    while (end === triple && this.#text[this.#at] === quote) this.#at++;
  }

  /** Passes spaces and tabs. */
  #space(): void {
    while (/[ \t]/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  /** Passes white space, line ends, comments and a byte order mark. */
  #blank(): void {
    for (;;) {
      while (/[ \t\r\n\ufeff]/.test(this.#text[this.#at] ?? "")) this.#at++;
      if (this.#text[this.#at] !== "#") return;
      const end = this.#text.indexOf("\n", this.#at);
      this.#at = end < 0 ? this.#text.length : end;
    }
  }
}

/** The place of `key` in a table; a header that goes through an array of tables means its last. */
function enter(table: Place, key: string, offset: number, asArray = false): Place {
  let place = table.keys.get(key);
  if (place === undefined) {
    place = placeAt(offset);
    table.keys.set(key, place);
  }
  return asArray ? place : place.items.at(-1) ?? place;
}
