import { SecurityError } from "../../errors.ts";
import { printable } from "../_text.ts";
import type { OsvRecord } from "./osv.ts";
import { looksLikeRecord, readRecord } from "./_read_record.ts";
import { DamagedArchive, DamagedEntry, readZipDirectory, ZipReader } from "./_zip.ts";

/** How much of a database is read. */
export interface DatabaseLimits {
  /** Largest JSON file, in bytes. @default {67108864} */
  readonly maxFileBytes?: number;
  /** Largest JSON file in an archive, after inflation, in bytes: it holds one record. @default {4194304} */
  readonly maxRecordBytes?: number;
  /**
   * `{`, `[` and `,` in one JSON file: each becomes at least one value. A file of records has one in 25
   * bytes. In 60 MB of `[],` there are 40 million, which would take more than a gigabyte.
   *
   * @default {4000000}
   */
  readonly maxFileValues?: number;
  /** The same in a JSON file in an archive. @default {1000000} */
  readonly maxRecordValues?: number;
  /** All JSON files together, in bytes. @default {8589934592} */
  readonly maxTotalBytes?: number;
  /** Number of files. @default {2000000} */
  readonly maxFiles?: number;
}

/** Options of {@linkcode readDatabase}. */
export interface ReadDatabaseOptions extends DatabaseLimits {
  /** How errors call what is read. @default {path} */
  readonly name?: string;
}

/** What was read besides the records. */
export interface DatabaseFacts {
  /** Files and records that are malformed. */
  readonly invalid: number;
  /** Those of them that an archive does not hold as they were put into it. */
  readonly damaged: number;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });
/** Folders within folders; OSV's own layout needs one. */
const MAX_DEPTH = 32;

/**
 * Reads the records of a folder, an archive or a JSON file, and hands each to `add`.
 *
 * A folder may nest JSON files and archives in any way. A JSON file holds one record, an array of
 * records or `{"vulns": […]}`. Files that are no records are passed over; malformed records are
 * counted. Archives are read entry by entry, and nothing is written.
 *
 * @throws {SecurityError} `database-unreadable`, when something is missing, damaged or over a limit.
 */
export async function readDatabase(
  path: string,
  add: (record: OsvRecord) => void,
  options: ReadDatabaseOptions = {},
): Promise<DatabaseFacts> {
  const { name = path, ...limits } = options;
  const reading = new Reading(add, { path, name: printable(name), limits });
  try {
    await reading.read();
  } catch (cause) {
    if (cause instanceof SecurityError) throw cause;
    const what = cause instanceof Deno.errors.NotFound ? "does not exist" : "cannot be read";
    throw unreadable(`the advisory database ${printable(name)} ${what}`, cause);
  }
  const { invalid, damaged } = reading;
  return { invalid, damaged };
}

class Reading {
  readonly #add: (record: OsvRecord) => void;
  readonly #path: string;
  readonly #name: string;
  readonly #limits: Required<DatabaseLimits>;
  readonly #folders = new Set<string>();
  #files = 0;
  #bytes = 0;
  invalid = 0;
  damaged = 0;

  constructor(
    add: (record: OsvRecord) => void,
    { path, name, limits }: { path: string; name: string; limits: DatabaseLimits },
  ) {
    this.#add = add;
    this.#path = path;
    this.#name = name;
    this.#limits = {
      maxFileBytes: 64 * 1024 ** 2,
      maxRecordBytes: 4 * 1024 ** 2,
      maxFileValues: 4_000_000,
      maxRecordValues: 1_000_000,
      maxTotalBytes: 8 * 1024 ** 3,
      maxFiles: 2_000_000,
      ...limits,
    };
  }

  async read(): Promise<void> {
    if (!Deno.statSync(this.#path).isDirectory) return await this.#file(this.#path);
    const files: string[] = [];
    this.#list(this.#path, files, 0);
    // The same order on every file system.
    for (const file of files.sort()) await this.#file(file);
  }

  #list(folder: string, files: string[], depth: number): void {
    if (depth > MAX_DEPTH) throw this.#refuse("is nested too deeply");
    // A symbolic link may lead back up.
    const real = Deno.realPathSync(folder);
    if (this.#folders.has(real)) return;
    this.#folders.add(real);
    for (const entry of Deno.readDirSync(folder)) {
      if (entry.name.startsWith(".")) continue;
      const path = `${folder}/${entry.name}`;
      const { isDirectory } = entry.isSymlink ? Deno.statSync(path) : entry;
      if (isDirectory) this.#list(path, files, depth + 1);
      // A FIFO or device by such a name is not passed over: reading it is refused, and so is the database.
      else if (/\.(?:json|zip)$/i.test(entry.name)) files.push(path);
      if (files.length > this.#limits.maxFiles) throw this.#over("maxFiles", "files");
    }
  }

  /** Synchronous where it can be: a promise costs more than reading a file of a record's size. */
  async #file(path: string): Promise<void> {
    const { isFile, size } = Deno.statSync(path);
    const name = this.#name + printable(path.slice(this.#path.length));
    // A device or a FIFO could block or never end.
    if (!isFile) throw unreadable(`${name} is not a regular file`);
    if (!/\.json$/i.test(path)) return await this.#archive(path, name);
    const { maxFileBytes, maxFileValues } = this.#limits;
    this.#account(name, size, maxFileBytes);
    this.#json(Deno.readFileSync(path), name, maxFileValues);
  }

  async #archive(path: string, name: string): Promise<void> {
    using file = await Deno.open(path, { read: true });
    try {
      await this.#entries(file, name);
    } catch (error) {
      if (!(error instanceof DamagedArchive)) throw error;
      throw unreadable(`the advisory archive ${name} cannot be read: ${error.message}`, error);
    }
  }

  async #entries(file: Deno.FsFile, archive: string): Promise<void> {
    const directory = await readZipDirectory(file);
    const entries = directory.entries.filter(({ name }) =>
      /(?:^|[/\\])[^./\\][^/\\]*\.json$/i.test(name)
    );
    const { maxFileBytes, maxFileValues, maxRecordBytes, maxRecordValues } = this.#limits;
    const maxBytes = Math.min(maxFileBytes, maxRecordBytes);
    const maxValues = Math.min(maxFileValues, maxRecordValues);
    const nameOf = (name: string) => `${printable(name, 100)} in ${archive}`;
    // What the archive declares is refused before any of it is inflated.
    for (const { name, size } of entries) this.#account(nameOf(name), size, maxBytes);
    const reader = new ZipReader(file, directory);
    for (const entry of entries) {
      try {
        this.#json(await reader.read(entry), nameOf(entry.name), maxValues);
      } catch (error) {
        if (!(error instanceof DamagedEntry)) throw error;
        this.invalid++;
        this.damaged++;
      }
    }
  }

  #account(name: string, bytes: number, maxBytes: number): void {
    this.#files++;
    this.#bytes += bytes;
    const { maxFiles, maxTotalBytes } = this.#limits;
    if (this.#bytes > maxTotalBytes) throw this.#over("maxTotalBytes", "bytes");
    if (this.#files > maxFiles) throw this.#over("maxFiles", "files");
    if (bytes > maxBytes) throw unreadable(`${name} is larger than ${maxBytes} bytes`);
  }

  #over(limit: "maxTotalBytes" | "maxFiles", unit: string): SecurityError {
    return this.#refuse(`has more than ${this.#limits[limit]} ${unit}`);
  }

  #refuse(why: string): SecurityError {
    return unreadable(`the advisory database ${this.#name} ${why}`);
  }

  #json(bytes: Uint8Array, name: string, maxValues: number): void {
    if (valuesIn(bytes, maxValues) > maxValues) {
      throw unreadable(`${name} has more than ${maxValues} values`);
    }
    let value: unknown;
    try {
      value = JSON.parse(UTF8.decode(bytes));
    } catch {
      this.invalid++;
      return;
    }
    const list = Array.isArray(value) ? value : vulnsOf(value) ?? [value];
    for (const item of list) {
      if (!looksLikeRecord(item)) continue;
      const record = readRecord(item);
      if (record === undefined) this.invalid++;
      else this.#add(record);
    }
  }
}

/** Counts values before they are made, where there is room for as many as `most`. */
function valuesIn(bytes: Uint8Array, most: number): number {
  if (bytes.length <= most) return 0;
  let values = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === 0x7b || byte === 0x5b || byte === 0x2c) values++;
  }
  return values;
}

function vulnsOf(value: unknown): unknown[] | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "vulns")) {
    return undefined;
  }
  const { vulns } = value as { vulns: unknown };
  return Array.isArray(vulns) ? vulns : undefined;
}

function unreadable(message: string, cause?: unknown): SecurityError {
  return new SecurityError("database-unreadable", message, { cause });
}
