import { SecurityError } from "../../errors.ts";
import { type AdvisoryPackage, type AdvisorySource, packageKey } from "./advisory_source.ts";
import {
  COLUMNS,
  damaged,
  fnv1a,
  HEADER,
  type Header,
  type IndexFacts,
  readHeader,
  sha256,
} from "./_index_format.ts";
import { IndexWriter } from "./_index_writer.ts";
import type { OsvRecord } from "./osv.ts";

/** A table of 200,000 records has about 5 MB. */
const MAX_TABLE_BYTES = 512 * 1024 * 1024;
const UTF8 = new TextEncoder();
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
  readonly table: Uint32Array;
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
      file = await this.#open();
    } catch {
      // Another process has replaced the database since it was opened.
      this.#state = await readState(this.#folder);
      file = await this.#open().catch((cause) => {
        throw damaged("its data file cannot be read", cause);
      });
    }
    using open = file;
    const found = new Map<string, readonly OsvRecord[]>();
    for (const key of new Set(packages.map(packageKey))) {
      const records = this.#find(open, key);
      if (records.length > 0) found.set(key, records);
    }
    return found;
  }

  #open(): Promise<Deno.FsFile> {
    return Deno.open(`${this.#folder}/${this.#state.header.file}`, { read: true });
  }

  #find(file: Deno.FsFile, key: string): OsvRecord[] {
    const { table } = this.#state;
    const hash = fnv1a(UTF8.encode(key));
    const records: OsvRecord[] = [];
    for (let at = lowerBound(table, hash); table[at] === hash; at += COLUMNS) {
      const [, checksum, length, low, high] = table.subarray(at, at + COLUMNS);
      const record = this.#read(file, high! * 2 ** 32 + low!, length!, checksum!);
      // Two packages may share a hash.
      if (record.affected?.some((entry) => packageKey(entry.package!) === key)) {
        records.push(record);
      }
    }
    return records;
  }

  #read(file: Deno.FsFile, offset: number, length: number, checksum: number): OsvRecord {
    if (offset + length > this.#state.header.tableStart) throw damaged("a record is cut off");
    const bytes = new Uint8Array(length);
    // Synchronous: thousands of reads of a few hundred bytes, most of them from the page cache.
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const read = file.readSync(bytes.subarray(done));
      if (read === null) throw damaged("a record is cut off");
      done += read;
    }
    if (fnv1a(bytes) !== checksum) throw damaged("a record is damaged");
    // Checked before it was stored; the checksum shows that it is still what was stored.
    return JSON.parse(DECODER.decode(bytes)) as OsvRecord;
  }
}

async function readState(folder: string): Promise<State> {
  const header = await readHeader(folder);
  const { file: name, bytes: size, tableStart, tableSha256 } = header;
  const tableBytes = size - tableStart;
  if (tableBytes > MAX_TABLE_BYTES || tableBytes % (COLUMNS * 4) !== 0) {
    throw damaged("its header is damaged");
  }
  try {
    using file = await Deno.open(`${folder}/${name}`, { read: true });
    if ((await file.stat()).size !== size) throw damaged("its data file is cut off");
    const bytes = new Uint8Array(tableBytes);
    await file.seek(tableStart, Deno.SeekMode.Start);
    for (let done = 0; done < tableBytes;) {
      const read = await file.read(bytes.subarray(done));
      if (read === null) throw damaged("its data file is cut off");
      done += read;
    }
    if (await sha256(bytes) !== tableSha256) throw damaged("its table is damaged");
    // Little-endian, as is every platform of Deno.
    return { header, table: new Uint32Array(bytes.buffer) };
  } catch (cause) {
    if (cause instanceof SecurityError) throw cause;
    throw damaged("its data file cannot be read", cause);
  }
}

/** First row with a hash that is not smaller. */
function lowerBound(table: Uint32Array, hash: number): number {
  let low = 0;
  let high = table.length / COLUMNS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (table[middle * COLUMNS]! < hash) low = middle + 1;
    else high = middle;
  }
  return low * COLUMNS;
}
