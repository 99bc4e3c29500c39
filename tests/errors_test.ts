import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { SecurityError } from "@bartizan/security";

Deno.test("SecurityError carries its code, its details and the cause", () => {
  const cause = new Error("secret path");
  const error = new SecurityError("usage", "no such option", { details: { option: "--x" }, cause });
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.code, error.message], [
    "SecurityError",
    "usage",
    "no such option",
  ]);
  assertEquals(error.details, { option: "--x" });
  assertEquals(error.cause, cause);
  assertEquals(`${error}`, "SecurityError: no such option");
});

Deno.test("SecurityError has no cause and empty details unless told", () => {
  const error = new SecurityError("usage", "no");
  assertEquals(Object.hasOwn(error, "cause"), false);
  assertEquals(error.details, {});
});

Deno.test("SecurityError freezes a copy of the details", () => {
  const details = { line: 3 };
  const error = new SecurityError("policy-invalid", "no", { details });
  details.line = 4;
  assertEquals(error.details.line, 3);
  assertThrows(() => Object.assign(error.details, { line: 5 }), TypeError);
});
