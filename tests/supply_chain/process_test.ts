import { assertEquals } from "@std/assert";
import { mayColor } from "../../src/supply_chain/_process.ts";

Deno.test("mayColor() wants a terminal that understands escapes, and nobody who minds", () => {
  assertEquals(mayColor(true, false, "xterm-256color"), true);
  assertEquals(mayColor(true, false, undefined), true);
  assertEquals(mayColor(true, false, "dumb"), false);
  assertEquals(mayColor(true, true, "xterm"), false);
  assertEquals(mayColor(false, false, "xterm"), false);
});
