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
 * @param signal Ends the reading, and frees the connection.
 * @returns The body.
 * @throws {Error} If the status is another, or the body is longer.
 */
export async function readBody(
  response: Response,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const { status, body } = response;
  // Not awaited: a body that cannot be cancelled in time must not be waited for either.
  if (status !== 200) {
    body?.cancel().catch(() => {});
    throw new Error(`The server answered with status ${status}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  // It may have come when nobody waited any more.
  if (signal.aborted) cancel();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      cancel();
      throw new Error(`The server answered with more than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
  // What was cancelled looks like one that ended.
  signal.throwIfAborted();
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
