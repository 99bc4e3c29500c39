/** A file in an archive, as the central directory describes it. */
export interface ZipEntry {
  /** As written by whoever made the archive: never part of a path. */
  readonly name: string;
  readonly method: number;
  readonly encrypted: boolean;
  readonly crc: number;
  readonly compressedSize: number;
  /** Size after inflation, as declared; a different one is an error. */
  readonly size: number;
  /** Where the local header starts. */
  readonly offset: number;
}

/** The central directory of an archive, in the order of the data. */
export interface ZipDirectory {
  readonly entries: readonly ZipEntry[];
  /** Where the data ends and the central directory starts. */
  readonly end: number;
}

/** A central directory of more bytes is refused: 200,000 records need about 15 MB. */
const MAX_DIRECTORY_BYTES = 256 * 1024 * 1024;
/** What is read from the file at once; entries are small and follow one another. */
const WINDOW_BYTES = 1024 * 1024;

const UTF8 = new TextDecoder();
const STORED = 0;
const DEFLATED = 8;

/** Thrown for one entry; the others can still be read. */
export class DamagedEntry extends Error {}

/** Thrown for the whole archive; the message says what is wrong with it. */
export class DamagedArchive extends Error {}

/**
 * Reads the central directory of an archive and checks that it is whole.
 *
 * Entries that overlap are refused: that is how an archive of a few megabytes comes to hold
 * petabytes.
 *
 * @throws {DamagedArchive} If the file is no archive, is cut off or damaged.
 */
export async function readZipDirectory(file: Deno.FsFile): Promise<ZipDirectory> {
  const { size } = await file.stat();
  const { count, directoryBytes, start } = await readEnd(file, size);
  if (directoryBytes > MAX_DIRECTORY_BYTES) throw damaged("its directory is too large");
  const bytes = await readAt(file, start, directoryBytes);
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  while (at < directoryBytes) {
    if (at + 46 > directoryBytes || view.getUint32(at, true) !== 0x02014b50) {
      throw damaged("its directory is damaged");
    }
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > directoryBytes) throw damaged("its directory is damaged");
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    entries.push({
      name: UTF8.decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      method: view.getUint16(at + 10, true),
      encrypted: (view.getUint16(at + 8, true) & 1) === 1,
      crc: view.getUint32(at + 16, true),
      ...sizes(view, at, extra),
    });
    at = next;
  }
  if (entries.length !== count) throw damaged("its directory lacks entries");
  entries.sort((a, b) => a.offset - b.offset);
  for (let index = 0; index < entries.length; index++) {
    const { offset, compressedSize } = entries[index]!;
    const limit = entries[index + 1]?.offset ?? start;
    if (!(offset + 30 + compressedSize <= limit)) throw damaged("its entries overlap");
  }
  return { entries, end: start };
}

/** Reads entries one after the other; quick when they come in the order of the directory. */
export class ZipReader {
  readonly #file: Deno.FsFile;
  readonly #end: number;
  #window: Uint8Array<ArrayBuffer> = new Uint8Array();
  #start = 0;

  constructor(file: Deno.FsFile, directory: ZipDirectory) {
    this.#file = file;
    this.#end = directory.end;
  }

  /**
   * The content of an entry, checked against its declared size and its CRC-32.
   *
   * @throws {DamagedEntry} If it is not what the directory says.
   */
  async read(entry: ZipEntry): Promise<Uint8Array> {
    const header = viewOf(await this.#bytes(entry.offset, 30));
    if (header.getUint32(0, true) !== 0x04034b50) throw new DamagedEntry();
    // Compression adds a little at most. A sparse file may declare gigabytes that it does not have on the
    // disk, and they would be allocated to hold one record.
    if (entry.compressedSize > entry.size + 1024 + entry.size / 100) throw new DamagedEntry();
    const skip = 30 + header.getUint16(26, true) + header.getUint16(28, true);
    const data = await this.#bytes(entry.offset + skip, entry.compressedSize);
    const { crc32, inflateRawSync } = await import("node:zlib");
    let content: Uint8Array = data;
    try {
      // Inflation stops at the declared size, which the caller has found acceptable.
      const maxOutputLength = Math.max(entry.size, 1);
      if (entry.method === DEFLATED) content = inflateRawSync(data, { maxOutputLength });
    } catch {
      throw new DamagedEntry();
    }
    const supported = !entry.encrypted && (entry.method === STORED || entry.method === DEFLATED);
    if (!supported || content.length !== entry.size || crc32(content) !== entry.crc) {
      throw new DamagedEntry();
    }
    return content;
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.#end) throw new DamagedEntry();
    if (offset < this.#start || offset + length > this.#start + this.#window.length) {
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.#end - offset);
      this.#window = await readAt(this.#file, offset, wanted);
      this.#start = offset;
    }
    return this.#window.subarray(offset - this.#start, offset - this.#start + length);
  }
}

async function readEnd(
  file: Deno.FsFile,
  size: number,
): Promise<{ count: number; directoryBytes: number; start: number }> {
  // The end record is followed by a comment of at most 65,535 bytes.
  const tailStart = Math.max(0, size - 22 - 0xffff);
  const tail = await readAt(file, tailStart, size - tailStart);
  const view = viewOf(tail);
  let at = tail.length - 22;
  while (
    at >= 0 &&
    !(view.getUint32(at, true) === 0x06054b50 &&
      at + 22 + view.getUint16(at + 20, true) === tail.length)
  ) at--;
  if (at < 0) throw damaged("it has no end record, so it is no zip archive or is cut off");
  const short = {
    count: view.getUint16(at + 10, true),
    directoryBytes: view.getUint32(at + 12, true),
    start: view.getUint32(at + 16, true),
  };
  let end = tailStart + at;
  let found = short;
  // Zip64: more than 65,534 entries, or more than 4 GiB.
  if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
    end = Number(view.getBigUint64(at - 12, true));
    const long = viewOf(await readAt(file, end, 56, size));
    if (long.getUint32(0, true) !== 0x06064b50) throw damaged("its end record is damaged");
    found = {
      count: Number(long.getBigUint64(32, true)),
      directoryBytes: Number(long.getBigUint64(40, true)),
      start: Number(long.getBigUint64(48, true)),
    };
  }
  if (found.start + found.directoryBytes !== end) throw damaged("its directory is cut off");
  return found;
}

/** Sizes and offset of a directory entry, which the zip64 field carries when 32 bits do not hold them. */
function sizes(
  view: DataView,
  at: number,
  extra: Uint8Array,
): Pick<ZipEntry, "compressedSize" | "size" | "offset"> {
  const short = [24, 20, 42].map((field) => view.getUint32(at + field, true));
  const wide = viewOf(zip64Field(extra));
  let next = 0;
  const [size, compressedSize, offset] = short.map((value) => {
    if (value !== 0xffffffff) return value;
    if (next + 8 > wide.byteLength) throw damaged("its directory is damaged");
    next += 8;
    return Number(wide.getBigUint64(next - 8, true));
  });
  return { compressedSize: compressedSize!, size: size!, offset: offset! };
}

function zip64Field(extra: Uint8Array): Uint8Array {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length;) {
    const length = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1) return extra.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return new Uint8Array();
}

async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
  size = Infinity,
): Promise<Uint8Array<ArrayBuffer>> {
  if (offset + length > size) throw damaged("it is cut off");
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) throw damaged("it is cut off");
    done += read;
  }
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(why: string): DamagedArchive {
  return new DamagedArchive(why);
}
