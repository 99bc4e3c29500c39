/** A key of an object, where it stands. */
export interface ScannedKey {
  /** Names of the objects around it, outermost first. */
  readonly path: readonly string[];
  readonly key: string;
  /** Offset of its opening quote. */
  readonly offset: number;
}

/** Limits of {@linkcode scanJson}. */
export interface JsonScanLimits {
  readonly maxDepth: number;
  /** Objects and arrays; each costs the parser far more than its two characters. */
  readonly maxContainers: number;
  /** Duplicates that are listed. */
  readonly maxDuplicates: number;
}

/** What `JSON.parse` does not tell: where keys stand, which came twice, how deep it goes. */
export interface JsonScan {
  /** Offset of a key by the path of the objects around it, joined by NUL, and the key itself. */
  readonly offsets: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Keys that an object has twice. Readers take the last one, and reviewers read the first. */
  readonly duplicates: readonly ScannedKey[];
  /** The limit that the text exceeds, and where. */
  readonly exceeded?: { readonly limit: "maxDepth" | "maxContainers"; readonly offset: number };
}

/** An object or array that is open. */
interface Frame {
  /** Keys seen; `undefined` for an array. */
  readonly keys: Map<string, number> | undefined;
  readonly path: string;
  /** The last key, whose value comes next. */
  key: string;
}

const QUOTE = 0x22, COLON = 0x3a, BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;

/** The sections of a lockfile end at this depth; below it only duplicates matter. */
const RECORDED_DEPTH = 3;

/**
 * Walks a JSON text once without building values, so that it can be refused before it is parsed.
 *
 * It takes any text and reports no syntax errors: that is what `JSON.parse` is for.
 */
export function scanJson(text: string, limits: JsonScanLimits): JsonScan {
  const offsets = new Map<string, Map<string, number>>();
  const duplicates: ScannedKey[] = [];
  const stack: Frame[] = [];
  let frame: Frame | undefined;
  let containers = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        if (frame?.keys !== undefined && text.charCodeAt(skipSpace(text, end + 1)) === COLON) {
          frame.key = unquote(text.slice(at, end + 1));
          if (frame.keys.has(frame.key) && duplicates.length < limits.maxDuplicates) {
            const path = frame.path === "" ? [] : frame.path.split("\0").slice(1);
            duplicates.push({ path, key: frame.key, offset: at });
          }
          frame.keys.set(frame.key, at);
        }
        at = end;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY: {
        if (stack.length === limits.maxDepth) {
          return { offsets, duplicates, exceeded: { limit: "maxDepth", offset: at } };
        }
        if (++containers > limits.maxContainers) {
          return { offsets, duplicates, exceeded: { limit: "maxContainers", offset: at } };
        }
        const isRecorded = stack.length < RECORDED_DEPTH;
        const path = frame === undefined ? "" : isRecorded ? `${frame.path}\0${frame.key}` : "\0…";
        const keys = text.charCodeAt(at) === OPEN_OBJECT ? new Map<string, number>() : undefined;
        frame = { keys, path, key: "" };
        stack.push(frame);
        if (keys !== undefined && isRecorded) offsets.set(path, keys);
        break;
      }
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        stack.pop();
        frame = stack.at(-1);
        break;
    }
  }
  return { offsets, duplicates };
}

/** Offset of the quote that closes the string opened at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

function skipSpace(text: string, from: number): number {
  while (text.charCodeAt(from) <= 0x20) from++;
  return from;
}

function unquote(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted;
  }
}
