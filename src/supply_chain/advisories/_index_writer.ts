import { packageKey } from "./advisory_source.ts";
import {
  COLUMNS,
  DATA,
  fnv1a,
  fnv1aOfText,
  fnv1aOfWords,
  FORMAT,
  HEADER,
  type Header,
  type IndexFacts,
  sha256,
  TEMPORARY,
} from "./_index_format.ts";
import { laterOf } from "./_time.ts";
import type { OsvRecord } from "./osv.ts";

const BUFFER_BYTES = 1024 * 1024;
const UTF8 = new TextEncoder();

/** Writes a database beside the present one, and puts it in its place at the end. */
export class IndexWriter {
  readonly #folder: string;
  readonly #temporary: string;
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #ecosystems = new Set<string>();
  #buffered = 0;
  #offset = 0;
  #hashes = new Uint32Array(1024);
  #rows = new Uint32Array(COLUMNS * 1024);
  #rowCount = 0;
  #modified: string | undefined;
  #published = false;
  records = 0;

  private constructor(folder: string, temporary: string, file: Deno.FsFile) {
    this.#folder = folder;
    this.#temporary = temporary;
    this.#file = file;
  }

  static async create(folder: string): Promise<IndexWriter> {
    await Deno.mkdir(folder, { recursive: true });
    const temporary = `${folder}/building-${crypto.randomUUID()}.tmp`;
    const file = await Deno.open(temporary, { write: true, createNew: true });
    return new IndexWriter(folder, temporary, file);
  }

  add(record: OsvRecord): void {
    this.records++;
    this.#modified = laterOf(this.#modified, record.modified);
    const keys = new Set<string>();
    for (const { package: target } of record.affected ?? []) {
      this.#ecosystems.add(target!.ecosystem);
      keys.add(packageKey(target!));
    }
    if (record.withdrawn !== undefined || keys.size === 0) return;
    const line = UTF8.encode(JSON.stringify(record) + "\n");
    const checksum = fnv1a(line);
    for (const key of keys) {
      this.#row(fnv1aOfText(key), checksum, line.length, this.#offset);
    }
    this.#write(line);
  }

  /** Makes it the database of the folder. */
  async publish(facts: IndexFacts): Promise<void> {
    const tableStart = this.#offset;
    const { hashes, table } = this.#sortedTable();
    this.#write(table);
    this.#flush();
    await this.#file.syncData();
    this.#file.close();
    const file = `records-${(await sha256(table)).slice(0, 16)}.bin`;
    const header: Header = {
      format: FORMAT,
      file,
      bytes: this.#offset,
      tableStart,
      hashes,
      records: this.records,
      modified: this.#modified ?? null,
      ecosystems: [...this.#ecosystems].sort(),
      ...facts,
    };
    await Deno.rename(this.#temporary, `${this.#folder}/${file}`);
    this.#published = true;
    const line = JSON.stringify(header);
    const temporary = `${this.#folder}/building-${crypto.randomUUID()}.tmp`;
    const text = UTF8.encode(`${line}\n${await sha256(UTF8.encode(line))}\n`);
    {
      using out = await Deno.open(temporary, { write: true, createNew: true });
      for (let done = 0; done < text.length;) done += await out.write(text.subarray(done));
      await out.syncData();
    }
    await Deno.rename(temporary, `${this.#folder}/${HEADER}`);
    await removeOthers(this.#folder, file);
  }

  /** Removes what was written when it has not become the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#published) return;
    try {
      this.#file.close();
    } catch {
      // Closed already: publishing failed after that.
    }
    await Deno.remove(this.#temporary).catch(() => {});
  }

  #row(hash: number, checksum: number, length: number, offset: number): void {
    const row = this.#rowCount++;
    if (row === this.#hashes.length) {
      this.#hashes = grown(this.#hashes);
      this.#rows = grown(this.#rows);
    }
    this.#hashes[row] = hash;
    const halves = [offset % 2 ** 32, Math.floor(offset / 2 ** 32)];
    this.#rows.set([checksum, length, ...halves], row * COLUMNS);
  }

  #sortedTable(): { hashes: number; table: Uint8Array<ArrayBuffer> } {
    const count = this.#rowCount;
    const order = new Uint32Array(count).map((_, index) => index);
    order.sort((a, b) => this.#hashes[a]! - this.#hashes[b]! || a - b);
    const table = new Uint32Array(count * (1 + COLUMNS));
    order.forEach((row, index) => {
      table[index] = this.#hashes[row]!;
      const columns = this.#rows.subarray(row * COLUMNS, (row + 1) * COLUMNS);
      table.set(columns, count + index * COLUMNS);
    });
    return { hashes: fnv1aOfWords(table.subarray(0, count)), table: new Uint8Array(table.buffer) };
  }

  #write(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    for (let done = 0; done < bytes.length;) {
      if (this.#buffered === this.#buffer.length) this.#flush();
      const part = bytes.subarray(done, done + this.#buffer.length - this.#buffered);
      this.#buffer.set(part, this.#buffered);
      this.#buffered += part.length;
      done += part.length;
    }
  }

  /** Synchronous, so that `add` is: a disk takes a megabyte faster than a promise costs a record. */
  #flush(): void {
    for (let done = 0; done < this.#buffered;) {
      done += this.#file.writeSync(this.#buffer.subarray(done, this.#buffered));
    }
    this.#buffered = 0;
  }
}

function grown(values: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(values.length * 2);
  larger.set(values);
  return larger;
}

/** Removes data files of earlier databases and what a killed run has left. */
async function removeOthers(folder: string, keep: string): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || name === keep || !(DATA.test(name) || TEMPORARY.test(name))) continue;
    // On Windows a reader may still have it open; the next run removes it.
    await Deno.remove(`${folder}/${name}`).catch(() => {});
  }
}
