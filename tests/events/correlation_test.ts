import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { correlationOf } from "../../src/events/correlation.ts";
import { checkedTraceparent } from "../../src/events/_correlation_forms.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

Deno.test("checkedTraceparent() takes what W3C Trace Context allows, and nothing else", () => {
  const valid = `00-${TRACE}-${SPAN}-01`;
  const later = `cc-${TRACE}-${SPAN}-09`;
  const cases: [unknown, string | undefined][] = [
    [valid, valid],
    [`00-${TRACE}-${SPAN}-00`, `00-${TRACE}-${SPAN}-00`],
    [later, later],
    [`${later}-what-is-new`, later],
    [`${later}-`, later],
    [`${valid}-more`, undefined],
    [`${later}.more`, undefined],
    [`${later}-${"x".repeat(500)}`, undefined],
    [`ff-${TRACE}-${SPAN}-01`, undefined],
    [`00-${"0".repeat(32)}-${SPAN}-01`, undefined],
    [`00-${TRACE}-${"0".repeat(16)}-01`, undefined],
    [valid.toUpperCase(), undefined],
    [`${valid}\n`, undefined],
    [` ${valid}`, undefined],
    [`00-${TRACE}-${SPAN}`, undefined],
    [`00-${TRACE}-${SPAN}-1`, undefined],
    [`00_${TRACE}-${SPAN}-01`, undefined],
    [`${valid}, ${valid}`, undefined],
    ["", undefined],
    [null, undefined],
    [7, undefined],
  ];
  for (const [value, expected] of cases) assertEquals(checkedTraceparent(value), expected);
});

Deno.test("correlationOf() makes an identifier of its own, whatever the client sends", () => {
  const tenant = "3f0c1f0e-8a55-4c39-9a5e-2f1f6f4f5b11";
  const attacks = [tenant, "x".repeat(10_240), "a b", "x%0d%0ay", "é", '"', ""];
  for (const name of ["x-correlation-id", "x-request-id"]) {
    for (const value of attacks) {
      const headers = new Headers({ [name]: value });
      // Control: the header, taken as it is, would be the identifier.
      assertEquals(headers.get(name), value);
      const { correlationId, clientCorrelationId } = correlationOf(headers);
      assertMatch(correlationId, UUID);
      assertNotEquals(correlationId, value);
      assertEquals(clientCorrelationId, value === tenant ? tenant : undefined);
    }
  }
});

Deno.test("correlationOf() reads a request, and keeps of it what has the form", () => {
  const request = new Request("http://localhost/", {
    headers: {
      traceparent: `00-${TRACE}-${SPAN}-01`,
      "x-correlation-id": "not ok",
      "x-request-id": "order-17",
    },
  });
  const { correlationId, ...rest } = correlationOf(request);
  assertMatch(correlationId, UUID);
  assertEquals(rest, {
    traceparent: `00-${TRACE}-${SPAN}-01`,
    clientCorrelationId: "order-17",
  });
  assertEquals(Object.keys(correlationOf(new Headers())), ["correlationId"]);
  const twice = new Headers([["traceparent", `00-${TRACE}-${SPAN}-01`], ["traceparent", "x"]]);
  assertEquals(correlationOf(twice).traceparent, undefined);
});
