/** Writes archives, well-formed and hostile ones, for the tests of what reads them. */

/** An entry of an archive; what is left out is as in an ordinary file. */
export interface TarEntry {
  readonly name: string;
  readonly text?: string;
  /** The type flag of the header. @default {"0"} */
  readonly type?: string;
  /** The prefix field of the header. @default {""} */
  readonly prefix?: string;
  /** Changes the finished header; its checksum is made good afterwards. */
  readonly tamper?: (header: Uint8Array) => void;
}

const encoder = new TextEncoder();

/** A ustar archive. */
export function writeTar(
  entries: readonly TarEntry[],
  options: { end?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (const { name, text = "", type = "0", prefix = "", tamper } of entries) {
    const content = encoder.encode(text);
    const header = new Uint8Array(512);
    const put = (value: string, at: number) => header.set(encoder.encode(value), at);
    put(name, 0);
    put("0000644\0", 100);
    put(content.length.toString(8).padStart(11, "0") + "\0", 124);
    put(type, 156);
    put("ustar\x0000", 257);
    put(prefix, 345);
    tamper?.(header);
    header.fill(32, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    put(sum.toString(8).padStart(6, "0") + "\0 ", 148);
    const body = new Uint8Array(Math.ceil(content.length / 512) * 512);
    body.set(content);
    blocks.push(header, body);
  }
  if (options.end ?? true) blocks.push(new Uint8Array(1024));
  return concat(blocks);
}

/** Compresses as npm does. */
export async function gzip(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
