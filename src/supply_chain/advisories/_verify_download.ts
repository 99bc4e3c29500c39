import { fetchFailed } from "./_fetch_failed.ts";

/** What a server declares of a file. */
export interface Declared {
  readonly length: number | undefined;
  /** Value of `x-goog-hash`: `crc32c=…, md5=…`, each in Base64. */
  readonly hash: string | null;
}

/**
 * Checks a downloaded file against what the server declared of it.
 *
 * @throws {SecurityError} `database-unreadable`, when it differs.
 */
export async function verifyDownload(path: string, { length, hash }: Declared): Promise<void> {
  if (length !== undefined && (await Deno.stat(path)).size !== length) {
    throw fetchFailed("the download has another length than the server declared");
  }
  const declared = new Map(
    (hash ?? "").split(",").map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    }),
  );
  if (!declared.has("md5") && !declared.has("crc32c")) return;
  const { createHash } = await import("node:crypto");
  const md5 = createHash("md5");
  const crc = new Crc32c();
  using file = await Deno.open(path, { read: true });
  const buffer = new Uint8Array(1024 * 1024);
  for (let read; (read = await file.read(buffer)) !== null;) {
    md5.update(buffer.subarray(0, read));
    crc.update(buffer.subarray(0, read));
  }
  const computed = new Map([["md5", md5.digest("base64")], ["crc32c", crc.digest()]]);
  for (const [name, value] of computed) {
    if ((declared.get(name) ?? value) !== value) {
      throw fetchFailed("the download does not have the hash that the server declared");
    }
  }
}

/** CRC-32C (Castagnoli), reflected; RFC 3720, appendix B.4. */
class Crc32c {
  readonly #table = new Uint32Array(256).map((_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value;
  });
  #state = 0xffffffff;

  update(bytes: Uint8Array): void {
    let state = this.#state;
    for (let at = 0; at < bytes.length; at++) {
      state = this.#table[(state ^ bytes[at]!) & 0xff]! ^ (state >>> 8);
    }
    this.#state = state;
  }

  /** In Base64 of its big-endian bytes, as `x-goog-hash` writes it. */
  digest(): string {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, ~this.#state >>> 0);
    return bytes.toBase64();
  }
}
