import { maxBytesOption, tooLarge } from "./_pull.ts";

/**
 * Makes a transform that lets at most so many bytes pass, for what is worked on as it arrives.
 *
 * With the chunk that would be too much, of which nothing passes, both sides fail: a `pipeThrough` then
 * cancels its source.
 *
 * @example
 * ```ts
 * import { limitBytes, SecurityError } from "@bartizan/security";
 * import { assertRejects } from "@std/assert";
 *
 * const { body } = new Response("hello");
 * const limited = body!.pipeThrough(limitBytes(4));
 * await assertRejects(() => new Response(limited).text(), SecurityError);
 * ```
 *
 * @param maxBytes Most bytes that pass.
 * @returns The transform; it fails with a {@linkcode SecurityError} `too-large`, or a `TypeError` for a chunk that is
 * no `Uint8Array`.
 * @throws {TypeError} If `maxBytes` is no number.
 * @throws {RangeError} If it is out of range.
 */
export function limitBytes(
  maxBytes: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const most = maxBytesOption("limit a stream", maxBytes);
  let passed = 0;
  return new TransformStream({
    transform(chunk: unknown, controller) {
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError("Cannot limit a stream whose chunks are no Uint8Array");
      }
      passed += chunk.byteLength;
      if (passed > most) throw tooLarge(most);
      controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
    },
  });
}
