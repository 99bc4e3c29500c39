import { checkedClientId, checkedTraceparent } from "./_correlation_forms.ts";
import { newId } from "./_ids.ts";

/** What ties the events of one request together. */
export interface Correlation {
  /** Identifier of this side's own, which no client can choose. */
  readonly correlationId: string;
  /** The client's W3C `traceparent`; absent unless it has the form. */
  readonly traceparent?: string;
  /** The client's own name for the request; absent unless it is `[A-Za-z0-9-]{1,64}`. */
  readonly clientCorrelationId?: string;
}

const CLIENT_HEADERS = ["x-correlation-id", "x-request-id"];

/**
 * Reads what a client says of the trace and the request that it belongs to, and gives the request an
 * identifier of this side's own.
 *
 * A client may send anything: another tenant's identifier, 10 KiB, line feeds. So its words are never the
 * correlation id, and are kept beside it only where they have the form. They are claims: use them to find
 * events, not to decide anything.
 *
 * @see {@link https://www.w3.org/TR/trace-context/#traceparent-header | W3C Trace Context}
 *
 * @example
 * ```ts
 * import { correlationOf } from "@bartizan/security";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * const correlation = correlationOf(new Headers({ "x-request-id": "checkout-17" }));
 * assertEquals(correlation.clientCorrelationId, "checkout-17");
 * assertNotEquals(correlation.correlationId, "checkout-17");
 * ```
 *
 * @param request The request, or its headers: `traceparent`, `x-correlation-id` and `x-request-id` are read.
 * @returns A new correlation id, and what of the client's has the form.
 */
export function correlationOf(request: Request | Headers): Correlation {
  const headers = "headers" in request ? request.headers : request;
  const traceparent = checkedTraceparent(headers.get("traceparent"));
  let clientCorrelationId: string | undefined;
  for (const name of CLIENT_HEADERS) {
    clientCorrelationId ??= checkedClientId(headers.get(name));
  }
  return {
    correlationId: newId(),
    ...(traceparent !== undefined && { traceparent }),
    ...(clientCorrelationId !== undefined && { clientCorrelationId }),
  };
}
