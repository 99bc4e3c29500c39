/**
 * A reader for the tar archives that npm makes, which accepts nothing else.
 *
 * An archive is unpacked into memory only: no entry can name a place on the disk, and whoever writes
 * the files afterwards chooses the paths.
 */

/** An archive that is damaged, or holds something that a package of plain files has no need for. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

const BLOCK = 512;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The gunzipped bytes; more than `maxBytes` of them is refused while unpacking, not afterwards. */
export async function gunzip(
  bytes: Uint8Array<ArrayBuffer>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > maxBytes) throw new ArchiveError(`it unpacks to more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof ArchiveError) throw cause;
    throw new ArchiveError("it is not gzip data, or is cut short", { cause });
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/**
 * The files of a POSIX ustar archive by their names.
 *
 * Refused are names that leave the archive's root (absolute, `..`, drive letters, backslashes), two
 * entries of one name, and every kind of entry but files and folders: a link followed by a file
 * "inside" it is the classic way to write elsewhere.
 */
export function readTar(archive: Uint8Array<ArrayBuffer>): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (let at = 0; at + BLOCK <= archive.length;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return files;
    const { name, size, type } = readHeader(header);
    at += BLOCK;
    if (at + size > archive.length) throw new ArchiveError(`${JSON.stringify(name)} is cut short`);
    if (type !== "5") {
      if (files.has(name)) throw new ArchiveError(`${JSON.stringify(name)} is in it twice`);
      files.set(name, archive.slice(at, at + size));
    }
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new ArchiveError("its end is missing");
}

function readHeader(header: Uint8Array<ArrayBuffer>): { name: string; size: number; type: string } {
  if (text(header, 257, 8) !== "ustar\u000000") throw new ArchiveError("it is not a ustar archive");
  // The checksum counts its own field as spaces (POSIX.1-2017, pax, "ustar Interchange Format").
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (octal(header, 148, 8) !== sum) throw new ArchiveError("a header's checksum is wrong");
  const prefix = cString(header, 345, 155);
  const name = (prefix === "" ? "" : `${prefix}/`) + cString(header, 0, 100);
  const type = text(header, 156, 1).replace("\0", "0");
  if (type !== "0" && type !== "5") {
    throw new ArchiveError(
      `${JSON.stringify(name)} is neither a file nor a folder (type ${JSON.stringify(type)})`,
    );
  }
  const parts = (type === "5" ? name.replace(/\/$/, "") : name).split("/");
  // deno-lint-ignore no-control-regex
  if (parts.some((part) => /^\.{0,2}$|[\\:\u0000-\u001f\u007f]/.test(part))) {
    throw new ArchiveError(`the name ${JSON.stringify(name)} is not a plain relative path`);
  }
  return { name, size: octal(header, 124, 12), type };
}

function text(header: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  try {
    return utf8.decode(header.subarray(at, at + length));
  } catch (cause) {
    throw new ArchiveError("a header is not UTF-8", { cause });
  }
}

function cString(header: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  const field = text(header, at, length);
  const end = field.indexOf("\0");
  return end < 0 ? field : field.slice(0, end);
}

function octal(header: Uint8Array<ArrayBuffer>, at: number, length: number): number {
  const digits = /^([0-7]{1,11})[\0 ]+$/.exec(text(header, at, length).padEnd(length + 1, "\0"));
  if (digits === null) throw new ArchiveError("a number in a header is not octal");
  return parseInt(digits[1]!, 8);
}
