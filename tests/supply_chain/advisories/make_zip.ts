import { crc32, deflateRawSync } from "node:zlib";

/** A file to put in an archive, and what to declare of it falsely. */
export interface ZipFile {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** Declared size after inflation. */
  readonly size?: number;
  readonly crc?: number;
  readonly method?: number;
  readonly encrypted?: boolean;
  /** Bytes that follow the data and are counted as part of it. */
  readonly padding?: number;
  /** Where the directory says that it starts. */
  readonly offset?: number;
}

/** Writes archives piece by piece, also with zip64 records, which few libraries write on request. */
export class ZipMaker {
  readonly #parts: Uint8Array[] = [];
  readonly #directory: Uint8Array[] = [];
  readonly #zip64: boolean;
  #offset = 0;
  #count = 0;

  constructor({ zip64 = false }: { zip64?: boolean } = {}) {
    this.#zip64 = zip64;
  }

  add(file: ZipFile): void {
    const content = typeof file.content === "string"
      ? new TextEncoder().encode(file.content)
      : file.content;
    const method = file.method ?? 8;
    const packed = method === 8 ? new Uint8Array(deflateRawSync(content)) : content;
    const data = new Uint8Array(packed.length + (file.padding ?? 0));
    data.set(packed);
    const name = new TextEncoder().encode(file.name);
    const size = file.size ?? content.length;
    const common = [
      [2, 20],
      [2, file.encrypted ? 1 : 0],
      [2, method],
      [4, 0],
      [4, file.crc ?? crc32(content)],
      [4, data.length],
      [4, this.#zip64 ? 0xffffffff : size],
      [2, name.length],
    ] as const;
    const extra = this.#zip64 ? record([[2, 1], [2, 8], [8, size]]) : new Uint8Array();
    const header = record([
      [4, 0x02014b50],
      [2, 20],
      ...common,
      [2, extra.length],
      [2, 0],
      [2, 0],
      [
        2,
        0,
      ],
      [4, 0],
      [4, file.offset ?? this.#offset],
    ]);
    this.#directory.push(header, name, extra);
    this.#push(record([[4, 0x04034b50], ...common, [2, 0]]), name, data);
    this.#count++;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const start = this.#offset;
    for (const part of this.#directory) this.#push(part);
    const bytes = this.#offset - start;
    if (this.#zip64) {
      const end = this.#offset;
      this.#push(
        record([
          [4, 0x06064b50],
          [8, 44],
          [2, 45],
          [2, 45],
          [4, 0],
          [4, 0],
          [8, this.#count],
          [
            8,
            this.#count,
          ],
          [8, bytes],
          [8, start],
        ]),
        record([[4, 0x07064b50], [4, 0], [8, end], [4, 1]]),
      );
    }
    const short = (value: number, most: number) => this.#zip64 ? most : value;
    this.#push(
      record([
        [4, 0x06054b50],
        [2, 0],
        [2, 0],
        [2, short(this.#count, 0xffff)],
        [
          2,
          short(this.#count, 0xffff),
        ],
        [4, short(bytes, 0xffffffff)],
        [4, short(start, 0xffffffff)],
        [2, 0],
      ]),
    );
    const whole = new Uint8Array(this.#offset);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #push(...parts: Uint8Array[]): void {
    for (const part of parts) {
      this.#parts.push(part);
      this.#offset += part.length;
    }
  }
}

/** An archive of a few files. */
export function makeZip(
  files: readonly ZipFile[],
  options: { zip64?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const maker = new ZipMaker(options);
  for (const file of files) maker.add(file);
  return maker.finish();
}

/** Little-endian fields of 2, 4 or 8 bytes. */
function record(fields: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return bytes;
}
