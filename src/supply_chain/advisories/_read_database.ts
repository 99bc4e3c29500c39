import { SecurityError } from "../../errors.ts";
import { printable } from "../_text.ts";
import type { OsvRecord } from "./osv.ts";
import { looksLikeRecord, readRecord } from "./_read_record.ts";
import { DamagedEntry, readZipDirectory, ZipReader } from "./_zip.ts";

/** How much of a database is read. */
export interface DatabaseLimits {
  /** Largest JSON file, in an archive after inflation, in bytes. @default {67108864} */
  readonly maxFileBytes?: number;
  /** All JSON files together, in bytes. @default {8589934592} */
  readonly maxTotalBytes?: number;
  /** Number of files. @default {2000000} */
  readonly maxFiles?: number;
}

/** What was read besides the records. */
export interface DatabaseFacts {
  /** Files and records that are malformed. */
  readonly invalid: number;
  /** Those of them that an archive does not hold as they were put into it. */
  readonly damaged: number;
  /** When the newest file was written, in milliseconds since 1970. */
  readonly writtenAt: number;
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
  limits: DatabaseLimits = {},
): Promise<DatabaseFacts> {
  const reading = new Reading(add, limits);
  try {
    await reading.read(path);
  } catch (cause) {
    if (cause instanceof SecurityError) throw cause;
    const what = cause instanceof Deno.errors.NotFound ? "does not exist" : "cannot be read";
    throw unreadable(`the advisory database ${baseName(path)} ${what}`, cause);
  }
  const { invalid, damaged, writtenAt } = reading;
  return { invalid, damaged, writtenAt };
}

/** The last part of a path, as errors name it: they must not tell where things are. */
export function baseName(path: string): string {
  return printable(path.split(/[/\\]/).findLast((part) => part !== "") ?? path, 200);
}

class Reading {
  readonly #add: (record: OsvRecord) => void;
  readonly #limits: Required<DatabaseLimits>;
  readonly #folders = new Set<string>();
  #files = 0;
  #bytes = 0;
  invalid = 0;
  damaged = 0;
  writtenAt = 0;

  constructor(add: (record: OsvRecord) => void, limits: DatabaseLimits) {
    this.#add = add;
    this.#limits = {
      maxFileBytes: 64 * 1024 ** 2,
      maxTotalBytes: 8 * 1024 ** 3,
      maxFiles: 2_000_000,
      ...limits,
    };
  }

  async read(path: string): Promise<void> {
    if (!Deno.statSync(path).isDirectory) return await this.#file(path);
    const files: string[] = [];
    this.#list(path, files, 0);
    // The same order on every file system.
    for (const file of files.sort()) await this.#file(file);
  }

  #list(folder: string, files: string[], depth: number): void {
    if (depth > MAX_DEPTH) throw unreadable("the advisory database is nested too deeply");
    // A symbolic link may lead back up.
    const real = Deno.realPathSync(folder);
    if (this.#folders.has(real)) return;
    this.#folders.add(real);
    for (const entry of Deno.readDirSync(folder)) {
      if (entry.name.startsWith(".")) continue;
      const path = `${folder}/${entry.name}`;
      const { isDirectory, isFile } = entry.isSymlink ? Deno.statSync(path) : entry;
      if (isDirectory) this.#list(path, files, depth + 1);
      else if (isFile && /\.(?:json|zip)$/i.test(entry.name)) files.push(path);
      if (files.length > this.#limits.maxFiles) throw this.#over("maxFiles", "files");
    }
  }

  /** Synchronous where it can be: a promise costs more than reading a file of a record's size. */
  async #file(path: string): Promise<void> {
    const { isFile, mtime, size } = Deno.statSync(path);
    // A device or a FIFO could block or never end.
    if (!isFile) throw unreadable(`${baseName(path)} is not a regular file`);
    this.writtenAt = Math.max(this.writtenAt, mtime?.getTime() ?? 0);
    if (!/\.json$/i.test(path)) return await this.#archive(path);
    this.#account(baseName(path), size);
    this.#json(Deno.readFileSync(path));
  }

  async #archive(path: string): Promise<void> {
    using file = await Deno.open(path, { read: true });
    const directory = await readZipDirectory(file);
    const entries = directory.entries.filter(({ name }) =>
      /(?:^|[/\\])[^./\\][^/\\]*\.json$/i.test(name)
    );
    // What the archive declares is refused before any of it is inflated.
    for (const { name, size } of entries) this.#account(printable(name, 100), size);
    const reader = new ZipReader(file, directory);
    for (const entry of entries) {
      try {
        this.#json(await reader.read(entry));
      } catch (error) {
        if (!(error instanceof DamagedEntry)) throw error;
        this.invalid++;
        this.damaged++;
      }
    }
  }

  #account(name: string, bytes: number): void {
    this.#files++;
    this.#bytes += bytes;
    const { maxFiles, maxFileBytes, maxTotalBytes } = this.#limits;
    if (bytes > maxFileBytes) {
      throw unreadable(`${name} in the advisory database is larger than ${maxFileBytes} bytes`);
    }
    if (this.#bytes > maxTotalBytes) throw this.#over("maxTotalBytes", "bytes");
    if (this.#files > maxFiles) throw this.#over("maxFiles", "files");
  }

  #over(limit: "maxTotalBytes" | "maxFiles", unit: string): SecurityError {
    return unreadable(`the advisory database has more than ${this.#limits[limit]} ${unit}`);
  }

  #json(bytes: Uint8Array): void {
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
