import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import type { DpopErrorCode } from "../../src/errors.ts";

const STATUSES:
  readonly (readonly [code: DpopErrorCode | null, status: number, header: string | null])[] = [
    [null, 401, "DPoP"],
    ["invalid_dpop_proof", 401, 'DPoP error="invalid_dpop_proof"'],
    ["use_dpop_nonce", 401, 'DPoP error="use_dpop_nonce"'],
    ["invalid_token", 401, 'DPoP error="invalid_token"'],
    ["invalid_request", 400, 'DPoP error="invalid_request"'],
    ["invalid_grant", 400, 'DPoP error="invalid_grant"'],
    ["insufficient_scope", 403, 'DPoP error="insufficient_scope"'],
    ["temporarily_unavailable", 503, null],
  ];

for (const [code, status, header] of STATUSES) {
  Deno.test(`DpopError answers ${code} with ${status} where nothing else is said`, () => {
    const error = new DpopError(code, "malformed", "no");
    assertInstanceOf(error, SecurityError);
    assertEquals([error.name, error.code, error.status], ["DpopError", code, status]);
    const { headers, status: sent, body } = error.toResponse();
    assertEquals([sent, body], [status, null]);
    assertEquals(headers.get("www-authenticate"), header);
    assertEquals(headers.get("retry-after"), status === 503 ? "1" : null);
    assertEquals(headers.get("cache-control"), "no-store");
  });
}

Deno.test("DpopError throws on a code that would not be safe in a header", () => {
  for (const code of ['x", realm="evil', "x\r\nset-cookie: a=b", "", "constructor", undefined, 1]) {
    assertThrows(
      () => new DpopError(code as never, "malformed", "no"),
      TypeError,
      "Cannot create a DpopError: 'code' must be",
    );
  }
});

Deno.test("toResponse() gives a new response with the status, headers and body of the error", async () => {
  const cause = new Error("why");
  const error = new DpopError("invalid_grant", "jkt-mismatch", "another key", {
    status: 418,
    headers: { "x-one": "1" },
    body: "{}",
    details: { skewSeconds: 3 },
    cause,
  });
  assertEquals([error.cause, error.details, error.message], [
    cause,
    { skewSeconds: 3 },
    "another key",
  ]);
  for (const response of [error.toResponse(), error.toResponse()]) {
    assertEquals(response.status, 418);
    assertEquals(response.headers.get("x-one"), "1");
    assertEquals(response.headers.get("www-authenticate"), null);
    assertEquals(response.headers.get("cache-control"), "no-store");
    assertEquals(await response.text(), "{}");
  }
});
