/**
 * Messages between processes: four bytes of length, big-endian, then JSON.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A message longer than agreed. */
export class FrameTooLarge extends Error {}

/** A message that came in. */
export interface Frame {
  /** What it says. */
  readonly message: unknown;
  /** How long it was, in bytes. */
  readonly bytes: number;
}

/**
 * Encodes a message.
 *
 * @param json The message, as JSON.
 * @returns The bytes.
 */
export function encodeFrame(json: string): Uint8Array<ArrayBuffer> {
  const body = encoder.encode(json);
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, 4);
  return frame;
}

/**
 * Decodes messages as they come.
 *
 * @param stream The bytes.
 * @param maxBytes Longest message.
 * @returns The messages; ends with the stream, also in the middle of a message.
 * @throws {FrameTooLarge} If a message says that it is longer: before any of it is kept.
 * @throws {SyntaxError | TypeError} If a message is no JSON.
 */
export async function* decodeFrames(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Frame> {
  const head = new Uint8Array(4);
  let headLength = 0;
  let body: Uint8Array | undefined;
  let filled = 0;
  for await (let chunk of stream) {
    while (chunk.length > 0) {
      if (body === undefined) {
        const part = chunk.subarray(0, 4 - headLength);
        head.set(part, headLength);
        headLength += part.length;
        chunk = chunk.subarray(part.length);
        if (headLength < 4) break;
        const length = new DataView(head.buffer).getUint32(0);
        if (length > maxBytes) throw new FrameTooLarge(`a message of ${length} bytes`);
        body = new Uint8Array(length);
        filled = 0;
      }
      const part = chunk.subarray(0, body.length - filled);
      body.set(part, filled);
      filled += part.length;
      chunk = chunk.subarray(part.length);
      if (filled < body.length) break;
      const frame: Frame = { message: JSON.parse(decoder.decode(body)), bytes: body.length };
      body = undefined;
      headLength = 0;
      yield frame;
    }
  }
}
