/** What the text of a module says about other modules. */
export interface ScannedImport {
  readonly specifier: string;
  readonly offset: number;
}

const QUOTES = new Set(['"', "'"]);

/** Words before a string that names a module, and what is called with one. */
const KEYWORDS = new Set(["from", "import"]);
const CALLED = new Set(["import", "require", "import.meta.resolve"]);

function namesModule(chain: string): boolean {
  return chain.endsWith("(") ? CALLED.has(chain.slice(0, -1)) : KEYWORDS.has(chain);
}

/** Words after which a `/` begins a regular expression. */
const BEFORE_EXPRESSION = new Set([
  ...["await", "case", "delete", "do", "else", "extends", "in", "instanceof", "new", "of"],
  ...["return", "throw", "typeof", "void", "yield"],
]);

/** In comments: the source of JSX elements, and the types of an import. */
const IN_COMMENT =
  /@jsxImportSource(?:Types)?\s+([^\s*]+)|(?:@(?:ts|deno)-types\s*=|@import\s[^"'\n]{0,200}from|<reference\s+(?:types|path)\s*=)\s*["']([^"'\n]+)/g;

/**
 * The imports of one module, static and dynamic, with the offset of each.
 *
 * Comments, strings and regular expressions are told apart, so that an import inside one is not taken for
 * an import. This reads tokens, not a grammar: what a `/` means after `)` and where JSX text ends is
 * guessed, which is why {@linkcode namesIn} answers whether a package is used at all. Every character is
 * looked at a fixed number of times: strings that never end made a regular expression quadratic.
 */
export function importsIn(text: string): readonly ScannedImport[] {
  const imports: ScannedImport[] = [];
  /** For each `${` that is open, the braces open in it. */
  const templates: number[] = [];
  /** The last words and dots, and a bracket after them. */
  let chain = "";
  let endsExpression = false;
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    if (character <= " ") {
      at++;
    } else if (character === "/" && (text[at + 1] === "/" || text[at + 1] === "*")) {
      const end = endOfComment(text, at);
      for (const match of text.slice(at, end).matchAll(IN_COMMENT)) {
        const specifier = match[1] ?? match[2]!;
        const offset = at + match.index + match[0].length - specifier.length;
        imports.push({ specifier, offset: match[1] === undefined ? offset - 1 : offset });
      }
      at = end;
    } else if (QUOTES.has(character) || character === "`") {
      const end = endOfString(text, at);
      const isWhole = text[end - 1] === character && end > at + 1;
      if (namesModule(chain) && isWhole) {
        imports.push({ specifier: unescaped(text.slice(at + 1, end - 1)), offset: at });
      }
      if (character === "`" && text[end - 1] === "{") templates.push(0);
      [chain, endsExpression, at] = ["", true, end];
    } else if (/[\w$]/.test(character) || character > "\x7f") {
      let end = at + 1;
      while (end < text.length && (/[\w$]/.test(text[end]!) || text[end]! > "\x7f")) end++;
      // Longer than any chain that matters, and a name can be as long as the text.
      const word = text.slice(at, Math.min(end, at + 20));
      chain = chain.endsWith(".") ? (chain + word).slice(0, 40) : word;
      [endsExpression, at] = [!BEFORE_EXPRESSION.has(word), end];
    } else if (character === "/" && !endsExpression && text[at - 1] !== "<") {
      [chain, endsExpression, at] = ["", true, endOfRegExp(text, at)];
    } else {
      const open = templates.length - 1;
      if (character === "{" && open >= 0) templates[open]!++;
      const closes = character === "}" && open >= 0 && templates[open]!-- === 0;
      chain = character === "." || character === "(" ? chain + character : "";
      if (chain.length > 40) chain = "";
      endsExpression = /[)\]}]/.test(character);
      at++;
      if (closes) {
        templates.pop();
        at = endOfString(text, at - 1, "`");
        if (text[at - 1] === "{") templates.push(0);
      }
    }
  }
  return imports;
}

function endOfComment(text: string, at: number): number {
  const isLine = text[at + 1] === "/";
  const end = text.indexOf(isLine ? "\n" : "*/", at + 2);
  return end < 0 ? text.length : isLine ? end : end + 2;
}

/** After the closing quote, the `${` of a template, the end of the line of a plain string, or the end. */
function endOfString(text: string, start: number, quote: string = text[start]!): number {
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === quote) return at + 1;
    else if (quote === "`" && character === "$" && text[at + 1] === "{") return at + 2;
    else if (quote !== "`" && character === "\n") return at;
  }
  return text.length;
}

function endOfRegExp(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at];
    if (character === "\n") return at;
    if (character === "\\") at++;
    else if (character === "[") inClass = true;
    else if (character === "]") inClass = false;
    else if (character === "/" && !inClass) return at + 1;
  }
  return text.length;
}

/** The text of a string literal; `"lod\u0061sh"` names lodash. */
function unescaped(literal: string): string {
  if (!literal.includes("\\")) return literal;
  return literal.replace(
    /\\(?:u\{0*([\da-f]{1,6})\}|u([\da-f]{4})|x([\da-f]{2})|([0-7]{1,3})|(\r\n|[^]))/gi,
    (_, point?: string, unit?: string, byte?: string, octal?: string, other?: string) => {
      if (other !== undefined) {
        if (/^[\r\n\u2028\u2029]/.test(other)) return "";
        return { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f", v: "\v" }[other] ?? other;
      }
      const code = octal === undefined ? parseInt(point ?? unit ?? byte!, 16) : parseInt(octal, 8);
      return code > 0x10ffff ? "" : String.fromCodePoint(code);
    },
  );
}

/**
 * Every text between two quotes of any kind, and every source of JSX elements.
 *
 * No import can hide from it: what names a module stands between quotes, whatever is around it. It finds
 * more than imports, which is the right side to err on.
 */
export function* namesIn(text: string): Generator<string> {
  for (const part of text.split(/["'`]/)) if (part !== "") yield unescaped(part);
  for (const [, source] of text.matchAll(/@jsxImportSource(?:Types)?\s+(\S+)/g)) yield source!;
}

/** The sources of JSX elements that a configuration names. */
export function jsxSourcesIn(text: string): string[] {
  const matches = text.matchAll(/"jsxImportSource(?:Types)?"\s*:\s*"([^"\n]*)"/g);
  return [...matches].map(([, source]) => source!);
}

/**
 * Whether a module imports what only its run can tell: `import(name)`, `require(a + b)`.
 *
 * A name that begins with `./` or `../` is that of a file of the project, whatever follows. A gap too
 * long to look through counts as computed.
 */
export function hasComputedImport(text: string): boolean {
  const gaps = new Gaps(text);
  let [lineStart, lineEnd] = [0, text.indexOf("\n")];
  for (const { index, 0: word } of text.matchAll(CALLEES)) {
    while (lineEnd >= 0 && lineEnd < index) {
      [lineStart, lineEnd] = [lineEnd + 1, text.indexOf("\n", lineEnd + 1)];
    }
    // Prose such as "import (see below)" in a comment that has a line of its own.
    if (/^\s*(?:\/\/|\/?\*)/.test(text.slice(lineStart, lineStart + 200))) continue;
    const bracket = gaps.skip(index + word.length);
    if (bracket === undefined) return true;
    if (text[bracket] !== "(") continue;
    const argument = gaps.skip(bracket + 1);
    if (argument === undefined || !/["'`]/.test(text[argument] ?? "")) return true;
    if (/^\.\.?\//.test(text.slice(argument + 1, argument + 4))) continue;
    const end = endOfString(text, argument);
    if (text[end - 1] !== text[argument]) return true;
    const after = gaps.skip(end);
    if (after === undefined || !/[,)]/.test(text[after] ?? "")) return true;
  }
  return false;
}

const CALLEES = /\b(?:import\s*\.\s*meta\s*\.\s*resolve|import|require)\b/g;

/**
 * Skips white space and comments. The ends of comments are kept: in `import/*import/*…` each would
 * otherwise be looked for to the end of the text, again and again.
 */
class Gaps {
  readonly #text: string;
  readonly #ends: Map<string, { readonly from: number; readonly end: number }> = new Map();

  constructor(text: string) {
    this.#text = text;
  }

  /** The offset of what follows; `undefined` when the gap is longer than any in real code. */
  skip(from: number): number | undefined {
    const text = this.#text;
    for (let at = from; at - from < 2000;) {
      const character = text[at];
      if (character === undefined) return at;
      const next = text[at + 1];
      if (character <= " " || character === "\ufeff" || character === "\xa0") at++;
      else if (character !== "/" || (next !== "/" && next !== "*")) return at;
      else at = next === "/" ? this.#endOf("\n", at) : this.#endOf("*/", at + 2) + 2;
    }
    return undefined;
  }

  #endOf(mark: string, at: number): number {
    const known = this.#ends.get(mark);
    if (known !== undefined && known.from <= at && at <= known.end) return known.end;
    const found = this.#text.indexOf(mark, at);
    const end = found < 0 ? this.#text.length : found;
    this.#ends.set(mark, { from: at, end });
    return end;
  }
}
