import { SecurityError } from "../../errors.ts";
import { readBytes } from "../_text.ts";

/*
 * The stored database: two files in one folder.
 *
 * `bartizan-database.json` is two lines: a header in JSON, and the SHA-256 of that line. It names the data
 * file, which holds one record a line, in JSON; after them the hashes of their packages, sorted, one for
 * each package of each record; and after them one row for each hash. A check reads the hashes and
 * verifies them, and then only the rows and records of the packages at hand. A record is verified
 * against the checksum in its row, which verifies the row as well.
 *
 * A data file is never changed once it has its name, and the header is replaced by a rename, so a
 * reader sees the database of before or the one of after.
 */

/** What is known of a stored database as a whole. */
export interface IndexFacts {
  /** Malformed records that were left out. */
  readonly invalid: number;
  /** When it was downloaded, in ISO 8601. */
  readonly fetched: string;
}

/** First line of `bartizan-database.json`. */
export interface Header extends IndexFacts {
  readonly format: typeof FORMAT;
  readonly file: string;
  /** Size of the data file. */
  readonly bytes: number;
  /** Where the hashes start in it. */
  readonly tableStart: number;
  /** The checksum of the hashes. */
  readonly hashes: number;
  readonly records: number;
  readonly modified: string | null;
  readonly ecosystems: readonly string[];
}

/** Another number is another format, which this version does not guess at. */
export const FORMAT = "bartizan advisories 2";
/** Name of the header file. */
export const HEADER = "bartizan-database.json";
/** Names of data files. */
export const DATA = /^records-[0-9a-f]{16}\.bin$/;
/** Names of files that have not become part of the database. */
export const TEMPORARY = /^building-[0-9a-f-]{36}\.tmp$/;

/** A row: checksum and length of the record, its offset in two halves. */
export const COLUMNS = 4;
/** What the table takes for each package of each record: a hash and a row. */
export const BYTES_PER_ROW = 4 + COLUMNS * 4;
const MAX_HEADER_BYTES = 1024 * 1024;
const UTF8 = new TextEncoder();

/**
 * Reads the header of the database in `folder`.
 *
 * @throws {SecurityError} `database-unreadable`, when it is missing, damaged or of another format.
 */
export async function readHeader(folder: string): Promise<Header> {
  const bytes = readBytes(`${folder}/${HEADER}`, {
    maxBytes: MAX_HEADER_BYTES,
    code: "database-unreadable",
    name: "the stored advisory database",
  });
  if (bytes === undefined) throw damaged("it does not exist");
  const [line, hash] = new TextDecoder().decode(bytes).split("\n");
  let header: object | null;
  try {
    header = JSON.parse(line ?? "");
  } catch (cause) {
    throw damaged("its header is damaged", cause);
  }
  if (header === null || typeof header !== "object" || !("format" in header)) {
    throw damaged("its header is damaged");
  }
  if (header.format !== FORMAT) throw damaged("it was written by another version");
  if (await sha256(UTF8.encode(line)) !== hash || !isHeader(header)) {
    throw damaged("its header is damaged");
  }
  return header;
}

/** The hash shows that we wrote it; the name is checked all the same, as it becomes a path. */
function isHeader(value: object): value is Header {
  const { file, bytes, tableStart, invalid, fetched, ecosystems } = value as Partial<Header>;
  const sizes = [bytes, tableStart, invalid].every((size) =>
    Number.isSafeInteger(size) && size! >= 0
  );
  return sizes && tableStart! <= bytes! && typeof file === "string" && DATA.test(file) &&
    typeof fetched === "string" && Array.isArray(ecosystems);
}

/** FNV-1a, 32 bits: finds rows and shows bit rot. Against forgery it would not help, nor need it. */
export function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < bytes.length; index++) {
    hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  }
  return hash >>> 0;
}

/** The same by words; apart from it, as one loop over arrays of two types is several times slower. */
export function fnv1aOfWords(words: Uint32Array): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < words.length; index++) {
    hash = Math.imul(hash ^ words[index]!, 0x01000193);
  }
  return hash >>> 0;
}

/** FNV-1a of a text in UTF-8, without encoding what is ASCII: names of packages are. */
export function fnv1aOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return fnv1a(UTF8.encode(text));
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return hash >>> 0;
}

/** SHA-256 in hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** The one error of a stored database. */
export function damaged(why: string, cause?: unknown): SecurityError {
  return new SecurityError(
    "database-unreadable",
    `the stored advisory database cannot be used: ${why}; run audit fetch to replace it`,
    { cause },
  );
}
