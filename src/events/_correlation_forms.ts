const CORRELATION_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const CLIENT_ID = /^[A-Za-z0-9-]{1,64}$/;
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;
const TRACEPARENT_LENGTH = 55;
/** A later version may be longer; what is longer than this is no header of a tracer. */
const MAX_TRACEPARENT_LENGTH = 512;

/**
 * Checks a `traceparent`.
 *
 * @param value What was sent.
 * @returns It, where it has the form of version 00; of a later version the part that the standard fixes.
 */
export function checkedTraceparent(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > MAX_TRACEPARENT_LENGTH) return undefined;
  if (!TRACEPARENT.test(value)) return undefined;
  if (value.length === TRACEPARENT_LENGTH) return value;
  const isLater = !value.startsWith("00") && value[TRACEPARENT_LENGTH] === "-";
  return isLater ? value.slice(0, TRACEPARENT_LENGTH) : undefined;
}

/**
 * Checks a client's own name for a request.
 *
 * @param value What was sent.
 * @returns It, where it has the form.
 */
export function checkedClientId(value: unknown): string | undefined {
  return typeof value === "string" && CLIENT_ID.test(value) ? value : undefined;
}

/**
 * Checks a correlation id of a layer of this side.
 *
 * @param value What a layer said.
 * @returns It, where it has the form.
 */
export function checkedCorrelationId(value: unknown): string | undefined {
  return typeof value === "string" && CORRELATION_ID.test(value) ? value : undefined;
}
