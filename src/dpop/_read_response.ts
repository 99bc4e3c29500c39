/**
 * Reading what another server answers, up to a limit.
 *
 * @module
 */

/**
 * Reads the body of a 200.
 *
 * @param response The response.
 * @param maxBytes Longest body.
 * @returns The body.
 * @throws {Error} If the status is another, or the body is longer.
 */
export async function readBody(
  response: Response,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { status, body } = response;
  if (status !== 200) {
    await body?.cancel();
    throw new Error(`The server answered with status ${status}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw new Error(`The server answered with more than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
