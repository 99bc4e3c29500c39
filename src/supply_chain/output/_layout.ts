/** Narrower than this, a report is not laid out any more. */
const MIN_WIDTH = 40;

/** Columns that a report may take, for a terminal of any width. */
export function usableWidth(width = 100): number {
  return Math.max(MIN_WIDTH, Math.trunc(width) || 0);
}

/** How many code points a text has: what alignment counts, as an emoji is one character. */
export function columns(text: string): number {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

/** The text with spaces after it, up to `width` code points. */
export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - columns(text)));
}

/** The text with spaces before it, up to `width` code points. */
export function padStart(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - columns(text))) + text;
}

/** The text in at most `width` code points: the middle goes, as a label ends with its version. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  const tail = Math.floor((width - 1) / 3);
  const head = width - 1 - tail;
  return characters.slice(0, head).join("") + "…" +
    characters.slice(characters.length - tail).join("");
}

/**
 * The text in lines of at most `width` code points, broken at spaces.
 *
 * A longer word is broken too, except for a URL, which could not be copied any more.
 */
export function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text];
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const word of text.split(" ")) {
    for (const piece of pieces(word, width)) {
      const length = columns(piece);
      if (line !== "" && used + 1 + length > width) {
        lines.push(line);
        line = piece;
        used = length;
      } else {
        used += line === "" ? length : length + 1;
        line = line === "" ? piece : `${line} ${piece}`;
      }
    }
  }
  lines.push(line);
  return lines;
}

function pieces(word: string, width: number): string[] {
  if (word.length <= width || /^https?:\/\//.test(word)) return [word];
  const characters = Array.from(word);
  const parts: string[] = [];
  for (let at = 0; at < characters.length; at += width) {
    parts.push(characters.slice(at, at + width).join(""));
  }
  return parts;
}

/** A number with its thousands apart: `2,510`. */
export function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 error`, `2 errors`. */
export function count(value: number, word: string): string {
  return `${thousands(value)} ${word}${value === 1 ? "" : "s"}`;
}
