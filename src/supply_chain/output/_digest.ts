import { createHash } from "node:crypto";

/** Namespace of the UUIDs of bills of materials: fixed, so that the same content gets the same. */
const NAMESPACE = "6f3d2a5e0c0b4b7c9a51d9e7b1f4c283";

/** SHA-256 of a text, in hex. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A UUID of version 5 (RFC 9562, section 5.5) for a text. */
export function uuidV5(text: string): string {
  const bytes = createHash("sha1").update(NAMESPACE, "hex").update(text).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
