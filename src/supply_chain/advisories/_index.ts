import { SecurityError } from "../../errors.ts";
import { type AdvisoryPackage, type AdvisorySource, packageKey } from "./advisory_source.ts";
import {
  BYTES_PER_ROW,
  COLUMNS,
  damaged,
  fnv1a,
  fnv1aOfText,
  fnv1aOfWords,
  HEADER,
  type Header,
  type IndexFacts,
  readHeader,
} from "./_index_format.ts";
import { IndexWriter } from "./_index_writer.ts";
import type { OsvRecord } from "./osv.ts";

/** A table of 200,000 records has about 5 MB. */
const MAX_TABLE_BYTES = 512 * 1024 * 1024;
/** Records that are longer are read into memory of their own. */
const BUFFER_BYTES = 64 * 1024;
const DECODER = new TextDecoder();

/** Whether a folder holds a stored database. */
export async function hasIndex(folder: string): Promise<boolean> {
  try {
    return (await Deno.stat(`${folder}/${HEADER}`)).isFile;
  } catch {
    return false;
  }
}

/**
 * Stores records in `folder` as the database that {@linkcode openIndex} opens, in place of the one that is
 * there. Only one caller may do so at a time.
 */
export async function buildIndex(
  records: Iterable<OsvRecord> | AsyncIterable<OsvRecord>,
  folder: string,
  facts: IndexFacts,
): Promise<void> {
  await using writer = await IndexWriter.create(folder);
  for await (const record of records) writer.add(record);
  await writer.publish(facts);
}

/**
 * Opens the database that is stored in `folder`.
 *
 * @throws {SecurityError} `database-unreadable`, when it is damaged or of another format.
 */
export async function openIndex(folder: string): Promise<AdvisorySource> {
  return new IndexSource(folder, await readState(folder));
}

interface State {
  readonly header: Header;
  readonly hashes: Uint32Array;
}

class IndexSource implements AdvisorySource {
  readonly #folder: string;
  readonly modified?: string;
  #state: State;

  constructor(folder: string, state: State) {
    this.#folder = folder;
    this.#state = state;
    if (state.header.modified !== null) this.modified = state.header.modified;
  }

  get description(): string {
    return `database of ${this.#state.header.records} advisories`;
  }

  get fetched(): string {
    return this.#state.header.fetched;
  }

  get invalid(): number {
    return this.#state.header.invalid;
  }

  covers(ecosystem: string): boolean {
    return this.#state.header.ecosystems.includes(ecosystem);
  }

  async lookup(
    packages: readonly AdvisoryPackage[],
  ): Promise<ReadonlyMap<string, readonly OsvRecord[]>> {
    let file: Deno.FsFile;
    try {
      file = this.#open();
    } catch {
      // Another process has replaced the database since it was opened.
      this.#state = await readState(this.#folder);
      try {
        file = this.#open();
      } catch (cause) {
        throw damaged("its data file cannot be read", cause);
      }
    }
    using open = file;
    const lookup = new Lookup(open, this.#state);
    const found = new Map<string, readonly OsvRecord[]>();
    for (const key of new Set(packages.map(packageKey))) {
      const records = lookup.find(key);
      if (records.length > 0) found.set(key, records);
    }
    return found;
  }

  #open(): Deno.FsFile {
    return Deno.openSync(`${this.#folder}/${this.#state.header.file}`, { read: true });
  }
}

/**
 * Reads records from an open data file.
 *
 * Synchronous: it takes thousands of reads of a few hundred bytes, most of them from the page cache.
 */
class Lookup {
  readonly #file: Deno.FsFile;
  readonly #state: State;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** By offset: a record about a thousand of the packages is in memory once. */
  readonly #records = new Map<number, OsvRecord>();

  constructor(file: Deno.FsFile, state: State) {
    this.#file = file;
    this.#state = state;
  }

  find(key: string): OsvRecord[] {
    const { header: { tableStart }, hashes } = this.#state;
    const hash = fnv1aOfText(key);
    const first = lowerBound(hashes, hash);
    let count = 0;
    while (hashes[first + count] === hash) count++;
    if (count === 0) return [];
    const bytes = new Uint8Array(count * COLUMNS * 4);
    readAt(this.#file, tableStart + hashes.length * 4 + first * COLUMNS * 4, bytes);
    const rows = new Uint32Array(bytes.buffer);
    const records: OsvRecord[] = [];
    for (let at = 0; at < rows.length; at += COLUMNS) {
      const [checksum, length, low, high] = rows.subarray(at, at + COLUMNS);
      const record = this.#record(high! * 2 ** 32 + low!, length!, checksum!);
      // Two packages may share a hash.
      if (record.affected?.some((entry) => packageKey(entry.package!) === key)) {
        records.push(record);
      }
    }
    return records;
  }

  #record(offset: number, length: number, checksum: number): OsvRecord {
    if (offset + length > this.#state.header.tableStart) throw damaged("a record is cut off");
    const known = this.#records.get(offset);
    if (known !== undefined) return known;
    const bytes = length > BUFFER_BYTES ? new Uint8Array(length) : this.#buffer.subarray(0, length);
    readAt(this.#file, offset, bytes);
    if (fnv1a(bytes) !== checksum) throw damaged("a record is damaged");
    // Checked before it was stored; the checksum shows that it is still what was stored.
    const record = JSON.parse(DECODER.decode(bytes)) as OsvRecord;
    this.#records.set(offset, record);
    return record;
  }
}

async function readState(folder: string): Promise<State> {
  const header = await readHeader(folder);
  const { file: name, bytes: size, tableStart } = header;
  const tableBytes = size - tableStart;
  if (tableBytes > MAX_TABLE_BYTES || tableBytes % BYTES_PER_ROW !== 0) {
    throw damaged("its header is damaged");
  }
  try {
    using file = Deno.openSync(`${folder}/${name}`, { read: true });
    if (file.statSync().size !== size) throw damaged("its data file is cut off");
    const bytes = new Uint8Array(tableBytes / BYTES_PER_ROW * 4);
    readAt(file, tableStart, bytes);
    // Little-endian, as is every platform of Deno.
    const hashes = new Uint32Array(bytes.buffer);
    if (fnv1aOfWords(hashes) !== header.hashes) throw damaged("its table is damaged");
    return { header, hashes };
  } catch (cause) {
    if (cause instanceof SecurityError) throw cause;
    throw damaged("its data file cannot be read", cause);
  }
}

function readAt(file: Deno.FsFile, offset: number, bytes: Uint8Array): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    const read = file.readSync(bytes.subarray(done));
    if (read === null) throw damaged("its data file is cut off");
    done += read;
  }
}

/** Index of the first hash that is not smaller. */
function lowerBound(hashes: Uint32Array, hash: number): number {
  let low = 0;
  let high = hashes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (hashes[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  return low;
}
